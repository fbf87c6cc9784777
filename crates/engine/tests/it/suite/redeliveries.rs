//! Webhooks' deliveries that are sent again by hand.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use longshore_core::Clock;
use longshore_core::wire::{DeliveryState, JobState, Redeliver, UpdateHook};
use longshore_egress::testing::header;
use longshore_engine::Premises;

use super::deliveries::{FAILS, GONE, scripted};
use super::hooks::{TAKEN, Workers, deliveries, hook, to, until, update};
use crate::workers::{PATIENCE, ended};
use crate::world::World;

pub(super) async fn all_failed_and_any_range_are_sent_again(world: &World) {
    // A receiver that is switched on later.
    let is_well = Arc::new(AtomicBool::new(false));
    let peer = {
        let is_well = Arc::clone(&is_well);
        scripted(move |_| if is_well.load(Ordering::SeqCst) { TAKEN } else { GONE }).await
    };
    let id = hook(world, to(&peer)).await.hook.id;
    for number in 0..12 {
        world.put(&format!("/{number}"), b"x").await;
    }
    let workers = Workers::start(world);
    let dead = until(world, id, DeliveryState::Failed, 12).await;
    assert_eq!(dead.len(), 12, "one was refused, and the others given up with the hook");
    is_well.store(true, Ordering::SeqCst);
    update(world, id, UpdateHook { enabled: Some(true), ..UpdateHook::default() }).await;
    let before = peer.connections();
    let send = async |wanted| {
        let job = world.engine.redeliver(&world.owner, world.id(), id, wanted, Premises::default()).await;
        let job = ended(&world.engine, &world.owner, job.unwrap().id).await;
        job.result.unwrap()["deliveries"].as_u64().unwrap()
    };
    let failed = || Redeliver { failed: true, ..Redeliver::default() };
    assert_eq!(send(failed()).await, 12);
    until(world, id, DeliveryState::Succeeded, 12).await;
    assert_eq!(peer.connections() - before, 12);
    assert_eq!(send(failed()).await, 0);

    // A range by place: twice delivered is twice received, under the same id.
    let oldest = dead.iter().filter_map(|it| it.seq).min().unwrap();
    let range = Redeliver { since_seq: Some(oldest), until_seq: Some(oldest + 3), ..Redeliver::default() };
    assert_eq!(send(range).await, 3);
    let requests = peer.until(before + 15).await;
    let ids: BTreeSet<_> = requests[before..].iter().map(|it| header(it, "webhook-id").unwrap()).collect();
    assert_eq!(ids.len(), 12);
    // A range by time: nothing has happened since.
    world.clock.advance(Duration::from_secs(1));
    let since = |since| Redeliver { since: Some(since), ..Redeliver::default() };
    assert_eq!(send(since(world.clock.now())).await, 0);
    world.put("/later", b"x").await;
    assert_eq!(send(since(world.clock.now())).await, 1);
    assert_eq!(deliveries(world, id, None).await.len(), 13);
    workers.stop().await;
}

pub(super) async fn a_range_stops_at_the_backlog_and_goes_on(world: &World) {
    const EVENTS: u64 = 200;
    let is_well = Arc::new(AtomicBool::new(false));
    let peer = {
        let is_well = Arc::clone(&is_well);
        scripted(move |_| if is_well.load(Ordering::SeqCst) { TAKEN } else { FAILS }).await
    };
    let begin = world.event_count().await;
    for number in 0..EVENTS {
        world.put(&format!("/{number}"), b"x").await;
    }
    let id = hook(world, to(&peer)).await.hook.id;
    let (engine, owner) = (&world.engine, &world.owner);
    let range =
        || Redeliver { since_seq: Some(begin), until_seq: Some(begin + EVENTS), ..Redeliver::default() };
    let workers = Workers::start(world);
    let job = engine.redeliver(owner, world.id(), id, range(), Premises::default()).await.unwrap().id;
    let start = std::time::Instant::now();
    let waiting = loop {
        let job = engine.job(owner, job).await.unwrap();
        if job.progress.as_ref().is_some_and(|it| it.done > begin) && job.state == JobState::Queued {
            break job;
        }
        assert!(start.elapsed() < PATIENCE, "{job:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    // The world's limit is 60, and a batch is 50.
    assert_eq!(deliveries(world, id, None).await.len(), 100);
    let progress = waiting.progress.unwrap();
    assert_eq!((progress.done, progress.total), (begin + 100, Some(begin + EVENTS)));
    assert!(waiting.run_at > world.clock.now() && waiting.finished_at.is_none());
    // Another one, that somebody calls off while it waits.
    let other = engine.redeliver(owner, world.id(), id, range(), Premises::default()).await.unwrap().id;
    engine.cancel_job(owner, other, None).await.unwrap();
    is_well.store(true, Ordering::SeqCst);
    while !engine.job(owner, job).await.unwrap().state.is_finished() {
        assert!(start.elapsed() < PATIENCE, "it does not go on");
        world.clock.advance(Duration::from_mins(6));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let done = engine.job(owner, job).await.unwrap();
    assert_eq!(done.result, Some(serde_json::json!({ "deliveries": EVENTS })));
    while deliveries(world, id, Some(DeliveryState::Succeeded)).await.len() < EVENTS as usize {
        assert!(start.elapsed() < PATIENCE, "some do not arrive");
        world.clock.advance(Duration::from_mins(6));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(engine.job(owner, other).await.unwrap().state, JobState::Cancelled);
    workers.stop().await;
}
