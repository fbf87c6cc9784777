//! Locks, and what is asked of them.

use serde::{Deserialize, Serialize};

use crate::id::{LockId, NodeId, PrincipalId};
use crate::time::Timestamp;

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
