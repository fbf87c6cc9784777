//! What a store tells about its files and folders, and what a caller may ask for.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::SystemTime;

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::path::StorePath;

/// What a caller says of a file, by keys of its own.
///
/// A key is 1 to 64 of `a-z`, `0-9` and `_` and begins with a letter; a value is printable ASCII without spaces at
/// its ends; there are at most 64, of at most 2,048 bytes all together. That is what every service can keep unchanged.
pub type Metadata = BTreeMap<String, String>;

const METADATA_MOST: usize = 2_048;
const METADATA_KEYS: usize = 64;
const MEDIA_TYPE_MOST: usize = 255;

/// Tells what is wrong with a media type.
pub(crate) fn check_media_type(text: &str) -> Result<()> {
    if text.is_empty()
        || text.len() > MEDIA_TYPE_MOST
        || !text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
    {
        let message = format!("a media type is printable ASCII, at most {MEDIA_TYPE_MOST} bytes");
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    Ok(())
}

/// Tells what is wrong with metadata.
pub(crate) fn check_metadata(metadata: &Metadata) -> Result<()> {
    let refuse = |message: String| Err(Error::new(ErrorKind::InvalidInput, message));
    for (key, value) in metadata {
        let is_word = key.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        if !is_word || key.len() > 64 || !key.starts_with(|first: char| first.is_ascii_lowercase()) {
            return refuse(format!(
                "{key:?} is no key of metadata: 1 to 64 of a-z, 0-9 and _, a letter first"
            ));
        }
        if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) || value.trim() != value {
            return refuse(format!("the value of {key:?} is not printable ASCII without spaces at its ends"));
        }
    }
    let size: usize = metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    if size > METADATA_MOST || metadata.len() > METADATA_KEYS {
        return refuse(format!("metadata has at most {METADATA_KEYS} keys and {METADATA_MOST} bytes in all"));
    }
    Ok(())
}

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// The path, relative to the store that was asked.
    pub path: StorePath,
    /// The size in bytes.
    pub size: u64,
    /// When the content was last written, if known.
    pub last_modified: Option<SystemTime>,
    /// An opaque tag that differs between any two contents the path ever had, if known.
    pub etag: Option<String>,
    /// Which version of the file this is, where the storage keeps versions.
    pub version_id: Option<String>,
    /// The digest that the storage itself keeps of the content.
    pub digest: Option<Digest>,
    /// The media type it was written with. A listing may leave it out.
    pub media_type: Option<String>,
    /// The metadata it was written with. A listing may leave it out.
    pub metadata: Metadata,
}

impl FileInfo {
    /// Makes what is known of a file from its place and size alone. For backends.
    #[must_use]
    pub const fn new(path: StorePath, size: u64) -> Self {
        Self {
            path,
            size,
            last_modified: None,
            etag: None,
            version_id: None,
            digest: None,
            media_type: None,
            metadata: Metadata::new(),
        }
    }
}

/// What is known of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderInfo {
    /// The path, relative to the store that was asked.
    pub path: StorePath,
}

/// A file or a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A file.
    File(FileInfo),
    /// A folder.
    Folder(FolderInfo),
}

impl Entry {
    /// Returns the path.
    #[must_use]
    pub const fn path(&self) -> &StorePath {
        match self {
            Self::File(file) => &file.path,
            Self::Folder(folder) => &folder.path,
        }
    }

    pub(crate) const fn path_mut(&mut self) -> &mut StorePath {
        match self {
            Self::File(file) => &mut file.path,
            Self::Folder(folder) => &mut folder.path,
        }
    }
}

/// What lies in a folder, all together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderSummary {
    /// The path, relative to the store that was asked.
    pub path: StorePath,
    /// How many files.
    pub files: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// When one of them was last written, if known.
    pub last_modified: Option<SystemTime>,
}

/// Where a [`WriteResult`] is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResultSource {
    /// The storage told it with the write.
    Native,
    /// The storage told nothing: path and size are what was sent.
    Basic,
    /// The file was looked at.
    Sidecar,
}

/// What a finished write has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteResult {
    /// The path, relative to the store that was asked.
    pub path: StorePath,
    /// The size in bytes.
    pub size: u64,
    /// When the content was written, if known.
    pub last_modified: Option<SystemTime>,
    /// The tag that [`ReadOptions::if_match`] takes, if the backend has tags.
    pub etag: Option<String>,
    /// Which version this is, where the storage keeps versions.
    pub version_id: Option<String>,
    /// The digest of the content: the one asked for, or one that the storage told.
    pub digest: Option<Digest>,
    /// The metadata it was written with.
    pub metadata: Metadata,
    /// Where this is from.
    pub source: ResultSource,
}

impl WriteResult {
    /// Makes a result of what a backend told.
    pub(crate) fn of(file: FileInfo, source: ResultSource) -> Self {
        Self {
            path: file.path,
            size: file.size,
            last_modified: file.last_modified,
            etag: file.etag,
            version_id: file.version_id,
            digest: file.digest,
            metadata: file.metadata,
            source,
        }
    }
}

/// Which bytes of a file to read. What lies beyond the end is left out, as with a slice that is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ByteRange {
    /// Every byte.
    #[default]
    All,
    /// From the first offset up to, not including, the second.
    Between(u64, u64),
    /// From an offset to the end.
    From(u64),
    /// The last so many bytes.
    Last(u64),
}

impl ByteRange {
    /// Returns the offsets this means in a file of `size` bytes.
    #[must_use]
    pub fn within(self, size: u64) -> Range<u64> {
        let (start, end) = match self {
            Self::All => (0, size),
            Self::Between(start, end) => (start, end.min(size)),
            Self::From(start) => (start, size),
            Self::Last(count) => (size.saturating_sub(count), size),
        };
        start.min(end)..end
    }
}

impl From<Range<u64>> for ByteRange {
    fn from(range: Range<u64>) -> Self {
        Self::Between(range.start, range.end)
    }
}

/// How to read.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ReadOptions {
    /// Which bytes.
    pub range: ByteRange,
    /// Read only if the file's tag is this; [`Capability::ConditionalRead`](crate::Capability) is needed.
    pub if_match: Option<String>,
}

impl ReadOptions {
    /// Returns options that ask for some bytes alone.
    #[must_use]
    pub fn range(range: impl Into<ByteRange>) -> Self {
        Self { range: range.into(), if_match: None }
    }
}

/// How to write.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct WriteOptions {
    /// Whether a file that stands at the path may be replaced.
    pub overwrite: bool,
    /// The media type; [`Capability::MediaType`](crate::Capability) is needed.
    pub media_type: Option<String>,
    /// The metadata; [`Capability::Metadata`](crate::Capability) is needed unless it is empty.
    pub metadata: Metadata,
}

impl WriteOptions {
    /// Options that let a standing file be replaced.
    pub const OVERWRITE: Self = Self { overwrite: true, media_type: None, metadata: Metadata::new() };
}

/// What to list.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct List {
    /// How many folders deep: 0 for what is in the folder itself, nothing for all that is below.
    pub max_depth: Option<usize>,
    /// A pattern for the last segment: `*` any characters, `?` one, `[abc]` or `[!abc]` one of these or none. It
    /// says what is given, not where is looked.
    pub pattern: Option<String>,
}

impl List {
    /// All that is below.
    pub const ALL: Self = Self { max_depth: None, pattern: None };
    /// What is in the folder itself.
    pub const CHILDREN: Self = Self { max_depth: Some(0), pattern: None };

    /// Returns this with a pattern.
    #[must_use]
    pub fn matching(self, pattern: impl Into<String>) -> Self {
        Self { pattern: Some(pattern.into()), ..self }
    }
}

/// What a backend is to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListOptions {
    /// How many folders deep: 0 for what is in the folder itself, nothing for all that is below.
    pub max_depth: Option<usize>,
    /// Whether files are wanted.
    pub files: bool,
    /// Whether folders are wanted.
    pub folders: bool,
}

#[cfg(test)]
mod tests {
    use super::{Metadata, check_media_type, check_metadata};

    #[test]
    fn metadata_is_what_every_service_keeps() {
        let of = |key: &str, value: &str| Metadata::from([(key.to_owned(), value.to_owned())]);
        for (key, value) in [("a", ""), ("owner_2", "Ann B. <ann@example.org>"), (&"k".repeat(64), "x")] {
            check_metadata(&of(key, value)).unwrap();
        }
        for (key, value) in [
            ("", "x"),
            ("A", "x"),
            ("_a", "x"),
            ("1a", "x"),
            ("a-b", "x"),
            ("\u{e4}", "x"),
            (&"k".repeat(65), "x"),
        ] {
            check_metadata(&of(key, value)).unwrap_err();
        }
        for value in ["\u{e4}", "a\nb", " a", "a ", "\0", &"x".repeat(2_048)] {
            check_metadata(&of("a", value)).unwrap_err();
        }
        check_metadata(&of("a", &"x".repeat(2_047))).unwrap();
        let many = |count| (0..count).map(|number| (format!("k{number}"), String::new())).collect();
        check_metadata(&many(64)).unwrap();
        check_metadata(&many(65)).unwrap_err();
        check_media_type("text/plain; charset=utf-8").unwrap();
        for wrong in ["", "a\0b", "a\nb", "\u{e4}", &"x".repeat(256)] {
            check_media_type(wrong).unwrap_err();
        }
    }
}
