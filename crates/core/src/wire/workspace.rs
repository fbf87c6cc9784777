//! Workspaces.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::{Quota, Usage, stated};
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
    /// How much it may keep.
    #[serde(default)]
    pub quota: Quota,
    /// How much it keeps.
    #[serde(default)]
    pub usage: Usage,
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
    /// version and those with a label are always kept, as long as their file is.
    pub versions_kept: Option<u32>,
    /// For how many days every version is kept after another took its place; `null` does not look at that.
    pub versions_days: Option<u32>,
    /// For how many days the trash keeps what is put there, with all its versions; `null` for ever.
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
    /// The rules that change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<UpdateSettings>,
}

/// Changes to the rules of a workspace. What is left out stays; `null` takes a limit away.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateSettings {
    /// Whether a change of a file that is there needs `If-Match`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_preconditions: Option<bool>,
    /// How many of a file's newest versions are kept.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "stated")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>, minimum = 1, maximum = 1_000_000))]
    pub versions_kept: Option<Option<u32>>,
    /// For how many days every version is kept.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "stated")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>, minimum = 1, maximum = 36500))]
    pub versions_days: Option<Option<u32>>,
    /// For how many days the trash keeps what is put there.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "stated")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>, minimum = 1, maximum = 36500))]
    pub trash_days: Option<Option<u32>>,
    /// For how many days events are kept.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "stated")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>, minimum = 1, maximum = 36500))]
    pub events_days: Option<Option<NonZeroU32>>,
}

impl UpdateSettings {
    /// Returns the rules as they are after this change.
    #[must_use]
    pub fn apply(&self, to: &WorkspaceSettings) -> WorkspaceSettings {
        WorkspaceSettings {
            require_preconditions: self.require_preconditions.unwrap_or(to.require_preconditions),
            versions_kept: self.versions_kept.unwrap_or(to.versions_kept),
            versions_days: self.versions_days.unwrap_or(to.versions_days),
            trash_days: self.trash_days.unwrap_or(to.trash_days),
            events_days: self.events_days.unwrap_or(to.events_days),
        }
    }
}

/// The change after which these rules stand, whatever stood before.
impl From<WorkspaceSettings> for UpdateSettings {
    fn from(all: WorkspaceSettings) -> Self {
        Self {
            require_preconditions: Some(all.require_preconditions),
            versions_kept: Some(all.versions_kept),
            versions_days: Some(all.versions_days),
            trash_days: Some(all.trash_days),
            events_days: Some(all.events_days),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{UpdateSettings, WorkspaceSettings};

    #[test]
    fn what_a_change_of_rules_leaves_out_stays_and_null_takes_away() {
        let before = WorkspaceSettings { versions_kept: Some(3), trash_days: None, ..Default::default() };
        let change: UpdateSettings =
            serde_json::from_str(r#"{"versions_kept":null,"versions_days":9}"#).unwrap();
        let after = change.apply(&before);
        assert_eq!(
            after,
            WorkspaceSettings { versions_kept: None, versions_days: Some(9), ..before.clone() }
        );
        assert_eq!(serde_json::to_string(&change).unwrap(), r#"{"versions_kept":null,"versions_days":9}"#);
        assert_eq!(UpdateSettings::from(after.clone()).apply(&before), after);
        assert_eq!(UpdateSettings::default().apply(&before), before);
    }
}
