//! What a transfer decides, without doing it.

use std::ops::Range;

use longshore_core::digest_tree::CellSize;
use longshore_core::wire::{Node, OnConflict};
use longshore_core::{Digest, VersionId};

#[cfg(test)]
mod tests;

/// Content up to this length is held in memory: read, hashed and written in one go.
pub(crate) const WHOLE: u64 = 1024 * 1024;

/// Longer content moves in chunks of this size, one being sent while the next is read.
pub(crate) const CHUNK: usize = 512 * 1024;

/// How much of a file is read at once to be hashed.
pub(crate) const BITE: usize = 256 * 1024;

/// Downloads from this length on come in parts, several at once, and can be resumed by a later run. Below it the first
/// request brings it all sooner than a second round trip would pay.
pub(crate) const LARGE: u64 = 32 * 1024 * 1024;

/// The parts that large content comes in: long enough that a round trip of 200 ms between two costs a fast line
/// little, short enough that four at once fill a file of 32 MiB.
pub(crate) const PART: u64 = 8 * 1024 * 1024;

/// How many parts of one file come at once. One connection is bound by its window and one core's hashing; more than
/// four only take from other files.
pub(crate) const PARTS_AT_ONCE: usize = 4;

/// The smallest cell that is hashed by itself, and so the most that a run which dies has to fetch again.
const CELL: u64 = 1024 * 1024;

/// The most cells that one download keeps count of, so that its memory is bounded whatever its length.
const MOST_CELLS: u64 = 16 * 1024;

/// Uploads from this length on are sent in shares, and can be gone on with by a later run. Below it one request brings all of
/// it, and what has come stays at the server when the connection breaks, for this run to go on with.
pub(crate) const STAGED: u64 = 8 * 1024 * 1024;

/// Content up to this length moves with others in one request. A request of its own costs the two ends about as much as
/// so many bytes do; beyond it files by themselves, several at once, are as fast and need no framing.
pub(crate) const SMALL: u64 = 128 * 1024;

/// The most files of one request: two of the groups that the server commits at once, so that one is read while the other
/// is committed.
const GROUP_FILES: usize = 512;

/// The bytes of content after which a request takes no more files, as many as two of the server's groups have.
const GROUP_BYTES: u64 = 8 * 1024 * 1024;

/// How many requests of many files run at once: over a long way the next ones are on theirs while one is answered.
pub(crate) const GROUPS_AT_ONCE: usize = 4;

/// How many items are taken from a caller before there is room for them, so that they are looked at together.
pub(crate) const AHEAD: usize = 256;

/// Tells whether content of this length moves with others, where it can.
pub(crate) fn is_small(length: u64) -> bool {
    length <= SMALL
}

/// Tells whether a group of so many files and bytes takes no more.
pub(crate) fn group_is_full(files: usize, bytes: u64) -> bool {
    files >= GROUP_FILES || bytes >= GROUP_BYTES
}

/// Returns the size of the cells that content of this length is hashed in.
pub(crate) fn cell_size(length: u64) -> CellSize {
    let mebibytes = length.div_ceil(MOST_CELLS).max(CELL).div_ceil(1024 * 1024);
    CellSize::mebibytes(u32::try_from(mebibytes).unwrap_or(1 << 30))
}

/// Returns the parts to fetch: runs of cells that are missing, none longer than [`PART`] unless one cell is.
pub(crate) fn parts(missing: impl IntoIterator<Item = bool>, cell: CellSize) -> Vec<Range<u64>> {
    let most = (PART / cell.bytes()).max(1);
    let mut parts: Vec<Range<u64>> = Vec::new();
    for (cell, _) in (0..).zip(missing).filter(|(_, missing)| *missing) {
        match parts.last_mut() {
            // Parts begin at the same places whatever is missing, so that none is left with a sliver.
            Some(part) if part.end == cell && cell % most != 0 => part.end += 1,
            _ => parts.push(cell..cell + 1),
        }
    }
    parts
}

/// Returns the shares that an upload is sent in beside each other: contiguous, all but the last of the same length, each
/// beginning with a cell. There is one for content that is not large, and none longer than it need be.
pub(crate) fn shares(length: u64, cell: CellSize, at_once: usize) -> Vec<Range<u64>> {
    let most = if length < LARGE { 1 } else { at_once.clamp(1, PARTS_AT_ONCE) as u64 };
    let share = length.div_ceil(most).div_ceil(cell.bytes()).max(1).saturating_mul(cell.bytes());
    let starts = (0..length.div_ceil(share)).map(|place| place * share);
    starts.map(|start| start..start.saturating_add(share).min(length)).collect()
}

/// Tells whether content of this length is moved in one go.
pub(crate) fn is_whole(length: u64) -> bool {
    length <= WHOLE
}

/// Returns the size of the next chunk when `rest` bytes are left.
pub(crate) fn next_chunk(rest: u64) -> usize {
    usize::try_from(rest).map_or(CHUNK, |rest| rest.min(CHUNK))
}

/// Tells whether what stands at a write's target can show that the write landed.
///
/// The same bytes prove nothing where a file must be made: two programs that create it to be the only one would
/// both believe they had. A write that takes any free name may have landed anywhere.
pub(crate) fn shows_itself(on_conflict: OnConflict, if_none_match: bool) -> bool {
    on_conflict == OnConflict::Version && !if_none_match
}

/// Tells whether a write that was `sent`, and whose answer never came, landed, when `found` stands at its target now.
///
/// It did when its content stands there: the caller wanted that content there, and it is. If it was there before as
/// well, no second version of the same bytes is made. If the write names the version that it replaces and that one
/// still stands, it did not.
pub(crate) fn has_landed(replaced: Option<VersionId>, sent: Digest, found: &Node) -> bool {
    found.digest == Some(sent) && (replaced.is_none() || found.version_id != replaced)
}
