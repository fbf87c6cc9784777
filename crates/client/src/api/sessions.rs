//! One's own sessions in browsers, and passwords.

use http::Method;
use longshore_core::SessionId;
use longshore_core::wire::{ChangePassword, Page, ResetPassword, Session};

use crate::client::{Call, Client};
use crate::error::Result;

/// The verbs on one's own sessions and password: they take a key with the role owner that is not narrowed. Signing in is for
/// browsers.
#[derive(Clone, Debug)]
pub struct Sessions {
    client: Client,
}

impl Sessions {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Lists the sessions, the newest first: at most 100.
    pub async fn list(&self) -> Result<Vec<Session>> {
        let page: Page<Session> = self.client.json(Call::get("/v1/sessions".to_owned())).await?;
        Ok(page.items)
    }

    /// Ends a session.
    pub async fn end(&self, session: SessionId) -> Result<()> {
        self.client.done(self.client.write(Method::DELETE, format!("/v1/sessions/{session}"))?).await
    }

    /// Ends all sessions but the one that asks, which with a key is none.
    pub async fn end_others(&self) -> Result<()> {
        self.client.done(self.client.write(Method::DELETE, "/v1/sessions".to_owned())?).await
    }

    /// Sets another password for who knows the present one; all sessions end.
    pub async fn change_password(&self, wanted: &ChangePassword) -> Result<()> {
        let call = self.client.write(Method::PUT, "/v1/me/password".to_owned())?;
        self.client.done(call.json(wanted)?).await
    }

    /// Sets a new password by a token that an admin of the server has made; all sessions of whom it is for end.
    pub async fn reset_password(&self, wanted: &ResetPassword) -> Result<()> {
        let call = self.client.write(Method::POST, "/v1/password".to_owned())?;
        self.client.done(call.json(wanted)?).await
    }
}
