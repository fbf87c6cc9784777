//! Jobs: durable background work.

use serde::{Deserialize, Serialize};

use crate::id::{JobId, PrincipalId, WorkspaceId};
use crate::time::Timestamp;

/// Where a job stands.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waits for its time, or for a worker.
    Queued,
    /// A worker is at it.
    Running,
    /// Done.
    Succeeded,
    /// Given up after its last attempt; it can be retried by hand.
    Failed,
    /// Ended because somebody asked for it.
    Cancelled,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// Returns the state's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Tells whether nothing more happens by itself.
    #[must_use]
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// How far a job is.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobProgress {
    /// How much is done.
    pub done: u64,
    /// How much there is in all, where that is known.
    pub total: Option<u64>,
    /// What is counted, such as `files` or `bytes`.
    pub unit: String,
}

/// Why a job's last attempt failed.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobError {
    /// The stable code.
    pub code: String,
    /// What was wrong in this very case.
    pub detail: String,
}

/// Durable background work. It survives a crash and is run at least once.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The job's id.
    pub id: JobId,
    /// The workspace it works for; nothing for a job of the server itself.
    pub workspace_id: Option<WorkspaceId>,
    /// What it does, such as `sweep.blobs`.
    pub kind: String,
    /// Where it stands.
    pub state: JobState,
    /// How far it is, where it says so.
    pub progress: Option<JobProgress>,
    /// How often it was begun.
    pub attempts: u32,
    /// How often it is begun at most; then it has failed.
    pub max_attempts: u32,
    /// The earliest time of its next attempt.
    pub run_at: Timestamp,
    /// When somebody asked for its end.
    pub cancel_requested_at: Option<Timestamp>,
    /// What it gave, by kind, once it has succeeded.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub result: Option<serde_json::Value>,
    /// Why its last attempt failed.
    pub error: Option<JobError>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it; nothing where Longshore itself did.
    pub created_by: Option<PrincipalId>,
    /// When its first attempt began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}
