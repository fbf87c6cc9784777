//! What an export reads of a workspace, page by page, in one transaction.

use longshore_core::export::{EventLine, MemberLine, NoteLine, VersionLine, WorkspaceLine};
use longshore_core::wire::TextRange;
use longshore_core::{NodeId, VersionId, WorkspaceId};
use serde_json::json;

use super::crossings::{self, CrossingId, Held};
use super::purge::{for_group, values_of};
use super::versions::{self, read_location};
use super::{Row, Tx, events, members, pieces, workspaces};
use crate::blob::{Blob, Piece};
use crate::download::Stored;
use crate::error::{Error, Result};

/// Returns what the header says of a workspace.
pub(crate) async fn workspace(tx: &mut Tx, id: WorkspaceId) -> Result<Option<WorkspaceLine>> {
    let Some(found) = workspaces::get(tx, id).await? else { return Ok(None) };
    let Some(ends) = workspaces::log_ends(tx, id).await? else { return Ok(None) };
    Ok(Some(WorkspaceLine {
        id,
        name: found.name,
        root_id: found.root_id,
        created_at: found.created_at,
        created_by: found.created_by,
        settings: found.settings,
        quota: found.quota,
        first_seq: ends.first,
        seq: ends.last,
        forgotten_at: workspaces::forgotten_at(tx, id).await?,
    }))
}

/// Lists the members after one, by id.
pub(crate) async fn members(
    tx: &mut Tx,
    workspace: WorkspaceId,
    after: &str,
    limit: u32,
) -> Result<Vec<MemberLine>> {
    let found = members::list(tx, workspace, after, limit).await?;
    let line = |member: longshore_core::wire::Member| MemberLine {
        principal_id: member.principal.id,
        role: member.role,
        added_at: member.added_at,
        added_by: member.added_by,
    };
    Ok(found.into_iter().map(line).collect())
}

/// Lists the versions of a group of files after one, file by file, the oldest first.
pub(crate) async fn versions(
    tx: &mut Tx,
    files: &[NodeId],
    after: (&str, u64),
    limit: u32,
) -> Result<Vec<VersionLine>> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let mut values = values_of(files);
    values.extend([after.0.into(), after.1.into(), limit.into()]);
    let rows = tx
        .query(
            for_group!(
                "SELECT id, node_id, number, size, media_type, stated_media_type, digest, sha256, created_at, created_by,
                        fence, label FROM versions WHERE node_id",
                "AND (node_id, number) > ($33, $34) ORDER BY node_id, number LIMIT $35"
            ),
            &values,
        )
        .await?;
    let read = |row: &Row| {
        let version = versions::read(row)?;
        Ok(VersionLine {
            id: version.id,
            node_id: version.node_id,
            number: version.number,
            size: version.size,
            media_type: version.media_type,
            stated_media_type: version.stated_media_type,
            digest: version.digest,
            sha256: version.sha256,
            created_at: version.created_at,
            created_by: version.created_by,
            fence: version.fence,
            label: version.label,
        })
    };
    rows.iter().map(read).collect()
}

/// Lists the notes on a group of nodes after one, node by node, the oldest first.
pub(crate) async fn notes(
    tx: &mut Tx,
    nodes: &[NodeId],
    after: (&str, &str),
    limit: u32,
) -> Result<Vec<NoteLine>> {
    if nodes.is_empty() {
        return Ok(Vec::new());
    }
    let mut values = values_of(nodes);
    values.extend([after.0.into(), after.1.into(), limit.into()]);
    let rows = tx
        .query(
            for_group!(
                "SELECT id, node_id, version_id, range_start, range_end, text, author, created_at, edited_at
                 FROM notes WHERE node_id",
                "AND (node_id, id) > ($33, $34) ORDER BY node_id, id LIMIT $35"
            ),
            &values,
        )
        .await?;
    let read = |row: &Row| {
        Ok(NoteLine {
            id: row.parse(0)?,
            node_id: row.parse(1)?,
            version_id: row.opt_parse(2)?,
            range: row.opt_count(3)?.zip(row.opt_count(4)?).map(|(start, end)| TextRange { start, end }),
            text: row.text(5)?.to_owned(),
            author: row.parse(6)?,
            created_at: row.time(7)?,
            edited_at: row.opt_time(8)?,
        })
    };
    rows.iter().map(read).collect()
}

/// Lists the events after one, oldest first, with all that their rows say.
pub(crate) async fn events(
    tx: &mut Tx,
    workspace: WorkspaceId,
    after: u64,
    limit: u32,
) -> Result<Vec<EventLine>> {
    let rows = tx
        .query(
            "SELECT seq, id, type, at, actor, key_id, request_id, node_id, version_id, data, previous_version_id, act,
                    fence, lock_id, path, path_before, parent_id, parent_before, before
             FROM events WHERE workspace_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
            &[workspace.into(), after.into(), limit.into()],
        )
        .await?;
    rows.iter().map(read_event).collect()
}

fn read_event(row: &Row) -> Result<EventLine> {
    let event = events::read(row)?;
    let text = |place| row.opt_text(place).map(|text| text.map(str::to_owned));
    let before = match row.opt_text(18)? {
        None => None,
        Some("null") => Some(json!({ "absent": true })),
        Some(state) => Some(serde_json::from_str(state).map_err(Error::corrupt)?),
    };
    Ok(EventLine {
        seq: event.seq,
        id: event.id,
        r#type: event.r#type,
        at: event.at,
        actor: event.actor,
        key_id: event.key_id,
        request_id: event.request_id,
        node_id: event.node_id,
        version_id: event.version_id,
        previous_version_id: event.previous_version_id,
        act: event.act,
        fence: event.fence,
        lock_id: event.lock_id,
        path: text(14)?,
        path_before: text(15)?,
        parent_id: row.opt_parse(16)?,
        parent_before: row.opt_parse(17)?,
        before,
        data: event.data,
    })
}

/// Returns where the bytes of a version are, or were when it was removed; nothing where they are not held any more.
pub(crate) async fn content(tx: &mut Tx, export: CrossingId, version: VersionId) -> Result<Option<Stored>> {
    let row = tx
        .query_opt(
            "SELECT size, blob_id, content, blob_start, blob_size FROM versions WHERE id = $1",
            &[version.into()],
        )
        .await?;
    let found = match row {
        Some(row) => {
            let size = row.count(0)?;
            Some((size, read_location(&row, 1, size)?))
        }
        None => crossings::held(tx, export, &version.to_string())
            .await?
            .map(|Held { size, blob, .. }| (size, blob)),
    };
    let Some((size, blob)) = found else { return Ok(None) };
    Ok(Some(match blob {
        Blob::Inline(content) => Stored::Inline(content),
        Blob::Stored(blob) => Stored::Blob(Piece { blob, blob_size: size, start: 0, length: size }),
        Blob::Packed(piece) => Stored::Blob(piece),
        Blob::Composed(id) => Stored::Pieces(id, pieces::of(tx, id.to_string()).await?.into()),
    }))
}
