//! Writing and hashing a part as it comes, on a blocking thread.

use std::sync::Arc;

use bytes::Bytes;
use longshore_core::digest_tree::CellHasher;
use tokio::sync::mpsc;

use super::Whole;
use crate::error::Result;

/// How far a part is written.
pub(super) struct Writer {
    whole: Arc<Whole>,
    cell: u64,
    offset: u64,
    hasher: CellHasher,
}

impl Writer {
    /// Begins at `offset`, where the cell of this number begins.
    pub(super) fn new(whole: Arc<Whole>, cell: u64, offset: u64) -> Self {
        let hasher = CellHasher::new(whole.subject.cell, cell);
        Self { whole, cell, offset, hasher }
    }

    /// Writes what comes until no more does, and gives itself back to go on from there. Cells that came whole are noted.
    /// Blocks.
    pub(super) fn write(mut self, mut chunks: mpsc::Receiver<Bytes>) -> (Self, Result<()>) {
        while let Some(chunk) = chunks.blocking_recv() {
            if let Err(error) = self.take(&chunk) {
                return (self, Err(error));
            }
        }
        (self, Ok(()))
    }

    fn take(&mut self, chunk: &[u8]) -> Result<()> {
        let subject = &self.whole.subject;
        self.whole.part.write_at(chunk, self.offset)?;
        let mut rest = chunk;
        while !rest.is_empty() {
            let taken = self.hasher.update(rest);
            self.offset += taken as u64;
            rest = &rest[taken..];
            if self.hasher.is_full() || self.offset == subject.length {
                let Some(value) = self.hasher.chaining() else { break };
                // Written first and told afterwards: what a state says is in the file.
                self.whole.part.note(self.cell, value)?;
                self.whole.came(self.cell, value);
                self.cell += 1;
                self.hasher = CellHasher::new(subject.cell, self.cell);
            }
        }
        Ok(())
    }
}
