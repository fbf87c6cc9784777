//! Nodes: finding them, and changing everything but content.

use longshore_core::path::{MAX_PATH_BYTES, MAX_PATH_NAMES};
use longshore_core::wire::{Labels, Metadata, Node, NodeKind, UpdateNode};
use longshore_core::{Code, Name, NodeId, PathError, WorkspaceId, WorkspacePath};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::act::{Act, Ask, Premises, Scope};
use crate::actor::Actor;
use crate::db::events::Change;
use crate::db::nodes::{NodeRow, Place, Reach};
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::narrowing::Need;
use crate::words;
use crate::workspaces;

/// The most keys a node's metadata may have.
const METADATA_KEYS: usize = 64;
/// The most bytes of keys and values a node's metadata may have.
const METADATA_BYTES: usize = 8 * 1_024;
/// The most labels a node may have.
const LABELS: usize = 32;
/// The most characters of a node's label.
const LABEL: usize = 64;

/// Where content is written to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// A path of a workspace; folders above it are made.
    Path {
        /// The workspace.
        workspace: WorkspaceId,
        /// The file's path.
        path: WorkspacePath,
    },
    /// A name in a folder.
    Child {
        /// The folder.
        parent: NodeId,
        /// The file's name.
        name: Name,
    },
    /// A file that is there.
    Node(NodeId),
}

pub(crate) fn not_found(id: NodeId) -> Error {
    Error::new(Code::NodeNotFound, format!("no folder or file {id}"))
}

pub(crate) fn name_taken(name: &str) -> Error {
    Error::new(Code::NameTaken, format!("the folder has a {name:?} already"))
}

/// Returns a node that the actor reaches, be it in the trash or not.
pub(crate) async fn visible_node(tx: &mut Tx, actor: &Actor, id: NodeId) -> Result<NodeRow> {
    let row = db::nodes::get(tx, id).await?.ok_or_else(|| not_found(id))?;
    let is_reached = actor.reaches(row.workspace) && actor.narrowing().has_node(tx, id).await?;
    if is_reached { Ok(row) } else { Err(not_found(id).refusing(row.workspace)) }
}

/// Returns a node that the actor may read of, be it in the trash or not.
pub(crate) async fn readable_node(tx: &mut Tx, actor: &Actor, id: NodeId) -> Result<NodeRow> {
    let row = visible_node(tx, actor, id).await?;
    actor.needs(row.workspace, Need::READ)?;
    Ok(row)
}

/// Returns a node that the actor reaches and that is not in the trash, with its place.
pub(crate) async fn live_node(tx: &mut Tx, actor: &Actor, id: NodeId) -> Result<(NodeRow, Place)> {
    let row = visible_node(tx, actor, id).await?;
    let place = db::nodes::place(tx, id).await?;
    if place.trashed_at.is_some() {
        return Err(Error::new(Code::InTrash, format!("{} is in the trash: restore it first", place.path)));
    }
    Ok((row, place))
}

/// Returns the folder that a node goes into: live, reached, of the same workspace, and not somebody else's to write.
pub(crate) async fn destination(act: &mut Act<'_>, id: NodeId) -> Result<(NodeRow, Place)> {
    let (row, place) = live_node(act.tx, act.log.actor(), id).await?;
    if row.workspace != act.log.workspace() {
        return Err(Error::new(Code::NodeNotFound, format!("no folder {id} in this workspace")));
    }
    if row.kind != NodeKind::Folder {
        return Err(Error::new(Code::NotAFolder, format!("{} is a file", place.path)));
    }
    act.permit(&place)?;
    Ok((row, place))
}

pub(crate) async fn ensure_free(tx: &mut Tx, folder: NodeId, name: &str) -> Result<()> {
    match db::nodes::child(tx, folder, name).await? {
        Some(_) => Err(name_taken(name)),
        None => Ok(()),
    }
}

/// Refuses a label of a node or of a version that breaks a rule.
pub(crate) fn check_label(label: &str, most: usize) -> Result<()> {
    if !words::says(label, most) {
        let detail = format!("a label has 1 to {most} characters, not only blanks and no control characters");
        return Err(Error::new(Code::InvalidLabel, detail));
    }
    Ok(())
}

pub(crate) fn check_labels(labels: &Labels) -> Result<()> {
    if labels.len() > LABELS {
        return Err(Error::new(Code::InvalidLabel, format!("a node has at most {LABELS} labels")));
    }
    labels.iter().try_for_each(|label| check_label(label, LABEL))
}

/// Refuses an order that says one thing twice.
fn check_update(wanted: &UpdateNode) -> Result<()> {
    let twice = |what: &str| Err(Error::new(Code::InvalidBody, format!("{what} do not go together")));
    if wanted.metadata.is_some() && wanted.metadata_patch.is_some() {
        return twice("`metadata` and `metadata_patch`");
    }
    let patched = !(wanted.add_labels.is_empty() && wanted.remove_labels.is_empty());
    if wanted.labels.is_some() && patched {
        return twice("`labels` and `add_labels` or `remove_labels`");
    }
    if wanted.add_labels.intersection(&wanted.remove_labels).next().is_some() {
        return twice("`add_labels` and `remove_labels` of one label");
    }
    wanted.metadata.as_ref().map_or(Ok(()), check_metadata)?;
    wanted.labels.as_ref().map_or(Ok(()), check_labels)?;
    check_labels(&wanted.add_labels)
}

/// Returns what a node's metadata is to be.
fn metadata_of(row: &NodeRow, wanted: &UpdateNode) -> Result<Metadata> {
    if let Some(metadata) = &wanted.metadata {
        return Ok(metadata.clone());
    }
    let mut metadata = row.metadata.clone();
    for (key, value) in wanted.metadata_patch.iter().flatten() {
        match value {
            Some(value) => drop(metadata.insert(key.clone(), value.clone())),
            None => drop(metadata.remove(key)),
        }
    }
    check_metadata(&metadata)?;
    Ok(metadata)
}

/// Returns what a node's labels are to be.
fn labels_of(row: &NodeRow, wanted: &UpdateNode) -> Result<Labels> {
    if let Some(labels) = &wanted.labels {
        return Ok(labels.clone());
    }
    let mut labels = row.labels.clone();
    labels.retain(|label| !wanted.remove_labels.contains(label));
    labels.extend(wanted.add_labels.iter().cloned());
    check_labels(&labels)?;
    Ok(labels)
}

pub(crate) fn check_metadata(metadata: &Metadata) -> Result<()> {
    let refuse = |detail: &str| Err(Error::new(Code::InvalidMetadata, detail));
    if metadata.len() > METADATA_KEYS {
        return refuse("metadata has at most 64 keys");
    }
    if metadata.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > METADATA_BYTES {
        return refuse("metadata has at most 8 KiB of keys and values");
    }
    if metadata.keys().any(|key| key.is_empty() || key.chars().any(char::is_control)) {
        return refuse("a metadata key has at least one character and no control characters");
    }
    // PostgreSQL's text has no NUL, so nobody's has.
    if metadata.values().any(|value| value.contains('\0')) {
        return refuse("a metadata value holds no NUL");
    }
    Ok(())
}

/// Follows a path from a workspace's root through live nodes; nothing where it leads nowhere.
pub(crate) async fn follow(tx: &mut Tx, root: NodeId, path: &WorkspacePath) -> Result<Option<NodeRow>> {
    let mut row = db::nodes::get(tx, root).await?;
    for name in path.names() {
        let Some(folder) = row else { return Ok(None) };
        row = db::nodes::child(tx, folder.id, name.as_str()).await?;
    }
    Ok(row)
}

fn nothing_at(path: &WorkspacePath) -> Error {
    Error::new(Code::NodeNotFound, format!("nothing at {path}"))
}

/// Refuses a path that leads elsewhere than the actor reaches in the workspace of this root, whatever is there.
pub(crate) async fn ensure_reached(
    tx: &mut Tx,
    actor: &Actor,
    root: NodeId,
    path: &WorkspacePath,
) -> Result<()> {
    if actor.narrowing().has_path(tx, root, path).await? {
        return Ok(());
    }
    let root = db::nodes::get(tx, root).await?;
    Err(nothing_at(path).refusing(root.map(|root| root.workspace)))
}

/// Returns the live node at a path that the actor reaches, and its place without ids.
pub(crate) async fn at_path(
    tx: &mut Tx,
    actor: &Actor,
    root: NodeId,
    path: WorkspacePath,
) -> Result<(NodeRow, Place)> {
    ensure_reached(tx, actor, root, &path).await?;
    let row = follow(tx, root, &path).await?.ok_or_else(|| nothing_at(&path))?;
    Ok((row, Place { path, ..Place::default() }))
}

/// Refuses a file where a path leads through.
pub(crate) fn ensure_folder(row: &NodeRow, path: &WorkspacePath) -> Result<()> {
    if row.kind == NodeKind::Folder {
        return Ok(());
    }
    Err(Error::new(Code::NotAFolder, format!("{:?} in the path {path} is a file", row.name)))
}

/// Walks to a folder of the act's workspace and makes, with an event each, what is missing on the way.
///
/// Returns the folder, where it is, and whether it was made.
pub(crate) async fn make_folders(act: &mut Act<'_>, path: &WorkspacePath) -> Result<(NodeRow, Place, bool)> {
    if let Some((known, folder, place)) = &act.folder
        && known == path
    {
        return Ok((folder.clone(), place.clone(), false));
    }
    let mut folder = root(act).await?;
    ensure_reached(act.tx, act.log.actor(), folder.id, path).await?;
    let mut place = Place::of_root(&folder);
    let mut made = false;
    for name in path.names() {
        let child = if made { None } else { db::nodes::child(act.tx, folder.id, name.as_str()).await? };
        folder = match child {
            Some(row) => {
                ensure_folder(&row, path)?;
                row
            }
            None => {
                made = true;
                act.permit(&place)?;
                insert_folder(act, folder.id, &place, name).await?
            }
        };
        place = place.below(&folder)?;
    }
    act.folder = Some((path.clone(), folder.clone(), place.clone()));
    Ok((folder, place, made))
}

/// Returns the root folder of the act's workspace.
pub(crate) async fn root(act: &mut Act<'_>) -> Result<NodeRow> {
    let workspace = db::workspaces::get(act.tx, act.log.workspace()).await?;
    let workspace = workspace.ok_or_else(|| workspaces::not_found(act.log.workspace()))?;
    let row = db::nodes::get(act.tx, workspace.root_id).await?;
    row.ok_or_else(|| not_found(workspace.root_id))
}

async fn insert_folder(act: &mut Act<'_>, parent: NodeId, above: &Place, name: &Name) -> Result<NodeRow> {
    let by = act.actor().principal;
    let row = NodeRow::folder(act.log.workspace(), Some(parent), name.to_string(), by, act.now());
    db::nodes::insert(act.tx, &row).await?;
    let change = Change::of("folder.created", &row, &above.path.join(name.clone())?).after_nothing();
    act.record(change.with("name", json!(name)).with("parent_id", json!(parent))).await?;
    Ok(row)
}

impl Engine {
    /// Returns a node, be it in the trash or not.
    pub async fn node(&self, actor: &Actor, id: NodeId) -> Result<Node> {
        let (actor, clock) = (actor.clone(), self.read_clock());
        self.db()
            .read(move |tx| {
                let (actor, mut clock) = (actor.clone(), clock.clone());
                Box::pin(async move {
                    let row = readable_node(tx, &actor, id).await?;
                    let place = db::nodes::place(tx, id).await?;
                    clock.node(tx, row, place).await
                })
            })
            .await
    }

    /// Returns the live node at a path.
    pub async fn node_at(&self, actor: &Actor, workspace: WorkspaceId, path: WorkspacePath) -> Result<Node> {
        actor.needs(workspace, Need::READ)?;
        let (root, clock) = (self.workspace(actor, workspace).await?.root_id, self.read_clock());
        let actor = actor.clone();
        self.db()
            .read(move |tx| {
                let (actor, path, mut clock) = (actor.clone(), path.clone(), clock.clone());
                Box::pin(async move {
                    let (row, place) = at_path(tx, &actor, root, path).await?;
                    clock.node(tx, row, place).await
                })
            })
            .await
    }

    /// Makes a folder in a folder.
    pub async fn create_folder(
        &self,
        actor: &Actor,
        parent: NodeId,
        name: Name,
        premises: Premises,
    ) -> Result<Node> {
        let ask = Ask { actor, need: Need::CREATE, scope: Scope::Node(parent), premises };
        self.act(ask, name, move |act, name| {
            Box::pin(async move {
                let (_, place) = destination(act, parent).await?;
                let found = db::nodes::child(act.tx, parent, name.as_str()).await?;
                act.check_stated(found.as_ref()).await?;
                if found.is_some() {
                    return Err(name_taken(name.as_str()));
                }
                let row = insert_folder(act, parent, &place, &name).await?;
                let place = place.below(&row)?;
                Ok(row.into_node(place, act.now()))
            })
        })
        .await
    }

    /// Makes a folder at a path and those above it; tells whether it was not there before.
    pub async fn create_folders(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        path: WorkspacePath,
        premises: Premises,
    ) -> Result<(Node, bool)> {
        let ask = Ask { actor, need: Need::CREATE, scope: Scope::Workspace(workspace), premises };
        self.act(ask, path, |act, path| {
            Box::pin(async move {
                let (row, place, made) = make_folders(act, &path).await?;
                // What was made for a premise that does not hold goes with the refusal.
                act.check_stated(Some(&row).filter(|_| !made)).await?;
                act.use_locks(&place);
                Ok((row.into_node(place, act.now()), made))
            })
        })
        .await
    }

    /// Renames a node, moves it, or changes its metadata or labels, as one act.
    pub async fn update_node(
        &self,
        actor: &Actor,
        id: NodeId,
        wanted: UpdateNode,
        premises: Premises,
    ) -> Result<Node> {
        check_update(&wanted)?;
        let ask = Ask { actor, need: Need::WRITE, scope: Scope::Node(id), premises };
        self.act(ask, wanted, move |act, wanted| Box::pin(apply_update(act, id, wanted))).await
    }
}

pub(crate) fn root_refused() -> Error {
    Error::new(Code::RootRefused, "the root folder stays where it is")
}

pub(crate) fn into_itself() -> Error {
    Error::new(Code::IntoItself, "the folder would end up inside itself")
}

/// Returns the path that a node would have in a folder, or refuses where a path below it would be too long.
pub(crate) async fn fitting_path(
    tx: &mut Tx,
    row: &NodeRow,
    from: &WorkspacePath,
    folder: &Place,
    name: &str,
) -> Result<WorkspacePath> {
    let path = folder.path.join(Name::new(name)?)?;
    ensure_fits(tx, row, from, &path).await?;
    Ok(path)
}

/// Refuses a path at which a node that is at another, or one below it, would have too long a path.
pub(crate) async fn ensure_fits(
    tx: &mut Tx,
    row: &NodeRow,
    from: &WorkspacePath,
    path: &WorkspacePath,
) -> Result<()> {
    // What is below fits where it is, in the trash too: at a path that is no longer it need not be walked through.
    if path.byte_length() <= from.byte_length() && path.names().len() <= from.names().len() {
        return Ok(());
    }
    let below = match row.kind {
        NodeKind::Folder => db::nodes::reach(tx, row.id).await?,
        NodeKind::File => Reach::default(),
    };
    if path.byte_length() as u64 + below.bytes > MAX_PATH_BYTES as u64 {
        return Err(PathError::PathTooLong.into());
    }
    if path.names().len() as u64 + below.names > MAX_PATH_NAMES as u64 {
        return Err(PathError::PathTooDeep.into());
    }
    Ok(())
}

async fn apply_update(act: &mut Act<'_>, id: NodeId, wanted: UpdateNode) -> Result<Node> {
    let (mut row, mut place) = live_node(act.tx, act.log.actor(), id).await?;
    act.check(Some(&row)).await?;
    let (before, from) = (row.clone(), place.path.clone());
    row.metadata = metadata_of(&row, &wanted)?;
    row.labels = labels_of(&row, &wanted)?;
    let name = wanted.name.map_or_else(|| row.name.clone(), |name| name.to_string());
    let renamed = name != row.name;
    let moved = wanted.parent_id.is_some_and(|parent| Some(parent) != row.parent);
    if renamed || moved {
        let parent = wanted.parent_id.or(row.parent).filter(|_| row.parent.is_some());
        let parent = parent.ok_or_else(root_refused)?;
        act.actor().narrowing().ensure_not_its_folder(id)?;
        act.permit_whole(&row, &place).await?;
        let (_, folder) = destination(act, parent).await?;
        if folder.ids.contains(&id) {
            return Err(into_itself());
        }
        ensure_free(act.tx, parent, &name).await?;
        place.path = fitting_path(act.tx, &row, &from, &folder, &name).await?;
        row.name = name;
        row.parent = Some(parent);
    } else {
        act.permit(&place)?;
    }
    let described = row.metadata != before.metadata;
    let relabelled = row.labels != before.labels;
    if !(renamed || moved || described || relabelled) {
        return Ok(row.into_node(place, act.now()));
    }
    row.touch(&act.log);
    db::nodes::update(act.tx, &row).await?;
    let kind = match (moved, renamed, described) {
        (true, ..) => "node.moved",
        (_, true, _) => "node.renamed",
        (.., true) => "node.metadata_changed",
        _ => "node.labels_changed",
    };
    let mut change = Change::of(kind, &row, &place.path).after(&before);
    if renamed || moved {
        change = change.moved_from(&from);
    }
    if described {
        change = change.with("metadata", json!(row.metadata));
    }
    if relabelled {
        change = change.with("labels", json!(row.labels));
    }
    act.record(change).await?;
    Ok(row.into_node(place, act.now()))
}
