//! What a process knows of its own jobs: who waits for one, what runs here, what was counted.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use longshore_core::JobId;
use longshore_core::wire::JobState;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How many attempts of a kind ended how, since this process started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobCount {
    /// The jobs' kind.
    pub kind: &'static str,
    /// `succeeded`, `failed`, `cancelled`, `retried` for an attempt that will be followed by another, `continued` for
    /// one that did a part of the work, or `lost` for one that was taken away.
    pub result: &'static str,
    /// How many.
    pub count: u64,
}

/// How much work waits, as all workers share it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobBacklog {
    /// How many jobs are due and wait for a worker.
    pub queued: u64,
    /// How long the oldest of them has been due.
    pub oldest: Duration,
}

/// How an attempt ended, for the count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ended {
    In(&'static str),
    Retried,
    Continued,
    Lost,
}

impl Ended {
    pub(super) const fn state(state: JobState) -> Self {
        Self::In(state.as_str())
    }

    const fn word(self) -> &'static str {
        match self {
            Self::In(state) => state,
            Self::Retried => "retried",
            Self::Continued => "continued",
            Self::Lost => "lost",
        }
    }
}

/// What a process knows of its own jobs.
#[derive(Debug, Default)]
pub(crate) struct JobsState(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    waiters: HashMap<JobId, Arc<Notify>>,
    /// By the claim: a job that was taken away may still run here when it is claimed anew.
    running: HashMap<(JobId, u64), CancellationToken>,
    counts: BTreeMap<(&'static str, &'static str), u64>,
}

impl JobsState {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins those who wait for a job's end.
    pub(super) fn await_end(&self, id: JobId) -> Waiter<'_> {
        let ended = Arc::clone(self.known().waiters.entry(id).or_default());
        Waiter { state: self, id, ended }
    }

    /// Notes that a job runs here, for as long as the guard lives.
    pub(super) fn running(
        self: &Arc<Self>,
        claim: (JobId, u64),
        cancelled: CancellationToken,
    ) -> RunningHere {
        self.known().running.insert(claim, cancelled);
        RunningHere { state: Arc::clone(self), claim }
    }

    /// Tells a job that runs here that its end was asked for.
    pub(super) fn cancel(&self, id: JobId) {
        let known = self.known();
        known.running.iter().filter(|(claim, _)| claim.0 == id).for_each(|(_, cancelled)| cancelled.cancel());
    }

    /// Tells those who wait that a job may have ended.
    pub(super) fn ended(&self, id: JobId) {
        if let Some(waiters) = self.known().waiters.get(&id) {
            waiters.notify_waiters();
        }
    }

    pub(super) fn count(&self, kind: &'static str, ended: Ended) {
        *self.known().counts.entry((kind, ended.word())).or_default() += 1;
    }

    pub(super) fn counts(&self) -> Vec<JobCount> {
        let known = self.known();
        known.counts.iter().map(|(&(kind, result), &count)| JobCount { kind, result, count }).collect()
    }
}

/// One that waits for a job's end.
pub(super) struct Waiter<'a> {
    state: &'a JobsState,
    id: JobId,
    pub(super) ended: Arc<Notify>,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut known = self.state.known();
        // The map's own and this one: nobody else waits.
        if Arc::strong_count(&self.ended) <= 2 {
            known.waiters.remove(&self.id);
        }
    }
}

/// A job that runs here.
pub(super) struct RunningHere {
    state: Arc<JobsState>,
    claim: (JobId, u64),
}

impl Drop for RunningHere {
    fn drop(&mut self) {
        self.state.known().running.remove(&self.claim);
    }
}
