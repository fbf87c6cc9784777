//! Share links: a folder or a file for who has no key.

use http::Method;
use longshore_core::wire::{CreateShare, HiddenText, NewShare, Share, UpdateShare};
use longshore_core::{NodeId, ShareId, WorkspaceId};

use super::listing::Listing;
use crate::client::{Call, Client};
use crate::error::Result;

/// The verbs on share links, for who makes them.
///
/// All but making take the workspace; nothing means the key's current one.
#[derive(Clone, Debug)]
pub struct Shares {
    client: Client,
    workspace: Option<WorkspaceId>,
}

impl Shares {
    pub(crate) fn new(client: Client, workspace: Option<WorkspaceId>) -> Self {
        Self { client, workspace }
    }

    /// Returns the same verbs for another workspace than the key's current one.
    #[must_use]
    pub fn of(&self, workspace: WorkspaceId) -> Self {
        Self::new(self.client.clone(), Some(workspace))
    }

    async fn one(&self, share: ShareId) -> Result<String> {
        self.client.path_in(self.workspace, format!("shares/{share}")).await
    }

    /// Makes a link to a folder or a file. Its token is in the answer, and nowhere else ever again.
    pub async fn create(&self, node: NodeId, share: &CreateShare) -> Result<NewShare> {
        let path = format!("/v1/files/{node}/shares");
        self.client.json(self.client.write(Method::POST, path)?.json(share)?).await
    }

    /// Returns where who has a token begins: an address of this client's own server.
    #[must_use]
    pub fn url(&self, token: &HiddenText) -> String {
        self.client.absolute(&format!("/v1/shares/{}", token.reveal()))
    }

    /// Lists the links, the oldest first: an admin's all, others' their own.
    pub fn list(&self) -> Listing<Share> {
        Listing::new(self.client.clone(), self.client.path_in(self.workspace, "shares".to_owned()))
    }

    /// Returns a link.
    pub async fn get(&self, share: ShareId) -> Result<Share> {
        self.client.json(Call::get(self.one(share).await?)).await
    }

    /// Changes a link: its password, note, end or number of downloads.
    pub async fn update(&self, share: ShareId, change: &UpdateShare) -> Result<Share> {
        let path = self.one(share).await?;
        self.client.json(self.client.write(Method::PATCH, path)?.json(change)?).await
    }

    /// Revokes a link, which ends its visits; one that was revoked stays as it is.
    pub async fn revoke(&self, share: ShareId) -> Result<()> {
        let path = self.one(share).await?;
        self.client.done(self.client.write(Method::DELETE, path)?).await
    }
}
