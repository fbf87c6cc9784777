//! What a handler is given, and what it gives back.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use longshore_core::wire::JobProgress;
use longshore_core::{JobId, PrincipalId, WorkspaceId};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::enqueue::NewJob;
use crate::db::jobs::{Claim, ClaimedRow};
use crate::db::{Tx, Working};
use crate::engine::Engine;
use crate::error::{Error, Result};

/// What a handler returns.
pub type Handled = std::result::Result<Outcome, JobFailure>;

/// How far a job is, between who runs it and who writes it down.
#[derive(Debug, Default)]
pub(super) struct Reported {
    latest: Option<JobProgress>,
    is_new: bool,
}

/// A job, as its handler sees it. Clones share it.
#[derive(Clone, Debug)]
pub struct JobContext {
    /// The handler's: what is written through it commits only while the claim holds.
    pub(super) engine: Engine,
    /// The worker's own, which writes down what came of the claim.
    pub(super) worker: Engine,
    pub(super) claimed: Arc<ClaimedRow>,
    pub(super) cancelled: CancellationToken,
    pub(super) reported: Arc<Mutex<Reported>>,
}

impl JobContext {
    /// Returns the engine. What is written through it commits only while this claim of the job holds.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Returns the job's id: the same in every attempt, so a good key for effects that must not double.
    #[must_use]
    pub fn id(&self) -> JobId {
        self.claimed.id
    }

    /// Returns the workspace that the job is for.
    #[must_use]
    pub fn workspace(&self) -> Option<WorkspaceId> {
        self.claimed.workspace
    }

    /// Returns who made the job.
    #[must_use]
    pub fn created_by(&self) -> Option<PrincipalId> {
        self.claimed.created_by
    }

    /// Returns which attempt this is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.claimed.attempt
    }

    /// Reads the payload. One that cannot be read will not be better later.
    pub fn payload<T: DeserializeOwned>(&self) -> std::result::Result<T, JobFailure> {
        serde_json::from_str(&self.claimed.payload)
            .map_err(|error| JobFailure::permanent(Error::corrupt(format_args!("a job's payload: {error}"))))
    }

    /// Says how far the job is. This costs nothing: what was said last is written down twice a second at most.
    pub fn progress(&self, done: u64, total: Option<u64>, unit: &str) {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        reported.latest = Some(JobProgress { done, total, unit: unit.to_owned() });
        reported.is_new = true;
    }

    pub(super) fn latest_progress(&self) -> Option<JobProgress> {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        reported.is_new = false;
        reported.latest.clone()
    }

    pub(super) fn has_new_progress(&self) -> bool {
        self.reported.lock().unwrap_or_else(PoisonError::into_inner).is_new
    }

    /// Waits until somebody asks for the job's end. A handler that then fails, or does not end within the grace, is
    /// cancelled; one that succeeds nevertheless has succeeded.
    pub async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }

    /// Tells whether somebody asked for the job's end.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }

    /// Runs `work` in a transaction that commits only while this claim of the job holds.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnMut(&'t mut Tx) -> Working<'t, T> + Send + 'static,
    {
        self.engine.db().write(work).await
    }

    pub(super) fn claim(&self) -> Claim {
        (self.claimed.id, self.claimed.fence)
    }
}

/// Statements that are part of a job's success.
pub(super) type Effect = Arc<dyn for<'t> Fn(&'t mut Tx) -> Working<'t, ()> + Send + Sync>;

/// What a job that succeeded gives, and what is written together with its success.
#[derive(Clone, Default)]
pub struct Outcome {
    pub(super) result: Option<Value>,
    pub(super) then: Vec<NewJob>,
    pub(super) effect: Option<Effect>,
    pub(super) rest: Option<(Value, Duration)>,
}

impl Outcome {
    /// Succeeds without a result.
    #[must_use]
    pub fn done() -> Self {
        Self::default()
    }

    /// Succeeds with a result.
    #[must_use]
    pub fn of(result: Value) -> Self {
        Self { result: Some(result), ..Self::default() }
    }

    /// Has done a part: the job goes on after a pause, with all its attempts before it and this payload, which says what
    /// is left. It is not over for who waits for its end.
    #[must_use]
    pub fn part(rest: Value, pause: Duration) -> Self {
        Self { rest: Some((rest, pause)), ..Self::default() }
    }

    /// Enqueues another job in the transaction in which this one succeeds.
    #[must_use]
    pub fn then(mut self, job: NewJob) -> Self {
        self.then.push(job);
        self
    }

    /// Runs statements in the transaction in which this job succeeds: they commit once, or the job has not succeeded.
    #[must_use]
    pub(crate) fn with(
        self,
        effect: impl for<'t> Fn(&'t mut Tx) -> Working<'t, ()> + Send + Sync + 'static,
    ) -> Self {
        Self { effect: Some(Arc::new(effect)), ..self }
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome")
            .field("result", &self.result)
            .field("then", &self.then)
            .finish_non_exhaustive()
    }
}

/// Why an attempt failed, and what comes of the job.
#[derive(Clone, Debug)]
pub struct JobFailure {
    pub(super) error: Error,
    pub(super) next: Next,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another attempt, after a pause of the kind's policy or one that is at least so long.
    Again(Option<Duration>),
    /// None: the job has failed.
    Never,
}

impl JobFailure {
    /// Fails for good: another attempt would be of no use.
    #[must_use]
    pub const fn permanent(error: Error) -> Self {
        Self { error, next: Next::Never }
    }

    /// Fails this attempt; the next comes after `pause`, within what the kind's policy allows.
    #[must_use]
    pub const fn again_after(error: Error, pause: Duration) -> Self {
        Self { error, next: Next::Again(Some(pause)) }
    }
}

impl From<Error> for JobFailure {
    fn from(error: Error) -> Self {
        Self { error, next: Next::Again(None) }
    }
}
