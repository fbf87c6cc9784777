//! One attempt of one job: the handler runs while the lease is kept, and what came of it is written under the fence.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use longshore_core::wire::{JobError, JobState};
use longshore_core::{Code, ErrorKind, random};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::context::{Handled, JobContext, JobFailure, Next, Outcome};
use super::enqueue::{MAX_JSON, enqueue};
use super::kind::{Handler, JobKind};
use super::runner::WorkerSettings;
use super::state::Ended;
use crate::db::jobs::{self as rows, ClaimedRow, End, taken_away};
use crate::engine::Engine;
use crate::error::{Error, Result};

/// How often news of a job's progress is written down at most.
const PROGRESS: Duration = Duration::from_millis(500);
/// How long what came of a job waits between two attempts to write it down.
const ACKNOWLEDGE_PAUSE: Duration = Duration::from_millis(200);
/// The longest text of an error that a row keeps.
const MAX_DETAIL: usize = 2_000;

/// A claimed job and who runs it.
pub(super) struct Run {
    pub(super) engine: Engine,
    pub(super) kind: &'static JobKind,
    pub(super) handler: Handler,
    pub(super) claimed: ClaimedRow,
    pub(super) settings: WorkerSettings,
    /// When the claim was sent, which is before the database began the lease.
    pub(super) sent: Instant,
}

impl Run {
    /// Runs the attempt to its end, whatever that is.
    pub(super) async fn run(self) {
        let Self { engine, kind, handler, claimed, settings, sent } = self;
        let cancelled = CancellationToken::new();
        let state = engine.jobs();
        let (id, claim) = (claimed.id, (claimed.id, claimed.fence));
        let here = state.running(claim, cancelled.clone());
        let context = JobContext {
            engine: engine.under(claim),
            worker: engine.clone(),
            claimed: Arc::new(claimed),
            cancelled,
            reported: Arc::default(),
        };
        let mut lease = Lease { context: context.clone(), settings, renewed: sent };
        let handled = tokio::select! {
            handled = attempt(kind, handler, context.clone(), settings.grace) => Some(handled),
            () = lease.keep() => None,
        };
        let ended = match handled {
            Some(handled) => acknowledge(kind, &context, handled, lease.deadline()).await,
            None => Ended::Lost,
        };
        if ended == Ended::Lost {
            tracing::warn!(job = %id, kind = kind.name, "a job was taken away: what it did last is not kept");
        }
        drop(here);
        state.count(kind.name, ended);
        state.ended(id);
        // There is room in its lane.
        engine.db().wake_workers();
    }
}

/// Runs the handler: to its end, to the end of its time, or to the end of the grace after a cancellation.
async fn attempt(kind: &JobKind, handler: Handler, context: JobContext, grace: Duration) -> Handled {
    let cancelled = context.cancelled.clone();
    let out_of_grace = async {
        cancelled.cancelled().await;
        sleep(grace).await;
    };
    // A panic may leave only the handler's own things half done, and those go away with it.
    let work = AssertUnwindSafe(async move { handler(context).await }).catch_unwind();
    tokio::select! {
        handled = work => handled.unwrap_or_else(|panic| Err(panicked(&*panic))),
        () = sleep(kind.timeout) => {
            let limit = kind.timeout.as_secs();
            Err(Error::new(Code::JobTimeout, format!("an attempt may take {limit} s")).into())
        }
        () = out_of_grace => Err(JobFailure::permanent(Error::new(Code::JobFinished, "cancelled"))),
    }
}

fn panicked(panic: &(dyn Any + Send)) -> JobFailure {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or_default();
    Error::new(Code::Internal, format!("the handler panicked: {text}")).into()
}

/// The lease of a claim, as the one who holds it sees it.
struct Lease {
    context: JobContext,
    settings: WorkerSettings,
    /// When the last renewal that was granted had been sent.
    renewed: Instant,
}

impl Lease {
    /// Returns when to stop: on the monotonic clock, counted from when a renewal was sent, and a little before the
    /// lease could have ended for others.
    fn deadline(&self) -> Instant {
        self.renewed + self.settings.lease * 5 / 6
    }

    /// Keeps the lease for as long as that is possible; returns when it is lost.
    async fn keep(&mut self) {
        let interval = self.settings.lease / 3;
        loop {
            sleep(interval.min(PROGRESS)).await;
            if Instant::now() >= self.deadline() {
                return;
            }
            if self.renewed.elapsed() < interval && !self.context.has_new_progress() {
                continue;
            }
            let sent = Instant::now();
            match timeout_at(self.deadline(), self.renew()).await {
                Ok(Ok(Some(held))) => {
                    self.renewed = sent;
                    if held.cancel_requested {
                        self.context.cancelled.cancel();
                    }
                }
                Ok(Err(error)) => tracing::debug!(%error, "a lease was not renewed; trying again"),
                Ok(Ok(None)) | Err(_) => return,
            }
        }
    }

    async fn renew(&self) -> Result<Option<rows::Held>> {
        let (context, claim) = (&self.context, self.context.claim());
        let (progress, clock, lease) =
            (context.latest_progress(), context.worker.clock(), self.settings.lease);
        context
            .worker
            .db()
            .write(move |tx| {
                let (clock, progress) = (clock.clone(), progress.clone());
                Box::pin(async move {
                    let until = tx.now(clock.as_ref()).await?.plus(lease);
                    rows::renew(tx, claim, until, progress.as_ref()).await
                })
            })
            .await
    }
}

/// Writes down what came of an attempt, for as long as the lease surely holds.
async fn acknowledge(
    kind: &'static JobKind,
    context: &JobContext,
    mut handled: Handled,
    until: Instant,
) -> Ended {
    loop {
        let written = match &handled {
            Ok(outcome) => succeed(context, outcome).await,
            Err(failure) => fail(kind, context, failure).await,
        };
        let error = match written {
            Ok(ended) => return ended,
            Err(error) if error.code() == Code::JobLost => return Ended::Lost,
            Err(error) => error,
        };
        // The outcome is unknown where the commit broke: then the next look finds the claim gone, or there.
        let is_passing = error.is_retryable() || error.code() == Code::OutcomeUnknown;
        if !is_passing {
            if handled.is_err() {
                tracing::error!(job = %context.id(), %error, "what came of a job cannot be written");
                return Ended::Lost;
            }
            handled = Err(error.into());
        } else if Instant::now() >= until {
            tracing::warn!(job = %context.id(), %error, "what came of a job was not written in time");
            return Ended::Lost;
        } else {
            sleep(ACKNOWLEDGE_PAUSE).await;
        }
    }
}

async fn succeed(context: &JobContext, outcome: &Outcome) -> Result<Ended> {
    let result = outcome.result.as_ref().map(ToString::to_string);
    if result.as_ref().is_some_and(|result| result.len() > MAX_JSON) {
        return Err(Error::new(Code::Internal, format!("a job's result has at most {MAX_JSON} bytes")));
    }
    let progress = context.latest_progress();
    let end = Arc::new(End { state: JobState::Succeeded, result, error: None, progress });
    let (claim, clock, outcome) = (context.claim(), context.worker.clock(), outcome.clone());
    let state = context
        .worker
        .db()
        .write(move |tx| {
            let (clock, end, outcome) = (clock.clone(), Arc::clone(&end), outcome.clone());
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                if let Some(effect) = &outcome.effect {
                    effect(tx).await?;
                }
                for job in &outcome.then {
                    enqueue(tx, job, now).await?;
                }
                // The job's row comes last: see `Db::write`.
                let state = match &outcome.rest {
                    None => rows::finish(tx, claim, &end, now).await?.then_some(JobState::Succeeded),
                    Some((rest, pause)) => {
                        let run_at = now.plus(*pause);
                        rows::go_on(tx, claim, rest, run_at, end.progress.as_ref(), now).await?
                    }
                };
                state.ok_or_else(taken_away)
            })
        })
        .await?;
    Ok(if state == JobState::Queued { Ended::Continued } else { Ended::state(state) })
}

async fn fail(kind: &'static JobKind, context: &JobContext, failure: &JobFailure) -> Result<Ended> {
    let (attempt, error) = (context.attempt(), &failure.error);
    let pause = match failure.next {
        Next::Again(pause) => kind.retry.delay(attempt, random::unit(), pause),
        Next::Never => None,
    };
    let (claim, clock, cancelled) = (context.claim(), context.worker.clock(), context.is_cancelled());
    let public = public_error(error);
    let progress = context.latest_progress();
    let ended = context
        .worker
        .db()
        .write(move |tx| {
            let (clock, error, progress) = (clock.clone(), public.clone(), progress.clone());
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                let held = rows::hold(tx, claim).await?.ok_or_else(taken_away)?;
                let state = match pause {
                    _ if cancelled || held.cancel_requested => JobState::Cancelled,
                    Some(pause) => {
                        rows::put_back(tx, claim, now.plus(pause), &error).await?;
                        tx.wake_workers();
                        return Ok(Ended::Retried);
                    }
                    None => JobState::Failed,
                };
                let error = (state == JobState::Failed).then_some(error);
                rows::finish(tx, claim, &End { state, result: None, error, progress }, now).await?;
                Ok(Ended::state(state))
            })
        })
        .await?;
    let (id, kind) = (context.id(), kind.name);
    match ended {
        Ended::Retried => tracing::warn!(job = %id, kind, attempt, %error, "a job's attempt failed"),
        Ended::In("failed") => tracing::error!(job = %id, kind, attempt, %error, "a job has failed"),
        _ => tracing::info!(job = %id, kind, "a job was cancelled"),
    }
    Ok(ended)
}

/// Returns what a job's row says of an error. What a fault is made of is for the log.
fn public_error(error: &Error) -> JobError {
    let detail = match error.kind() {
        ErrorKind::Internal if error.code() != Code::JobTimeout => error.code().title(),
        ErrorKind::Unavailable => error.code().title(),
        _ => error.detail(),
    };
    // PostgreSQL's text cannot hold a NUL, and a row that cannot be written would be an attempt without an end.
    let detail = detail.chars().filter(|character| *character != '\0').take(MAX_DETAIL).collect();
    JobError { code: error.code().to_string(), detail }
}
