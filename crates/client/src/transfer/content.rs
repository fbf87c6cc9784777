//! Content that can be read again, anywhere, and is held to what it was at first.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use blake3::Hasher;
use bytes::Bytes;
use longshore_core::Digest;

use super::plan::{BITE, is_whole, next_chunk};
use super::reader::{self, Stamp, changed};
use super::source::Source;
use super::threads::blocking;
use crate::error::{Error, Result};

/// Content to be sent.
pub(super) enum Content {
    File { file: File, path: PathBuf, stamp: Stamp },
    Memory(Bytes),
}

impl Content {
    /// Opens what is too long to be sent in one go; gives the source back where it is not, or cannot be read again.
    pub(super) async fn of(source: Source) -> Result<Result<Self, Source>> {
        match source {
            Source::Path(path) => blocking(move || Self::of_path(path)).await,
            Source::Bytes(bytes) if !is_whole(bytes.len() as u64) => Ok(Ok(Self::Memory(bytes))),
            source => Ok(Err(source)),
        }
    }

    /// The same of a file. Blocks.
    fn of_path(path: PathBuf) -> Result<Result<Self, Source>> {
        // Most are small, and are opened once.
        if path.metadata().is_ok_and(|found| found.is_file() && !is_whole(found.len())) {
            let content = Self::open(&path)?;
            if !is_whole(content.length()) {
                return Ok(Ok(content));
            }
        }
        Ok(Err(Source::Path(path)))
    }

    /// Opens a file. Blocks.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let (file, metadata) = reader::open_file(path)?;
        Ok(Self::File { file, path: path.to_owned(), stamp: Stamp::of(&metadata) })
    }

    pub(super) fn length(&self) -> u64 {
        match self {
            Self::File { stamp, .. } => stamp.length,
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// Returns the file and what it was at first, where it is one.
    pub(super) fn file(&self) -> Option<(&Path, Stamp)> {
        match self {
            Self::File { path, stamp, .. } => Some((path, *stamp)),
            Self::Memory(_) => None,
        }
    }

    /// Fails where the file was written to since it was opened. Blocks.
    pub(super) fn ensure_unchanged(&self) -> Result<()> {
        let Self::File { file, path, stamp } = self else { return Ok(()) };
        let metadata = file.metadata().map_err(|error| Error::local("cannot read", path, error))?;
        if Stamp::of(&metadata) == *stamp { Ok(()) } else { Err(changed(path)) }
    }

    /// Reads as many bytes of the content as there is room for. Blocks.
    pub(super) fn read_into(&self, at: u64, room: &mut [u8]) -> Result<()> {
        let (read, path) = match self {
            Self::File { file, path, .. } => (file.read_exact_at(room, at), path.as_path()),
            Self::Memory(bytes) => {
                let found = usize::try_from(at).ok().and_then(|at| bytes.get(at..)?.get(..room.len()));
                let read = found.map(|found| room.copy_from_slice(found));
                (read.ok_or_else(|| io::ErrorKind::UnexpectedEof.into()), Path::new("the content"))
            }
        };
        read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => changed(path),
            _ => Error::local("cannot read", path, error),
        })
    }

    /// Reads some of the content. Blocks.
    pub(super) fn read_at(&self, at: u64, size: usize) -> Result<Bytes> {
        if let Self::Memory(bytes) = self {
            let start = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
            return Ok(bytes.slice(start..start.saturating_add(size).min(bytes.len())));
        }
        let mut chunk = vec![0; size];
        self.read_into(at, &mut chunk)?;
        Ok(chunk.into())
    }

    /// Hashes all of the content. Blocks.
    pub(super) fn digest(&self) -> Result<Digest> {
        if let Self::Memory(bytes) = self {
            return Ok(reader::digest(bytes));
        }
        let mut hasher = Hasher::new();
        let mut bite = vec![0; BITE];
        while hasher.count() < self.length() {
            let size = next_chunk(self.length() - hasher.count()).min(bite.len());
            self.read_into(hasher.count(), &mut bite[..size])?;
            hasher.update(&bite[..size]);
        }
        Ok(reader::finish(&hasher))
    }
}
