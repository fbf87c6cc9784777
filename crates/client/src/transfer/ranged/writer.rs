//! Writing and hashing a part as it comes, on a blocking thread.

use longshore_core::digest_tree::CellHasher;
use tokio::sync::mpsc;

use super::{Step, Whole};
use crate::error::{Error, Result};

/// Writes what comes from `offset` on, where the cell of this number begins. Cells that came whole are noted, also when
/// the part breaks off after them.
pub(super) fn write_part(
    whole: &Whole,
    mut cell: u64,
    mut offset: u64,
    mut steps: mpsc::Receiver<Step>,
) -> Result<()> {
    let subject = &whole.subject;
    let mut hasher = CellHasher::new(subject.cell, cell);
    loop {
        let chunk = match steps.blocking_recv() {
            Some(Step::Chunk(chunk)) => chunk,
            Some(Step::End) => return Ok(()),
            None => return Err(Error::lost("the download was given up")),
        };
        whole.part.write_at(&chunk, offset)?;
        let mut rest = &chunk[..];
        while !rest.is_empty() {
            let taken = hasher.update(rest);
            offset += taken as u64;
            rest = &rest[taken..];
            if hasher.is_full() || offset == subject.length {
                let Some(value) = hasher.chaining() else { break };
                // Written first and told afterwards: what a state says is in the file.
                whole.part.note(cell, value)?;
                whole.came(cell, value);
                cell += 1;
                hasher = CellHasher::new(subject.cell, cell);
            }
        }
    }
}
