//! What a worker writes: claims, renewals, ends.
//!
//! Whoever runs a job names the fence of its claim in every statement ([`hold`], [`renew`], [`finish`], [`put_back`]).
//! A claim that was taken away has another fence by then, so the statement touches nothing.

use longshore_core::wire::{JobError, JobProgress, JobState};
use longshore_core::{Code, JobId, PrincipalId, Timestamp, WorkspaceId};

use super::small;
use crate::db::{Row, Tx, Value};
use crate::error::{Error, Result};

/// A job, and the fence of a claim of it.
pub(crate) type Claim = (JobId, u64);

/// Makes claims follow each other: the first statement of a transaction that claims.
pub(crate) async fn take_turn(tx: &mut Tx) -> Result<()> {
    tx.execute("UPDATE job_claims SET claimed_at = claimed_at WHERE one = 1", &[]).await?;
    Ok(())
}

/// How many lanes are compared with each other: what a claim costs does not grow with the number of lanes.
const LANES_AT_ONCE: u32 = 50;

/// Returns the job to claim next, with its fence: of the lanes that come next after `after` in a round, one with the
/// fewest running; of that lane, the job that waits longest. The age of jobs does not choose between lanes: a lane
/// with many old and quick jobs, hardly ever seen running, would go first until it is empty. Lanes that rest have no
/// turn, whatever waits in them.
///
/// `kinds` holds the kinds that the caller can run, each between spaces.
pub(crate) async fn next_due(tx: &mut Tx, kinds: &str, after: &str, now: Timestamp) -> Result<Option<Claim>> {
    let mut from = after.to_owned();
    let mut is_first_round = !after.is_empty();
    loop {
        let (found, last) = next_due_near(tx, kinds, &from, now).await?;
        match last {
            _ if found.is_some() => return Ok(found),
            Some(last) => from = last,
            // From the first lane on, once.
            None if is_first_round => {
                is_first_round = false;
                from.clear();
            }
            None => return Ok(None),
        }
    }
}

/// Looks at some lanes after a lane; returns what was found there, and the last of them where there may be more.
///
/// The walk goes from lane to lane by the index and looks at the head of each, however many jobs wait in it.
async fn next_due_near(
    tx: &mut Tx,
    kinds: &str,
    after: &str,
    now: Timestamp,
) -> Result<(Option<Claim>, Option<String>)> {
    let row = tx
        .query_opt(
            "WITH RECURSIVE lanes (lane) AS (
                 SELECT (SELECT MIN(j.lane) FROM jobs j WHERE j.state = 'queued' AND j.lane > $3)
                 UNION ALL
                 SELECT (SELECT MIN(j.lane) FROM jobs j WHERE j.state = 'queued' AND j.lane > lanes.lane)
                 FROM lanes WHERE lanes.lane IS NOT NULL
             ), near (lane) AS (
                 SELECT lane FROM lanes WHERE lane IS NOT NULL LIMIT $4
             ), heads (id, running) AS (
                 SELECT (SELECT j.id FROM jobs j
                         WHERE j.state = 'queued' AND j.lane = near.lane AND j.run_at <= $1
                         ORDER BY j.run_at, j.id LIMIT 1),
                        (SELECT COUNT(*) FROM jobs j WHERE j.state = 'running' AND j.lane = near.lane)
                 FROM near
                 WHERE NOT EXISTS (SELECT 1 FROM lane_rests r WHERE r.lane = near.lane AND r.rests_until > $1)
             ), best (id, fence) AS (
                 SELECT head.id, head.fence FROM heads JOIN jobs head ON head.id = heads.id
                 WHERE heads.running < head.lane_limit AND CAST($2 AS TEXT) LIKE '% ' || head.kind || ' %'
                 ORDER BY heads.running, head.lane LIMIT 1
             )
             SELECT (SELECT MAX(lane) FROM near), (SELECT COUNT(*) FROM near), (SELECT id FROM best),
                    (SELECT fence FROM best)",
            &[now.into(), kinds.into(), after.into(), LANES_AT_ONCE.into()],
        )
        .await?;
    let Some(row) = row else { return Ok((None, None)) };
    let found = match row.opt_parse(2)? {
        Some(id) => Some((id, row.count(3)?)),
        None => None,
    };
    let is_full = row.count(1)? == u64::from(LANES_AT_ONCE);
    Ok((found, row.opt_text(0)?.filter(|_| is_full).map(str::to_owned)))
}

/// A job that its worker has just claimed.
#[derive(Clone, Debug)]
pub(crate) struct ClaimedRow {
    pub(crate) id: JobId,
    pub(crate) lane: String,
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
    (id, fence): Claim,
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
             RETURNING id, fence, kind, workspace_id, payload, attempts, created_by, lane",
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
            lane: row.text(7)?.to_owned(),
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
pub(crate) async fn hold(tx: &mut Tx, (id, fence): Claim) -> Result<Option<Held>> {
    let row = tx
        .query_opt(
            "UPDATE jobs SET worker = worker WHERE id = $1 AND fence = $2 AND state = 'running'
             RETURNING cancel_requested_at",
            &[id.into(), fence.into()],
        )
        .await?;
    held(row)
}

/// Why nothing is written any more by who has lost a job. It is for the log: the job has another worker by now.
pub(crate) fn taken_away() -> Error {
    Error::new(Code::JobLost, "the job was taken away: its lease was over")
}

fn progress_values(progress: Option<&JobProgress>) -> [Value; 3] {
    let total = progress.and_then(|progress| progress.total);
    let unit = progress.map(|progress| progress.unit.as_str());
    [progress.map(|progress| progress.done).into(), total.into(), unit.into()]
}

/// Renews a lease and writes how far the job is; nothing where the claim was taken away.
pub(crate) async fn renew(
    tx: &mut Tx,
    (id, fence): Claim,
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
pub(crate) async fn finish(tx: &mut Tx, (id, fence): Claim, end: &End, now: Timestamp) -> Result<bool> {
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
    (id, fence): Claim,
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

/// Queues a claimed job that has done a part of its work, with what is left of it, or ends it where its end was asked
/// for meanwhile; returns how it stands then, or nothing where the claim was taken away.
pub(crate) async fn go_on(
    tx: &mut Tx,
    (id, fence): (JobId, u64),
    rest: &serde_json::Value,
    run_at: Timestamp,
    progress: Option<&JobProgress>,
    now: Timestamp,
) -> Result<Option<JobState>> {
    let [done, total, unit] = progress_values(progress);
    let row = tx
        .query_opt(
            "UPDATE jobs SET state = CASE WHEN cancel_requested_at IS NULL THEN 'queued' ELSE 'cancelled' END,
                    finished_at = CASE WHEN cancel_requested_at IS NULL THEN NULL ELSE CAST($5 AS BIGINT) END,
                    payload = $3, run_at = $4, attempts = 0, worker = NULL, lease_until = NULL,
                    progress_done = $6, progress_total = $7, progress_unit = $8
             WHERE id = $1 AND fence = $2 AND state = 'running' RETURNING state",
            &[
                id.into(),
                fence.into(),
                rest.to_string().into(),
                run_at.into(),
                now.into(),
                done,
                total,
                unit,
            ],
        )
        .await?;
    row.map(|row| super::state(row.text(0)?)).transpose()
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
