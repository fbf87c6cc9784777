//! Invitations into a workspace.

use http::Method;
use longshore_core::wire::{
    AcceptInvitation, Accepted, CreateInvitation, HiddenText, Invitation, InvitationText, LookedAt, Member,
    NewInvitation,
};
use longshore_core::{InvitationId, WorkspaceId};

use super::listing::Listing;
use crate::client::{Call, Client};
use crate::error::Result;

/// The verbs on invitations: an admin of the workspace makes, lists and revokes them; who has a token answers it.
///
/// Making and listing take the workspace; nothing means the key's current one.
#[derive(Clone, Debug)]
pub struct Invitations {
    client: Client,
    workspace: Option<WorkspaceId>,
}

impl Invitations {
    pub(crate) fn new(client: Client, workspace: Option<WorkspaceId>) -> Self {
        Self { client, workspace }
    }

    /// Returns the same verbs for another workspace than the key's current one.
    #[must_use]
    pub fn of(&self, workspace: WorkspaceId) -> Self {
        Self::new(self.client.clone(), Some(workspace))
    }

    fn path(&self) -> impl Future<Output = Result<String>> + Send + use<> {
        self.client.path_in(self.workspace, "invitations".to_owned())
    }

    /// Makes an invitation. Its token is in the answer, and nowhere else ever again.
    pub async fn create(&self, invitation: &CreateInvitation) -> Result<NewInvitation> {
        let path = self.path().await?;
        self.client.json(self.client.write(Method::POST, path)?.json(invitation)?).await
    }

    /// Lists the invitations, the oldest first: those that have ended too, until 30 days after their time.
    pub fn list(&self) -> Listing<Invitation> {
        Listing::new(self.client.clone(), self.path())
    }

    /// Revokes an invitation; one that has ended stays as it is.
    pub async fn revoke(&self, invitation: InvitationId) -> Result<()> {
        let path = format!("/v1/invitations/{invitation}");
        self.client.done(self.client.write(Method::DELETE, path)?).await
    }

    fn of_token(&self, verb: &str, token: &HiddenText) -> Result<Call> {
        let call = self.client.write(Method::POST, format!("/v1/invitations/{verb}"))?;
        call.json(&InvitationText { token: token.clone() })
    }

    /// Tells what a token invites to.
    pub async fn look(&self, token: &HiddenText) -> Result<LookedAt> {
        self.client.json(self.of_token("look", token)?).await
    }

    /// Makes who acts with the key a member of the workspace that a token invites to; a greater role there stays.
    pub async fn accept(&self, token: &HiddenText) -> Result<Member> {
        let wanted =
            AcceptInvitation { token: token.clone(), name: None, sign_in_name: None, password: None };
        let call = self.client.write(Method::POST, "/v1/invitations/accept".to_owned())?;
        let accepted: Accepted = self.client.json(call.json(&wanted)?).await?;
        Ok(accepted.member)
    }

    /// Declines what a token invites to: it is good no more.
    pub async fn decline(&self, token: &HiddenText) -> Result<()> {
        self.client.done(self.of_token("decline", token)?).await
    }
}
