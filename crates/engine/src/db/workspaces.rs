//! Rows of workspaces.

use longshore_core::wire::Workspace;
use longshore_core::{Code, Timestamp, WorkspaceId};

use super::{Row, Tx};
use crate::error::{Error, Result};

fn read(row: &Row) -> Result<Workspace> {
    Ok(Workspace {
        id: row.parse(0)?,
        name: row.text(1)?.to_owned(),
        root_id: row.parse(2)?,
        seq: row.count(3)?,
        created_at: row.time(4)?,
        created_by: row.parse(5)?,
    })
}

pub(crate) async fn insert(tx: &mut Tx, workspace: &Workspace) -> Result<()> {
    tx.execute(
        "INSERT INTO workspaces (id, name, root_id, seq, created_at, created_by) VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            workspace.id.into(),
            workspace.name.as_str().into(),
            workspace.root_id.into(),
            workspace.seq.into(),
            workspace.created_at.into(),
            workspace.created_by.into(),
        ],
    )
    .await
    .map_err(name_taken)?;
    Ok(())
}

/// Two who choose one name at the same moment are told apart by the database alone.
fn name_taken(error: Error) -> Error {
    match error.code() {
        Code::NameTaken => error.with_code(Code::WorkspaceExists),
        _ => error,
    }
}

pub(crate) async fn get(tx: &mut Tx, id: WorkspaceId) -> Result<Option<Workspace>> {
    let row = tx
        .query_opt(
            "SELECT id, name, root_id, seq, created_at, created_by FROM workspaces WHERE id = $1",
            &[id.into()],
        )
        .await?;
    row.as_ref().map(read).transpose()
}

pub(crate) async fn by_name(tx: &mut Tx, name: &str) -> Result<Option<Workspace>> {
    let row = tx
        .query_opt(
            "SELECT id, name, root_id, seq, created_at, created_by FROM workspaces WHERE name = $1",
            &[name.into()],
        )
        .await?;
    row.as_ref().map(read).transpose()
}

/// Lists workspaces by id, which is by age.
pub(crate) async fn list(tx: &mut Tx, after: &str, limit: u32) -> Result<Vec<Workspace>> {
    let rows = tx
        .query(
            "SELECT id, name, root_id, seq, created_at, created_by FROM workspaces
             WHERE id > $1 ORDER BY id LIMIT $2",
            &[after.into(), limit.into()],
        )
        .await?;
    rows.iter().map(read).collect()
}

pub(crate) async fn rename(tx: &mut Tx, id: WorkspaceId, name: &str) -> Result<()> {
    let renamed =
        tx.execute("UPDATE workspaces SET name = $1 WHERE id = $2", &[name.into(), id.into()]).await;
    renamed.map_err(name_taken)?;
    Ok(())
}

/// Takes the workspace's row and the next place in its log, or nothing where there is no such workspace.
///
/// The row stays taken until the transaction ends: this is what makes a workspace's writes follow each other.
pub(crate) async fn next_seq(tx: &mut Tx, id: WorkspaceId) -> Result<Option<u64>> {
    let row =
        tx.query_opt("UPDATE workspaces SET seq = seq + 1 WHERE id = $1 RETURNING seq", &[id.into()]).await?;
    row.map(|row| row.count(0)).transpose()
}

/// Gives back a place that [`next_seq`] took and no event used.
pub(crate) async fn unuse_seq(tx: &mut Tx, id: WorkspaceId) -> Result<()> {
    let touched = tx.execute("UPDATE workspaces SET seq = seq - 1 WHERE id = $1", &[id.into()]).await?;
    if touched == 1 { Ok(()) } else { Err(Error::corrupt("a workspace went away while it was held")) }
}

/// Tells when the oldest workspace was made, or nothing in a new database.
pub(crate) async fn oldest(tx: &mut Tx) -> Result<Option<Timestamp>> {
    let row = tx.query_opt("SELECT created_at FROM workspaces ORDER BY id LIMIT 1", &[]).await?;
    row.map(|row| row.time(0)).transpose()
}
