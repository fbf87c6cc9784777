//! One attempt of one delivery.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use longshore_core::webhook::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign};
use longshore_core::wire::{DeliveryAttempt, DeliveryState, HookDisabled, Role};
use longshore_core::{DeliveryId, HookId, Timestamp, random};
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
use crate::db::hooks::{self as rows, HookRow};
use crate::engine::Engine;
use crate::error::Result;
use crate::jobs::{Handled, JobContext, JobKind, NewJob, Outcome};

/// How many deliveries of one hook are under way at once.
const AT_ONCE: u32 = 4;

/// Attempts a delivery. What a receiver does is no failure of the job: the next attempt is another job, enqueued
/// together with the word of this one. Only a database that cannot be written to makes the job itself repeat.
pub(crate) static DELIVER: JobKind = JobKind::new("hooks.deliver")
    .lane_limit(AT_ONCE)
    .timeout(Duration::from_mins(1))
    .steered_by(Role::Admin)
    .retry(longshore_flow::RetryPolicy {
        base: Duration::from_secs(1),
        cap: Duration::from_mins(1),
        max_attempts: 10_000,
        retry_after_cap: Duration::from_mins(1),
    });

/// Which attempt is to be made.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Attempt {
    pub(super) hook: HookId,
    pub(super) delivery: DeliveryId,
    /// An attempt of an earlier round is not made any more.
    pub(super) round: u64,
    /// Somebody asked for it just now: it is made although the receiver is left alone for its failures.
    #[serde(default)]
    pub(super) urgent: bool,
}

impl Attempt {
    /// The job that makes it, not before `at`. The lane is the hook's own.
    pub(super) fn job(self, at: Timestamp) -> NewJob {
        NewJob::new(&DELIVER, json!(self)).in_lane(self.hook.to_string()).at(at)
    }
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
    let claim = (attempt.delivery, attempt.round);
    let clock = engine.clock();
    if hook.hook.disabled.is_some() {
        return Ok(Outcome::done().with(move |tx| {
            let now = clock.now();
            Box::pin(async move { deliveries::give_up(tx, claim, now).await })
        }));
    }
    let now = engine.now();
    if let Some(rested) = hook.rests_until.filter(|until| *until > now && !attempt.urgent) {
        let pause = pauses::jittered(rested.since(now), random::unit());
        let at = now.plus(pause);
        return Ok(Outcome::done()
            .then(attempt.job(at))
            .with(move |tx| Box::pin(async move { deliveries::postpone(tx, claim, at).await.map(drop) })));
    }
    let word = send(engine, &hook, &delivery).await;
    Ok(outcome(engine, attempt, &hook, &delivery, word))
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
    let (id, seconds) = (delivery.delivery.event_id.to_string(), at.as_micros().div_euclid(1_000_000));
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

/// Makes of a word what is written together with the job's end.
fn outcome(engine: &Engine, attempt: Attempt, hook: &HookRow, delivery: &DeliveryRow, word: Word) -> Outcome {
    let clock = engine.clock();
    let claim = (attempt.delivery, attempt.round);
    let Word { attempt: made, asked } = word;
    if made.error.is_none() {
        return Outcome::done().with(move |tx| {
            let (now, made) = (clock.now(), made.clone());
            Box::pin(async move {
                rows::forgive(tx, attempt.hook).await?;
                deliveries::attempted(tx, claim, &made, DeliveryState::Succeeded, None, now).await.map(drop)
            })
        });
    }
    let now = engine.now();
    let why = if made.status == Some(410) {
        Some(HookDisabled::Gone)
    } else if hook.hook.failing_since.is_some_and(|since| now.since(since) >= pauses::PATIENCE) {
        Some(HookDisabled::Failing)
    } else {
        None
    };
    let next = match why {
        Some(_) => None,
        None => pauses::pause(delivery.tries + 1, asked, random::unit()).map(|pause| now.plus(pause)),
    };
    let state = if next.is_some() { DeliveryState::Pending } else { DeliveryState::Failed };
    tracing::debug!(
        delivery = %attempt.delivery, hook = %attempt.hook, error = made.error.as_deref(), "a delivery failed"
    );
    let hook = hook.clone();
    let outcome = Outcome::done().with(move |tx| {
        let (now, made, hook, clock) = (clock.now(), made.clone(), hook.clone(), clock.clone());
        Box::pin(async move {
            if let Some(why) = why {
                switch_off(tx, &hook, why, clock.as_ref()).await?;
            }
            rows::failed(tx, attempt.hook, now, pauses::rest).await?;
            deliveries::attempted(tx, claim, &made, state, next, now).await.map(drop)
        })
    });
    match next {
        Some(at) => outcome.then(Attempt { urgent: false, ..attempt }.job(at)),
        None => outcome,
    }
}

/// Switches a hook off, with an event of it, unless somebody has done so already.
async fn switch_off(
    tx: &mut Tx,
    row: &HookRow,
    why: HookDisabled,
    clock: &dyn longshore_core::Clock,
) -> Result<()> {
    let hook = &row.hook;
    let actor = Actor {
        principal: hook.created_by,
        key: None,
        role: Role::Admin,
        workspace: Some(hook.workspace_id),
        request_id: None,
    };
    // The workspace comes first, as in every write of it.
    let mut log = Log::open(tx, hook.workspace_id, actor, clock).await?;
    if rows::disable(tx, hook.workspace_id, hook.id, why, log.now()).await? {
        let change = verbs::about("hook.disabled", hook).with("reason", json!(why));
        log.append(tx, change).await?;
        tracing::warn!(hook = %hook.id, ?why, "a webhook was switched off");
    }
    dispatch::announce(tx, &log).await?;
    log.close(tx).await
}
