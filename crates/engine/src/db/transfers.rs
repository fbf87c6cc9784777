//! Rows of transfers.

use bytes::Bytes;
use longshore_core::wire::{Transfer, TransferState};
use longshore_core::{PrincipalId, Timestamp, TransferId, WorkspaceId};

use super::{Row, Tx};
use crate::error::{Error, Result};

/// A transfer with what is kept of its token.
#[derive(Clone, Debug)]
pub(crate) struct TransferRow {
    pub(crate) transfer: Transfer,
    pub(crate) token_hash: Bytes,
}

macro_rules! select_transfers {
    ($rest:literal) => {
        concat!(
            "SELECT id, workspace_id, giver, offered_by, note, offered_at, expires_at, state, ended_at, ended_by,
                    token_hash FROM transfers ",
            $rest
        )
    };
}

fn parse_state(text: &str) -> Result<TransferState> {
    use TransferState::{Accepted, Declined, Open, Revoked};
    let known = [Open, Accepted, Declined, Revoked].into_iter().find(|state| state.as_str() == text);
    known.ok_or_else(|| Error::corrupt(format_args!("a transfer in state {text:?}")))
}

fn read(row: &Row) -> Result<TransferRow> {
    let transfer = Transfer {
        id: row.parse(0)?,
        workspace_id: row.parse(1)?,
        giver: row.parse(2)?,
        offered_by: row.parse(3)?,
        note: row.opt_text(4)?.map(str::to_owned),
        offered_at: row.time(5)?,
        expires_at: row.time(6)?,
        state: parse_state(row.text(7)?)?,
        ended_at: row.opt_time(8)?,
        ended_by: row.opt_parse(9)?,
    };
    let token_hash = row.opt_bytes(10)?.ok_or_else(|| Error::corrupt("a transfer without a hash"))?;
    Ok(TransferRow { transfer, token_hash })
}

pub(crate) async fn insert(tx: &mut Tx, transfer: &Transfer, token_hash: Bytes) -> Result<()> {
    tx.execute(
        "INSERT INTO transfers (id, workspace_id, token_hash, giver, offered_by, note, offered_at, expires_at, state)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            transfer.id.into(),
            transfer.workspace_id.into(),
            token_hash.into(),
            transfer.giver.into(),
            transfer.offered_by.into(),
            transfer.note.as_deref().into(),
            transfer.offered_at.into(),
            transfer.expires_at.into(),
            transfer.state.as_str().into(),
        ],
    )
    .await?;
    Ok(())
}

pub(crate) async fn get(tx: &mut Tx, id: TransferId) -> Result<Option<TransferRow>> {
    let row = tx.query_opt(select_transfers!("WHERE id = $1"), &[id.into()]).await?;
    row.as_ref().map(read).transpose()
}

/// Returns the offer of a workspace that is open, be its time over, or else the last one that was.
pub(crate) async fn last(tx: &mut Tx, workspace: WorkspaceId) -> Result<Option<Transfer>> {
    let row = tx
        .query_opt(
            select_transfers!(
                "WHERE workspace_id = $1
                 ORDER BY CASE WHEN state = 'open' THEN 0 ELSE 1 END, offered_at DESC, id DESC LIMIT 1"
            ),
            &[workspace.into()],
        )
        .await?;
    row.map(|row| Ok(read(&row)?.transfer)).transpose()
}

/// Writes how an offer ended.
pub(crate) async fn end(
    tx: &mut Tx,
    id: TransferId,
    state: TransferState,
    (by, now): (PrincipalId, Timestamp),
) -> Result<()> {
    tx.execute(
        "UPDATE transfers SET state = $1, ended_at = $2, ended_by = $3 WHERE id = $4 AND state = 'open'",
        &[state.as_str().into(), now.into(), by.into(), id.into()],
    )
    .await?;
    Ok(())
}

/// Forgets the offers of a workspace that ended before a time: its log tells of them.
pub(crate) async fn forget(tx: &mut Tx, workspace: WorkspaceId, before: Timestamp) -> Result<()> {
    tx.execute(
        "DELETE FROM transfers WHERE workspace_id = $1 AND state <> 'open' AND ended_at < $2",
        &[workspace.into(), before.into()],
    )
    .await?;
    Ok(())
}

/// What a workspace has besides its files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Belongings {
    pub(crate) versions: u64,
    pub(crate) members: u64,
    pub(crate) hooks: u64,
    pub(crate) locks: u64,
    pub(crate) keys: u64,
}

/// Counts what a workspace has, each kind up to a limit.
pub(crate) async fn belongings(
    tx: &mut Tx,
    workspace: WorkspaceId,
    now: Timestamp,
    limit: u32,
) -> Result<Belongings> {
    let row = tx
        .query_opt(
            "SELECT
                (SELECT COUNT(*) FROM (SELECT 1 AS one FROM versions v JOIN nodes n ON n.id = v.node_id
                                       WHERE n.workspace_id = $1 LIMIT $3) AS versions),
                (SELECT COUNT(*) FROM (SELECT 1 AS one FROM members WHERE workspace_id = $1 LIMIT $3) AS members),
                (SELECT COUNT(*) FROM (SELECT 1 AS one FROM hooks
                                       WHERE workspace_id = $1 AND deleted_at IS NULL LIMIT $3) AS hooks),
                (SELECT COUNT(*) FROM (SELECT 1 AS one FROM locks
                                       WHERE workspace_id = $1 AND ended_at IS NULL AND expires_at > $2
                                       LIMIT $3) AS locks),
                (SELECT COUNT(*) FROM (SELECT 1 AS one FROM keys
                                       WHERE workspace_id = $1 AND revoked_at IS NULL
                                         AND (expires_at IS NULL OR expires_at > $2) LIMIT $3) AS keys)",
            &[workspace.into(), now.into(), limit.into()],
        )
        .await?;
    let row = row.ok_or_else(|| Error::corrupt("counts without a row"))?;
    Ok(Belongings {
        versions: row.count(0)?,
        members: row.count(1)?,
        hooks: row.count(2)?,
        locks: row.count(3)?,
        keys: row.count(4)?,
    })
}
