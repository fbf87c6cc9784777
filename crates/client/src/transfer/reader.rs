//! Reading what is uploaded: hashed as it is read, and of the length that was announced or not at all.

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use blake3::Hasher;
use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::StreamExt;
use longshore_core::{Algorithm, Code, Digest};
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::plan::{BITE, is_whole, next_chunk};
use super::source::ByteStream;
use super::threads::{self, Reading};
use crate::error::{Error, Result};
use crate::transport::body::{Chunks, Sending};

/// Returns the digest of what was hashed.
pub(crate) fn finish(hasher: &Hasher) -> Digest {
    Digest::new(Algorithm::Blake3, *hasher.finalize().as_bytes())
}

/// Returns the digest of bytes.
pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Digest::new(Algorithm::Blake3, *blake3::hash(bytes).as_bytes())
}

/// What shows that a file was written to: its length, and when it last was, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) length: u64,
    pub(crate) seconds: i64,
    pub(crate) nanos: i64,
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self { length: metadata.len(), seconds: metadata.mtime(), nanos: metadata.mtime_nsec() }
    }
}

/// Makes the error of a file that was written to.
pub(crate) fn changed(path: &Path) -> Error {
    Error::mismatch(Code::LengthMismatch, format!("{} changed while it was sent", path.display()))
}

/// A file that was opened to be sent.
pub(crate) enum Opened {
    /// All of a small one.
    Whole(Bytes, Digest),
    /// A large one and its length.
    Long(File, u64),
}

/// Opens a regular file. All else is refused, and not waited for: a pipe that nobody writes to has no end. Blocks.
pub(crate) fn open_file(path: &Path) -> Result<(File, Metadata)> {
    let cannot_read = |error| Error::local("cannot read", path, error);
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()));
    let file = match opened {
        Ok(file) => File::from(file),
        // A socket.
        Err(Errno::NXIO) => return Err(Error::no_file(path)),
        Err(errno) => return Err(cannot_read(errno.into())),
    };
    let metadata = file.metadata().map_err(cannot_read)?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(Error::no_file(path)) }
}

/// Hashes a file of this length; nothing if it cannot be read, or has another by now. Blocks.
pub(crate) fn hash(mut file: File, length: u64) -> Option<Digest> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; BITE];
    // One byte more would show that it goes on, and an endless one must not be read for ever.
    while hasher.count() <= length {
        let read = file.read(&mut buffer).ok()?;
        if read == 0 {
            return (hasher.count() == length).then(|| finish(&hasher));
        }
        hasher.update(&buffer[..read]);
    }
    None
}

/// Opens a file, and reads and hashes it if it is small. Blocks.
pub(crate) fn open(path: &Path) -> Result<Opened> {
    let cannot_read = |error| Error::local("cannot read", path, error);
    let (mut file, metadata) = open_file(path)?;
    let length = metadata.len();
    if !is_whole(length) {
        return Ok(Opened::Long(file, length));
    }
    // One byte more than there should be shows a file that grew.
    let capacity = usize::try_from(length).unwrap_or(0) + 1;
    let mut content = Vec::with_capacity(capacity);
    (&mut file).take(length + 1).read_to_end(&mut content).map_err(cannot_read)?;
    if content.len() as u64 != length {
        return Err(length_changed(path, length));
    }
    if Stamp::of(&file.metadata().map_err(cannot_read)?) != Stamp::of(&metadata) {
        return Err(changed(path));
    }
    let digest = digest(&content);
    Ok(Opened::Whole(content.into(), digest))
}

pub(crate) fn length_changed(path: &Path, announced: u64) -> Error {
    let message =
        format!("{} changed its length while it was sent; it had {announced} bytes", path.display());
    Error::mismatch(Code::LengthMismatch, message)
}

/// Reads a large file on a thread of its own, one chunk ahead of who sends it.
///
/// The thread ends when the chunks are dropped.
pub(crate) fn read_ahead(file: File, length: u64, path: PathBuf, sending: Arc<Sending>) -> Chunks {
    threads::read_ahead(move |reading| read_chunks(file, length, &path, &sending, reading))
}

fn read_chunks(mut file: File, length: u64, path: &Path, sending: &Sending, reading: &Reading) -> Result<()> {
    let cannot_read = |error| Error::local("cannot read", path, error);
    let before = Stamp::of(&file.metadata().map_err(cannot_read)?);
    let mut hasher = Hasher::new();
    let mut rest = length;
    while rest > 0 {
        let size = next_chunk(rest);
        let mut chunk = Vec::with_capacity(size);
        let read = (&mut file).take(size as u64).read_to_end(&mut chunk).map_err(cannot_read)?;
        if read < size {
            return Err(length_changed(path, length));
        }
        hasher.update(&chunk);
        rest -= size as u64;
        if rest == 0 {
            // Looked for before the last chunk leaves: after it, the server has all it was told of.
            if file.read(&mut [0]).map_err(cannot_read)? > 0 {
                return Err(length_changed(path, length));
            }
            if Stamp::of(&file.metadata().map_err(cannot_read)?) != before {
                return Err(changed(path));
            }
            sending.set_digest(finish(&hasher));
        }
        if !reading.give(chunk.into()) {
            return Ok(());
        }
    }
    Ok(())
}

/// Hashes a caller's stream as it passes, and holds it to the length it was announced with.
pub(crate) struct Hashed {
    stream: ByteStream,
    hasher: Hasher,
    announced: Option<u64>,
    passed: u64,
    /// The last chunk of an announced length, held until the stream has proved that it ends there.
    held: Option<Bytes>,
    sending: Arc<Sending>,
}

impl Hashed {
    pub(crate) fn new(stream: ByteStream, announced: Option<u64>, sending: Arc<Sending>) -> Self {
        Self { stream, hasher: Hasher::new(), announced, passed: 0, held: None, sending }
    }

    fn wrong_length(&self) -> Error {
        let message = match self.announced {
            Some(announced) if self.passed > announced => {
                format!("the stream goes on past the {announced} bytes that were announced")
            }
            Some(announced) => {
                format!("the stream ended after {} of the {announced} bytes that were announced", self.passed)
            }
            None => "the stream has the wrong length".to_owned(),
        };
        Error::mismatch(Code::LengthMismatch, message)
    }
}

impl Stream for Hashed {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        loop {
            match ready!(self.stream.poll_next_unpin(cx)) {
                Some(Err(error)) => {
                    return Poll::Ready(Some(Err(Error::source_failed(error))));
                }
                Some(Ok(chunk)) if chunk.is_empty() => {}
                Some(Ok(chunk)) => {
                    self.passed += chunk.len() as u64;
                    if self.announced.is_some_and(|announced| self.passed > announced) {
                        return Poll::Ready(Some(Err(self.wrong_length())));
                    }
                    self.hasher.update(&chunk);
                    if self.announced == Some(self.passed) {
                        self.held = Some(chunk);
                    } else {
                        return Poll::Ready(Some(Ok(chunk)));
                    }
                }
                None => {
                    if self.announced.is_some_and(|announced| self.passed < announced) {
                        return Poll::Ready(Some(Err(self.wrong_length())));
                    }
                    self.sending.set_digest(finish(&self.hasher));
                    return Poll::Ready(self.held.take().map(Ok));
                }
            }
        }
    }
}
