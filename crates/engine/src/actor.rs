//! Who acts, and what they may do.

use longshore_core::wire::{Key, Role};
use longshore_core::{Code, KeyId, PrincipalId, Timestamp, WorkspaceId};

use crate::error::{Error, Result};

/// The principal behind a call, with what its key lets it do.
#[derive(Clone, Debug)]
pub struct Actor {
    /// Who acts.
    pub principal: PrincipalId,
    /// The key they act with; nothing for Longshore itself.
    pub key: Option<KeyId>,
    /// What they may do at most.
    pub role: Role,
    /// The one workspace they reach; nothing where they reach all.
    pub workspace: Option<WorkspaceId>,
    /// The request they act in, for the event log.
    pub request_id: Option<String>,
}

impl Actor {
    pub(crate) fn of_key(key: &Key) -> Self {
        Self {
            principal: key.principal.id,
            key: Some(key.id),
            role: key.role,
            workspace: key.workspace_id,
            request_id: None,
        }
    }

    /// Returns Longshore itself, acting on one workspace by that one's own rules.
    pub(crate) fn longshore(workspace: WorkspaceId) -> Self {
        Self {
            principal: PrincipalId::LONGSHORE,
            key: None,
            role: Role::Admin,
            workspace: Some(workspace),
            request_id: None,
        }
    }

    /// Returns this actor acting in a request.
    #[must_use]
    pub fn in_request(self, request_id: impl Into<String>) -> Self {
        Self { request_id: Some(request_id.into()), ..self }
    }

    pub(crate) fn needs(&self, role: Role) -> Result<()> {
        if self.role >= role {
            return Ok(());
        }
        let verb = match role {
            Role::Viewer => "read",
            Role::Editor => "write",
            Role::Admin => "manage keys and workspaces",
        };
        Err(Error::new(
            Code::Forbidden,
            format!("this key may not {verb}: its role is {:?}", self.role).to_lowercase(),
        ))
    }

    pub(crate) fn reaches(&self, workspace: WorkspaceId) -> bool {
        self.workspace.is_none_or(|own| own == workspace)
    }
}

/// Refuses a key that was revoked, or whose time is over.
pub(crate) fn ensure_valid(
    revoked_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<()> {
    if let Some(revoked_at) = revoked_at {
        return Err(Error::new(Code::KeyRevoked, format!("the key was revoked at {revoked_at}")));
    }
    match expires_at {
        Some(end) if end <= now => {
            Err(Error::new(Code::KeyExpired, format!("the key's time was over at {end}")))
        }
        _ => Ok(()),
    }
}
