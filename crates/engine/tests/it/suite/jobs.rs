//! What becomes of a job: run, tried again, given up, cancelled, listed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use longshore_core::wire::{DeliveryState, JobState, Role};
use longshore_core::{Clock, Code, JobId};
use longshore_egress::testing::Peer;
use longshore_engine::{
    Error, Idempotency, JobFailure, JobFilter, JobKind, Kinds, NewJob, Outcome, PageRequest, Premises,
    WorkerSettings,
};
use longshore_flow::RetryPolicy;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::hooks::{TAKEN, Workers, hook, to, until as deliveries_until};
use crate::workers::{Counter, PATIENCE, Worker, ended, settings, stands, until};
use crate::world::{World, name, refused};

/// Tried three times, without a pause.
static WORK: JobKind = JobKind::new("test.work").lane_limit(4).retry(RetryPolicy {
    base: Duration::ZERO,
    cap: Duration::ZERO,
    max_attempts: 3,
    retry_after_cap: Duration::from_secs(3_600),
});
static UNKNOWN: JobKind = JobKind::new("test.unknown");
static HASTY: JobKind = JobKind::new("test.hasty").timeout(Duration::from_millis(20)).retry(RetryPolicy {
    max_attempts: 1,
    base: Duration::ZERO,
    cap: Duration::ZERO,
    retry_after_cap: Duration::ZERO,
});

fn broken() -> Error {
    Error::new(Code::InvalidBody, "it is broken")
}

pub(super) async fn a_job_runs_and_tells_how_far_it_is(world: &World) {
    let seen = Arc::new(Notify::new());
    let go_on = Arc::clone(&seen);
    let kinds = Kinds::none().with(&WORK, move |job| {
        let go_on = Arc::clone(&go_on);
        async move {
            let payload: Value = job.payload()?;
            job.progress(1, Some(2), "steps");
            go_on.notified().await;
            job.progress(2, Some(2), "steps");
            Ok(Outcome::of(json!({ "was": payload, "attempt": job.attempt() })))
        }
    });
    let worker = Worker::start(&world.engine, kinds, settings());
    let new =
        NewJob::new(&WORK, json!({ "text": "\u{0}ü" })).in_workspace(world.id()).by(world.owner.principal);
    let id = world.engine.enqueue_job(new).await.unwrap();
    let running = loop {
        let job = stands(&world.engine, &world.owner, id, JobState::Running).await;
        if job.progress.is_some() {
            break job;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(running.progress.unwrap().done, 1);
    assert_eq!((running.finished_at, running.result), (None, None));
    // Not yet ended when the time to wait is over: as it stands.
    let waited = world.engine.job_when_ended(&world.owner, id, Duration::from_millis(30)).await.unwrap();
    assert_eq!(waited.state, JobState::Running);
    seen.notify_one();
    let job = ended(&world.engine, &world.owner, id).await;
    assert_eq!((job.state, job.attempts, job.max_attempts), (JobState::Succeeded, 1, 3));
    assert_eq!(job.result, Some(json!({ "was": { "text": "\u{0}ü" }, "attempt": 1 })));
    let progress = job.progress.unwrap();
    assert_eq!((progress.done, progress.total, progress.unit.as_str()), (2, Some(2), "steps"));
    assert_eq!((job.workspace_id, job.created_by), (Some(world.id()), Some(world.owner.principal)));
    assert_eq!((job.kind.as_str(), job.error), ("test.work", None));
    assert!(job.started_at.is_some() && job.finished_at.is_some());
    worker.stop().await;
    let counts = world.engine.job_counts();
    assert!(counts.iter().any(|it| it.kind == "test.work" && it.result == "succeeded" && it.count == 1));
}

pub(super) async fn a_poisonous_job_ends_as_a_dead_letter(world: &World) {
    let (runs, healed) = (Counter::default(), Counter::default());
    let kinds = Kinds::none().with(&WORK, {
        let (runs, healed) = (runs.clone(), healed.clone());
        move |_| {
            let (run, is_healed) = (runs.add(), healed.get() > 0);
            async move {
                match run {
                    _ if is_healed => Ok(Outcome::done()),
                    // However it fails.
                    1 => panic!("on purpose"),
                    _ => Err(broken().into()),
                }
            }
        }
    });
    let worker = Worker::start(&world.engine, kinds, settings());
    let id = world.engine.enqueue_job(NewJob::new(&WORK, Value::Null)).await.unwrap();
    let dead = ended(&world.engine, &world.owner, id).await;
    assert_eq!((dead.state, dead.attempts, runs.get()), (JobState::Failed, 3, 3));
    let error = dead.error.unwrap();
    assert_eq!((error.code.as_str(), error.detail.as_str()), ("invalid_body", "it is broken"));
    refused(world.engine.cancel_job(&world.owner, id, None).await, Code::JobFinished);

    healed.add();
    let key = || Some(Idempotency::new("once").unwrap());
    let retried = world.engine.retry_job(&world.owner, id, key()).await.unwrap();
    assert_eq!((retried.state, retried.attempts, retried.finished_at), (JobState::Queued, 0, None));
    let job = ended(&world.engine, &world.owner, id).await;
    assert_eq!((job.state, job.attempts, job.error), (JobState::Succeeded, 1, None));
    refused(world.engine.retry_job(&world.owner, id, None).await, Code::JobNotFailed);
    // The same request again gives the answer that it had.
    assert_eq!(world.engine.retry_job(&world.owner, id, key()).await.unwrap(), retried);
    worker.stop().await;
}

pub(super) async fn a_failure_says_what_comes_next(world: &World) {
    let runs = Counter::default();
    let kinds = Kinds::none()
        .with(&WORK, {
            let runs = runs.clone();
            move |job| {
                runs.add();
                async move {
                    match job.payload::<String>()?.as_str() {
                        "never" => Err(JobFailure::permanent(broken())),
                        "later" if job.attempt() == 1 => {
                            Err(JobFailure::again_after(broken(), Duration::from_secs(600)))
                        }
                        "fault" => Err(JobFailure::permanent(Error::new(Code::Internal, "a secret place"))),
                        "unreadable" => {
                            Err(JobFailure::permanent(Error::new(Code::InvalidBody, "a\u{0}b".repeat(9_999))))
                        }
                        _ => Ok(Outcome::done()),
                    }
                }
            }
        })
        .with(&HASTY, |_| async {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            Ok(Outcome::done())
        });
    let worker = Worker::start(&world.engine, kinds, settings());
    let run = async |kind: &'static JobKind, payload: Value| {
        let id = world.engine.enqueue_job(NewJob::new(kind, payload)).await.unwrap();
        ended(&world.engine, &world.owner, id).await
    };
    let job = run(&WORK, json!("never")).await;
    assert_eq!((job.state, job.attempts), (JobState::Failed, 1));
    // A payload of another form will not be better later.
    let job = run(&WORK, json!(7)).await;
    assert_eq!((job.state, job.attempts), (JobState::Failed, 1));
    // What a fault is made of is for the log.
    let error = run(&WORK, json!("fault")).await.error.unwrap();
    assert_eq!((error.code.as_str(), error.detail.as_str()), ("internal", "internal error"));
    let error = run(&WORK, json!("unreadable")).await.error.unwrap();
    assert!(error.detail.starts_with("abab") && error.detail.len() == 2_000, "{}", error.detail.len());
    let error = run(&HASTY, Value::Null).await.error.unwrap();
    assert_eq!(error.code, "job_timeout");

    runs.add();
    let before = runs.get();
    let id = world.engine.enqueue_job(NewJob::new(&WORK, json!("later"))).await.unwrap();
    until("the first attempt", || runs.get() > before).await;
    let job = stands(&world.engine, &world.owner, id, JobState::Queued).await;
    assert!(job.run_at >= world.clock.now().plus(Duration::from_secs(600)), "{job:?}");
    assert_eq!(job.error.unwrap().code, "invalid_body");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(world.engine.job(&world.owner, id).await.unwrap().attempts, 1, "it did not wait");
    world.clock.advance(Duration::from_secs(601));
    assert_eq!(ended(&world.engine, &world.owner, id).await.attempts, 2);
    worker.stop().await;
}

pub(super) async fn a_job_is_cancelled_wherever_it_stands(world: &World) {
    let engine = &world.engine;
    let started = Counter::default();
    let kinds = Kinds::none().with(&WORK, {
        let started = started.clone();
        move |job| {
            started.add();
            async move {
                match job.payload::<String>()?.as_str() {
                    "listens" => job.cancelled().await,
                    "finishes" => {
                        job.cancelled().await;
                        return Ok(Outcome::of(json!("done all the same")));
                    }
                    _ => tokio::time::sleep(Duration::from_secs(3_600)).await,
                }
                Err(broken().into())
            }
        }
    });
    let queued = engine.enqueue_job(NewJob::new(&WORK, json!("never run"))).await.unwrap();
    let job = engine.cancel_job(&world.owner, queued, None).await.unwrap();
    assert_eq!((job.state, job.attempts), (JobState::Cancelled, 0));
    assert!(job.cancel_requested_at.is_some() && job.finished_at.is_some());
    // Once more changes nothing.
    assert_eq!(engine.cancel_job(&world.owner, queued, None).await.unwrap(), job);

    let worker = Worker::start(engine, kinds, settings());
    for (how, end) in [
        ("listens", JobState::Cancelled),
        ("is deaf", JobState::Cancelled),
        ("finishes", JobState::Succeeded),
    ] {
        let before = started.get();
        let id = engine.enqueue_job(NewJob::new(&WORK, json!(how))).await.unwrap();
        until("a start", || started.get() > before).await;
        let asked = engine.cancel_job(&world.owner, id, None).await.unwrap();
        assert!(asked.cancel_requested_at.is_some(), "{how}");
        let job = ended(engine, &world.owner, id).await;
        assert_eq!((job.state, job.attempts), (end, 1), "{how}");
    }
    assert_eq!(engine.job(&world.owner, queued).await.unwrap().state, JobState::Cancelled);
    assert_eq!(started.get(), 3, "what was cancelled in the queue never ran");
    // A cancelled job can be had again.
    assert_eq!(engine.retry_job(&world.owner, queued, None).await.unwrap().cancel_requested_at, None);
    until("the retry", || started.get() == 4).await;
    worker.stop().await;
}

pub(super) async fn the_same_work_is_one_job(world: &World) {
    let engine = &world.engine;
    let (runs, gate) = (Counter::default(), Arc::new(Notify::new()));
    let kinds = Kinds::none().with(&WORK, {
        let (runs, gate) = (runs.clone(), Arc::clone(&gate));
        move |_| {
            runs.add();
            let gate = Arc::clone(&gate);
            async move {
                gate.notified().await;
                Ok(Outcome::done())
            }
        }
    });
    let once = || NewJob::new(&WORK, Value::Null).unique("a");
    let again = || NewJob::new(&WORK, Value::Null).unique_or_again("b");
    let first = engine.enqueue_job(once()).await.unwrap();
    assert_eq!(engine.enqueue_job(once()).await.unwrap(), first);
    let second = engine.enqueue_job(again()).await.unwrap();
    // Asked for again before it began: it will see all there is.
    assert_eq!(engine.enqueue_job(again()).await.unwrap(), second);
    assert_ne!(first, second);
    let worker = Worker::start(engine, kinds, settings());
    until("both run", || runs.get() == 2).await;
    // While they run: one stays one, the other runs once more.
    assert_eq!(engine.enqueue_job(once()).await.unwrap(), first);
    assert_eq!(engine.enqueue_job(again()).await.unwrap(), second);
    assert_eq!(engine.enqueue_job(again()).await.unwrap(), second);
    gate.notify_waiters();
    until("the second run", || runs.get() == 3).await;
    assert_eq!(ended(engine, &world.owner, first).await.state, JobState::Succeeded);
    gate.notify_waiters();
    let job = ended(engine, &world.owner, second).await;
    assert_eq!((job.state, job.attempts), (JobState::Succeeded, 1));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(runs.get(), 3);
    // A key is free once its job has ended, and then a retry would make two of one.
    let cancelled =
        engine.enqueue_job(once().at(world.clock.now().plus(Duration::from_secs(60)))).await.unwrap();
    assert_ne!(cancelled, first);
    engine.cancel_job(&world.owner, cancelled, None).await.unwrap();
    let other = engine.enqueue_job(once().at(world.clock.now().plus(Duration::from_secs(60)))).await.unwrap();
    assert_ne!(other, cancelled);
    refused(engine.retry_job(&world.owner, cancelled, None).await, Code::JobDuplicate);
    worker.stop().await;
}

pub(super) async fn who_sees_and_steers_which_job(world: &World) {
    let engine = &world.engine;
    let other = engine.create_workspace(&world.owner, name("other"), None).await.unwrap();
    let system = engine.enqueue_job(NewJob::new(&WORK, Value::Null)).await.unwrap();
    let here = engine.enqueue_job(NewJob::new(&WORK, Value::Null).in_workspace(world.id())).await.unwrap();
    let there = engine.enqueue_job(NewJob::new(&UNKNOWN, Value::Null).in_workspace(other.id)).await.unwrap();
    let viewer = world.user(Role::Viewer, None).await;
    let editor = world.user(Role::Editor, None).await;
    let bound = world.user(Role::Admin, Some(world.id())).await;
    let all = PageRequest::default;
    let list = async |actor, filter| {
        let page = engine.list_jobs(actor, filter, all()).await.unwrap();
        page.items.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    for (actor, seen) in [
        (&world.owner, vec![there, here, system]),
        (&viewer, vec![there, here]),
        (&editor, vec![there, here]),
        (&bound, vec![here]),
    ] {
        let mut wanted = seen.clone();
        wanted.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(list(actor, JobFilter::default()).await, wanted, "{actor:?}");
        for id in [system, here, there] {
            if seen.contains(&id) {
                engine.job(actor, id).await.unwrap();
            } else {
                refused(engine.job(actor, id).await, Code::JobNotFound);
                refused(engine.cancel_job(actor, id, None).await, Code::JobNotFound);
                refused(engine.retry_job(actor, id, None).await, Code::JobNotFound);
            }
        }
    }
    refused(engine.cancel_job(&viewer, here, None).await, Code::Forbidden);
    refused(engine.retry_job(&viewer, here, None).await, Code::Forbidden);
    assert_eq!(engine.cancel_job(&editor, here, None).await.unwrap().state, JobState::Cancelled);
    let none = JobId::new(world.clock.now());
    refused(engine.job(&world.owner, none).await, Code::JobNotFound);
    refused(engine.job_when_ended(&bound, there, Duration::from_secs(9)).await, Code::JobNotFound);
    // A key that was revoked steers nothing more.
    engine.revoke_key(&world.owner, editor.key().unwrap(), None).await.unwrap();
    refused(engine.retry_job(&editor, here, None).await, Code::KeyRevoked);

    let of =
        |workspace, state, kind: Option<&str>| JobFilter { workspace, state, kind: kind.map(str::to_owned) };
    assert_eq!(list(&world.owner, of(Some(other.id), None, None)).await, [there]);
    assert_eq!(list(&world.owner, of(None, Some(JobState::Cancelled), None)).await, [here]);
    assert_eq!(list(&world.owner, of(None, None, Some("test.unknown"))).await, [there]);
    assert!(list(&world.owner, of(Some(other.id), Some(JobState::Failed), None)).await.is_empty());
    refused(engine.list_jobs(&bound, of(Some(other.id), None, None), all()).await, Code::WorkspaceNotFound);
    let mut paged = Vec::new();
    let mut cursor = None;
    loop {
        let page = PageRequest::new(Some(2), cursor);
        let page = engine.list_jobs(&world.owner, JobFilter::default(), page).await.unwrap();
        paged.extend(page.items.into_iter().map(|job| job.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(paged, list(&world.owner, JobFilter::default()).await);
}

pub(super) async fn a_kind_nobody_here_knows_waits_and_holds_back_nothing(world: &World) {
    let engine = &world.engine;
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut unknown = Vec::new();
    // More lanes than are looked at together, before the one that matters.
    for lane in 0..120 {
        let job = NewJob::new(&UNKNOWN, Value::Null).in_lane(lane.to_string());
        unknown.push(engine.enqueue_job(job).await.unwrap());
    }
    let known = engine.enqueue_job(NewJob::new(&WORK, Value::Null)).await.unwrap();
    let backlog = engine.job_backlog().await.unwrap();
    assert_eq!((backlog.queued, backlog.oldest), (121, Duration::ZERO));
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(engine.job_backlog().await.unwrap().oldest, Duration::from_secs(5));
    let kinds = Kinds::none().with(&WORK, {
        let order = Arc::clone(&order);
        move |job| {
            order.lock().unwrap().push(job.id());
            async { Ok(Outcome::done()) }
        }
    });
    let worker = Worker::start(engine, kinds, WorkerSettings { concurrency: 1, ..settings() });
    ended(engine, &world.owner, known).await;
    worker.stop().await;
    assert_eq!(*order.lock().unwrap(), [known]);
    for id in unknown {
        assert_eq!(engine.job(&world.owner, id).await.unwrap().state, JobState::Queued);
    }
    assert_eq!(engine.job_backlog().await.unwrap().queued, 120);
}

pub(super) async fn a_payload_is_bounded(world: &World) {
    let long = json!("x".repeat(1_100_000));
    refused(world.engine.enqueue_job(NewJob::new(&WORK, long)).await, Code::InvalidBody);
    assert_eq!(world.engine.job_backlog().await.unwrap().queued, 0);
    // A result is bounded too, and one that is too long is a failure, not an attempt without an end.
    let kinds = Kinds::none().with(&WORK, |_| async { Ok(Outcome::of(json!("x".repeat(1_100_000)))) });
    let worker = Worker::start(&world.engine, kinds, settings());
    let id = world.engine.enqueue_job(NewJob::new(&WORK, Value::Null)).await.unwrap();
    assert_eq!(ended(&world.engine, &world.owner, id).await.state, JobState::Failed);
    worker.stop().await;
}

/// It acts as an admin, in the name of the one who asked.
pub(super) async fn an_admins_purge_is_not_for_editors_to_steer(world: &World) {
    let engine = &world.engine;
    let editor = world.user(Role::Editor, None).await;
    // More than one step of a purge.
    for number in 0..110 {
        world.put(&format!("/old/{number}"), b"x").await;
    }
    let old = world.node_at("/old").await.unwrap();
    engine.trash_node(&world.owner, old.id, Premises::default()).await.unwrap();
    let asked = engine.purge_node(&world.owner, old.id, Premises::default()).await.unwrap();
    let id = asked.job_id.unwrap();
    refused(engine.cancel_job(&editor, id, None).await, Code::Forbidden);
    let key = || Some(Idempotency::new("cancel").unwrap());
    engine.cancel_job(&world.owner, id, key()).await.unwrap();
    refused(engine.retry_job(&editor, id, None).await, Code::Forbidden);
    assert_eq!(engine.job(&editor, id).await.unwrap().state, JobState::Cancelled);
    let retried = engine.retry_job(&world.owner, id, None).await.unwrap();
    assert_eq!(retried.state, JobState::Queued);
}

pub(super) async fn a_step_of_delivering_is_not_cancelled(world: &World) {
    let engine = &world.engine;
    let peer = Peer::answering(TAKEN).await;
    let id = hook(world, to(&peer)).await.hook.id;
    engine.test_hook(&world.owner, world.id(), id, Premises::default()).await.unwrap();
    world.put("/a", b"x").await;
    for kind in ["hooks.deliver.urgent", "hooks.dispatch"] {
        let filter = JobFilter { kind: Some(kind.to_owned()), ..JobFilter::default() };
        let found = engine.list_jobs(&world.owner, filter, PageRequest::default()).await.unwrap().items;
        assert_eq!(found.len(), 1, "{kind}");
        refused(engine.cancel_job(&world.owner, found[0].id, None).await, Code::JobNotCancellable);
        assert_eq!(engine.job(&world.owner, found[0].id).await.unwrap().state, JobState::Queued);
    }
    let workers = Workers::start(world);
    deliveries_until(world, id, DeliveryState::Succeeded, 2).await;
    workers.stop().await;
}

pub(super) async fn who_waits_for_a_job_is_bounded_and_loses_it_with_the_key(world: &World) {
    let engine = &world.engine;
    let id = engine.enqueue_job(NewJob::new(&WORK, Value::Null).in_workspace(world.id())).await.unwrap();
    let agent = world.user(Role::Viewer, None).await;
    let waiting = engine.job_when_ended(&agent, id, PATIENCE);
    let revoking = async {
        engine.revoke_key(&world.owner, agent.key().unwrap(), None).await.unwrap();
        // What it would have been told.
        engine.cancel_job(&world.owner, id, None).await.unwrap();
    };
    let (waited, ()) = tokio::join!(waiting, revoking);
    refused(waited, Code::KeyRevoked);

    let id = engine.enqueue_job(NewJob::new(&WORK, Value::Null)).await.unwrap();
    // The world has room for so many of one principal.
    let waiting = join_all((0..17).map(|_| engine.job_when_ended(&world.owner, id, PATIENCE)));
    let looking = async {
        // Each looks once before it takes a place.
        while engine.followers() < 17 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        refused(engine.follow(&world.owner, world.id()).await, Code::Overloaded);
        refused(engine.job_when_ended(&world.owner, id, PATIENCE).await, Code::Overloaded);
        // Who does not wait takes nobody's place.
        engine.job_when_ended(&world.owner, id, Duration::ZERO).await.unwrap();
        engine.cancel_job(&world.owner, id, None).await.unwrap();
    };
    let (waited, ()) = tokio::join!(waiting, looking);
    assert!(waited.into_iter().all(|job| job.unwrap().state == JobState::Cancelled));
    engine.follow(&world.owner, world.id()).await.unwrap();
}
