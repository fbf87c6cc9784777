//! Rows of invitations.

use bytes::Bytes;
use longshore_core::wire::{Invitation, InvitationState, Role};
use longshore_core::{InvitationId, PrincipalId, Timestamp, WorkspaceId};

use super::access::{opt_role, role};
use super::{Row, Tx};
use crate::error::{Error, Result};

/// An invitation with the hash of its token.
#[derive(Clone, Debug)]
pub(crate) struct KnownInvitation {
    pub(crate) invitation: Invitation,
    pub(crate) token_hash: Bytes,
}

macro_rules! select_invitations {
    ($rest:literal) => {
        concat!(
            "SELECT id, workspace_id, role, note, created_by, created_at, expires_at, ended, accepted_by, token_hash
             FROM invitations ",
            $rest
        )
    };
}

const fn ended_text(state: InvitationState) -> Option<&'static str> {
    match state {
        InvitationState::Accepted => Some("accepted"),
        InvitationState::Declined => Some("declined"),
        InvitationState::Revoked => Some("revoked"),
        InvitationState::Open | InvitationState::Expired => None,
    }
}

/// Reads an invitation as it stands at a time.
fn read(row: &Row, now: Timestamp) -> Result<Invitation> {
    let expires_at = row.time(6)?;
    Ok(Invitation {
        id: row.parse(0)?,
        workspace_id: row.parse(1)?,
        role: role(row.text(2)?)?,
        note: row.opt_text(3)?.map(str::to_owned),
        created_by: row.parse(4)?,
        created_at: row.time(5)?,
        expires_at,
        state: match row.opt_text(7)? {
            Some("accepted") => InvitationState::Accepted,
            Some("declined") => InvitationState::Declined,
            Some("revoked") => InvitationState::Revoked,
            Some(other) => return Err(Error::corrupt(format_args!("invitation {other:?}"))),
            None if expires_at <= now => InvitationState::Expired,
            None => InvitationState::Open,
        },
        accepted_by: row.opt_parse(8)?,
    })
}

pub(crate) async fn insert(tx: &mut Tx, invitation: &Invitation, token_hash: Bytes) -> Result<()> {
    tx.execute(
        "INSERT INTO invitations (id, workspace_id, role, note, token_hash, created_by, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            invitation.id.into(),
            invitation.workspace_id.into(),
            invitation.role.as_str().into(),
            invitation.note.as_deref().into(),
            token_hash.into(),
            invitation.created_by.into(),
            invitation.created_at.into(),
            invitation.expires_at.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Returns an invitation as it stands at a time.
pub(crate) async fn known(tx: &mut Tx, id: InvitationId, now: Timestamp) -> Result<Option<KnownInvitation>> {
    let row = tx.query_opt(select_invitations!("WHERE id = $1"), &[id.into()]).await?;
    let Some(row) = row else { return Ok(None) };
    let token_hash = row.opt_bytes(9)?.ok_or_else(|| Error::corrupt("an invitation without a hash"))?;
    Ok(Some(KnownInvitation { invitation: read(&row, now)?, token_hash }))
}

/// Lists the invitations into a workspace, the oldest first.
pub(crate) async fn list(
    tx: &mut Tx,
    workspace: WorkspaceId,
    after: &str,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<Invitation>> {
    let rows = tx
        .query(
            select_invitations!("WHERE workspace_id = $1 AND id > $2 ORDER BY id LIMIT $3"),
            &[workspace.into(), after.into(), limit.into()],
        )
        .await?;
    rows.iter().map(|row| read(row, now)).collect()
}

/// Ends an invitation that is open; who has accepted it, where somebody has.
pub(crate) async fn end(
    tx: &mut Tx,
    id: InvitationId,
    state: InvitationState,
    accepted_by: Option<PrincipalId>,
    now: Timestamp,
) -> Result<()> {
    tx.execute(
        "UPDATE invitations SET ended = $2, ended_at = $3, accepted_by = $4 WHERE id = $1 AND ended IS NULL",
        &[id.into(), ended_text(state).into(), now.into(), accepted_by.into()],
    )
    .await?;
    Ok(())
}

/// Counts the invitations into a workspace, up to `most`; before that removes those whose time was over at `before`.
pub(crate) async fn count(tx: &mut Tx, workspace: WorkspaceId, before: Timestamp, most: u32) -> Result<u64> {
    tx.execute(
        "DELETE FROM invitations WHERE workspace_id = $1 AND expires_at < $2",
        &[workspace.into(), before.into()],
    )
    .await?;
    let row = tx
        .query_opt(
            "SELECT COUNT(*) FROM (SELECT 1 AS one FROM invitations WHERE workspace_id = $1 LIMIT $2) AS counted",
            &[workspace.into(), most.into()],
        )
        .await?;
    row.ok_or_else(|| Error::corrupt("a count without a row"))?.count(0)
}

/// Returns the name of a principal and their role in a workspace; nothing for who is deactivated or has none there.
pub(crate) async fn standing(
    tx: &mut Tx,
    principal: PrincipalId,
    workspace: WorkspaceId,
) -> Result<Option<(String, Role)>> {
    let row = tx
        .query_opt(
            "SELECT p.name, p.everywhere, m.role FROM principals p
             LEFT JOIN members m ON m.principal_id = p.id AND m.workspace_id = $2
             WHERE p.id = $1 AND p.deactivated_at IS NULL",
            &[principal.into(), workspace.into()],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let role = opt_role(&row, 1)?.max(opt_role(&row, 2)?);
    let name = row.text(0)?.to_owned();
    Ok(role.map(|role| (name, role)))
}
