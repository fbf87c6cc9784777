//! Rows of pieces: which ranges of which blobs make up a content that did not come as one.

use std::ops::Range;

use bytes::Bytes;
use longshore_core::UploadId;

use super::{Row, Tx, Value};
use crate::blob::{BlobId, ComposedId, Piece};
use crate::error::Result;

/// A piece, with what is known of its hash.
#[derive(Clone, Debug)]
pub(crate) struct HashedPiece {
    pub(crate) piece: Piece,
    /// The chaining values of its cells, were it at `hashed_at`.
    pub(crate) hashes: Bytes,
    pub(crate) hashed_at: u64,
}

fn read_piece(row: &Row) -> Result<Piece> {
    Ok(Piece { blob: row.parse(0)?, blob_size: row.count(1)?, start: row.count(2)?, length: row.count(3)? })
}

fn read(row: &Row) -> Result<HashedPiece> {
    let piece = read_piece(row)?;
    let hashes = row.opt_bytes(4)?.unwrap_or_default();
    Ok(HashedPiece { piece, hashes, hashed_at: row.count(5)? })
}

/// Adds a piece to an upload, as its `seq`th.
pub(crate) async fn insert(tx: &mut Tx, owner: UploadId, seq: u64, piece: &HashedPiece) -> Result<()> {
    let HashedPiece { piece, hashes, hashed_at } = piece;
    tx.execute(
        "INSERT INTO pieces (owner, seq, blob_id, blob_size, start, length, hashes, hashed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            owner.into(),
            seq.into(),
            piece.blob.to_string().into(),
            piece.blob_size.into(),
            piece.start.into(),
            piece.length.into(),
            hashes.clone().into(),
            (*hashed_at).into(),
        ],
    )
    .await?;
    Ok(())
}

/// Lists an upload's pieces in their order, from one on.
pub(crate) async fn hashed(tx: &mut Tx, owner: UploadId, from: u64, limit: u32) -> Result<Vec<HashedPiece>> {
    let rows = tx
        .query(
            "SELECT blob_id, blob_size, start, length, hashes, hashed_at FROM pieces
             WHERE owner = $1 AND seq >= $2 ORDER BY seq LIMIT $3",
            &[owner.into(), from.into(), limit.into()],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// Lists the pieces of an upload, or of a composed content, in their order.
pub(crate) async fn of(tx: &mut Tx, owner: impl Into<Value>) -> Result<Vec<Piece>> {
    // No content has more than an upload may have: that many rows are the bound.
    let rows = tx
        .query(
            "SELECT blob_id, blob_size, start, length FROM pieces WHERE owner = $1 ORDER BY seq",
            &[owner.into()],
        )
        .await?;
    rows.iter().map(read_piece).collect()
}

/// Puts one piece in the place of some of an upload's.
pub(crate) async fn replace(
    tx: &mut Tx,
    owner: UploadId,
    places: Range<u64>,
    piece: &HashedPiece,
) -> Result<()> {
    tx.execute(
        "DELETE FROM pieces WHERE owner = $1 AND seq >= $2 AND seq < $3",
        &[owner.into(), places.start.into(), places.end.into()],
    )
    .await?;
    insert(tx, owner, places.start, piece).await?;
    // Those after it move up, by way of numbers that none has: no two may be the same in between.
    let gap = places.end - places.start - 1;
    tx.execute(
        "UPDATE pieces SET seq = -seq WHERE owner = $1 AND seq >= $2",
        &[owner.into(), places.end.into()],
    )
    .await?;
    tx.execute("UPDATE pieces SET seq = -seq - $2 WHERE owner = $1 AND seq < 0", &[owner.into(), gap.into()])
        .await?;
    Ok(())
}

/// Gives an upload's pieces to the content of a version.
pub(crate) async fn compose(tx: &mut Tx, upload: UploadId, content: ComposedId) -> Result<()> {
    tx.execute("UPDATE pieces SET owner = $1 WHERE owner = $2", &[content.to_string().into(), upload.into()])
        .await?;
    Ok(())
}

/// Gives the pieces of a part to the upload that takes it, after the `before` that this has.
pub(crate) async fn join(tx: &mut Tx, part: UploadId, whole: UploadId, before: u64) -> Result<()> {
    tx.execute(
        "UPDATE pieces SET owner = $1, seq = seq + $2 WHERE owner = $3",
        &[whole.into(), before.into(), part.into()],
    )
    .await?;
    Ok(())
}

/// Removes an upload's pieces. The blobs that nothing else names are orphans from then on.
pub(crate) async fn delete(tx: &mut Tx, owner: UploadId) -> Result<()> {
    tx.execute("DELETE FROM pieces WHERE owner = $1", &[owner.into()]).await?;
    Ok(())
}

/// Lists, after one on, owners of pieces that are neither an upload nor any version's content, and that no export or import holds.
pub(crate) async fn loose(tx: &mut Tx, after: &str, limit: u32) -> Result<Vec<String>> {
    let rows = tx
        .query(
            "SELECT DISTINCT owner FROM pieces
             WHERE owner > $1
               AND NOT EXISTS (SELECT 1 FROM uploads WHERE uploads.id = pieces.owner)
               AND NOT EXISTS (SELECT 1 FROM versions WHERE versions.blob_id = pieces.owner)
               AND NOT EXISTS (SELECT 1 FROM crossing_contents c WHERE c.blob_id = pieces.owner)
             ORDER BY owner LIMIT $2",
            &[after.into(), limit.into()],
        )
        .await?;
    rows.iter().map(|row| row.text(0).map(str::to_owned)).collect()
}

/// Removes so many pieces of an owner that is [loose]; returns how many.
///
/// It needs no grace: who takes pieces over, or shares them, does so in the transaction in which their owner changes.
pub(crate) async fn delete_loose(tx: &mut Tx, owner: &str, limit: u32) -> Result<u64> {
    let removed = tx
        .execute(
            "DELETE FROM pieces WHERE owner = $1
               AND seq IN (SELECT seq FROM pieces WHERE owner = $1 ORDER BY seq LIMIT $2)",
            &[owner.into(), limit.into()],
        )
        .await?;
    Ok(removed)
}

/// Tells whether any piece lies in this blob.
pub(crate) async fn uses_blob(tx: &mut Tx, blob: BlobId) -> Result<bool> {
    let row =
        tx.query_opt("SELECT 1 FROM pieces WHERE blob_id = $1 LIMIT 1", &[blob.to_string().into()]).await?;
    Ok(row.is_some())
}
