//! Who acts, and what they may do.
//!
//! The one rule: in a workspace one has the greater of one's role as a member of it and one's role everywhere, and no more
//! than the key's role. A key that is narrowed to another workspace gives none there. What no role is had in is not found.
//! Which verbs a key is for, and which folder it reaches, is [`Narrowing`]'s.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use longshore_core::wire::Role;
use longshore_core::{Code, KeyId, PrincipalId, SessionId, ShareId, Timestamp, WorkspaceId};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::narrowing::{Narrowing, Need};
use crate::workspaces;

/// The roles of a principal in the workspaces it is a member of.
pub(crate) type Memberships = BTreeMap<WorkspaceId, Role>;

/// What a key lets its principal do, as the database had it when it was asked.
#[derive(Clone, Debug)]
pub(crate) struct Rights {
    /// The key's role.
    pub(crate) cap: Role,
    /// The one workspace that the key is narrowed to.
    pub(crate) only: Option<WorkspaceId>,
    /// The principal's role in every workspace.
    pub(crate) everywhere: Option<Role>,
    /// Of every workspace that the key may reach, or only of the one that a transaction is about.
    pub(crate) memberships: Memberships,
    pub(crate) narrowing: Narrowing,
}

/// What a verb needs of who asks, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Right {
    /// This in some workspace.
    Somewhere(Need),
    /// This in a workspace.
    In(WorkspaceId, Need),
    /// This in every workspace.
    Everywhere(Need),
}

impl Right {
    /// Returns the workspace that it is about.
    pub(crate) const fn workspace(self) -> Option<WorkspaceId> {
        match self {
            Self::In(workspace, _) => Some(workspace),
            Self::Somewhere(_) | Self::Everywhere(_) => None,
        }
    }
}

/// Where a request comes from, as the logs tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Its id.
    pub request_id: Option<String>,
    /// The address it was sent from.
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// Its method and route, without what the URL names.
    #[serde(default)]
    pub route: Option<String>,
}

/// By what somebody acts: what is looked at again in the transaction of each write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// A key.
    Key(KeyId),
    /// A session of who has signed in.
    Session(SessionId),
    /// A share link, which somebody visits: they act in the name of who made it, as far as the link goes.
    Share(ShareId),
    /// Longshore itself acts, by its own rules: there is nothing that could end.
    Longshore,
}

/// The principal behind a call, with what its key or session lets it do.
#[derive(Clone, Debug)]
pub struct Actor {
    /// Who acts.
    pub principal: PrincipalId,
    /// By what they act.
    pub credential: Credential,
    /// The request they act in, for the logs.
    pub origin: Option<Arc<Origin>>,
    rights: Arc<Rights>,
}

impl Actor {
    pub(crate) const fn new(principal: PrincipalId, credential: Credential, rights: Arc<Rights>) -> Self {
        Self { principal, credential, origin: None, rights }
    }

    /// Returns the key they act with; nothing for who has signed in or visits a share link, and for Longshore itself.
    #[must_use]
    pub const fn key(&self) -> Option<KeyId> {
        match self.credential {
            Credential::Key(key) => Some(key),
            Credential::Session(_) | Credential::Share(_) | Credential::Longshore => None,
        }
    }

    /// Returns the share link that they visit.
    pub(crate) const fn share(&self) -> Option<ShareId> {
        match self.credential {
            Credential::Share(share) => Some(share),
            Credential::Key(_) | Credential::Session(_) | Credential::Longshore => None,
        }
    }

    /// Returns the session they act in.
    #[must_use]
    pub const fn session(&self) -> Option<SessionId> {
        match self.credential {
            Credential::Session(session) => Some(session),
            Credential::Key(_) | Credential::Share(_) | Credential::Longshore => None,
        }
    }

    /// Returns who acts as an admin of one workspace and nowhere else: where they have a key or a session, each act asks
    /// again whether they still may.
    pub(crate) fn admin_of(workspace: WorkspaceId, principal: PrincipalId, credential: Credential) -> Self {
        let rights = Rights {
            cap: Role::Admin,
            only: Some(workspace),
            everywhere: None,
            memberships: Memberships::from([(workspace, Role::Admin)]),
            narrowing: Narrowing::default(),
        };
        Self::new(principal, credential, Arc::new(rights))
    }

    /// Returns Longshore itself, acting on one workspace by that one's own rules.
    pub(crate) fn longshore(workspace: WorkspaceId) -> Self {
        Self::admin_of(workspace, PrincipalId::LONGSHORE, Credential::Longshore)
    }

    /// Returns this actor acting in a request.
    #[must_use]
    pub fn in_request(self, origin: impl Into<Option<Arc<Origin>>>) -> Self {
        Self { origin: origin.into(), ..self }
    }

    /// Returns the id of the request they act in.
    pub(crate) fn request_id(&self) -> Option<&str> {
        self.origin.as_ref()?.request_id.as_deref()
    }

    /// Returns this actor with the rights that the database has for them now.
    pub(crate) fn with_rights(&self, rights: Arc<Rights>) -> Self {
        Self { rights, ..self.clone() }
    }

    /// Returns the role that what they act by has at most.
    pub(crate) fn cap(&self) -> Role {
        self.rights.cap
    }

    /// Returns the one workspace that the key is narrowed to.
    pub(crate) fn only(&self) -> Option<WorkspaceId> {
        self.rights.only
    }

    /// Returns what the key is narrowed to besides a role and a workspace.
    pub(crate) fn narrowing(&self) -> &Narrowing {
        &self.rights.narrowing
    }

    /// Returns the role in a workspace; nothing where it is not reached.
    #[must_use]
    pub fn role_in(&self, workspace: WorkspaceId) -> Option<Role> {
        let Rights { cap, only, everywhere, memberships, .. } = &*self.rights;
        if only.is_some_and(|own| own != workspace) {
            return None;
        }
        let own = memberships.get(&workspace).copied().max(*everywhere);
        own.map(|role| role.min(*cap))
    }

    /// Returns the role that is had in every workspace, and in the server where it is an admin's.
    pub(crate) fn role_everywhere(&self) -> Option<Role> {
        let Rights { cap, only, everywhere, .. } = &*self.rights;
        everywhere.filter(|_| only.is_none()).map(|role| role.min(*cap))
    }

    /// Returns the greatest role that is had in any workspace.
    pub(crate) fn role_somewhere(&self) -> Option<Role> {
        let Rights { cap, only, everywhere, memberships, .. } = &*self.rights;
        let own = match only {
            Some(own) => memberships.get(own).copied(),
            None => memberships.values().copied().max(),
        };
        own.max(*everywhere).map(|role| role.min(*cap))
    }

    /// Tells whether a workspace is seen at all.
    pub(crate) fn reaches(&self, workspace: WorkspaceId) -> bool {
        self.role_in(workspace).is_some()
    }

    /// Refuses who acts with less than all that the principal may: what is about somebody themselves is not for a key that
    /// was narrowed before it was given away.
    pub(crate) fn ensure_whole(&self) -> Result<()> {
        let is_whole = match self.credential {
            Credential::Session(_) => true,
            Credential::Key(_) => {
                let Rights { cap, only, narrowing, .. } = &*self.rights;
                only.is_none() && narrowing.is_none() && *cap == Role::Owner
            }
            Credential::Share(_) | Credential::Longshore => false,
        };
        if is_whole {
            return Ok(());
        }
        let detail = "this takes a session, or a key that has the role owner, no end, and is not narrowed";
        Err(Error::new(Code::AccountNeeded, detail))
    }

    /// Refuses a key that would give its principal more than it may do itself: to join a workspace with a role.
    pub(crate) fn ensure_may_join(&self, role: Role) -> Result<()> {
        if self.is_unnarrowed() && self.rights.cap >= role {
            return Ok(());
        }
        let detail =
            format!("to join as {role} takes a session, or a key that is not narrowed and has that role");
        Err(Error::new(Code::AccountNeeded, detail))
    }

    /// Tells whether a key has all that its role has, wherever its principal has it.
    fn is_unnarrowed(&self) -> bool {
        self.rights.only.is_none() && !self.narrowing().is_some()
    }

    /// Refuses who lacks what an act in a workspace needs; one that is not reached is not found.
    pub(crate) fn needs(&self, workspace: WorkspaceId, need: Need) -> Result<()> {
        self.may(Right::In(workspace, need))
    }

    /// Refuses who lacks a right.
    pub(crate) fn may(&self, right: Right) -> Result<()> {
        let (own, need, place) = match right {
            Right::In(workspace, need) => {
                let unreached = || workspaces::not_found(workspace).refusing(workspace);
                let own = self.role_in(workspace).ok_or_else(unreached)?;
                (Some(own), need, "in this workspace")
            }
            Right::Somewhere(need) => (self.role_somewhere(), need, "in a workspace"),
            Right::Everywhere(need) => (self.role_everywhere(), need, "on the server as a whole"),
        };
        let allowed = ensure(own, need.role, place).and_then(|()| self.narrowing().allow(need));
        allowed.map_err(|error| error.refusing(right.workspace()))
    }
}

fn ensure(own: Option<Role>, needed: Role, place: &str) -> Result<()> {
    if own >= Some(needed) {
        return Ok(());
    }
    let own = own.map_or_else(|| "you have none".to_owned(), |own| format!("yours is {own}"));
    Err(Error::new(Code::Forbidden, format!("this takes the role {needed} {place}; with this key {own}")))
}

/// What may end a key before its time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) revoked_at: Option<Timestamp>,
    pub(crate) expires_at: Option<Timestamp>,
    /// Of its principal.
    pub(crate) deactivated_at: Option<Timestamp>,
}

impl Ends {
    /// Refuses a key that was revoked, whose time is over, or whose principal was deactivated.
    pub(crate) fn ensure_valid(self, now: Timestamp) -> Result<()> {
        if let Some(at) = self.revoked_at {
            return Err(Error::new(Code::KeyRevoked, format!("the key was revoked at {at}")));
        }
        if let Some(end) = self.expires_at.filter(|end| *end <= now) {
            return Err(Error::new(Code::KeyExpired, format!("the key's time was over at {end}")));
        }
        match self.deactivated_at {
            Some(at) => {
                let detail = format!("who acts with this key was deactivated at {at}");
                Err(Error::new(Code::PrincipalDeactivated, detail))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use longshore_core::wire::Role::{self, Admin, Editor, Owner, Viewer};
    use longshore_core::{Code, PrincipalId, Timestamp, WorkspaceId};

    use super::{Actor, Credential, Memberships, Right, Rights};
    use crate::narrowing::{Narrowing, Need};

    fn workspace(number: i64) -> WorkspaceId {
        WorkspaceId::new(Timestamp::from_micros(number))
    }

    fn actor(
        cap: Role,
        only: Option<WorkspaceId>,
        everywhere: Option<Role>,
        memberships: &[(WorkspaceId, Role)],
    ) -> Actor {
        let memberships = memberships.iter().copied().collect::<Memberships>();
        let rights = Rights { cap, only, everywhere, memberships, narrowing: Narrowing::default() };
        Actor::new(PrincipalId::LONGSHORE, Credential::Longshore, Arc::new(rights))
    }

    #[test]
    fn a_role_is_the_greater_of_both_and_no_more_than_the_keys() {
        let (here, there, nowhere) = (workspace(1), workspace(2), workspace(3));
        let roles = [(here, Owner), (there, Viewer)];
        for (actor, expected) in [
            (actor(Owner, None, None, &roles), [Some(Owner), Some(Viewer), None]),
            (actor(Editor, None, None, &roles), [Some(Editor), Some(Viewer), None]),
            (actor(Owner, None, Some(Editor), &roles), [Some(Owner), Some(Editor), Some(Editor)]),
            (actor(Viewer, None, Some(Admin), &roles), [Some(Viewer), Some(Viewer), Some(Viewer)]),
            (actor(Owner, Some(there), None, &roles), [None, Some(Viewer), None]),
            (actor(Owner, Some(there), Some(Admin), &roles), [None, Some(Admin), None]),
            (actor(Owner, Some(nowhere), None, &roles), [None, None, None]),
        ] {
            assert_eq!([here, there, nowhere].map(|place| actor.role_in(place)), expected, "{actor:?}");
            assert_eq!(actor.role_somewhere(), expected.into_iter().max().flatten(), "{actor:?}");
        }
    }

    #[test]
    fn a_narrowed_key_has_no_right_on_the_server() {
        let here = workspace(1);
        let admin = actor(Owner, None, Some(Admin), &[]);
        admin.may(Right::Everywhere(Need::MANAGE)).unwrap();
        for lesser in [
            actor(Owner, Some(here), Some(Admin), &[(here, Owner)]),
            actor(Editor, None, Some(Admin), &[(here, Owner)]),
            actor(Owner, None, None, &[(here, Owner)]),
        ] {
            assert_eq!(lesser.may(Right::Everywhere(Need::MANAGE)).unwrap_err().code(), Code::Forbidden);
        }
    }

    #[test]
    fn what_is_not_reached_is_not_found_and_what_is_may_be_forbidden() {
        let (here, there) = (workspace(1), workspace(2));
        let editor = actor(Admin, None, None, &[(here, Editor)]);
        editor.needs(here, Need::WRITE).unwrap();
        assert_eq!(editor.needs(here, Need::MANAGE).unwrap_err().code(), Code::Forbidden);
        assert_eq!(editor.needs(there, Need::READ).unwrap_err().code(), Code::WorkspaceNotFound);
        assert_eq!(editor.may(Right::Somewhere(Need::MANAGE)).unwrap_err().code(), Code::Forbidden);
    }
}
