//! Workers that run in the background of a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use longshore_core::JobId;
use longshore_core::wire::{Job, JobState};
use longshore_engine::{Actor, Engine, Kinds, WorkerSettings};
use longshore_flow::Tasks;
use tokio::sync::Notify;

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A worker that looks often and waits for nobody.
pub(crate) fn settings() -> WorkerSettings {
    WorkerSettings {
        poll: Duration::from_millis(20),
        grace: Duration::from_millis(200),
        ..WorkerSettings::default()
    }
}

pub(crate) struct Worker {
    stop: Arc<Notify>,
    tasks: Tasks,
}

impl Worker {
    pub(crate) fn start(engine: &Engine, kinds: Kinds, settings: WorkerSettings) -> Self {
        let (stop, tasks) = (Arc::new(Notify::new()), Tasks::new());
        let (engine, told) = (engine.clone(), Arc::clone(&stop));
        tasks.spawn(async move {
            engine.run_jobs(kinds, settings, told.notified()).await;
        });
        Self { stop, tasks }
    }

    /// Tells the worker to stop, and waits until it has.
    pub(crate) async fn stop(self) {
        self.stop.notify_one();
        self.tasks.close().await;
    }
}

/// Waits for a job's end.
pub(crate) async fn ended(engine: &Engine, actor: &Actor, id: JobId) -> Job {
    let job = engine.job_when_ended(actor, id, PATIENCE).await.expect("the job is there");
    assert!(job.state.is_finished(), "it does not end: {job:?}");
    job
}

/// Waits until a job stands so.
pub(crate) async fn stands(engine: &Engine, actor: &Actor, id: JobId, state: JobState) -> Job {
    let start = Instant::now();
    loop {
        let job = engine.job(actor, id).await.expect("the job is there");
        if job.state == state {
            return job;
        }
        assert!(start.elapsed() < PATIENCE, "it is not {state:?}: {job:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Counts how often something was done. Clones share the count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counter(Arc<AtomicUsize>);

impl Counter {
    /// Counts one more, and returns how many that makes.
    pub(crate) fn add(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn remove(&self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}
