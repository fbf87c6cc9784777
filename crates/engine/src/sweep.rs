//! The sweeper: removes blobs that no version names.
//!
//! An orphan is what a crash leaves between a blob and its row. It is removed once it is older than a grace
//! time, so that a write whose commit is still under way never loses its blob.

use std::time::Duration;

use futures_util::TryStreamExt;
use longshore_core::Timestamp;
use longshore_store::List;
use serde_json::json;

use crate::blob::{BlobId, FOLDER};
use crate::db;
use crate::engine::{Engine, store_failed};
use crate::error::Result;
use crate::jobs::{Handled, JobContext, JobKind, Outcome};

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

/// How many blobs a sweep looks at before it says how far it is.
const STEP: u64 = 100;

/// Sweeps as a job. A second run finds what a first has left.
pub(crate) async fn run(job: JobContext) -> Handled {
    let swept = job.engine().sweep_with(|swept| job.progress(swept.seen, None, "blobs")).await?;
    let Swept { seen, removed, bytes } = swept;
    tracing::debug!(seen, removed, bytes, "swept");
    Ok(Outcome::of(json!({ "seen": seen, "removed": removed, "bytes": bytes })))
}

impl Engine {
    /// Looks at every blob and removes the orphans that are past their grace time.
    pub async fn sweep(&self) -> Result<Swept> {
        self.sweep_with(|_| {}).await
    }

    async fn sweep_with(&self, said: impl Fn(&Swept)) -> Result<Swept> {
        let oldest_kept = self.now().minus(self.settings().orphan_grace);
        let mut swept = Swept::default();
        let mut blobs = self.store().list_files(FOLDER, &List::ALL).map_err(store_failed)?;
        while let Some(file) = blobs.try_next().await.map_err(store_failed)? {
            swept.seen += 1;
            if swept.seen.is_multiple_of(STEP) {
                said(&swept);
            }
            let Some(id) = BlobId::from_path(file.path.as_str()) else {
                continue;
            };
            if file.last_modified.is_none_or(|time| Timestamp::from(time) > oldest_kept)
                || self.is_used(id).await?
            {
                continue;
            }
            self.store().delete(&id.path(), true).await.map_err(store_failed)?;
            tracing::info!(blob = %id, bytes = file.size, "removed an orphan");
            swept.removed += 1;
            swept.bytes += file.size;
        }
        Ok(swept)
    }

    async fn is_used(&self, id: BlobId) -> Result<bool> {
        self.db().read(move |tx| Box::pin(async move { db::versions::uses_blob(tx, id).await })).await
    }
}
