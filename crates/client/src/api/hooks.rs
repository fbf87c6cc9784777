//! Webhooks.

use http::Method;
use longshore_core::wire::{
    CreateHook, Delivery, DeliveryState, Hook, Job, NewHook, Redeliver, RotateHook, UpdateHook,
};
use longshore_core::{DeliveryId, HookId, WorkspaceId};

use super::listing::Listing;
use crate::client::{Call, Client};
use crate::error::Result;

/// The verbs on the webhooks of a workspace. Only an admin's key may use them.
///
/// Each takes the workspace; nothing means the key's current one. What a receiver gets is checked with
/// [`webhook`](crate::webhook).
#[derive(Clone, Debug)]
pub struct Hooks {
    client: Client,
    workspace: Option<WorkspaceId>,
}

impl Hooks {
    pub(crate) fn new(client: Client, workspace: Option<WorkspaceId>) -> Self {
        Self { client, workspace }
    }

    /// Returns the same verbs for another workspace than the key's current one.
    #[must_use]
    pub fn of(&self, workspace: WorkspaceId) -> Self {
        Self::new(self.client.clone(), Some(workspace))
    }

    fn path(&self, rest: &str) -> impl Future<Output = Result<String>> + Send + use<> {
        self.client.path_in(self.workspace, format!("hooks{rest}"))
    }

    async fn post(&self, rest: &str) -> Result<Call> {
        self.client.write(Method::POST, self.path(rest).await?)
    }

    /// Makes a hook. Its secret is in the answer, and nowhere else ever again.
    pub async fn create(&self, hook: &CreateHook) -> Result<NewHook> {
        let call = self.post("").await?;
        self.client.json(call.json(hook)?).await
    }

    /// Lists the hooks, oldest first.
    pub fn list(&self) -> Listing<Hook> {
        Listing::new(self.client.clone(), self.path(""))
    }

    /// Returns a hook.
    pub async fn get(&self, hook: HookId) -> Result<Hook> {
        self.client.json(Call::get(self.path(&format!("/{hook}")).await?)).await
    }

    /// Changes a hook, or switches it on or off.
    pub async fn update(&self, hook: HookId, change: &UpdateHook) -> Result<Hook> {
        let path = self.path(&format!("/{hook}")).await?;
        self.client.json(self.client.write(Method::PATCH, path)?.json(change)?).await
    }

    /// Removes a hook with all its deliveries.
    pub async fn delete(&self, hook: HookId) -> Result<()> {
        let path = self.path(&format!("/{hook}")).await?;
        self.client.done(self.client.write(Method::DELETE, path)?).await
    }

    /// Gives a hook a new secret. For `overlap_hours` (0 to 168; nothing means 24) deliveries carry a signature of the
    /// old one too.
    pub async fn rotate(&self, hook: HookId, overlap_hours: Option<u32>) -> Result<NewHook> {
        let call = self.post(&format!("/{hook}/rotate")).await?;
        self.client.json(call.json(&RotateHook { overlap_hours })?).await
    }

    /// Sends a test to the hook's receiver.
    pub async fn test(&self, hook: HookId) -> Result<Delivery> {
        self.client.json(self.post(&format!("/{hook}/test")).await?).await
    }

    /// Lists a hook's deliveries with their attempts, newest first: all, or those in one state.
    pub fn deliveries(&self, hook: HookId, state: Option<DeliveryState>) -> Listing<Delivery> {
        let query = state.map(|state| format!("?state={}", state.as_str())).unwrap_or_default();
        Listing::new(self.client.clone(), self.path(&format!("/{hook}/deliveries{query}")))
    }

    /// Returns a delivery with its attempts.
    pub async fn delivery(&self, hook: HookId, delivery: DeliveryId) -> Result<Delivery> {
        self.client.json(Call::get(self.path(&format!("/{hook}/deliveries/{delivery}")).await?)).await
    }

    /// Sends one delivery again.
    pub async fn redeliver_one(&self, hook: HookId, delivery: DeliveryId) -> Result<Delivery> {
        let rest = format!("/{hook}/deliveries/{delivery}/redeliver");
        self.client.json(self.post(&rest).await?).await
    }

    /// Sends many deliveries again, by a job: all that were given up, or all events since a place or a time.
    pub async fn redeliver(&self, hook: HookId, what: &Redeliver) -> Result<Job> {
        let call = self.post(&format!("/{hook}/redeliver")).await?;
        self.client.json(call.json(what)?).await
    }
}
