//! Pieces whose owner is gone: found by reading, and removed so many at a time, since a content may have thousands.

use crate::db;
use crate::engine::Engine;
use crate::error::Result;

/// How many owners are found at once.
const FOUND: u32 = 100;

/// How many pieces one transaction removes.
const REMOVED: u32 = 1_000;

impl Engine {
    pub(super) async fn remove_loose_pieces(&self) -> Result<()> {
        let mut after = String::new();
        loop {
            let from = after.clone();
            let found = self.db().read(move |tx| {
                let from = from.clone();
                Box::pin(async move { db::pieces::loose(tx, &from, FOUND).await })
            });
            let found = found.await?;
            let Some(last) = found.last().cloned() else { return Ok(()) };
            for owner in found {
                self.remove_by_steps(
                    REMOVED,
                    move |tx, _| {
                        let owner = owner.clone();
                        Box::pin(async move { db::pieces::delete_loose(tx, &owner, REMOVED).await })
                    },
                    |_| {},
                )
                .await?;
            }
            after = last;
        }
    }
}
