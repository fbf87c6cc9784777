//! Rows of members.

use longshore_core::wire::{Member, Role};
use longshore_core::{PrincipalId, Timestamp, WorkspaceId};

use super::access::{changed, read_principal, role};
use super::{Row, Tx};
use crate::error::Result;

macro_rules! select_members {
    ($rest:literal) => {
        concat!(
            "SELECT m.workspace_id, m.role, m.added_at, m.added_by, p.id, p.kind, p.name, p.everywhere, p.deactivated_at
             FROM members m JOIN principals p ON p.id = m.principal_id ",
            $rest
        )
    };
}

fn read(row: &Row) -> Result<Member> {
    Ok(Member {
        workspace_id: row.parse(0)?,
        role: role(row.text(1)?)?,
        added_at: row.time(2)?,
        added_by: row.parse(3)?,
        principal: read_principal(row, 4)?,
    })
}

pub(crate) async fn get(
    tx: &mut Tx,
    workspace: WorkspaceId,
    principal: PrincipalId,
) -> Result<Option<Member>> {
    let row = tx
        .query_opt(
            select_members!("WHERE m.workspace_id = $1 AND m.principal_id = $2"),
            &[workspace.into(), principal.into()],
        )
        .await?;
    row.as_ref().map(read).transpose()
}

/// Returns the one owner of a workspace.
pub(crate) async fn owner(tx: &mut Tx, workspace: WorkspaceId) -> Result<Option<PrincipalId>> {
    let sql = "SELECT principal_id FROM members WHERE workspace_id = $1 AND role = 'owner'";
    tx.query_opt(sql, &[workspace.into()]).await?.map(|row| row.parse(0)).transpose()
}

/// Lists the members of a workspace by id.
pub(crate) async fn list(
    tx: &mut Tx,
    workspace: WorkspaceId,
    after: &str,
    limit: u32,
) -> Result<Vec<Member>> {
    let rows = tx
        .query(
            select_members!(
                "WHERE m.workspace_id = $1 AND m.principal_id > $2 ORDER BY m.principal_id LIMIT $3"
            ),
            &[workspace.into(), after.into(), limit.into()],
        )
        .await?;
    rows.iter().map(read).collect()
}

pub(crate) async fn insert(
    tx: &mut Tx,
    (workspace, principal): (WorkspaceId, PrincipalId),
    role: Role,
    by: PrincipalId,
    now: Timestamp,
) -> Result<()> {
    tx.execute(
        "INSERT INTO members (workspace_id, principal_id, role, added_at, added_by) VALUES ($1, $2, $3, $4, $5)",
        &[workspace.into(), principal.into(), role.as_str().into(), now.into(), by.into()],
    )
    .await?;
    changed(tx).await
}

pub(crate) async fn set_role(
    tx: &mut Tx,
    workspace: WorkspaceId,
    principal: PrincipalId,
    role: Role,
) -> Result<()> {
    tx.execute(
        "UPDATE members SET role = $1 WHERE workspace_id = $2 AND principal_id = $3",
        &[role.as_str().into(), workspace.into(), principal.into()],
    )
    .await?;
    changed(tx).await
}

pub(crate) async fn delete(tx: &mut Tx, workspace: WorkspaceId, principal: PrincipalId) -> Result<()> {
    tx.execute(
        "DELETE FROM members WHERE workspace_id = $1 AND principal_id = $2",
        &[workspace.into(), principal.into()],
    )
    .await?;
    changed(tx).await
}

/// Counts the members of a workspace, up to a limit.
pub(crate) async fn count_of_workspace(tx: &mut Tx, workspace: WorkspaceId, limit: u32) -> Result<u64> {
    let row = tx
        .query_opt(
            "SELECT CAST(COUNT(*) AS BIGINT) FROM (
                SELECT 1 AS one FROM members WHERE workspace_id = $1 LIMIT $2) AS found",
            &[workspace.into(), limit.into()],
        )
        .await?;
    row.map_or(Ok(0), |row| row.count(0))
}

/// Counts the workspaces that a principal is a member of, up to a limit.
pub(crate) async fn count_of_principal(tx: &mut Tx, principal: PrincipalId, limit: u32) -> Result<u64> {
    let row = tx
        .query_opt(
            "SELECT CAST(COUNT(*) AS BIGINT) FROM (
                SELECT 1 AS one FROM members WHERE principal_id = $1 LIMIT $2) AS found",
            &[principal.into(), limit.into()],
        )
        .await?;
    row.map_or(Ok(0), |row| row.count(0))
}
