//! Rows of nodes, and their place in the tree.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use longshore_core::wire::{LONGEST_LEASE, Labels, Metadata, Node, NodeKind, NodeLock, Version};
use longshore_core::{Digest, Name, NodeId, PrincipalId, Timestamp, VersionId, WorkspaceId, WorkspacePath};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::events::Log;
use super::{Row, Tx, Value, terms};
use crate::error::{Error, Result};
use crate::quota::More;

/// A node as its row has it: without its path, and trashed only where it is itself.
#[derive(Clone, Debug)]
pub(crate) struct NodeRow {
    pub(crate) id: NodeId,
    pub(crate) workspace: WorkspaceId,
    pub(crate) parent: Option<NodeId>,
    pub(crate) kind: NodeKind,
    pub(crate) name: String,
    pub(crate) version: Option<VersionId>,
    pub(crate) version_number: u64,
    pub(crate) size: u64,
    pub(crate) media_type: Option<String>,
    pub(crate) digest: Option<Digest>,
    pub(crate) metadata: Metadata,
    pub(crate) labels: Labels,
    pub(crate) created_at: Timestamp,
    pub(crate) created_by: PrincipalId,
    pub(crate) updated_at: Timestamp,
    pub(crate) updated_by: PrincipalId,
    pub(crate) trashed_at: Option<Timestamp>,
    pub(crate) fence: u64,
    /// The lock that was granted last and did not end but by time.
    pub(crate) lock: Option<NodeLock>,
    /// By what the node was found when its row was read; see [`findable`]. Of a row that is to be inserted: 0.
    pub(crate) found_by: u64,
}

/// What undo can bring back of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) parent_id: Option<NodeId>,
    pub(crate) name: String,
    pub(crate) version_id: Option<VersionId>,
    pub(crate) metadata: Metadata,
    #[serde(default)]
    pub(crate) labels: Labels,
    pub(crate) trashed: bool,
}

impl NodeRow {
    pub(crate) fn state(&self) -> State {
        State {
            parent_id: self.parent,
            name: self.name.clone(),
            version_id: self.version,
            metadata: self.metadata.clone(),
            labels: self.labels.clone(),
            trashed: self.trashed_at.is_some(),
        }
    }

    /// Makes the row of a new folder.
    pub(crate) fn folder(
        workspace: WorkspaceId,
        parent: Option<NodeId>,
        name: String,
        by: PrincipalId,
        now: Timestamp,
    ) -> Self {
        Self {
            id: NodeId::new(now),
            workspace,
            parent,
            kind: NodeKind::Folder,
            name,
            version: None,
            version_number: 0,
            size: 0,
            media_type: None,
            digest: None,
            metadata: Metadata::new(),
            labels: Labels::new(),
            created_at: now,
            created_by: by,
            updated_at: now,
            updated_by: by,
            trashed_at: None,
            fence: 0,
            lock: None,
            found_by: 0,
        }
    }

    /// Makes a version the current one.
    pub(crate) fn set_version(&mut self, version: &Version) {
        self.version = Some(version.id);
        self.version_number = version.number;
        self.size = version.size;
        self.media_type = Some(version.media_type.clone());
        self.digest = Some(version.digest);
    }

    /// Notes who changed the node, and when.
    pub(crate) fn touch(&mut self, log: &Log) {
        self.updated_at = log.now();
        self.updated_by = log.actor().principal;
    }

    /// Returns the node as callers see it at a time.
    pub(crate) fn into_node(self, place: Place, now: Timestamp) -> Node {
        Node {
            id: self.id,
            workspace_id: self.workspace,
            parent_id: self.parent,
            kind: self.kind,
            name: self.name,
            path: place.path,
            size: self.size,
            media_type: self.media_type,
            version_id: self.version,
            digest: self.digest,
            metadata: self.metadata,
            labels: self.labels,
            created_at: self.created_at,
            created_by: self.created_by,
            updated_at: self.updated_at,
            updated_by: self.updated_by,
            trashed_at: place.trashed_at,
            fence: self.fence,
            lock: self.lock.filter(|lock| is_live(lock.expires_at, now)),
        }
    }
}

/// What claims to end after a longer lease than any was granted by a clock that ran ahead.
const LONGEST: Duration = Duration::from_secs(LONGEST_LEASE as u64);

/// Returns when a lease that holds at `now` ends at the latest.
pub(crate) fn longest_lease(now: Timestamp) -> Timestamp {
    now.plus(LONGEST)
}

/// Tells whether a lease that ends at `until` holds at `now`.
pub(crate) fn is_live(until: Timestamp, now: Timestamp) -> bool {
    until > now && until <= longest_lease(now)
}

/// Where a node is, as the folders above it say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub(crate) path: WorkspacePath,
    /// When the node or the nearest folder above it went to the trash.
    pub(crate) trashed_at: Option<Timestamp>,
    /// The ids from the node itself up to the root.
    pub(crate) ids: Vec<NodeId>,
    /// The locks on them, over or not.
    pub(crate) locks: Vec<NodeLock>,
}

impl Place {
    /// Goes one step down, to a node that is not in the trash.
    pub(crate) fn below(&self, row: &NodeRow) -> Result<Self> {
        let mut place = self.clone();
        place.path = self.path.join(Name::new(row.name.as_str()).map_err(Error::corrupt)?)?;
        place.ids.insert(0, row.id);
        place.locks.extend(row.lock.clone());
        Ok(place)
    }

    /// The place of a workspace's root folder.
    pub(crate) fn of_root(row: &NodeRow) -> Self {
        Self { ids: vec![row.id], locks: row.lock.iter().cloned().collect(), ..Self::default() }
    }
}

macro_rules! select_nodes {
    ($rest:literal) => {
        concat!(
            "SELECT id, workspace_id, parent_id, kind, name, version_id, version_number, size, media_type, digest,
                    metadata, created_at, created_by, updated_at, updated_by, trashed_at, fence, lock_info,
                    lock_until, labels FROM nodes ",
            $rest
        )
    };
}

/// Returns a number that tells whether two nodes are found by the same terms: 0 where there are none.
fn findable(metadata: &Metadata, labels: &Labels) -> u64 {
    if metadata.is_empty() && labels.is_empty() {
        return 0;
    }
    let mut hasher = DefaultHasher::new();
    (metadata, labels).hash(&mut hasher);
    hasher.finish()
}

fn read(row: &Row) -> Result<NodeRow> {
    let metadata = read_json(row, 10)?;
    let labels = read_json(row, 19)?;
    Ok(NodeRow {
        found_by: findable(&metadata, &labels),
        id: row.parse(0)?,
        workspace: row.parse(1)?,
        parent: row.opt_parse(2)?,
        kind: match row.text(3)? {
            "folder" => NodeKind::Folder,
            "file" => NodeKind::File,
            other => return Err(Error::corrupt(format_args!("node kind {other:?}"))),
        },
        name: row.text(4)?.to_owned(),
        version: row.opt_parse(5)?,
        version_number: row.count(6)?,
        size: row.count(7)?,
        media_type: row.opt_text(8)?.map(str::to_owned),
        digest: row.opt_parse(9)?,
        metadata,
        labels,
        created_at: row.time(11)?,
        created_by: row.parse(12)?,
        updated_at: row.time(13)?,
        updated_by: row.parse(14)?,
        trashed_at: row.opt_time(15)?,
        fence: row.count(16)?,
        lock: read_lock(row, 17)?,
    })
}

fn read_lock(row: &Row, column: usize) -> Result<Option<NodeLock>> {
    let (Some(info), Some(expires_at)) = (row.opt_text(column)?, row.opt_time(column + 1)?) else {
        return Ok(None);
    };
    let lock: NodeLock = serde_json::from_str(info).map_err(Error::corrupt)?;
    Ok(Some(NodeLock { expires_at, ..lock }))
}

/// Writes a node's fence and its lock: nothing for one that has ended.
pub(crate) async fn set_lock(tx: &mut Tx, node: &NodeRow) -> Result<()> {
    let info = node.lock.as_ref().map(serde_json::to_string).transpose().map_err(Error::corrupt)?;
    tx.execute(
        "UPDATE nodes SET fence = $1, lock_info = $2, lock_until = $3 WHERE id = $4",
        &[
            node.fence.into(),
            info.into(),
            node.lock.as_ref().map(|lock| lock.expires_at).into(),
            node.id.into(),
        ],
    )
    .await?;
    Ok(())
}

fn read_json<T: DeserializeOwned + Default>(row: &Row, column: usize) -> Result<T> {
    row.opt_text(column)?
        .map_or_else(|| Ok(T::default()), |json| serde_json::from_str(json).map_err(Error::corrupt))
}

fn json_value<T: Serialize + Default + PartialEq>(value: &T) -> Result<Value> {
    if *value == T::default() {
        return Ok(Value::Null);
    }
    Ok(serde_json::to_string(value).map_err(Error::corrupt)?.into())
}

pub(crate) async fn insert(tx: &mut Tx, node: &NodeRow) -> Result<()> {
    let kind = match node.kind {
        NodeKind::Folder => "folder",
        NodeKind::File => "file",
    };
    tx.execute(
        "INSERT INTO nodes (id, workspace_id, parent_id, kind, name, version_id, version_number, size, media_type,
                            digest, metadata, created_at, created_by, updated_at, updated_by, trashed_at, fence,
                            labels)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
        &[
            node.id.into(),
            node.workspace.into(),
            node.parent.into(),
            kind.into(),
            node.name.as_str().into(),
            node.version.into(),
            node.version_number.into(),
            node.size.into(),
            node.media_type.as_deref().into(),
            node.digest.into(),
            json_value(&node.metadata)?,
            node.created_at.into(),
            node.created_by.into(),
            node.updated_at.into(),
            node.updated_by.into(),
            node.trashed_at.into(),
            node.fence.into(),
            json_value(&node.labels)?,
        ],
    )
    .await?;
    terms::insert(tx, node).await
}

/// Writes everything of a node that can change, but its lock.
pub(crate) async fn update(tx: &mut Tx, node: &NodeRow) -> Result<()> {
    tx.execute(
        "UPDATE nodes SET parent_id = $1, name = $2, version_id = $3, version_number = $4, size = $5,
                          media_type = $6, digest = $7, metadata = $8, updated_at = $9, updated_by = $10,
                          trashed_at = $11, labels = $12
         WHERE id = $13",
        &[
            node.parent.into(),
            node.name.as_str().into(),
            node.version.into(),
            node.version_number.into(),
            node.size.into(),
            node.media_type.as_deref().into(),
            node.digest.into(),
            json_value(&node.metadata)?,
            node.updated_at.into(),
            node.updated_by.into(),
            node.trashed_at.into(),
            json_value(&node.labels)?,
            node.id.into(),
        ],
    )
    .await?;
    if findable(&node.metadata, &node.labels) == node.found_by {
        Ok(())
    } else {
        terms::replace(tx, node).await
    }
}

pub(crate) async fn get(tx: &mut Tx, id: NodeId) -> Result<Option<NodeRow>> {
    let row = tx.query_opt(select_nodes!("WHERE id = $1"), &[id.into()]).await?;
    row.as_ref().map(read).transpose()
}

/// Returns the live child of a folder by its name.
pub(crate) async fn child(tx: &mut Tx, folder: NodeId, name: &str) -> Result<Option<NodeRow>> {
    let row = tx
        .query_opt(
            select_nodes!("WHERE parent_id = $1 AND name = $2 AND trashed_at IS NULL"),
            &[folder.into(), name.into()],
        )
        .await?;
    row.as_ref().map(read).transpose()
}

/// Lists the live children of a folder whose names come after `after`, by name, byte by byte.
pub(crate) async fn children(tx: &mut Tx, folder: NodeId, after: &str, limit: u32) -> Result<Vec<NodeRow>> {
    let rows = tx
        .query(
            select_nodes!(
                "WHERE parent_id = $1 AND name > $2 AND trashed_at IS NULL ORDER BY parent_id, name LIMIT $3"
            ),
            &[folder.into(), after.into(), limit.into()],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// Lists what is in a folder, in the trash or not, by id from after one on.
pub(crate) async fn all_children(
    tx: &mut Tx,
    folder: NodeId,
    after: &str,
    limit: u32,
) -> Result<Vec<NodeRow>> {
    let rows = tx
        .query(
            select_nodes!("WHERE parent_id = $1 AND id > $2 ORDER BY parent_id, id LIMIT $3"),
            &[folder.into(), after.into(), limit.into()],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// Lists what was trashed in a workspace before a time and id, newest first.
pub(crate) async fn trash(
    tx: &mut Tx,
    workspace: WorkspaceId,
    before: (Timestamp, &str),
    limit: u32,
) -> Result<Vec<NodeRow>> {
    let rows = tx
        .query(
            select_nodes!(
                "WHERE workspace_id = $1 AND trashed_at IS NOT NULL AND (trashed_at, id) < ($2, $3)
                 ORDER BY trashed_at DESC, id DESC LIMIT $4"
            ),
            &[workspace.into(), before.0.into(), before.1.into(), limit.into()],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// Returns where a node is: one walk from it up to the root.
pub(crate) async fn place(tx: &mut Tx, id: NodeId) -> Result<Place> {
    let rows = tx
        .query(
            "WITH RECURSIVE up (id, parent_id, name, trashed_at, lock_info, lock_until, height) AS (
                SELECT id, parent_id, name, trashed_at, lock_info, lock_until, 0 FROM nodes WHERE id = $1
                UNION ALL
                SELECT n.id, n.parent_id, n.name, n.trashed_at, n.lock_info, n.lock_until, up.height + 1
                FROM nodes n JOIN up ON n.id = up.parent_id)
             SELECT id, name, trashed_at, lock_info, lock_until FROM up ORDER BY height",
            &[id.into()],
        )
        .await?;
    let mut place = Place::default();
    for row in &rows {
        place.ids.push(row.parse(0)?);
        if place.trashed_at.is_none() {
            place.trashed_at = row.opt_time(2)?;
        }
        place.locks.extend(read_lock(row, 3)?);
    }
    // The root's own name is empty and no part of any path.
    let names = rows.iter().rev().skip(1).map(|row| Name::new(row.text(1)?).map_err(Error::corrupt));
    place.path = WorkspacePath::of_names(names.collect::<Result<_>>()?);
    Ok(place)
}

/// How far the paths below a folder reach, counted from the folder.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reach {
    pub(crate) bytes: u64,
    pub(crate) names: u64,
}

/// Returns how far the paths below a folder reach; what is in the trash counts, as it may come back.
pub(crate) async fn reach(tx: &mut Tx, folder: NodeId) -> Result<Reach> {
    let row = tx
        .query_opt(
            "WITH RECURSIVE down (id, bytes, names) AS (
                SELECT id, CAST(0 AS BIGINT), CAST(0 AS BIGINT) FROM nodes WHERE id = $1
                UNION ALL
                SELECT n.id, down.bytes + 1 + octet_length(n.name), down.names + 1
                FROM nodes n JOIN down ON n.parent_id = down.id)
             SELECT CAST(MAX(bytes) AS BIGINT), CAST(MAX(names) AS BIGINT) FROM down",
            &[folder.into()],
        )
        .await?;
    row.map_or(Ok(Reach::default()), |row| Ok(Reach { bytes: row.count(0)?, names: row.count(1)? }))
}

/// Counts a node and what lives below it, and what its files are to a quota; it stops counting after `limit` nodes.
pub(crate) async fn count_live(tx: &mut Tx, node: NodeId, limit: u64) -> Result<(u64, More)> {
    let row = tx
        .query_opt(
            "WITH RECURSIVE down (id, size, files) AS (
                SELECT id, size, CAST(CASE WHEN kind = 'file' THEN 1 ELSE 0 END AS BIGINT) FROM nodes WHERE id = $1
                UNION ALL
                SELECT n.id, n.size, CAST(CASE WHEN n.kind = 'file' THEN 1 ELSE 0 END AS BIGINT)
                FROM nodes n JOIN down ON n.parent_id = down.id WHERE n.trashed_at IS NULL)
             SELECT COUNT(*), CAST(SUM(size) AS BIGINT), CAST(SUM(files) AS BIGINT), MAX(size)
             FROM (SELECT size, files FROM down LIMIT $2) AS counted",
            &[node.into(), limit.into()],
        )
        .await?;
    let Some(row) = row.filter(|row| row.count(0).is_ok_and(|count| count > 0)) else {
        return Ok((0, More::default()));
    };
    Ok((row.count(0)?, More { bytes: row.count(1)?, files: row.count(2)?, largest: row.count(3)? }))
}
