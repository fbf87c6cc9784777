//! A database that fails under the workers: they wait, and go on.

use std::sync::Arc;
use std::time::Duration;

use longshore_core::wire::JobState;
use longshore_core::{Clock, SystemClock, Timestamp};
use longshore_engine::{Database, Engine, JobFilter, JobKind, Kinds, NewJob, Outcome, PageRequest, Settings};
use longshore_flow::RetryPolicy;
use longshore_store::Store;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::workers::{Counter, Worker, ended, settings, until};
use crate::world::World;
use crate::{block_on, postgres};

static WORK: JobKind = JobKind::new("test.work").lane_limit(4).retry(RetryPolicy {
    base: Duration::ZERO,
    cap: Duration::ZERO,
    max_attempts: 100,
    retry_after_cap: Duration::ZERO,
});
static EFFECT: JobKind = JobKind::new("test.effect");

fn kinds() -> Kinds {
    Kinds::none().with(&WORK, |job| async move {
        tokio::time::sleep(Duration::from_millis(10)).await;
        Ok(Outcome::done().then(NewJob::new(&EFFECT, json!(job.id()))))
    })
}

async fn effects(world: &World) -> usize {
    let filter = JobFilter { kind: Some("test.effect".to_owned()), ..JobFilter::default() };
    let page = PageRequest::new(Some(1_000), None);
    world.engine.list_jobs(&world.owner, filter, page).await.unwrap().items.len()
}

#[test]
fn workers_outlive_every_connection_to_postgres() {
    const JOBS: usize = 120;
    let Some(server) = postgres::Server::start() else { return };
    block_on(async {
        let world = World::on_postgres(&server).await;
        let mut jobs = Vec::new();
        for number in 0..JOBS {
            let job = NewJob::new(&WORK, Value::Null).in_lane((number % 4).to_string());
            jobs.push(world.engine.enqueue_job(job).await.unwrap());
        }
        let workers = [(); 3].map(|()| Worker::start(&world.engine, kinds(), settings()));
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_millis(40)).await;
            server.break_connections();
        }
        for id in jobs {
            // A claim whose answer was lost waits for its lease, by the clock that the test moves.
            let job = loop {
                match world.engine.job_when_ended(&world.owner, id, Duration::from_millis(500)).await {
                    Ok(job) if job.state.is_finished() => break job,
                    Ok(_) => world.clock.advance(settings().lease * 2),
                    Err(error) => assert!(error.is_retryable(), "{error}"),
                }
            };
            assert_eq!(job.state, JobState::Succeeded);
        }
        for worker in workers {
            worker.stop().await;
        }
        assert_eq!(effects(&world).await, JOBS);
    });
}

/// For longer than any statement waits: what was tried meanwhile has failed, and the worker is there when it is over.
#[test]
fn a_worker_outlives_another_writer_that_holds_sqlite() {
    block_on(async {
        let world = World::on_sqlite().await;
        let worker = Worker::start(&world.engine, kinds(), settings());
        let before = world.engine.enqueue_job(NewJob::new(&WORK, Value::Null)).await.unwrap();
        ended(&world.engine, &world.owner, before).await;
        let meanwhile = world.engine.enqueue_job(NewJob::new(&WORK, Value::Null)).await.unwrap();
        let other = rusqlite::Connection::open(world.database_file().unwrap()).unwrap();
        other.busy_timeout(Duration::from_secs(5)).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        // The claim, or what came of it, meets the lock.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let refused = world.engine.enqueue_job(NewJob::new(&WORK, Value::Null)).await;
        assert!(refused.unwrap_err().is_retryable());
        other.execute_batch("ROLLBACK").unwrap();
        assert_eq!(ended(&world.engine, &world.owner, meanwhile).await.state, JobState::Succeeded);
        let after = world.engine.enqueue_job(NewJob::new(&WORK, Value::Null)).await.unwrap();
        assert_eq!(ended(&world.engine, &world.owner, after).await.state, JobState::Succeeded);
        worker.stop().await;
        assert_eq!(effects(&world).await, 3);
    });
}

/// The clock of a machine that nobody has set for a while.
#[derive(Debug)]
struct Ahead;

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(Duration::from_hours(1))
    }

    fn is_wall(&self) -> bool {
        true
    }
}

static CLOCKED: JobKind = JobKind::new("test.clocked");

#[test]
fn a_worker_on_postgres_whose_clock_is_ahead_takes_no_job_away() {
    let Some(server) = postgres::Server::start() else { return };
    block_on(async {
        let (url, store) = (server.database(), Store::memory());
        let open = async |clock: Arc<dyn Clock>| {
            let database = Database::Postgres { url: url.clone(), connections: 8 };
            Engine::open(Settings::default(), &database, store.clone(), clock).await.unwrap()
        };
        let (right, ahead) = (open(Arc::new(SystemClock)).await, open(Arc::new(Ahead)).await);
        let key = right.initialise().await.unwrap().unwrap().secret;
        let owner = right.authenticate(&key).await.unwrap();
        let (runs, go_on, looked) = (Counter::default(), Arc::new(Notify::new()), Counter::default());
        let kinds = Kinds::none().with(&WORK, {
            let (runs, go_on) = (runs.clone(), Arc::clone(&go_on));
            move |_| {
                runs.add();
                let go_on = Arc::clone(&go_on);
                async move {
                    go_on.notified().await;
                    Ok(Outcome::done())
                }
            }
        });
        let id = right.enqueue_job(NewJob::new(&WORK, Value::Null)).await.unwrap();
        let first = Worker::start(&right, kinds, settings());
        until("a run", || runs.get() == 1).await;
        // It looks for lost jobs before it looks at the clock.
        let clocked = Kinds::none().with(&CLOCKED, {
            let looked = looked.clone();
            move |_| {
                looked.add();
                async { Ok(Outcome::done()) }
            }
        });
        let second = Worker::start(&ahead, clocked.every(Duration::from_hours(9), &CLOCKED), settings());
        until("a look for lost jobs", || looked.get() == 1).await;
        go_on.notify_one();
        let job = ended(&right, &owner, id).await;
        assert_eq!((job.state, job.attempts, runs.get()), (JobState::Succeeded, 1, 1));
        // What it wants done at once is done at once, not in an hour.
        let prompt = ahead.enqueue_job(NewJob::new(&WORK, Value::Null)).await.unwrap();
        go_on.notify_one();
        ended(&right, &owner, prompt).await;
        first.stop().await;
        second.stop().await;
        right.close().await;
        ahead.close().await;
    });
}
