//! Making jobs.

use longshore_core::{Code, JobId, PrincipalId, Timestamp, WorkspaceId};
use serde_json::Value;

use super::kind::JobKind;
use crate::db::Tx;
use crate::db::jobs::{self as rows, JobRow};
use crate::error::{Error, Result};

/// The longest payload, and the longest result, as JSON text.
pub(super) const MAX_JSON: usize = 1_024 * 1_024;

/// A job that is to be enqueued.
#[derive(Clone, Debug)]
pub struct NewJob {
    kind: &'static JobKind,
    payload: Value,
    workspace: Option<WorkspaceId>,
    lane: Option<String>,
    run_at: Option<Timestamp>,
    unique: Option<Unique>,
    created_by: Option<PrincipalId>,
}

/// What makes two jobs the same work.
#[derive(Clone, Debug)]
struct Unique {
    key: String,
    again: bool,
}

impl NewJob {
    /// Makes a job of the server itself, to be run as soon as possible.
    #[must_use]
    pub const fn new(kind: &'static JobKind, payload: Value) -> Self {
        Self { kind, payload, workspace: None, lane: None, run_at: None, unique: None, created_by: None }
    }

    /// Makes it a job of a workspace: seen by who reaches that, in the workspace's own lane.
    #[must_use]
    pub fn in_workspace(self, workspace: WorkspaceId) -> Self {
        Self { workspace: Some(workspace), ..self }
    }

    /// Puts it in a lane other than its workspace's: jobs of a kind and lane wait for each other, and lanes take
    /// turns, so that many jobs of one never hold back those of another.
    #[must_use]
    pub fn in_lane(self, lane: impl Into<String>) -> Self {
        Self { lane: Some(lane.into()), ..self }
    }

    /// Has it run at a time, not before.
    #[must_use]
    pub fn at(self, time: Timestamp) -> Self {
        Self { run_at: Some(time), ..self }
    }

    /// Makes it one with any unfinished job of the same kind and key: where there is one, nothing is enqueued.
    #[must_use]
    pub fn unique(self, key: impl Into<String>) -> Self {
        Self { unique: Some(Unique { key: key.into(), again: false }), ..self }
    }

    /// Does what [`unique`](Self::unique) does, for work that looks for what there is to do: where the job is running
    /// already and may have looked too early, it runs once more when it has succeeded.
    #[must_use]
    pub fn unique_or_again(self, key: impl Into<String>) -> Self {
        Self { unique: Some(Unique { key: key.into(), again: true }), ..self }
    }

    /// Says who wants it.
    #[must_use]
    pub fn by(self, principal: PrincipalId) -> Self {
        Self { created_by: Some(principal), ..self }
    }
}

/// Writes a job in the caller's transaction, and returns its id, or that of the unfinished job it is one with.
///
/// Workers are woken when the transaction is committed; where it is rolled back there is no job. The write takes no
/// row but the job's own, so it may stand anywhere in a transaction.
pub(crate) async fn enqueue(tx: &mut Tx, job: &NewJob, now: Timestamp) -> Result<JobId> {
    let payload = job.payload.to_string();
    if payload.len() > MAX_JSON {
        return Err(Error::new(Code::InvalidBody, format!("a job's payload has at most {MAX_JSON} bytes")));
    }
    let workspace_lane = || job.workspace.map(|workspace| workspace.to_string()).unwrap_or_default();
    let lane = job.lane.clone().unwrap_or_else(workspace_lane);
    let name = job.kind.name;
    let row = JobRow {
        id: JobId::new(now),
        workspace: job.workspace,
        kind: name,
        lane: job.kind.lane(&lane),
        lane_limit: job.kind.lane_limit,
        unique_key: job.unique.as_ref().map(|unique| format!("{name} {}", unique.key)),
        payload,
        max_attempts: job.kind.retry.max_attempts,
        run_at: job.run_at.unwrap_or(now),
        created_at: now,
        created_by: job.created_by,
        steered_by: job.kind.steered_by,
    };
    loop {
        if rows::insert(tx, &row).await? {
            tx.wake_workers();
            return Ok(row.id);
        }
        let (Some(unique), Some(key)) = (&job.unique, &row.unique_key) else {
            return Err(Error::corrupt(format_args!("a second job {}", row.id)));
        };
        // Nothing is found where the other job has ended between the two statements: then there is room now.
        if let Some(other) = rows::unfinished_of_key(tx, key).await?
            && (!unique.again || rows::ask_again(tx, other, now).await?)
        {
            return Ok(other);
        }
    }
}
