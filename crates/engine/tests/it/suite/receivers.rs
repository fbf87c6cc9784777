//! What receivers bring upon their webhooks: when one is switched off, and when not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use longshore_core::wire::{DeliveryState, HookDisabled, UpdateHook};
use longshore_core::{Clock, HookId, PrincipalId};
use longshore_egress::testing::Peer;
use longshore_engine::{EventQuery, Premises};
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;

use super::deliveries::{FAILS, GONE, attempted, scripted};
use super::hooks::{TAKEN, Workers, deliveries, hook, stands, to, until, update};
use crate::workers::PATIENCE;
use crate::world::World;

pub(super) async fn a_receiver_that_is_gone_switches_its_hook_off(world: &World) {
    let peer = scripted(|_| "HTTP/1.1 410 Gone\r\n\r\n").await;
    let id = hook(world, to(&peer)).await.hook.id;
    let workers = Workers::start(world);
    let none = Premises::default();
    world.engine.test_hook(&world.owner, world.id(), id, none).await.unwrap();
    let dead = until(world, id, DeliveryState::Failed, 1).await;
    assert_eq!((dead[0].attempts.len(), dead[0].attempts[0].status), (1, Some(410)));
    let hook = stands(world, id).await;
    assert_eq!(hook.disabled, Some(HookDisabled::Gone));
    let events = world.events(EventQuery::default()).await;
    let last = events.last().unwrap();
    assert_eq!((last.r#type.as_str(), last.key_id), ("hook.disabled", None));
    assert_eq!(last.actor, PrincipalId::LONGSHORE, "not who made the hook");
    assert_eq!(last.data["reason"], "gone");
    assert_eq!(world.event_types().await.len(), events.len());
    // No more is sent, and no more is kept for it.
    world.put("/a", b"x").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!((peer.connections(), deliveries(world, id, None).await.len()), (1, 1));
    workers.stop().await;
}

/// Has a hook's newest delivery attempted until it has had so many attempts, each as soon as it is due.
async fn tried(world: &World, hook: HookId, attempts: usize) {
    loop {
        let delivery = deliveries(world, hook, None).await.remove(0);
        let had = delivery.attempts.len();
        if had >= attempts {
            return;
        }
        let due = delivery.next_at.unwrap_or(world.clock.now());
        // The receiver is left alone for longer than that after some failures.
        world.clock.set(world.clock.now().max(due.plus(Duration::from_mins(6))));
        attempted(world, hook, had + 1).await;
    }
}

pub(super) async fn five_days_of_failures_switch_a_hook_off(world: &World) {
    const DAY: Duration = Duration::from_hours(24);
    let peer = scripted(|_| FAILS).await;
    let id = hook(world, to(&peer)).await.hook.id;
    let workers = Workers::start(world);
    let ping = async || {
        // Ids made in one millisecond have no order.
        world.clock.advance(Duration::from_millis(1));
        world.engine.test_hook(&world.owner, world.id(), id, Premises::default()).await.unwrap();
    };
    ping().await;
    tried(world, id, 7).await;
    let since = stands(world, id).await.failing_since.unwrap();
    // A delivery that is lost a moment before is not the last straw.
    ping().await;
    tried(world, id, 6).await;
    let last = deliveries(world, id, None).await.remove(0).next_at.unwrap();
    assert!(last < since.plus(DAY * 5));
    world.clock.set(since.plus(DAY * 5).minus(Duration::from_secs(1)));
    attempted(world, id, 7).await;
    assert_eq!(stands(world, id).await.disabled, None);
    // Nor is, after quiet days, the first failure of the next one: it has all its attempts.
    world.clock.advance(DAY * 3);
    ping().await;
    tried(world, id, 6).await;
    assert_eq!(stands(world, id).await.disabled, None);
    let waiting = deliveries(world, id, None).await.remove(0);
    ping().await;
    let hook = attempted(world, id, 1).await;
    assert_eq!(hook.state, DeliveryState::Pending);
    world.clock.set(waiting.next_at.unwrap().plus(Duration::from_mins(6)));
    let start = std::time::Instant::now();
    let hook = loop {
        let hook = stands(world, id).await;
        if hook.disabled.is_some() {
            break hook;
        }
        assert!(start.elapsed() < PATIENCE, "{hook:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
        // The other one's second attempt may come first, and have the receiver left alone once more.
        world.clock.advance(Duration::from_mins(6));
    };
    assert_eq!(hook.disabled, Some(HookDisabled::Failing));
    let last = world.events(EventQuery::default()).await.pop().unwrap();
    assert_eq!((last.r#type.as_str(), last.actor), ("hook.disabled", PrincipalId::LONGSHORE));
    // What still waits for an attempt is given up when its time comes.
    world.clock.advance(Duration::from_hours(1));
    until(world, id, DeliveryState::Failed, 4).await;
    let on = update(world, id, UpdateHook { enabled: Some(true), ..UpdateHook::default() }).await;
    assert_eq!((on.disabled, on.failing_since), (None, None));
    workers.stop().await;
}

/// A receiver that holds its answers back until it is told to give them.
struct Slow {
    peer: Peer,
    arrived: Arc<Notify>,
    go_on: Arc<Notify>,
}

impl Slow {
    /// The first so many requests are answered at once.
    async fn answering(prompt: usize, say: impl Fn(usize) -> &'static str + Send + Sync + 'static) -> Self {
        let (arrived, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (told, wait, count) = (Arc::clone(&arrived), Arc::clone(&go_on), AtomicUsize::new(0));
        let peer = Peer::start(move |mut stream, _| {
            let number = count.fetch_add(1, Ordering::SeqCst);
            let (told, wait, answer) = (Arc::clone(&told), Arc::clone(&wait), say(number));
            async move {
                if number == prompt {
                    told.notify_one();
                    wait.notified().await;
                }
                stream.write_all(answer.as_bytes()).await
            }
        });
        Self { peer: peer.await, arrived, go_on }
    }
}

pub(super) async fn the_word_of_one_receiver_is_not_held_against_another(world: &World) {
    let slow = Slow::answering(0, |_| GONE).await;
    let better = Peer::answering(TAKEN).await;
    let id = hook(world, to(&slow.peer)).await.hook.id;
    let workers = Workers::start(world);
    world.engine.test_hook(&world.owner, world.id(), id, Premises::default()).await.unwrap();
    slow.arrived.notified().await;
    let types = Some(vec!["nothing.like_it".to_owned()]);
    let elsewhere = UpdateHook { url: Some(better.url("/")), types, ..UpdateHook::default() };
    update(world, id, elsewhere).await;
    slow.go_on.notify_one();
    let delivery = attempted(world, id, 1).await;
    let hook = stands(world, id).await;
    assert_eq!((hook.disabled, hook.failing_since), (None, None));
    // The other one has not said no to it.
    assert_eq!(delivery.state, DeliveryState::Pending);
    world.clock.advance(Duration::from_secs(10));
    until(world, id, DeliveryState::Succeeded, 1).await;
    better.until(1).await;
    workers.stop().await;
}

pub(super) async fn one_success_meanwhile_keeps_a_hook_on(world: &World) {
    // The last attempt of a delivery is under way, after days of failures, when another one succeeds.
    let slow = Slow::answering(6, |number| if number == 7 { TAKEN } else { FAILS }).await;
    let id = hook(world, to(&slow.peer)).await.hook.id;
    let workers = Workers::start(world);
    world.engine.test_hook(&world.owner, world.id(), id, Premises::default()).await.unwrap();
    tried(world, id, 6).await;
    world.clock.advance(Duration::from_hours(6 * 24));
    slow.arrived.notified().await;
    world.engine.test_hook(&world.owner, world.id(), id, Premises::default()).await.unwrap();
    until(world, id, DeliveryState::Succeeded, 1).await;
    slow.go_on.notify_one();
    let lost = until(world, id, DeliveryState::Failed, 1).await.remove(0);
    assert_eq!(lost.attempts.len(), 7);
    assert_eq!(stands(world, id).await.disabled, None);
    workers.stop().await;
}

pub(super) async fn who_switches_a_hook_on_again_begins_anew(world: &World) {
    let slow = Slow::answering(0, |_| GONE).await;
    let id = hook(world, to(&slow.peer)).await.hook.id;
    let workers = Workers::start(world);
    world.engine.test_hook(&world.owner, world.id(), id, Premises::default()).await.unwrap();
    slow.arrived.notified().await;
    for enabled in [false, true] {
        update(world, id, UpdateHook { enabled: Some(enabled), ..UpdateHook::default() }).await;
    }
    slow.go_on.notify_one();
    attempted(world, id, 1).await;
    let hook = stands(world, id).await;
    assert_eq!((hook.disabled, hook.failing_since), (None, None));
    workers.stop().await;
}
