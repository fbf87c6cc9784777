//! Shares of content, read beside each other and hashed in cells as they are read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use longshore_core::Digest;
use longshore_core::digest_tree::{CellHasher, CellSize, Chaining};

use crate::transfer::content::Content;
use crate::transfer::plan::next_chunk;
use crate::transfer::threads::read_ahead;
use crate::transport::body::Chunks;

/// The hash of a share, as far as it was read. Bytes count once, however often they are sent.
#[derive(Debug)]
pub(super) struct ShareHash {
    cell: CellSize,
    /// Where in the content the next byte is that was not hashed.
    at: u64,
    end: u64,
    cells: Vec<Chaining>,
    open: Option<CellHasher>,
}

impl ShareHash {
    /// Begins the hash of a share that begins with a cell.
    pub(super) fn new(cell: CellSize, share: std::ops::Range<u64>) -> Self {
        Self { cell, at: share.start, end: share.end, cells: Vec::new(), open: None }
    }

    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Takes bytes that begin at an offset, of which those before [`Self::at`] count already.
    pub(super) fn take(&mut self, offset: u64, bytes: &[u8]) {
        let Some(known) = self.at.checked_sub(offset).and_then(|known| usize::try_from(known).ok()) else {
            return;
        };
        let mut rest = bytes.get(known..).unwrap_or_default();
        while !rest.is_empty() && self.at < self.end {
            let number = self.at / self.cell.bytes();
            let hasher = self.open.get_or_insert_with(|| CellHasher::new(self.cell, number));
            let taken = hasher.update(rest);
            rest = &rest[taken..];
            self.at += taken as u64;
            if hasher.is_full() || self.at == self.end {
                self.cells.extend(hasher.chaining());
                self.open = None;
            }
        }
    }

    /// Returns the cells, once all of the share was hashed.
    pub(super) fn cells(&self) -> Option<&[Chaining]> {
        (self.at == self.end).then_some(&self.cells)
    }
}

/// Returns the digest of content whose shares were hashed; nothing unless all of all were.
pub(super) fn digest(shares: &[Arc<Mutex<ShareHash>>]) -> Option<Digest> {
    let mut cells = Vec::new();
    for share in shares {
        cells.extend_from_slice(locked(share).cells()?);
    }
    longshore_core::digest_tree::root(cells)
}

pub(super) fn locked(hash: &Mutex<ShareHash>) -> MutexGuard<'_, ShareHash> {
    // Each step leaves it whole, whoever panicked.
    hash.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a share on a thread of its own, one chunk ahead of who sends it, and hashes what was not hashed before; what lies
/// before `from` is hashed and not handed out. The thread ends when the chunks are dropped.
pub(super) fn read(content: Arc<Content>, hash: Arc<Mutex<ShareHash>>, from: u64, to: u64) -> Chunks {
    read_ahead(move |reading| {
        let mut at = from.min(locked(&hash).at());
        while at < to && reading.is_wanted() {
            let end = if at < from { from } else { to };
            let chunk = content.read_at(at, next_chunk(end - at))?;
            locked(&hash).take(at, &chunk);
            let is_wanted = at >= from;
            at += chunk.len() as u64;
            if is_wanted && !reading.give(chunk) {
                break;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;
    use futures_util::StreamExt;
    use longshore_core::digest_tree::CellSize;
    use proptest::prelude::*;

    use super::{ShareHash, digest, read};
    use crate::transfer::content::Content;
    use crate::transfer::reader;

    const CELL: CellSize = CellSize::mebibytes(1);
    const MIB: u64 = 1024 * 1024;

    proptest! {
        #[test]
        fn bytes_count_once_however_often_they_come(
            length in 1025..20_000_usize, bites in proptest::collection::vec((0..20_000_usize, 1..3_000_usize), 0..30),
        ) {
            let cell = CellSize::new(1024).unwrap();
            let bytes: Vec<u8> = (0..length).map(|place| (place * 7 / 3) as u8).collect();
            let mut hash = ShareHash::new(cell, 0..length as u64);
            for (back, size) in bites {
                // Never beyond what comes next, and often long before it.
                let at = hash.at() as usize;
                let from = at.saturating_sub(back);
                hash.take(from as u64, &bytes[from..(from + size).min(length)]);
            }
            let rest = hash.at();
            hash.take(rest, &bytes[rest as usize..]);
            let found = digest(&[Arc::new(Mutex::new(hash))]);
            prop_assert_eq!(found, Some(reader::digest(&bytes)));
        }
    }

    #[tokio::test]
    async fn what_was_sent_before_is_hashed_and_not_sent_again() {
        let bytes: Bytes = (0..=250).collect::<Vec<u8>>().repeat(13_000).into();
        let content = Arc::new(Content::Memory(bytes.clone()));
        let hash = Arc::new(Mutex::new(ShareHash::new(CELL, 0..bytes.len() as u64)));
        let mut chunks = read(content, Arc::clone(&hash), MIB + 5, bytes.len() as u64);
        let mut came = Vec::new();
        while let Some(chunk) = chunks.next().await {
            came.extend_from_slice(&chunk.unwrap());
        }
        assert!(came == bytes[MIB as usize + 5..]);
        assert_eq!(digest(&[hash]), Some(reader::digest(&bytes)));
    }
}
