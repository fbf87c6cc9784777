//! The event log of a workspace.
//!
//! An event's place is a counter in the workspace's own row, taken and written in the change's transaction.
//! A database sequence would hand out a place before its transaction commits, and a reader that has passed a
//! later place would never see it.

use std::collections::HashMap;
use std::ops::Range;

use longshore_core::wire::{Event, Usage, WorkspaceSettings};
use longshore_core::{
    Clock, Code, EventId, LockId, NodeId, PrincipalId, Timestamp, VersionId, WorkspaceId, WorkspacePath,
};
use serde_json::json;

use super::nodes::NodeRow;
use super::workspaces::Grown;
use super::{Row, Tx, hooks, workspaces};
use crate::actor::Actor;
use crate::audit::Entry;
use crate::error::{Error, Result};
use crate::quota::Tally;

/// What a node was before a change.
#[derive(Clone, Debug)]
pub(crate) enum Before {
    /// It was not there.
    Absent,
    /// It was so.
    Was(Box<NodeRow>),
}

/// The lock under which something happens to a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cover {
    pub(crate) lock: LockId,
    pub(crate) fence: u64,
}

/// What an event says besides who, when and where.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    kind: &'static str,
    node: Option<NodeId>,
    /// The folder that the node is in now.
    parent: Option<NodeId>,
    version: Option<VersionId>,
    cover: Option<Cover>,
    before: Option<Before>,
    is_gone: bool,
    path: Option<WorkspacePath>,
    path_before: Option<WorkspacePath>,
    data: serde_json::Value,
}

impl Change {
    /// Something happened to the workspace itself.
    pub(crate) fn of_workspace(kind: &'static str) -> Self {
        Self {
            kind,
            node: None,
            parent: None,
            version: None,
            cover: None,
            before: None,
            is_gone: false,
            path: None,
            path_before: None,
            data: json!({}),
        }
    }

    /// Something happened to a node, which is now so and at this path.
    pub(crate) fn of(kind: &'static str, node: &NodeRow, path: &WorkspacePath) -> Self {
        Self {
            node: Some(node.id),
            parent: node.parent,
            version: node.version,
            path: Some(path.clone()),
            data: json!({ "path": path }),
            ..Self::of_workspace(kind)
        }
    }

    /// Says what the node was before: what an undo goes back to.
    pub(crate) fn after(mut self, before: &NodeRow) -> Self {
        self.before = Some(Before::Was(Box::new(before.clone())));
        self
    }

    /// Says that the node is new: an undo trashes it.
    pub(crate) fn after_nothing(mut self) -> Self {
        self.before = Some(Before::Absent);
        self
    }

    /// Says that the node is gone for good: what was its version is none any more.
    pub(crate) const fn gone(mut self) -> Self {
        self.is_gone = true;
        self
    }

    /// Says where the node was before it moved.
    pub(crate) fn moved_from(mut self, path: &WorkspacePath) -> Self {
        self.path_before = Some(path.clone());
        self.with("from", json!(path))
    }

    /// Says which lock it is about, or under which it happened.
    pub(crate) fn under(mut self, lock: LockId, fence: u64) -> Self {
        self.cover = Some(Cover { lock, fence });
        self
    }

    /// Says under which lock it happened, where it is about none itself: the one that covers the node, or else the
    /// folder that the node is in now.
    pub(crate) fn covered(mut self, covers: &HashMap<NodeId, Cover>) -> Self {
        let places = [self.node, self.parent].into_iter().flatten();
        self.cover = self.cover.or_else(|| places.filter_map(|node| covers.get(&node)).next().copied());
        self
    }

    /// Says one thing more.
    pub(crate) fn with(mut self, key: &str, value: serde_json::Value) -> Self {
        self.data[key] = value;
        self
    }
}

/// Where a log stood when an act began.
#[derive(Clone, Debug)]
pub(crate) struct ActBegun {
    reserved: Range<u64>,
    tally: Tally,
}

/// A workspace's log, held by the transaction that writes to the workspace.
#[derive(Debug)]
pub(crate) struct Log {
    workspace: WorkspaceId,
    actor: Actor,
    now: Timestamp,
    locked_until: Timestamp,
    settings: WorkspaceSettings,
    has_hooks: bool,
    /// What the workspace may keep, and what it keeps as this write leaves it.
    tally: Tally,
    /// What it kept before.
    kept: Usage,
    /// The places that are taken and not yet used.
    reserved: Range<u64>,
    /// The place of this act's first event.
    act: Option<u64>,
}

impl Log {
    /// Takes the workspace for this transaction: its first statement, so that all that follows sees the
    /// workspace as the write before it left it. A key that was revoked while its request was under way writes
    /// nothing any more, and its actor may from here on what the database says now.
    pub(crate) async fn open(
        tx: &mut Tx,
        workspace: WorkspaceId,
        actor: Actor,
        clock: &dyn Clock,
    ) -> Result<Self> {
        let taken = workspaces::take(tx, workspace, clock)
            .await?
            .ok_or_else(|| Error::new(Code::WorkspaceNotFound, format!("no workspace {workspace}")))?;
        let actor = super::access::actor_in(tx, &actor, workspace, taken.now).await?;
        Ok(Self {
            workspace,
            actor,
            now: taken.now,
            locked_until: taken.locked_until,
            settings: taken.settings,
            has_hooks: taken.hooks > 0,
            tally: taken.tally,
            kept: taken.tally.usage,
            reserved: taken.seq..taken.seq + 1,
            act: None,
        })
    }

    pub(crate) const fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    pub(crate) const fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The time of this write, by the clock that all writes of the workspace share.
    pub(crate) const fn now(&self) -> Timestamp {
        self.now
    }

    pub(crate) const fn settings(&self) -> &WorkspaceSettings {
        &self.settings
    }

    /// What the workspace may keep and keeps, this write included.
    pub(crate) const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The same, for what this write adds and removes.
    pub(crate) const fn tally_mut(&mut self) -> &mut Tally {
        &mut self.tally
    }

    /// Tells whether any webhook of the workspace is on.
    pub(crate) const fn has_hooks(&self) -> bool {
        self.has_hooks
    }

    /// Tells whether this act has appended anything.
    pub(crate) const fn has_news(&self) -> bool {
        self.act.is_some()
    }

    /// Takes places for so many events more at once; those that none uses are given back at the end.
    pub(crate) async fn reserve(&mut self, tx: &mut Tx, more: u64) -> Result<()> {
        if more == 0 {
            return Ok(());
        }
        let end = workspaces::take_seqs(tx, self.workspace, more).await? + 1;
        let start = if self.reserved.is_empty() { end - more } else { self.reserved.start };
        self.reserved = start..end;
        Ok(())
    }

    /// Begins an act of its own in the same transaction; returns what [`Self::take_back`] goes back to.
    pub(crate) fn begin_act(&mut self) -> ActBegun {
        self.act = None;
        ActBegun { reserved: self.reserved.clone(), tally: self.tally }
    }

    /// Forgets an act whose events were rolled back.
    pub(crate) fn take_back(&mut self, begun: ActBegun) {
        self.act = None;
        self.reserved = begun.reserved;
        self.tally = begun.tally;
    }

    /// Tells whether any node of the workspace may be locked now.
    pub(crate) fn may_be_locked(&self) -> bool {
        self.locked_until > self.now
    }

    /// Returns how many places of the log are taken and not used.
    pub(crate) const fn unused(&self) -> u64 {
        self.reserved.end - self.reserved.start
    }

    /// Appends an event and returns its place.
    pub(crate) async fn append(&mut self, tx: &mut Tx, change: Change) -> Result<u64> {
        // Who visits a share link acts in its maker's name: the event says by which link.
        let change = match self.actor.share() {
            Some(share) => change.with("share_id", json!(share)),
            None => change,
        };
        let seq = match self.reserved.next() {
            Some(seq) => seq,
            None => workspaces::take_seqs(tx, self.workspace, 1).await?,
        };
        let act = *self.act.get_or_insert(seq);
        let version = change.version.filter(|_| !change.is_gone);
        tx.note(self.entry(&change, seq, act));
        let parent_before = match &change.before {
            Some(Before::Was(row)) => row.parent.filter(|_| row.parent != change.parent),
            None | Some(Before::Absent) => None,
        };
        let (previous, before) = match &change.before {
            // Nothing of its content has changed.
            None => (change.version, None),
            Some(Before::Absent) => (None, Some("null".to_owned())),
            Some(Before::Was(row)) => {
                (row.version, Some(serde_json::to_string(&row.state()).map_err(Error::corrupt)?))
            }
        };
        tx.execute(
            "INSERT INTO events (workspace_id, seq, id, type, at, actor, key_id, request_id, node_id, version_id,
                                 previous_version_id, act, fence, lock_id, path, path_before, before, data, parent_id,
                                 parent_before)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)",
            &[
                self.workspace.into(),
                seq.into(),
                EventId::new(self.now).into(),
                change.kind.into(),
                self.now.into(),
                self.actor.principal.into(),
                self.actor.key().into(),
                self.actor.request_id().into(),
                change.node.into(),
                version.into(),
                previous.into(),
                act.into(),
                change.cover.map(|cover| cover.fence).into(),
                change.cover.map(|cover| cover.lock).into(),
                change.path.map(|path| path.to_string()).into(),
                change.path_before.map(|path| path.to_string()).into(),
                before.into(),
                change.data.to_string().into(),
                change.parent.into(),
                parent_before.into(),
            ],
        )
        .await?;
        tx.appended(self.workspace, seq);
        Ok(seq)
    }

    /// Returns what the audit log says of an event; of a node no more than where it is, as the event itself has the rest.
    fn entry(&self, change: &Change, seq: u64, act: u64) -> Entry {
        let entry = Entry::done(change.kind, &self.actor, self.now).of_act(self.workspace, act);
        let said = match (&change.node, &change.path) {
            (None, _) => entry.saying(change.data.clone()),
            (Some(node), None) => entry.about(node),
            (Some(node), Some(path)) => entry.about(node).with("path", json!(path)),
        };
        let said = match &change.path_before {
            Some(path) => said.with("from", json!(path)),
            None => said,
        };
        let said = match change.cover {
            Some(cover) => said.with("lock_id", json!(cover.lock)),
            None => said,
        };
        said.with("seq", json!(seq))
    }

    /// Ends a write: gives back the places that no event has used, and counts what the workspace keeps now.
    pub(crate) async fn close(self, tx: &mut Tx) -> Result<()> {
        let unused = self.unused();
        let (before, now) = (self.kept, self.tally.usage);
        let grown = Grown {
            bytes: now.bytes.cast_signed() - before.bytes.cast_signed(),
            files: now.files.cast_signed() - before.files.cast_signed(),
            staged_bytes: now.staged_bytes.cast_signed() - before.staged_bytes.cast_signed(),
        };
        if unused == 0 && grown == Grown::default() {
            return Ok(());
        }
        workspaces::settle(tx, self.workspace, unused, grown).await
    }
}

/// Which of a log's events are wanted; what is left out lets all pass.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) actor: Option<PrincipalId>,
    /// The types, with a space before and after each; `node.*` stands for all that begin with `node.`.
    pub(crate) types: Option<String>,
    /// A node's path and a `/`: events of that node and of what is below it.
    pub(crate) below: Option<String>,
}

/// Lists the events of a workspace from after `after` up to and with `through`, oldest first.
///
/// The filter costs no more than the rows between the two places, and those the caller bounds.
pub(crate) async fn list(
    tx: &mut Tx,
    workspace: WorkspaceId,
    after: u64,
    through: u64,
    filter: &Filter,
    limit: u32,
) -> Result<Vec<Found>> {
    let rows = tx
        .query(
            // `rtrim` takes the last word off a type and leaves the dot before it. Only functions that both
            // databases have, and that compare bytes, are of use here; `LIKE` is not one of them.
            "SELECT seq, id, type, at, actor, key_id, request_id, node_id, version_id, data, previous_version_id, act,
                    fence, lock_id, parent_id, parent_before
             FROM events
             WHERE workspace_id = $1 AND seq > $2 AND seq <= $3
               AND (CAST($5 AS TEXT) IS NULL OR actor = $5)
               AND (CAST($6 AS TEXT) IS NULL
                    OR replace(CAST($6 AS TEXT), ' ' || type || ' ', '') <> $6
                    OR replace(CAST($6 AS TEXT),
                               ' ' || rtrim(type, 'abcdefghijklmnopqrstuvwxyz0123456789_') || '* ', '') <> $6)
               AND (CAST($7 AS TEXT) IS NULL
                    OR substr(path || '/', 1, length(CAST($7 AS TEXT))) = $7
                    OR substr(path_before || '/', 1, length(CAST($7 AS TEXT))) = $7)
             ORDER BY seq LIMIT $4",
            &[
                workspace.into(),
                after.into(),
                through.into(),
                limit.into(),
                filter.actor.into(),
                filter.types.as_deref().into(),
                filter.below.as_deref().into(),
            ],
        )
        .await?;
    let found = |row: &Row| {
        let (parent, parent_before) = (row.opt_parse(14)?, row.opt_parse(15)?);
        Ok(Found { event: read(row)?, parent, parent_before })
    };
    rows.iter().map(found).collect()
}

/// An event, and in which folders the node was that it is about.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) event: Event,
    /// After it.
    pub(crate) parent: Option<NodeId>,
    /// Before it, where that was another.
    pub(crate) parent_before: Option<NodeId>,
}

pub(super) fn read(row: &Row) -> Result<Event> {
    Ok(Event {
        seq: row.count(0)?,
        id: row.parse(1)?,
        r#type: row.text(2)?.to_owned(),
        at: row.time(3)?,
        actor: row.parse(4)?,
        key_id: row.opt_parse(5)?,
        request_id: row.opt_text(6)?.map(str::to_owned),
        node_id: row.opt_parse(7)?,
        version_id: row.opt_parse(8)?,
        data: serde_json::from_str(row.text(9)?).map_err(Error::corrupt)?,
        previous_version_id: row.opt_parse(10)?,
        act: row.count(11)?,
        fence: row.opt_count(12)?,
        lock_id: row.opt_parse(13)?,
    })
}

/// An event, and where it happened.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) event: Event,
    path: Option<String>,
    path_before: Option<String>,
}

impl Placed {
    /// Returns where the node is, and where it was if it moved.
    pub(crate) fn places(&self) -> impl Iterator<Item = &str> {
        self.path.iter().chain(&self.path_before).map(String::as_str)
    }
}

/// Lists the events after a place with where they happened, oldest first.
pub(crate) async fn placed(
    tx: &mut Tx,
    workspace: WorkspaceId,
    after: u64,
    limit: u32,
) -> Result<Vec<Placed>> {
    let rows = tx
        .query(
            "SELECT seq, id, type, at, actor, key_id, request_id, node_id, version_id, data, previous_version_id, act,
                    fence, lock_id, path, path_before
             FROM events WHERE workspace_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
            &[workspace.into(), after.into(), limit.into()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Placed {
                event: read(row)?,
                path: row.opt_text(14)?.map(str::to_owned),
                path_before: row.opt_text(15)?.map(str::to_owned),
            })
        })
        .collect()
}

/// Removes the oldest events up to the first that is not older than `before` or that a hook which is on has not read,
/// at most `limit` of them and never the newest; returns how many places were given up.
pub(crate) async fn prune(tx: &mut Tx, workspace: WorkspaceId, before: Timestamp, limit: u32) -> Result<u64> {
    let Some(ends) = workspaces::log_ends(tx, workspace).await? else { return Ok(0) };
    let unread = hooks::read_by_all(tx, workspace).await?.map_or(u64::MAX, |seq| seq.saturating_add(1));
    let end = ends.last.min(ends.first.saturating_add(limit.into())).min(unread);
    let kept = tx
        .query_opt(
            "SELECT seq FROM events WHERE workspace_id = $1 AND seq >= $2 AND seq < $3 AND at >= $4
             ORDER BY seq LIMIT 1",
            &[workspace.into(), ends.first.into(), end.into(), before.into()],
        )
        .await?;
    let first = kept.map_or(Ok(end), |row| row.count(0))?;
    if first <= ends.first {
        return Ok(0);
    }
    workspaces::set_first_seq(tx, workspace, first).await?;
    let values = [workspace.into(), first.into()];
    tx.execute("DELETE FROM events WHERE workspace_id = $1 AND seq < $2", &values).await?;
    Ok(first - ends.first)
}
