//! Removing rows of nodes for good, with all that hangs on them.

use longshore_core::wire::{NodeKind, Purged};
use longshore_core::{NodeId, Timestamp, VersionId, WorkspaceId};

use super::events::Log;
use super::nodes::longest_lease;
use super::{Tx, Value, crossings};
use crate::error::{Error, Result};

/// How many nodes one statement removes: its placeholders are written out below.
pub(crate) const GROUP: usize = 32;

macro_rules! for_group {
    ($head:literal, $tail:literal) => {
        concat!(
            $head,
            " IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
              $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32) ",
            $tail
        )
    };
}
pub(super) use for_group;

/// What has to be known of a node to remove it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doomed {
    pub(crate) id: NodeId,
    pub(crate) kind: NodeKind,
    /// The number of its newest version: it has that many at most.
    pub(crate) versions: u64,
}

/// Returns some children of a folder, in the trash or not.
pub(crate) async fn children(tx: &mut Tx, folder: NodeId, limit: u32) -> Result<Vec<Doomed>> {
    let rows = tx
        .query(
            "SELECT id, kind, version_number FROM nodes WHERE parent_id = $1 LIMIT $2",
            &[folder.into(), limit.into()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let kind = if row.text(1)? == "folder" { NodeKind::Folder } else { NodeKind::File };
            Ok(Doomed { id: row.parse(0)?, kind, versions: row.count(2)? })
        })
        .collect()
}

/// Counts a node and what is below it, versions as well as nodes; it stops counting after `limit` nodes.
pub(crate) async fn extent(tx: &mut Tx, node: NodeId, limit: u64) -> Result<u64> {
    let row = tx
        .query_opt(
            "WITH RECURSIVE down (id, rows) AS (
                SELECT id, 1 + version_number FROM nodes WHERE id = $1
                UNION ALL
                SELECT n.id, 1 + n.version_number FROM nodes n JOIN down ON n.parent_id = down.id)
             SELECT CAST(COALESCE(SUM(rows), 0) AS BIGINT) FROM (SELECT rows FROM down LIMIT $2) AS counted",
            &[node.into(), limit.into()],
        )
        .await?;
    row.map_or(Ok(0), |row| row.count(0))
}

/// Ends the locks of nodes that are to be removed: those that hold are the caller's own, the others are over.
pub(crate) async fn end_locks(tx: &mut Tx, ids: &[NodeId], now: Timestamp) -> Result<()> {
    for group in ids.chunks(GROUP) {
        let mut values = values_of(group);
        values.extend([now.into(), longest_lease(now).into()]);
        tx.execute(
            for_group!(
                "UPDATE locks SET ended_at = $33,
                     ended = CASE WHEN expires_at > $33 AND expires_at <= $34 THEN 'released' ELSE 'expired' END
                 WHERE ended_at IS NULL AND node_id",
                ""
            ),
            &values,
        )
        .await?;
    }
    Ok(())
}

/// Returns a group's placeholders. An id that stands twice removes nothing twice.
pub(super) fn values_of(group: &[NodeId]) -> Vec<Value> {
    let last = group.last().copied();
    let padding = std::iter::repeat_n(last, GROUP - group.len());
    group.iter().copied().map(Some).chain(padding).map(Value::from).collect()
}

/// Removes nodes that have no children, with their versions, notes, share links and terms.
pub(crate) async fn nodes(tx: &mut Tx, log: &mut Log, ids: &[NodeId]) -> Result<Purged> {
    let (mut purged, mut files) = (Purged::default(), 0);
    for group in ids.chunks(GROUP) {
        let values = values_of(group);
        tx.execute(for_group!("DELETE FROM notes WHERE node_id", ""), &values).await?;
        tx.execute(for_group!("DELETE FROM shares WHERE node_id", ""), &values).await?;
        tx.execute(for_group!("DELETE FROM node_terms WHERE node_id", ""), &values).await?;
        crossings::keep_files(tx, log.workspace(), group).await?;
        let versions =
            tx.query(for_group!("DELETE FROM versions WHERE node_id", "RETURNING size"), &values).await?;
        for version in &versions {
            purged.versions += 1;
            purged.bytes += version.count(0)?;
        }
        let nodes = tx.query(for_group!("DELETE FROM nodes WHERE id", "RETURNING kind"), &values).await?;
        purged.nodes += nodes.len() as u64;
        for node in &nodes {
            files += u64::from(node.text(0)? == "file");
        }
    }
    if purged.nodes != ids.len() as u64 {
        return Err(Error::corrupt(format_args!(
            "{} nodes of {} were there to purge",
            purged.nodes,
            ids.len()
        )));
    }
    log.tally_mut().remove(purged.bytes, files);
    Ok(purged)
}

/// Removes some of a file's versions but never its current one.
pub(crate) async fn old_versions(
    tx: &mut Tx,
    log: &mut Log,
    file: NodeId,
    current: VersionId,
    limit: u64,
) -> Result<Purged> {
    crossings::keep_old_versions(tx, log.workspace(), file, (current, limit)).await?;
    let rows = tx
        .query(
            "DELETE FROM versions WHERE id IN (
                SELECT id FROM versions WHERE node_id = $1 AND id <> $2 ORDER BY number LIMIT $3) RETURNING size",
            &[file.into(), current.into(), limit.into()],
        )
        .await?;
    let bytes = rows.iter().map(|row| row.count(0)).sum::<Result<u64>>()?;
    log.tally_mut().remove(bytes, 0);
    Ok(Purged { versions: rows.len() as u64, bytes, ..Purged::default() })
}

/// Lists what went to the trash of a workspace before a time, oldest first, from after one time and id on.
pub(crate) async fn trashed_before(
    tx: &mut Tx,
    workspace: WorkspaceId,
    before: Timestamp,
    after: (Timestamp, &str),
    limit: u32,
) -> Result<Vec<(Timestamp, NodeId)>> {
    let rows = tx
        .query(
            "SELECT trashed_at, id FROM nodes
             WHERE workspace_id = $1 AND trashed_at IS NOT NULL AND trashed_at < $2 AND (trashed_at, id) > ($3, $4)
             ORDER BY trashed_at, id LIMIT $5",
            &[workspace.into(), before.into(), after.0.into(), after.1.into(), limit.into()],
        )
        .await?;
    rows.iter().map(|row| Ok((row.time(0)?, row.parse(1)?))).collect()
}
