//! Rows of waiters: the queues for locks.

use longshore_core::{LockId, NodeId, PrincipalId, Timestamp, WaitTicket, WorkspaceId};

use super::{Row, Tx};
use crate::error::{Error, Result};

/// Somebody who waits for a lock.
#[derive(Clone, Debug)]
pub(crate) struct Waiter {
    pub(crate) ticket: WaitTicket,
    pub(crate) workspace: WorkspaceId,
    pub(crate) node: NodeId,
    pub(crate) principal: PrincipalId,
    /// The locks it holds meanwhile.
    pub(crate) holds: Vec<LockId>,
    pub(crate) queued_at: Timestamp,
    pub(crate) polled_at: Timestamp,
}

fn read(row: &Row) -> Result<Waiter> {
    Ok(Waiter {
        ticket: row.parse(0)?,
        workspace: row.parse(1)?,
        node: row.parse(2)?,
        principal: row.parse(3)?,
        holds: serde_json::from_str(row.text(4)?).map_err(Error::corrupt)?,
        queued_at: row.time(5)?,
        polled_at: row.time(6)?,
    })
}

pub(crate) async fn get(tx: &mut Tx, ticket: WaitTicket) -> Result<Option<Waiter>> {
    let row = tx
        .query_opt(
            "SELECT ticket, workspace_id, node_id, principal_id, holds, queued_at, polled_at
             FROM lock_waiters WHERE ticket = $1",
            &[ticket.into()],
        )
        .await?;
    row.as_ref().map(read).transpose()
}

pub(crate) async fn insert(tx: &mut Tx, waiter: &Waiter) -> Result<()> {
    let holds = serde_json::to_string(&waiter.holds).map_err(Error::corrupt)?;
    tx.execute(
        "INSERT INTO lock_waiters (ticket, workspace_id, node_id, principal_id, holds, queued_at, polled_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            waiter.ticket.into(),
            waiter.workspace.into(),
            waiter.node.into(),
            waiter.principal.into(),
            holds.into(),
            waiter.queued_at.into(),
            waiter.polled_at.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Notes that a waiter still asks.
pub(crate) async fn poll(tx: &mut Tx, ticket: WaitTicket, now: Timestamp) -> Result<()> {
    tx.execute("UPDATE lock_waiters SET polled_at = $1 WHERE ticket = $2", &[now.into(), ticket.into()])
        .await?;
    Ok(())
}

pub(crate) async fn delete(tx: &mut Tx, ticket: WaitTicket) -> Result<()> {
    tx.execute("DELETE FROM lock_waiters WHERE ticket = $1", &[ticket.into()]).await?;
    Ok(())
}

/// Takes a principal out of a workspace's queues.
pub(crate) async fn delete_of(tx: &mut Tx, workspace: WorkspaceId, principal: PrincipalId) -> Result<()> {
    tx.execute(
        "DELETE FROM lock_waiters WHERE workspace_id = $1 AND principal_id = $2",
        &[workspace.into(), principal.into()],
    )
    .await?;
    Ok(())
}

/// Takes those out of a workspace's queues who have not asked since a time.
pub(crate) async fn forget(tx: &mut Tx, workspace: WorkspaceId, before: Timestamp) -> Result<()> {
    tx.execute(
        "DELETE FROM lock_waiters WHERE workspace_id = $1 AND polled_at < $2",
        &[workspace.into(), before.into()],
    )
    .await?;
    Ok(())
}

/// Counts those who wait for a node and have asked since a time: all, or those who came before a waiter.
pub(crate) async fn ahead(tx: &mut Tx, node: NodeId, of: Option<&Waiter>, since: Timestamp) -> Result<u64> {
    let latest = Timestamp::from_micros(i64::MAX);
    let (queued_at, ticket) =
        of.map_or((latest, String::new()), |waiter| (waiter.queued_at, waiter.ticket.to_string()));
    let row = tx
        .query_opt(
            "SELECT CAST(COUNT(*) AS BIGINT) FROM lock_waiters
             WHERE node_id = $1 AND polled_at >= $2 AND (queued_at, ticket) < ($3, $4)",
            &[node.into(), since.into(), queued_at.into(), ticket.into()],
        )
        .await?;
    row.map_or(Ok(0), |row| row.count(0))
}

/// Counts the waiters of a workspace.
pub(crate) async fn count(tx: &mut Tx, workspace: WorkspaceId) -> Result<u64> {
    let row = tx
        .query_opt(
            "SELECT CAST(COUNT(*) AS BIGINT) FROM lock_waiters WHERE workspace_id = $1",
            &[workspace.into()],
        )
        .await?;
    row.map_or(Ok(0), |row| row.count(0))
}

/// Lists the waiters of a workspace that hold locks meanwhile.
pub(crate) async fn holders(tx: &mut Tx, workspace: WorkspaceId, limit: usize) -> Result<Vec<Waiter>> {
    let rows = tx
        .query(
            "SELECT ticket, workspace_id, node_id, principal_id, holds, queued_at, polled_at
             FROM lock_waiters WHERE workspace_id = $1 AND holds <> '[]' ORDER BY queued_at, ticket LIMIT $2",
            &[workspace.into(), (limit as u64).into()],
        )
        .await?;
    rows.iter().map(read).collect()
}
