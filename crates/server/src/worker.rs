//! Jobs, run beside serving or alone.

use std::fs::File;
use std::time::Duration;

use longshore_engine::{Database, Engine, WorkerSettings};
use longshore_flow::Tasks;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::data::{self, Alone};
use crate::error::{Error, Result};
use crate::folder;

/// The longest that running jobs are waited for when their process stops: they begin anew elsewhere.
const GRACE: Duration = Duration::from_secs(10);

/// How long a worker may take, after the grace, to give back what it holds.
const GIVING_BACK: Duration = Duration::from_secs(5);

/// How a process works: on jobs, and beside them on deliveries, which wait for strangers most of the time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    jobs: WorkerSettings,
    deliveries: WorkerSettings,
}

/// Returns how a process works as configured.
pub(crate) fn settings(config: &Config) -> Settings {
    let jobs = WorkerSettings {
        concurrency: config.jobs.concurrency,
        lease: Duration::from_secs(config.jobs.lease_seconds),
        grace: config.server.shutdown_grace().min(GRACE),
        ..WorkerSettings::default()
    };
    Settings { jobs, deliveries: WorkerSettings { concurrency: config.jobs.deliveries, ..jobs } }
}

/// Runs Longshore's own jobs until `stop` comes.
pub(crate) async fn work(engine: Engine, settings: Settings, stop: impl Future<Output = ()>) {
    let stopping = CancellationToken::new();
    let stopped = async {
        stop.await;
        stopping.cancel();
    };
    tokio::join!(
        stopped,
        engine.run_jobs(engine.job_kinds(), settings.jobs, stopping.cancelled()),
        engine.run_jobs(engine.delivery_kinds(), settings.deliveries, stopping.cancelled()),
    );
}

/// Waits for workers that were told to stop; tells whether they did in time.
pub(crate) async fn end(workers: &Tasks, grace: Duration) -> bool {
    let ended = timeout(grace + GIVING_BACK, workers.close()).await.is_ok();
    workers.abort();
    workers.close().await;
    ended
}

/// A process that runs jobs and opens no door.
pub struct Worker {
    engine: Engine,
    settings: Settings,
    /// On SQLite: holding it open holds the data folder.
    lock: Option<File>,
}

impl Worker {
    /// Opens the store and the database. On SQLite that takes the data folder, so no server may run over it; on
    /// PostgreSQL any number of servers and workers share the database.
    pub async fn open(config: &Config) -> Result<Self> {
        config.check()?;
        let lock = match config.database()? {
            Database::Sqlite(_) => Some(folder::take(&config.data.dir).await?.ok_or_else(|| {
                let why = "on SQLite a running server runs the jobs itself, and no worker can join it: that needs \
                           PostgreSQL (database.url)";
                Error::caused(why, folder::taken(&config.data.dir))
            })?),
            Database::Postgres { .. } if config.store.is_in_memory()? => {
                let why = "a worker needs the store that its servers have, and nobody shares a store in memory";
                return Err(Error::new(why));
            }
            Database::Postgres { .. } => None,
        };
        let alone = if lock.is_some() { Alone::Yes } else { Alone::No };
        Ok(Self { engine: data::open(config, alone).await?, settings: settings(config), lock })
    }

    /// Returns what it opened.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Runs jobs until `shutdown` comes; then lets running ones finish within the grace, and gives back the others.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        work(self.engine.clone(), self.settings, shutdown).await;
        self.engine.close().await;
        // Only now may another process have the folder.
        drop(self.lock);
    }
}
