//! People and agents.

use http::Method;
use longshore_core::PrincipalId;
use longshore_core::wire::{CreatePrincipal, NewReset, Principal, UpdatePrincipal};

use super::listing::Listing;
use crate::client::{Call, Client};
use crate::error::Result;

/// The verbs on people and agents. Only an admin of the server may use them.
#[derive(Clone, Debug)]
pub struct Principals {
    client: Client,
}

impl Principals {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Makes a person or an agent, who may do nothing yet.
    pub async fn create(&self, principal: &CreatePrincipal) -> Result<Principal> {
        let call = self.client.write(Method::POST, "/v1/principals".to_owned())?;
        self.client.json(call.json(principal)?).await
    }

    /// Lists people and agents, the oldest first.
    pub fn list(&self) -> Listing<Principal> {
        let path = async { Ok("/v1/principals".to_owned()) };
        Listing::new(self.client.clone(), path)
    }

    /// Returns a person or an agent.
    pub async fn get(&self, principal: PrincipalId) -> Result<Principal> {
        self.client.json(Call::get(format!("/v1/principals/{principal}"))).await
    }

    /// Gives a person or an agent another name.
    pub async fn rename(&self, principal: PrincipalId, name: &str) -> Result<Principal> {
        let call = self.client.write(Method::PATCH, format!("/v1/principals/{principal}"))?;
        self.client.json(call.json(&UpdatePrincipal { name: name.to_owned() })?).await
    }

    /// Makes a token by which a person sets a new password, once and within a day.
    pub async fn create_reset(&self, person: PrincipalId) -> Result<NewReset> {
        let path = format!("/v1/principals/{person}/password");
        self.client.json(self.client.write(Method::POST, path)?).await
    }

    /// Ends what a person or an agent may do: keys, sessions, locks and links end with it.
    pub async fn deactivate(&self, principal: PrincipalId) -> Result<Principal> {
        let path = format!("/v1/principals/{principal}/deactivate");
        self.client.json(self.client.write(Method::POST, path)?).await
    }

    /// Lets a person or an agent do again what they may; the locks that they had are gone.
    pub async fn reactivate(&self, principal: PrincipalId) -> Result<Principal> {
        let path = format!("/v1/principals/{principal}/reactivate");
        self.client.json(self.client.write(Method::POST, path)?).await
    }
}
