//! Principals and their keys.

use serde::{Deserialize, Serialize};

use crate::id::{KeyId, PrincipalId, WorkspaceId};
use crate::time::Timestamp;

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
