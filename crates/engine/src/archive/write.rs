//! From opened contents to the bytes of a zip.

use std::fmt::{self, Debug};

use bytes::{Bytes, BytesMut};
use crc32fast::Hasher;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use longshore_core::{Code, Timestamp};

use super::zip::{Entry, Writer};
use crate::download::{Content, ContentStream};
use crate::error::{Error, Result};

/// The most entries of one archive: its directory, of about 100 bytes each, is kept in memory until the end.
const MOST: u64 = 1_000_000;
/// The most bytes of it: names are whole paths, and those may have thousands.
const MOST_BYTES: usize = 64 * 1_024 * 1_024;

/// Small files go out together, this many bytes or a little more.
const TOGETHER: usize = 64 * 1_024;

/// Something that goes into an archive.
pub(super) struct Member {
    name: String,
    modified: Timestamp,
    bytes: Source,
}

enum Source {
    /// Nothing: it is a folder.
    None,
    /// All there is, with its checksum.
    Here(Bytes, u32),
    Stored(Box<Content>),
}

impl Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Member {
    pub(super) fn folder(name: &str, modified: Timestamp) -> Self {
        Self { name: format!("{name}/"), modified, bytes: Source::None }
    }

    pub(super) fn file(name: String, content: Content) -> Self {
        let modified = content.version().created_at;
        let bytes = match content.inline() {
            Some(bytes) => {
                let crc = crc32fast::hash(&bytes);
                Source::Here(bytes, crc)
            }
            None => Source::Stored(Box::new(content)),
        };
        Self { name, modified, bytes }
    }

    /// Returns what the archive says of it.
    pub(super) fn entry(&self) -> Entry<'_> {
        let (size, crc) = match &self.bytes {
            Source::None => (0, Some(0)),
            Source::Here(bytes, crc) => (bytes.len() as u64, Some(*crc)),
            Source::Stored(content) => (content.version().size, None),
        };
        Entry { name: &self.name, modified: self.modified, size, crc }
    }
}

/// A content that is being sent.
struct Current {
    chunks: ContentStream,
    checksum: Hasher,
    /// How many bytes are still to come.
    left: u64,
}

/// An archive that is being written.
pub(super) struct Writing {
    members: BoxStream<'static, Result<Member>>,
    writer: Writer,
    current: Option<Current>,
    /// What is to be sent, and is too little for a piece of its own.
    small: BytesMut,
    /// What is to be sent after that.
    large: Vec<Bytes>,
    is_over: bool,
}

impl Writing {
    pub(super) fn new(members: BoxStream<'static, Result<Member>>) -> Self {
        Self {
            members,
            writer: Writer::default(),
            current: None,
            small: BytesMut::new(),
            large: Vec::new(),
            is_over: false,
        }
    }

    pub(super) fn into_bytes(self) -> ContentStream {
        stream::try_unfold(self, async |mut writing| Ok(writing.next().await?.map(|piece| (piece, writing))))
            .boxed()
    }

    /// Returns the next bytes, nothing at the end.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let is_full = self.small.len() >= TOGETHER || !self.large.is_empty() || self.is_over;
            if is_full && !self.small.is_empty() {
                return Ok(Some(self.small.split().freeze()));
            }
            if let Some(piece) = self.large.pop() {
                return Ok(Some(piece));
            }
            if self.is_over {
                return Ok(None);
            }
            match &mut self.current {
                Some(_) => self.go_on().await?,
                None => self.begin_next().await?,
            }
        }
    }

    /// Takes the next piece of the current content, or what stands behind it.
    async fn go_on(&mut self) -> Result<()> {
        let Some(current) = &mut self.current else { return Ok(()) };
        match current.chunks.try_next().await? {
            Some(chunk) => {
                let size = chunk.len() as u64;
                current.left = current.left.checked_sub(size).ok_or_else(other_length)?;
                current.checksum.update(&chunk);
                self.large.push(chunk);
            }
            None if current.left > 0 => return Err(other_length()),
            None => {
                if let Some(current) = self.current.take() {
                    self.small.extend_from_slice(&self.writer.end(current.checksum.finalize()));
                }
            }
        }
        Ok(())
    }

    async fn begin_next(&mut self) -> Result<()> {
        let Some(member) = self.members.try_next().await? else {
            self.is_over = true;
            let [directory, end] = std::mem::take(&mut self.writer).finish();
            self.large.extend([end, directory]);
            return Ok(());
        };
        if self.writer.count() == MOST {
            let detail = format!("an archive has at most {MOST} entries");
            return Err(Error::new(Code::TooManyNodes, detail));
        }
        if self.writer.directory_size() + member.name.len() > MOST_BYTES {
            let detail = format!("an archive has at most {MOST_BYTES} bytes of names");
            return Err(Error::new(Code::TooManyNodes, detail));
        }
        self.small.extend_from_slice(&self.writer.begin(member.entry()));
        match member.bytes {
            Source::None => {}
            Source::Here(bytes, _) => self.small.extend_from_slice(&bytes),
            Source::Stored(content) => {
                let left = content.version().size;
                let chunks = content.read(0..left).await?;
                self.current = Some(Current { chunks, checksum: Hasher::new(), left });
            }
        }
        Ok(())
    }
}

/// What the directory says would no longer be true.
fn other_length() -> Error {
    Error::corrupt("a blob has another length than its version")
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, TryStreamExt, stream};
    use longshore_core::{Code, Timestamp};

    use super::{MOST_BYTES, Member, Writing};

    #[tokio::test]
    async fn a_directory_of_long_names_is_bounded() {
        let name = "x".repeat(1_000_000);
        let members = (0..MOST_BYTES / 1_000_000 + 1)
            .map(move |number| Ok(Member::folder(&format!("{number}{name}"), Timestamp::from_micros(0))));
        let mut bytes = Writing::new(stream::iter(members).boxed()).into_bytes();
        let mut sent = 0;
        let error = loop {
            match bytes.try_next().await {
                Ok(Some(piece)) => sent += piece.len(),
                Ok(None) => panic!("{sent} bytes, and its end"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.code(), Code::TooManyNodes);
    }
}
