//! Rows of exports and imports under way, and of what they hold.

use std::fmt::{self, Display};

use longshore_core::export::Section;
use longshore_core::{Clock, Digest, NodeId, Timestamp, VersionId, WorkspaceId};

use super::purge::{GROUP, for_group, values_of};
use super::versions::{location, read_location};
use super::{Db, Row, Tx, Value};
use crate::blob::{Blob, BlobId};
use crate::error::Result;

/// Which export or import it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CrossingId(VersionId);

impl CrossingId {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self(VersionId::new(now))
    }
}

impl Display for CrossingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "x_{}", &self.0.to_string()[VersionId::PREFIX.len()..])
    }
}

impl From<CrossingId> for Value {
    fn from(id: CrossingId) -> Self {
        id.to_string().into()
    }
}

/// Notes one that begins: of a workspace an export, of none an import.
pub(crate) async fn insert(
    tx: &mut Tx,
    id: CrossingId,
    workspace: Option<WorkspaceId>,
    expires_at: Timestamp,
) -> Result<()> {
    tx.execute(
        "INSERT INTO crossings (id, workspace_id, expires_at) VALUES ($1, $2, $3)",
        &[id.into(), workspace.into(), expires_at.into()],
    )
    .await?;
    Ok(())
}

/// Counts the exports of a workspace that somebody may be reading.
pub(crate) async fn count(tx: &mut Tx, workspace: WorkspaceId, now: Timestamp) -> Result<u64> {
    let sql = "SELECT COUNT(*) FROM crossings WHERE workspace_id = $1 AND expires_at > $2";
    let row = tx.query_opt(sql, &[workspace.into(), now.into()]).await?;
    row.map_or(Ok(0), |row| row.count(0))
}

/// Says that an export has read what it shows, and when the newest version of that was made.
pub(crate) async fn set_taken(tx: &mut Tx, id: CrossingId, newest: Timestamp) -> Result<()> {
    tx.execute("UPDATE crossings SET taken_at = $1 WHERE id = $2", &[newest.into(), id.into()]).await?;
    Ok(())
}

/// Says that somebody goes on with it until a time; tells whether it is still there.
pub(crate) async fn renew(tx: &mut Tx, id: CrossingId, expires_at: Timestamp) -> Result<bool> {
    let sql = "UPDATE crossings SET expires_at = $1 WHERE id = $2";
    Ok(tx.execute(sql, &[expires_at.into(), id.into()]).await? == 1)
}

/// Ends one: what it held goes step by step, by the next sweep.
pub(crate) async fn end(tx: &mut Tx, id: CrossingId) -> Result<()> {
    tx.execute("DELETE FROM crossings WHERE id = $1", &[id.into()]).await?;
    Ok(())
}

/// Ends all there are: for a database that only one process has, when that begins. Where there is none it writes nothing.
pub(crate) async fn end_others(db: &Db) -> Result<()> {
    let found =
        db.read(|tx| Box::pin(async move { tx.query_opt("SELECT 1 FROM crossings LIMIT 1", &[]).await }));
    if found.await?.is_none() {
        return Ok(());
    }
    db.write(|tx| Box::pin(async move { tx.execute("DELETE FROM crossings", &[]).await.map(drop) })).await
}

/// Ends those that nobody goes on with.
pub(crate) async fn end_left(tx: &mut Tx, clock: &dyn Clock) -> Result<()> {
    let now = tx.now(clock).await?;
    tx.execute("DELETE FROM crossings WHERE expires_at <= $1", &[now.into()]).await?;
    Ok(())
}

/// Removes so many lines of those that have ended; returns how many.
pub(crate) async fn remove_lines(tx: &mut Tx, limit: u32) -> Result<u64> {
    tx.execute(
        "DELETE FROM crossing_lines WHERE (crossing_id, section, number) IN (
            SELECT l.crossing_id, l.section, l.number FROM crossing_lines l
            WHERE NOT EXISTS (SELECT 1 FROM crossings c WHERE c.id = l.crossing_id) LIMIT $1)",
        &[limit.into()],
    )
    .await
}

/// Lets so many contents go that ended ones have held; returns how many.
pub(crate) async fn remove_contents(tx: &mut Tx, limit: u32) -> Result<u64> {
    tx.execute(
        "DELETE FROM crossing_contents WHERE (crossing_id, name) IN (
            SELECT l.crossing_id, l.name FROM crossing_contents l
            WHERE NOT EXISTS (SELECT 1 FROM crossings c WHERE c.id = l.crossing_id) LIMIT $1)",
        &[limit.into()],
    )
    .await
}

/// A content that is held.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) size: u64,
    pub(crate) sha256: Option<Digest>,
    pub(crate) blob: Blob,
}

/// Holds a content under a name, unless one is held under it already.
pub(crate) async fn hold(tx: &mut Tx, id: CrossingId, name: &str, held: &Held) -> Result<()> {
    let (stored, inline, range) = location(&held.blob);
    tx.execute(
        "INSERT INTO crossing_contents (crossing_id, name, size, sha256, blob_id, content, blob_start, blob_size)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        &[
            id.into(),
            name.into(),
            held.size.into(),
            held.sha256.into(),
            stored.into(),
            inline.into(),
            range.map(|(start, _)| start).into(),
            range.map(|(_, blob_size)| blob_size).into(),
        ],
    )
    .await?;
    Ok(())
}

/// Says which SHA-256 a content has that is held.
pub(crate) async fn set_sha256(tx: &mut Tx, id: CrossingId, name: &str, sha256: Digest) -> Result<()> {
    let sql = "UPDATE crossing_contents SET sha256 = $1 WHERE crossing_id = $2 AND name = $3";
    tx.execute(sql, &[sha256.into(), id.into(), name.into()]).await?;
    Ok(())
}

fn read_held(row: &Row) -> Result<Held> {
    let size = row.count(0)?;
    Ok(Held { size, sha256: row.opt_parse(1)?, blob: read_location(row, 2, size)? })
}

/// Returns a content that is held under a name.
pub(crate) async fn held(tx: &mut Tx, id: CrossingId, name: &str) -> Result<Option<Held>> {
    let row = tx
        .query_opt(
            "SELECT size, sha256, blob_id, content, blob_start, blob_size FROM crossing_contents
             WHERE crossing_id = $1 AND name = $2",
            &[id.into(), name.into()],
        )
        .await?;
    row.as_ref().map(read_held).transpose()
}

/// Holds, for the exports of a workspace, the contents of all versions of some files, which are to be removed: of those versions
/// that an export shows, or may show as long as it reads.
pub(crate) async fn keep_files(tx: &mut Tx, workspace: WorkspaceId, files: &[NodeId]) -> Result<()> {
    for group in files.chunks(GROUP) {
        let mut values = values_of(group);
        values.push(workspace.into());
        tx.execute(
            for_group!(
                "INSERT INTO crossing_contents (crossing_id, name, size, blob_id, content, blob_start, blob_size)
                 SELECT c.id, v.id, v.size, v.blob_id, v.content, v.blob_start, v.blob_size
                 FROM crossings c, versions v WHERE c.workspace_id = $33
                   AND (c.taken_at IS NULL OR v.created_at <= c.taken_at) AND v.node_id",
                "ON CONFLICT DO NOTHING"
            ),
            &values,
        )
        .await?;
    }
    Ok(())
}

/// The same for one version.
pub(crate) async fn keep_version(tx: &mut Tx, workspace: WorkspaceId, version: VersionId) -> Result<()> {
    tx.execute(
        "INSERT INTO crossing_contents (crossing_id, name, size, blob_id, content, blob_start, blob_size)
         SELECT c.id, v.id, v.size, v.blob_id, v.content, v.blob_start, v.blob_size
         FROM crossings c, versions v WHERE c.workspace_id = $1 AND v.id = $2
           AND (c.taken_at IS NULL OR v.created_at <= c.taken_at)
         ON CONFLICT DO NOTHING",
        &[workspace.into(), version.into()],
    )
    .await?;
    Ok(())
}

/// The same for a file's oldest versions but its current one: those that a purge is to remove.
pub(crate) async fn keep_old_versions(
    tx: &mut Tx,
    workspace: WorkspaceId,
    file: NodeId,
    (current, limit): (VersionId, u64),
) -> Result<()> {
    tx.execute(
        "INSERT INTO crossing_contents (crossing_id, name, size, blob_id, content, blob_start, blob_size)
         SELECT c.id, v.id, v.size, v.blob_id, v.content, v.blob_start, v.blob_size
         FROM crossings c, versions v WHERE c.workspace_id = $1
           AND (c.taken_at IS NULL OR v.created_at <= c.taken_at) AND v.id IN (
             SELECT id FROM versions WHERE node_id = $2 AND id <> $3 ORDER BY number LIMIT $4)
         ON CONFLICT DO NOTHING",
        &[workspace.into(), file.into(), current.into(), limit.into()],
    )
    .await?;
    Ok(())
}

/// Tells whether any export or import holds this blob.
pub(super) async fn uses_blob(tx: &mut Tx, blob: BlobId) -> Result<bool> {
    let sql = "SELECT 1 FROM crossing_contents WHERE blob_id = $1 LIMIT 1";
    Ok(tx.query_opt(sql, &[blob.to_string().into()]).await?.is_some())
}

/// A line of an import.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    pub(crate) number: u64,
    pub(crate) id: Option<String>,
    pub(crate) place: Option<String>,
    pub(crate) kind: Option<&'static str>,
    pub(crate) path: Option<String>,
    pub(crate) text: String,
}

/// Keeps a line. Where its id or its place is taken by another, that is [`Code::NameTaken`](longshore_core::Code::NameTaken).
pub(crate) async fn insert_line(
    tx: &mut Tx,
    id: CrossingId,
    section: &'static str,
    line: &Line,
) -> Result<()> {
    tx.execute(
        "INSERT INTO crossing_lines (crossing_id, section, number, id, place, kind, path, line)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            id.into(),
            section.into(),
            line.number.into(),
            line.id.as_deref().into(),
            line.place.as_deref().into(),
            line.kind.into(),
            line.path.as_deref().into(),
            line.text.as_str().into(),
        ],
    )
    .await?;
    Ok(())
}

/// Returns of what kind a node is that an import has read, and its path.
pub(crate) async fn node(tx: &mut Tx, id: CrossingId, node: NodeId) -> Result<Option<(String, String)>> {
    let row = tx
        .query_opt(
            "SELECT kind, path FROM crossing_lines WHERE crossing_id = $1 AND id = $2",
            &[id.into(), node.into()],
        )
        .await?;
    let text = |row: &Row, place| row.opt_text(place).map(|text| text.unwrap_or_default().to_owned());
    row.map(|row| Ok((text(&row, 0)?, text(&row, 1)?))).transpose()
}

/// Lists the lines of a section after one, in their order.
pub(crate) async fn lines(
    tx: &mut Tx,
    id: CrossingId,
    section: &'static str,
    after: u64,
    limit: u32,
) -> Result<Vec<(u64, String)>> {
    let rows = tx
        .query(
            "SELECT number, line FROM crossing_lines WHERE crossing_id = $1 AND section = $2 AND number > $3
             ORDER BY number LIMIT $4",
            &[id.into(), section.into(), after.into(), limit.into()],
        )
        .await?;
    rows.iter().map(|row| Ok((row.count(0)?, row.text(1)?.to_owned()))).collect()
}

/// Tells whether any node, version or note of an import has an id that one of this database has.
pub(crate) async fn has_known_ids(tx: &mut Tx, id: CrossingId) -> Result<bool> {
    let sections = [Section::Nodes, Section::Versions, Section::Notes].map(Section::file);
    let row = tx
        .query_opt(
            "SELECT 1 FROM crossing_lines l WHERE l.crossing_id = $1 AND l.id IS NOT NULL
               AND (l.section = $2 AND EXISTS (SELECT 1 FROM nodes WHERE nodes.id = l.id)
                    OR l.section = $3 AND EXISTS (SELECT 1 FROM versions WHERE versions.id = l.id)
                    OR l.section = $4 AND EXISTS (SELECT 1 FROM notes WHERE notes.id = l.id)) LIMIT 1",
            &[id.into(), sections[0].into(), sections[1].into(), sections[2].into()],
        )
        .await?;
    Ok(row.is_some())
}

/// Lists, of the versions of this database by id from after one on, those that have a content which an import announces, and
/// have it in a blob; returns also the last that was looked at. Content in pieces is left out: pieces have no grace.
pub(crate) async fn known_contents(
    tx: &mut Tx,
    id: CrossingId,
    after: &str,
    limit: u32,
) -> Result<(Vec<(Digest, Held)>, Option<String>)> {
    let last = tx
        .query_opt(
            "SELECT MAX(id) FROM (SELECT id FROM versions WHERE id > $1 ORDER BY id LIMIT $2) AS looked_at",
            &[after.into(), limit.into()],
        )
        .await?;
    let Some(last) = last.map(|row| row.opt_text(0).map(|id| id.map(str::to_owned))).transpose()?.flatten()
    else {
        return Ok((Vec::new(), None));
    };
    let rows = tx
        .query(
            "SELECT v.size, v.sha256, v.blob_id, NULL, v.blob_start, v.blob_size, v.digest
             FROM versions v JOIN crossing_lines l ON l.crossing_id = $1 AND l.id = v.digest
             WHERE v.id > $2 AND v.id <= $3 AND substr(v.blob_id, 1, 5) = 'blob_'",
            &[id.into(), after.into(), last.as_str().into()],
        )
        .await?;
    let found = |row: &Row| Ok((row.parse(6)?, read_held(row)?));
    Ok((rows.iter().map(found).collect::<Result<_>>()?, Some(last)))
}
