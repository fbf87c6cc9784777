//! Workers that are processes of their own: killed, stopped and resumed at every step.
//!
//! The process is this very test program, told by its environment to be a worker: see [`be_a_worker`].

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use longshore_core::wire::{Job, JobState};
use longshore_core::{JobId, SystemClock};
use longshore_engine::{
    Actor, Database, Engine, JobFilter, JobKind, Kinds, NewJob, Outcome, PageRequest, Settings,
    WorkerSettings,
};
use longshore_flow::RetryPolicy;
use longshore_store::{LocalOptions, Store};
use serde_json::json;

use crate::workers::{PATIENCE, ended};
use crate::{block_on, postgres};

const LEASE: Duration = Duration::from_millis(1_500);
static STEPS: JobKind = JobKind::new("test.steps").lane_limit(8).retry(RetryPolicy {
    base: Duration::ZERO,
    cap: Duration::ZERO,
    max_attempts: 1_000,
    retry_after_cap: Duration::ZERO,
});
static EFFECT: JobKind = JobKind::new("test.effect");

/// What the environment says to one who is to be a worker.
const DATABASE: &str = "LONGSHORE_TEST_WORKER_DATABASE";
const STORE: &str = "LONGSHORE_TEST_WORKER_STORE";

/// Opens the engine that parent and workers share.
async fn open(database: &str, store: &Path) -> Engine {
    let database = match database.strip_prefix("sqlite:") {
        Some(path) => Database::Sqlite(path.into()),
        None => Database::Postgres { url: database.to_owned(), connections: 6 },
    };
    let store = Store::local(store, LocalOptions::default()).unwrap();
    Engine::open(Settings::default(), &database, store, Arc::new(SystemClock)).await.unwrap()
}

/// No test by itself: the other half of those below, which start this program anew with only this in it.
#[test]
#[ignore = "run by the tests of this module, as a process of its own"]
fn be_a_worker() {
    let (Some(database), Some(store)) = (postgres::environment(DATABASE), postgres::environment(STORE))
    else {
        return;
    };
    // Each step is told on standard output, where the parent listens: `@ step attempt`.
    let kinds = Kinds::none().with(&STEPS, |job| async move {
        let (middle, last) = job.payload::<(u64, u64)>()?;
        println!("@ begun {}", job.attempt());
        tokio::time::sleep(Duration::from_millis(middle)).await;
        job.progress(1, None, "steps");
        println!("@ middle {}", job.attempt());
        tokio::time::sleep(Duration::from_millis(last)).await;
        println!("@ returns {}", job.attempt());
        Ok(Outcome::of(json!(job.attempt())).then(NewJob::new(&EFFECT, json!(job.id()))))
    });
    let settings =
        WorkerSettings { lease: LEASE, poll: Duration::from_millis(50), ..WorkerSettings::default() };
    block_on(async {
        let engine = open(&database, Path::new(&store)).await;
        // Until it is killed, or for as long as the parent can be waiting.
        engine.run_jobs(kinds, settings, tokio::time::sleep(PATIENCE * 2)).await;
        engine.close().await;
    });
}

struct Worker {
    process: Child,
    lines: mpsc::Receiver<String>,
}

impl Worker {
    fn start(database: &str, store: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "processes::be_a_worker", "--ignored", "--nocapture"])
            .env(DATABASE, database)
            .env(STORE, store)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let (said, lines) = mpsc::channel();
        // It ends with the process whose lines it reads.
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).all(|line| said.send(line).is_ok()));
        Self { process, lines }
    }

    /// Waits for a while until the worker tells of a step.
    fn tells(&self, step: &str, patience: Duration) -> bool {
        let (told, end) = (format!("@ {step}"), Instant::now() + patience);
        while let Ok(line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            if line.contains(&told) {
                return true;
            }
        }
        false
    }

    fn wait_for(&self, step: &str) {
        assert!(self.tells(step, PATIENCE), "no word of {step}");
    }

    fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }
}

impl Drop for Worker {
    /// By its handle, so that no other process is ever meant.
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// What a test shares with its workers.
struct Place {
    engine: Engine,
    owner: Actor,
    database: String,
    folder: tempfile::TempDir,
}

impl Place {
    async fn on(database: String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = open(&database, &folder.path().join("store")).await;
        let key = engine.initialise().await.unwrap().unwrap().secret;
        let owner = engine.authenticate(&key).await.unwrap();
        Self { engine, owner, database, folder }
    }

    fn worker(&self) -> Worker {
        Worker::start(&self.database, &self.folder.path().join("store"))
    }

    /// Enqueues a job whose two parts take so many milliseconds.
    async fn enqueue(&self, middle: u64, last: u64) -> JobId {
        self.engine.enqueue_job(NewJob::new(&STEPS, json!([middle, last]))).await.unwrap()
    }

    async fn list(&self, kind: &JobKind, state: Option<JobState>) -> Vec<Job> {
        let filter = JobFilter { kind: Some(kind.name().to_owned()), state, ..JobFilter::default() };
        let page = PageRequest::new(Some(1_000), None);
        self.engine.list_jobs(&self.owner, filter, page).await.unwrap().items
    }

    async fn effects(&self) -> usize {
        self.list(&EFFECT, None).await.len()
    }
}

#[test]
fn a_job_outlives_its_worker_whichever_step_is_the_last() {
    let Some(server) = postgres::Server::start() else { return };
    block_on(async {
        let place = Place::on(server.database()).await;
        for (round, step) in ["begun", "middle"].into_iter().enumerate() {
            let doomed = place.worker();
            let id = place.enqueue(200, 200).await;
            doomed.wait_for(step);
            drop(doomed);
            let heir = place.worker();
            let job = ended(&place.engine, &place.owner, id).await;
            assert_eq!((job.state, job.attempts), (JobState::Succeeded, 2), "{step}");
            assert_eq!(place.effects().await, round + 1, "{step}");
            drop(heir);
        }
    });
}

#[test]
fn a_worker_that_was_stopped_and_goes_on_changes_nothing() {
    let Some(server) = postgres::Server::start() else { return };
    block_on(async {
        let place = Place::on(server.database()).await;
        let stopped = place.worker();
        let id = place.enqueue(50, 300).await;
        stopped.wait_for("middle");
        stopped.signal("STOP");
        let other = place.worker();
        let job = ended(&place.engine, &place.owner, id).await;
        assert_eq!((job.attempts, &job.result), (2, &Some(json!(2))));
        stopped.signal("CONT");
        // It finds that its time is over, or returns and is refused; then it works on like any other.
        let next = place.enqueue(0, 0).await;
        ended(&place.engine, &place.owner, next).await;
        drop(other);
        let last = place.enqueue(0, 0).await;
        assert_eq!(ended(&place.engine, &place.owner, last).await.state, JobState::Succeeded);
        assert_eq!(place.engine.job(&place.owner, id).await.unwrap(), job, "it was written twice");
        assert_eq!(place.effects().await, 3);
    });
}

#[test]
fn three_processes_killed_at_random_do_each_effect_once() {
    const JOBS: usize = 150;
    const KILLS: usize = 12;
    let Some(server) = postgres::Server::start() else { return };
    block_on(async {
        let place = Place::on(server.database()).await;
        for number in 0..JOBS as u64 {
            place.enqueue(number % 70, number % 50).await;
        }
        let mut workers = [(); 3].map(|()| place.worker());
        let start = Instant::now();
        let mut kills = 0;
        while place.list(&STEPS, Some(JobState::Succeeded)).await.len() < JOBS {
            assert!(start.elapsed() < PATIENCE, "the jobs do not come to an end");
            let victim = &mut workers[kills % 3];
            let step = ["returns", "begun", "returns", "middle"][kills % 4];
            if kills == KILLS || !victim.tells(step, Duration::from_millis(300)) {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
            // Soon after a step, at another distance each time: somewhere between it and the next commit.
            tokio::time::sleep(Duration::from_micros(700 * (kills as u64 % 9))).await;
            victim.process.kill().unwrap();
            *victim = place.worker();
            kills += 1;
        }
        drop(workers);
        assert!(kills > KILLS / 2, "hardly anybody was killed: {kills}");
        let jobs = place.list(&STEPS, None).await;
        assert!(jobs.iter().any(|job| job.attempts > 1), "no kill has met a job");
        assert_eq!(place.effects().await, JOBS);
    });
}

#[test]
fn on_sqlite_a_killed_process_loses_no_job_and_doubles_no_effect() {
    const JOBS: usize = 60;
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let database = format!("sqlite:{}", folder.path().join("longshore.db").display());
        let mut place = Place::on(database).await;
        for number in 0..JOBS as u64 {
            place.enqueue(number % 7, number % 5).await;
        }
        let mut rounds = 0;
        while place.list(&STEPS, Some(JobState::Succeeded)).await.len() < JOBS {
            assert!(rounds < 20, "the jobs do not come to an end");
            // One process at a time has the database.
            place.engine.close().await;
            let worker = place.worker();
            worker.wait_for(["returns", "middle", "begun"][rounds % 3]);
            tokio::time::sleep(Duration::from_micros(900 * rounds as u64)).await;
            if rounds >= 5 {
                // In the end one is let work, past the leases of those before it.
                tokio::time::sleep(LEASE).await;
            }
            drop(worker);
            rounds += 1;
            place.engine = open(&place.database, &place.folder.path().join("store")).await;
        }
        assert!(rounds > 3, "it was hardly ever killed");
        assert_eq!(place.effects().await, JOBS);
        place.engine.close().await;
    });
}
