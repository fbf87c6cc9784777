//! Many workers, and workers that die: every effect exactly once, nobody starved.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use longshore_core::wire::{JobState, UpdateSettings, UpdateWorkspace};
use longshore_core::{Clock, Code, JobId};
use longshore_engine::{JobFilter, JobKind, Kinds, NewJob, Outcome, PageRequest, Premises, WorkerSettings};
use longshore_flow::RetryPolicy;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::workers::{Counter, Worker, ended, settings, stands, until};
use crate::world::World;

const PATIENT: RetryPolicy = RetryPolicy {
    base: Duration::ZERO,
    cap: Duration::ZERO,
    max_attempts: 100,
    retry_after_cap: Duration::ZERO,
};
static WORK: JobKind = JobKind::new("test.work").lane_limit(3).retry(PATIENT);
static SINGLE: JobKind = JobKind::new("test.single").retry(PATIENT);
/// Enqueued together with the success of another: what is counted when an effect must come exactly once.
static EFFECT: JobKind = JobKind::new("test.effect");
static TWICE: JobKind = JobKind::new("test.twice").retry(RetryPolicy { max_attempts: 2, ..PATIENT });
static CLOCKED: JobKind = JobKind::new("test.clocked");

/// Returns how often the effect of each job is there, by the payload of the effect.
async fn effects(world: &World) -> usize {
    let mut count = 0;
    let mut cursor = None;
    loop {
        let filter = JobFilter { kind: Some("test.effect".to_owned()), ..JobFilter::default() };
        let page = PageRequest::new(Some(1_000), cursor);
        let page = world.engine.list_jobs(&world.owner, filter, page).await.unwrap();
        count += page.items.len();
        cursor = page.next_cursor;
        if cursor.is_none() {
            return count;
        }
    }
}

pub(super) async fn a_full_lane_holds_back_no_other(world: &World) {
    let engine = &world.engine;
    let order = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..1_000 {
        engine.enqueue_job(NewJob::new(&WORK, json!("many")).in_lane("many")).await.unwrap();
    }
    world.clock.advance(Duration::from_secs(60));
    let mut few = Vec::new();
    for lane in ["rather few", "too few"] {
        few.push(engine.enqueue_job(NewJob::new(&WORK, json!(lane)).in_lane(lane)).await.unwrap());
    }
    let kinds = Kinds::none().with(&WORK, {
        let order = Arc::clone(&order);
        move |job| {
            let order = Arc::clone(&order);
            async move {
                // Over at once: who claims next finds nothing running.
                order.lock().unwrap().push(job.payload::<String>()?);
                Ok(Outcome::done())
            }
        }
    });
    let worker = Worker::start(engine, kinds, WorkerSettings { concurrency: 2, ..settings() });
    for id in few {
        assert_eq!(ended(engine, &world.owner, id).await.state, JobState::Succeeded);
    }
    worker.stop().await;
    let order = order.lock().unwrap();
    let last = order.iter().rposition(|lane| lane != "many").unwrap();
    assert!(last < 6, "the others came only after {last} jobs of the full lane");
}

pub(super) async fn a_lane_runs_no_more_than_its_limit(world: &World) {
    let engine = &world.engine;
    let (running, most) = (Counter::default(), Arc::new(Mutex::new(0)));
    let kinds = || {
        let (running, most) = (running.clone(), Arc::clone(&most));
        Kinds::none().with(&WORK, move |_| {
            let (running, most) = (running.clone(), Arc::clone(&most));
            async move {
                let now = running.add();
                {
                    let mut most = most.lock().unwrap();
                    *most = now.max(*most);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
                running.remove();
                Ok(Outcome::done())
            }
        })
    };
    let mut jobs = Vec::new();
    for _ in 0..40 {
        jobs.push(engine.enqueue_job(NewJob::new(&WORK, Value::Null).in_lane("one")).await.unwrap());
    }
    let workers = [(); 3].map(|()| Worker::start(engine, kinds(), settings()));
    for id in jobs {
        ended(engine, &world.owner, id).await;
    }
    for worker in workers {
        worker.stop().await;
    }
    assert_eq!(*most.lock().unwrap(), 3, "three at once, over all workers");
}

pub(super) async fn three_workers_do_each_job_once(world: &World) {
    const JOBS: usize = 300;
    let engine = &world.engine;
    let runs = Counter::default();
    let kinds = || {
        let runs = runs.clone();
        Kinds::none().with(&WORK, move |job| {
            runs.add();
            async move { Ok(Outcome::done().then(NewJob::new(&EFFECT, json!(job.id())))) }
        })
    };
    let mut jobs = Vec::new();
    for number in 0..JOBS {
        let job = NewJob::new(&WORK, json!(number)).in_lane((number % 7).to_string());
        jobs.push(engine.enqueue_job(job).await.unwrap());
    }
    let workers = [(); 3].map(|()| Worker::start(engine, kinds(), settings()));
    for id in jobs {
        let job = ended(engine, &world.owner, id).await;
        assert_eq!((job.state, job.attempts), (JobState::Succeeded, 1));
    }
    for worker in workers {
        worker.stop().await;
    }
    assert_eq!((runs.get(), effects(world).await), (JOBS, JOBS));
}

/// The clock leaps past the leases of all that runs, again and again: jobs are taken from workers that are alive.
pub(super) async fn a_leaping_clock_makes_no_effect_twice(world: &World) {
    const JOBS: usize = 60;
    let engine = &world.engine;
    let runs = Counter::default();
    let kinds = || {
        let runs = runs.clone();
        Kinds::none().with(&WORK, move |job| {
            let run = runs.add();
            async move {
                // Long enough to be caught by a leap, now and then.
                tokio::time::sleep(Duration::from_millis(if run.is_multiple_of(4) { 60 } else { 2 })).await;
                Ok(Outcome::done().then(NewJob::new(&EFFECT, json!(job.id()))))
            }
        })
    };
    let mut jobs = Vec::new();
    for number in 0..JOBS {
        let job = NewJob::new(&WORK, Value::Null).in_lane((number % 5).to_string());
        jobs.push(engine.enqueue_job(job).await.unwrap());
    }
    let workers = [(); 3].map(|()| Worker::start(engine, kinds(), settings()));
    let is_done = AtomicBool::new(false);
    let start = world.clock.now();
    let leaps = async {
        let mut ahead = false;
        while !is_done.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(25)).await;
            ahead = !ahead;
            // Two hours ahead, and back again; a step back of one is not believed.
            world.clock.set(if ahead { start.plus(Duration::from_secs(7_200)) } else { start });
        }
        world.clock.set(start.plus(Duration::from_secs(14_400)));
    };
    let all = async {
        for id in jobs {
            assert_eq!(ended(engine, &world.owner, id).await.state, JobState::Succeeded);
        }
        is_done.store(true, Ordering::SeqCst);
    };
    tokio::join!(leaps, all);
    for worker in workers {
        worker.stop().await;
    }
    assert!(runs.get() > JOBS, "no leap has taken a job from anybody: the test shows nothing");
    assert_eq!(effects(world).await, JOBS);
}

/// A worker that was taken for dead comes back with its work done: too late.
pub(super) async fn what_a_late_worker_brings_is_refused(world: &World) {
    let engine = &world.engine;
    let (runs, late) = (Counter::default(), Arc::new(Notify::new()));
    let finished = Counter::default();
    let kinds = || {
        let (runs, late, finished) = (runs.clone(), Arc::clone(&late), finished.clone());
        Kinds::none().with(&SINGLE, move |job| {
            let (run, late, finished) = (runs.add(), Arc::clone(&late), finished.clone());
            async move {
                if run == 1 {
                    late.notified().await;
                }
                finished.add();
                Ok(Outcome::of(json!(run)).then(NewJob::new(&EFFECT, json!(job.id()))))
            }
        })
    };
    let first = Worker::start(engine, kinds(), settings());
    let id = engine.enqueue_job(NewJob::new(&SINGLE, Value::Null)).await.unwrap();
    until("the first run", || runs.get() == 1).await;
    let second = Worker::start(engine, kinds(), settings());
    world.clock.advance(settings().lease + Duration::from_secs(1));
    let job = ended(engine, &world.owner, id).await;
    assert_eq!((job.state, job.attempts, job.result.clone()), (JobState::Succeeded, 2, Some(json!(2))));
    late.notify_one();
    until("the late worker's end", || finished.get() == 2).await;
    first.stop().await;
    second.stop().await;
    assert_eq!(engine.job(&world.owner, id).await.unwrap(), job, "the late worker has changed it");
    assert_eq!(effects(world).await, 1);
    let counts = engine.job_counts();
    assert!(counts.iter().any(|it| it.result == "lost" && it.count == 1), "{counts:?}");
}

pub(super) async fn a_late_worker_writes_nothing_by_the_engines_verbs(world: &World) {
    let engine = &world.engine;
    let node = world.put("/gone", b"x").await;
    engine.trash_node(&world.owner, node.id, Premises::default()).await.unwrap();
    world.clock.advance(Duration::from_hours(24 * 60));
    let (runs, late) = (Counter::default(), Arc::new(Notify::new()));
    let refused = Counter::default();
    let (workspace, owner) = (world.id(), world.owner.clone());
    let kinds = || {
        let (runs, late, refused, owner) = (runs.clone(), Arc::clone(&late), refused.clone(), owner.clone());
        Kinds::none().with(&SINGLE, move |job| {
            let (run, late, refused, owner) = (runs.add(), Arc::clone(&late), refused.clone(), owner.clone());
            async move {
                if run == 1 {
                    late.notified().await;
                    // An act, and what writes without one.
                    let engine = job.engine();
                    let purged = engine.purge_trash(workspace, &mut |_| Ok(())).await.map(|_| ());
                    let pruned = engine.prune_events().await.map(|_| ());
                    let made = engine.enqueue_job(NewJob::new(&EFFECT, Value::Null)).await.map(|_| ());
                    for result in [purged, pruned, made] {
                        assert_eq!(result.unwrap_err().code(), Code::JobLost);
                        refused.add();
                    }
                    assert_eq!(engine.node(&owner, node.id).await?.id, node.id, "reading harms nobody");
                    refused.add();
                }
                Ok(Outcome::of(json!(run)))
            }
        })
    };
    let first = Worker::start(engine, kinds(), settings());
    let id = engine.enqueue_job(NewJob::new(&SINGLE, Value::Null)).await.unwrap();
    until("the first run", || runs.get() == 1).await;
    let second = Worker::start(engine, kinds(), settings());
    world.clock.advance(settings().lease + Duration::from_secs(1));
    let job = ended(engine, &world.owner, id).await;
    assert_eq!((job.state, job.result), (JobState::Succeeded, Some(json!(2))));
    let events = world.event_count().await;
    late.notify_one();
    until("the late worker's refusals", || refused.get() == 4).await;
    first.stop().await;
    second.stop().await;
    assert_eq!(world.event_count().await, events);
    assert!(engine.node(&world.owner, node.id).await.unwrap().trashed_at.is_some());
}

pub(super) async fn a_job_that_kills_its_workers_is_given_up(world: &World) {
    let engine = &world.engine;
    let runs = Counter::default();
    let kinds = Kinds::none().with(&TWICE, {
        let runs = runs.clone();
        move |_| {
            runs.add();
            std::future::pending()
        }
    });
    let worker = Worker::start(engine, kinds, settings());
    let id = engine.enqueue_job(NewJob::new(&TWICE, Value::Null)).await.unwrap();
    for run in 1..=2 {
        until("a run", || runs.get() == run).await;
        stands(engine, &world.owner, id, JobState::Running).await;
        world.clock.advance(settings().lease + Duration::from_secs(1));
    }
    let job = ended(engine, &world.owner, id).await;
    assert_eq!((job.state, job.attempts), (JobState::Failed, 2));
    assert_eq!(job.error.unwrap().code, "job_lost");
    worker.stop().await;
    assert_eq!(runs.get(), 2);
}

pub(super) async fn a_worker_that_stops_gives_back_what_it_holds(world: &World) {
    let engine = &world.engine;
    let (runs, quick) = (Counter::default(), Arc::new(Notify::new()));
    let kinds = || {
        let (runs, quick) = (runs.clone(), Arc::clone(&quick));
        Kinds::none().with(&WORK, move |job| {
            let (run, quick) = (runs.add(), Arc::clone(&quick));
            async move {
                match job.payload::<String>()?.as_str() {
                    "quick" => quick.notified().await,
                    _ if run <= 2 => std::future::pending().await,
                    _ => {}
                }
                Ok(Outcome::done())
            }
        })
    };
    let worker = Worker::start(engine, kinds(), settings());
    let quickly = engine.enqueue_job(NewJob::new(&WORK, json!("quick"))).await.unwrap();
    let slow = engine.enqueue_job(NewJob::new(&WORK, json!("slow"))).await.unwrap();
    until("both run", || runs.get() == 2).await;
    // What ends within the grace is done; nothing new is begun.
    let more = engine.enqueue_job(NewJob::new(&SINGLE, json!("more"))).await.unwrap();
    quick.notify_one();
    worker.stop().await;
    assert_eq!(engine.job(&world.owner, quickly).await.unwrap().state, JobState::Succeeded);
    let given_back = engine.job(&world.owner, slow).await.unwrap();
    assert_eq!((given_back.state, given_back.attempts), (JobState::Queued, 0));
    assert_eq!(engine.job(&world.owner, more).await.unwrap().state, JobState::Queued);
    let worker = Worker::start(engine, kinds(), settings());
    assert_eq!(ended(engine, &world.owner, slow).await.state, JobState::Succeeded);
    worker.stop().await;
}

pub(super) async fn what_runs_by_the_clock_runs_once_each_time(world: &World) {
    const HOUR: Duration = Duration::from_secs(3_600);
    let engine = &world.engine;
    let runs = Counter::default();
    let kinds = || {
        let runs = runs.clone();
        let clocked = Kinds::none().with(&CLOCKED, move |_| {
            runs.add();
            async { Ok(Outcome::done()) }
        });
        clocked.every(HOUR, &CLOCKED)
    };
    let workers = [(); 3].map(|()| Worker::start(engine, kinds(), settings()));
    let settled = async |runs_due: usize| {
        until("a run by the clock", || runs.get() >= runs_due).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(runs.get(), runs_due);
    };
    settled(1).await;
    world.clock.advance(HOUR / 2);
    settled(1).await;
    world.clock.advance(HOUR / 2);
    settled(2).await;
    // A clock that is set back does not silence it until the old time has come again.
    world.clock.set(world.clock.now().minus(HOUR * 48));
    settled(3).await;
    for worker in workers {
        worker.stop().await;
    }
    // Nor does a start: when it is due stands in the database.
    let worker = Worker::start(engine, kinds(), settings());
    settled(3).await;
    worker.stop().await;
}

/// Two machines whose clocks differ: what one wrote is not too far away for the other.
pub(super) async fn a_clock_that_is_a_little_behind_makes_nothing_run_twice(world: &World) {
    const EVERY: Duration = Duration::from_hours(2);
    let runs = Counter::default();
    let kinds = {
        let runs = runs.clone();
        let clocked = Kinds::none().with(&CLOCKED, move |_| {
            runs.add();
            async { Ok(Outcome::done()) }
        });
        clocked.every(EVERY, &CLOCKED)
    };
    let worker = Worker::start(&world.engine, kinds, settings());
    let settled = async |runs_due: usize| {
        until("a run by the clock", || runs.get() >= runs_due).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(runs.get(), runs_due);
    };
    settled(1).await;
    // More than the step that the engine's own clock does not believe.
    let behind = Duration::from_mins(90);
    world.clock.set(world.clock.now().minus(behind));
    settled(1).await;
    world.clock.advance(behind + EVERY);
    settled(2).await;
    worker.stop().await;
}

pub(super) async fn ended_jobs_and_orphans_go_away_by_themselves(world: &World) {
    const DAY: Duration = Duration::from_secs(24 * 3_600);
    let engine = &world.engine;
    let ids: Vec<JobId> = {
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(engine.enqueue_job(NewJob::new(&EFFECT, Value::Null)).await.unwrap());
        }
        ids
    };
    engine.cancel_job(&world.owner, ids[0], None).await.unwrap();
    world.put("/old", b"x").await;
    let five_days = UpdateSettings { events_days: Some(NonZeroU32::new(5)), ..UpdateSettings::default() };
    let change = UpdateWorkspace { settings: Some(five_days), ..UpdateWorkspace::default() };
    engine.update_workspace(&world.owner, world.id(), change, Premises::default()).await.unwrap();
    world.clock.advance(DAY * 6);
    engine.cancel_job(&world.owner, ids[1], None).await.unwrap();
    world.clock.advance(DAY + Duration::from_secs(1));
    let worker = Worker::start(engine, engine.job_kinds(), settings());
    let by_kind = async |kind: &str| loop {
        let filter = JobFilter { kind: Some(kind.to_owned()), ..JobFilter::default() };
        let page = engine.list_jobs(&world.owner, filter, PageRequest::default()).await.unwrap();
        if let Some(job) = page.items.into_iter().next().filter(|job| job.state.is_finished()) {
            return job;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(by_kind("jobs.prune").await.result, Some(json!({ "removed": 1 })));
    let swept = by_kind("sweep.blobs").await.result.unwrap();
    assert_eq!(swept["removed"], 0);
    // All but the newest of three.
    assert_eq!(by_kind("events.prune").await.result, Some(json!({ "removed": 2 })));
    worker.stop().await;
    assert!(engine.job(&world.owner, ids[0]).await.is_err());
    assert_eq!(engine.job(&world.owner, ids[1]).await.unwrap().state, JobState::Cancelled);
    assert_eq!(engine.job(&world.owner, ids[2]).await.unwrap().state, JobState::Queued, "it has not ended");
}
