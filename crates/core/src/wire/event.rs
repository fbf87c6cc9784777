//! The event log.

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
    /// The version that was current after it.
    pub version_id: Option<VersionId>,
    /// The version that was current before it.
    #[serde(default)]
    pub previous_version_id: Option<VersionId>,
    /// The `seq` of the first event of the same act: what is done by one request has one number.
    #[serde(default)]
    pub act: u64,
    /// The node's fence when it happened.
    #[serde(default)]
    pub fence: Option<u64>,
    /// The key's request may have named a lock: then its id.
    #[serde(default)]
    pub lock_id: Option<LockId>,
    /// What more there is to say, by type.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub data: serde_json::Value,
}
