//! What an undo would change, and what stands in its way: found without changing anything.
//!
//! Undo goes by states, not by inverse steps: a node goes back to what it was before the first of the acts that
//! changed it, and only where nobody else has changed it since. So the order of the acts, names that were
//! swapped and folders that went into each other need no thought; what needs some is whether all the nodes
//! together, and what others have made meanwhile, still make a tree.

use std::collections::{HashMap, HashSet};

use longshore_core::wire::{NodeKind, UndoChange, UndoConflict, UndoObstacle, UndoStep};
use longshore_core::{Code, ErrorKind, Name, NodeId, VersionId, WorkspacePath};

use crate::db::history::{Changed, First, Picked, Trace};
use crate::db::nodes::{NodeRow, Place, State};
use crate::db::{self, Tx};
use crate::error::{Error, Result};
use crate::nodes::ensure_fits;

/// How many acts an answer names.
const TOLD_ACTS: usize = 1_000;

/// How many children of a folder are looked at in one query.
const PAGE: u32 = 500;

/// A node that the undo changes.
#[derive(Debug)]
pub(super) struct Goal {
    /// The node as it is.
    pub(super) row: NodeRow,
    /// Where it is.
    pub(super) place: Place,
    /// What it is to be; one that was not there goes to the trash.
    pub(super) to: State,
    /// Where it is to be.
    pub(super) to_path: WorkspacePath,
    /// The event before which it stands again.
    pub(super) first: u64,
    /// It was not there before.
    absent: bool,
    /// It was not there before, and is or goes in the trash with a folder above it.
    pub(super) covered: bool,
    /// That folder is in the trash already, so that nothing happens to it.
    pub(super) gone: bool,
}

impl Goal {
    /// Whether it takes its name in its folder when all is done.
    fn stands(&self) -> bool {
        self.covered || !self.to.trashed
    }

    /// Whether it takes a name in a folder that it does not take now.
    pub(super) fn arrives(&self) -> bool {
        self.stands() && !self.covered && (self.row.trashed_at.is_some() || self.moves())
    }

    pub(super) fn moves(&self) -> bool {
        self.to.parent_id != self.row.parent || self.to.name != self.row.name
    }

    pub(super) fn goes_to_trash(&self) -> bool {
        self.to.trashed && self.row.trashed_at.is_none()
    }

    /// The version whose content comes back.
    pub(super) fn content(&self) -> Option<VersionId> {
        self.to.version_id.filter(|_| self.to.version_id != self.row.version)
    }

    pub(super) fn steps(&self) -> Vec<UndoStep> {
        let steps = [
            (UndoStep::Restore, !self.to.trashed && self.row.trashed_at.is_some()),
            (UndoStep::Move, self.moves()),
            (UndoStep::Content, self.content().is_some()),
            (UndoStep::Metadata, self.to.metadata != self.row.metadata),
            (UndoStep::Labels, self.to.labels != self.row.labels),
            (UndoStep::Trash, self.goes_to_trash()),
        ];
        steps.into_iter().filter(|(_, due)| *due).map(|(step, _)| step).collect()
    }

    pub(super) fn change(&self) -> UndoChange {
        let content = self.content();
        UndoChange {
            node_id: self.row.id,
            kind: self.row.kind,
            undoes: self.first,
            steps: self.steps(),
            path: self.place.path.clone(),
            to_path: self.to_path.clone(),
            from_version: self.row.version.filter(|_| content.is_some()),
            to_version: content,
        }
    }
}

/// What an undo would change, and what stands in its way.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) goals: Vec<Goal>,
    pub(super) conflicts: Vec<UndoConflict>,
    /// The acts that are undone, oldest first: as many as are told of.
    pub(super) acts: Vec<u64>,
}

/// A node's place as it will be.
#[derive(Clone, Debug)]
struct Spot {
    parent: Option<NodeId>,
    name: String,
    kind: NodeKind,
    trashed: bool,
}

/// The way up from a node as it will be.
#[derive(Debug, Default)]
struct Ascent {
    /// From the node up, the root left out.
    names: Vec<String>,
    /// The nearest folder above it that will be in the trash.
    trashed: Option<NodeId>,
    /// What makes the way lead nowhere.
    broken: Option<(NodeId, UndoObstacle)>,
}

struct Planner<'t> {
    tx: &'t mut Tx,
    picked: Picked,
    /// How many nodes may be looked at.
    left: usize,
    goals: Vec<Goal>,
    by_id: HashMap<NodeId, usize>,
    /// Nodes that stay as they are.
    others: HashMap<NodeId, Option<Spot>>,
    conflicts: Vec<UndoConflict>,
    told: HashSet<(NodeId, UndoObstacle)>,
}

/// Finds out what undoing the picked acts would change; refuses what is nothing, and what is too much.
pub(super) async fn plan(tx: &mut Tx, picked: Picked, most: usize) -> Result<Plan> {
    let Changed { firsts, acts } = db::history::changed(tx, picked, most + 1, TOLD_ACTS).await?;
    if firsts.is_empty() {
        return Err(Error::new(Code::NotUndoable, "these acts changed no node"));
    }
    if firsts.len() > most {
        return Err(too_many(most));
    }
    let mut planner = Planner {
        tx,
        picked,
        left: most,
        goals: Vec::new(),
        by_id: HashMap::new(),
        others: HashMap::new(),
        conflicts: Vec::new(),
        told: HashSet::new(),
    };
    for first in firsts {
        planner.aim(first).await?;
    }
    planner.cover().await?;
    planner.place().await?;
    planner.look_below(most).await?;
    Ok(Plan { goals: planner.goals, conflicts: planner.conflicts, acts })
}

fn too_many(most: usize) -> Error {
    let detail = format!("one undo touches at most {most} nodes: undo act by act");
    Error::new(Code::TooManyNodes, detail)
}

impl Planner<'_> {
    /// Says what a node is to be, unless it is so already, and whether others have changed it since.
    async fn aim(&mut self, first: First) -> Result<()> {
        let Some(row) = self.node(first.node).await? else {
            if first.before.is_some() {
                self.refuse(first.node, first.path, UndoObstacle::NodePurged, None);
            }
            return Ok(());
        };
        let absent = first.before.is_none();
        let to = first.before.unwrap_or_else(|| State { trashed: true, ..row.state() });
        if to == row.state() {
            return Ok(());
        }
        // No act of here takes the root from its place or makes another one: an archive can say so.
        let is_root = row.parent.is_none();
        if is_root != to.parent_id.is_none() || is_root && (to.trashed || to.name != row.name) {
            self.refuse(row.id, first.path, UndoObstacle::NodePurged, None);
            return Ok(());
        }
        let place = db::nodes::place(self.tx, row.id).await?;
        if let Some(trace) = db::history::other(self.tx, row.id, first.seq, self.picked).await? {
            self.refuse(row.id, place.path.clone(), UndoObstacle::Changed, Some(trace));
        }
        self.by_id.insert(row.id, self.goals.len());
        let to_path = place.path.clone();
        self.goals.push(Goal {
            row,
            place,
            to,
            to_path,
            first: first.seq,
            absent,
            covered: false,
            gone: false,
        });
        Ok(())
    }

    /// Returns a node of the workspace. What is elsewhere is not there, whatever the log says of it: an imported one says what
    /// somebody wrote into an archive.
    async fn node(&mut self, id: NodeId) -> Result<Option<NodeRow>> {
        let found = db::nodes::get(self.tx, id).await?;
        Ok(found.filter(|row| row.workspace == self.picked.workspace))
    }

    /// Leaves where it is what was not there before and goes to the trash with a folder above it: it comes back
    /// with that folder.
    async fn cover(&mut self) -> Result<()> {
        for place in 0..self.goals.len() {
            let goal = &self.goals[place];
            if !goal.absent {
                continue;
            }
            if let Some(folder) = self.ascend(place).await?.trashed {
                self.goals[place].covered = true;
                self.goals[place].gone = !self.by_id.contains_key(&folder);
            }
        }
        Ok(())
    }

    /// Returns a node's place as it will be; nothing where the node was purged.
    async fn spot(&mut self, id: NodeId) -> Result<Option<Spot>> {
        if let Some(place) = self.by_id.get(&id) {
            let goal = &self.goals[*place];
            return Ok(Some(Spot {
                parent: goal.to.parent_id,
                name: goal.to.name.clone(),
                kind: goal.row.kind,
                trashed: !goal.stands(),
            }));
        }
        if !self.others.contains_key(&id) {
            let spot = self.node(id).await?.map(|row| Spot {
                parent: row.parent,
                name: row.name,
                kind: row.kind,
                trashed: row.trashed_at.is_some(),
            });
            self.others.insert(id, spot);
        }
        Ok(self.others.get(&id).cloned().flatten())
    }

    /// Walks up from a goal through the tree as it will be.
    async fn ascend(&mut self, place: usize) -> Result<Ascent> {
        let goal = &self.goals[place];
        let mut ascent = Ascent { names: vec![goal.to.name.clone()], ..Ascent::default() };
        let mut seen = HashSet::from([goal.row.id]);
        let mut above = goal.to.parent_id;
        if above.is_none() {
            ascent.names.clear();
        }
        while let Some(id) = above {
            let spot = self.spot(id).await?;
            let Some(spot) = spot.filter(|spot| spot.kind == NodeKind::Folder) else {
                ascent.broken = Some((id, UndoObstacle::NodePurged));
                break;
            };
            if !seen.insert(id) {
                ascent.broken = Some((id, UndoObstacle::IntoItself));
                break;
            }
            if spot.trashed && ascent.trashed.is_none() {
                ascent.trashed = Some(id);
            }
            if spot.parent.is_some() {
                ascent.names.push(spot.name);
            }
            above = spot.parent;
        }
        Ok(ascent)
    }

    /// Looks whether each goal has a place to be at: a folder that stands, a name that is free, a path that fits,
    /// and the content that comes back.
    async fn place(&mut self) -> Result<()> {
        let mut taken = HashMap::new();
        for goal in self.goals.iter().filter(|goal| goal.stands() && !goal.arrives()) {
            taken.insert((goal.to.parent_id, goal.to.name.clone()), goal.row.id);
        }
        for place in 0..self.goals.len() {
            let ascent = self.ascend(place).await?;
            let goal = &self.goals[place];
            let (id, path, first, arrives) =
                (goal.row.id, goal.place.path.clone(), goal.first, goal.arrives());
            if let Some(version) = goal.content()
                && db::versions::get(self.tx, id, version).await?.is_none()
            {
                self.refuse(id, path.clone(), UndoObstacle::VersionPurged, None);
            }
            if let Some((in_the_way, obstacle)) = ascent.broken {
                self.refuse_node(in_the_way, obstacle).await?;
                continue;
            }
            let names =
                ascent.names.iter().rev().map(|name| Name::new(name.as_str()).map_err(Error::corrupt));
            let to_path = WorkspacePath::of_names(names.collect::<Result<_>>()?);
            let goal = &mut self.goals[place];
            goal.to_path.clone_from(&to_path);
            if !goal.stands() || goal.covered {
                continue;
            }
            // A folder that was in the trash already, or that this very undo puts there, takes along what was in it.
            if let Some(folder) = ascent.trashed.filter(|folder| !self.by_id.contains_key(folder))
                && let Some(trace) = db::history::other(self.tx, folder, first, self.picked).await?
            {
                let path = db::nodes::place(self.tx, folder).await?.path;
                self.refuse(folder, path, UndoObstacle::InTrash, Some(trace));
            }
            if arrives {
                self.ensure_free(place, &mut taken).await?;
                match ensure_fits(self.tx, &self.goals[place].row, &path, &to_path).await {
                    Err(error) if error.kind() == ErrorKind::Invalid => {
                        self.refuse(id, path, UndoObstacle::PathTooLong, None);
                    }
                    fits => fits?,
                }
            }
        }
        Ok(())
    }

    async fn ensure_free(
        &mut self,
        place: usize,
        taken: &mut HashMap<(Option<NodeId>, String), NodeId>,
    ) -> Result<()> {
        let goal = &self.goals[place];
        let (id, parent, name) = (goal.row.id, goal.to.parent_id, goal.to.name.clone());
        let Some(folder) = parent else { return Ok(()) };
        if let Some(other) = taken.insert((parent, name.clone()), id) {
            return self.refuse_node(other, UndoObstacle::NameTaken).await;
        }
        match db::nodes::child(self.tx, folder, &name).await? {
            Some(child) if !self.by_id.contains_key(&child.id) => {
                self.refuse_node(child.id, UndoObstacle::NameTaken).await
            }
            _ => Ok(()),
        }
    }

    /// Looks below each folder that goes to the trash: what others have changed there must not go with it.
    async fn look_below(&mut self, most: usize) -> Result<()> {
        let mut inside: HashMap<NodeId, Vec<usize>> = HashMap::new();
        for (place, goal) in self.goals.iter().enumerate() {
            if let Some(parent) = goal.to.parent_id.filter(|_| goal.stands()) {
                inside.entry(parent).or_default().push(place);
            }
        }
        let tops = self.goals.iter().filter(|goal| goal.goes_to_trash() && !goal.covered);
        let mut folders: Vec<_> = tops.map(|goal| (goal.row.id, goal.first)).collect();
        while let Some((folder, since)) = folders.pop() {
            let mut below = Vec::new();
            for place in inside.get(&folder).map_or(&[][..], Vec::as_slice) {
                let goal = &self.goals[*place];
                let since = if goal.absent { since.min(goal.first) } else { since };
                below.push((goal.row.id, goal.row.kind, since));
            }
            let mut after = String::new();
            loop {
                let page = db::nodes::children(self.tx, folder, &after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after.clone_from(&last.name);
                self.left = self.left.checked_sub(page.len()).ok_or_else(|| too_many(most))?;
                let untouched = page.iter().filter(|row| !self.by_id.contains_key(&row.id));
                below.extend(untouched.map(|row| (row.id, row.kind, since)));
            }
            for (id, kind, since) in below {
                if let Some(trace) = db::history::other(self.tx, id, since, self.picked).await? {
                    let path = db::nodes::place(self.tx, id).await?.path;
                    self.refuse(id, path, UndoObstacle::Changed, Some(trace));
                }
                if kind == NodeKind::Folder {
                    folders.push((id, since));
                }
            }
        }
        Ok(())
    }

    /// Notes that a node stands in the way as it is.
    async fn refuse_node(&mut self, id: NodeId, reason: UndoObstacle) -> Result<()> {
        // Of what is not of this workspace nothing is told, its path neither.
        let path = match self.node(id).await? {
            Some(_) => db::nodes::place(self.tx, id).await?.path,
            None => WorkspacePath::root(),
        };
        let trace = db::history::newest(self.tx, self.picked.workspace, id).await?;
        self.refuse(id, path, reason, trace);
        Ok(())
    }

    fn refuse(&mut self, node_id: NodeId, path: WorkspacePath, reason: UndoObstacle, trace: Option<Trace>) {
        if self.told.insert((node_id, reason)) {
            let (seq, actor) = (trace.map(|trace| trace.seq), trace.map(|trace| trace.actor));
            self.conflicts.push(UndoConflict { node_id, path, reason, seq, actor });
        }
    }
}
