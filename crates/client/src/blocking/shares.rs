//! The blocking verbs on share links.

use std::sync::Arc;

use longshore_core::wire::{CreateShare, HiddenText, NewShare, Share, UpdateShare};
use longshore_core::{NodeId, ShareId, WorkspaceId};
use tokio::runtime::Runtime;

use super::Waiting;
use crate::error::Result;

/// The blocking verbs on share links.
#[derive(Clone, Debug)]
pub struct Shares {
    verbs: crate::Shares,
    runtime: Arc<Runtime>,
}

impl Shares {
    pub(super) const fn new(verbs: crate::Shares, runtime: Arc<Runtime>) -> Self {
        Self { verbs, runtime }
    }

    /// Returns the same verbs for another workspace than the key's current one.
    #[must_use]
    pub fn of(&self, workspace: WorkspaceId) -> Self {
        Self::new(self.verbs.of(workspace), Arc::clone(&self.runtime))
    }

    /// Returns where who has a token begins.
    #[must_use]
    pub fn url(&self, token: &HiddenText) -> String {
        self.verbs.url(token)
    }

    verbs! {
        wait create(node: NodeId, share: &CreateShare) -> Result<NewShare>;
        iterate list() -> Waiting<crate::Listing<Share>>;
        wait get(share: ShareId) -> Result<Share>;
        wait update(share: ShareId, change: &UpdateShare) -> Result<Share>;
        wait revoke(share: ShareId) -> Result<()>;
    }
}
