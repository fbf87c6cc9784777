//! Workspaces.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::id::{NodeId, PrincipalId, WorkspaceId};
use crate::path::Name;
use crate::time::Timestamp;

/// A tree of nodes with its own event log.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    /// The workspace's id.
    pub id: WorkspaceId,
    /// The workspace's name, which no other workspace of the server has.
    pub name: String,
    /// The root folder.
    pub root_id: NodeId,
    /// The place of the newest event.
    pub seq: u64,
    /// When the workspace was made.
    pub created_at: Timestamp,
    /// Who made the workspace.
    pub created_by: PrincipalId,
    /// The workspace's own rules.
    #[serde(default)]
    pub settings: WorkspaceSettings,
}

/// The rules of a workspace.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkspaceSettings {
    /// Whether a change of a file that is there needs `If-Match`: without it, 428.
    pub require_preconditions: bool,
    /// How many of a file's newest versions are kept; `null` does not count them.
    ///
    /// An old version is removed once no rule keeps it. Without this and `versions_days` all are kept. The current
    /// version and those with a label are always kept.
    pub versions_kept: Option<u32>,
    /// For how many days every version is kept; `null` does not look at their age.
    pub versions_days: Option<u32>,
    /// For how many days the trash keeps what is put there; `null` for ever.
    pub trash_days: Option<u32>,
    /// For how many days events are kept; `null` for ever. The newest event is always kept, and so is what a
    /// webhook that is on has not read yet.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>, minimum = 1, default = 30))]
    pub events_days: Option<NonZeroU32>,
}

impl WorkspaceSettings {
    /// For how long events are kept unless the workspace says otherwise.
    const EVENTS_DAYS: NonZeroU32 = NonZeroU32::new(30).unwrap();
}

impl Default for WorkspaceSettings {
    fn default() -> Self {
        Self {
            require_preconditions: false,
            versions_kept: None,
            versions_days: None,
            trash_days: Some(30),
            events_days: Some(Self::EVENTS_DAYS),
        }
    }
}

/// Body of `POST /v1/workspaces`.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateWorkspace {
    /// The new workspace's name; a node's rules for names hold.
    pub name: Name,
}

/// Body of `PATCH /v1/workspaces/{ws}`. What is left out stays.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateWorkspace {
    /// The workspace's new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// The rules that replace those that stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<WorkspaceSettings>,
}
