//! Folders and files as one zip, made while it is sent: nothing is put on disk, and nothing is collected but a line
//! for each entry.
//!
//! Contents lie in it as they are, uncompressed: most large files are compressed already, and so the length can be
//! told beforehand. Each entry is the version that stood when the walk came by. A small selection is looked at whole, in
//! one reading, before the first byte is sent; in a large one a file that is trashed before its turn is left out. What cannot be
//! read breaks the archive off: it is never shorter than it should be without being broken. So does a right that ends: each page
//! and each batch of contents asks for it anew.
//!
//! Names stand in it as they are in the workspace: none holds `/` or is `..`, so by the format's own rules nothing is
//! unpacked outside of the folder that was chosen. What other systems make of `\`, `:` or `CON` is for the unpacking
//! program to guard.

mod write;
mod zip;

use std::collections::HashSet;

use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use longshore_core::wire::{MOST_ARCHIVED, Node, NodeKind, Version};
use longshore_core::{Code, Name, NodeId, VersionId, WorkspaceId, WorkspacePath};

use self::write::{Member, Writing};
use crate::actor::Actor;
use crate::db::{self, Tx};
use crate::download::{ContentStream, Stored, content_of};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::listing::{Depth, Stride, WalkCursor, pause, resume, walk};
use crate::nodes::live_node;
use crate::read_clock::ReadClock;

/// An archive of at most so many entries is looked at whole before it is sent.
const LOOKED_AT_WHOLE: usize = 256;

/// How many nodes are listed at once.
const PAGE: u32 = 500;

/// How many contents are looked up at once, ahead of the one that is sent.
const BATCH: usize = 64;

/// How many items of a selection are looked up at once.
const AT_ONCE: usize = 8;

/// What an archive of a selection is called.
const SELECTION: &str = "files";

/// Something that an archive is to hold, with all that is below it.
#[derive(Clone, Debug)]
pub enum ArchiveItem {
    /// By its id.
    Node(NodeId),
    /// By its path in the workspace.
    Path(WorkspacePath),
}

/// A zip that is about to be sent.
pub struct Archive {
    name: String,
    length: Option<u64>,
    bytes: ContentStream,
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, length, bytes: _ } = self;
        f.debug_struct("Archive").field("name", name).field("length", length).finish_non_exhaustive()
    }
}

impl Archive {
    /// Returns what the archive is called, with `.zip` at its end.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns how many bytes it has, where that is known beforehand.
    #[must_use]
    pub const fn length(&self) -> Option<u64> {
        self.length
    }

    /// Gives its bytes.
    #[must_use]
    pub fn into_bytes(self) -> ContentStream {
        self.bytes
    }
}

/// A node with the name that it has in the archive: a path of names, `/` between them and none at the ends.
#[derive(Clone, Debug)]
struct Listed {
    name: String,
    node: Node,
}

/// The walk below one of the nodes that were asked for.
struct Walking {
    workspace: WorkspaceId,
    folder: NodeId,
    /// What stands before each path.
    name: String,
    cursor: Option<WalkCursor>,
}

/// Returns a name that none in the archive's root has.
fn free_name(taken: &mut HashSet<String>, name: &Name) -> String {
    let mut free = name.to_string();
    // It ends: as many names are taken as there are items before this one.
    let mut number = 2;
    while !taken.insert(free.clone()) {
        free = name.numbered(number).to_string();
        number += 1;
    }
    free
}

impl Engine {
    /// Makes a zip of a folder and all below it, or of a file.
    pub async fn archive(&self, actor: &Actor, node: NodeId) -> Result<Archive> {
        let node = self.archived(actor, node).await?;
        let name = match node.path.split_last() {
            Some((_, name)) => name.to_string(),
            None => self.workspace(actor, node.workspace_id).await?.name,
        };
        self.archive_of(actor, name, vec![node]).await
    }

    /// Makes a zip of folders and files of one workspace, 1 to 1,000 of them, with all that is below.
    pub async fn archive_selection(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        items: Vec<ArchiveItem>,
    ) -> Result<Archive> {
        if items.is_empty() || items.len() > MOST_ARCHIVED {
            let detail = format!("`items` are 1 to {MOST_ARCHIVED} folders and files");
            return Err(Error::new(Code::InvalidBody, detail));
        }
        self.workspace(actor, workspace).await?;
        let found = stream::iter(items).map(async |item| match item {
            ArchiveItem::Node(id) => {
                let node = self.archived(actor, id).await?;
                let is_here = node.workspace_id == workspace;
                let not_here =
                    || Error::new(Code::NodeNotFound, format!("no folder or file {id} in this workspace"));
                is_here.then_some(node).ok_or_else(not_here)
            }
            ArchiveItem::Path(path) => self.node_at(actor, workspace, path).await,
        });
        let mut nodes: Vec<Node> = found.buffered(AT_ONCE).try_collect().await?;
        if let Some(root) = nodes.iter().position(|node| node.path.is_root()) {
            // All others lie in it, and what is in it is in the archive's root: each would be there twice.
            nodes = vec![nodes.swap_remove(root)];
        }
        self.archive_of(actor, SELECTION.to_owned(), nodes).await
    }

    async fn archived(&self, actor: &Actor, id: NodeId) -> Result<Node> {
        let node = self.node(actor, id).await?;
        if node.trashed_at.is_some() {
            let detail = format!("{} is in the trash: restore it first", node.path);
            return Err(Error::new(Code::InTrash, detail));
        }
        Ok(node)
    }

    pub(crate) async fn archive_of(&self, actor: &Actor, name: String, nodes: Vec<Node>) -> Result<Archive> {
        let (engine, actor) = (self.clone(), actor.clone());
        let mut taken = HashSet::new();
        let named = nodes.into_iter().map(|node| match node.path.split_last() {
            Some((_, name)) => Listed { name: free_name(&mut taken, name), node },
            // What is in a workspace's root is in the archive's.
            None => Listed { name: String::new(), node },
        });
        let named: Vec<_> = named.collect();
        if let Some(members) = self.of_one_moment(&actor, &named).await? {
            let length = Some(zip::length(members.iter().map(Member::entry)));
            let members = stream::iter(members).map(Ok).boxed();
            return Ok(Archive {
                name: format!("{name}.zip"),
                length,
                bytes: Writing::new(members).into_bytes(),
            });
        }
        let listed = stream::iter(named).flat_map({
            let (engine, actor) = (engine.clone(), actor.clone());
            move |item| engine.listed(actor.clone(), item)
        });
        // A batch is opened in one go and to its end: nobody who reads slowly holds a connection of the database.
        let members = stream::try_unfold(listed.boxed(), move |mut listed| {
            let (engine, actor) = (engine.clone(), actor.clone());
            async move {
                let batch: Vec<_> = listed.by_ref().take(BATCH).try_collect().await?;
                if batch.is_empty() {
                    return Ok(None);
                }
                let members = engine.members(&actor, batch).await?;
                Ok::<_, Error>(Some((stream::iter(members).map(Ok), listed)))
            }
        });
        let mut members: BoxStream<'static, Result<Member>> = members.try_flatten().boxed();
        // What cannot be read at all is said before anything is sent.
        let first = members.next().await.transpose()?;
        let members = stream::iter(first).map(Ok).chain(members).boxed();
        Ok(Archive { name: format!("{name}.zip"), length: None, bytes: Writing::new(members).into_bytes() })
    }

    /// Opens nodes and all that is below them in one reading; nothing where that is more than is looked at whole.
    async fn of_one_moment(&self, actor: &Actor, named: &[Listed]) -> Result<Option<Vec<Member>>> {
        if named.len() > LOOKED_AT_WHOLE {
            return Ok(None);
        }
        let (actor, clock, named) = (actor.clone(), self.read_clock(), named.to_vec());
        let found = self.db().read(move |tx| {
            let (actor, clock, named) = (actor.clone(), clock.clone(), named.clone());
            Box::pin(async move { open_all(tx, &actor, named, &clock).await })
        });
        Ok(found.await?.map(|found| found.into_iter().map(|found| self.member(found)).collect()))
    }

    fn member(&self, Opened { name, node, content }: Opened) -> Member {
        match content {
            None => Member::folder(&name, node.updated_at),
            Some((version, stored)) => {
                Member::file(name, Self::content((node, version, stored), self.store()))
            }
        }
    }

    /// Lists a node and all that is below it, page by page, while the archive is read.
    fn listed(&self, actor: Actor, item: Listed) -> BoxStream<'static, Result<Listed>> {
        let Listed { name, node } = &item;
        let walking = (node.kind == NodeKind::Folder).then(|| Walking {
            workspace: node.workspace_id,
            folder: node.id,
            name: name.clone(),
            cursor: Some((node.id, vec![String::new()])),
        });
        // A root has no name, and so no entry.
        let itself = stream::iter((!name.is_empty()).then_some(Ok(item)));
        let engine = self.clone();
        let below = stream::try_unfold(walking, move |walking| {
            let (engine, actor) = (engine.clone(), actor.clone());
            async move {
                let Some(mut walking) = walking else { return Ok(None) };
                let Some(cursor) = walking.cursor.take() else { return Ok(None) };
                let (nodes, cursor) = engine.below(&actor, &walking, cursor).await?;
                let listed: Vec<_> = nodes.into_iter().map(|node| walking.named(node)).collect();
                Ok::<_, Error>(Some((stream::iter(listed).map(Ok), Some(Walking { cursor, ..walking }))))
            }
        });
        itself.chain(below.try_flatten()).boxed()
    }

    /// Lists a page of what is below a folder, with paths that begin in it: it may be moved in the meantime.
    async fn below(
        &self,
        actor: &Actor,
        &Walking { workspace, folder, .. }: &Walking,
        cursor: WalkCursor,
    ) -> Result<(Vec<Node>, Option<WalkCursor>)> {
        let (actor, clock, now) = (actor.clone(), self.read_clock(), self.now());
        self.db()
            .read(move |tx| {
                let (actor, cursor, mut clock) = (actor.clone(), cursor.clone(), clock.clone());
                Box::pin(async move {
                    let actor = db::access::reader_now(tx, &actor, workspace, now).await?;
                    live_node(tx, &actor, folder).await?;
                    let mut frames = resume(tx, folder, WorkspacePath::root(), cursor).await?;
                    let stride = Stride { depth: Depth::All, limit: PAGE, looks: PAGE };
                    let nodes = walk(tx, &mut frames, stride, &mut clock, |_| true).await?;
                    Ok((nodes, pause(folder, frames)))
                })
            })
            .await
    }

    /// Opens what was listed, as it stands at one moment, and leaves out what has gone since.
    async fn members(&self, actor: &Actor, batch: Vec<Listed>) -> Result<Vec<Member>> {
        // A selection is of one workspace.
        let Some(workspace) = batch.first().map(|listed| listed.node.workspace_id) else {
            return Ok(Vec::new());
        };
        let files = batch.iter().filter(|listed| listed.node.kind == NodeKind::File);
        let files: Vec<_> = files.map(|listed| (listed.node.id, listed.node.version_id)).collect();
        let (actor, clock, now) = (actor.clone(), self.read_clock(), self.now());
        let found = self.db().read(move |tx| {
            let (actor, clock, files) = (actor.clone(), clock.clone(), files.clone());
            Box::pin(async move {
                let actor = db::access::reader_now(tx, &actor, workspace, now).await?;
                let mut found = Vec::with_capacity(files.len());
                for (file, version) in files {
                    found.push(open(tx, &actor, file, version, &clock).await?);
                }
                Ok(found)
            })
        });
        let mut found = found.await?.into_iter();
        let opened = batch.into_iter().filter_map(|Listed { name, node }| match node.kind {
            NodeKind::Folder => Some(Member::folder(&name, node.updated_at)),
            NodeKind::File => {
                let content = Self::content(found.next()??, self.store());
                Some(Member::file(name, content))
            }
        });
        Ok(opened.collect())
    }
}

/// A node that was looked up; of a file, with its content.
struct Opened {
    name: String,
    node: Node,
    content: Option<(Version, Stored)>,
}

/// Opens nodes and all that is below them; nothing where that is more than is looked at whole.
async fn open_all(
    tx: &mut Tx,
    actor: &Actor,
    named: Vec<Listed>,
    clock: &ReadClock,
) -> Result<Option<Vec<Opened>>> {
    let mut found = Vec::new();
    for Listed { name, node } in named {
        if node.kind == NodeKind::File {
            // What stands now, and not what stood when the request was read.
            if let Some((node, version, stored)) = open(tx, actor, node.id, None, clock).await? {
                found.push(Opened { name, node, content: Some((version, stored)) });
            }
            continue;
        }
        live_node(tx, actor, node.id).await?;
        let below =
            Walking { workspace: node.workspace_id, folder: node.id, name: name.clone(), cursor: None };
        let begin = (node.id, vec![String::new()]);
        let mut frames = resume(tx, node.id, WorkspacePath::root(), begin).await?;
        // A root has no name, and so no entry.
        if !name.is_empty() {
            found.push(Opened { name, node, content: None });
        }
        // One more than may be: where there is one, it is seen.
        let limit = u32::try_from((LOOKED_AT_WHOLE + 1).saturating_sub(found.len())).unwrap_or(1);
        let stride = Stride { depth: Depth::All, limit, looks: limit };
        let nodes = walk(tx, &mut frames, stride, &mut clock.clone(), |_| true).await?;
        // Seen before any content is looked up in vain.
        if found.len() + nodes.len() > LOOKED_AT_WHOLE || pause(below.folder, frames).is_some() {
            return Ok(None);
        }
        for node in nodes {
            let Listed { name, node } = below.named(node);
            let content = match node.kind {
                NodeKind::Folder => None,
                NodeKind::File => match open(tx, actor, node.id, None, clock).await? {
                    Some((_, version, stored)) => Some((version, stored)),
                    None => continue,
                },
            };
            found.push(Opened { name, node, content });
        }
    }
    Ok((found.len() <= LOOKED_AT_WHOLE).then_some(found))
}

/// Finds the content of a file that was listed; nothing where the file has gone since.
async fn open(
    tx: &mut Tx,
    actor: &Actor,
    file: NodeId,
    version: Option<VersionId>,
    clock: &ReadClock,
) -> Result<Option<(Node, Version, Stored)>> {
    let (row, place) = match live_node(tx, actor, file).await {
        Err(error) if matches!(error.code(), Code::NodeNotFound | Code::InTrash) => return Ok(None),
        found => found?,
    };
    match content_of(tx, row.clone(), place.clone(), version, clock.clone()).await {
        // The version was removed, though the file stands: what stands now is as good.
        Err(error) if error.code() == Code::VersionNotFound => {
            content_of(tx, row, place, None, clock.clone()).await.map(Some)
        }
        found => found.map(Some),
    }
}

impl Walking {
    fn named(&self, node: Node) -> Listed {
        let mut name = self.name.clone();
        for part in node.path.names() {
            if !name.is_empty() {
                name.push('/');
            }
            name.push_str(part.as_str());
        }
        Listed { name, node }
    }
}
