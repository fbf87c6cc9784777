//! Rows of locks: a row for each grant.

use bytes::Bytes;
use longshore_core::wire::LostReason;
use longshore_core::{LockId, NodeId, Timestamp, WorkspaceId};

use super::Tx;
use crate::error::{Error, Result};

/// One grant of a lease.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) id: LockId,
    pub(crate) workspace: WorkspaceId,
    pub(crate) node: NodeId,
    pub(crate) token_hash: Bytes,
    pub(crate) expires_at: Timestamp,
    pub(crate) ended: Option<LostReason>,
}

pub(crate) async fn get(tx: &mut Tx, id: LockId) -> Result<Option<Grant>> {
    let row = tx
        .query_opt(
            "SELECT id, workspace_id, node_id, token_hash, expires_at, ended FROM locks WHERE id = $1",
            &[id.into()],
        )
        .await?;
    row.map(|row| {
        Ok(Grant {
            id: row.parse(0)?,
            workspace: row.parse(1)?,
            node: row.parse(2)?,
            token_hash: row.opt_bytes(3)?.unwrap_or_default(),
            expires_at: row.time(4)?,
            ended: match row.opt_text(5)? {
                None => None,
                Some("expired") => Some(LostReason::Expired),
                Some("broken") => Some(LostReason::Broken),
                Some("released") => Some(LostReason::Released),
                Some("superseded") => Some(LostReason::Superseded),
                Some(other) => return Err(Error::corrupt(format_args!("lock ended {other:?}"))),
            },
        })
    })
    .transpose()
}

/// Lists the nodes with a lock that is not over, below a folder; the folder itself is not among them.
///
/// It walks up from each lock of the workspace, as there are few locks and many nodes.
pub(crate) async fn below(
    tx: &mut Tx,
    workspace: WorkspaceId,
    folder: NodeId,
    now: Timestamp,
) -> Result<Vec<NodeId>> {
    let rows = tx
        .query(
            "WITH RECURSIVE up (locked, parent_id) AS (
                SELECT n.id, n.parent_id FROM locks l JOIN nodes n ON n.id = l.node_id
                WHERE l.workspace_id = $1 AND l.ended_at IS NULL AND l.expires_at > $2
                UNION ALL
                SELECT up.locked, n.parent_id FROM up JOIN nodes n ON n.id = up.parent_id
                WHERE up.parent_id <> $3)
             SELECT locked FROM up WHERE parent_id = $3 ORDER BY locked LIMIT 100",
            &[workspace.into(), now.into(), folder.into()],
        )
        .await?;
    rows.iter().map(|row| row.parse(0)).collect()
}
