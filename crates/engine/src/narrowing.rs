//! What acts need of who asks, and what a key is narrowed to besides its role and its workspace: verbs, a folder, networks,
//! a time.
//!
//! Nothing of it widens after a key was made. A folder is known by its id, and what lies in it by the ids above each node:
//! names and paths decide nothing.

use std::collections::BTreeSet;
use std::net::IpAddr;

use longshore_core::wire::{Role, Verb};
use longshore_core::{Code, NodeId, Timestamp};
use longshore_egress::Network;

use crate::db::nodes::Place;
use crate::db::{self, Tx};
use crate::error::{Error, Result};

/// The most networks of a key.
const MOST_NETWORKS: usize = 32;

/// Which verbs a key must have that is narrowed to some.
#[derive(Clone, Copy, Debug)]
enum Verbs {
    /// One of them: what the act really does decides further.
    Any(&'static [Verb]),
    All(&'static [Verb]),
}

/// What an act needs of who asks, wherever that is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need {
    pub(crate) role: Role,
    verbs: Verbs,
    /// It is about a workspace as a whole, so that no key of a folder may.
    is_whole: bool,
}

impl Need {
    /// To know that a workspace is there, which every key may that reaches it.
    pub(crate) const KNOW: Self = Self::any(Role::Viewer, Verb::ALL);
    pub(crate) const KNOW_WHOLE: Self = Self::KNOW.whole();
    pub(crate) const READ: Self = Self::all(Role::Viewer, &[Verb::Read]);
    /// To read what tells of a workspace as a whole.
    pub(crate) const READ_WHOLE: Self = Self::READ.whole();
    pub(crate) const SHARE: Self = Self::all(Role::Viewer, &[Verb::Read, Verb::Share]);
    /// To have others put files in a folder.
    pub(crate) const SHARE_DROP: Self = Self::all(Role::Editor, &[Verb::Read, Verb::Share, Verb::Create]);
    pub(crate) const CREATE: Self = Self::all(Role::Editor, &[Verb::Create]);
    /// What the copy's answer tells, and the copy itself, is that of the source.
    pub(crate) const COPY: Self = Self::all(Role::Editor, &[Verb::Read, Verb::Create]);
    pub(crate) const WRITE: Self = Self::all(Role::Editor, &[Verb::Write]);
    /// To bring content to a place: [`Self::CREATE`] where nothing is there, [`Self::WRITE`] where something is.
    pub(crate) const UPLOAD: Self = Self::any(Role::Editor, &[Verb::Create, Verb::Write]);
    pub(crate) const DELETE: Self = Self::all(Role::Editor, &[Verb::Delete]);
    /// To take acts back: [`Self::DELETE`] for what they made, [`Self::WRITE`] for what they changed.
    pub(crate) const UNDO: Self = Self::any(Role::Editor, &[Verb::Write, Verb::Delete]);
    /// To remove for good.
    pub(crate) const PURGE: Self = Self::all(Role::Admin, &[Verb::Delete]);
    pub(crate) const PURGE_WHOLE: Self = Self::PURGE.whole();
    /// To take somebody's lock.
    pub(crate) const BREAK: Self = Self::all(Role::Admin, &[Verb::Write]);
    /// To take all of a workspace along, with all that it ever had.
    pub(crate) const EXPORT: Self = Self::all(Role::Admin, &[Verb::Read, Verb::Manage]).whole();
    pub(crate) const MANAGE: Self = Self::manage(Role::Admin);

    const fn any(role: Role, verbs: &'static [Verb]) -> Self {
        Self { role, verbs: Verbs::Any(verbs), is_whole: false }
    }

    const fn all(role: Role, verbs: &'static [Verb]) -> Self {
        Self { role, verbs: Verbs::All(verbs), is_whole: false }
    }

    const fn whole(self) -> Self {
        Self { is_whole: true, ..self }
    }

    /// To manage, in a role that is not always an admin's.
    pub(crate) const fn manage(role: Role) -> Self {
        Self::all(role, &[Verb::Manage]).whole()
    }
}

/// What a key is narrowed to; by default to nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Narrowing {
    pub(crate) verbs: Option<BTreeSet<Verb>>,
    pub(crate) folder: Option<NodeId>,
    /// Looked at when the key is shown, and not again.
    pub(crate) networks: Option<Vec<Network>>,
    /// Looked at when the key is shown, too; here for what it hands out, which lasts no longer.
    pub(crate) ends_at: Option<Timestamp>,
}

/// Returns the verbs of what somebody does in a role.
const fn verbs_of(role: Role) -> &'static [Verb] {
    match role {
        Role::Viewer => &[Verb::Read, Verb::Share],
        Role::Editor => &[Verb::Read, Verb::Create, Verb::Write, Verb::Delete, Verb::Share],
        Role::Admin | Role::Owner => Verb::ALL,
    }
}

fn words<'a>(verbs: impl IntoIterator<Item = &'a Verb>) -> String {
    verbs.into_iter().map(|verb| verb.as_str()).collect::<Vec<_>>().join(", ")
}

impl Narrowing {
    fn has(&self, verb: Verb) -> bool {
        self.verbs.as_ref().is_none_or(|verbs| verbs.contains(&verb))
    }

    /// Refuses what the key is not for.
    pub(crate) fn allow(&self, need: Need) -> Result<()> {
        let (holds, needed) = match need.verbs {
            Verbs::Any(verbs) => (verbs.iter().any(|verb| self.has(*verb)), verbs),
            Verbs::All(verbs) => (verbs.iter().all(|verb| self.has(*verb)), verbs),
        };
        if !holds {
            let own = words(self.verbs.iter().flatten());
            let detail = format!("this takes the verb {}, and the key is narrowed to {own}", words(needed));
            return Err(Error::new(Code::Forbidden, detail));
        }
        if need.is_whole && self.folder.is_some() {
            let detail = "this is about the workspace as a whole, and the key is narrowed to a folder";
            return Err(Error::new(Code::Forbidden, detail));
        }
        Ok(())
    }

    /// Tells whether the key reaches less than its role does in its workspace, or does less there.
    pub(crate) const fn is_some(&self) -> bool {
        self.verbs.is_some() || self.folder.is_some()
    }

    /// Tells whether what its principal does with it is all that they do with another, wherever they are and for ever.
    pub(crate) const fn is_none(&self) -> bool {
        !self.is_some() && self.networks.is_none() && self.ends_at.is_none()
    }

    /// Refuses to give a role with whose verbs somebody else would do what the key is not for.
    pub(crate) fn ensure_may_give(&self, role: Role) -> Result<()> {
        let missing = verbs_of(role).iter().filter(|verb| !self.has(**verb));
        let missing = words(missing);
        if missing.is_empty() {
            return Ok(());
        }
        let detail =
            format!("nobody gives a role that may more than their key: {role} has the verbs {missing} too");
        Err(Error::new(Code::Forbidden, detail))
    }

    /// Refuses to do to the key's own folder what is done to it in the folder that it is in.
    pub(crate) fn ensure_not_its_folder(&self, node: NodeId) -> Result<()> {
        if self.folder == Some(node) {
            let detail = "the folder that a key is narrowed to is not renamed, moved or removed with it";
            return Err(Error::new(Code::Forbidden, detail));
        }
        Ok(())
    }

    /// Tells whether a place lies in what the key reaches.
    pub(crate) fn has_place(&self, place: &Place) -> bool {
        self.folder.is_none_or(|folder| place.ids.contains(&folder))
    }

    /// Tells whether a node lies in what the key reaches.
    pub(crate) async fn has_node(&self, tx: &mut Tx, node: NodeId) -> Result<bool> {
        Ok(self.folder.is_none() || self.has_place(&db::nodes::place(tx, node).await?))
    }

    /// Tells whether a path leads through what the key reaches, or would.
    pub(crate) async fn has_path(
        &self,
        tx: &mut Tx,
        root: NodeId,
        path: &longshore_core::WorkspacePath,
    ) -> Result<bool> {
        let Some(folder) = self.folder else { return Ok(true) };
        let mut at = root;
        for name in path.names() {
            if at == folder {
                break;
            }
            let Some(child) = db::nodes::child(tx, at, name.as_str()).await? else { return Ok(false) };
            at = child.id;
        }
        Ok(at == folder)
    }

    /// Refuses who comes from elsewhere than the key is good from; from where nobody knows is elsewhere.
    pub(crate) fn ensure_good_from(&self, address: Option<IpAddr>) -> Result<()> {
        let Some(networks) = &self.networks else { return Ok(()) };
        let address = address.map(|address| address.to_canonical());
        if address.is_some_and(|address| networks.iter().any(|network| network.contains(address))) {
            return Ok(());
        }
        let detail = "the key is good from other addresses than the one that this request comes from";
        Err(Error::new(Code::KeyAddressRefused, detail))
    }

    /// Returns the verbs of a key that a key narrowed so makes, or refuses what it has not itself.
    pub(crate) fn verbs_within(&self, wanted: Option<BTreeSet<Verb>>) -> Result<Option<BTreeSet<Verb>>> {
        match (&self.verbs, wanted) {
            (_, Some(wanted)) if wanted.is_empty() => {
                Err(Error::new(Code::InvalidBody, "`verbs` names one verb at least"))
            }
            (Some(own), Some(wanted)) if !wanted.is_subset(own) => {
                let detail = "nobody makes a key with verbs that their own has not";
                Err(Error::new(Code::Forbidden, detail))
            }
            (own, wanted) => Ok(wanted.or_else(|| own.clone())),
        }
    }

    /// Returns the networks of a key that a key narrowed so makes, or refuses those that it is not good from itself.
    pub(crate) fn networks_within(&self, wanted: Option<&[String]>) -> Result<Option<Vec<Network>>> {
        let Some(wanted) = wanted else { return Ok(self.networks.clone()) };
        if wanted.is_empty() || wanted.len() > MOST_NETWORKS {
            let detail = format!("`addresses` are 1 to {MOST_NETWORKS} networks");
            return Err(Error::new(Code::InvalidBody, detail));
        }
        let networks = wanted.iter().map(|text| {
            let malformed = |error| Error::new(Code::InvalidBody, format!("`addresses`: {error}"));
            text.parse::<Network>().map_err(malformed)
        });
        let networks = networks.collect::<Result<Vec<_>>>()?;
        let is_within = |network: &Network| {
            self.networks.as_ref().is_none_or(|own| own.iter().any(|own| own.includes(network)))
        };
        if !networks.iter().all(is_within) {
            let detail = "nobody makes a key that is good from more addresses than their own";
            return Err(Error::new(Code::Forbidden, detail));
        }
        Ok(Some(networks))
    }

    /// Returns the end of a key that a key narrowed so makes, or refuses one after its own.
    pub(crate) fn end_within(&self, wanted: Option<Timestamp>) -> Result<Option<Timestamp>> {
        match (self.ends_at, wanted) {
            (Some(own), Some(wanted)) if wanted > own => {
                let detail =
                    format!("nobody makes a key that lasts longer than their own, which ends at {own}");
                Err(Error::new(Code::Forbidden, detail))
            }
            (own, wanted) => Ok(wanted.or(own)),
        }
    }

    /// Refuses to hand out a key that is narrowed less than this.
    pub(crate) fn ensure_covers(&self, other: &Self) -> Result<()> {
        let verbs = match (&self.verbs, &other.verbs) {
            (None, _) => true,
            (Some(own), other) => other.as_ref().is_some_and(|other| other.is_subset(own)),
        };
        let networks = match (&self.networks, &other.networks) {
            (None, _) => true,
            (Some(own), Some(other)) => {
                other.iter().all(|network| own.iter().any(|own| own.includes(network)))
            }
            (Some(_), None) => false,
        };
        let time = self.ends_at.is_none_or(|own| other.ends_at.is_some_and(|end| end <= own));
        if verbs && networks && time {
            return Ok(());
        }
        Err(Error::new(Code::Forbidden, "nobody rotates a key that is narrowed less than their own"))
    }
}

#[cfg(test)]
mod tests;
