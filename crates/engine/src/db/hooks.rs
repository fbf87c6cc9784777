//! Rows of webhooks.

use longshore_core::webhook::Secret;
use longshore_core::wire::{Hook, HookDisabled};
use longshore_core::{HookId, Timestamp, WorkspaceId};

use super::{Row, Tx};
use crate::error::{Error, Result};

/// A hook, with what is not for its reader.
#[derive(Clone, Debug)]
pub(crate) struct HookRow {
    pub(crate) hook: Hook,
    pub(crate) secret: Secret,
    pub(crate) old_secret: Option<Secret>,
    /// Rises with each new URL and each switching on.
    pub(crate) round: u64,
}

const fn disabled_text(why: HookDisabled) -> &'static str {
    match why {
        HookDisabled::Asked => "asked",
        HookDisabled::Gone => "gone",
        HookDisabled::Failing => "failing",
    }
}

macro_rules! select_hooks {
    ($rest:literal) => {
        concat!(
            "SELECT id, workspace_id, url, types, path, description, disabled, disabled_at, failing_since, seq,
                    old_secret_until, created_at, created_by, updated_at, secret, old_secret, round
             FROM hooks WHERE deleted_at IS NULL AND ",
            $rest
        )
    };
}

fn read(row: &Row) -> Result<HookRow> {
    let disabled = match row.opt_text(6)? {
        None => None,
        Some("asked") => Some(HookDisabled::Asked),
        Some("gone") => Some(HookDisabled::Gone),
        Some("failing") => Some(HookDisabled::Failing),
        Some(other) => return Err(Error::corrupt(format_args!("a hook is off because {other:?}"))),
    };
    // What does not parse must not be in the message.
    let secret =
        |text: &str| text.parse::<Secret>().map_err(|_| Error::corrupt("a hook's secret is malformed"));
    Ok(HookRow {
        hook: Hook {
            id: row.parse(0)?,
            workspace_id: row.parse(1)?,
            url: row.text(2)?.to_owned(),
            types: serde_json::from_str(row.text(3)?).map_err(Error::corrupt)?,
            path: row.parse(4)?,
            description: row.text(5)?.to_owned(),
            disabled,
            disabled_at: row.opt_time(7)?,
            failing_since: row.opt_time(8)?,
            seq: row.count(9)?,
            old_secret_until: row.opt_time(10)?,
            created_at: row.time(11)?,
            created_by: row.parse(12)?,
            updated_at: row.time(13)?,
        },
        secret: secret(row.text(14)?)?,
        old_secret: row.opt_text(15)?.map(secret).transpose()?,
        round: row.count(16)?,
    })
}

fn types_text(types: &[String]) -> Result<String> {
    serde_json::to_string(types).map_err(Error::corrupt)
}

pub(crate) async fn insert(tx: &mut Tx, hook: &Hook, secret: &Secret) -> Result<()> {
    tx.execute(
        "INSERT INTO hooks (id, workspace_id, url, types, path, description, secret, seq, failures, created_at,
                            created_by, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10, $11)",
        &[
            hook.id.into(),
            hook.workspace_id.into(),
            hook.url.as_str().into(),
            types_text(&hook.types)?.into(),
            hook.path.to_string().into(),
            hook.description.as_str().into(),
            secret.reveal().into(),
            hook.seq.into(),
            hook.created_at.into(),
            hook.created_by.into(),
            hook.updated_at.into(),
        ],
    )
    .await?;
    recount(tx, hook.workspace_id).await
}

pub(crate) async fn get(tx: &mut Tx, id: HookId) -> Result<Option<HookRow>> {
    let row = tx.query_opt(select_hooks!("id = $1"), &[id.into()]).await?;
    row.as_ref().map(read).transpose()
}

/// Lists hooks by id, which is by age.
pub(crate) async fn list(
    tx: &mut Tx,
    workspace: WorkspaceId,
    after: &str,
    limit: u32,
) -> Result<Vec<HookRow>> {
    let rows = tx
        .query(
            select_hooks!("workspace_id = $1 AND id > $2 ORDER BY id LIMIT $3"),
            &[workspace.into(), after.into(), limit.into()],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// Writes what its owner chooses.
pub(crate) async fn save(tx: &mut Tx, hook: &Hook) -> Result<()> {
    tx.execute(
        "UPDATE hooks SET url = $2, types = $3, path = $4, description = $5, updated_at = $6 WHERE id = $1",
        &[
            hook.id.into(),
            hook.url.as_str().into(),
            types_text(&hook.types)?.into(),
            hook.path.to_string().into(),
            hook.description.as_str().into(),
            hook.updated_at.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Puts a new secret in the old one's place; the old one stays beside it until a time.
pub(crate) async fn rotate(
    tx: &mut Tx,
    id: HookId,
    secret: &Secret,
    old_until: Option<Timestamp>,
    now: Timestamp,
) -> Result<()> {
    tx.execute(
        "UPDATE hooks SET old_secret = CASE WHEN CAST($3 AS BIGINT) IS NULL THEN NULL ELSE secret END,
                old_secret_until = $3, secret = $2, updated_at = $4 WHERE id = $1",
        &[id.into(), secret.reveal().into(), old_until.into(), now.into()],
    )
    .await?;
    Ok(())
}

/// Switches a hook on; it goes on at `seq`.
pub(crate) async fn enable(
    tx: &mut Tx,
    workspace: WorkspaceId,
    id: HookId,
    seq: u64,
    now: Timestamp,
) -> Result<()> {
    tx.execute(
        "UPDATE hooks SET disabled = NULL, disabled_at = NULL, failing_since = NULL, failures = 0,
                round = round + 1, seq = $2, updated_at = $3 WHERE id = $1",
        &[id.into(), seq.into(), now.into()],
    )
    .await?;
    recount(tx, workspace).await
}

/// Which receiver it is that a hook is switched off for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failing {
    /// The round in which it was asked.
    pub(crate) round: u64,
    /// It has failed since then or longer; nothing where that is no matter.
    pub(crate) since: Option<Timestamp>,
}

/// Switches a hook off, where a receiver is the reason only while it is so; tells whether it was on.
pub(crate) async fn disable(
    tx: &mut Tx,
    (workspace, id): (WorkspaceId, HookId),
    why: HookDisabled,
    failing: Option<Failing>,
    now: Timestamp,
) -> Result<bool> {
    let (round, since) = (failing.map(|it| it.round), failing.and_then(|it| it.since));
    let touched = tx
        .execute(
            "UPDATE hooks SET disabled = $2, disabled_at = $3, updated_at = $3
             WHERE id = $1 AND disabled_at IS NULL AND deleted_at IS NULL
               AND (CAST($4 AS BIGINT) IS NULL OR round = $4)
               AND (CAST($5 AS BIGINT) IS NULL OR failing_since <= $5)",
            &[id.into(), disabled_text(why).into(), now.into(), round.into(), since.into()],
        )
        .await?;
    recount(tx, workspace).await?;
    Ok(touched == 1)
}

/// Makes a hook go away for everybody, and forgets its secrets; what it left is removed later.
pub(crate) async fn delete(tx: &mut Tx, workspace: WorkspaceId, id: HookId, now: Timestamp) -> Result<()> {
    tx.execute(
        "UPDATE hooks SET deleted_at = $2, disabled_at = $2, secret = '', old_secret = NULL WHERE id = $1",
        &[id.into(), now.into()],
    )
    .await?;
    recount(tx, workspace).await
}

/// Brings the number that stands at the workspace up to date. Whoever calls holds the workspace.
async fn recount(tx: &mut Tx, workspace: WorkspaceId) -> Result<()> {
    tx.execute(
        "UPDATE workspaces SET hooks = (SELECT COUNT(*) FROM hooks WHERE workspace_id = $1
                                        AND deleted_at IS NULL AND disabled_at IS NULL)
         WHERE id = $1",
        &[workspace.into()],
    )
    .await?;
    Ok(())
}

/// Returns the place up to which all of a workspace's hooks that are on have read its log; nothing where none is.
pub(crate) async fn read_by_all(tx: &mut Tx, workspace: WorkspaceId) -> Result<Option<u64>> {
    let row = tx
        .query_opt(
            "SELECT MIN(seq) FROM hooks WHERE workspace_id = $1 AND deleted_at IS NULL AND disabled_at IS NULL",
            &[workspace.into()],
        )
        .await?;
    row.map_or(Ok(None), |row| row.opt_count(0))
}

/// Returns the next hook, by id, that is on and has not read its workspace's log to the end.
pub(crate) async fn next_behind(tx: &mut Tx, workspace: WorkspaceId, after: &str) -> Result<Option<HookRow>> {
    let row = tx
        .query_opt(
            select_hooks!(
                "workspace_id = $1 AND id > $2 AND disabled_at IS NULL
                   AND seq < (SELECT w.seq FROM workspaces w WHERE w.id = $1)
                 ORDER BY id LIMIT 1"
            ),
            &[workspace.into(), after.into()],
        )
        .await?;
    row.as_ref().map(read).transpose()
}

/// Lists workspaces that have a hook which has not read the log to the end, a page by id.
pub(crate) async fn workspaces_behind(tx: &mut Tx, after: &str, limit: u32) -> Result<Vec<WorkspaceId>> {
    let rows = tx
        .query(
            "SELECT w.id FROM workspaces w WHERE w.id > $1 AND w.hooks > 0 AND EXISTS
                 (SELECT 1 FROM hooks h WHERE h.workspace_id = w.id AND h.deleted_at IS NULL
                  AND h.disabled_at IS NULL AND h.seq < w.seq)
             ORDER BY w.id LIMIT $2",
            &[after.into(), limit.into()],
        )
        .await?;
    rows.iter().map(|row| row.parse(0)).collect()
}

/// Moves a hook's place in the log on; false where somebody else has moved it, or it is off.
pub(crate) async fn advance(tx: &mut Tx, id: HookId, from: u64, to: u64) -> Result<bool> {
    let touched = tx
        .execute(
            "UPDATE hooks SET seq = $3 WHERE id = $1 AND seq = $2 AND disabled_at IS NULL",
            &[id.into(), from.into(), to.into()],
        )
        .await?;
    Ok(touched == 1)
}

/// Begins a new round: another receiver, at which no failure of the one before is held against it.
pub(crate) async fn begin_anew(tx: &mut Tx, id: HookId) -> Result<()> {
    tx.execute(
        "UPDATE hooks SET round = round + 1, failing_since = NULL, failures = 0 WHERE id = $1",
        &[id.into()],
    )
    .await?;
    Ok(())
}

/// Forgets the failures: the receiver of this round took something. Tells whether there were any.
pub(crate) async fn forgive(tx: &mut Tx, (id, round): (HookId, u64)) -> Result<bool> {
    let touched = tx
        .execute(
            "UPDATE hooks SET failing_since = NULL, failures = 0
             WHERE id = $1 AND round = $2 AND failing_since IS NOT NULL",
            &[id.into(), round.into()],
        )
        .await?;
    Ok(touched == 1)
}

/// Notes that an attempt at the receiver of this round failed; returns how many that makes in a row.
pub(crate) async fn failed(tx: &mut Tx, (id, round): (HookId, u64), now: Timestamp) -> Result<Option<u64>> {
    let row = tx
        .query_opt(
            "UPDATE hooks SET failing_since = COALESCE(failing_since, $3), failures = failures + 1
             WHERE id = $1 AND round = $2 RETURNING failures",
            &[id.into(), round.into(), now.into()],
        )
        .await?;
    row.map(|row| row.count(0)).transpose()
}

/// Returns a hook that was deleted and is still there.
pub(crate) async fn next_deleted(tx: &mut Tx) -> Result<Option<HookId>> {
    let row = tx
        .query_opt("SELECT id FROM hooks WHERE deleted_at IS NOT NULL ORDER BY deleted_at LIMIT 1", &[])
        .await?;
    row.map(|row| row.parse(0)).transpose()
}

/// Removes a deleted hook that has no deliveries any more.
pub(crate) async fn remove(tx: &mut Tx, id: HookId) -> Result<()> {
    tx.execute("DELETE FROM hooks WHERE id = $1 AND deleted_at IS NOT NULL", &[id.into()]).await?;
    Ok(())
}

/// The log's end, for a hook that begins there.
pub(crate) async fn end_of_log(tx: &mut Tx, workspace: WorkspaceId) -> Result<u64> {
    let row = tx.query_opt("SELECT seq FROM workspaces WHERE id = $1", &[workspace.into()]).await?;
    row.map_or_else(|| Err(Error::corrupt("a workspace went away")), |row| row.count(0))
}
