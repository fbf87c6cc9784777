//! What is seen from inside alone: transactions that enqueue, and effects under the fence. On both databases.

use std::sync::Arc;
use std::time::Duration;

use longshore_core::wire::JobState;
use longshore_core::{Code, JobId, ManualClock, Timestamp};
use longshore_store::Store;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::context::{JobContext, Outcome};
use super::enqueue::{NewJob, enqueue};
use super::kind::{JobKind, Kinds};
use super::runner::WorkerSettings;
use crate::Database;
use crate::db::jobs as rows;
use crate::engine::{Engine, Settings};
use crate::error::{Error, Result};

#[expect(dead_code, reason = "the tests from outside use all of it")]
#[path = "../../tests/it/postgres.rs"]
pub(crate) mod postgres;

static WORK: JobKind = JobKind::new("test.work");
static EFFECT: JobKind = JobKind::new("test.effect");

async fn open(database: &Database) -> (Engine, ManualClock) {
    let clock = ManualClock::new(Timestamp::from_micros(1_763_613_468_000_000));
    let engine = Engine::open(Settings::default(), database, Store::memory(), Arc::new(clock.clone()));
    (engine.await.unwrap(), clock)
}

/// A change that may be refused after it has enqueued a job.
async fn change(engine: &Engine, refuse: bool) -> Result<JobId> {
    let clock = engine.clock();
    let written = engine.db().write(move |tx| {
        let now = clock.now();
        Box::pin(async move {
            let id = enqueue(tx, &NewJob::new(&WORK, Value::Null), now).await?;
            if refuse { Err(Error::new(Code::NameTaken, "refused")) } else { Ok(id) }
        })
    });
    written.await
}

async fn count(engine: &Engine, kind: &str) -> usize {
    let wanted = rows::Wanted { system: true, kind: Some(kind.to_owned()), ..rows::Wanted::default() };
    let listed = engine.db().read(move |tx| {
        let wanted = wanted.clone();
        Box::pin(async move { rows::list(tx, &wanted, "", 1_000).await })
    });
    listed.await.unwrap().len()
}

async fn job(engine: &Engine, id: JobId) -> longshore_core::wire::Job {
    let found = engine.db().read(move |tx| Box::pin(async move { rows::get(tx, id).await }));
    found.await.unwrap().unwrap().0
}

async fn a_change_that_is_refused_leaves_no_job(engine: &Engine, _: &ManualClock) {
    let mut news = engine.db().jobs();
    assert_eq!(change(engine, true).await.unwrap_err().code(), Code::NameTaken);
    assert_eq!(count(engine, "test.work").await, 0);
    assert!(!news.has_changed().unwrap(), "workers were woken for nothing");
    change(engine, false).await.unwrap();
    assert_eq!(count(engine, "test.work").await, 1);
    assert!(news.has_changed().unwrap(), "workers were not woken");
    news.mark_unchanged();
    // A write that enqueues nothing wakes nobody, whatever the one before it did.
    engine.db().write(|tx| Box::pin(async move { rows::take_turn(tx).await })).await.unwrap();
    assert!(!news.has_changed().unwrap());
}

/// A job's own statements commit with its success: not before, not without it, and not for one who lost the job.
async fn effects_commit_with_the_fence_alone(engine: &Engine, clock: &ManualClock) {
    let (begun, go_on, told) = (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let late = {
        let (begun, go_on, told) = (Arc::clone(&begun), Arc::clone(&go_on), Arc::clone(&told));
        move |context: JobContext| {
            let (begun, go_on, told) = (Arc::clone(&begun), Arc::clone(&go_on), Arc::clone(&told));
            async move {
                mark(&context, "early").await?;
                begun.notify_one();
                go_on.notified().await;
                let refused = mark(&context, "too late").await.unwrap_err();
                assert_eq!(refused.code(), Code::JobLost);
                told.notify_one();
                Ok(Outcome::done().with(|tx| {
                    Box::pin(async move {
                        enqueue(
                            tx,
                            &NewJob::new(&EFFECT, json!("too late as well")),
                            Timestamp::from_micros(1),
                        )
                        .await?;
                        Ok(())
                    })
                }))
            }
        }
    };
    let prompt = |_| async {
        let with = Outcome::done().with(|tx| {
            Box::pin(async move {
                enqueue(tx, &NewJob::new(&EFFECT, json!("in time")), Timestamp::from_micros(1)).await?;
                Ok(())
            })
        });
        Ok(with)
    };
    let settings = WorkerSettings { poll: Duration::from_millis(10), ..WorkerSettings::default() };
    let id = change(engine, false).await.unwrap();
    let (stop_first, stop_second) = (Notify::new(), Notify::new());
    // Its one slot is taken: what it lost, it cannot claim itself.
    let one_slot = WorkerSettings { concurrency: 1, ..settings };
    let first = engine.run_jobs(Kinds::none().with(&WORK, late), one_slot, stop_first.notified());
    let rest = async {
        begun.notified().await;
        clock.advance(settings.lease * 2);
        let second = engine.run_jobs(Kinds::none().with(&WORK, prompt), settings, stop_second.notified());
        let look = async {
            while job(engine, id).await.state != JobState::Succeeded {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            stop_second.notify_one();
        };
        tokio::join!(second, look);
        go_on.notify_one();
        told.notified().await;
        stop_first.notify_one();
    };
    tokio::join!(first, rest);
    // The early mark of the first run, and the effect of the second.
    assert_eq!(count(engine, "test.effect").await, 2);
    assert_eq!(job(engine, id).await.attempts, 2);
}

async fn mark(context: &JobContext, text: &'static str) -> Result<()> {
    let marked = context.write(move |tx| {
        Box::pin(async move {
            enqueue(tx, &NewJob::new(&EFFECT, json!(text)), Timestamp::from_micros(1)).await?;
            Ok(())
        })
    });
    marked.await
}

/// A success that cannot be written is a failed attempt.
async fn an_effect_that_is_refused_fails_the_attempt(engine: &Engine, _: &ManualClock) {
    let refusing = |_| async {
        let with = Outcome::done().with(|tx| {
            Box::pin(async move {
                enqueue(tx, &NewJob::new(&EFFECT, Value::Null), Timestamp::from_micros(1)).await?;
                Err(Error::new(Code::NameTaken, "refused"))
            })
        });
        Ok(with)
    };
    let id = change(engine, false).await.unwrap();
    let settings = WorkerSettings { poll: Duration::from_millis(10), ..WorkerSettings::default() };
    let stop = async {
        while job(engine, id).await.error.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    engine.run_jobs(Kinds::none().with(&WORK, refusing), settings, stop).await;
    let job = job(engine, id).await;
    assert_eq!((job.state, job.error.unwrap().code), (JobState::Queued, "name_taken".to_owned()));
    assert_eq!(count(engine, "test.effect").await, 0);
}

macro_rules! on_both {
    ($($case:ident),+) => {
        #[tokio::test]
        async fn on_sqlite() {
            $({
                let folder = tempfile::tempdir().unwrap();
                let (engine, clock) = open(&Database::Sqlite(folder.path().join("longshore.db"))).await;
                $case(&engine, &clock).await;
                engine.close().await;
            })+
        }

        #[tokio::test]
        async fn on_postgres() {
            let Some(server) = postgres::Server::start() else { return };
            $({
                let database = Database::Postgres { url: server.database(), connections: 8 };
                let (engine, clock) = open(&database).await;
                $case(&engine, &clock).await;
                engine.close().await;
            })+
        }
    };
}

on_both!(
    a_change_that_is_refused_leaves_no_job,
    effects_commit_with_the_fence_alone,
    an_effect_that_is_refused_fails_the_attempt
);

/// Who asks for work that waits already has it wait on until the asking is committed: a job that ran before would see
/// nothing of what it was asked for, and nobody would ask again. On SQLite one write follows the other anyway.
#[tokio::test]
async fn on_postgres_what_is_asked_for_waits_for_who_asked() {
    let Some(server) = postgres::Server::start() else { return };
    let database = Database::Postgres { url: server.database(), connections: 8 };
    let (engine, _) = open(&database).await;
    let again = || NewJob::new(&WORK, Value::Null).unique_or_again("");
    let id = engine.enqueue_job(again()).await.unwrap();
    let (asked, commit, ran) = (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let asking = {
        let (asked, commit, clock) = (Arc::clone(&asked), Arc::clone(&commit), engine.clock());
        engine.db().write(move |tx| {
            let (asked, commit, now) = (Arc::clone(&asked), Arc::clone(&commit), clock.now());
            Box::pin(async move {
                let id = enqueue(tx, &again(), now).await?;
                asked.notify_one();
                commit.notified().await;
                Ok(id)
            })
        })
    };
    let kinds = {
        let ran = Arc::clone(&ran);
        Kinds::none().with(&WORK, move |_| {
            ran.notify_one();
            async { Ok(Outcome::done()) }
        })
    };
    let settings = WorkerSettings { poll: Duration::from_millis(10), ..WorkerSettings::default() };
    let stop = Notify::new();
    let watching = async {
        asked.notified().await;
        let early = tokio::time::timeout(Duration::from_millis(300), ran.notified()).await;
        assert!(early.is_err(), "it ran before what it was asked for was there");
        commit.notify_one();
        ran.notified().await;
        stop.notify_one();
    };
    // The worker starts only once the other transaction has asked.
    let working = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        engine.run_jobs(kinds, settings, stop.notified()).await;
    };
    let (same, (), ()) = tokio::join!(asking, watching, working);
    assert_eq!(same.unwrap(), id);
    engine.close().await;
}
