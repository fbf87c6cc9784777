//! The product: workspaces, nodes, versions, access and events, with the database below them.
//!
//! Every front door calls the verbs of [`Engine`]; a rule (permission, precondition, limit) is written here
//! once. The engine never knows HTTP, and nobody but its module `db` knows SQL.
//!
//! One order holds for every write: bytes are durable in the store before the row that names them is
//! committed, a change and its event are one transaction, and an answer comes after the commit.

mod access;
mod accounts;
mod act;
mod actor;
mod archive;
mod audit;
mod batch;
mod blob;
mod chunks;
mod copy;
mod cursor;
mod db;
mod download;
mod engine;
mod error;
mod event_types;
mod events;
mod exports;
mod feed;
mod hooks;
mod idempotency;
mod identities;
mod imports;
mod invitations;
mod jobs;
mod key_cache;
mod last_uses;
mod links;
mod listing;
mod locks;
mod members;
mod narrowing;
mod nodes;
mod notes;
mod passwords;
mod places;
mod principals;
mod purge;
mod quota;
mod read_clock;
mod recovery;
mod retention;
mod search;
mod secret;
mod sessions;
mod shares;
mod sniff;
mod steps;
mod sweep;
mod transfers;
mod trash;
mod undo;
mod upload;
mod uploads;
mod versions;
mod words;
mod workspaces;

pub use act::{Preconditions, Premises};
pub use actor::{Actor, Credential, Origin};
pub use archive::{Archive, ArchiveItem};
pub use audit::{AuditAfter, AuditQuery};
pub use batch::{Batch, BatchReady, BatchWrite, Pick};
pub use db::Database;
pub use download::{Content, ContentStream};
pub use engine::{Engine, Settings};
pub use error::{Error, Result};
pub use event_types::EventTypes;
pub use events::EventQuery;
pub use exports::Export;
pub use feed::Follower;
pub use idempotency::{Idempotency, Replayed};
pub use identities::{Vouched, Welcome};
pub use imports::{Import, ImportOptions};
pub use jobs::{
    Handled, JobBacklog, JobContext, JobCount, JobFailure, JobFilter, JobKind, Kinds, NewJob, Outcome,
    WorkerSettings,
};
pub use links::{LinkToken, NewLink};
pub use listing::{Depth, PageRequest};
pub use locks::PrunedLocks;
pub use nodes::Target;
pub use passwords::PasswordCost;
pub use purge::TrashPurged;
pub use recovery::{Administrator, WayIn, ensure_sign_in};
pub use search::NodeFilter;
pub use sessions::Browser;
pub use shares::{DropOptions, Dropping, Visit};
pub use sniff::{Sniffed, sniff};
pub use sweep::Swept;
pub use upload::{Upload, UploadOptions, Written};
pub use uploads::{AppendOptions, Appending, Made, NewUpload, Staged};
pub use versions::Retained;

/// What may be dialled, and by what: the guard's own types, so that a front door needs no other way to them.
pub mod egress {
    pub use longshore_egress::{
        Error, Guard, Limits, MalformedNetwork, MalformedPorts, Network, Ports, Request, Response, Settings,
    };
}

/// What the engine is opened over: the store's own types, so that a front door needs no other way to them.
pub mod store {
    pub use longshore_store::{Capability, Config, Durability, Error, LocalOptions, Store};
}
