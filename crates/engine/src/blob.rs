//! Where the bytes of a version are, and how blobs are named in the store.

use std::fmt::{self, Display};
use std::str::FromStr;

use bytes::Bytes;
use longshore_core::{IdError, Timestamp, VersionId};

/// The folder of the store that blobs are in.
pub(crate) const FOLDER: &str = "blobs";

/// The name of a blob in the store.
///
/// It is the id of the version it was written for, though copies and restored versions share it. Blobs are
/// never named by their content: two writers of the same bytes never meet, and removing one version's blob
/// can never take away another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BlobId(VersionId);

impl BlobId {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self(VersionId::new(now))
    }

    /// Returns the blob's path in the store.
    ///
    /// Blobs of about the same time (2^20 ms, 17 minutes) share a folder: its flush then serves all that
    /// finish together, and no folder grows without end.
    pub(crate) fn path(self) -> String {
        let name = self.to_string();
        let time = &name[Self::PREFIX.len()..Self::PREFIX.len() + 6];
        format!("{FOLDER}/{time}/{name}")
    }

    const PREFIX: &str = "blob_";

    /// Reads a blob's id from its path in the store; nothing for what is no blob.
    pub(crate) fn from_path(path: &str) -> Option<Self> {
        let id: Self = path.rsplit('/').next()?.parse().ok()?;
        (id.path() == path).then_some(id)
    }
}

impl Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.0.to_string();
        write!(f, "{}{}", Self::PREFIX, &version[VersionId::PREFIX.len()..])
    }
}

impl FromStr for BlobId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let rest = text.strip_prefix(Self::PREFIX).unwrap_or_default();
        format!("{}{rest}", VersionId::PREFIX).parse().map(Self)
    }
}

/// The name of a content that is made of several pieces: copies and restored versions share it as they share blobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ComposedId(VersionId);

impl ComposedId {
    const PREFIX: &str = "comp_";

    pub(crate) fn new(now: Timestamp) -> Self {
        Self(VersionId::new(now))
    }
}

impl Display for ComposedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.0.to_string();
        write!(f, "{}{}", Self::PREFIX, &version[VersionId::PREFIX.len()..])
    }
}

impl FromStr for ComposedId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let rest = text.strip_prefix(Self::PREFIX).unwrap_or_default();
        format!("{}{rest}", VersionId::PREFIX).parse().map(Self)
    }
}

/// Where in the store a version's bytes are, as its row says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    Blob(BlobId),
    Composed(ComposedId),
}

impl FromStr for Stored {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.starts_with(ComposedId::PREFIX) {
            text.parse().map(Self::Composed)
        } else {
            text.parse().map(Self::Blob)
        }
    }
}

/// A range of a blob that is a part of some content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) blob: BlobId,
    /// How many bytes the blob has in all.
    pub(crate) blob_size: u64,
    /// Where the range begins in the blob.
    pub(crate) start: u64,
    /// How many bytes it has: at least one.
    pub(crate) length: u64,
}

impl Piece {
    /// Tells whether it is all of its blob.
    pub(crate) const fn is_whole(&self) -> bool {
        self.start == 0 && self.length == self.blob_size
    }
}

/// The bytes of a version.
#[derive(Clone, Debug)]
pub(crate) enum Blob {
    /// Small content lies in the database, beside its version.
    Inline(Bytes),
    /// All other content lies in the store.
    Stored(BlobId),
    /// What came with others in a batch shares a blob with them.
    Packed(Piece),
    /// What came piece by piece lies in several blobs.
    Composed(ComposedId),
}

impl Blob {
    /// Returns the one blob that the content lies in, or shares.
    pub(crate) const fn lies_in(&self) -> Option<BlobId> {
        match self {
            Self::Stored(id) | Self::Packed(Piece { blob: id, .. }) => Some(*id),
            Self::Inline(_) | Self::Composed(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use longshore_core::Timestamp;

    use super::{BlobId, ComposedId, Stored};

    #[test]
    fn a_blob_is_found_again_by_its_path() {
        let id = BlobId::new(Timestamp::from_micros(1_763_613_468_000_000));
        assert_eq!(BlobId::from_path(&id.path()), Some(id));
        assert_eq!(BlobId::from_path("blobs/x/blob_y"), None);
        assert_eq!(BlobId::from_path(&id.path().replace("blobs/", "other/")), None);
    }

    #[test]
    fn a_row_tells_one_blob_from_many() {
        let now = Timestamp::from_micros(1_763_613_468_000_000);
        let (one, many) = (BlobId::new(now), ComposedId::new(now));
        assert_eq!(one.to_string().parse(), Ok(Stored::Blob(one)));
        assert_eq!(many.to_string().parse(), Ok(Stored::Composed(many)));
        assert!("comp_x".parse::<Stored>().is_err());
    }

    #[test]
    fn blobs_of_one_minute_share_a_folder() {
        let folder = |micros| BlobId::new(Timestamp::from_micros(micros)).path()[..12].to_owned();
        assert_eq!(folder(1_763_613_468_000_000), folder(1_763_613_469_000_000));
        assert_ne!(folder(1_763_613_468_000_000), folder(1_763_617_068_000_000));
    }
}
