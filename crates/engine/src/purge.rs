//! Purging: what is removed here is gone. It only ever reaches what is in the trash.
//!
//! What is small goes in one act. What is large goes step by step, children before their folder, an act each: a
//! crash on the way leaves a smaller but whole tree in the trash. Blobs are left to the sweeper, which knows
//! whether a copy still shares them.

use std::time::Duration;

use longshore_core::wire::{NodeKind, Purged};
use longshore_core::{Code, NodeId, Timestamp, WorkspaceId};
use serde_json::json;

use crate::act::{Act, Ask, Premises, Scope};
use crate::actor::Actor;
use crate::db;
use crate::db::events::Change;
use crate::db::nodes::{NodeRow, Place};
use crate::db::purge::{Doomed, GROUP};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::narrowing::Need;
use crate::nodes::{root_refused, visible_node};
use crate::retention;

/// How many old versions of one file one statement removes.
const VERSIONS: u64 = 1_000;

/// How many children are looked at at once.
const CHILDREN: u32 = 500;

const DAY: Duration = Duration::from_hours(24);

/// Returns how long a number of days is.
pub(crate) fn days(number: u32) -> Duration {
    DAY.saturating_mul(number)
}

/// What a purge of the trash did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrashPurged {
    /// What was removed.
    pub purged: Purged,
    /// How many entries of the trash stayed because a lock covers them.
    pub locked: u64,
}

fn add(sum: &mut Purged, more: Purged) {
    sum.nodes += more.nodes;
    sum.versions += more.versions;
    sum.bytes += more.bytes;
}

fn counted(change: Change, purged: Purged) -> Change {
    change
        .with("nodes", json!(purged.nodes))
        .with("versions", json!(purged.versions))
        .with("bytes", json!(purged.bytes))
}

/// What of the trash a purge means. Each of its acts asks anew: what was restored and trashed again while the purge
/// waited or worked is not what was meant, and its content may be new.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Meant {
    /// All that is there.
    All,
    /// What came there before a time.
    Before(Timestamp),
    /// What the workspace's rules, as they are in the act, keep no longer.
    Outdated,
}

impl Meant {
    fn has(self, act: &Act<'_>, trashed_at: Timestamp) -> bool {
        match self {
            Self::All => true,
            Self::Before(time) => trashed_at < time,
            Self::Outdated => {
                let kept = act.log.settings().trash_days;
                kept.is_some_and(|kept| trashed_at < act.now().minus(days(kept)))
            }
        }
    }
}

/// Finds a node that is in the trash, that is meant, and that no lock of somebody else covers.
async fn doomed(act: &mut Act<'_>, id: NodeId, meant: Meant) -> Result<(NodeRow, Place)> {
    let row = visible_node(act.tx, act.log.actor(), id).await?;
    let place = db::nodes::place(act.tx, id).await?;
    act.check(Some(&row)).await?;
    if row.parent.is_none() {
        return Err(root_refused());
    }
    act.actor().narrowing().ensure_not_its_folder(id)?;
    let why = match place.trashed_at {
        Some(at) if meant.has(act, at) => None,
        Some(_) => Some("came to the trash later than what is to be purged"),
        None => Some("is not in the trash: put it there first"),
    };
    if let Some(why) = why {
        return Err(Error::new(Code::NotInTrash, format!("{} {why}", place.path)));
    }
    act.permit_whole(&row, &place).await?;
    Ok((row, place))
}

/// A removal under way in one act, that stops once it has removed so many rows.
struct Removal {
    left: u64,
    purged: Purged,
}

impl Removal {
    fn new(most: u64) -> Self {
        Self { left: most, purged: Purged::default() }
    }

    fn count(&mut self, purged: Purged) {
        self.left = self.left.saturating_sub(purged.nodes + purged.versions);
        add(&mut self.purged, purged);
    }

    async fn leaves(&mut self, act: &mut Act<'_>, ids: &[NodeId]) -> Result<()> {
        db::purge::end_locks(act.tx, ids, act.now()).await?;
        self.count(db::purge::nodes(act.tx, &mut act.log, ids).await?);
        Ok(())
    }

    /// Removes files; tells whether all of them are gone.
    async fn files(&mut self, act: &mut Act<'_>, files: &[Doomed]) -> Result<bool> {
        let (light, heavy): (Vec<&Doomed>, Vec<_>) =
            files.iter().partition(|file| file.versions <= GROUP as u64);
        for group in light.chunks(GROUP) {
            if self.left == 0 {
                return Ok(false);
            }
            self.leaves(act, &group.iter().map(|file| file.id).collect::<Vec<_>>()).await?;
        }
        for file in heavy {
            let row = db::nodes::get(act.tx, file.id).await?;
            let current = row.and_then(|row| row.version);
            let current =
                current.ok_or_else(|| Error::corrupt(format_args!("{} has no version", file.id)))?;
            let limit = self.left.min(VERSIONS);
            loop {
                if self.left == 0 {
                    return Ok(false);
                }
                let some = db::purge::old_versions(act.tx, &mut act.log, file.id, current, limit).await?;
                self.count(some);
                if some.versions < limit {
                    break;
                }
            }
            self.leaves(act, &[file.id]).await?;
        }
        Ok(true)
    }

    /// Removes a node after all that is below it; tells whether it is gone.
    async fn tree(&mut self, act: &mut Act<'_>, top: Doomed) -> Result<bool> {
        if top.kind == NodeKind::File {
            return self.files(act, &[top]).await;
        }
        let mut folders = vec![top.id];
        while let Some(folder) = folders.last().copied() {
            if self.left == 0 {
                return Ok(false);
            }
            let children = db::purge::children(act.tx, folder, CHILDREN).await?;
            if children.is_empty() {
                self.leaves(act, &[folder]).await?;
                folders.pop();
                continue;
            }
            let (files, below): (Vec<_>, Vec<_>) =
                children.into_iter().partition(|child| child.kind == NodeKind::File);
            if !self.files(act, &files).await? {
                return Ok(false);
            }
            folders.extend(below.into_iter().map(|child| child.id));
        }
        Ok(true)
    }

    /// The same for a node of the trash, with its event.
    async fn node(&mut self, act: &mut Act<'_>, row: &NodeRow, place: &Place) -> Result<bool> {
        let before = self.purged;
        let gone =
            self.tree(act, Doomed { id: row.id, kind: row.kind, versions: row.version_number }).await?;
        let change = match gone {
            true => Change::of("node.purged", row, &place.path).gone(),
            false => Change::of("node.purged_in_part", row, &place.path),
        };
        let purged = Purged {
            nodes: self.purged.nodes - before.nodes,
            versions: self.purged.versions - before.versions,
            bytes: self.purged.bytes - before.bytes,
            job_id: None,
        };
        act.record(counted(change, purged)).await?;
        Ok(gone)
    }
}

impl Engine {
    /// Removes a node of the trash for good, with all that is below it.
    ///
    /// What is small is gone with the answer. What is too much for one act is left to a job, whose id is the answer.
    pub async fn purge_node(&self, actor: &Actor, id: NodeId, premises: Premises) -> Result<Purged> {
        let ask = Ask { actor, need: Need::PURGE, scope: Scope::Node(id), premises };
        let most = self.settings().copied_nodes as u64;
        self.act(ask, (), move |act, ()| {
            Box::pin(async move {
                let (row, place) = doomed(act, id, Meant::All).await?;
                if db::purge::extent(act.tx, id, most + 1).await? > most {
                    return retention::purge_later(act, Some((id, &place))).await;
                }
                let mut removal = Removal::new(u64::MAX);
                removal.node(act, &row, &place).await?;
                Ok(removal.purged)
            })
        })
        .await
    }

    /// Removes all that is in a workspace's trash for good: at once, or as a job, as [`Engine::purge_node`] does.
    pub async fn empty_trash(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        premises: Premises,
    ) -> Result<Purged> {
        let ask = Ask { actor, need: Need::PURGE_WHOLE, scope: Scope::Workspace(workspace), premises };
        let most = self.settings().copied_nodes as u64;
        self.act(ask, (), move |act, ()| {
            Box::pin(async move {
                act.check_stated(None).await?;
                let Some(entries) = entries_up_to(act, most).await? else {
                    return retention::purge_later(act, None).await;
                };
                let mut removal = Removal::new(u64::MAX);
                for id in entries {
                    // One that was below another is gone with it.
                    let Some(row) = db::nodes::get(act.tx, id).await? else { continue };
                    let place = db::nodes::place(act.tx, id).await?;
                    act.permit_whole(&row, &place).await?;
                    removal.node(act, &row, &place).await?;
                }
                Ok(removal.purged)
            })
        })
        .await
    }

    /// Removes a node that came to the trash before a time for good, step by step; what stands meanwhile is a whole
    /// tree, and in the trash.
    ///
    /// `said` is told after each step what that has removed, and gives the purge up by an error.
    pub async fn purge_step_by_step(
        &self,
        actor: &Actor,
        id: NodeId,
        before: Timestamp,
        said: &mut (dyn FnMut(Purged) -> Result<()> + Send),
    ) -> Result<Purged> {
        self.purge_meant(actor, id, Meant::Before(before), said).await
    }

    async fn purge_meant(
        &self,
        actor: &Actor,
        id: NodeId,
        meant: Meant,
        said: &mut (dyn FnMut(Purged) -> Result<()> + Send),
    ) -> Result<Purged> {
        let (mut sum, most) = (Purged::default(), self.settings().purge_step);
        loop {
            let ask =
                Ask { actor, need: Need::PURGE, scope: Scope::Node(id), premises: Premises::of_a_rule() };
            let step = self.act(ask, (), move |act, ()| {
                Box::pin(async move {
                    let (row, place) = doomed(act, id, meant).await?;
                    let mut removal = Removal::new(most);
                    let gone = removal.node(act, &row, &place).await?;
                    Ok((removal.purged, gone))
                })
            });
            let (purged, gone) = step.await?;
            add(&mut sum, purged);
            said(purged)?;
            if gone {
                return Ok(sum);
            }
        }
    }

    /// Removes for good what went to a workspace's trash before a time. What is locked stays.
    pub async fn purge_trash_before(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        before: Timestamp,
        said: &mut (dyn FnMut(Purged) -> Result<()> + Send),
    ) -> Result<TrashPurged> {
        self.purge_each(actor, workspace, before, Meant::Before(before), said).await
    }

    /// Purges what is meant of all that seems to have gone to a workspace's trash before a time.
    pub(crate) async fn purge_each(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        before: Timestamp,
        meant: Meant,
        said: &mut (dyn FnMut(Purged) -> Result<()> + Send),
    ) -> Result<TrashPurged> {
        actor.needs(workspace, Need::PURGE_WHOLE)?;
        let (mut done, mut after) = (TrashPurged::default(), start());
        loop {
            let from = after.clone();
            let page = self.db().read(move |tx| {
                let from = from.clone();
                Box::pin(async move {
                    db::purge::trashed_before(tx, workspace, before, (from.0, &from.1), CHILDREN).await
                })
            });
            let page = page.await?;
            let Some((at, last)) = page.last() else { return Ok(done) };
            after = (*at, last.to_string());
            for (_, id) in page {
                match self.purge_meant(actor, id, meant, said).await {
                    Ok(purged) => add(&mut done.purged, purged),
                    Err(error) if error.code() == Code::Locked => done.locked += 1,
                    // Gone with the folder above it, or brought back meanwhile, and perhaps trashed again.
                    Err(error) if matches!(error.code(), Code::NodeNotFound | Code::NotInTrash) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
}

/// Lists all that is in the trash of the act's workspace; nothing where it is too much for one act.
async fn entries_up_to(act: &mut Act<'_>, most: u64) -> Result<Option<Vec<NodeId>>> {
    let (mut entries, mut extent, mut after) = (Vec::new(), 0, start());
    loop {
        let workspace = act.log.workspace();
        let page = db::purge::trashed_before(act.tx, workspace, END, (after.0, &after.1), CHILDREN).await?;
        let Some((at, last)) = page.last() else { return Ok(Some(entries)) };
        after = (*at, last.to_string());
        for (_, id) in page {
            extent += db::purge::extent(act.tx, id, most + 1).await?;
            entries.push(id);
            if extent > most {
                return Ok(None);
            }
        }
    }
}

/// After every time there is.
pub(crate) const END: Timestamp = Timestamp::from_micros(i64::MAX);

fn start() -> (Timestamp, String) {
    (Timestamp::from_micros(i64::MIN), String::new())
}
