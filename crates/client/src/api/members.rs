//! Members of a workspace.

use http::Method;
use longshore_core::wire::{Member, Role, SetMember};
use longshore_core::{PrincipalId, WorkspaceId};

use super::listing::Listing;
use crate::client::{Call, Client};
use crate::error::Result;

/// The verbs on the members of a workspace: every member lists them, an admin changes them.
///
/// Each takes the workspace; nothing means the key's current one.
#[derive(Clone, Debug)]
pub struct Members {
    client: Client,
    workspace: Option<WorkspaceId>,
}

impl Members {
    pub(crate) fn new(client: Client, workspace: Option<WorkspaceId>) -> Self {
        Self { client, workspace }
    }

    /// Returns the same verbs for another workspace than the key's current one.
    #[must_use]
    pub fn of(&self, workspace: WorkspaceId) -> Self {
        Self::new(self.client.clone(), Some(workspace))
    }

    async fn one(&self, principal: PrincipalId) -> Result<String> {
        self.client.path_in(self.workspace, format!("members/{principal}")).await
    }

    /// Lists the members, by their ids.
    pub fn list(&self) -> Listing<Member> {
        Listing::new(self.client.clone(), self.client.path_in(self.workspace, "members".to_owned()))
    }

    /// Returns a member.
    pub async fn get(&self, principal: PrincipalId) -> Result<Member> {
        self.client.json(Call::get(self.one(principal).await?)).await
    }

    /// Gives a person or an agent a role in the workspace: no more than one's own, and not the owner's.
    pub async fn set(&self, principal: PrincipalId, role: Role) -> Result<Member> {
        let path = self.one(principal).await?;
        self.client.json(self.client.write(Method::PUT, path)?.json(&SetMember { role })?).await
    }

    /// Takes a member out of the workspace, whose locks there end; anybody may take out themselves.
    pub async fn remove(&self, principal: PrincipalId) -> Result<()> {
        let path = self.one(principal).await?;
        self.client.done(self.client.write(Method::DELETE, path)?).await
    }
}
