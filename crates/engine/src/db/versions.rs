//! Rows of versions: what a file's content was and where its bytes are.

use bytes::Bytes;
use longshore_core::wire::Version;
use longshore_core::{NodeId, VersionId};

use super::{Row, Tx, Value};
use crate::blob::{Blob, BlobId};
use crate::error::{Error, Result};

fn read(row: &Row) -> Result<Version> {
    Ok(Version {
        id: row.parse(0)?,
        node_id: row.parse(1)?,
        number: row.count(2)?,
        size: row.count(3)?,
        media_type: row.text(4)?.to_owned(),
        stated_media_type: row.opt_text(5)?.map(str::to_owned),
        digest: row.parse(6)?,
        sha256: row.opt_parse(7)?,
        created_at: row.time(8)?,
        created_by: row.parse(9)?,
        fence: row.count(10)?,
    })
}

fn read_blob(row: &Row) -> Result<Blob> {
    match (row.opt_parse::<BlobId>(11)?, row.opt_bytes(12)?) {
        (Some(id), None) => Ok(Blob::Stored(id)),
        (None, Some(content)) => Ok(Blob::Inline(content)),
        _ => Err(Error::corrupt("a version has its bytes in two places or in none")),
    }
}

pub(crate) async fn insert(tx: &mut Tx, version: &Version, blob: &Blob) -> Result<()> {
    let (stored, inline): (Value, Value) = match blob {
        Blob::Stored(id) => (id.to_string().into(), Value::Null),
        Blob::Inline(content) => (Value::Null, Bytes::clone(content).into()),
    };
    tx.execute(
        "INSERT INTO versions (id, node_id, number, size, media_type, stated_media_type, digest, sha256,
                               created_at, created_by, blob_id, content, fence)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        &[
            version.id.into(),
            version.node_id.into(),
            version.number.into(),
            version.size.into(),
            version.media_type.as_str().into(),
            version.stated_media_type.as_deref().into(),
            version.digest.into(),
            version.sha256.into(),
            version.created_at.into(),
            version.created_by.into(),
            stored,
            inline,
            version.fence.into(),
        ],
    )
    .await?;
    Ok(())
}

pub(crate) async fn get(tx: &mut Tx, node: NodeId, id: VersionId) -> Result<Option<Version>> {
    let row = tx
        .query_opt(
            "SELECT id, node_id, number, size, media_type, stated_media_type, digest, sha256, created_at, created_by, fence
             FROM versions WHERE id = $1 AND node_id = $2",
            &[id.into(), node.into()],
        )
        .await?;
    row.as_ref().map(read).transpose()
}

/// Returns a version and where its bytes are; small ones come along.
pub(crate) async fn with_blob(tx: &mut Tx, node: NodeId, id: VersionId) -> Result<Option<(Version, Blob)>> {
    let row = tx
        .query_opt(
            "SELECT id, node_id, number, size, media_type, stated_media_type, digest, sha256, created_at, created_by, fence,
                    blob_id, content
             FROM versions WHERE id = $1 AND node_id = $2",
            &[id.into(), node.into()],
        )
        .await?;
    row.map(|row| Ok((read(&row)?, read_blob(&row)?))).transpose()
}

/// Lists a file's versions whose number is below `before`, newest first.
pub(crate) async fn list(tx: &mut Tx, node: NodeId, before: u64, limit: u32) -> Result<Vec<Version>> {
    let rows = tx
        .query(
            "SELECT id, node_id, number, size, media_type, stated_media_type, digest, sha256, created_at, created_by, fence
             FROM versions WHERE node_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3",
            &[node.into(), before.into(), limit.into()],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// Tells whether any version has its bytes in this blob.
pub(crate) async fn uses_blob(tx: &mut Tx, blob: BlobId) -> Result<bool> {
    let row =
        tx.query_opt("SELECT 1 FROM versions WHERE blob_id = $1 LIMIT 1", &[blob.to_string().into()]).await?;
    Ok(row.is_some())
}
