//! Pieces of an upload made fewer: one that comes in many small requests goes on however many there are.

use std::sync::Arc;

use futures_util::TryStreamExt;
use longshore_core::Code;

use super::tail::{Durable, Tail};
use super::{not_found, overtaken};
use crate::blob::Piece;
use crate::db;
use crate::db::uploads::UploadRow;
use crate::download::read_pieces;
use crate::engine::Engine;
use crate::error::{Error, Result};

/// How many pieces are made one at once: so many more may come then, and a reading of them all is soon over.
const MERGED: usize = 500;

/// Returns where those neighbours begin that have the fewest bytes, and how many stand before them.
fn lightest(pieces: &[Piece], count: usize) -> Option<(usize, u64)> {
    let size = |pieces: &[Piece]| pieces.iter().map(|piece| piece.length).sum::<u64>();
    let mut bytes = size(pieces.get(..count)?);
    let (mut least, mut found, mut before) = (bytes, (0, 0), 0);
    for (first, (leaves, comes)) in (1..).zip(pieces.iter().zip(&pieces[count..])) {
        before += leaves.length;
        bytes = bytes - leaves.length + comes.length;
        if bytes < least {
            (least, found) = (bytes, (first, before));
        }
    }
    Some(found)
}

impl Engine {
    /// Writes neighbours among the pieces of an upload, which begins `at` this byte of its content, anew as one piece, while
    /// this request is the newest. Dropping it leaves all as it was.
    pub(super) async fn merge_pieces(&self, row: &UploadRow, at: u64) -> Result<UploadRow> {
        let id = row.id;
        let pieces = self.db().read(move |tx| Box::pin(db::pieces::of(tx, id))).await?;
        let (first, before) = lightest(&pieces, MERGED)
            .ok_or_else(|| Error::corrupt(format_args!("{id} has {} pieces alone", pieces.len())))?;
        let small: Arc<[Piece]> = pieces[first..first + MERGED].into();
        let size = small.iter().map(|piece| piece.length).sum();
        let mut tail = Tail::default();
        let mut bytes = read_pieces(self.store().clone(), small, 0..size);
        while let Some(bite) = bytes.try_next().await? {
            tail.write(self, bite, at + before).await?;
        }
        let merged = tail.end().await?.filter(|merged| merged.length == size);
        let Durable { mut pieces, blob, .. } = merged
            .ok_or_else(|| Error::corrupt(format_args!("pieces of {id} are shorter than they were")))?;
        let piece = pieces.pop().ok_or_else(|| Error::new(Code::Internal, "bytes that are in no piece"))?;
        let seen = row.clone();
        let counted = self.db().write(move |tx| {
            let (seen, piece) = (seen.clone(), piece.clone());
            Box::pin(async move {
                if !db::uploads::merge(tx, &seen, MERGED as u64 - 1).await? {
                    return Err(overtaken(tx, seen.id).await?);
                }
                db::pieces::replace(tx, seen.id, first as u64..(first + MERGED) as u64, &piece).await?;
                // A sweep may have come between blob and row.
                db::orphans::forget(tx, piece.piece.blob).await?;
                db::uploads::get(tx, seen.id).await?.ok_or_else(|| not_found(seen.id))
            })
        });
        let counted = counted.await;
        self.discard_refused(blob, &counted).await;
        counted
    }
}

#[cfg(test)]
mod tests {
    use longshore_core::Timestamp;

    use super::lightest;
    use crate::blob::{BlobId, Piece};

    #[test]
    fn the_neighbours_with_the_fewest_bytes_are_found() {
        let blob = BlobId::new(Timestamp::from_micros(0));
        let piece = |length| Piece { blob, blob_size: 100, start: 0, length };
        let found =
            |lengths: &[u64], count| lightest(&lengths.iter().copied().map(piece).collect::<Vec<_>>(), count);
        assert_eq!(found(&[9, 1, 5, 2, 2, 7], 2), Some((3, 15)));
        assert_eq!(found(&[1, 1, 1], 2), Some((0, 0)), "the first of equals");
        assert_eq!(found(&[3, 4], 2), Some((0, 0)));
        assert_eq!(found(&[3], 2), None);
    }
}
