//! Rows of workspaces.

use longshore_core::wire::{Workspace, WorkspaceSettings};
use longshore_core::{Clock, Code, PrincipalId, Timestamp, WorkspaceId};

use super::quotas::{self, tally_columns};
use super::{Row, Tx, Value};
use crate::error::{Error, Result};
use crate::quota::Tally;

fn read(row: &Row) -> Result<Workspace> {
    let Tally { quota, usage } = quotas::read(row, 7)?;
    Ok(Workspace {
        id: row.parse(0)?,
        name: row.text(1)?.to_owned(),
        root_id: row.parse(2)?,
        seq: row.count(3)?,
        created_at: row.time(4)?,
        created_by: row.parse(5)?,
        settings: read_settings(row.opt_text(6)?)?,
        quota,
        usage,
    })
}

macro_rules! select_workspaces {
    ($rest:literal) => {
        concat!(
            "SELECT w.id, w.name, w.root_id, w.seq, w.created_at, w.created_by, w.settings, ",
            tally_columns!("w."),
            " FROM ",
            $rest
        )
    };
}

fn read_settings(json: Option<&str>) -> Result<WorkspaceSettings> {
    json.map_or_else(
        || Ok(WorkspaceSettings::default()),
        |json| serde_json::from_str(json).map_err(Error::corrupt),
    )
}

pub(crate) async fn insert(tx: &mut Tx, workspace: &Workspace) -> Result<()> {
    tx.execute(
        "INSERT INTO workspaces (id, name, root_id, seq, clock, locked_until, created_at, created_by)
         VALUES ($1, $2, $3, $4, 0, 0, $5, $6)",
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
    let row = tx.query_opt(select_workspaces!("workspaces w WHERE w.id = $1"), &[id.into()]).await?;
    row.as_ref().map(read).transpose()
}

pub(crate) async fn by_name(tx: &mut Tx, name: &str) -> Result<Option<Workspace>> {
    let row = tx.query_opt(select_workspaces!("workspaces w WHERE w.name = $1"), &[name.into()]).await?;
    row.as_ref().map(read).transpose()
}

/// Lists workspaces by id, which is by age.
pub(crate) async fn list(tx: &mut Tx, after: &str, limit: u32) -> Result<Vec<Workspace>> {
    let rows = tx
        .query(
            select_workspaces!("workspaces w WHERE w.id > $1 ORDER BY w.id LIMIT $2"),
            &[after.into(), limit.into()],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// Lists the workspaces that a principal is a member of by id, which is by age.
pub(crate) async fn of_member(
    tx: &mut Tx,
    principal: PrincipalId,
    after: &str,
    limit: u32,
) -> Result<Vec<Workspace>> {
    let rows = tx
        .query(
            select_workspaces!(
                "members m JOIN workspaces w ON w.id = m.workspace_id
                 WHERE m.principal_id = $3 AND m.workspace_id > $1 ORDER BY m.workspace_id LIMIT $2"
            ),
            &[after.into(), limit.into(), principal.into()],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// Writes what can be set about a workspace.
pub(crate) async fn update(tx: &mut Tx, workspace: &Workspace) -> Result<()> {
    let settings = serde_json::to_string(&workspace.settings).map_err(Error::corrupt)?;
    let values = [workspace.name.as_str().into(), settings.into(), workspace.id.into()];
    tx.execute("UPDATE workspaces SET name = $1, settings = $2 WHERE id = $3", &values)
        .await
        .map_err(name_taken)?;
    Ok(())
}

/// A workspace that a transaction has taken for writing.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    /// The next place in its log.
    pub(crate) seq: u64,
    /// The time of this write: never before that of an earlier one.
    pub(crate) now: Timestamp,
    /// No lock of the workspace holds after this.
    pub(crate) locked_until: Timestamp,
    pub(crate) settings: WorkspaceSettings,
    /// How many of its webhooks are on.
    pub(crate) hooks: u64,
    pub(crate) tally: Tally,
}

/// Takes the workspace's row and the next place in its log, or nothing where there is no such workspace.
///
/// The row stays taken until the transaction ends: this is what makes a workspace's writes follow each other.
pub(crate) async fn take(tx: &mut Tx, id: WorkspaceId, clock: &dyn Clock) -> Result<Option<Taken>> {
    let (sql, now) = (tx.take_workspace(), stated(tx, clock));
    let row = tx.query_opt(sql, &[id.into(), now]).await?;
    row.map(|row| {
        Ok(Taken {
            seq: row.count(0)?,
            now: row.time(1)?,
            locked_until: row.time(2)?,
            settings: read_settings(row.opt_text(3)?)?,
            hooks: row.count(4)?,
            tally: quotas::read(&row, 5)?,
        })
    })
    .transpose()
}

/// Where the database has a clock that all nodes share, it stands in for the machine's, but not for a test's.
fn stated(tx: &Tx, clock: &dyn Clock) -> Value {
    if tx.shared_clock(clock).is_some() { Value::Null } else { clock.now().into() }
}

/// Returns the time that a write would have now, without taking the workspace.
pub(crate) async fn now(tx: &mut Tx, id: WorkspaceId, clock: &dyn Clock) -> Result<Option<Timestamp>> {
    let (sql, now) = (tx.look_at_clock(), stated(tx, clock));
    let row = tx.query_opt(sql, &[id.into(), now]).await?;
    row.map(|row| row.time(0)).transpose()
}

/// Takes so many places more in the log of a workspace that is taken already; returns the last of them.
pub(crate) async fn take_seqs(tx: &mut Tx, id: WorkspaceId, more: u64) -> Result<u64> {
    let sql = "UPDATE workspaces SET seq = seq + $2 WHERE id = $1 RETURNING seq";
    let row = tx.query_opt(sql, &[id.into(), more.into()]).await?;
    row.ok_or_else(|| Error::corrupt("a workspace went away while it was held"))?.count(0)
}

/// Gives back the last places that were taken and that no event used.
pub(crate) async fn give_back_seqs(tx: &mut Tx, id: WorkspaceId, unused: u64) -> Result<()> {
    settle(tx, id, unused, Grown::default()).await
}

/// By how much what a workspace keeps has become more, or less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Grown {
    pub(crate) bytes: i64,
    pub(crate) files: i64,
    pub(crate) staged_bytes: i64,
}

/// Gives back the last places that no event used, and counts what a write has added and removed.
pub(crate) async fn settle(tx: &mut Tx, id: WorkspaceId, unused: u64, grown: Grown) -> Result<()> {
    let sql = "UPDATE workspaces SET seq = seq - $2, bytes = bytes + $3, files = files + $4,
                   staged_bytes = staged_bytes + $5 WHERE id = $1";
    let Grown { bytes, files, staged_bytes } = grown;
    let values = [id.into(), unused.into(), bytes.into(), files.into(), staged_bytes.into()];
    let touched = tx.execute(sql, &values).await?;
    if touched == 1 { Ok(()) } else { Err(Error::corrupt("a workspace went away while it was held")) }
}

/// Tells when the oldest workspace was made, or nothing in a new database.
pub(crate) async fn oldest(tx: &mut Tx) -> Result<Option<Timestamp>> {
    let row = tx.query_opt("SELECT created_at FROM workspaces ORDER BY id LIMIT 1", &[]).await?;
    row.map(|row| row.time(0)).transpose()
}

/// Where a workspace's log begins and ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogEnds {
    /// The place of the oldest event that is kept.
    pub(crate) first: u64,
    /// The place of the newest event.
    pub(crate) last: u64,
}

pub(crate) async fn log_ends(tx: &mut Tx, id: WorkspaceId) -> Result<Option<LogEnds>> {
    let row = tx.query_opt("SELECT first_seq, seq FROM workspaces WHERE id = $1", &[id.into()]).await?;
    row.map(|row| Ok(LogEnds { first: row.count(0)?, last: row.count(1)? })).transpose()
}

/// Notes where the log begins from now on, and when the newest event before that place happened: it is still there.
pub(crate) async fn set_first_seq(tx: &mut Tx, id: WorkspaceId, first: u64) -> Result<()> {
    tx.execute(
        "UPDATE workspaces SET first_seq = $1, forgotten_at = COALESCE(
            (SELECT at FROM events WHERE workspace_id = $2 AND seq < $1 ORDER BY seq DESC LIMIT 1), forgotten_at)
         WHERE id = $2 AND first_seq < $1",
        &[first.into(), id.into()],
    )
    .await?;
    Ok(())
}

/// Tells when the newest event happened that the log has no longer; nothing where it is not known of any.
pub(crate) async fn forgotten_at(tx: &mut Tx, id: WorkspaceId) -> Result<Option<Timestamp>> {
    let row = tx.query_opt("SELECT forgotten_at FROM workspaces WHERE id = $1", &[id.into()]).await?;
    row.map_or(Ok(None), |row| row.opt_time(0))
}
