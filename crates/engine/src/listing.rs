//! Lists: pages, the tree below a folder, the versions of a file.

use std::collections::VecDeque;

use longshore_core::path::MAX_PATH_NAMES;
use longshore_core::wire::{MAX_PAGE, Node, NodeKind, Page, Version};
use longshore_core::{Code, Name, NodeId, WorkspacePath};

use crate::actor::Actor;
use crate::db::nodes::{NodeRow, Place};
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::narrowing::Need;
use crate::nodes::{live_node, readable_node};
use crate::read_clock::ReadClock;

/// How many items a page has when nothing is asked for.
const DEFAULT_PAGE: u32 = 100;

/// Which page of a list is wanted.
#[derive(Clone, Debug, Default)]
pub struct PageRequest {
    limit: Option<u32>,
    cursor: Option<String>,
}

impl PageRequest {
    /// Asks for `limit` items (1 to 1,000; 100 where left out) from where `cursor` leads.
    #[must_use]
    pub const fn new(limit: Option<u32>, cursor: Option<String>) -> Self {
        Self { limit, cursor }
    }

    pub(crate) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    pub(crate) fn limit(&self) -> u32 {
        self.limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE)
    }
}

/// How far below a folder a list goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// So many levels; 1 lists the children.
    Levels(u32),
    /// All there are.
    All,
}

impl Depth {
    const fn goes_below(self, level: usize) -> bool {
        match self {
            Self::Levels(levels) => level < levels as usize,
            Self::All => true,
        }
    }
}

/// A folder that a walk is in: where in it the walk is, and children already read.
pub(crate) struct Frame {
    folder: NodeId,
    path: WorkspacePath,
    after: String,
    fetched: VecDeque<NodeRow>,
}

impl Frame {
    fn new(folder: NodeId, path: WorkspacePath, after: String) -> Self {
        Self { folder, path, after, fetched: VecDeque::new() }
    }

    /// Returns the path of a child.
    fn below(&self, child: &NodeRow) -> Result<WorkspacePath> {
        let mut names = self.path.names().to_vec();
        names.push(Name::new(child.name.as_str()).map_err(Error::corrupt)?);
        Ok(WorkspacePath::of_names(names))
    }

    async fn next(&mut self, tx: &mut Tx, wanted: u32) -> Result<Option<NodeRow>> {
        if self.fetched.is_empty() {
            self.fetched = db::nodes::children(tx, self.folder, &self.after, wanted).await?.into();
        }
        let next = self.fetched.pop_front();
        if let Some(row) = &next {
            self.after.clone_from(&row.name);
        }
        Ok(next)
    }
}

/// How far one call walks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stride {
    pub(crate) depth: Depth,
    /// How many nodes it finds at most.
    pub(crate) limit: u32,
    /// How many nodes it looks at at most.
    pub(crate) looks: u32,
}

/// Walks depth first, by name, from where `frames` stands, and gives the nodes that `fits` takes.
pub(crate) async fn walk(
    tx: &mut Tx,
    frames: &mut Vec<Frame>,
    Stride { depth, limit, looks }: Stride,
    clock: &mut ReadClock,
    fits: impl Fn(&NodeRow) -> bool,
) -> Result<Vec<Node>> {
    let mut items = Vec::new();
    let mut left = looks;
    while items.len() < limit as usize && left > 0 {
        let level = frames.len();
        let Some(frame) = frames.last_mut() else {
            break;
        };
        let Some(row) = frame.next(tx, left.min(MAX_PAGE)).await? else {
            frames.pop();
            continue;
        };
        left -= 1;
        let path = frame.below(&row)?;
        if row.kind == NodeKind::Folder && depth.goes_below(level) {
            frames.push(Frame::new(row.id, path.clone(), String::new()));
        }
        if fits(&row) {
            items.push(clock.node(tx, row, Place { path, ..Place::default() }).await?);
        }
    }
    Ok(items)
}

/// A walk's cursor: the folder it began in, and the last name seen in each folder that it is in, from there down.
/// The names are those of one path, so a cursor is little longer than one.
pub(crate) type WalkCursor = (NodeId, Vec<String>);

/// Takes a walk up again. A folder that was moved or trashed since ends the walk in it, not the walk.
pub(crate) async fn resume(
    tx: &mut Tx,
    base: NodeId,
    path: WorkspacePath,
    cursor: WalkCursor,
) -> Result<Vec<Frame>> {
    let (began, names) = cursor;
    if began != base || names.is_empty() || names.len() > MAX_PATH_NAMES + 1 {
        return Err(Error::new(Code::InvalidCursor, "this cursor belongs to another folder"));
    }
    let mut frames: Vec<Frame> = Vec::with_capacity(names.len());
    for after in names {
        let Some(parent) = frames.last() else {
            frames.push(Frame::new(base, path.clone(), after));
            continue;
        };
        let child = db::nodes::child(tx, parent.folder, &parent.after).await?;
        let Some(folder) = child.filter(|row| row.kind == NodeKind::Folder) else {
            break;
        };
        let path = parent.below(&folder)?;
        frames.push(Frame::new(folder.id, path, after));
    }
    Ok(frames)
}

/// Returns the cursor of a walk that goes on later; nothing where it has come to its end.
pub(crate) fn pause(base: NodeId, frames: Vec<Frame>) -> Option<WalkCursor> {
    let names: Vec<String> = frames.into_iter().map(|frame| frame.after).collect();
    (!names.is_empty()).then_some((base, names))
}

impl Engine {
    /// Lists the nodes below a folder, depth first, by name in byte order.
    pub async fn tree(
        &self,
        actor: &Actor,
        folder: NodeId,
        depth: Depth,
        page: PageRequest,
    ) -> Result<Page<Node>> {
        let (limit, clock) = (page.limit(), self.read_clock());
        let places: Option<WalkCursor> = self.place_of(&page)?;
        let actor = actor.clone();
        let (items, next) = self
            .db()
            .read(move |tx| {
                let (actor, places, mut clock) = (actor.clone(), places.clone(), clock.clone());
                Box::pin(async move {
                    let (row, place) = live_node(tx, &actor, folder).await?;
                    actor.needs(row.workspace, Need::READ)?;
                    if row.kind != NodeKind::Folder {
                        return Err(Error::new(Code::NotAFolder, format!("{} is a file", place.path)));
                    }
                    let start = places.unwrap_or_else(|| (folder, vec![String::new()]));
                    let mut frames = resume(tx, folder, place.path, start).await?;
                    let stride = Stride { depth, limit, looks: limit };
                    let items = walk(tx, &mut frames, stride, &mut clock, |_| true).await?;
                    Ok((items, pause(folder, frames)))
                })
            })
            .await?;
        self.page(items, next)
    }

    /// Lists the versions of a file, newest first.
    pub async fn list_versions(
        &self,
        actor: &Actor,
        file: NodeId,
        page: PageRequest,
    ) -> Result<Page<Version>> {
        let limit = page.limit();
        let before = self.place_of(&page)?.unwrap_or(i64::MAX as u64);
        let actor = actor.clone();
        let items = self
            .db()
            .read(move |tx| {
                let actor = actor.clone();
                Box::pin(async move {
                    readable_node(tx, &actor, file).await?;
                    db::versions::list(tx, file, before, limit).await
                })
            })
            .await?;
        self.page_by(&page, items, |version| version.number)
    }
}
