//! Rows of webhooks' deliveries and their attempts.

use longshore_core::wire::{Delivery, DeliveryAttempt, DeliveryState};
use longshore_core::{DeliveryId, EventId, HookId, JobId, Timestamp};

use super::{Row, Tx};
use crate::error::{Error, Result};

/// How many attempts of one delivery are remembered.
const REMEMBERED: u64 = 20;

/// What stands after every id, in any collation: where a list that goes down begins.
const LAST: &str = "dl_zzzzzzzzzzzzzzzzzzzzzzzzzz";

/// A delivery that is written for the first time.
#[derive(Clone, Debug)]
pub(crate) struct NewDelivery {
    pub(crate) id: DeliveryId,
    pub(crate) hook: HookId,
    pub(crate) event: EventId,
    pub(crate) kind: String,
    pub(crate) seq: Option<u64>,
    pub(crate) body: String,
    pub(crate) now: Timestamp,
}

/// A delivery as its sender needs it.
#[derive(Clone, Debug)]
pub(crate) struct DeliveryRow {
    pub(crate) delivery: Delivery,
    pub(crate) body: String,
    pub(crate) round: u64,
    /// The attempts of this round.
    pub(crate) tries: u64,
}

macro_rules! select_deliveries {
    ($rest:literal) => {
        concat!(
            "SELECT id, hook_id, event_id, type, seq, state, next_at, created_at, finished_at, body, round, tries
             FROM deliveries ",
            $rest
        )
    };
}

fn state(text: &str) -> Result<DeliveryState> {
    let known = DeliveryState::ALL.into_iter().find(|state| state.as_str() == text);
    known.ok_or_else(|| Error::corrupt(format_args!("delivery state {text:?}")))
}

fn read(row: &Row) -> Result<DeliveryRow> {
    Ok(DeliveryRow {
        delivery: Delivery {
            id: row.parse(0)?,
            hook_id: row.parse(1)?,
            event_id: row.parse(2)?,
            r#type: row.text(3)?.to_owned(),
            seq: row.opt_count(4)?,
            state: state(row.text(5)?)?,
            next_at: row.opt_time(6)?,
            created_at: row.time(7)?,
            finished_at: row.opt_time(8)?,
            attempts: Vec::new(),
        },
        body: row.text(9)?.to_owned(),
        round: row.count(10)?,
        tries: row.count(11)?,
    })
}

/// Writes a delivery, unless the hook has one of this event; tells whether it was written.
pub(crate) async fn insert(tx: &mut Tx, new: &NewDelivery) -> Result<bool> {
    let written = tx
        .execute(
            "INSERT INTO deliveries (id, hook_id, event_id, type, seq, body, state, round, tries, attempts, next_at,
                                     created_at)
             VALUES ($1, $2, $3, $4, $5, $6, 'pending', 0, 0, 0, $7, $7) ON CONFLICT DO NOTHING",
            &[
                new.id.into(),
                new.hook.into(),
                new.event.into(),
                new.kind.as_str().into(),
                new.seq.into(),
                new.body.as_str().into(),
                new.now.into(),
            ],
        )
        .await?;
    Ok(written == 1)
}

pub(crate) async fn get(tx: &mut Tx, id: DeliveryId) -> Result<Option<DeliveryRow>> {
    let row = tx.query_opt(select_deliveries!("WHERE id = $1"), &[id.into()]).await?;
    row.as_ref().map(read).transpose()
}

/// Returns a hook's delivery of an event.
pub(crate) async fn of_event(tx: &mut Tx, hook: HookId, event: EventId) -> Result<Option<DeliveryRow>> {
    let row = tx
        .query_opt(select_deliveries!("WHERE hook_id = $1 AND event_id = $2"), &[hook.into(), event.into()])
        .await?;
    row.as_ref().map(read).transpose()
}

/// Lists a hook's deliveries by id from the newest down.
pub(crate) async fn list(
    tx: &mut Tx,
    hook: HookId,
    state: Option<DeliveryState>,
    before: &str,
    limit: u32,
) -> Result<Vec<DeliveryRow>> {
    let before = if before.is_empty() { LAST } else { before };
    let state = state.map(DeliveryState::as_str);
    let rows = tx
        .query(
            select_deliveries!(
                "WHERE hook_id = $1 AND id < $2 AND (CAST($3 AS TEXT) IS NULL OR state = $3)
                 ORDER BY id DESC LIMIT $4"
            ),
            &[hook.into(), before.into(), state.into(), limit.into()],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// Lists a hook's deliveries that were given up, by id.
pub(crate) async fn failed_after(
    tx: &mut Tx,
    hook: HookId,
    after: &str,
    limit: u32,
) -> Result<Vec<DeliveryRow>> {
    let rows = tx
        .query(
            select_deliveries!("WHERE hook_id = $1 AND state = 'failed' AND id > $2 ORDER BY id LIMIT $3"),
            &[hook.into(), after.into(), limit.into()],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// Returns what is remembered of a delivery's attempts, oldest first.
pub(crate) async fn attempts(tx: &mut Tx, id: DeliveryId) -> Result<Vec<DeliveryAttempt>> {
    let rows = tx
        .query(
            "SELECT at, status, error, duration_ms FROM delivery_attempts WHERE delivery_id = $1 ORDER BY number
             LIMIT 1000",
            &[id.into()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let status = row.opt_count(1)?.map(u16::try_from).transpose().map_err(Error::corrupt)?;
            Ok(DeliveryAttempt {
                at: row.time(0)?,
                status,
                error: row.opt_text(2)?.map(str::to_owned),
                duration_ms: row.count(3)?,
            })
        })
        .collect()
}

/// Tells whether a hook has at least so many deliveries under way.
pub(crate) async fn is_full(tx: &mut Tx, hook: HookId, limit: u32) -> Result<bool> {
    let row = tx
        .query_opt(
            "SELECT COUNT(*) FROM (SELECT id FROM deliveries WHERE hook_id = $1 AND state = 'pending' LIMIT $2) p",
            &[hook.into(), limit.into()],
        )
        .await?;
    Ok(row.ok_or_else(|| Error::corrupt("a count without a row"))?.count(0)? >= u64::from(limit))
}

/// Notes an attempt, and what comes of the delivery: `next_at` of another one, or its end in `state`. False where the
/// delivery is in another round by now: then the attempt is noted all the same.
pub(crate) async fn attempted(
    tx: &mut Tx,
    (id, round): (DeliveryId, u64),
    attempt: &DeliveryAttempt,
    state: DeliveryState,
    next_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<bool> {
    let row = tx
        .query_opt(
            "UPDATE deliveries SET attempts = attempts + 1 WHERE id = $1 RETURNING attempts",
            &[id.into()],
        )
        .await?;
    let Some(row) = row else { return Ok(false) };
    let number = row.count(0)?;
    tx.execute(
        "INSERT INTO delivery_attempts (delivery_id, number, at, status, error, duration_ms)
         VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            id.into(),
            number.into(),
            attempt.at.into(),
            attempt.status.map(i64::from).into(),
            attempt.error.as_deref().into(),
            attempt.duration_ms.into(),
        ],
    )
    .await?;
    tx.execute(
        "DELETE FROM delivery_attempts WHERE delivery_id = $1 AND number <= $2",
        &[id.into(), number.saturating_sub(REMEMBERED).into()],
    )
    .await?;
    let finished = (state != DeliveryState::Pending).then_some(now);
    let touched = tx
        .execute(
            "UPDATE deliveries SET tries = tries + 1, state = $3, next_at = $4, finished_at = $5
             WHERE id = $1 AND round = $2 AND state = 'pending'",
            &[id.into(), round.into(), state.as_str().into(), next_at.into(), finished.into()],
        )
        .await?;
    Ok(touched == 1)
}

/// Gives a delivery up without an attempt.
pub(crate) async fn give_up(tx: &mut Tx, (id, round): (DeliveryId, u64), now: Timestamp) -> Result<()> {
    tx.execute(
        "UPDATE deliveries SET state = 'failed', next_at = NULL, finished_at = $3
         WHERE id = $1 AND round = $2 AND state = 'pending'",
        &[id.into(), round.into(), now.into()],
    )
    .await?;
    Ok(())
}

/// Notes which job makes the next attempt.
pub(crate) async fn awaits(tx: &mut Tx, id: DeliveryId, job: JobId) -> Result<()> {
    tx.execute("UPDATE deliveries SET job_id = $2 WHERE id = $1", &[id.into(), job.into()]).await?;
    Ok(())
}

/// Lists deliveries that were due before a time and have no job that would make their attempt.
pub(crate) async fn stranded(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<Vec<DeliveryRow>> {
    let rows = tx
        .query(
            select_deliveries!(
                "WHERE state = 'pending' AND next_at < $1 AND NOT EXISTS
                     (SELECT 1 FROM jobs j WHERE j.id = deliveries.job_id AND j.finished_at IS NULL)
                 ORDER BY next_at LIMIT $2"
            ),
            &[before.into(), limit.into()],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// Goes on with a delivery in a new round, with the attempts that it has had; returns the round's number, or nothing
/// where somebody else has gone on with it.
pub(crate) async fn go_on(
    tx: &mut Tx,
    (id, round): (DeliveryId, u64),
    now: Timestamp,
) -> Result<Option<u64>> {
    let row = tx
        .query_opt(
            "UPDATE deliveries SET round = round + 1, next_at = $3
             WHERE id = $1 AND round = $2 AND state = 'pending' RETURNING round",
            &[id.into(), round.into(), now.into()],
        )
        .await?;
    row.map(|row| row.count(0)).transpose()
}

/// Begins a new round of attempts; returns its number.
pub(crate) async fn restart(tx: &mut Tx, id: DeliveryId, now: Timestamp) -> Result<u64> {
    let row = tx
        .query_opt(
            "UPDATE deliveries SET state = 'pending', round = round + 1, tries = 0, next_at = $2, finished_at = NULL
             WHERE id = $1 RETURNING round",
            &[id.into(), now.into()],
        )
        .await?;
    row.map_or_else(|| Err(Error::corrupt("a delivery went away while it was held")), |row| row.count(0))
}

/// Removes deliveries that ended before a time; returns how many, at most `limit`.
pub(crate) async fn prune(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<u64> {
    tx.execute(
        "DELETE FROM delivery_attempts WHERE delivery_id IN
             (SELECT id FROM deliveries WHERE finished_at < $1 ORDER BY finished_at, id LIMIT $2)",
        &[before.into(), limit.into()],
    )
    .await?;
    tx.execute(
        "DELETE FROM deliveries WHERE id IN
             (SELECT id FROM deliveries WHERE finished_at < $1 ORDER BY finished_at, id LIMIT $2)",
        &[before.into(), limit.into()],
    )
    .await
}

/// Removes deliveries of a hook, whatever their state; returns how many, at most `limit`.
pub(crate) async fn remove(tx: &mut Tx, hook: HookId, limit: u32) -> Result<u64> {
    tx.execute(
        "DELETE FROM delivery_attempts WHERE delivery_id IN
             (SELECT id FROM deliveries WHERE hook_id = $1 ORDER BY id LIMIT $2)",
        &[hook.into(), limit.into()],
    )
    .await?;
    tx.execute(
        "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE hook_id = $1 ORDER BY id LIMIT $2)",
        &[hook.into(), limit.into()],
    )
    .await
}
