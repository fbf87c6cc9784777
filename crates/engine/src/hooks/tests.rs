//! What is seen from inside alone: deliveries whose job went away. On both databases.

use std::sync::Arc;
use std::time::Duration;

use longshore_core::wire::{CreateHook, DeliveryState, Job, JobState};
use longshore_core::{ManualClock, Timestamp};
use longshore_store::Store;
use serde_json::json;

use super::{DELIVER, URGENT};
use crate::act::Premises;
use crate::db::jobs as rows;
use crate::engine::{Engine, Settings};
use crate::jobs::tests::postgres;
use crate::jobs::{JobFilter, WorkerSettings};
use crate::listing::PageRequest;
use crate::{Actor, Database};

async fn jobs(engine: &Engine, owner: &Actor, kind: &str) -> Vec<Job> {
    let filter = JobFilter { kind: Some(kind.to_owned()), ..JobFilter::default() };
    engine.list_jobs(owner, filter, PageRequest::default()).await.unwrap().items
}

async fn a_delivery_without_a_job_is_given_another(database: &Database) {
    let clock = ManualClock::new(Timestamp::from_micros(1_763_613_468_000_000));
    let settings = Settings { egress: longshore_egress::testing::local(), ..Settings::default() };
    let engine = Engine::open(settings, database, Store::memory(), Arc::new(clock.clone())).await.unwrap();
    let key = engine.initialise().await.unwrap().unwrap().secret;
    let owner = engine.authenticate(&key).await.unwrap();
    let workspace = engine.current_workspace(&owner).await.unwrap().id;
    let wanted = CreateHook {
        url: "http://127.0.0.1:9/".to_owned(),
        types: Vec::new(),
        path: None,
        description: None,
    };
    let hook = engine.create_hook(&owner, workspace, wanted, Premises::default()).await.unwrap().hook.id;
    let test = async || engine.test_hook(&owner, workspace, hook, Premises::default()).await.unwrap();
    let stranded = test().await;
    let removed = jobs(&engine, &owner, "hooks.deliver.urgent").await.remove(0).id;
    let now = engine.now();
    let cancelled = engine
        .db()
        .write(move |tx| Box::pin(async move { rows::cancel_queued(tx, (removed, 0), now).await }));
    assert!(cancelled.await.unwrap());
    // This one only waits for a worker.
    test().await;

    clock.advance(Duration::from_hours(1));
    let worker = WorkerSettings { poll: Duration::from_millis(10), ..WorkerSettings::default() };
    let done = async {
        loop {
            let pruned = jobs(&engine, &owner, "hooks.prune").await.into_iter().next();
            if let Some(job) = pruned.filter(|job| job.state.is_finished()) {
                break job;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let (told, stop) = tokio::sync::oneshot::channel::<()>();
    let watching = async {
        let job = done.await;
        told.send(()).unwrap();
        job
    };
    let working = engine.run_jobs(engine.job_kinds(), worker, async {
        stop.await.ok();
    });
    let (pruned, ()) = tokio::join!(watching, working);
    assert_eq!(pruned.result.unwrap()["resumed"], json!(1));
    let resumed = jobs(&engine, &owner, "hooks.deliver").await;
    assert_eq!(resumed.iter().map(|job| job.state).collect::<Vec<_>>(), [JobState::Queued]);
    let stranded = engine.delivery(&owner, workspace, hook, stranded.id).await.unwrap();
    assert_eq!((stranded.state, stranded.next_at), (DeliveryState::Pending, Some(engine.now())));
    engine.close().await;
}

#[test]
fn what_is_promised_is_what_holds_without_settings() {
    let settings = Settings::default();
    assert_eq!((settings.hook_timeout, settings.hook_backlog), (Duration::from_secs(15), 10_000));
    assert_eq!((DELIVER.lane_limit, URGENT.lane_limit), (4, 1));
    // An attempt has to end before its job is taken for one that hangs.
    assert!(settings.hook_timeout < DELIVER.timeout);
}

#[tokio::test]
async fn on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    a_delivery_without_a_job_is_given_another(&Database::Sqlite(folder.path().join("longshore.db"))).await;
}

#[tokio::test]
async fn on_postgres() {
    let Some(server) = postgres::Server::start() else { return };
    let database = Database::Postgres { url: server.database(), connections: 8 };
    a_delivery_without_a_job_is_given_another(&database).await;
}
