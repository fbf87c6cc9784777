//! The JSON bodies of the HTTP API.
//!
//! One definition serves server, SDK and command line. Unknown fields of an answer are ignored, so that an
//! older client can read a newer server; unknown fields of a request are refused, so that a typing error is
//! not silently without effect.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::id::{EventId, KeyId, NodeId, PrincipalId, VersionId, WorkspaceId};
use crate::path::{Name, WorkspacePath};
use crate::time::Timestamp;

/// The most items one page of a list may have.
pub const MAX_PAGE: u32 = 1_000;

/// A string map kept with a node: at most 64 keys and 8 KiB of keys and values.
pub type Metadata = BTreeMap<String, String>;

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
    /// When the node was made.
    pub created_at: Timestamp,
    /// Who made the node.
    pub created_by: PrincipalId,
    /// When the node last changed: content, name, place, metadata or trash.
    pub updated_at: Timestamp,
    /// Who changed the node last.
    pub updated_by: PrincipalId,
    /// When the node, or a folder above it, went to the trash.
    pub trashed_at: Option<Timestamp>,
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
}

/// A tree of nodes with its own event log.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    /// The workspace's id.
    pub id: WorkspaceId,
    /// The workspace's name, which no other workspace of the server has.
    pub name: String,
    /// The root folder.
    pub root_id: NodeId,
    /// The place of the newest event.
    pub seq: u64,
    /// When the workspace was made.
    pub created_at: Timestamp,
    /// Who made the workspace.
    pub created_by: PrincipalId,
}

/// What a key, and the principal behind it, may do at most.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May read.
    Viewer,
    /// May read and write.
    Editor,
    /// May also manage keys and workspaces.
    Admin,
}

/// Who a principal is.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// A human being.
    Person,
    /// A program.
    Agent,
}

/// Who acts: a person or an agent.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// The principal's id.
    pub id: PrincipalId,
    /// Person or agent.
    pub kind: PrincipalKind,
    /// The name shown to others.
    pub name: String,
}

/// An API key without its secret.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The key's id.
    pub id: KeyId,
    /// What the key is for.
    pub name: String,
    /// Who acts with it.
    pub principal: Principal,
    /// What it may do at most.
    pub role: Role,
    /// The one workspace it reaches; nothing where it reaches all.
    pub workspace_id: Option<WorkspaceId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its time is over.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A new key, with the secret that is shown this once.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewKey {
    /// The key.
    #[serde(flatten)]
    pub key: Key,
    /// Its whole text, `lsk_…`; only a hash of it is kept.
    pub secret: String,
}

/// Answer of `GET /v1/me`: the key that asks and what it reaches.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Me {
    /// The key that asks.
    pub key: Key,
}

/// One visible change in a workspace.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The event's place in its workspace's log; rises by one.
    pub seq: u64,
    /// The event's id.
    pub id: EventId,
    /// What happened, such as `file.created`, `version.created`, `node.moved`, `node.trashed`.
    pub r#type: String,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it.
    pub actor: PrincipalId,
    /// The key it was done with.
    pub key_id: Option<KeyId>,
    /// The request it was done in.
    pub request_id: Option<String>,
    /// The node it happened to.
    pub node_id: Option<NodeId>,
    /// The version it made current.
    pub version_id: Option<VersionId>,
    /// What more there is to say, by type.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub data: serde_json::Value,
}

/// One page of a list. `next_cursor` leads to the next; nothing ends the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// What to send as `cursor` for the next page.
    pub next_cursor: Option<String>,
}

/// Body of `POST /v1/workspaces`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateWorkspace {
    /// The new workspace's name; a node's rules for names hold.
    pub name: Name,
}

/// Body of `PATCH /v1/workspaces/{ws}`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateWorkspace {
    /// The workspace's new name.
    pub name: Name,
}

/// Body of `POST /v1/keys`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateKey {
    /// What the key is for.
    pub name: String,
    /// What it may do at most.
    pub role: Role,
    /// The one workspace it reaches; left out, it reaches all that its maker's key reaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<WorkspaceId>,
    /// When its time is over; left out, never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// A new agent of this name acts with the key; left out, the key's maker does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// Body of `POST /v1/files/{parent}/children`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateChild {
    /// Always `folder`: files come with their content.
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

/// Body of `PATCH /v1/files/{id}`: rename, move, metadata. What is left out stays.
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

/// The body of every error answer: RFC 9457 `application/problem+json`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A URI that names the code: `urn:longshore:error:<code>`.
    pub r#type: String,
    /// The code's title.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong in this very case.
    pub detail: String,
    /// The stable code.
    pub code: String,
    /// The request's id, which the server's log has too.
    pub request_id: String,
    /// The version that stands, for `precondition_failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_version: Option<VersionId>,
}

/// Answer of `GET /v1/status`: what a person asks first of a server.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The server's version.
    pub version: String,
    /// The database: `sqlite` or `postgresql`.
    pub database: String,
    /// The blob store: `local` or `memory`.
    pub store: String,
    /// When the server started.
    pub started_at: Timestamp,
}
