//! Rows of orphans: blobs that a sweep has found without a version.

use longshore_core::Timestamp;

use super::{Tx, versions};
use crate::blob::BlobId;
use crate::error::Result;

/// A blob without a version, as a sweep has noted it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Orphan {
    pub(crate) blob: BlobId,
    pub(crate) bytes: u64,
    pub(crate) noted_at: Timestamp,
}

/// Tells whether a blob is without a version and not noted as such.
pub(crate) async fn is_new(tx: &mut Tx, blob: BlobId) -> Result<bool> {
    let noted = tx.query_opt("SELECT 1 FROM orphans WHERE blob_id = $1", &[blob.to_string().into()]).await?;
    Ok(noted.is_none() && !versions::uses_blob(tx, blob).await?)
}

pub(crate) async fn note(tx: &mut Tx, orphan: Orphan) -> Result<()> {
    tx.execute(
        "INSERT INTO orphans (blob_id, bytes, noted_at) VALUES ($1, $2, $3) ON CONFLICT (blob_id) DO NOTHING",
        &[orphan.blob.to_string().into(), orphan.bytes.into(), orphan.noted_at.into()],
    )
    .await?;
    Ok(())
}

/// Lists what is noted, by id from after one on.
pub(crate) async fn list(tx: &mut Tx, after: &str, limit: u32) -> Result<Vec<Orphan>> {
    let rows = tx
        .query(
            "SELECT blob_id, bytes, noted_at FROM orphans WHERE blob_id > $1 ORDER BY blob_id LIMIT $2",
            &[after.into(), limit.into()],
        )
        .await?;
    rows.iter()
        .map(|row| Ok(Orphan { blob: row.parse(0)?, bytes: row.count(1)?, noted_at: row.time(2)? }))
        .collect()
}

pub(crate) async fn forget(tx: &mut Tx, blob: BlobId) -> Result<()> {
    tx.execute("DELETE FROM orphans WHERE blob_id = $1", &[blob.to_string().into()]).await?;
    Ok(())
}
