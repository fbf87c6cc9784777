//! What the state file of a large download says: which content it is of, and which cells of it have come.
//!
//! The first line names the content; each line after it is a cell that was written and its chaining value. Lines are
//! only ever added, so that a program which dies leaves at worst a torn last one, and that counts for nothing.
//! Nothing here is believed by itself: what it claims is read again before it is used.

use longshore_core::Digest;
use longshore_core::digest_tree::{CellSize, Chaining};

#[cfg(test)]
mod tests;

/// Begins the first line; the number grows when the lines' meaning changes.
const MAGIC: &str = "longshore-download 1";
/// More than any line of a cell has: a number, a space, 64 digits and the line's end.
const LINE: u64 = 96;

/// Which content a download is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    /// Its strong entity tag, which stands for one version.
    pub(crate) tag: String,
    /// Its length in bytes.
    pub(crate) length: u64,
    pub(crate) digest: Digest,
    pub(crate) cell: CellSize,
}

/// The cells that have come, by number.
pub(crate) type Cells = Vec<Option<Chaining>>;

impl Subject {
    /// Returns the state's first line.
    pub(crate) fn line(&self) -> String {
        // The tag comes last: it alone may hold spaces.
        format!("{MAGIC} {} {} {} {}\n", self.length, self.cell.bytes(), self.digest, self.tag)
    }

    /// Returns no cells, one place for each that the content has.
    pub(crate) fn no_cells(&self) -> Cells {
        vec![None; usize::try_from(self.cell.count(self.length)).unwrap_or(usize::MAX)]
    }

    /// Returns how many bytes a state of this content has at most, if each cell was written twice.
    pub(crate) fn most(&self) -> u64 {
        self.line().len() as u64 + 2 * LINE * self.cell.count(self.length)
    }

    /// Reads a state: the cells it claims, and how many of its bytes are sound. Nothing where it is of other content.
    pub(crate) fn read(&self, state: &[u8]) -> Option<(Cells, usize)> {
        let mut rest = state.strip_prefix(self.line().as_bytes())?;
        let mut cells = self.no_cells();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let Some((cell, value)) = read_line(&rest[..end]) else {
                break;
            };
            let Some(place) = cells.get_mut(cell) else {
                break;
            };
            // A cell that was written again is what it was the last time.
            *place = Some(value);
            rest = &rest[end + 1..];
        }
        Some((cells, state.len() - rest.len()))
    }
}

/// Returns the line of a cell.
pub(crate) fn line(cell: u64, value: Chaining) -> String {
    format!("{cell} {value}\n")
}

fn read_line(line: &[u8]) -> Option<(usize, Chaining)> {
    let (cell, value) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    Some((cell.parse().ok()?, value.parse().ok()?))
}
