//! Principals and their keys.

use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{KeyId, NodeId, PrincipalId, WorkspaceId};
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

/// What is done, as far as a key can be narrowed to it. A key's role bounds it besides.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// To see and to download.
    Read,
    /// To make folders, to upload new files, to copy.
    Create,
    /// To change what is there: new versions, names, places, metadata, labels, notes, locks, and bringing back from the trash.
    Write,
    /// To put into the trash, to remove for good, to remove versions.
    Delete,
    /// To make links.
    Share,
    /// To see and change keys, members, webhooks, jobs and settings.
    Manage,
}

impl Verb {
    /// Every verb.
    pub const ALL: &[Self] =
        &[Self::Read, Self::Create, Self::Write, Self::Delete, Self::Share, Self::Manage];

    /// Returns the word for it, as JSON has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::Share => "share",
            Self::Manage => "manage",
        }
    }
}

impl Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text is no verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownVerb;

impl Display for UnknownVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the verbs are read, create, write, delete, share and manage")
    }
}

impl std::error::Error for UnknownVerb {}

impl FromStr for Verb {
    type Err = UnknownVerb;

    fn from_str(text: &str) -> Result<Self, UnknownVerb> {
        Self::ALL.iter().copied().find(|verb| verb.as_str() == text).ok_or(UnknownVerb)
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
    /// What it is narrowed to do; nothing where it does all that its role allows.
    #[serde(default)]
    pub verbs: Option<BTreeSet<Verb>>,
    /// The one folder that it reaches with all in it, wherever that is moved; nothing where it reaches the whole workspace.
    #[serde(default)]
    pub folder_id: Option<NodeId>,
    /// The networks that it is good from; nothing where it is good from anywhere.
    #[serde(default)]
    pub addresses: Option<Vec<String>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its time is over.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When somebody last came with it, give or take a minute.
    #[serde(default)]
    pub last_used_at: Option<Timestamp>,
    /// The address that they came from.
    #[serde(default)]
    pub last_used_from: Option<String>,
}

/// A new key, with the secret that is shown this once.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Serialize, Deserialize)]
pub struct NewKey {
    /// The key.
    #[serde(flatten)]
    pub key: Key,
    /// Its whole text, `lsk_…`; only a hash of it is kept.
    pub secret: String,
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey").field("key", &self.key).finish_non_exhaustive()
    }
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
    #[cfg_attr(feature = "openapi", schema(value_type = crate::Name))]
    pub name: String,
    /// What it may do at most.
    pub role: Role,
    /// The one workspace it reaches; left out, it reaches all that its maker's key reaches, and a new agent then has its
    /// role everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<WorkspaceId>,
    /// What it is to do alone, one verb at least; left out, all that its role and its maker's key allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verbs: Option<BTreeSet<Verb>>,
    /// The one folder that it is to reach, with all in it, by its id or by its path in the workspace; it is the folder
    /// that counts from then on, whatever it is called and wherever it is moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// The networks that it is good from, 1 to 32 of them, as `10.0.0.0/8`, `2001:db8::/32` or one address; left out, those
    /// of its maker's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Vec<String>>,
    /// When its time is over; left out, never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// A new agent of this name acts with the key, and is a member of its workspace with its role; left out, the key's
    /// maker does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<crate::Name>))]
    pub agent: Option<String>,
    /// An agent who is there acts with the key: any for an admin of the server; for another admin one who is a member of the
    /// key's workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<PrincipalId>,
}

impl CreateKey {
    /// Asks for a key of one's own that is narrowed to nothing but its role.
    #[must_use]
    pub fn new(name: impl Into<String>, role: Role) -> Self {
        Self {
            name: name.into(),
            role,
            workspace_id: None,
            verbs: None,
            folder: None,
            addresses: None,
            expires_at: None,
            agent: None,
            agent_id: None,
        }
    }
}

/// The longest that a key which was rotated may go on, in seconds: a week.
pub const LONGEST_GRACE: u32 = 604_800;

/// Body of `POST /v1/keys/{key}/rotate`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateKey {
    /// How many seconds more the key before it is good, 0 to 604,800; left out, it ends at once.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(maximum = 604_800))]
    pub grace_seconds: u32,
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
    #[cfg_attr(feature = "openapi", schema(value_type = crate::Name))]
    pub name: String,
}

/// Body of `PATCH /v1/principals/{principal}`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdatePrincipal {
    /// The name shown to others.
    #[cfg_attr(feature = "openapi", schema(value_type = crate::Name))]
    pub name: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::NewKey;

    #[test]
    fn a_new_key_prints_without_its_secret() {
        let principal = json!({ "id": crate::PrincipalId::LONGSHORE, "kind": "agent", "name": "a" });
        let key = json!({
            "id": "key_01kaz3h2k0e8tsz7m7ga0rg6mz", "name": "mine", "principal": principal, "role": "viewer",
            "workspace_id": null, "created_at": "2026-11-21T00:00:00Z", "expires_at": null, "revoked_at": null,
            "secret": "lsk_the_secret",
        });
        let key: NewKey = serde_json::from_value(key).unwrap();
        let text = format!("{key:?}");
        assert!(text.contains("mine") && !text.contains("the_secret"), "{text}");
    }
}
