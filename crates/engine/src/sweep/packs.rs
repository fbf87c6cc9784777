//! Shared blobs of which most is of no use any more: what is left is written anew.
//!
//! The old blob is an orphan from then on and has its grace, so who reads from it, or copied a version that lies in it
//! while it was written anew, loses nothing.

use super::STEP;
use crate::blob::{BlobId, Piece};
use crate::db;
use crate::engine::Engine;
use crate::error::Result;

impl Engine {
    /// Writes anew what is left of each blob that several versions shared and of which less than half is of use.
    pub(super) async fn rewrite_packs(&self) -> Result<()> {
        let mut after = String::new();
        loop {
            let from = after.clone();
            let page = self.db().read(move |tx| {
                let from = from.clone();
                Box::pin(async move { db::versions::wasteful_packs(tx, &from, STEP).await })
            });
            let page = page.await?;
            for pack in &page {
                // It wastes space until a later sweep, and is no reason not to remove others.
                if let Err(error) = self.rewrite_pack(*pack).await {
                    tracing::warn!(%error, %pack, "a shared blob could not be written anew");
                }
            }
            match page.last() {
                Some(last) => after = last.to_string(),
                None => return Ok(()),
            }
        }
    }

    async fn rewrite_pack(&self, pack: BlobId) -> Result<()> {
        let left = self.db().read(move |tx| Box::pin(db::versions::packed(tx, pack))).await?;
        let blob_size = left.iter().map(|piece| piece.length).sum();
        if left.is_empty() {
            return Ok(());
        }
        let blob = self.rewrite(left.clone().into(), blob_size).await?;
        let mut start = 0;
        let moves: Vec<_> = left
            .into_iter()
            .map(|from| {
                let to = Piece { blob, blob_size, start, length: from.length };
                start += from.length;
                (from, to)
            })
            .collect();
        let moved = self.db().write(move |tx| {
            let moves = moves.clone();
            Box::pin(async move {
                for (from, to) in moves {
                    db::versions::move_piece(tx, from, to).await?;
                }
                // A sweep may have come between blob and rows.
                db::orphans::forget(tx, blob).await
            })
        });
        moved.await?;
        tracing::debug!(%pack, %blob, bytes = blob_size, "a shared blob was written anew");
        Ok(())
    }
}
