//! Rows of writes that named an idempotency key.

use bytes::Bytes;
use longshore_core::{PrincipalId, Timestamp, WorkspaceId};

use super::Tx;
use crate::error::Result;

/// A write that was done under a key before.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    /// The workspace that it was written to, where it is known of one.
    pub(crate) workspace: Option<WorkspaceId>,
    pub(crate) fingerprint: Bytes,
    pub(crate) salt: Bytes,
    /// Nothing where the write is under way in this very transaction.
    pub(crate) sealed: Option<Bytes>,
}

/// Takes a key for a write, or returns what was done under it.
///
/// On PostgreSQL a second request with the same key waits here until the first one's transaction has ended.
pub(crate) async fn take(
    tx: &mut Tx,
    (principal, key_hash): (PrincipalId, Bytes),
    workspace: Option<WorkspaceId>,
    fingerprint: Bytes,
    salt: Bytes,
    now: Timestamp,
) -> Result<Option<Done>> {
    let taken = tx
        .execute(
            "INSERT INTO idempotency (principal_id, key_hash, fingerprint, salt, created_at, workspace_id)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (principal_id, key_hash) DO NOTHING",
            &[
                principal.into(),
                key_hash.clone().into(),
                fingerprint.into(),
                salt.into(),
                now.into(),
                workspace.into(),
            ],
        )
        .await?;
    if taken == 1 {
        return Ok(None);
    }
    get(tx, principal, key_hash).await
}

/// Returns what was done under a key.
pub(crate) async fn get(tx: &mut Tx, principal: PrincipalId, key_hash: Bytes) -> Result<Option<Done>> {
    let row = tx
        .query_opt(
            "SELECT fingerprint, salt, sealed, workspace_id FROM idempotency
             WHERE principal_id = $1 AND key_hash = $2",
            &[principal.into(), key_hash.into()],
        )
        .await?;
    row.map(|row| {
        Ok(Done {
            fingerprint: row.opt_bytes(0)?.unwrap_or_default(),
            salt: row.opt_bytes(1)?.unwrap_or_default(),
            sealed: row.opt_bytes(2)?,
            workspace: row.opt_parse(3)?,
        })
    })
    .transpose()
}

/// Keeps the answer of a write that took its key in this transaction.
pub(crate) async fn keep(tx: &mut Tx, principal: PrincipalId, key_hash: Bytes, sealed: Bytes) -> Result<()> {
    tx.execute(
        "UPDATE idempotency SET sealed = $1 WHERE principal_id = $2 AND key_hash = $3",
        &[sealed.into(), principal.into(), key_hash.into()],
    )
    .await?;
    Ok(())
}

/// Gives a key back that was taken in this transaction.
pub(crate) async fn give_back(tx: &mut Tx, principal: PrincipalId, key_hash: Bytes) -> Result<()> {
    tx.execute(
        "DELETE FROM idempotency WHERE principal_id = $1 AND key_hash = $2",
        &[principal.into(), key_hash.into()],
    )
    .await?;
    Ok(())
}

/// Forgets at most `limit` answers from before a time, and returns how many.
pub(crate) async fn prune(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64> {
    tx.execute(
        "DELETE FROM idempotency WHERE (principal_id, key_hash) IN (
            SELECT principal_id, key_hash FROM idempotency WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
        &[before.into(), limit.into()],
    )
    .await
}
