//! The event log.

use std::fmt::{self, Display};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{EventId, KeyId, LockId, NodeId, PrincipalId, VersionId};
use crate::time::Timestamp;

/// One visible change in a workspace.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The event's place in its workspace's log; rises by one.
    pub seq: u64,
    /// The event's id.
    pub id: EventId,
    /// What happened, such as `file.created`, `version.created`, `node.moved`, `node.trashed`.
    pub r#type: String,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it.
    pub actor: PrincipalId,
    /// The key it was done with.
    pub key_id: Option<KeyId>,
    /// The request it was done in.
    pub request_id: Option<String>,
    /// The node it happened to.
    pub node_id: Option<NodeId>,
    /// The version that was current after it; nothing for a folder, and where the node is gone.
    pub version_id: Option<VersionId>,
    /// The version that was current before it: the same where the content did not change, nothing where there was none.
    #[serde(default)]
    pub previous_version_id: Option<VersionId>,
    /// The `seq` of the first event of the same act: what is done by one request has one number.
    #[serde(default)]
    pub act: u64,
    /// The fence of the lock that `lock_id` names; of a break, the one that it raised the node's fence to.
    #[serde(default)]
    pub fence: Option<u64>,
    /// The lock that covered the node, or the folder that it went to, if the request named it; of an event of a lock,
    /// that lock.
    #[serde(default)]
    pub lock_id: Option<LockId>,
    /// What more there is to say, by type.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub data: serde_json::Value,
}

/// One page of a workspace's log.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventPage {
    /// The events, oldest first.
    pub items: Vec<Event>,
    /// What to send as `after` for the next page: the last `seq` looked at, whether or not the filter let it pass.
    /// Nothing once all up to `last_seq` was looked at.
    pub next_cursor: Option<String>,
    /// The place of the workspace's newest event.
    pub last_seq: u64,
}

impl EventPage {
    /// Returns the last place that this page has looked at: after it the next begins.
    #[must_use]
    pub fn reached(&self) -> u64 {
        self.next_cursor.as_deref().and_then(|cursor| cursor.parse().ok()).unwrap_or(self.last_seq)
    }
}

/// Where in a log to begin: after a place of which nothing may be gone, or with what is still to come.
///
/// Its text form is the place's number, or `now`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// After this place.
    Seq(u64),
    /// After the newest event there is.
    Now,
}

impl From<u64> for After {
    fn from(seq: u64) -> Self {
        Self::Seq(seq)
    }
}

impl Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seq(seq) => Display::fmt(seq, f),
            Self::Now => f.write_str("now"),
        }
    }
}

impl FromStr for After {
    type Err = AfterError;

    fn from_str(text: &str) -> Result<Self, AfterError> {
        match text {
            "now" => Ok(Self::Now),
            _ => text.parse().map(Self::Seq).map_err(|_| AfterError),
        }
    }
}

/// A text is neither a place in a log nor `now`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AfterError;

impl Display for AfterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is neither an event's `seq` nor `now`")
    }
}

impl std::error::Error for AfterError {}
