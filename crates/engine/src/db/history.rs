//! What the log says of nodes: what they were before an event, and who changed them since.
//!
//! Only events with a `before` count: they alone changed what undo can bring back.
//!
//! Each question is of one workspace: what an imported log says of a node of another one says nothing of that node. Where a node
//! is asked for, its workspace stands in a `COALESCE`, so that the index by nodes is what is walked, and never a whole log.

use std::collections::HashSet;

use longshore_core::{NodeId, PrincipalId, Timestamp, VersionId, WorkspaceId, WorkspacePath};

use super::nodes::State;
use super::{Row, Tx};
use crate::error::{Error, Result};

/// One principal's acts in a stretch of a workspace's log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Picked {
    pub(crate) workspace: WorkspaceId,
    pub(crate) actor: PrincipalId,
    /// The first place; acts that began before it are not meant.
    pub(crate) from: u64,
    /// The place after the last one.
    pub(crate) until: u64,
    /// The newest place that the log has.
    pub(crate) last: u64,
}

impl Picked {
    /// The place after the last one that there is.
    pub(crate) fn end(&self) -> u64 {
        self.until.min(self.last + 1)
    }
}

/// How many places of the log are looked at in one query.
const WINDOW: u64 = 1_000;

/// The first event of a picked stretch that changed a node.
#[derive(Clone, Debug)]
pub(crate) struct First {
    pub(crate) node: NodeId,
    pub(crate) seq: u64,
    /// What the node was before it; nothing where it was not there.
    pub(crate) before: Option<State>,
    /// Where the node was.
    pub(crate) path: WorkspacePath,
}

/// A change of a node: its place in the log, and who did it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trace {
    pub(crate) seq: u64,
    pub(crate) actor: PrincipalId,
}

fn trace(row: &Row) -> Result<Trace> {
    Ok(Trace { seq: row.count(0)?, actor: row.parse(1)? })
}

/// Returns the act that an event belongs to, as a stretch of the log.
pub(crate) async fn act(tx: &mut Tx, workspace: WorkspaceId, seq: u64) -> Result<Option<Picked>> {
    let row = tx
        .query_opt(
            "SELECT act, actor FROM events WHERE workspace_id = $1 AND seq = $2",
            &[workspace.into(), seq.into()],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let (from, actor) = (row.count(0)?, row.parse(1)?);
    let (until, last) = (after_acts(tx, workspace, from).await?, newest_place(tx, workspace).await?);
    Ok(Some(Picked { workspace, actor, from, until, last }))
}

/// Returns the place after the acts that began up to and with a place.
pub(crate) async fn after_acts(tx: &mut Tx, workspace: WorkspaceId, seq: u64) -> Result<u64> {
    let row = tx
        .query_opt(
            "SELECT seq FROM events WHERE workspace_id = $1 AND seq > $2 AND act > $2 ORDER BY seq LIMIT 1",
            &[workspace.into(), seq.into()],
        )
        .await?;
    row.map_or(Ok(u64::MAX), |row| row.count(0))
}

/// Returns the newest place of the log; 0 where it has none.
pub(crate) async fn newest_place(tx: &mut Tx, workspace: WorkspaceId) -> Result<u64> {
    let row = tx
        .query_opt(
            "SELECT seq FROM events WHERE workspace_id = $1 ORDER BY seq DESC LIMIT 1",
            &[workspace.into()],
        )
        .await?;
    row.map_or(Ok(0), |row| row.count(0))
}

/// Returns the first place of the log that is at or after `from` and has a time at or after `since`.
///
/// Along a log times never fall, so it can be halved: it has no index by time.
pub(crate) async fn since(tx: &mut Tx, workspace: WorkspaceId, since: Timestamp, end: u64) -> Result<u64> {
    let (mut low, mut high) = (1, end + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let row = tx
            .query_opt(
                "SELECT at FROM events WHERE workspace_id = $1 AND seq >= $2 ORDER BY seq LIMIT 1",
                &[workspace.into(), middle.into()],
            )
            .await?;
        match row {
            Some(row) if row.time(0)? < since => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// Returns the oldest place that the log still has.
pub(crate) async fn oldest(tx: &mut Tx, workspace: WorkspaceId) -> Result<Option<u64>> {
    let row = tx
        .query_opt("SELECT seq FROM events WHERE workspace_id = $1 ORDER BY seq LIMIT 1", &[workspace.into()])
        .await?;
    row.map(|row| row.count(0)).transpose()
}

/// What the picked acts changed.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    /// For each node the first event that changed it, in the order of the log.
    pub(crate) firsts: Vec<First>,
    /// The numbers of the acts, oldest first.
    pub(crate) acts: Vec<u64>,
}

/// Lists what the picked acts changed: all of it, or no fewer than `nodes` nodes; of the acts the first `acts`.
pub(crate) async fn changed(tx: &mut Tx, picked: Picked, nodes: usize, acts: usize) -> Result<Changed> {
    let (mut changed, mut seen, mut from) = (Changed::default(), HashSet::new(), picked.from);
    while from < picked.end() && changed.firsts.len() < nodes {
        let to = picked.end().min(from.saturating_add(WINDOW));
        let rows = tx
            .query(
                // Which is a node's first is found here: as a join with itself SQLite walks the stretch once for each node.
                "SELECT node_id, seq, before, COALESCE(path_before, path), act FROM events
                 WHERE workspace_id = $1 AND seq >= $2 AND seq < $3 AND act >= $4 AND actor = $5
                       AND before IS NOT NULL AND node_id IS NOT NULL
                 ORDER BY seq",
                &[picked.workspace.into(), from.into(), to.into(), picked.from.into(), picked.actor.into()],
            )
            .await?;
        for row in &rows {
            let (node, act) = (row.parse(0)?, row.count(4)?);
            // The events of an act follow each other.
            if changed.acts.len() < acts && changed.acts.last() != Some(&act) {
                changed.acts.push(act);
            }
            if seen.insert(node) {
                changed.firsts.push(First {
                    node,
                    seq: row.count(1)?,
                    before: serde_json::from_str(row.text(2)?).map_err(Error::corrupt)?,
                    path: row.opt_parse(3)?.unwrap_or_default(),
                });
            }
        }
        from = to;
    }
    Ok(changed)
}

/// Finds the first change of a node after a place that the picked acts did not make.
pub(crate) async fn other(tx: &mut Tx, node: NodeId, after: u64, picked: Picked) -> Result<Option<Trace>> {
    let row = tx
        .query_opt(
            "SELECT seq, actor FROM events
             WHERE node_id = $1 AND seq > $2 AND before IS NOT NULL AND (actor <> $3 OR seq >= $4)
                   AND COALESCE(workspace_id, '') = $5
             ORDER BY seq LIMIT 1",
            &[node.into(), after.into(), picked.actor.into(), picked.until.into(), picked.workspace.into()],
        )
        .await?;
    row.as_ref().map(trace).transpose()
}

/// Finds the newest change of a node.
pub(crate) async fn newest(tx: &mut Tx, workspace: WorkspaceId, node: NodeId) -> Result<Option<Trace>> {
    let row = tx
        .query_opt(
            "SELECT seq, actor FROM events
             WHERE node_id = $1 AND before IS NOT NULL AND COALESCE(workspace_id, '') = $2
             ORDER BY seq DESC LIMIT 1",
            &[node.into(), workspace.into()],
        )
        .await?;
    row.as_ref().map(trace).transpose()
}

/// Finds the event that made a version the current one; nothing for the versions of what was copied with a folder.
pub(crate) async fn made(
    tx: &mut Tx,
    workspace: WorkspaceId,
    (node, version): (NodeId, VersionId),
) -> Result<Option<u64>> {
    let row = tx
        .query_opt(
            "SELECT seq FROM events
             WHERE node_id = $1 AND version_id = $2 AND before IS NOT NULL
                   AND (previous_version_id IS NULL OR previous_version_id <> $2)
                   AND COALESCE(workspace_id, '') = $3
             ORDER BY seq DESC LIMIT 1",
            &[node.into(), version.into(), workspace.into()],
        )
        .await?;
    row.map(|row| row.count(0)).transpose()
}
