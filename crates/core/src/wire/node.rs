//! Nodes and versions, and what is asked of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::id::{NodeId, PrincipalId, VersionId, WorkspaceId};
use crate::path::{Name, WorkspacePath};
use crate::time::Timestamp;
use crate::wire::NodeLock;

/// A string map kept with a node: at most 64 keys and 8 KiB of keys and values.
pub type Metadata = BTreeMap<String, String>;

/// A change of single keys of a node's metadata: a value sets a key, `null` removes it.
pub type MetadataPatch = BTreeMap<String, Option<String>>;

/// The labels of a node: at most 32, each of 1 to 64 characters.
pub type Labels = BTreeSet<String>;

/// What a node is.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// A folder: it has children.
    Folder,
    /// A file: it has versions.
    File,
}

/// A folder or a file in a workspace.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The node's id; it stays the same when the node is renamed, moved, trashed or restored.
    pub id: NodeId,
    /// The workspace the node is in.
    pub workspace_id: WorkspaceId,
    /// The folder the node is in; nothing for the root folder.
    pub parent_id: Option<NodeId>,
    /// Folder or file.
    pub kind: NodeKind,
    /// The node's name; empty for the root folder.
    pub name: String,
    /// The node's path in its workspace.
    pub path: WorkspacePath,
    /// The content's length in bytes; 0 for a folder.
    pub size: u64,
    /// The content's media type, as found by looking at it; nothing for a folder.
    pub media_type: Option<String>,
    /// The current version; nothing for a folder.
    pub version_id: Option<VersionId>,
    /// The content's BLAKE3 digest; nothing for a folder.
    pub digest: Option<Digest>,
    /// The node's metadata.
    pub metadata: Metadata,
    /// The node's labels.
    #[serde(default)]
    pub labels: Labels,
    /// When the node was made.
    pub created_at: Timestamp,
    /// Who made the node.
    pub created_by: PrincipalId,
    /// When the node last changed: content, name, place, metadata, labels or trash.
    pub updated_at: Timestamp,
    /// Who changed the node last.
    pub updated_by: PrincipalId,
    /// When the node, or a folder above it, went to the trash.
    pub trashed_at: Option<Timestamp>,
    /// The number of the newest grant or break of the node's locks; 0 if it was never locked.
    #[serde(default)]
    pub fence: u64,
    /// The lock on this very node, while it holds. A lock on a folder above covers the node too.
    #[serde(default)]
    pub lock: Option<NodeLock>,
}

/// An immutable content of a file.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The version's id; also the value of `ETag`.
    pub id: VersionId,
    /// The file.
    pub node_id: NodeId,
    /// The place among the file's versions, from 1.
    pub number: u64,
    /// The content's length in bytes.
    pub size: u64,
    /// The content's media type, as found by looking at it.
    pub media_type: String,
    /// The media type the writer stated, where one was stated.
    pub stated_media_type: Option<String>,
    /// The content's BLAKE3 digest.
    pub digest: Digest,
    /// The content's SHA-256 digest, where the writer sent it.
    pub sha256: Option<Digest>,
    /// When the version was made.
    pub created_at: Timestamp,
    /// Who made the version.
    pub created_by: PrincipalId,
    /// The file's fence when the version was made; along a file's versions it never falls.
    #[serde(default)]
    pub fence: u64,
    /// What people call the version. No rule about versions removes one with a label; it goes with its file when that
    /// is purged from the trash, by `trash_days` too.
    #[serde(default)]
    pub label: Option<String>,
}

/// Body of `POST /v1/files/{parent}/children`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateChild {
    /// Always `folder`: files come with their content.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^folder$"))]
    pub kind: NodeKind,
    /// The folder's name.
    pub name: Name,
}

/// Body of `POST /v1/workspaces/{ws}/folders`: makes a folder and those above it, as `mkdir -p` does.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateFolder {
    /// The folder's path.
    pub path: WorkspacePath,
}

/// Body of `PATCH /v1/files/{id}`: rename, move, metadata, labels. What is left out stays.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateNode {
    /// The new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// The folder to move into, of the same workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<NodeId>,
    /// The metadata that replaces what stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Single keys of the metadata to set, or with `null` to remove; the others stay. Not beside `metadata`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_patch: Option<MetadataPatch>,
    /// The labels that replace those that stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Labels>,
    /// Labels to add to those that stand. Not beside `labels`.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub add_labels: Labels,
    /// Labels to remove from those that stand. Not beside `labels`.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub remove_labels: Labels,
}

/// Body of `POST /v1/files/{id}/copy`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CopyNode {
    /// The folder to copy into, of the same workspace; left out, the folder the node is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<NodeId>,
    /// The copy's name; left out, the node's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
}

/// Body of `POST /v1/files/{id}/restore`: back from the trash. An empty object restores to the old place.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoreNode {
    /// The folder to restore into; left out, the folder it was in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<NodeId>,
    /// The name to restore under; left out, the name it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
}

/// What a write does where the name is taken by a file.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// Makes a new version of that file.
    #[default]
    Version,
    /// Refuses with `name_taken`.
    Error,
    /// Writes under the next free name: `report (2).csv`.
    Rename,
}
