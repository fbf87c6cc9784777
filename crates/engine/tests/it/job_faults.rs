//! A database that fails under the workers: they wait, and go on.

use std::time::Duration;

use longshore_core::wire::JobState;
use longshore_engine::{JobFilter, JobKind, Kinds, NewJob, Outcome, PageRequest};
use longshore_flow::RetryPolicy;
use serde_json::{Value, json};

use crate::workers::{Worker, ended, settings};
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
