//! Kinds of jobs, and which handler runs each.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use longshore_core::wire::Role;
use longshore_flow::RetryPolicy;

use super::context::{Handled, JobContext};

/// What holds for all jobs of one kind. A kind is a `static`: who enqueues and who runs mean the same one.
#[derive(Clone, Copy, Debug)]
pub struct JobKind {
    pub(crate) name: &'static str,
    pub(crate) lane_limit: u32,
    pub(crate) timeout: Duration,
    pub(crate) retry: RetryPolicy,
    pub(crate) steered_by: Role,
}

impl JobKind {
    /// Makes a kind of a name such as `sweep.blobs`: lower-case letters, digits and dots.
    ///
    /// Until told otherwise, one job of a lane runs at a time, an attempt may take an hour, and a job is tried five
    /// times, after pauses that double from a second; editors may cancel it and try it again.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        let retry = RetryPolicy {
            base: Duration::from_secs(1),
            cap: Duration::from_mins(10),
            max_attempts: 5,
            retry_after_cap: Duration::from_hours(24),
        };
        Self { name, lane_limit: 1, timeout: Duration::from_hours(1), retry, steered_by: Role::Editor }
    }

    /// Lets so many jobs of one lane run at once, over all workers.
    #[must_use]
    pub const fn lane_limit(mut self, limit: u32) -> Self {
        self.lane_limit = limit;
        self
    }

    /// Bounds the time of one attempt.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Says how often, and after which pauses, a job that failed is tried again.
    #[must_use]
    pub const fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Says which role it takes to cancel such a job or try it again: no lower one than it takes to have it made,
    /// because it acts in the name of who did.
    #[must_use]
    pub const fn steered_by(mut self, role: Role) -> Self {
        self.steered_by = role;
        self
    }

    /// Returns the whole name of a lane of this kind's jobs.
    pub(crate) fn lane(&self, lane: &str) -> String {
        format!("{} {lane}", self.name)
    }

    /// Returns the kind's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

/// Tells whether a text can be a kind's name. A space would let one be found inside the list of all: see
/// [`Kinds::names`].
pub(super) fn is_kind(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.')
}

/// Runs a job.
pub(super) type Handler = Arc<dyn Fn(JobContext) -> BoxFuture<'static, Handled> + Send + Sync>;

/// A kind whose jobs are enqueued by the clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    pub(super) kind: &'static JobKind,
    pub(super) every: Duration,
}

/// The kinds that a worker runs, with their handlers.
#[derive(Clone, Default)]
pub struct Kinds {
    handlers: BTreeMap<&'static str, (&'static JobKind, Handler)>,
    pub(super) schedules: Vec<Schedule>,
}

impl Kinds {
    /// Makes a set without any kind; [`Engine::job_kinds`](crate::Engine::job_kinds) has Longshore's own.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a kind with what runs its jobs.
    #[must_use]
    pub fn with<H, F>(mut self, kind: &'static JobKind, handler: H) -> Self
    where
        H: Fn(JobContext) -> F + Send + Sync + 'static,
        F: Future<Output = Handled> + Send + 'static,
    {
        debug_assert!(is_kind(kind.name), "{:?} is no name for a kind", kind.name);
        let handler: Handler = Arc::new(move |context| handler(context).boxed());
        self.handlers.insert(kind.name, (kind, handler));
        self
    }

    /// Has a job of a kind enqueued at every interval, by whichever worker sees first that it is due.
    #[must_use]
    pub fn every(mut self, interval: Duration, kind: &'static JobKind) -> Self {
        self.schedules.push(Schedule { kind, every: interval });
        self
    }

    pub(super) fn get(&self, name: &str) -> Option<(&'static JobKind, Handler)> {
        self.handlers.get(name).map(|(kind, handler)| (*kind, Arc::clone(handler)))
    }

    /// Returns the names of all kinds, each between spaces.
    pub(super) fn names(&self) -> String {
        self.handlers.keys().fold(" ".to_owned(), |names, name| names + name + " ")
    }
}

impl fmt::Debug for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.handlers.keys()).finish()
    }
}
