//! Rows of jobs: making, finding, steering, forgetting. [`claim`] has what their workers write.

mod claim;
mod lanes;

use longshore_core::wire::{Job, JobError, JobProgress, JobState, Role};
use longshore_core::{JobId, PrincipalId, Timestamp, WorkspaceId};

use super::access::role;
use super::{Row, Tx};
use crate::error::{Error, Result};

pub(crate) use claim::{
    Claim, ClaimedRow, End, Held, Lost, claim, finish, go_on, hold, lost, next_due, put_back, release, renew,
    take_away, take_turn, taken_away,
};
pub(crate) use lanes::{prune_rests, rest, wake};

macro_rules! select_jobs {
    ($rest:literal) => {
        concat!(
            "SELECT id, workspace_id, kind, state, progress_done, progress_total, progress_unit, attempts,
                    max_attempts, run_at, cancel_requested_at, result, error_code, error_detail, created_at,
                    created_by, started_at, finished_at, fence
             FROM jobs ",
            $rest
        )
    };
}

fn state(text: &str) -> Result<JobState> {
    let known = JobState::ALL.into_iter().find(|state| state.as_str() == text);
    known.ok_or_else(|| Error::corrupt(format_args!("job state {text:?}")))
}

fn small(row: &Row, place: usize) -> Result<u32> {
    u32::try_from(row.int(place)?).map_err(Error::corrupt)
}

fn read(row: &Row) -> Result<Job> {
    let progress = match row.opt_text(6)? {
        None => None,
        Some(unit) => {
            Some(JobProgress { done: row.count(4)?, total: row.opt_count(5)?, unit: unit.to_owned() })
        }
    };
    let error = match (row.opt_text(12)?, row.opt_text(13)?) {
        (Some(code), Some(detail)) => Some(JobError { code: code.to_owned(), detail: detail.to_owned() }),
        _ => None,
    };
    Ok(Job {
        id: row.parse(0)?,
        workspace_id: row.opt_parse(1)?,
        kind: row.text(2)?.to_owned(),
        state: state(row.text(3)?)?,
        progress,
        attempts: small(row, 7)?,
        max_attempts: small(row, 8)?,
        run_at: row.time(9)?,
        cancel_requested_at: row.opt_time(10)?,
        result: row.opt_text(11)?.map(serde_json::from_str).transpose().map_err(Error::corrupt)?,
        error,
        created_at: row.time(14)?,
        created_by: row.opt_parse(15)?,
        started_at: row.opt_time(16)?,
        finished_at: row.opt_time(17)?,
    })
}

/// A job that is written for the first time.
#[derive(Clone, Debug)]
pub(crate) struct JobRow {
    pub(crate) id: JobId,
    pub(crate) workspace: Option<WorkspaceId>,
    pub(crate) kind: &'static str,
    pub(crate) lane: String,
    pub(crate) lane_limit: u32,
    pub(crate) unique_key: Option<String>,
    pub(crate) payload: String,
    pub(crate) max_attempts: u32,
    pub(crate) run_at: Timestamp,
    pub(crate) created_at: Timestamp,
    pub(crate) created_by: Option<PrincipalId>,
    pub(crate) steered_by: Role,
}

/// Writes a new job, unless an unfinished one has its key; tells whether it was written.
pub(crate) async fn insert(tx: &mut Tx, job: &JobRow) -> Result<bool> {
    let written = tx
        .execute(
            "INSERT INTO jobs (id, workspace_id, kind, lane, lane_limit, unique_key, payload, state, attempts,
                               max_attempts, run_at, fence, created_at, created_by, steered_by)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 'queued', 0, $8, $9, 0, $10, $11, $12)
             ON CONFLICT DO NOTHING",
            &[
                job.id.into(),
                job.workspace.into(),
                job.kind.into(),
                job.lane.as_str().into(),
                job.lane_limit.into(),
                job.unique_key.as_deref().into(),
                job.payload.as_str().into(),
                job.max_attempts.into(),
                job.run_at.into(),
                job.created_at.into(),
                job.created_by.into(),
                job.steered_by.as_str().into(),
            ],
        )
        .await?;
    Ok(written == 1)
}

/// Returns the unfinished job of a key.
pub(crate) async fn unfinished_of_key(tx: &mut Tx, key: &str) -> Result<Option<JobId>> {
    let row = tx
        .query_opt(
            "SELECT id FROM jobs WHERE unique_key = $1 AND unique_key IS NOT NULL AND finished_at IS NULL",
            &[key.into()],
        )
        .await?;
    row.map(|row| row.parse(0)).transpose()
}

/// Has a running job run once more after this time; false where it has ended.
///
/// One that only waits will see all there is when it runs. But it must not run before this transaction is committed:
/// taking its row makes whoever claims it wait.
pub(crate) async fn ask_again(tx: &mut Tx, id: JobId, now: Timestamp) -> Result<bool> {
    let touched = tx
        .execute(
            "UPDATE jobs SET again_at = $2 WHERE id = $1 AND finished_at IS NULL",
            &[id.into(), now.into()],
        )
        .await?;
    Ok(touched == 1)
}

/// Returns a job and its fence.
pub(crate) async fn get(tx: &mut Tx, id: JobId) -> Result<Option<(Job, u64)>> {
    let row = tx.query_opt(select_jobs!("WHERE id = $1"), &[id.into()]).await?;
    row.map(|row| Ok((read(&row)?, row.count(18)?))).transpose()
}

/// Returns the least role that may steer a job, if the job is there.
pub(crate) async fn steered_by(tx: &mut Tx, id: JobId) -> Result<Option<Role>> {
    let row = tx.query_opt("SELECT steered_by FROM jobs WHERE id = $1", &[id.into()]).await?;
    row.map(|row| role(row.text(0)?)).transpose()
}

/// Which jobs a list is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) workspace: Option<WorkspaceId>,
    /// Where no workspace is named: of which principal's workspaces alone.
    pub(crate) member: Option<PrincipalId>,
    /// Whether those of the server itself are wanted too.
    pub(crate) system: bool,
    pub(crate) state: Option<JobState>,
    pub(crate) kind: Option<String>,
}

/// What stands after every id, in any collation: where a list that goes down begins.
const LAST: &str = "job_zzzzzzzzzzzzzzzzzzzzzzzzzz";

/// Lists jobs by id from the newest down.
pub(crate) async fn list(tx: &mut Tx, wanted: &Wanted, before: &str, limit: u32) -> Result<Vec<Job>> {
    let before = if before.is_empty() { LAST } else { before };
    let rows = tx
        .query(
            select_jobs!(
                "WHERE id < $1 AND (CAST($2 AS TEXT) IS NULL OR workspace_id = $2)
                   AND (CAST($3 AS BIGINT) = 1 OR workspace_id IS NOT NULL)
                   AND (CAST($7 AS TEXT) IS NULL OR CAST($2 AS TEXT) IS NOT NULL OR workspace_id IS NULL
                        OR EXISTS (SELECT 1 FROM members m
                                   WHERE m.principal_id = $7 AND m.workspace_id = jobs.workspace_id))
                   AND (CAST($4 AS TEXT) IS NULL OR state = $4) AND (CAST($5 AS TEXT) IS NULL OR kind = $5)
                 ORDER BY id DESC LIMIT $6"
            ),
            &[
                before.into(),
                wanted.workspace.into(),
                i64::from(wanted.system).into(),
                wanted.state.map(JobState::as_str).into(),
                wanted.kind.as_deref().into(),
                limit.into(),
                wanted.member.into(),
            ],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// Ends a queued job before it begins.
pub(crate) async fn cancel_queued(tx: &mut Tx, (id, fence): (JobId, u64), now: Timestamp) -> Result<bool> {
    let touched = tx
        .execute(
            "UPDATE jobs SET state = 'cancelled', fence = fence + 1, finished_at = $3, cancel_requested_at = $3
             WHERE id = $1 AND fence = $2 AND state = 'queued'",
            &[id.into(), fence.into(), now.into()],
        )
        .await?;
    Ok(touched == 1)
}

/// Asks the worker of a running job to end it.
pub(crate) async fn request_cancel(tx: &mut Tx, (id, fence): (JobId, u64), now: Timestamp) -> Result<bool> {
    let touched = tx
        .execute(
            "UPDATE jobs SET cancel_requested_at = COALESCE(cancel_requested_at, $3)
             WHERE id = $1 AND fence = $2 AND state = 'running'",
            &[id.into(), fence.into(), now.into()],
        )
        .await?;
    Ok(touched == 1)
}

/// Queues a job that failed or was cancelled, with all its attempts before it.
pub(crate) async fn retry(tx: &mut Tx, (id, fence): (JobId, u64), now: Timestamp) -> Result<bool> {
    let touched = tx
        .execute(
            "UPDATE jobs SET state = 'queued', fence = fence + 1, attempts = 0, run_at = $3, finished_at = NULL,
                    cancel_requested_at = NULL
             WHERE id = $1 AND fence = $2 AND state IN ('failed', 'cancelled')",
            &[id.into(), fence.into(), now.into()],
        )
        .await?;
    Ok(touched == 1)
}

/// Removes jobs that ended before a time; returns how many, at most `limit`.
pub(crate) async fn prune(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64> {
    tx.execute(
        "DELETE FROM jobs WHERE id IN
             (SELECT id FROM jobs WHERE finished_at < $1 ORDER BY finished_at LIMIT $2)",
        &[before.into(), limit.into()],
    )
    .await
}

/// Returns how many jobs are due and since when the oldest of them is.
pub(crate) async fn backlog(tx: &mut Tx, now: Timestamp) -> Result<(u64, Option<Timestamp>)> {
    let row = tx
        .query_opt(
            "SELECT COUNT(*), MIN(run_at) FROM jobs WHERE state = 'queued' AND run_at <= $1
               AND NOT EXISTS (SELECT 1 FROM lane_rests r WHERE r.lane = jobs.lane AND r.rests_until > $1)",
            &[now.into()],
        )
        .await?;
    let row = row.ok_or_else(|| Error::corrupt("a count without a row"))?;
    Ok((row.count(0)?, row.opt_time(1)?))
}

/// Lists when the next job of each kind that runs by the clock is due.
pub(crate) async fn schedules(tx: &mut Tx) -> Result<Vec<(String, Timestamp)>> {
    // A row per kind: as many as the program has.
    let rows = tx.query("SELECT kind, next_at FROM job_schedules ORDER BY kind LIMIT 1000", &[]).await?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.time(1)?))).collect()
}

/// Moves a kind's next time to `next` where it is due, now or because it is too far away; tells whether it was.
pub(crate) async fn advance_schedule(
    tx: &mut Tx,
    kind: &str,
    (now, far): (Timestamp, Timestamp),
    next: Timestamp,
) -> Result<bool> {
    let touched = tx
        .execute(
            "INSERT INTO job_schedules (kind, next_at) VALUES ($1, $2)
             ON CONFLICT (kind) DO UPDATE SET next_at = excluded.next_at
             WHERE job_schedules.next_at <= $3 OR job_schedules.next_at > $4",
            &[kind.into(), next.into(), now.into(), far.into()],
        )
        .await?;
    Ok(touched == 1)
}

/// Removes jobs of one kind that succeeded before a time; returns how many, at most `limit`.
pub(crate) async fn prune_kind(tx: &mut Tx, kind: &str, before: Timestamp, limit: u32) -> Result<u64> {
    tx.execute(
        "DELETE FROM jobs WHERE id IN
             (SELECT id FROM jobs WHERE finished_at < $1 AND kind = $2 AND state = 'succeeded'
              ORDER BY finished_at LIMIT $3)",
        &[before.into(), kind.into(), limit.into()],
    )
    .await
}
