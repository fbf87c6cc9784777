//! Webhooks' deliveries: receivers that fail in every way, and what becomes of what they were to get.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use longshore_core::wire::{DeliveryState, JobState, UpdateHook, UpdateWorkspace, WorkspaceSettings};
use longshore_core::{Clock, HookId};
use longshore_egress::testing::{Peer, header};
use longshore_engine::{EventQuery, JobFilter, PageRequest, Premises, WorkerSettings};
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;

use super::hooks::{TAKEN, Workers, deliveries, hook, stands, to, until, update};
use crate::workers::{Counter, PATIENCE, Worker, settings};
use crate::world::World;

pub(super) const GONE: &str = "HTTP/1.1 410 Gone\r\n\r\n";
pub(super) const FAILS: &str = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 6\r\n\r\ngeheim";

/// Answers what `say` returns for the request's number, from 0.
pub(super) async fn scripted(say: impl Fn(usize) -> &'static str + Send + Sync + 'static) -> Peer {
    let count = Arc::new(AtomicUsize::new(0));
    Peer::start(move |mut stream, _| {
        let answer = say(count.fetch_add(1, Ordering::SeqCst));
        async move { stream.write_all(answer.as_bytes()).await }
    })
    .await
}

async fn seq(world: &World, hook: HookId) -> u64 {
    stands(world, hook).await.seq
}

/// Waits until a hook's newest delivery has had so many attempts.
pub(super) async fn attempted(world: &World, hook: HookId, count: usize) -> longshore_core::wire::Delivery {
    let start = std::time::Instant::now();
    loop {
        let newest = deliveries(world, hook, None).await.into_iter().next();
        if let Some(delivery) = newest.filter(|it| it.attempts.len() >= count) {
            return delivery;
        }
        assert!(start.elapsed() < PATIENCE, "not {count} attempts");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(super) async fn what_fails_is_tried_seven_times_and_then_kept(world: &World) {
    let peer = scripted(|number| if number < 7 { FAILS } else { TAKEN }).await;
    let id = hook(world, to(&peer)).await.hook.id;
    let workers = Workers::start(world);
    world.put("/a", b"x").await;
    for (tries, pause) in (1..).zip([5, 300, 1_800, 7_200, 18_000, 36_000]) {
        let delivery = attempted(world, id, tries).await;
        let due = delivery.next_at.unwrap().since(world.clock.now()).as_secs();
        assert_eq!(delivery.state, DeliveryState::Pending);
        assert!((pause..=pause * 6 / 5).contains(&due), "after {tries} attempts: {due} s");
        assert!(stands(world, id).await.failing_since.is_some());
        // Not a moment before its time.
        world.clock.advance(Duration::from_secs(due - 1));
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert_eq!(peer.connections(), tries);
        world.clock.advance(Duration::from_secs(2));
    }
    let dead = until(world, id, DeliveryState::Failed, 1).await.remove(0);
    assert_eq!((dead.attempts.len(), dead.next_at), (7, None));
    assert!(dead.attempts.iter().all(|it| it.status == Some(500)));
    let error = dead.attempts[0].error.as_deref();
    assert_eq!(error, Some("the receiver answered 500"), "not what the receiver wrote");

    // By hand it is sent again, with the id it always had.
    let none = Premises::default();
    let again = world.engine.redeliver_one(&world.owner, world.id(), id, dead.id, none).await.unwrap();
    assert_eq!((again.state, again.finished_at), (DeliveryState::Pending, None));
    let done = until(world, id, DeliveryState::Succeeded, 1).await.remove(0);
    assert_eq!((done.id, done.event_id, done.attempts.len()), (dead.id, dead.event_id, 8));
    let requests = peer.until(8).await;
    let ids: BTreeSet<_> = requests.iter().map(|it| header(it, "webhook-id").unwrap()).collect();
    assert_eq!(ids.into_iter().collect::<Vec<_>>(), [dead.event_id.to_string()]);
    // Each attempt is signed for its own second.
    let seconds: BTreeSet<_> = requests.iter().map(|it| header(it, "webhook-timestamp").unwrap()).collect();
    assert!(seconds.len() >= 7, "{seconds:?}");
    assert_eq!(stands(world, id).await.failing_since, None, "one success and it is well again");
    workers.stop().await;
}

pub(super) async fn each_way_to_fail_is_told(world: &World) {
    let metadata = "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/latest/meta-data/\r\n\r\n";
    let gone = Peer::answering("").await.url("/");
    for (peer, status, told) in [
        (Peer::answering(metadata).await, Some(302), "redirects are not followed"),
        (Peer::answering("HTTP/1.1 404 Not Found\r\n\r\n").await, Some(404), "the receiver answered 404"),
        (Peer::answering("HTTP/1.1 101 Switching Protocols\r\n\r\n").await, None, ""),
        (Peer::answering("nonsense geheim\r\n\r\n").await, None, "not HTTP"),
        (
            Peer::start(|stream, _| async move {
                drop(stream);
                Ok(())
            })
            .await,
            None,
            "connection broke",
        ),
        (
            Peer::start(|stream, _| async move {
                tokio::time::sleep(Duration::from_secs(60)).await;
                drop(stream);
                Ok(())
            })
            .await,
            None,
            "no answer within 400ms",
        ),
        (
            // A byte now and then: alive, and never done.
            Peer::start(|mut stream, _| async move {
                loop {
                    stream.write_all(b"H").await?;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            })
            .await,
            None,
            "",
        ),
    ] {
        let id = hook(world, to(&peer)).await.hook.id;
        let workers = Workers::start(world);
        let none = Premises::default();
        world.engine.test_hook(&world.owner, world.id(), id, none).await.unwrap();
        let delivery = attempted(world, id, 1).await;
        workers.stop().await;
        let attempt = &delivery.attempts[0];
        let error = attempt.error.as_deref().unwrap();
        assert!(error.contains(told) && !error.contains("geheim"), "{attempt:?}");
        if !told.is_empty() {
            assert_eq!(attempt.status, status, "{attempt:?}");
        }
        assert_eq!(delivery.state, DeliveryState::Pending, "{attempt:?}");
        world.engine.delete_hook(&world.owner, world.id(), id, Premises::default()).await.unwrap();
    }
    // Nobody listens there, now that the peer is gone.
    let peer = Peer::answering(TAKEN).await;
    let id = hook(world, longshore_core::wire::CreateHook { url: gone, ..to(&peer) }).await.hook.id;
    let workers = Workers::start(world);
    world.engine.test_hook(&world.owner, world.id(), id, Premises::default()).await.unwrap();
    let delivery = attempted(world, id, 1).await;
    workers.stop().await;
    assert!(delivery.attempts[0].error.as_deref().unwrap().contains("refused"), "{delivery:?}");
}

pub(super) async fn an_answer_of_10_mb_holds_nobody(world: &World) {
    let peer = Peer::start(|mut stream, _| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n").await?;
        stream.write_all(&vec![b'x'; 10_000_000]).await
    })
    .await;
    let id = hook(world, to(&peer)).await.hook.id;
    let workers = Workers::start(world);
    world.put("/a", b"x").await;
    let done = until(world, id, DeliveryState::Succeeded, 1).await;
    assert_eq!(done[0].attempts[0].status, Some(200));
    workers.stop().await;
}

/// A rest costs nothing, however much waits for it to end.
pub(super) async fn while_a_receiver_rests_nothing_is_written_for_it(world: &World) {
    const EVENTS: usize = 40;
    let peer = scripted(|_| FAILS).await;
    let id = hook(world, to(&peer)).await.hook.id;
    for number in 0..EVENTS {
        world.put(&format!("/{number}"), b"x").await;
    }
    let made =
        async || -> usize { deliveries(world, id, None).await.iter().map(|it| it.attempts.len()).sum() };
    let workers = Workers::start(world);
    until(world, id, DeliveryState::Pending, EVENTS).await;
    let start = std::time::Instant::now();
    let mut before = 0;
    for _ in 0..4 {
        while made().await <= before {
            assert!(start.elapsed() < PATIENCE, "{before} attempts");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        before = made().await;
        world.clock.advance(Duration::from_mins(6));
    }
    workers.stop().await;
    let filter = JobFilter { kind: Some("hooks.deliver".to_owned()), ..JobFilter::default() };
    let page = PageRequest::new(Some(1_000), None);
    let jobs = world.engine.list_jobs(&world.owner, filter, page).await.unwrap().items.len();
    let made = made().await;
    assert_eq!(jobs, EVENTS + made, "one job for each delivery, and one more for each attempt");
}

pub(super) async fn a_receiver_may_ask_for_a_longer_pause(world: &World) {
    for (answer, seconds) in [
        ("HTTP/1.1 503 Busy\r\nretry-after: 3600\r\n\r\n", 3_600),
        ("HTTP/1.1 429 Slow\r\nretry-after: 99999999\r\n\r\n", 86_400),
        ("HTTP/1.1 503 Busy\r\nretry-after: soon\r\n\r\n", 5),
        ("HTTP/1.1 503 Busy\r\nretry-after: 1\r\n\r\n", 5),
    ] {
        let peer = scripted(move |_| answer).await;
        let id = hook(world, to(&peer)).await.hook.id;
        let workers = Workers::start(world);
        world.engine.test_hook(&world.owner, world.id(), id, Premises::default()).await.unwrap();
        let due = attempted(world, id, 1).await.next_at.unwrap().since(world.clock.now()).as_secs();
        assert!((seconds..=seconds * 6 / 5).contains(&due), "{answer:?}: {due} s");
        workers.stop().await;
    }
}

pub(super) async fn no_more_than_four_are_under_way_at_once(world: &World) {
    const EVENTS: usize = 24;
    let (now, most) = (Counter::default(), Arc::new(AtomicUsize::new(0)));
    let peer = {
        let most = Arc::clone(&most);
        Peer::start(move |mut stream, _| {
            let now = now.clone();
            most.fetch_max(now.add(), Ordering::SeqCst);
            async move {
                tokio::time::sleep(Duration::from_millis(60)).await;
                now.remove();
                stream.write_all(TAKEN.as_bytes()).await
            }
        })
        .await
    };
    let id = hook(world, to(&peer)).await.hook.id;
    for number in 0..EVENTS {
        world.put(&format!("/{number}"), b"x").await;
    }
    let workers = Workers::start(world);
    until(world, id, DeliveryState::Succeeded, EVENTS).await;
    workers.stop().await;
    let most = most.load(Ordering::SeqCst);
    assert!((2..=4).contains(&most), "{most} at once, with workers for eight");
}

pub(super) async fn deliveries_stay_for_thirty_days(world: &World) {
    const DAY: Duration = Duration::from_hours(24);
    let peer = Peer::answering(TAKEN).await;
    let id = hook(world, to(&peer)).await.hook.id;
    let workers = Workers::start(world);
    world.put("/a", b"x").await;
    until(world, id, DeliveryState::Succeeded, 1).await;
    let pruned = async || {
        let (now, start) = (world.clock.now(), std::time::Instant::now());
        let filter = || JobFilter { kind: Some("hooks.prune".to_owned()), ..JobFilter::default() };
        loop {
            let page = PageRequest::new(Some(1), None);
            let newest = world.engine.list_jobs(&world.owner, filter(), page).await.unwrap().items.pop();
            if newest.is_some_and(|job| job.created_at >= now && job.state == JobState::Succeeded) {
                return deliveries(world, id, None).await;
            }
            assert!(start.elapsed() < PATIENCE, "old deliveries are not looked for");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    // The first look has ended: one under way would be taken for lost by a clock that leaps, and wait for its turn.
    assert_eq!(pruned().await.len(), 1);
    world.clock.advance(DAY * 29);
    let kept = pruned().await;
    assert_eq!((kept.len(), kept[0].attempts.len()), (1, 1));
    world.clock.advance(DAY + Duration::from_secs(1));
    assert!(pruned().await.is_empty());
    workers.stop().await;
}

pub(super) async fn a_dead_receiver_delays_no_other(world: &World) {
    const EVENTS: usize = 30;
    // It takes the connection and never says a word.
    let dead = Peer::start(|stream, _| async move {
        tokio::time::sleep(Duration::from_secs(600)).await;
        drop(stream);
        Ok(())
    })
    .await;
    let alive = Peer::answering(TAKEN).await;
    let dead_id = hook(world, to(&dead)).await.hook.id;
    let alive_id = hook(world, to(&alive)).await.hook.id;
    let workers = Workers::start(world);
    for number in 0..EVENTS {
        world.put(&format!("/{number}"), b"x").await;
    }
    until(world, alive_id, DeliveryState::Succeeded, EVENTS).await;
    // The dead one had at most four at a time for 400 ms each, and was left alone after three.
    let waiting = deliveries(world, dead_id, Some(DeliveryState::Pending)).await.len();
    assert!(waiting >= EVENTS, "{waiting} of the dead one's deliveries wait");
    workers.stop().await;
}

pub(super) async fn a_receiver_that_fails_is_left_alone_for_a_while(world: &World) {
    let peer = scripted(|_| FAILS).await;
    let id = hook(world, to(&peer)).await.hook.id;
    for number in 0..40 {
        world.put(&format!("/{number}"), b"x").await;
    }
    let workers = Workers::start(world);
    peer.until(3).await;
    until(world, id, DeliveryState::Pending, 40).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    // Three strikes, and what was under way by then.
    let asked = peer.connections();
    assert!((3..=7).contains(&asked), "it was asked {asked} times");
    // Who asks for a test gets one all the same.
    world.engine.test_hook(&world.owner, world.id(), id, Premises::default()).await.unwrap();
    peer.until(asked + 1).await;
    // Another receiver begins with a clean slate.
    let better = Peer::answering(TAKEN).await;
    update(world, id, UpdateHook { url: Some(better.url("/")), ..UpdateHook::default() }).await;
    world.clock.advance(Duration::from_mins(10));
    until(world, id, DeliveryState::Succeeded, 41).await;
    workers.stop().await;
}

pub(super) async fn a_delivery_whose_mark_is_lost_comes_again_with_the_same_id(world: &World) {
    let (arrived, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let peer = {
        let (arrived, go_on) = (Arc::clone(&arrived), Arc::clone(&go_on));
        Peer::start(move |mut stream, _| {
            let (arrived, go_on) = (Arc::clone(&arrived), Arc::clone(&go_on));
            async move {
                arrived.notify_one();
                go_on.notified().await;
                stream.write_all(TAKEN.as_bytes()).await
            }
        })
        .await
    };
    let id = hook(world, to(&peer)).await.hook.id;
    let engine = &world.engine;
    let jobs = Worker::start(engine, engine.job_kinds(), settings());
    // It has the receiver's ear when it is taken for dead: its lease ends while it waits for the answer.
    let one = WorkerSettings { concurrency: 1, lease: Duration::from_secs(3_600), ..settings() };
    let first = Worker::start(engine, engine.delivery_kinds(), one);
    engine.test_hook(&world.owner, world.id(), id, Premises::default()).await.unwrap();
    arrived.notified().await;
    world.clock.advance(Duration::from_secs(3_601));
    let second = Worker::start(engine, engine.delivery_kinds(), settings());
    arrived.notified().await;
    go_on.notify_one();
    go_on.notify_one();
    let requests = peer.until(2).await;
    go_on.notify_waiters();
    let done = until(world, id, DeliveryState::Succeeded, 1).await.remove(0);
    let id_of = |request: &str| header(request, "webhook-id").map(str::to_owned);
    assert_eq!(id_of(&requests[0]), Some(done.event_id.to_string()));
    assert_eq!(id_of(&requests[0]), id_of(&requests[1]));
    for worker in [jobs, first, second] {
        worker.stop().await;
    }
    assert_eq!(deliveries(world, id, None).await.len(), 1, "it stays one delivery");
}

/// However old they are: the log is all that a hook which stands still will get them from.
pub(super) async fn what_a_hook_has_not_read_stays_in_the_log(world: &World) {
    let settings = WorkspaceSettings { events_days: NonZeroU32::new(5), ..WorkspaceSettings::default() };
    let change = UpdateWorkspace { settings: Some(settings.into()), ..UpdateWorkspace::default() };
    world.engine.update_workspace(&world.owner, world.id(), change, Premises::default()).await.unwrap();
    let peer = Peer::answering(TAKEN).await;
    let made = hook(world, to(&peer)).await.hook;
    let off = hook(world, to(&peer)).await.hook.id;
    update(world, off, UpdateHook { enabled: Some(false), ..UpdateHook::default() }).await;
    for text in ["/a", "/b", "/c"] {
        world.put(text, b"x").await;
    }
    world.clock.advance(Duration::from_hours(6 * 24));
    world.put("/young", b"x").await;
    // Nobody has told the hook of them; the one that is off holds nothing back.
    assert_eq!(world.engine.prune_events().await.unwrap(), made.seq);
    let kept = world.events(EventQuery::default()).await;
    assert_eq!(kept[0].seq, made.seq + 1);
    let workers = Workers::start(world);
    until(world, made.id, DeliveryState::Succeeded, kept.len()).await;
    workers.stop().await;
    world.engine.prune_events().await.unwrap();
    assert_eq!(world.events(EventQuery::default()).await.len(), 1);
}

pub(super) async fn a_backlog_waits_in_the_log(world: &World) {
    const EVENTS: u64 = 150;
    let is_well = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let peer = {
        let is_well = Arc::clone(&is_well);
        scripted(move |_| if is_well.load(Ordering::SeqCst) { TAKEN } else { FAILS }).await
    };
    let id = hook(world, to(&peer)).await.hook.id;
    let begin = seq(world, id).await;
    for number in 0..EVENTS {
        world.put(&format!("/{number}"), b"x").await;
    }
    let workers = Workers::start(world);
    // The world's limit is 60, and a batch is 50: what is beyond stays in the log.
    until(world, id, DeliveryState::Pending, 60).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(seq(world, id).await, begin + 100);
    is_well.store(true, Ordering::SeqCst);
    let start = std::time::Instant::now();
    while seq(world, id).await < begin + EVENTS
        || !deliveries(world, id, Some(DeliveryState::Pending)).await.is_empty()
    {
        assert!(start.elapsed() < PATIENCE, "it stands at {}", seq(world, id).await);
        // The receiver's rest ends, and the clock's turn to look for hooks that stand still comes.
        world.clock.advance(Duration::from_mins(6));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let done = deliveries(world, id, Some(DeliveryState::Succeeded)).await;
    assert_eq!(done.len() as u64, EVENTS);
    workers.stop().await;
}
