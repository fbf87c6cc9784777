//! The JSON bodies of the HTTP API.
//!
//! One definition serves server, SDK and command line. Unknown fields of an answer are ignored, so that an
//! older client can read a newer server; unknown fields of a request are refused, so that a typing error is
//! not silently without effect.

mod access;
mod audit;
mod batch;
mod event;
mod hooks;
mod identity;
mod invitation;
mod jobs;
mod link;
mod lock;
mod node;
mod note;
mod quota;
mod session;
mod share;
mod transfer;
mod undo;
mod upload;
mod version;
mod workspace;

use serde::{Deserialize, Deserializer, Serialize};

use crate::id::{LockId, VersionId};
use crate::time::Timestamp;

pub use access::{
    CreateKey, CreatePrincipal, Key, LONGEST_GRACE, Me, Member, NewKey, Principal, PrincipalKind, Role,
    RotateKey, SetMember, UnknownVerb, UpdatePrincipal, Verb,
};
pub use audit::{AuditEntry, AuditOutcome, AuditPage, NDJSON};
pub use batch::{
    BATCH_ITEM_BYTES, BATCH_LINE_BYTES, BATCH_MEDIA_TYPE, BATCH_READ_ITEMS, BatchContent, BatchItem,
    BatchResult, ReadBatch, ReadBatchItem,
};
pub use event::{After, AfterError, Event, EventPage};
pub use hooks::{
    CreateHook, Delivery, DeliveryAttempt, DeliveryState, Hook, HookDisabled, NewHook, Redeliver, RotateHook,
    UpdateHook, WebhookBody, WebhookData,
};
pub use identity::{BeginOidc, Identity, LinkIdentity, OidcBegun, OidcProvider};
pub use invitation::{
    AcceptInvitation, Accepted, CreateInvitation, DEFAULT_INVITATION, Invitation, InvitationState,
    InvitationText, LONGEST_INVITATION, LookedAt, NewInvitation,
};
pub use jobs::{Job, JobError, JobProgress, JobState};
pub use link::{CreateArchive, CreateLink, DEFAULT_LINK, Disposition, LONGEST_LINK, Link, MOST_ARCHIVED};
pub use lock::{
    AcquireLock, AcquireLocks, BreakLock, DEFAULT_LEASE, LONGEST_LEASE, LONGEST_WAIT, LockGrant, LockGrants,
    LockRenewal, LostReason, MOST_LOCKS, NodeLock, QueuePlace, RenewLock, SHORTEST_LEASE,
};
pub use node::{
    CopyNode, CreateChild, CreateFolder, Labels, Metadata, MetadataPatch, Node, NodeKind, OnConflict,
    RestoreNode, UpdateNode, Version,
};
pub use note::{CreateNote, Note, TextRange, UpdateNote};
pub use quota::{Quota, QuotaExceeded, QuotaLimit, UpdateQuota, Usage};
pub use session::{ChangePassword, HiddenText, NewReset, ResetPassword, Session, SignIn, SignedIn};
pub use share::{
    CreateShare, Dropped, LONGEST_SHARE, LONGEST_VISIT, NewShare, OpenShare, OpenedShare, SeenShare, Share,
    ShareMode, ShareState, SharedNode, UpdateShare,
};
pub use transfer::{
    ClaimTransfer, LONGEST_OFFER, NewTransfer, OfferTransfer, Transfer, TransferManifest, TransferState,
};
pub use undo::{UndoActs, UndoChange, UndoConflict, UndoObstacle, UndoStep, Undone, Who};
pub use upload::{OpenUpload, StagedUpload, UploadState};
pub use version::{Comparison, NoText, Purged, TextDiff, UpdateVersion};
pub use workspace::{CreateWorkspace, UpdateSettings, UpdateWorkspace, Workspace, WorkspaceSettings};

/// The most items one page of a list may have.
pub const MAX_PAGE: u32 = 1_000;

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Reads a field that is there, so that `null` differs from a field that is not.
fn stated<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// One page of a list. `next_cursor` leads to the next; nothing ends the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// What to send as `cursor` for the next page.
    pub next_cursor: Option<String>,
}

/// The body of every error answer: RFC 9457 `application/problem+json`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A URI that names the code: `urn:longshore:error:<code>`.
    pub r#type: String,
    /// The code's title.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong in this very case.
    pub detail: String,
    /// The stable code.
    pub code: String,
    /// The request's id, which the server's log has too.
    pub request_id: String,
    /// What the code has to say beyond its text.
    #[serde(flatten)]
    pub facts: Facts,
}

/// What an error says for a program to act on, by its code.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The version that stands, for `precondition_failed` and `precondition_required`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_version: Option<VersionId>,
    /// The `seq` of the event that made that version, for the same; nothing for a version that came with a copied
    /// folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_event: Option<u64>,
    /// The lock that is in the way, for `locked`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<NodeLock>,
    /// In how many seconds the lock ends unless it is renewed, for `locked`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    /// Where the caller stands in the queue, for `locked`, and for `shutting_down` where it waited for a lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueuePlace>,
    /// The locks that are in the way of a batch, for `locked`; those that were named in vain, for `lock_elsewhere`:
    /// the first of them where there are many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locks: Vec<NodeLock>,
    /// The ids of all locks that the request has named and that are meant, for `lock_lost`, `lock_token_wrong` and
    /// `lock_elsewhere`: a caller that can do without them sends it again without these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lock_ids: Vec<LockId>,
    /// What became of the lock, for `lock_lost`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<LostReason>,
    /// What stands in the way, for `undo_conflict`: the first of them where there are many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<UndoConflict>,
    /// Which limit would have been passed, with the numbers, for `quota_exceeded`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<QuotaExceeded>,
}

/// Answer of `GET /v1/status`: what a person asks first of a server.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The server's version.
    pub version: String,
    /// The database: `sqlite` or `postgresql`.
    pub database: String,
    /// The blob store: `local` or `memory`.
    pub store: String,
    /// When the server started.
    pub started_at: Timestamp,
}
