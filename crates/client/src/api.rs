//! The verbs of the HTTP API, a file per resource.

pub(crate) mod files;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod listing;
pub(crate) mod locks;
pub(crate) mod workspaces;
