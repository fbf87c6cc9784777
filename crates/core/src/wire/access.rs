//! Principals and their keys.

use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

use crate::id::{KeyId, PrincipalId, WorkspaceId};
use crate::time::Timestamp;
use crate::wire::Session;

/// What a principal may do in a workspace, and a key at most.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May read.
    Viewer,
    /// May read and write.
    Editor,
    /// May also manage keys, members and rules.
    Admin,
    /// May also do what only the one owner of a workspace may.
    Owner,
}

impl Role {
    /// Returns the word for it, as JSON has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

impl Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
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
    /// What they may do in every workspace, of which they need not be a member; an admin also with the server itself.
    #[serde(default)]
    pub everywhere: Option<Role>,
    /// Since when they may do nothing.
    #[serde(default)]
    pub deactivated_at: Option<Timestamp>,
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
    /// What it may do at most; its principal may have a lesser role.
    pub role: Role,
    /// The one workspace it reaches; nothing where it reaches all that its principal does.
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

/// Answer of `GET /v1/me`: who asks, and by which key or session.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Me {
    /// Who asks.
    pub principal: Principal,
    /// The key that asks; nothing where a session does.
    #[serde(default)]
    pub key: Option<Key>,
    /// The session that asks; nothing where a key does.
    #[serde(default)]
    pub session: Option<Session>,
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
    /// The one workspace it reaches; left out, it reaches all that its maker's key reaches, and a new agent then has its
    /// role everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<WorkspaceId>,
    /// When its time is over; left out, never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// A new agent of this name acts with the key, and is a member of its workspace with its role; left out, the key's
    /// maker does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// A principal with a role in a workspace.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// Who it is.
    pub principal: Principal,
    /// What they may do there, as far as their key lets them.
    pub role: Role,
    /// Since when they are a member.
    pub added_at: Timestamp,
    /// Who made them one.
    pub added_by: PrincipalId,
}

/// Body of `PUT /v1/workspaces/{ws}/members/{principal}`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetMember {
    /// What the principal may do in the workspace: no more than who gives the role, and not the owner's.
    pub role: Role,
}

/// Body of `POST /v1/principals`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreatePrincipal {
    /// Person or agent.
    pub kind: PrincipalKind,
    /// The name shown to others.
    pub name: String,
}

/// Body of `PATCH /v1/principals/{principal}`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdatePrincipal {
    /// The name shown to others.
    pub name: String,
}
