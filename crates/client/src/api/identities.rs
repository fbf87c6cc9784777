//! Identities: how providers of OpenID Connect know people, who sign in by them in a browser.

use http::Method;
use longshore_core::wire::{Identity, OidcProvider, Page};
use longshore_core::{IdentityId, PrincipalId};

use crate::client::{Call, Client};
use crate::error::Result;

/// The verbs on identities. One's own take a key with the role owner that is not narrowed, those of others an admin of the
/// server. Signing in by one, and adding one, is for browsers.
#[derive(Clone, Debug)]
pub struct Identities {
    client: Client,
}

impl Identities {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    async fn items<T: serde::de::DeserializeOwned>(&self, path: String) -> Result<Vec<T>> {
        let page: Page<T> = self.client.json(Call::get(path)).await?;
        Ok(page.items)
    }

    /// Lists the providers that people may sign in by.
    pub async fn providers(&self) -> Result<Vec<OidcProvider>> {
        self.items("/v1/session/oidc".to_owned()).await
    }

    /// Lists one's own identities, the oldest first: at most 20.
    pub async fn list(&self) -> Result<Vec<Identity>> {
        self.items("/v1/me/identities".to_owned()).await
    }

    /// Removes one of one's own identities, and ends all one's sessions.
    pub async fn remove(&self, identity: IdentityId) -> Result<()> {
        let call = self.client.write(Method::DELETE, format!("/v1/me/identities/{identity}"))?;
        self.client.done(call).await
    }

    /// Lists the identities of a person.
    pub async fn list_of(&self, person: PrincipalId) -> Result<Vec<Identity>> {
        self.items(format!("/v1/principals/{person}/identities")).await
    }

    /// Removes an identity of a person, and ends all their sessions.
    pub async fn remove_of(&self, person: PrincipalId, identity: IdentityId) -> Result<()> {
        let path = format!("/v1/principals/{person}/identities/{identity}");
        self.client.done(self.client.write(Method::DELETE, path)?).await
    }
}
