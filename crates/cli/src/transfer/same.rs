//! Telling whether a local file is what stands in the workspace, by size and digest.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use longshore::{Digest, Node, NodeKind};
use longshore_core::Algorithm;
use longshore_flow::Blocking;
use rustix::fs::{Mode, OFlags};
use rustix::io::retry_on_intr;

/// How many files are read at once: more only make a disk seek, and take the processor from those that move.
pub(crate) const READERS: usize = 4;

/// How much of a file is read at once.
const BITE: usize = 256 * 1_024;

/// Reads files where reading may block.
#[derive(Clone)]
pub(crate) struct Reader(Blocking);

impl Reader {
    pub(crate) fn new() -> Self {
        Self(Blocking::new(READERS))
    }

    /// Tells whether the file that `open` opens has the content of the node; it is opened only where its size, which the
    /// caller knows, is right. A file that cannot be read is not the same: whoever moves it says why.
    pub(crate) async fn is_same(
        &self,
        node: &Node,
        size: u64,
        open: impl FnOnce() -> std::io::Result<File> + Send + 'static,
    ) -> bool {
        let Some(digest) = node.digest.filter(|_| node.kind == NodeKind::File && node.size == size) else {
            return false;
        };
        let hashed = self.0.run(move || open().and_then(|file| hash(file, size))).await;
        matches!(hashed, Ok(Ok(found)) if found == Some(digest))
    }
}

/// Opens a file to be read, and nothing else: a link is not followed, and a pipe is not waited for.
pub(crate) fn open_file(path: &Path) -> std::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))?))
}

/// Hashes a regular file of this size; nothing if it is another by now. Blocks.
fn hash(mut file: File, size: u64) -> std::io::Result<Option<Digest>> {
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; BITE.min(usize::try_from(size).unwrap_or(BITE).max(1))];
    while hasher.count() <= size {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            let digest = Digest::new(Algorithm::Blake3, *hasher.finalize().as_bytes());
            return Ok((hasher.count() == size).then_some(digest));
        }
        hasher.update(&buffer[..read]);
    }
    Ok(None)
}
