//! The sweeper: removes blobs that no version names.
//!
//! An orphan is what a crash leaves between a blob and its row. It is removed once it is older than a grace
//! time, so that a write whose commit is still under way never loses its blob.

use futures_util::TryStreamExt;
use longshore_core::Timestamp;

use crate::blob::{BlobId, FOLDER};
use crate::db;
use crate::engine::{Engine, store_failed};
use crate::error::Result;

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

impl Engine {
    /// Looks at every blob and removes the orphans that are past their grace time.
    pub async fn sweep(&self) -> Result<Swept> {
        let oldest_kept = self.now().minus(self.settings().orphan_grace);
        let mut swept = Swept::default();
        let mut blobs = self.store().list_files(FOLDER, true).map_err(store_failed)?;
        while let Some(file) = blobs.try_next().await.map_err(store_failed)? {
            swept.seen += 1;
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
