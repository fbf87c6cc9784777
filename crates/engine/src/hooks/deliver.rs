//! One attempt of one delivery.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use longshore_core::webhook::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign};
use longshore_core::wire::{DeliveryAttempt, DeliveryState, HookDisabled, Role};
use longshore_core::{Clock, DeliveryId, HookId, Timestamp, random};
use longshore_egress::{Request, Response};
use longshore_flow::retry::parse_retry_after;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use super::{dispatch, pauses, verbs};
use crate::actor::Actor;
use crate::db::Tx;
use crate::db::deliveries::{self, DeliveryRow};
use crate::db::events::Log;
use crate::db::hooks::{self as rows, Failing, HookRow};
use crate::db::jobs as job_rows;
use crate::engine::Engine;
use crate::error::Result;
use crate::jobs::{Handled, JobContext, JobKind, NewJob, Outcome};

/// How many deliveries of one hook are under way at once, besides one that somebody asks for.
const AT_ONCE: u32 = 4;

/// Attempts a delivery. What a receiver does is no failure of the job: the next attempt is another job, enqueued
/// together with the word of this one. Only a database that cannot be written to makes the job itself repeat.
pub(crate) static DELIVER: JobKind = attempts("hooks.deliver").lane_limit(AT_ONCE);

/// Attempts a delivery that somebody asked for just now: in a lane of its own, behind nothing that waits, and made
/// although the receiver is left alone for its failures.
pub(crate) static URGENT: JobKind = attempts("hooks.deliver.urgent");

const fn attempts(name: &'static str) -> JobKind {
    JobKind::new(name).timeout(Duration::from_mins(1)).steered_by(Role::Admin).retry(
        longshore_flow::RetryPolicy {
            base: Duration::from_secs(1),
            cap: Duration::from_mins(1),
            max_attempts: 10_000,
            retry_after_cap: Duration::from_mins(1),
        },
    )
}

/// Which attempt is to be made.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Attempt {
    pub(super) hook: HookId,
    pub(super) delivery: DeliveryId,
    /// An attempt of an earlier round is not made any more.
    pub(super) round: u64,
}

impl Attempt {
    /// The job that makes it, not before `at`. The lane is the hook's own.
    pub(super) fn job(self, kind: &'static JobKind, at: Timestamp) -> NewJob {
        NewJob::new(kind, json!(self)).in_lane(self.hook.to_string()).at(at)
    }
}

/// Ends the rest of a hook's receiver.
pub(super) async fn end_rest(tx: &mut Tx, hook: HookId) -> Result<()> {
    job_rows::wake(tx, &DELIVER.lane(&hook.to_string())).await
}

/// What came of an attempt.
struct Word {
    attempt: DeliveryAttempt,
    /// The receiver's `Retry-After`.
    asked: Option<Duration>,
}

pub(super) async fn run(context: JobContext) -> Handled {
    let attempt: Attempt = context.payload()?;
    let engine = context.engine();
    let found = engine.db().read(move |tx| {
        Box::pin(async move {
            let hook = rows::get(tx, attempt.hook).await?;
            Ok(hook.zip(deliveries::get(tx, attempt.delivery).await?))
        })
    });
    // Without a hook there is nobody to deliver to.
    let Some((hook, delivery)) = found.await? else { return Ok(Outcome::done()) };
    if delivery.round != attempt.round || delivery.delivery.state != DeliveryState::Pending {
        return Ok(Outcome::done());
    }
    let clock = engine.clock();
    if hook.hook.disabled.is_some() {
        return Ok(Outcome::done().with(move |tx| {
            let clock = clock.clone();
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                deliveries::give_up(tx, (attempt.delivery, attempt.round), now).await
            })
        }));
    }
    let word = send(engine, &hook, &delivery).await;
    if let Some(error) = &word.attempt.error {
        tracing::debug!(delivery = %attempt.delivery, hook = %attempt.hook, error, "a delivery failed");
    }
    let made = Arc::new(Made { attempt, hook, delivery, word, unit_random: random::unit() });
    Ok(Outcome::done().with(move |tx| {
        let (made, clock) = (Arc::clone(&made), clock.clone());
        Box::pin(async move { made.write_down(tx, clock.as_ref()).await })
    }))
}

/// Hands the delivery over. What the receiver sends back is not read, let alone kept: its status says it all.
async fn send(engine: &Engine, hook: &HookRow, delivery: &DeliveryRow) -> Word {
    let (at, started) = (engine.now(), Instant::now());
    let answered = request(engine, hook, delivery, at).await;
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (status, error, asked) = match &answered {
        Ok(response) => {
            let status = response.status;
            let error = match status {
                200..=299 => None,
                300..=399 => Some(format!("the receiver answered {status}: redirects are not followed")),
                _ => Some(format!("the receiver answered {status}")),
            };
            let asked = response
                .headers
                .get("retry-after")
                .and_then(|field| parse_retry_after(field, system_time(engine.now()), pauses::LONGEST_ASKED));
            (Some(status), error, asked)
        }
        Err(error) => (None, Some(error.to_string()), None),
    };
    Word { attempt: DeliveryAttempt { at, status, error, duration_ms }, asked }
}

fn system_time(time: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(u64::try_from(time.as_micros()).unwrap_or(0))
}

async fn request(
    engine: &Engine,
    hook: &HookRow,
    delivery: &DeliveryRow,
    at: Timestamp,
) -> longshore_egress::Result<Response> {
    // Anew at every attempt: what the operator allows, and what the name means, may have changed.
    let target = engine.guard().check_url(&hook.hook.url)?;
    // The receiver compares it with its own clock: ours may stand still for a while after a step back.
    let seconds = engine.wall_time().as_micros().div_euclid(1_000_000);
    let id = delivery.delivery.event_id.to_string();
    let body = delivery.body.as_bytes();
    let old = hook.old_secret.as_ref().filter(|_| hook.hook.old_secret_until.is_some_and(|until| until > at));
    let signatures: Vec<_> = [Some(&hook.secret), old]
        .into_iter()
        .flatten()
        .map(|secret| sign(secret, &id, seconds, body))
        .collect();
    let mut request = Request::post(target, delivery.body.clone())
        .header("content-type", "application/json")
        .header(ID_HEADER, id)
        .header(TIMESTAMP_HEADER, seconds.to_string())
        .header(SIGNATURE_HEADER, signatures.join(" "));
    request.limits.total = engine.settings().hook_timeout;
    engine.guard().send(request).await
}

/// An attempt that was made, with its hook and its delivery as they were when it began.
struct Made {
    attempt: Attempt,
    hook: HookRow,
    delivery: DeliveryRow,
    word: Word,
    unit_random: f64,
}

impl Made {
    /// Writes what came of it, together with the job's end. The hook may have changed while the receiver took its
    /// time: what is decided, is decided by the hook as it stands now.
    async fn write_down(&self, tx: &mut Tx, clock: &dyn Clock) -> Result<()> {
        let (made, hook) = (&self.word.attempt, (self.attempt.hook, self.hook.round));
        let claim = (self.attempt.delivery, self.attempt.round);
        let now = tx.now(clock).await?;
        if made.error.is_none() {
            if rows::forgive(tx, hook).await? {
                end_rest(tx, self.attempt.hook).await?;
            }
            return deliveries::attempted(tx, claim, made, DeliveryState::Succeeded, None, now)
                .await
                .map(drop);
        }
        let is_on = self.judge(tx, clock, now).await?;
        let rest = rows::failed(tx, hook, now).await?.and_then(pauses::rest);
        if !is_on {
            // It sends nothing more: what waits is given up.
            end_rest(tx, self.attempt.hook).await?;
        } else if let Some(rest) = rest {
            job_rows::rest(tx, &DELIVER.lane(&self.attempt.hook.to_string()), now.plus(rest)).await?;
        }
        let next = self.pause().filter(|_| is_on).map(|pause| now.plus(pause));
        let state = if next.is_some() { DeliveryState::Pending } else { DeliveryState::Failed };
        if deliveries::attempted(tx, claim, made, state, next, now).await?
            && let Some(at) = next
        {
            dispatch::attempt(tx, self.attempt, &DELIVER, at, now).await?;
        }
        Ok(())
    }

    /// The pause before the next attempt; nothing after the last one.
    fn pause(&self) -> Option<Duration> {
        pauses::pause(self.delivery.tries + 1, self.word.asked, self.unit_random)
    }

    /// Tells why the hook, as it stands now, is to be switched off.
    fn why(&self, hook: &HookRow, now: Timestamp) -> Option<HookDisabled> {
        // Another receiver, or one that somebody has switched on again meanwhile: this word is not about it.
        if hook.round != self.hook.round || hook.hook.disabled.is_some() {
            return None;
        }
        if self.word.attempt.status == Some(410) {
            return Some(HookDisabled::Gone);
        }
        let out_of_patience = now.minus(pauses::PATIENCE);
        // Not by the first failure after quiet days: a delivery has to have had all its attempts. Where so many wait
        // that theirs do not come, to have waited in vain for as long will do.
        let is_lost = self.pause().is_none()
            || self.delivery.round == 0 && self.delivery.delivery.created_at <= out_of_patience;
        let is_failing = hook.hook.failing_since.is_some_and(|since| since <= out_of_patience);
        (is_lost && is_failing).then_some(HookDisabled::Failing)
    }

    /// Switches the hook off, with an event of it, where this attempt was the last straw; tells whether it is on.
    async fn judge(&self, tx: &mut Tx, clock: &dyn Clock, now: Timestamp) -> Result<bool> {
        let is_on = |hook: &Option<HookRow>| hook.as_ref().is_some_and(|hook| hook.hook.disabled.is_none());
        let found = rows::get(tx, self.attempt.hook).await?;
        if found.as_ref().and_then(|hook| self.why(hook, now)).is_none() {
            return Ok(is_on(&found));
        }
        // The workspace comes first, as in every write of it: from here on nobody else switches the hook.
        let workspace = self.hook.hook.workspace_id;
        let mut log = Log::open(tx, workspace, Actor::longshore(workspace), clock).await?;
        let found = rows::get(tx, self.attempt.hook).await?;
        let mut stays = is_on(&found);
        if let Some(hook) = &found
            && let Some(why) = self.why(hook, now)
        {
            let since = (why == HookDisabled::Failing).then(|| now.minus(pauses::PATIENCE));
            let failing = Failing { round: hook.round, since };
            if rows::disable(tx, (workspace, hook.hook.id), why, Some(failing), log.now()).await? {
                log.append(tx, verbs::about("hook.disabled", &hook.hook).with("reason", json!(why))).await?;
                tracing::warn!(hook = %hook.hook.id, ?why, "a webhook was switched off");
                stays = false;
            }
        }
        dispatch::announce(tx, &log).await?;
        log.close(tx).await?;
        Ok(stays)
    }
}
