//! Rows of versions: what a file's content was and where its bytes are.

use bytes::Bytes;
use longshore_core::wire::Version;
use longshore_core::{NodeId, Timestamp, VersionId, WorkspaceId};

use super::events::Log;
use super::{Row, Tx, crossings, pieces};
use crate::blob::{Blob, BlobId, Piece, Stored};
use crate::error::{Error, Result};
use crate::quota::More;

pub(super) fn read(row: &Row) -> Result<Version> {
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
        label: row.opt_text(11)?.map(str::to_owned),
    })
}

/// Reads where bytes are, of so many of them, whose columns begin at one: `blob_id`, `content`, `blob_start`, `blob_size`.
pub(super) fn read_location(row: &Row, first: usize, length: u64) -> Result<Blob> {
    let range = row.opt_count(first + 2)?.zip(row.opt_count(first + 3)?);
    match (row.opt_parse::<Stored>(first)?, range, row.opt_bytes(first + 1)?) {
        (Some(Stored::Blob(id)), None, None) => Ok(Blob::Stored(id)),
        (Some(Stored::Blob(blob)), Some((start, blob_size)), None) => {
            Ok(Blob::Packed(Piece { blob, blob_size, start, length }))
        }
        (Some(Stored::Composed(id)), None, None) => Ok(Blob::Composed(id)),
        (None, None, Some(content)) => Ok(Blob::Inline(content)),
        _ => Err(Error::corrupt("a version has its bytes in two places or in none")),
    }
}

/// What a row says of where bytes are: the blob or the pieces, or the bytes, and which range of a shared blob from where on.
pub(super) type Location = (Option<String>, Option<Bytes>, Option<(u64, u64)>);

pub(super) fn location(blob: &Blob) -> Location {
    match blob {
        Blob::Stored(id) => (Some(id.to_string()), None, None),
        Blob::Packed(Piece { blob, blob_size, start, .. }) => {
            (Some(blob.to_string()), None, Some((*start, *blob_size)))
        }
        Blob::Composed(id) => (Some(id.to_string()), None, None),
        Blob::Inline(content) => (None, Some(Bytes::clone(content)), None),
    }
}

/// Adds a version, where the quota of its workspace, which `log` holds, has room for it. A file comes with its first.
pub(crate) async fn insert(tx: &mut Tx, log: &mut Log, version: &Version, blob: &Blob) -> Result<()> {
    log.tally_mut().add(More::version(version.size, version.number == 1))?;
    let (stored, inline, range) = location(blob);
    tx.execute(
        "INSERT INTO versions (id, node_id, number, size, media_type, stated_media_type, digest, sha256,
                               created_at, created_by, blob_id, content, fence, label, blob_start, blob_size)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
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
            stored.into(),
            inline.into(),
            version.fence.into(),
            version.label.as_deref().into(),
            range.map(|(start, _)| start).into(),
            range.map(|(_, blob_size)| blob_size).into(),
        ],
    )
    .await?;
    Ok(())
}

pub(crate) async fn get(tx: &mut Tx, node: NodeId, id: VersionId) -> Result<Option<Version>> {
    let row = tx
        .query_opt(
            "SELECT id, node_id, number, size, media_type, stated_media_type, digest, sha256, created_at, created_by, fence, label
             FROM versions WHERE id = $1 AND node_id = $2",
            &[id.into(), node.into()],
        )
        .await?;
    row.as_ref().map(read).transpose()
}

/// Returns the file that a version is of.
pub(crate) async fn file_of(tx: &mut Tx, id: VersionId) -> Result<Option<NodeId>> {
    let row = tx.query_opt("SELECT node_id FROM versions WHERE id = $1", &[id.into()]).await?;
    row.map(|row| row.parse(0)).transpose()
}

/// Returns a version and where its bytes are; small ones come along.
pub(crate) async fn with_blob(tx: &mut Tx, node: NodeId, id: VersionId) -> Result<Option<(Version, Blob)>> {
    let row = tx
        .query_opt(
            "SELECT id, node_id, number, size, media_type, stated_media_type, digest, sha256, created_at, created_by, fence, label,
                    blob_id, content, blob_start, blob_size
             FROM versions WHERE id = $1 AND node_id = $2",
            &[id.into(), node.into()],
        )
        .await?;
    row.map(|row| {
        let version = read(&row)?;
        let blob = read_location(&row, 12, version.size)?;
        Ok((version, blob))
    })
    .transpose()
}

/// Lists a file's versions whose number is below `before`, newest first.
pub(crate) async fn list(tx: &mut Tx, node: NodeId, before: u64, limit: u32) -> Result<Vec<Version>> {
    let rows = tx
        .query(
            "SELECT id, node_id, number, size, media_type, stated_media_type, digest, sha256, created_at, created_by, fence, label
             FROM versions WHERE node_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3",
            &[node.into(), before.into(), limit.into()],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// Tells whether any version has its bytes in this blob, or any upload or version a piece of them, or an export or an import
/// holds it.
pub(crate) async fn uses_blob(tx: &mut Tx, blob: BlobId) -> Result<bool> {
    let row =
        tx.query_opt("SELECT 1 FROM versions WHERE blob_id = $1 LIMIT 1", &[blob.to_string().into()]).await?;
    Ok(row.is_some() || pieces::uses_blob(tx, blob).await? || crossings::uses_blob(tx, blob).await?)
}

/// Writes what people call a version.
pub(crate) async fn set_label(tx: &mut Tx, id: VersionId, label: Option<&str>) -> Result<()> {
    tx.execute("UPDATE versions SET label = $1 WHERE id = $2", &[label.into(), id.into()]).await?;
    Ok(())
}

/// Removes a version. Its blob, if no other version shares it, is an orphan from then on.
pub(crate) async fn delete(tx: &mut Tx, log: &mut Log, version: &Version) -> Result<()> {
    crossings::keep_version(tx, log.workspace(), version.id).await?;
    let removed = tx.execute("DELETE FROM versions WHERE id = $1", &[version.id.into()]).await?;
    if removed == 1 {
        log.tally_mut().remove(version.size, 0);
    }
    Ok(())
}

/// Lists the files of a workspace that may have old versions, by id from after one on.
pub(crate) async fn files_with_history(
    tx: &mut Tx,
    workspace: WorkspaceId,
    after: &str,
    limit: u32,
) -> Result<Vec<NodeId>> {
    let rows = tx
        .query(
            "SELECT id FROM nodes WHERE workspace_id = $1 AND version_number > 1 AND id > $2 ORDER BY id LIMIT $3",
            &[workspace.into(), after.into(), limit.into()],
        )
        .await?;
    rows.iter().map(|row| row.parse(0)).collect()
}

/// What may be removed of a file's versions: what is beyond the `kept` newest, and was not current any more at `before`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dispensable {
    pub(crate) kept: u32,
    pub(crate) before: Timestamp,
}

/// Lists the oldest versions of a file that may be removed: never the current one, and none with a label.
pub(crate) async fn dispensable(
    tx: &mut Tx,
    node: NodeId,
    what: Dispensable,
    limit: u32,
) -> Result<Vec<Version>> {
    // The newest is always among those that are kept, and that is the current one: so the rank alone keeps it.
    let rows = tx
        .query(
            "SELECT id, node_id, number, size, media_type, stated_media_type, digest, sha256, created_at, created_by, fence, label
             FROM versions
             WHERE node_id = $1 AND label IS NULL
               AND number < (SELECT number FROM versions WHERE node_id = $1 AND created_at < $2
                             ORDER BY number DESC LIMIT 1)
               AND number < (SELECT number FROM versions WHERE node_id = $1 ORDER BY number DESC LIMIT 1 OFFSET $3)
             ORDER BY number LIMIT $4",
            &[node.into(), what.before.into(), (what.kept.max(1) - 1).into(), limit.into()],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// Lists the blobs that several versions shared and of which less than half is still of use, by id from after one on.
pub(crate) async fn wasteful_packs(tx: &mut Tx, after: &str, limit: u32) -> Result<Vec<BlobId>> {
    let rows = tx
        .query(
            "SELECT blob_id FROM versions WHERE blob_id > $1 AND blob_size IS NOT NULL
             GROUP BY blob_id, blob_size HAVING SUM(size) * 2 < blob_size ORDER BY blob_id LIMIT $2",
            &[after.into(), limit.into()],
        )
        .await?;
    rows.iter().map(|row| row.parse(0)).collect()
}

/// Lists the ranges of a shared blob that are of use, in their order.
pub(crate) async fn packed(tx: &mut Tx, blob: BlobId) -> Result<Vec<Piece>> {
    // As many as a batch has items in a group, at most.
    let rows = tx
        .query(
            "SELECT DISTINCT blob_size, blob_start, size FROM versions
             WHERE blob_id = $1 AND blob_size IS NOT NULL ORDER BY blob_start",
            &[blob.to_string().into()],
        )
        .await?;
    let piece =
        |row: &Row| Ok(Piece { blob, blob_size: row.count(0)?, start: row.count(1)?, length: row.count(2)? });
    rows.iter().map(piece).collect()
}

/// Says that what lies in one piece lies in another from now on: the same bytes.
pub(crate) async fn move_piece(tx: &mut Tx, from: Piece, to: Piece) -> Result<()> {
    tx.execute(
        "UPDATE versions SET blob_id = $1, blob_start = $2, blob_size = $3 WHERE blob_id = $4 AND blob_start = $5",
        &[
            to.blob.to_string().into(),
            to.start.into(),
            to.blob_size.into(),
            from.blob.to_string().into(),
            from.start.into(),
        ],
    )
    .await?;
    Ok(())
}
