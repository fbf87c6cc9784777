//! Where the verbs begin, kind by kind.

use super::Client;
use crate::api::events::Events;
use crate::api::files::Files;
use crate::api::hooks::Hooks;
use crate::api::identities::Identities;
use crate::api::invitations::Invitations;
use crate::api::jobs::Jobs;
use crate::api::keys::Keys;
use crate::api::locks::Locks;
use crate::api::members::Members;
use crate::api::notes::Notes;
use crate::api::principals::Principals;
use crate::api::sessions::Sessions;
use crate::api::shares::Shares;
use crate::api::transfers::Transfers;
use crate::api::workspaces::Workspaces;

impl Client {
    /// Returns the verbs on workspaces.
    #[must_use]
    pub fn workspaces(&self) -> Workspaces {
        Workspaces::new(self.clone())
    }

    /// Returns the verbs on handing over the key's current workspace, and on taking one over.
    #[must_use]
    pub fn transfers(&self) -> Transfers {
        Transfers::new(self.clone(), None)
    }

    /// Returns the verbs on the members of the key's current workspace.
    #[must_use]
    pub fn members(&self) -> Members {
        Members::new(self.clone(), None)
    }

    /// Returns the verbs on invitations into the key's current workspace.
    #[must_use]
    pub fn invitations(&self) -> Invitations {
        Invitations::new(self.clone(), None)
    }

    /// Returns the verbs on share links of the key's current workspace.
    #[must_use]
    pub fn shares(&self) -> Shares {
        Shares::new(self.clone(), None)
    }

    /// Returns the verbs on one's own sessions and password.
    #[must_use]
    pub fn sessions(&self) -> Sessions {
        Sessions::new(self.clone())
    }

    /// Returns the verbs on identities: how providers know people.
    #[must_use]
    pub fn identities(&self) -> Identities {
        Identities::new(self.clone())
    }

    /// Returns the verbs on people and agents.
    #[must_use]
    pub fn principals(&self) -> Principals {
        Principals::new(self.clone())
    }

    /// Returns the verbs on API keys.
    #[must_use]
    pub fn keys(&self) -> Keys {
        Keys::new(self.clone())
    }

    /// Returns the verbs on jobs.
    #[must_use]
    pub fn jobs(&self) -> Jobs {
        Jobs::new(self.clone())
    }

    /// Returns the verbs on the webhooks of the key's current workspace.
    #[must_use]
    pub fn hooks(&self) -> Hooks {
        Hooks::new(self.clone(), None)
    }

    /// Returns the verbs on events.
    #[must_use]
    pub fn events(&self) -> Events {
        Events::new(self.clone())
    }

    /// Returns the verbs on folders and files.
    #[must_use]
    pub fn files(&self) -> Files {
        Files::new(self.clone())
    }

    /// Returns the verbs on notes.
    #[must_use]
    pub fn notes(&self) -> Notes {
        Notes::new(self.clone())
    }

    /// Returns the verbs on locks.
    #[must_use]
    pub fn locks(&self) -> Locks {
        Locks::new(self.clone())
    }
}
