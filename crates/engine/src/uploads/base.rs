//! The base of a delta: a version whose bytes a new one shares, without their being moved.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use longshore_core::{Code, VersionId};

use crate::actor::Actor;
use crate::blob::Piece;
use crate::db;
use crate::db::uploads::{UploadKind, UploadRow};
use crate::download::{Stored, content_of};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::narrowing::Need;
use crate::nodes::live_node;
use crate::versions::no_version;

use super::plan::Plan;

/// A version that ranges are copied of.
pub(super) struct Base {
    pub(super) version: VersionId,
    size: u64,
    content: Content,
}

enum Content {
    Inline(Bytes),
    /// Pieces in order, and where in the content each of them ends.
    Pieces(Arc<[Piece]>, Vec<u64>),
}

/// What a range of a base is to a new content.
pub(super) enum Copied {
    /// Bytes to be written anew: they lie in the database.
    Bytes(Bytes),
    /// Ranges of blobs.
    Pieces(Vec<Piece>),
}

impl Base {
    fn new(version: VersionId, size: u64, stored: Stored) -> Result<Self> {
        let content = match stored {
            Stored::Inline(content) => Content::Inline(content),
            Stored::Blob(piece) => Content::of(Arc::new([piece])),
            Stored::Pieces(_, pieces) => Content::of(pieces),
        };
        let found = match &content {
            Content::Inline(content) => content.len() as u64,
            Content::Pieces(_, ends) => ends.last().copied().unwrap_or(0),
        };
        if found != size {
            return Err(Error::corrupt(format_args!("{version} has {found} bytes, not {size}")));
        }
        Ok(Self { version, size, content })
    }

    /// Returns how many bytes it has.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// Returns what lies in a range, which is not empty.
    pub(super) fn copied(&self, range: Range<u64>) -> Result<Copied> {
        if range.end > self.size {
            let Self { version, size, .. } = self;
            let detail = format!("{version} has {size} bytes, and {range:?} is to be copied of it");
            return Err(Error::new(Code::InvalidDelta, detail));
        }
        match &self.content {
            // An inline content's length fits the memory that it is in.
            Content::Inline(content) => {
                Ok(Copied::Bytes(content.slice(range.start as usize..range.end as usize)))
            }
            Content::Pieces(pieces, ends) => {
                let first = ends.partition_point(|end| *end <= range.start);
                let touched = pieces.iter().zip(ends).skip(first);
                let touched = touched.take_while(|(piece, end)| *end - piece.length < range.end);
                let part = |(piece, end): (&Piece, &u64)| {
                    let begin = end - piece.length;
                    let from = range.start.max(begin);
                    let length = range.end.min(*end) - from;
                    Piece { start: piece.start + from - begin, length, ..*piece }
                };
                Ok(Copied::Pieces(touched.map(part).collect()))
            }
        }
    }
}

impl Content {
    fn of(pieces: Arc<[Piece]>) -> Self {
        let end = |before: &mut u64, piece: &Piece| {
            *before += piece.length;
            Some(*before)
        };
        let ends = pieces.iter().scan(0, end).collect();
        Self::Pieces(pieces, ends)
    }
}

impl Engine {
    /// Returns the base of a delta for an upload: a version of a file of its workspace, that the actor may read.
    pub(super) async fn delta_base(
        &self,
        actor: &Actor,
        upload: &UploadRow,
        version: VersionId,
    ) -> Result<Base> {
        if upload.kind != UploadKind::Whole {
            return Err(Error::new(Code::UploadNotAppendable, "a part of an upload takes no delta"));
        }
        if Plan::of(upload)?.digests.is_empty() {
            // What is copied was verified for another content alone.
            let detail = "an upload that takes a delta says what `digest` it will have";
            return Err(Error::new(Code::InvalidHeader, detail));
        }
        let (actor, workspace, clock) = (actor.clone(), upload.workspace, self.read_clock());
        let found = self.db().read(move |tx| {
            let (actor, clock) = (actor.clone(), clock.clone());
            Box::pin(async move {
                let file = db::versions::file_of(tx, version).await?.ok_or_else(|| no_version(version))?;
                let (row, place) = live_node(tx, &actor, file).await.map_err(|error| match error.code() {
                    // Whose version it is, is told to nobody who does not reach the file.
                    Code::NodeNotFound => no_version(version),
                    _ => error,
                })?;
                // The new content may be another file's, as a copy is.
                actor.needs(row.workspace, Need::READ)?;
                if Some(row.workspace) != workspace {
                    return Err(no_version(version));
                }
                content_of(tx, row, place, Some(version), clock).await
            })
        });
        let (_, found, stored) = found.await?;
        Base::new(version, found.size, stored)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use longshore_core::{Code, Timestamp, VersionId};

    use super::{Base, Copied};
    use crate::blob::{BlobId, ComposedId, Piece};
    use crate::download::Stored;

    #[test]
    fn each_range_is_cut_out_of_the_pieces_that_it_touches() {
        let now = Timestamp::from_micros(0);
        let blobs = [BlobId::new(now), BlobId::new(now)];
        let piece = |blob: usize, start, length| Piece { blob: blobs[blob], blob_size: 100, start, length };
        // A content of 9 bytes: where each of them is.
        let pieces = [piece(0, 10, 3), piece(1, 0, 1), piece(0, 50, 5)];
        let places: Vec<_> = pieces
            .iter()
            .flat_map(|piece| (piece.start..piece.start + piece.length).map(|at| (piece.blob, at)))
            .collect();
        let stored = Stored::Pieces(ComposedId::new(now), Arc::new(pieces));
        let base = Base::new(VersionId::new(now), 9, stored).unwrap();
        for start in 0..9 {
            for end in start + 1..=9 {
                let Copied::Pieces(found) = base.copied(start..end).unwrap() else { panic!("pieces") };
                let found: Vec<_> = found
                    .iter()
                    .flat_map(|piece| (piece.start..piece.start + piece.length).map(|at| (piece.blob, at)))
                    .collect();
                assert_eq!(found, places[start as usize..end as usize], "{start}..{end}");
            }
            let past = base.copied(start..10).err().unwrap();
            assert_eq!(past.code(), Code::InvalidDelta);
        }
    }
}
