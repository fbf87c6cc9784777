//! Workspaces that are handed over.

use http::Method;
use longshore_core::WorkspaceId;
use longshore_core::key::ClaimToken;
use longshore_core::wire::{ClaimTransfer, NewTransfer, OfferTransfer, Transfer, TransferManifest};

use crate::client::{Call, Client};
use crate::error::Result;

/// The verbs on transfers: an owner offers a workspace, and whoever has the offer's token becomes its owner.
#[derive(Clone, Debug)]
pub struct Transfers {
    client: Client,
    workspace: Option<WorkspaceId>,
}

impl Transfers {
    pub(crate) fn new(client: Client, workspace: Option<WorkspaceId>) -> Self {
        Self { client, workspace }
    }

    /// Returns the same verbs for another workspace than the key's current one.
    #[must_use]
    pub fn of(&self, workspace: WorkspaceId) -> Self {
        Self::new(self.client.clone(), Some(workspace))
    }

    async fn path(&self) -> Result<String> {
        self.client.path_in(self.workspace, "transfer".to_owned()).await
    }

    /// Offers the workspace to whoever gets the token, which is in the answer and nowhere else; an offer that is open is
    /// revoked. It takes the owner, or an admin of the server.
    pub async fn offer(&self, wanted: &OfferTransfer) -> Result<NewTransfer> {
        self.client.json(self.client.write(Method::POST, self.path().await?)?.json(wanted)?).await
    }

    /// Returns the open offer of the workspace, or the last one that was.
    pub async fn get(&self) -> Result<Transfer> {
        self.client.json(Call::get(self.path().await?)).await
    }

    /// Takes the open offer back.
    pub async fn revoke(&self) -> Result<()> {
        self.client.done(self.client.write(Method::DELETE, self.path().await?)?).await
    }

    async fn answer<T: serde::de::DeserializeOwned>(&self, verb: &str, token: &ClaimToken) -> Result<T> {
        let call = self.client.write(Method::POST, format!("/v1/transfers/{verb}"))?;
        self.client.json(call.json(&ClaimTransfer { token: token.reveal().to_owned() })?).await
    }

    /// Returns what is handed over with a token.
    pub async fn look(&self, token: &ClaimToken) -> Result<TransferManifest> {
        self.answer("look", token).await
    }

    /// Becomes the owner of the workspace that is offered; the owner before stays as an admin until removed.
    pub async fn accept(&self, token: &ClaimToken) -> Result<Transfer> {
        self.answer("accept", token).await
    }

    /// Ends an offer that is not wanted.
    pub async fn decline(&self, token: &ClaimToken) -> Result<Transfer> {
        self.answer("decline", token).await
    }
}
