//! What a transfer decides, without doing it.

use longshore_core::wire::{Node, OnConflict};
use longshore_core::{Digest, VersionId};

#[cfg(test)]
mod tests;

/// Content up to this length is held in memory: read, hashed and written in one go.
pub(crate) const WHOLE: u64 = 1024 * 1024;

/// Longer content moves in chunks of this size, one being sent while the next is read.
pub(crate) const CHUNK: usize = 512 * 1024;

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
