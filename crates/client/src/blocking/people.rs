//! The blocking verbs on who may do what: keys, people, and how they come in.

use std::sync::Arc;

use longshore_core::wire::{
    ChangePassword, CreateInvitation, CreateKey, CreatePrincipal, HiddenText, Identity, Invitation, Key,
    LookedAt, Member, NewInvitation, NewKey, NewReset, NewTransfer, OfferTransfer, OidcProvider, Principal,
    ResetPassword, Role, RotateKey, Session, Transfer, TransferManifest,
};
use longshore_core::{ClaimToken, IdentityId, InvitationId, KeyId, PrincipalId, SessionId, WorkspaceId};
use tokio::runtime::Runtime;

use super::Waiting;
use crate::error::Result;

/// The blocking verbs on API keys.
#[derive(Clone, Debug)]
pub struct Keys {
    pub(super) verbs: crate::Keys,
    pub(super) runtime: Arc<Runtime>,
}

impl Keys {
    verbs! {
        wait create(key: &CreateKey) -> Result<NewKey>;
        iterate list() -> Waiting<crate::Listing<Key>>;
        wait rotate(key: KeyId, wanted: RotateKey) -> Result<NewKey>;
        wait revoke(key: KeyId) -> Result<()>;
    }
}

/// The blocking verbs on the members of a workspace.
#[derive(Clone, Debug)]
pub struct Members {
    pub(super) verbs: crate::Members,
    pub(super) runtime: Arc<Runtime>,
}

impl Members {
    /// Returns the same verbs for another workspace than the key's current one.
    #[must_use]
    pub fn of(&self, workspace: WorkspaceId) -> Self {
        Self { verbs: self.verbs.of(workspace), runtime: self.runtime.clone() }
    }

    verbs! {
        iterate list() -> Waiting<crate::Listing<Member>>;
        wait get(principal: PrincipalId) -> Result<Member>;
        wait set(principal: PrincipalId, role: Role) -> Result<Member>;
        wait remove(principal: PrincipalId) -> Result<()>;
    }
}

/// The blocking verbs on handing a workspace over.
#[derive(Clone, Debug)]
pub struct Transfers {
    pub(super) verbs: crate::Transfers,
    pub(super) runtime: Arc<Runtime>,
}

impl Transfers {
    /// Returns the same verbs for another workspace than the key's current one.
    #[must_use]
    pub fn of(&self, workspace: WorkspaceId) -> Self {
        Self { verbs: self.verbs.of(workspace), runtime: self.runtime.clone() }
    }

    verbs! {
        wait offer(wanted: &OfferTransfer) -> Result<NewTransfer>;
        wait get() -> Result<Transfer>;
        wait revoke() -> Result<()>;
        wait look(token: &ClaimToken) -> Result<TransferManifest>;
        wait accept(token: &ClaimToken) -> Result<Transfer>;
        wait decline(token: &ClaimToken) -> Result<Transfer>;
    }
}

/// The blocking verbs on invitations.
#[derive(Clone, Debug)]
pub struct Invitations {
    pub(super) verbs: crate::Invitations,
    pub(super) runtime: Arc<Runtime>,
}

impl Invitations {
    /// Returns the same verbs for another workspace than the key's current one.
    #[must_use]
    pub fn of(&self, workspace: WorkspaceId) -> Self {
        Self { verbs: self.verbs.of(workspace), runtime: self.runtime.clone() }
    }

    verbs! {
        wait create(invitation: &CreateInvitation) -> Result<NewInvitation>;
        iterate list() -> Waiting<crate::Listing<Invitation>>;
        wait revoke(invitation: InvitationId) -> Result<()>;
        wait look(token: &HiddenText) -> Result<LookedAt>;
        wait accept(token: &HiddenText) -> Result<Member>;
        wait decline(token: &HiddenText) -> Result<()>;
    }
}

/// The blocking verbs on one's own sessions and password.
#[derive(Clone, Debug)]
pub struct Sessions {
    pub(super) verbs: crate::Sessions,
    pub(super) runtime: Arc<Runtime>,
}

impl Sessions {
    verbs! {
        wait list() -> Result<Vec<Session>>;
        wait end(session: SessionId) -> Result<()>;
        wait end_others() -> Result<()>;
        wait change_password(wanted: &ChangePassword) -> Result<()>;
        wait reset_password(wanted: &ResetPassword) -> Result<()>;
    }
}

/// The blocking verbs on identities.
#[derive(Clone, Debug)]
pub struct Identities {
    pub(super) verbs: crate::Identities,
    pub(super) runtime: Arc<Runtime>,
}

impl Identities {
    verbs! {
        wait providers() -> Result<Vec<OidcProvider>>;
        wait list() -> Result<Vec<Identity>>;
        wait remove(identity: IdentityId) -> Result<()>;
        wait list_of(person: PrincipalId) -> Result<Vec<Identity>>;
        wait remove_of(person: PrincipalId, identity: IdentityId) -> Result<()>;
    }
}

/// The blocking verbs on people and agents.
#[derive(Clone, Debug)]
pub struct Principals {
    pub(super) verbs: crate::Principals,
    pub(super) runtime: Arc<Runtime>,
}

impl Principals {
    verbs! {
        wait create(principal: &CreatePrincipal) -> Result<Principal>;
        iterate list() -> Waiting<crate::Listing<Principal>>;
        wait get(principal: PrincipalId) -> Result<Principal>;
        wait rename(principal: PrincipalId, name: &str) -> Result<Principal>;
        wait create_reset(person: PrincipalId) -> Result<NewReset>;
        wait deactivate(principal: PrincipalId) -> Result<Principal>;
        wait reactivate(principal: PrincipalId) -> Result<Principal>;
    }
}
