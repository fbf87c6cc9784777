//! The vocabulary of Longshore: the words every other crate speaks.
//!
//! Ids, workspace paths and names, digests, the wire types of the HTTP API, error
//! kinds with their public table of codes, API keys' text form, webhooks' signatures,
//! the chunks and deltas by which a new version shares bytes with an old one, the archive that a
//! workspace travels in, and a clock that tests can move.
//!
//! This crate is pure. It never knows tokio, files, HTTP or SQL; the only things it
//! takes from the machine are the time ([`clock::SystemClock`]) and random bytes
//! ([`random`]), each behind its one door.

#![warn(missing_docs)]

pub mod chunks;
pub mod clock;
pub mod delta;
pub mod digest;
pub mod digest_tree;
pub mod error;
pub mod export;
pub mod id;
pub mod key;
pub mod path;
pub mod random;
#[cfg(feature = "openapi")]
mod schema;
mod sign_in_name;
pub mod tar;
pub mod time;
pub mod webhook;
pub mod wire;

pub use clock::{Clock, ManualClock, SteadyClock, SystemClock};
pub use digest::{Algorithm, Digest};
pub use error::{Code, ErrorKind};
pub use id::{
    DatabaseId, DeliveryId, EventId, HookId, IdError, IdentityId, InvitationId, JobId, KeyId, LockId, NodeId,
    NoteId, PrincipalId, ResetId, SessionId, ShareId, TransferId, UploadId, VersionId, VisitId, WaitTicket,
    WorkspaceId,
};
pub use key::{
    ApiKey, ClaimToken, InvitationToken, LockToken, MalformedKey, ResetToken, SessionToken, ShareGrant,
    ShareToken,
};
pub use path::{Name, PathError, WorkspacePath};
pub use sign_in_name::SignInName;
pub use time::Timestamp;
