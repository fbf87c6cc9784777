//! The Rust SDK of Longshore: the file workspace that agents and people share.
//!
//! [`Client`] is the async face, [`blocking::Client`] the same verbs without an async runtime. Both move many
//! files at once over pooled connections in constant memory, repeat what is safe to repeat, and verify every
//! byte they send or receive.
//!
//! ```no_run
//! use longshore::{Client, Path, Result, Target};
//!
//! # async fn run() -> Result<()> {
//! let client = Client::from_env()?; // LONGSHORE_URL, LONGSHORE_API_KEY
//! let report = client.files().upload("q1.csv", Path::new("/reports/q1.csv")?, &Default::default()).await?;
//! println!("{} is {} bytes, version {:?}", report.path, report.size, report.version_id);
//!
//! let items = ["a.txt", "b.txt"].map(|name| (name, Target::path(&format!("/notes/{name}")).unwrap()));
//! let mut outcomes = client.files().upload_many(items, Default::default());
//! while let Some(outcome) = outcomes.next().await {
//!     if let Err(error) = outcome.result {
//!         eprintln!("{}: {error}", outcome.target); // the other files are not hurt
//!     }
//! }
//! client.files().download_to(report.id, "copy.csv", &Default::default()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! It never knows the server, the engine or a database: the wire types of [`longshore_core`] are all it
//! shares with them.

#![warn(missing_docs)]

mod api;
pub mod blocking;
mod client;
mod config;
mod error;
mod lock;
mod transfer;
mod transport;
pub mod webhook;

pub use api::audit::{Audit, AuditFilter};
pub use api::events::{EventFilter, Events};
pub use api::files::{Content, Depth, Files, Folder, IfMatch, Place};
pub use api::following::Following;
pub use api::hooks::Hooks;
pub use api::identities::Identities;
pub use api::invitations::Invitations;
pub use api::jobs::{JobFilter, Jobs};
pub use api::keys::Keys;
pub use api::listing::Listing;
pub use api::locks::{LockOwner, Locks};
pub use api::members::Members;
pub use api::notes::Notes;
pub use api::principals::Principals;
pub use api::sessions::Sessions;
pub use api::shares::Shares;
pub use api::transfers::Transfers;
pub use api::versions::NodeQuery;
pub use api::visitor::{Opened, Visitor};
pub use api::workspaces::Workspaces;
pub use client::Client;
pub use config::{Builder, DEFAULT_CONCURRENCY, DEFAULT_URL, Timeouts};
pub use error::{Error, ErrorCode, Result};
pub use lock::guard::{HoldOptions, LockGuard};
pub use longshore_core as core;
pub use longshore_core::wire::{
    AcquireLock, AcquireLocks, After, AuditEntry, AuditOutcome, AuditPage, ChangePassword, Comparison,
    CopyNode, CreateHook, CreateInvitation, CreateKey, CreateLink, CreateNote, CreatePrincipal, CreateShare,
    CreateWorkspace, Delivery, DeliveryAttempt, DeliveryState, Disposition, Dropped, Event, EventPage, Facts,
    HiddenText, Hook, HookDisabled, Identity, Invitation, InvitationState, Job, JobError, JobProgress,
    JobState, Key, Labels, Link, LockGrant, LockGrants, LockRenewal, LookedAt, LostReason, Me, Member,
    Metadata, MetadataPatch, NewHook, NewInvitation, NewKey, NewReset, NewShare, NewTransfer, NoText, Node,
    NodeKind, NodeLock, Note, OfferTransfer, OidcProvider, OnConflict, OpenUpload, Principal, PrincipalKind,
    Purged, Quota, QuotaExceeded, QuotaLimit, Redeliver, ResetPassword, RestoreNode, Role, RotateHook,
    RotateKey, SeenShare, Session, Share, ShareMode, ShareState, SharedNode, Status, TextDiff, TextRange,
    Transfer, TransferManifest, TransferState, UndoActs, UndoChange, UndoConflict, UndoObstacle, UndoStep,
    Undone, UpdateHook, UpdateNode, UpdateQuota, UpdateSettings, UpdateShare, UpdateWorkspace, UploadState,
    Usage, Verb, Version, Who, Workspace, WorkspaceSettings,
};
pub use longshore_core::{
    ClaimToken, Code, DeliveryId, Digest, ErrorKind, HookId, IdentityId, InvitationId, JobId, KeyId, LockId,
    LockToken, Name, NodeId, NoteId, PrincipalId, SessionId, ShareId, Timestamp, TransferId, UploadId,
    VersionId, WorkspaceId, WorkspacePath as Path,
};
pub use longshore_flow::RetryPolicy;
pub use transfer::control::Control;
pub use transfer::delta::Delta;
pub use transfer::destination::{Destination, DownloadItem};
pub use transfer::download::{ByteRange, Download, DownloadOptions, Downloaded};
pub use transfer::drop::DropOptions;
pub use transfer::export::ImportOptions;
pub use transfer::many::{DownloadOutcome, ManyOptions, Outcomes, UploadOutcome};
pub use transfer::meter::{Meter, Reading};
pub use transfer::progress::{Progress, ProgressSink};
pub use transfer::source::{ByteStream, Known, Source, Target, UploadItem};
pub use transfer::upload::UploadOptions;

/// The README's example, so that it stays true.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
