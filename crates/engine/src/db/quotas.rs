//! What workspaces may keep and what they keep, in their own rows.

use longshore_core::WorkspaceId;
use longshore_core::wire::{Quota, Role, Usage};

use super::{Row, Tx};
use crate::actor::Actor;
use crate::error::{Error, Result};
use crate::quota::Tally;

/// The columns that [`read`] reads.
macro_rules! tally_columns {
    ($table:literal) => {
        concat!(
            $table,
            "quota_bytes, ",
            $table,
            "quota_files, ",
            $table,
            "quota_largest_file, ",
            $table,
            "bytes, ",
            $table,
            "files, ",
            $table,
            "staged_bytes"
        )
    };
    () => {
        tally_columns!("")
    };
}
pub(super) use tally_columns;

/// Reads a tally whose columns begin at one.
pub(super) fn read(row: &Row, first: usize) -> Result<Tally> {
    Ok(Tally {
        quota: Quota {
            bytes: row.opt_count(first)?,
            files: row.opt_count(first + 1)?,
            largest_file: row.opt_count(first + 2)?,
        },
        usage: Usage {
            bytes: row.count(first + 3)?,
            files: row.count(first + 4)?,
            staged_bytes: row.count(first + 5)?,
        },
    })
}

/// Returns how a workspace stands.
pub(crate) async fn get(tx: &mut Tx, workspace: WorkspaceId) -> Result<Option<Tally>> {
    let sql = concat!("SELECT ", tally_columns!(), " FROM workspaces WHERE id = $1");
    tx.query_opt(sql, &[workspace.into()]).await?.map(|row| read(&row, 0)).transpose()
}

/// Writes what a workspace may keep.
pub(crate) async fn set(tx: &mut Tx, workspace: WorkspaceId, quota: Quota) -> Result<()> {
    tx.execute(
        "UPDATE workspaces SET quota_bytes = $1, quota_files = $2, quota_largest_file = $3 WHERE id = $4",
        &[quota.bytes.into(), quota.files.into(), quota.largest_file.into(), workspace.into()],
    )
    .await?;
    Ok(())
}

/// Takes a workspace's row until the transaction ends: whoever sets bytes aside takes it before an upload's row, as acts do,
/// so that nobody waits in a circle.
pub(crate) async fn hold(tx: &mut Tx, workspace: WorkspaceId) -> Result<()> {
    let sql = "UPDATE workspaces SET staged_bytes = staged_bytes WHERE id = $1";
    tx.execute(sql, &[workspace.into()]).await.map(drop)
}

/// Sets more bytes aside for uploads, or fewer; returns how the workspace stands then.
pub(crate) async fn stage(tx: &mut Tx, workspace: WorkspaceId, more: i64) -> Result<Tally> {
    let sql = concat!(
        "UPDATE workspaces SET staged_bytes = staged_bytes + $2 WHERE id = $1 RETURNING ",
        tally_columns!()
    );
    let row = tx.query_opt(sql, &[workspace.into(), more.into()]).await?;
    read(&row.ok_or_else(|| Error::corrupt("an upload into a workspace that is not there"))?, 0)
}

/// Returns, of the workspaces that an actor writes to, one without a limit of bytes or else the one with the most room.
pub(crate) async fn roomiest(tx: &mut Tx, actor: &Actor) -> Result<Option<(WorkspaceId, Tally)>> {
    // A narrowed key is asked for its one workspace, which it writes to or has none.
    let role = actor.only().map_or_else(|| actor.role_everywhere(), |own| actor.role_in(own));
    let is_everywhere = role >= Some(Role::Editor);
    let row = tx
        .query_opt(
            concat!(
                "SELECT w.id, ",
                tally_columns!("w."),
                " FROM workspaces w
                 WHERE (CAST($1 AS TEXT) IS NULL OR w.id = $1)
                   AND (CAST($2 AS BIGINT) = 1
                        OR EXISTS (SELECT 1 FROM members m WHERE m.principal_id = $3 AND m.workspace_id = w.id
                                   AND m.role <> 'viewer'))
                 ORDER BY CASE WHEN w.quota_bytes IS NULL THEN 0 ELSE 1 END,
                          w.quota_bytes - w.bytes - w.staged_bytes DESC, w.id
                 LIMIT 1"
            ),
            &[actor.only().into(), i64::from(is_everywhere).into(), actor.principal.into()],
        )
        .await?;
    row.map(|row| Ok((row.parse(0)?, read(&row, 1)?))).transpose()
}
