//! Rows of jobs: who may touch one, and how a claim is checked.
//!
//! Whoever runs a job names the fence of its claim in every statement ([`hold`], [`renew`], [`finish`], [`put_back`]).
//! A claim that was taken away has another fence by then, so the statement touches nothing.

use longshore_core::wire::{Job, JobError, JobProgress, JobState};
use longshore_core::{JobId, PrincipalId, Timestamp, WorkspaceId};

use super::{Row, Tx, Value};
use crate::error::{Error, Result};

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
}

/// Writes a new job, unless an unfinished one has its key; tells whether it was written.
pub(crate) async fn insert(tx: &mut Tx, job: &JobRow) -> Result<bool> {
    let written = tx
        .execute(
            "INSERT INTO jobs (id, workspace_id, kind, lane, lane_limit, unique_key, payload, state, attempts,
                               max_attempts, run_at, fence, created_at, created_by)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 'queued', 0, $8, $9, 0, $10, $11)
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

/// Has a running job run once more after this time. One that only waits will see all there is anyway.
pub(crate) async fn ask_again(tx: &mut Tx, id: JobId, now: Timestamp) -> Result<()> {
    tx.execute("UPDATE jobs SET again_at = $2 WHERE id = $1 AND state = 'running'", &[id.into(), now.into()])
        .await?;
    Ok(())
}

/// Makes claims follow each other: the first statement of a transaction that claims.
pub(crate) async fn take_turn(tx: &mut Tx, now: Timestamp) -> Result<()> {
    tx.execute("UPDATE job_claims SET claimed_at = $1 WHERE one = 1", &[now.into()]).await?;
    Ok(())
}

/// Returns the job to claim next, with its fence: of the lane with the fewest running, the one that waits longest.
///
/// `kinds` holds the kinds that the caller can run, each between spaces. The walk goes from lane to lane by the index
/// and looks at the head of each, so what it costs is the number of lanes, however many jobs wait in them.
pub(crate) async fn next_due(tx: &mut Tx, kinds: &str, now: Timestamp) -> Result<Option<(JobId, u64)>> {
    let row = tx
        .query_opt(
            "WITH RECURSIVE lanes (lane) AS (
                 SELECT (SELECT MIN(j.lane) FROM jobs j WHERE j.state = 'queued')
                 UNION ALL
                 SELECT (SELECT MIN(j.lane) FROM jobs j WHERE j.state = 'queued' AND j.lane > lanes.lane)
                 FROM lanes WHERE lanes.lane IS NOT NULL
             ), heads (id, running) AS (
                 SELECT (SELECT j.id FROM jobs j
                         WHERE j.state = 'queued' AND j.lane = lanes.lane AND j.run_at <= $1
                         ORDER BY j.run_at, j.id LIMIT 1),
                        (SELECT COUNT(*) FROM jobs j WHERE j.state = 'running' AND j.lane = lanes.lane)
                 FROM lanes WHERE lanes.lane IS NOT NULL
             )
             SELECT head.id, head.fence FROM heads JOIN jobs head ON head.id = heads.id
             WHERE heads.running < head.lane_limit AND CAST($2 AS TEXT) LIKE '% ' || head.kind || ' %'
             ORDER BY heads.running, head.run_at, head.id LIMIT 1",
            &[now.into(), kinds.into()],
        )
        .await?;
    row.map(|row| Ok((row.parse(0)?, row.count(1)?))).transpose()
}

/// A job that its worker has just claimed.
#[derive(Clone, Debug)]
pub(crate) struct ClaimedRow {
    pub(crate) id: JobId,
    pub(crate) fence: u64,
    pub(crate) kind: String,
    pub(crate) workspace: Option<WorkspaceId>,
    pub(crate) payload: String,
    pub(crate) attempt: u32,
    pub(crate) created_by: Option<PrincipalId>,
}

/// Claims a queued job that still has this fence.
pub(crate) async fn claim(
    tx: &mut Tx,
    (id, fence): (JobId, u64),
    worker: &str,
    now: Timestamp,
    lease_until: Timestamp,
) -> Result<Option<ClaimedRow>> {
    let row = tx
        .query_opt(
            "UPDATE jobs SET state = 'running', fence = fence + 1, attempts = attempts + 1, worker = $3,
                    started_at = COALESCE(started_at, $4), lease_until = $5, again_at = NULL,
                    progress_done = NULL, progress_total = NULL, progress_unit = NULL
             WHERE id = $1 AND fence = $2 AND state = 'queued'
             RETURNING id, fence, kind, workspace_id, payload, attempts, created_by",
            &[id.into(), fence.into(), worker.into(), now.into(), lease_until.into()],
        )
        .await?;
    row.map(|row| {
        Ok(ClaimedRow {
            id: row.parse(0)?,
            fence: row.count(1)?,
            kind: row.text(2)?.to_owned(),
            workspace: row.opt_parse(3)?,
            payload: row.text(4)?.to_owned(),
            attempt: small(&row, 5)?,
            created_by: row.opt_parse(6)?,
        })
    })
    .transpose()
}

/// What a worker learns of its job while its claim holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) cancel_requested: bool,
}

fn held(row: Option<Row>) -> Result<Option<Held>> {
    row.map(|row| Ok(Held { cancel_requested: row.opt_time(0)?.is_some() })).transpose()
}

/// Makes sure, until the transaction ends, that the claim with this fence is the one that holds; nothing where it
/// was taken away.
pub(crate) async fn hold(tx: &mut Tx, (id, fence): (JobId, u64)) -> Result<Option<Held>> {
    let row = tx
        .query_opt(
            "UPDATE jobs SET worker = worker WHERE id = $1 AND fence = $2 AND state = 'running'
             RETURNING cancel_requested_at",
            &[id.into(), fence.into()],
        )
        .await?;
    held(row)
}

fn progress_values(progress: Option<&JobProgress>) -> [Value; 3] {
    let total = progress.and_then(|progress| progress.total);
    let unit = progress.map(|progress| progress.unit.as_str());
    [progress.map(|progress| progress.done).into(), total.into(), unit.into()]
}

/// Renews a lease and writes how far the job is; nothing where the claim was taken away.
pub(crate) async fn renew(
    tx: &mut Tx,
    (id, fence): (JobId, u64),
    lease_until: Timestamp,
    progress: Option<&JobProgress>,
) -> Result<Option<Held>> {
    let [done, total, unit] = progress_values(progress);
    let row = tx
        .query_opt(
            "UPDATE jobs SET lease_until = $3, progress_done = $4, progress_total = $5, progress_unit = $6
             WHERE id = $1 AND fence = $2 AND state = 'running' RETURNING cancel_requested_at",
            &[id.into(), fence.into(), lease_until.into(), done, total, unit],
        )
        .await?;
    held(row)
}

/// How a job ends.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) state: JobState,
    pub(crate) result: Option<String>,
    pub(crate) error: Option<JobError>,
    pub(crate) progress: Option<JobProgress>,
}

/// Ends a claimed job; false where the claim was taken away. One that was asked for again while it ran, and
/// succeeded, is queued once more.
pub(crate) async fn finish(
    tx: &mut Tx,
    (id, fence): (JobId, u64),
    end: &End,
    now: Timestamp,
) -> Result<bool> {
    let [done, total, unit] = progress_values(end.progress.as_ref());
    let (code, detail) = end.error.as_ref().map(|error| (error.code.as_str(), error.detail.as_str())).unzip();
    let row = tx
        .query_opt(
            "UPDATE jobs SET state = $3, result = $4, error_code = $5, error_detail = $6, finished_at = $7,
                    progress_done = $8, progress_total = $9, progress_unit = $10, worker = NULL, lease_until = NULL
             WHERE id = $1 AND fence = $2 AND state = 'running' RETURNING again_at",
            &[
                id.into(),
                fence.into(),
                end.state.as_str().into(),
                end.result.as_deref().into(),
                code.into(),
                detail.into(),
                now.into(),
                done,
                total,
                unit,
            ],
        )
        .await?;
    let Some(row) = row else { return Ok(false) };
    if end.state == JobState::Succeeded && row.opt_time(0)?.is_some() {
        tx.execute(
            "UPDATE jobs SET state = 'queued', attempts = 0, run_at = $2, finished_at = NULL, again_at = NULL
             WHERE id = $1",
            &[id.into(), now.into()],
        )
        .await?;
    }
    Ok(true)
}

/// Queues a claimed job for another attempt; false where the claim was taken away.
pub(crate) async fn put_back(
    tx: &mut Tx,
    (id, fence): (JobId, u64),
    run_at: Timestamp,
    error: &JobError,
) -> Result<bool> {
    let touched = tx
        .execute(
            "UPDATE jobs SET state = 'queued', run_at = $3, error_code = $4, error_detail = $5, worker = NULL,
                    lease_until = NULL
             WHERE id = $1 AND fence = $2 AND state = 'running'",
            &[
                id.into(),
                fence.into(),
                run_at.into(),
                error.code.as_str().into(),
                error.detail.as_str().into(),
            ],
        )
        .await?;
    Ok(touched == 1)
}

/// Gives back all that a worker holds; what was begun does not count as an attempt. Returns how many jobs that were.
pub(crate) async fn release(tx: &mut Tx, worker: &str) -> Result<u64> {
    tx.execute(
        "UPDATE jobs SET state = 'queued', fence = fence + 1, attempts = attempts - 1, worker = NULL,
                lease_until = NULL
         WHERE worker = $1 AND state = 'running'",
        &[worker.into()],
    )
    .await
}

/// A job whose worker has not renewed its lease.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost {
    pub(crate) id: JobId,
    pub(crate) fence: u64,
    pub(crate) is_last_attempt: bool,
    pub(crate) cancel_requested: bool,
}

/// Lists running jobs whose lease is over.
pub(crate) async fn lost(tx: &mut Tx, now: Timestamp, limit: u32) -> Result<Vec<Lost>> {
    let rows = tx
        .query(
            "SELECT id, fence, attempts, max_attempts, cancel_requested_at FROM jobs
             WHERE state = 'running' AND lease_until <= $1 ORDER BY lease_until LIMIT $2",
            &[now.into(), limit.into()],
        )
        .await?;
    let lost = rows.iter().map(|row| {
        Ok(Lost {
            id: row.parse(0)?,
            fence: row.count(1)?,
            is_last_attempt: row.int(2)? >= row.int(3)?,
            cancel_requested: row.opt_time(4)?.is_some(),
        })
    });
    lost.collect()
}

/// Takes a job from a worker whose lease is over, and queues it or ends it; false where the worker was quicker.
pub(crate) async fn take_away(tx: &mut Tx, lost: Lost, end: Option<&End>, now: Timestamp) -> Result<bool> {
    let claim = (lost.id, lost.fence);
    let (state, finished_at) = end.map_or((JobState::Queued, None), |end| (end.state, Some(now)));
    let error = end.and_then(|end| end.error.as_ref());
    let (code, detail) = error.map(|error| (error.code.as_str(), error.detail.as_str())).unzip();
    let touched = tx
        .execute(
            "UPDATE jobs SET state = $3, fence = fence + 1, run_at = $4, finished_at = $5, worker = NULL,
                    lease_until = NULL, error_code = COALESCE($6, error_code),
                    error_detail = COALESCE($7, error_detail)
             WHERE id = $1 AND fence = $2 AND state = 'running' AND lease_until <= $4",
            &[
                claim.0.into(),
                claim.1.into(),
                state.as_str().into(),
                now.into(),
                finished_at.into(),
                code.into(),
                detail.into(),
            ],
        )
        .await?;
    Ok(touched == 1)
}

/// Returns a job and its fence.
pub(crate) async fn get(tx: &mut Tx, id: JobId) -> Result<Option<(Job, u64)>> {
    let row = tx.query_opt(select_jobs!("WHERE id = $1"), &[id.into()]).await?;
    row.map(|row| Ok((read(&row)?, row.count(18)?))).transpose()
}

/// Which jobs a list is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) workspace: Option<WorkspaceId>,
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
            "SELECT COUNT(*), MIN(run_at) FROM jobs WHERE state = 'queued' AND run_at <= $1",
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

/// Moves a kind's next time to `next` where it is due; tells whether it was. A time past `next` was written by a
/// clock that has been set back since, or for a longer interval: it is due as well.
pub(crate) async fn advance_schedule(
    tx: &mut Tx,
    kind: &str,
    now: Timestamp,
    next: Timestamp,
) -> Result<bool> {
    let touched = tx
        .execute(
            "INSERT INTO job_schedules (kind, next_at) VALUES ($1, $2)
             ON CONFLICT (kind) DO UPDATE SET next_at = excluded.next_at
             WHERE job_schedules.next_at <= $3 OR job_schedules.next_at > excluded.next_at",
            &[kind.into(), next.into(), now.into()],
        )
        .await?;
    Ok(touched == 1)
}
