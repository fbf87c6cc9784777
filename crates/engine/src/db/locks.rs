//! Rows of locks: a row for each grant.

use bytes::Bytes;
use longshore_core::wire::{LostReason, NodeLock};
use longshore_core::{LockId, NodeId, PrincipalId, Timestamp, WorkspaceId};

use super::nodes::longest_lease;
use super::{Row, Tx};
use crate::error::{Error, Result};

/// One grant of a lease.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) id: LockId,
    pub(crate) workspace: WorkspaceId,
    pub(crate) node: NodeId,
    pub(crate) fence: u64,
    pub(crate) token_hash: Bytes,
    pub(crate) owner: PrincipalId,
    pub(crate) owner_label: Option<String>,
    pub(crate) purpose: Option<String>,
    pub(crate) granted_at: Timestamp,
    /// The length of the lease in seconds.
    pub(crate) ttl: u64,
    pub(crate) expires_at: Timestamp,
    pub(crate) max_until: Timestamp,
    pub(crate) ended: Option<LostReason>,
}

impl Grant {
    /// Returns the lock as everybody sees it.
    pub(crate) fn lock(&self) -> NodeLock {
        NodeLock {
            id: self.id,
            node_id: self.node,
            owner: self.owner,
            owner_label: self.owner_label.clone(),
            purpose: self.purpose.clone(),
            fence: self.fence,
            expires_at: self.expires_at,
        }
    }
}

const REASONS: [(LostReason, &str); 4] = [
    (LostReason::Expired, "expired"),
    (LostReason::Broken, "broken"),
    (LostReason::Released, "released"),
    (LostReason::Superseded, "superseded"),
];

fn read_reason(text: &str) -> Result<LostReason> {
    let known = REASONS.iter().find(|(_, name)| *name == text);
    known.map(|(reason, _)| *reason).ok_or_else(|| Error::corrupt(format_args!("lock ended {text:?}")))
}

macro_rules! select_locks {
    ($rest:literal) => {
        concat!(
            "SELECT id, workspace_id, node_id, fence, token_hash, principal_id, owner_label, purpose, granted_at, ttl,
                    expires_at, max_until, ended FROM locks ",
            $rest
        )
    };
}

fn read(row: &Row) -> Result<Grant> {
    Ok(Grant {
        id: row.parse(0)?,
        workspace: row.parse(1)?,
        node: row.parse(2)?,
        fence: row.count(3)?,
        token_hash: row.opt_bytes(4)?.unwrap_or_default(),
        owner: row.parse(5)?,
        owner_label: row.opt_text(6)?.map(str::to_owned),
        purpose: row.opt_text(7)?.map(str::to_owned),
        granted_at: row.time(8)?,
        ttl: row.count(9)?,
        expires_at: row.time(10)?,
        max_until: row.time(11)?,
        ended: row.opt_text(12)?.map(read_reason).transpose()?,
    })
}

pub(crate) async fn get(tx: &mut Tx, id: LockId) -> Result<Option<Grant>> {
    let row = tx.query_opt(select_locks!("WHERE id = $1"), &[id.into()]).await?;
    row.as_ref().map(read).transpose()
}

/// Returns a node's grant that nobody has ended, be its time over or not.
pub(crate) async fn standing(tx: &mut Tx, node: NodeId) -> Result<Option<Grant>> {
    let row = tx.query_opt(select_locks!("WHERE node_id = $1 AND ended_at IS NULL"), &[node.into()]).await?;
    row.as_ref().map(read).transpose()
}

/// Lists the locks of a workspace that hold, by id, which is by age: all, or those of one owner.
pub(crate) async fn live(
    tx: &mut Tx,
    workspace: WorkspaceId,
    owner: Option<PrincipalId>,
    now: Timestamp,
    after: &str,
    limit: u32,
) -> Result<Vec<Grant>> {
    let rows = match owner {
        None => {
            tx.query(
                select_locks!(
                    "WHERE workspace_id = $1 AND ended_at IS NULL AND expires_at > $2 AND id > $3
                     ORDER BY id LIMIT $4"
                ),
                &[workspace.into(), now.into(), after.into(), limit.into()],
            )
            .await?
        }
        Some(owner) => {
            tx.query(
                select_locks!(
                    "WHERE workspace_id = $1 AND ended_at IS NULL AND expires_at > $2 AND id > $3
                       AND principal_id = $5 ORDER BY id LIMIT $4"
                ),
                &[workspace.into(), now.into(), after.into(), limit.into(), owner.into()],
            )
            .await?
        }
    };
    rows.iter().map(read).collect()
}

/// Returns the next workspace, by id, in which a principal has locks that nobody has ended.
pub(crate) async fn next_of(tx: &mut Tx, principal: PrincipalId, after: &str) -> Result<Option<WorkspaceId>> {
    let row = tx
        .query_opt(
            "SELECT workspace_id FROM locks WHERE principal_id = $1 AND ended_at IS NULL AND workspace_id > $2
             ORDER BY workspace_id LIMIT 1",
            &[principal.into(), after.into()],
        )
        .await?;
    row.map(|row| row.parse(0)).transpose()
}

/// Counts the locks of a workspace that hold, up to a limit.
pub(crate) async fn count(tx: &mut Tx, workspace: WorkspaceId, now: Timestamp, limit: u32) -> Result<u64> {
    let row = tx
        .query_opt(
            "SELECT CAST(COUNT(*) AS BIGINT) FROM (
                SELECT 1 FROM locks WHERE workspace_id = $1 AND ended_at IS NULL AND expires_at > $2 LIMIT $3) AS held",
            &[workspace.into(), now.into(), limit.into()],
        )
        .await?;
    row.map_or(Ok(0), |row| row.count(0))
}

pub(crate) async fn insert(tx: &mut Tx, grant: &Grant) -> Result<()> {
    tx.execute(
        "INSERT INTO locks (id, workspace_id, node_id, fence, token_hash, principal_id, owner_label, purpose,
                            granted_at, ttl, expires_at, max_until)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        &[
            grant.id.into(),
            grant.workspace.into(),
            grant.node.into(),
            grant.fence.into(),
            grant.token_hash.clone().into(),
            grant.owner.into(),
            grant.owner_label.as_deref().into(),
            grant.purpose.as_deref().into(),
            grant.granted_at.into(),
            grant.ttl.into(),
            grant.expires_at.into(),
            grant.max_until.into(),
        ],
    )
    .await?;
    keep_looking(tx, grant).await
}

/// Prolongs a grant.
pub(crate) async fn renew(tx: &mut Tx, grant: &Grant) -> Result<()> {
    tx.execute(
        "UPDATE locks SET ttl = $1, expires_at = $2 WHERE id = $3",
        &[grant.ttl.into(), grant.expires_at.into(), grant.id.into()],
    )
    .await?;
    keep_looking(tx, grant).await
}

/// Has the writes of the workspace look for locks as long as this one may hold.
async fn keep_looking(tx: &mut Tx, grant: &Grant) -> Result<()> {
    tx.execute(
        "UPDATE workspaces SET locked_until = $1 WHERE id = $2 AND locked_until < $1",
        &[grant.expires_at.into(), grant.workspace.into()],
    )
    .await?;
    Ok(())
}

/// Ends a grant.
pub(crate) async fn end(tx: &mut Tx, id: LockId, reason: LostReason, now: Timestamp) -> Result<()> {
    let text = REASONS.iter().find(|(known, _)| *known == reason).map(|(_, text)| *text);
    tx.execute(
        "UPDATE locks SET ended = $1, ended_at = $2 WHERE id = $3 AND ended_at IS NULL",
        &[text.into(), now.into(), id.into()],
    )
    .await?;
    Ok(())
}

/// Says of a node's last grant, where it ended by time, that another holds the node now.
pub(crate) async fn supersede(tx: &mut Tx, node: NodeId, fence: u64) -> Result<()> {
    let sql =
        "UPDATE locks SET ended = 'superseded' WHERE node_id = $1 AND fence = $2 AND ended_at IS NOT NULL
               AND ended = 'expired'";
    tx.execute(sql, &[node.into(), fence.into()]).await?;
    Ok(())
}

/// Returns the next workspace, by id, with grants that nobody has ended and whose time is over.
pub(crate) async fn next_with_lapsed(
    tx: &mut Tx,
    now: Timestamp,
    after: &str,
) -> Result<Option<WorkspaceId>> {
    let row = tx
        .query_opt(
            "SELECT workspace_id FROM locks
             WHERE ended_at IS NULL AND workspace_id > $1 AND (expires_at <= $2 OR expires_at > $3)
             ORDER BY workspace_id LIMIT 1",
            &[after.into(), now.into(), longest_lease(now).into()],
        )
        .await?;
    row.map(|row| row.parse(0)).transpose()
}

/// Lists some of a workspace's grants that nobody has ended and whose time is over.
pub(crate) async fn lapsed(
    tx: &mut Tx,
    workspace: WorkspaceId,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Grant>> {
    let rows = tx
        .query(
            select_locks!(
                "WHERE ended_at IS NULL AND workspace_id = $1 AND (expires_at <= $2 OR expires_at > $3)
                 ORDER BY expires_at, id LIMIT $4"
            ),
            &[workspace.into(), now.into(), longest_lease(now).into(), (limit as u64).into()],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// Removes at most `limit` grants that ended before a time, and returns how many.
pub(crate) async fn prune(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64> {
    tx.execute(
        "DELETE FROM locks WHERE id IN (
            SELECT id FROM locks WHERE ended_at IS NOT NULL AND ended_at < $1 ORDER BY ended_at LIMIT $2)",
        &[before.into(), limit.into()],
    )
    .await
}

/// Lists locks that hold below any of some folders, but not on them.
///
/// It walks up from each lock of the workspace that holds, as there are few locks and many nodes.
pub(crate) async fn below(
    tx: &mut Tx,
    workspace: WorkspaceId,
    folders: &[NodeId],
    now: Timestamp,
    limit: usize,
) -> Result<Vec<NodeLock>> {
    let folders = folders.iter().map(NodeId::to_string).collect::<Vec<_>>().join(" ");
    let rows = tx
        .query(
            // All ids have one length, so none is a part of another; both databases have `replace`.
            select_locks!(
                "WHERE id IN (
                    WITH RECURSIVE up (lock_id, parent_id) AS (
                        SELECT l.id, n.parent_id FROM locks l JOIN nodes n ON n.id = l.node_id
                        WHERE l.workspace_id = $1 AND l.ended_at IS NULL AND l.expires_at > $2 AND l.expires_at <= $3
                        UNION ALL
                        SELECT up.lock_id, n.parent_id FROM up JOIN nodes n ON n.id = up.parent_id
                        WHERE replace(CAST($4 AS TEXT), up.parent_id, '') = $4)
                    SELECT lock_id FROM up WHERE replace(CAST($4 AS TEXT), parent_id, '') <> $4)
                 ORDER BY id LIMIT $5"
            ),
            &[
                workspace.into(),
                now.into(),
                longest_lease(now).into(),
                folders.into(),
                (limit as u64).into(),
            ],
        )
        .await?;
    rows.iter().map(|row| Ok(read(row)?.lock())).collect()
}
