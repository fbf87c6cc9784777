//! A file that is read anywhere in it, a piece ahead of who reads.

use std::io::{self, BufRead, Seek, SeekFrom};

use bytes::Bytes;

use super::Store;
use crate::capability::Capability;
use crate::error::{Error, ErrorKind, Result};
use crate::info::{FileInfo, ReadOptions};

/// How much is read ahead at first, and after each jump.
const AHEAD_FIRST: u64 = 64 * 1024;

/// How much at most: twice as much each time that reading goes on where it was.
const AHEAD_MOST: u64 = 4 * 1024 * 1024;

/// A file open for reading anywhere in it, as one content.
///
/// It holds one piece of the file in memory, up to 4 MiB where reading goes on and on. As [`std::io`] has it, errors are of the
/// kinds of [`std::io::ErrorKind`], with the store's own [`Error`] in them.
#[derive(Debug)]
pub struct Reader {
    store: Store,
    path: String,
    info: FileInfo,
    if_match: Option<String>,
    at: u64,
    /// A piece of the file, from the offset `held_from`.
    held: Bytes,
    held_from: u64,
    ahead: u64,
}

impl Reader {
    pub(super) fn open(store: Store, path: &str) -> Result<Self> {
        let info = store.file_info(path)?;
        let if_match = info.etag.clone().filter(|_| store.supports(Capability::ConditionalRead));
        Ok(Self {
            store,
            path: path.to_owned(),
            info,
            if_match,
            at: 0,
            held: Bytes::new(),
            held_from: 0,
            ahead: AHEAD_FIRST,
        })
    }

    /// Returns what is known of the file.
    #[must_use]
    pub const fn info(&self) -> &FileInfo {
        &self.info
    }

    /// Returns what is held of the file from where reading is, without asking for more.
    fn here(&self) -> &[u8] {
        let offset = self.at.checked_sub(self.held_from).and_then(|offset| usize::try_from(offset).ok());
        offset.and_then(|offset| self.held.get(offset..)).unwrap_or_default()
    }

    /// Gets the piece from where reading is.
    fn fetch(&mut self, least: u64) -> Result<()> {
        let goes_on = self.at == self.held_from + self.held.len() as u64 && !self.held.is_empty();
        self.ahead = if goes_on { (self.ahead * 2).min(AHEAD_MOST) } else { AHEAD_FIRST };
        let end = self.at.saturating_add(self.ahead.max(least)).min(self.info.size);
        let options = ReadOptions { range: (self.at..end).into(), if_match: self.if_match.clone() };
        let read = self.store.read(&self.path, options)?;
        let is_same = read.info().etag == self.info.etag && read.info().size == self.info.size;
        let wanted = end - self.at;
        let piece = read.into_bytes()?;
        if !is_same || piece.len() as u64 != wanted {
            let changed =
                Error::new(ErrorKind::PreconditionFailed, "the file has changed since it was opened");
            return self.store.as_async().at(&self.path, Err(changed));
        }
        (self.held, self.held_from) = (piece, self.at);
        Ok(())
    }

    /// Returns what is held from where reading is, of which there is some unless the file ends there.
    fn fill(&mut self, least: usize) -> io::Result<&[u8]> {
        if self.here().is_empty() && self.at < self.info.size {
            self.fetch((least as u64).min(AHEAD_MOST))?;
        }
        Ok(self.here())
    }
}

impl io::Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let mut here = self.fill(buffer.len())?;
        let size = here.read(buffer)?;
        self.at += size as u64;
        Ok(size)
    }
}

impl BufRead for Reader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.fill(1)
    }

    fn consume(&mut self, amount: usize) {
        self.at += amount.min(self.here().len()) as u64;
    }
}

impl Seek for Reader {
    /// Goes to an offset, which may lie past the end. What is held of the file stays until it is of no use.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let offset = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(distance) => self.info.size.checked_add_signed(distance),
            SeekFrom::Current(distance) => self.at.checked_add_signed(distance),
        };
        self.at = offset.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "an offset before the beginning of the file")
        })?;
        Ok(self.at)
    }
}
