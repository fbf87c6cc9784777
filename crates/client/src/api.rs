//! The verbs of the HTTP API, a file per resource.

pub(crate) mod audit;
pub(crate) mod events;
pub(crate) mod files;
pub(crate) mod following;
pub(crate) mod hooks;
pub(crate) mod identities;
pub(crate) mod invitations;
pub(crate) mod jobs;
pub(crate) mod keys;
mod links;
pub(crate) mod listing;
pub(crate) mod locks;
pub(crate) mod members;
pub(crate) mod notes;
pub(crate) mod principals;
pub(crate) mod sessions;
pub(crate) mod shares;
pub(crate) mod transfers;
pub(crate) mod turns;
mod undo;
mod uploads;
pub(crate) mod versions;
pub(crate) mod visitor;
pub(crate) mod workspaces;
