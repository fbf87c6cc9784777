//! Locks, and what is asked of them.

use serde::{Deserialize, Serialize};

use super::{Node, is_default};
use crate::id::{LockId, NodeId, PrincipalId, VersionId, WaitTicket};
use crate::key::{LockToken, MalformedKey};
use crate::time::Timestamp;

/// The shortest lease in seconds.
pub const SHORTEST_LEASE: u32 = 5;
/// The longest lease in seconds; renewing prolongs it, up to a day after the grant.
pub const LONGEST_LEASE: u32 = 3_600;
/// The lease that is granted where nothing is asked for, in seconds.
pub const DEFAULT_LEASE: u32 = 60;
/// The longest that one request waits for a lock, in seconds.
pub const LONGEST_WAIT: u32 = 55;
/// The most locks that one request takes together.
pub const MOST_LOCKS: usize = 100;

/// A lock as everybody sees it who sees its node: never its token.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLock {
    /// The lock's id.
    pub id: LockId,
    /// The node that is locked; of a folder, all that is below it too.
    pub node_id: NodeId,
    /// Who took it.
    pub owner: PrincipalId,
    /// What the owner calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_label: Option<String>,
    /// What the lock is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The number of this grant: it rises with every grant and every break of the node's locks, and is never reset.
    pub fence: u64,
    /// When it ends unless it is renewed.
    pub expires_at: Timestamp,
}

/// How a lock ended.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LostReason {
    /// Its time was over.
    Expired,
    /// An administrator broke it.
    Broken,
    /// Its owner gave it back.
    Released,
    /// Its time was over, and another holds the node now.
    Superseded,
}

/// Body of `POST /v1/files/{id}/lock`. An empty object takes the lock for a minute, at once or not at all.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AcquireLock {
    /// How long the lease is: 5 to 3,600 s, 60 where left out. Renewing begins it anew.
    #[cfg_attr(feature = "openapi", schema(minimum = 5, maximum = 3600))]
    pub ttl_seconds: u32,
    /// How long to wait for a lock that somebody else holds: 0 to 55 s. Who waits has a place in a queue.
    #[serde(skip_serializing_if = "is_default")]
    #[cfg_attr(feature = "openapi", schema(maximum = 55))]
    pub wait_seconds: u32,
    /// The place in the queue that an earlier refusal gave; not asked for within 10 s, it is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_ticket: Option<WaitTicket>,
    /// What the lock is for, for people who meet it: at most 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 200, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$"))]
    pub purpose: Option<String>,
    /// What the owner calls itself, such as the name of a run: at most 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 200, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$"))]
    pub owner_label: Option<String>,
    /// The version that must be current: otherwise 412, and nothing is locked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_version: Option<VersionId>,
}

impl Default for AcquireLock {
    fn default() -> Self {
        Self {
            ttl_seconds: DEFAULT_LEASE,
            wait_seconds: 0,
            wait_ticket: None,
            purpose: None,
            owner_label: None,
            if_version: None,
        }
    }
}

/// Body of `POST /v1/locks:batch`: all of the locks or none.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcquireLocks {
    /// The nodes to lock, 1 to 100 of one workspace, each once.
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 100, value_type = BTreeSet<NodeId>))]
    pub files: Vec<NodeId>,
    /// How long the leases are, as for a single lock.
    #[serde(default = "default_lease")]
    #[cfg_attr(feature = "openapi", schema(minimum = 5, maximum = 3600))]
    pub ttl_seconds: u32,
    /// What the locks are for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 200, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$"))]
    pub purpose: Option<String>,
    /// What the owner calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 200, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$"))]
    pub owner_label: Option<String>,
}

const fn default_lease() -> u32 {
    DEFAULT_LEASE
}

/// A lock, told to the one who took it.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockGrant {
    /// The lock.
    #[serde(flatten)]
    pub lock: NodeLock,
    /// The secret that makes its holder the owner, `lst_…`; it is in this answer and nowhere else.
    pub token: String,
    /// How long each renewal lasts, in seconds.
    pub ttl_seconds: u32,
    /// In how many seconds the lease ends, counted from when the answer was made.
    pub expires_in: u64,
    /// Renewing leads no further than this.
    pub max_until: Timestamp,
    /// The node as it is now.
    pub node: Node,
}

impl LockGrant {
    /// Returns the token, in a form that no print shows.
    pub fn lock_token(&self) -> Result<LockToken, MalformedKey> {
        self.token.parse()
    }
}

impl std::fmt::Debug for LockGrant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LockGrant").field("lock", &self.lock).finish_non_exhaustive()
    }
}

/// Answer of `POST /v1/locks:batch`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockGrants {
    /// The locks, in the order that was asked for.
    pub locks: Vec<LockGrant>,
}

/// Body of `POST /v1/locks/{id}/renew`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RenewLock {
    /// How long the lease is from now on; left out, as before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 5, maximum = 3600))]
    pub ttl_seconds: Option<u32>,
}

/// Answer of `POST /v1/locks/{id}/renew`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockRenewal {
    /// The lock; its fence is what it was.
    #[serde(flatten)]
    pub lock: NodeLock,
    /// How long each renewal lasts, in seconds.
    pub ttl_seconds: u32,
    /// In how many seconds the lease ends, counted from when the answer was made.
    pub expires_in: u64,
    /// Renewing leads no further than this.
    pub max_until: Timestamp,
}

/// Body of `DELETE /v1/locks/{id}?force=true`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakLock {
    /// Why the lock is broken, for everybody to read: 1 to 200 characters.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 200, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")
    )]
    pub reason: String,
}

/// Where a waiter stands.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuePlace {
    /// 1 for the next one.
    pub position: u64,
    /// What to send as `wait_ticket` to keep the place; nothing where nobody waits.
    pub ticket: Option<WaitTicket>,
}
