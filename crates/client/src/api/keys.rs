//! API keys.

use http::Method;
use longshore_core::KeyId;
use longshore_core::wire::{CreateKey, Key, NewKey, RotateKey};

use super::listing::Listing;
use crate::client::Client;
use crate::error::Result;

/// The verbs on API keys. Only an admin's key may use them.
#[derive(Clone, Debug)]
pub struct Keys {
    client: Client,
}

impl Keys {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Makes a key. Its secret is in the answer, and nowhere else ever again.
    pub async fn create(&self, key: &CreateKey) -> Result<NewKey> {
        let call = self.client.write(Method::POST, "/v1/keys".to_owned())?;
        self.client.json(call.json(key)?).await
    }

    /// Lists the keys.
    pub fn list(&self) -> Listing<Key> {
        let path = async { Ok("/v1/keys".to_owned()) };
        Listing::new(self.client.clone(), path)
    }

    /// Makes a key like another; the old one ends at once, or after its grace. The new secret is in the answer, and nowhere else
    /// ever again.
    pub async fn rotate(&self, key: KeyId, wanted: RotateKey) -> Result<NewKey> {
        let call = self.client.write(Method::POST, format!("/v1/keys/{key}/rotate"))?;
        self.client.json(call.json(&wanted)?).await
    }

    /// Revokes a key.
    pub async fn revoke(&self, key: KeyId) -> Result<()> {
        let path = format!("/v1/keys/{key}");
        self.client.done(self.client.write(Method::DELETE, path)?).await
    }
}
