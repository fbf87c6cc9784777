//! Removals that go step by step: on SQLite every other write waits for each.

use longshore_core::Timestamp;

use crate::db::{Tx, Working};
use crate::engine::Engine;
use crate::error::Result;

impl Engine {
    /// Removes rows in transactions of their own until one finds fewer than `step`; returns how many in all.
    ///
    /// `removal` is told the time by the clock that all who use the database share, and `said` how far it is.
    pub(crate) async fn remove_by_steps(
        &self,
        step: u32,
        removal: impl for<'t> Fn(&'t mut Tx, Timestamp) -> Working<'t, u64> + Clone + Send + Sync + 'static,
        said: impl Fn(u64),
    ) -> Result<u64> {
        let mut removed = 0;
        loop {
            let (clock, removal) = (self.clock(), removal.clone());
            let part = self.db().write(move |tx| {
                let (clock, removal) = (clock.clone(), removal.clone());
                Box::pin(async move {
                    let now = tx.now(clock.as_ref()).await?;
                    removal(tx, now).await
                })
            });
            let part = part.await?;
            removed += part;
            if part < u64::from(step) {
                return Ok(removed);
            }
            said(removed);
        }
    }
}
