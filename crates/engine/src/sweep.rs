//! The sweeper: removes blobs that no version names.
//!
//! An orphan is what a crash leaves between a blob and its row, and what a purge leaves. A sweep notes those it meets
//! with the database's time, and removes those that it finds noted a grace ago and still without a version. So a
//! write whose commit is still under way never loses its blob, and a copy of the database has a grace for the copy of
//! the blobs that it names, however old they are and whatever the machines' clocks say.
//!
//! A blob that several versions share is written anew once less than half of it is of use ([`packs`]).

use std::time::Duration;

use futures_util::TryStreamExt;
use longshore_store::List;
use serde_json::json;

use crate::blob::{BlobId, FOLDER};
use crate::db;
use crate::db::orphans::Orphan;
use crate::engine::{Engine, store_failed};
use crate::error::Result;
use crate::jobs::{Handled, JobContext, JobKind, Outcome};

mod crossings;
mod packs;
mod pieces;

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many blobs were looked at.
    pub seen: u64,
    /// How many orphans were removed.
    pub removed: u64,
    /// How many bytes the orphans had.
    pub bytes: u64,
}

/// Looks for orphans by the clock.
pub(crate) static BLOBS: JobKind = JobKind::new("sweep.blobs").timeout(Duration::from_hours(12));

/// How many blobs are looked at at once, before a sweep says how far it is.
const STEP: u32 = 100;

/// Sweeps as a job. A second run finds what a first has left.
pub(crate) async fn run(job: JobContext) -> Handled {
    let swept = job.engine().sweep_with(|swept| job.progress(swept.seen, None, "blobs")).await?;
    let Swept { seen, removed, bytes } = swept;
    tracing::debug!(seen, removed, bytes, "swept");
    Ok(Outcome::of(json!({ "seen": seen, "removed": removed, "bytes": bytes })))
}

impl Engine {
    /// Looks at every blob, removes the orphans that are past their grace time, and notes those that are new.
    pub async fn sweep(&self) -> Result<Swept> {
        self.sweep_with(|_| {}).await
    }

    async fn sweep_with(&self, said: impl Fn(&Swept)) -> Result<Swept> {
        self.check_store().await?;
        self.remove_ended_crossings().await?;
        self.remove_loose_pieces().await?;
        let mut swept = Swept::default();
        let mut blobs = self.store().list_files(FOLDER, &List::ALL).map_err(store_failed)?;
        let mut found = Vec::new();
        while let Some(file) = blobs.try_next().await.map_err(store_failed)? {
            swept.seen += 1;
            found.extend(BlobId::from_path(file.path.as_str()).map(|id| (id, file.size)));
            if found.len() == STEP as usize {
                self.note_orphans(std::mem::take(&mut found)).await?;
                said(&swept);
            }
        }
        self.note_orphans(found).await?;
        self.rewrite_packs().await?;
        self.remove_orphans(&mut swept, said).await?;
        Ok(swept)
    }

    /// Notes which of some blobs no version names.
    async fn note_orphans(&self, blobs: Vec<(BlobId, u64)>) -> Result<()> {
        let new = self.db().read(move |tx| {
            let blobs = blobs.clone();
            Box::pin(async move {
                let mut new = Vec::new();
                for (blob, bytes) in blobs {
                    if db::orphans::is_new(tx, blob).await? {
                        new.push((blob, bytes));
                    }
                }
                Ok(new)
            })
        });
        let new = new.await?;
        if new.is_empty() {
            return Ok(());
        }
        let clock = self.clock();
        let noted = self.db().write(move |tx| {
            let (new, clock) = (new.clone(), clock.clone());
            Box::pin(async move {
                let noted_at = tx.now(clock.as_ref()).await?;
                for (blob, bytes) in new {
                    db::orphans::note(tx, Orphan { blob, bytes, noted_at }).await?;
                }
                Ok(())
            })
        });
        noted.await
    }

    /// Removes the orphans whose grace is over, and forgets those that a version names by now.
    ///
    /// A note outlives its blob: what stops on the way leaves a note that the next sweep is through with.
    async fn remove_orphans(&self, swept: &mut Swept, said: impl Fn(&Swept)) -> Result<()> {
        let (grace, mut after) = (self.settings().orphan_grace, String::new());
        loop {
            let (from, clock) = (after.clone(), self.clock());
            let page = self.db().read(move |tx| {
                let (from, clock) = (from.clone(), clock.clone());
                Box::pin(async move {
                    let over = tx.now(clock.as_ref()).await?.minus(grace);
                    let (mut due, mut used) = (Vec::new(), Vec::new());
                    let page = db::orphans::list(tx, &from, STEP).await?;
                    let last = page.last().map(|orphan| orphan.blob.to_string());
                    for orphan in page {
                        if db::versions::uses_blob(tx, orphan.blob).await? {
                            used.push(orphan.blob);
                        } else if orphan.noted_at < over {
                            due.push(orphan);
                        }
                    }
                    Ok((due, used, last))
                })
            });
            let (due, mut forgotten, last) = page.await?;
            for orphan in due {
                self.store().delete(&orphan.blob.path(), true).await.map_err(store_failed)?;
                tracing::info!(blob = %orphan.blob, bytes = orphan.bytes, "removed an orphan");
                swept.removed += 1;
                swept.bytes += orphan.bytes;
                forgotten.push(orphan.blob);
            }
            self.forget_orphans(forgotten).await?;
            said(swept);
            match last {
                Some(last) => after = last,
                None => return Ok(()),
            }
        }
    }

    async fn forget_orphans(&self, blobs: Vec<BlobId>) -> Result<()> {
        if blobs.is_empty() {
            return Ok(());
        }
        let forgotten = self.db().write(move |tx| {
            let blobs = blobs.clone();
            Box::pin(async move {
                for blob in blobs {
                    db::orphans::forget(tx, blob).await?;
                }
                Ok(())
            })
        });
        forgotten.await
    }
}

#[cfg(test)]
mod tests;
