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

/// What kind of write was sent, as far as it matters for sending it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    /// Makes the file, and never touches one that is there.
    Create,
    /// Makes a new version of what is there; only of this one, where it is named.
    Replace(Option<VersionId>),
    /// Takes a free name of the server's choice.
    Rename,
}

impl Write {
    pub(crate) fn new(on_conflict: OnConflict, if_none_match: bool, if_match: Option<VersionId>) -> Self {
        match on_conflict {
            _ if if_none_match => Self::Create,
            OnConflict::Error => Self::Create,
            OnConflict::Version => Self::Replace(if_match),
            OnConflict::Rename => Self::Rename,
        }
    }
}

/// What is to be done about a write whose answer never came although all of it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// The content stands there: the write is as good as made.
    Landed,
    /// Sending it again can do no harm.
    Repeat,
    /// Nobody can say; the caller must look.
    Unknown,
}

/// Decides what is to be done about a write that was `sent`, when `found` stands at its target now.
///
/// - A **replacing** write landed when its content stands there: the caller wanted that content there, and it
///   is. If it was there before as well, no second version of the same bytes is made. If it names the version
///   it replaces and that one still stands, the write did not land. If other content stands there it is sent
///   again: with `If-Match` the server refuses it when somebody else has written; without, the last write
///   wins, as the caller chose.
/// - A **creating** write is sent again while nothing stands there, or something else does, which the server
///   then refuses. The same bytes prove nothing: two programs that create a file to be the only one would both
///   believe they had.
/// - A **renaming** write may have landed under any name.
pub(crate) fn settle(write: Write, sent: Digest, found: Option<&Node>) -> Settled {
    let same = found.is_some_and(|node| node.digest == Some(sent));
    match write {
        Write::Rename => Settled::Unknown,
        Write::Create if same => Settled::Unknown,
        Write::Replace(replaced) if same => {
            let stands = found.and_then(|node| node.version_id);
            if replaced.is_some() && stands == replaced { Settled::Repeat } else { Settled::Landed }
        }
        Write::Create | Write::Replace(_) => Settled::Repeat,
    }
}
