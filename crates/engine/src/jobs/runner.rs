//! A worker: claims jobs, a bounded number at once, and goes on whatever the database does.

use std::sync::Arc;
use std::time::Duration;

use longshore_core::wire::{JobError, JobState};
use longshore_core::{Code, random};
use longshore_flow::{RetryPolicy, Tasks};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::kind::Kinds;
use super::run::Run;
use super::schedules::Timetable;
use crate::db::jobs::{self as rows, ClaimedRow, End, Lost};
use crate::engine::Engine;
use crate::error::{Error, Result};

/// How many leases that are over are looked at in one go.
const LOST_AT_ONCE: u32 = 100;

/// The pauses of a worker whose database does not answer. It never gives up.
const PATIENCE: RetryPolicy = RetryPolicy {
    base: Duration::from_millis(100),
    cap: Duration::from_secs(5),
    max_attempts: u32::MAX,
    retry_after_cap: Duration::ZERO,
};

/// What can be set about a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerSettings {
    /// How many jobs run at once (4).
    pub concurrency: usize,
    /// How long a claim holds without a sign of life (30 s): a job whose worker died is taken up by another then.
    pub lease: Duration,
    /// How often the worker looks for jobs of other processes, for jobs whose time has come and for lost ones (1 s).
    pub poll: Duration,
    /// How long running jobs are given to end by themselves when they are cancelled, or the worker stops (10 s).
    pub grace: Duration,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            concurrency: 4,
            lease: Duration::from_secs(30),
            poll: Duration::from_secs(1),
            grace: Duration::from_secs(10),
        }
    }
}

impl Engine {
    /// Runs jobs until `stop` comes; then lets those that run finish within the grace, and gives back the others.
    ///
    /// A database that does not answer is waited for. Any number of workers may run, in any number of processes.
    pub async fn run_jobs(&self, kinds: Kinds, settings: WorkerSettings, stop: impl Future<Output = ()>) {
        let worker = Worker::new(self.clone(), kinds, settings);
        let stopping = worker.stopping.clone();
        let stopped = async {
            stop.await;
            stopping.cancel();
        };
        // Boxed, so that whoever runs a worker need not carry all of its states.
        tokio::join!(stopped, Box::pin(worker.claim_until_stopped()), Box::pin(worker.keep_house()));
        Box::pin(worker.end()).await;
    }
}

struct Worker {
    engine: Engine,
    kinds: Kinds,
    /// The names of all kinds, as the query takes them.
    names: String,
    settings: WorkerSettings,
    /// A name that no other worker has, and this one not after a restart: what it held before is not its own any more.
    name: String,
    tasks: Tasks,
    slots: Arc<Semaphore>,
    stopping: CancellationToken,
}

impl Worker {
    fn new(engine: Engine, kinds: Kinds, settings: WorkerSettings) -> Self {
        let mut id = [0; 8];
        random::fill(&mut id);
        Self {
            engine,
            names: kinds.names(),
            kinds,
            settings,
            name: format!("worker-{:016x}", u64::from_be_bytes(id)),
            tasks: Tasks::new(),
            slots: Arc::new(Semaphore::new(settings.concurrency.max(1))),
            stopping: CancellationToken::new(),
        }
    }

    async fn claim_until_stopped(&self) {
        let mut news = self.engine.db().jobs();
        let mut failures = 0;
        // Where the round of lanes stands.
        let mut lane = String::new();
        loop {
            let slot = tokio::select! {
                () = self.stopping.cancelled() => return,
                slot = Arc::clone(&self.slots).acquire_owned() => slot,
            };
            // The semaphore is never closed.
            let Ok(slot) = slot else { return };
            // What comes from here on is seen by the claim, or heard of after it.
            news.mark_unchanged();
            let sent = Instant::now();
            let pause = match self.bounded(self.claim(&lane)).await {
                Ok(Some(claimed)) => {
                    failures = 0;
                    lane.clone_from(&claimed.lane);
                    self.start(claimed, sent, slot);
                    continue;
                }
                Ok(None) => {
                    failures = 0;
                    self.settings.poll
                }
                Err(error) => self.trouble(&mut failures, &error, "no job could be claimed"),
            };
            drop(slot);
            tokio::select! {
                () = self.stopping.cancelled() => return,
                () = sleep(pause) => {}
                // The sender lives as long as the engine.
                changed = news.changed(), if failures == 0 => drop(changed),
            }
        }
    }

    /// Says that the database is in trouble, once per trouble in a loud voice, and returns how long to wait.
    fn trouble(&self, failures: &mut u32, error: &Error, what: &str) -> Duration {
        *failures = failures.saturating_add(1);
        let worker = self.name.as_str();
        if *failures == 1 {
            tracing::warn!(worker, %error, "{what}; trying again");
        } else {
            tracing::debug!(worker, %error, failures, "{what}; trying again");
        }
        PATIENCE.delay(*failures, random::unit(), None).unwrap_or(PATIENCE.cap)
    }

    /// Bounds the time of a word with the database: one that never answers must not hold up what may be done later.
    async fn bounded<T>(&self, word: impl Future<Output = Result<T>>) -> Result<T> {
        let late = |_| Error::new(Code::StorageUnavailable, "the database does not answer in time");
        timeout(self.settings.lease, word).await.map_err(late)?
    }

    /// Claims the next job. Looking comes first, because it takes no turn and, on SQLite, no write.
    async fn claim(&self, lane: &str) -> Result<Option<ClaimedRow>> {
        let (names, lane, clock) = (self.names.clone(), lane.to_owned(), self.engine.clock());
        let looking = (names.clone(), lane.clone(), clock.clone());
        let due = self.engine.db().read(move |tx| {
            let (names, lane, clock) = looking.clone();
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                rows::next_due(tx, &names, &lane, now).await
            })
        });
        if due.await?.is_none() {
            return Ok(None);
        }
        let (name, lease) = (self.name.clone(), self.settings.lease);
        self.engine
            .db()
            .write(move |tx| {
                let (names, lane, name, clock) = (names.clone(), lane.clone(), name.clone(), clock.clone());
                Box::pin(async move {
                    rows::take_turn(tx).await?;
                    // Only now: the turn may have been waited for.
                    let now = tx.now(clock.as_ref()).await?;
                    loop {
                        let Some(due) = rows::next_due(tx, &names, &lane, now).await? else {
                            return Ok(None);
                        };
                        // Somebody may have cancelled it between the two statements.
                        if let Some(claimed) = rows::claim(tx, due, &name, now, now.plus(lease)).await? {
                            return Ok(Some(claimed));
                        }
                    }
                })
            })
            .await
    }

    fn start(&self, claimed: ClaimedRow, sent: Instant, slot: OwnedSemaphorePermit) {
        let Some((kind, handler)) = self.kinds.get(&claimed.kind) else {
            // Only kinds that are known are asked for; the lease brings it back if that is ever untrue.
            tracing::error!(job = %claimed.id, kind = claimed.kind, "a job of a kind that is not known was claimed");
            return;
        };
        let run = Run { engine: self.engine.clone(), kind, handler, claimed, settings: self.settings, sent };
        self.tasks.spawn(async move {
            run.run().await;
            drop(slot);
        });
    }

    /// Takes back what lost workers held and enqueues what the clock asks for, at every poll.
    async fn keep_house(&self) {
        let mut timetable = Timetable::new(self.kinds.schedules.clone());
        let mut failures = 0;
        loop {
            let kept = async {
                self.bounded(self.take_back_lost()).await?;
                self.bounded(timetable.enqueue_due(&self.engine)).await
            };
            let pause = match kept.await {
                Ok(()) => {
                    failures = 0;
                    self.settings.poll
                }
                Err(error) => self.trouble(&mut failures, &error, "lost jobs could not be looked for"),
            };
            tokio::select! {
                () = self.stopping.cancelled() => return,
                () = sleep(pause) => {}
            }
        }
    }

    async fn take_back_lost(&self) -> Result<()> {
        let clock = self.engine.clock();
        let lost = self.engine.db().read(move |tx| {
            let clock = clock.clone();
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                rows::lost(tx, now, LOST_AT_ONCE).await
            })
        });
        for lost in lost.await? {
            self.take_back(lost).await?;
        }
        Ok(())
    }

    async fn take_back(&self, lost: Lost) -> Result<()> {
        let state = match lost {
            Lost { cancel_requested: true, .. } => Some(JobState::Cancelled),
            Lost { is_last_attempt: true, .. } => Some(JobState::Failed),
            _ => None,
        };
        let end = state.map(|state| {
            let code = Code::JobLost;
            let error = JobError { code: code.to_string(), detail: code.title().to_owned() };
            let error = (state == JobState::Failed).then_some(error);
            End { state, result: None, error, progress: None }
        });
        let clock = self.engine.clock();
        let taken = self.engine.db().write(move |tx| {
            let (clock, end) = (clock.clone(), end.clone());
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                let taken = rows::take_away(tx, lost, end.as_ref(), now).await?;
                if taken {
                    tx.wake_workers();
                }
                Ok(taken)
            })
        });
        if taken.await? {
            let next = state.map_or("queued", JobState::as_str);
            tracing::warn!(job = %lost.id, next, "a job's worker was lost");
            self.engine.jobs().ended(lost.id);
        }
        Ok(())
    }

    /// Ends what runs, by itself within the grace, and gives back what is left.
    async fn end(&self) {
        if timeout(self.settings.grace, self.tasks.close()).await.is_err() {
            self.tasks.abort();
            self.tasks.close().await;
        }
        let name = self.name.clone();
        let given_back = self.engine.db().write(move |tx| {
            let name = name.clone();
            Box::pin(async move {
                let given_back = rows::release(tx, &name).await?;
                if given_back > 0 {
                    tx.wake_workers();
                }
                Ok(given_back)
            })
        });
        match self.bounded(given_back).await {
            Ok(0) => {}
            Ok(jobs) => tracing::info!(jobs, "jobs were given back: they begin anew elsewhere"),
            Err(error) => {
                tracing::warn!(%error, "jobs were not given back: they wait for the end of their lease");
            }
        }
    }
}
