//! What a store tells about its files and folders, and what a caller may ask for.

use std::ops::Range;
use std::time::SystemTime;

use crate::path::StorePath;

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
}

impl From<FileInfo> for WriteResult {
    fn from(file: FileInfo) -> Self {
        Self { path: file.path, size: file.size, last_modified: file.last_modified, etag: file.etag }
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
}

impl WriteOptions {
    /// Options that let a standing file be replaced.
    pub const OVERWRITE: Self = Self { overwrite: true };
}

/// What to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListOptions {
    /// Whether to go into folders.
    pub recursive: bool,
    /// Whether files are wanted.
    pub files: bool,
    /// Whether folders are wanted.
    pub folders: bool,
}
