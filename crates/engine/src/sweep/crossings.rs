//! What exports and imports leave that have ended, or that nobody has gone on with: lines, and the contents that they held.

use crate::db;
use crate::engine::Engine;
use crate::error::Result;

/// How many rows one transaction removes.
const REMOVED: u32 = 1_000;

impl Engine {
    /// Removes what ended exports and imports have left. Blobs that they held are orphans from then on.
    pub(super) async fn remove_ended_crossings(&self) -> Result<()> {
        let clock = self.clock();
        let ended = self.db().write(move |tx| {
            let clock = clock.clone();
            Box::pin(async move { db::crossings::end_left(tx, clock.as_ref()).await })
        });
        ended.await?;
        let lines = self.remove_by_steps(
            REMOVED,
            |tx, _| Box::pin(async move { db::crossings::remove_lines(tx, REMOVED).await }),
            |_| {},
        );
        lines.await?;
        let contents = self.remove_by_steps(
            REMOVED,
            |tx, _| Box::pin(async move { db::crossings::remove_contents(tx, REMOVED).await }),
            |_| {},
        );
        contents.await?;
        Ok(())
    }
}
