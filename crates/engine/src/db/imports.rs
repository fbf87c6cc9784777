//! What an import writes that no other verb writes so: rows as they were elsewhere.

use std::collections::HashSet;

use longshore_core::export::{EventLine, PrincipalLine, WorkspaceLine};
use longshore_core::wire::{Principal, PrincipalKind, Workspace};
use longshore_core::{KeyId, NodeId, NoteId, PrincipalId, Timestamp, VersionId, WorkspaceId};

use super::access::{kind_text, read_principal};
use super::purge::{GROUP, for_group};
use super::{Tx, Value, quotas, workspaces};
use crate::error::{Error, Result};

/// Brings the row of a new workspace to where its log is to go on.
pub(crate) async fn set_log(tx: &mut Tx, workspace: &Workspace, line: &WorkspaceLine) -> Result<()> {
    workspaces::update(tx, workspace).await?;
    tx.execute(
        "UPDATE workspaces SET first_seq = $1, forgotten_at = $2 WHERE id = $3",
        &[line.first_seq.into(), line.forgotten_at.into(), workspace.id.into()],
    )
    .await?;
    quotas::set(tx, workspace.id, workspace.quota).await
}

/// Writes an event as it was.
pub(crate) async fn insert_event(tx: &mut Tx, workspace: WorkspaceId, event: &EventLine) -> Result<()> {
    let before = match &event.before {
        None => None,
        Some(before) if before.get("absent").is_some() => Some("null".to_owned()),
        Some(before) => Some(before.to_string()),
    };
    tx.execute(
        "INSERT INTO events (workspace_id, seq, id, type, at, actor, key_id, request_id, node_id, version_id,
                             previous_version_id, act, fence, lock_id, path, path_before, before, data, parent_id,
                             parent_before)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)",
        &[
            workspace.into(),
            event.seq.into(),
            event.id.into(),
            event.r#type.as_str().into(),
            event.at.into(),
            event.actor.into(),
            event.key_id.into(),
            event.request_id.as_deref().into(),
            event.node_id.into(),
            event.version_id.into(),
            event.previous_version_id.into(),
            event.act.into(),
            event.fence.into(),
            event.lock_id.into(),
            event.path.as_deref().into(),
            event.path_before.as_deref().into(),
            before.into(),
            event.data.to_string().into(),
            event.parent_id.into(),
            event.parent_before.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Returns a file of a workspace that has not the current version which it names, or a newer one than that.
pub(crate) async fn file_without_its_version(tx: &mut Tx, workspace: WorkspaceId) -> Result<Option<String>> {
    let row = tx
        .query_opt(
            "SELECT n.id FROM nodes n
             LEFT JOIN versions v ON v.id = n.version_id AND v.node_id = n.id AND v.number = n.version_number
                                     AND v.size = n.size AND v.digest = n.digest AND v.media_type = n.media_type
             WHERE n.workspace_id = $1 AND n.kind = 'file'
               AND (v.id IS NULL OR EXISTS (SELECT 1 FROM versions o WHERE o.node_id = n.id
                                            AND o.number > n.version_number))
             LIMIT 1",
            &[workspace.into()],
        )
        .await?;
    row.map(|row| Ok(row.text(0)?.to_owned())).transpose()
}

/// Returns a note of a workspace that is on a version of another node than its own; one that is gone is of none.
pub(crate) async fn note_on_a_version_of_another(
    tx: &mut Tx,
    workspace: WorkspaceId,
) -> Result<Option<String>> {
    let row = tx
        .query_opt(
            "SELECT o.id FROM nodes n JOIN notes o ON o.node_id = n.id JOIN versions v ON v.id = o.version_id
             WHERE n.workspace_id = $1 AND v.node_id <> o.node_id LIMIT 1",
            &[workspace.into()],
        )
        .await?;
    row.map(|row| Ok(row.text(0)?.to_owned())).transpose()
}

/// Returns which of some ids somebody or something of this server has that is not of this workspace.
pub(crate) async fn of_others(
    tx: &mut Tx,
    workspace: WorkspaceId,
    ids: &[String],
) -> Result<HashSet<String>> {
    let kinds = [
        (NodeId::PREFIX, for_group!("SELECT id FROM nodes WHERE id", "AND workspace_id <> $33")),
        (
            VersionId::PREFIX,
            for_group!(
                "SELECT v.id FROM versions v JOIN nodes n ON n.id = v.node_id WHERE v.id",
                "AND n.workspace_id <> $33"
            ),
        ),
        (
            NoteId::PREFIX,
            for_group!(
                "SELECT o.id FROM notes o JOIN nodes n ON n.id = o.node_id WHERE o.id",
                "AND n.workspace_id <> $33"
            ),
        ),
        (PrincipalId::PREFIX, for_group!("SELECT id FROM principals WHERE id", "")),
        (KeyId::PREFIX, for_group!("SELECT id FROM keys WHERE id", "")),
    ];
    let mut found = HashSet::new();
    for (prefix, sql) in kinds {
        let of_kind: Vec<_> = ids.iter().filter(|id| id.starts_with(prefix)).collect();
        for group in of_kind.chunks(GROUP) {
            let mut values: Vec<Value> = group.iter().map(|id| id.as_str().into()).collect();
            if let Some(last) = values.last().cloned() {
                values.resize(GROUP, last);
            }
            if sql.contains("$33") {
                values.push(workspace.into());
            }
            for row in tx.query(sql, &values).await? {
                found.insert(row.text(0)?.to_owned());
            }
        }
    }
    Ok(found)
}

/// Returns the active principal of a name and a kind; nothing where there are several.
pub(crate) async fn only_of_name(
    tx: &mut Tx,
    name: &str,
    kind: PrincipalKind,
) -> Result<Option<PrincipalId>> {
    let rows = tx
        .query(
            "SELECT id, kind, name, everywhere, deactivated_at FROM principals
             WHERE name = $1 AND kind = $2 AND deactivated_at IS NULL LIMIT 2",
            &[name.into(), kind_text(kind).into()],
        )
        .await?;
    match &rows[..] {
        [only] => Ok(Some(read_principal(only, 0)?.id)),
        _ => Ok(None),
    }
}

/// Adds a principal who stands for somebody elsewhere and may do nothing. Nobody remembers anything of it, so no access changes.
pub(crate) async fn insert_stand_in(tx: &mut Tx, line: &PrincipalLine, now: Timestamp) -> Result<()> {
    tx.execute(
        "INSERT INTO principals (id, kind, name, created_at, deactivated_at) VALUES ($1, $2, $3, $4, $4)",
        &[line.id.into(), kind_text(line.kind).into(), line.name.as_str().into(), now.into()],
    )
    .await?;
    Ok(())
}

/// Returns the line of a principal.
pub(crate) fn principal_line(principal: Principal) -> PrincipalLine {
    PrincipalLine { id: principal.id, kind: principal.kind, name: principal.name }
}

/// Says what cannot be of what was read before.
pub(crate) fn lost(what: &str) -> Error {
    Error::corrupt(format_args!("an import without {what}"))
}
