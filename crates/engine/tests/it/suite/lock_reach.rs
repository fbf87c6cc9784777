//! How far locks reach: folders with many locks in them, what an event says of them, and what outlives a lock.

use std::time::Duration;

use futures_util::future::join;
use longshore_core::wire::{
    AcquireLock, AcquireLocks, LockGrant, LockGrants, LostReason, MOST_LOCKS, RestoreNode, UpdateNode,
};
use longshore_core::{Clock as _, Code, LockToken, NodeId, Timestamp};
use longshore_engine::{
    Error, EventQuery, Idempotency, Preconditions, Premises, PrunedLocks, Result, UploadOptions,
};

use super::locks::{lost, take, token, under};
use crate::world::{World, name, path, refused};

async fn batch(world: &World, files: &[NodeId], premises: Premises) -> Result<LockGrants> {
    let wanted = AcquireLocks { files: files.to_vec(), ttl_seconds: 60, purpose: None, owner_label: None };
    world.engine.lock_nodes(&world.owner, wanted, premises).await
}

async fn lock(world: &World, node: NodeId) -> LockGrant {
    take(world, node, AcquireLock::default()).await.expect("the lock is free")
}

fn keyed(key: &str) -> Premises {
    Premises { idempotency: Some(Idempotency::new(key).unwrap()), ..Premises::default() }
}

fn writing(granted: &[&LockGrant]) -> UploadOptions {
    UploadOptions { premises: under(granted), ..UploadOptions::default() }
}

pub(super) async fn a_hundred_locks_of_ones_own_hide_no_other(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let mut files = Vec::new();
    for number in 0..=MOST_LOCKS {
        files.push(world.put(&format!("/f/{number}"), b"x").await.id);
    }
    files.sort_unstable();
    let folder = world.node_at("/f").await.unwrap();
    // By its age and by its node the foreign lock is the last.
    let foreign = files.pop().unwrap();
    let own = batch(world, &files, Premises::default()).await.unwrap().locks;
    let foreign = lock(world, foreign).await;
    let mine = || under(&own.iter().collect::<Vec<_>>());
    let elsewhere = UpdateNode { name: Some(name("g")), ..UpdateNode::default() };
    for done in [
        engine.trash_node(owner, folder.id, mine()).await,
        engine.update_node(owner, folder.id, elsewhere, mine()).await,
    ] {
        let error = done.expect_err("somebody else's lock is below");
        assert_eq!(error.code(), Code::Locked, "{error}");
        assert_eq!(error.facts().unwrap().lock.as_ref().unwrap().id, foreign.lock.id);
    }
    let wanted = AcquireLock::default();
    refused(engine.lock_node(owner, folder.id, wanted.clone(), mine()).await, Code::Locked);
    let all = || under(&own.iter().chain([&foreign]).collect::<Vec<_>>());
    engine.trash_node(owner, folder.id, all()).await.unwrap();
    refused(engine.purge_node(owner, folder.id, mine()).await, Code::Locked);
    engine.restore_node(owner, folder.id, RestoreNode::default(), all()).await.unwrap();
    engine.release_lock(owner, foreign.lock.id, token(&foreign)).await.unwrap();
    engine.lock_node(owner, folder.id, wanted, mine()).await.expect("all that is below is the caller's own");
}

pub(super) async fn a_batch_names_no_more_than_can_be_read(world: &World) {
    let mut folders = Vec::new();
    for folder in 0..2 {
        let mut files = Vec::new();
        for number in 0..30 {
            files.push(world.put(&format!("/{folder}/{number}"), b"x").await.id);
        }
        let wanted = AcquireLocks {
            files,
            ttl_seconds: 60,
            purpose: Some("ü".repeat(200)),
            owner_label: Some("ß".repeat(200)),
        };
        world.engine.lock_nodes(&world.owner, wanted, Premises::default()).await.unwrap();
        folders.push(world.node_at(&format!("/{folder}")).await.unwrap().id);
    }
    let error = batch(world, &folders, Premises::default()).await.unwrap_err();
    assert_eq!(error.code(), Code::Locked);
    let facts = error.facts().unwrap();
    assert!(!facts.locks.is_empty());
    assert!(facts.locks.contains(facts.lock.as_ref().unwrap()));
    let length = serde_json::to_string(facts).unwrap().len();
    assert!(length < 32 * 1_024, "{length} bytes");
}

pub(super) async fn of_two_who_make_a_folder_one_wins(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let new = || Premises::from(Preconditions { if_none_match: true, ..Preconditions::default() });
    let at = |text: &str, premises| engine.create_folders(owner, world.id(), path(text), premises);
    let (one, two) = join(at("/by/path", new()), at("/by/path", new())).await;
    let won = usize::from(one.is_ok()) + usize::from(two.is_ok());
    assert_eq!(won, 1);
    refused(one.and(two), Code::PreconditionFailed);
    let inside = |premises| engine.create_folder(owner, world.root(), name("child"), premises);
    let (one, two) = join(inside(new()), inside(new())).await;
    assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1);
    refused(one.and(two), Code::PreconditionFailed);
    // Who asks for what is there makes nothing.
    let there = || Premises::from(Preconditions { if_match: Some(None), ..Preconditions::default() });
    let count = world.event_count().await;
    refused(at("/a/b", there()).await, Code::PreconditionFailed);
    refused(engine.create_folder(owner, world.root(), name("b"), there()).await, Code::PreconditionFailed);
    assert_eq!(world.event_count().await, count, "nothing was made on the way");
    assert!(!at("/by/path", there()).await.unwrap().1);
    refused(inside(there()).await, Code::NameTaken);
    // A batch of locks has no one node that a premise could be about.
    let node = world.node_at("/by").await.unwrap().id;
    refused(batch(world, &[node], new()).await, Code::InvalidHeader);
    refused(batch(world, &[node], there()).await, Code::InvalidHeader);
}

pub(super) async fn a_locked_folder_that_is_there_is_found(world: &World) {
    world.put("/f/g/x", b"x").await;
    let folder = world.node_at("/f/g").await.unwrap();
    let held = lock(world, folder.id).await;
    let at = |text: &str| world.engine.create_folders(&world.owner, world.id(), path(text), under(&[&held]));
    let (found, made) = at("/f/g").await.expect("the lock is the folder's own");
    assert_eq!((found.id, made), (folder.id, false));
    assert!(at("/f/g/h").await.unwrap().1);
    assert!(!at("/f/g/h").await.unwrap().1);
    refused(at("/f").await, Code::LockElsewhere);
}

pub(super) async fn a_circle_over_a_folder_is_refused(world: &World) {
    for folder_is_asked_for_first in [true, false] {
        let at = |text: &str| format!("/{folder_is_asked_for_first}{text}");
        let x = lock(world, world.put(&at("/f/x"), b"x").await.id).await;
        let g = lock(world, world.put(&at("/g"), b"x").await.id).await;
        let folder = world.node_at(&at("/f")).await.unwrap().id;
        let wait = async |node: NodeId, held: &LockGrant| {
            let wanted = AcquireLock { wait_seconds: 1, ..AcquireLock::default() };
            world.engine.lock_node(&world.owner, node, wanted, under(&[held])).await
        };
        // The first is given up after a second, and its place is kept for the other to see.
        let steps = [(folder, &g), (g.lock.node_id, &x)];
        let (first, second) = if folder_is_asked_for_first { (0, 1) } else { (1, 0) };
        refused(wait(steps[first].0, steps[first].1).await, Code::Locked);
        refused(wait(steps[second].0, steps[second].1).await, Code::Deadlock);
    }
}

pub(super) async fn nothing_is_restored_out_of_a_locked_folder(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let file = world.put("/folder/sub/file", b"x").await;
    let folder = world.node_at("/folder").await.unwrap();
    engine.trash_node(owner, file.id, Premises::default()).await.unwrap();
    let held = lock(world, folder.id).await;
    let to = |parent| RestoreNode { parent_id: parent, ..RestoreNode::default() };
    let out = Some(world.root());
    refused(engine.restore_node(owner, file.id, to(out), Premises::default()).await, Code::Locked);
    refused(engine.restore_node(owner, file.id, to(None), Premises::default()).await, Code::Locked);
    let back = engine.restore_node(owner, file.id, to(out), under(&[&held])).await;
    assert_eq!(back.expect("the folder's lock is named").path.to_string(), "/file");
}

pub(super) async fn a_purge_ends_what_was_locked(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let lapsed = lock(world, world.put("/folder/lapsed", b"x").await.id).await;
    let second = lock(world, world.put("/folder/second", b"x").await.id).await;
    let folder = world.node_at("/folder").await.unwrap().id;
    world.clock.advance(Duration::from_secs(61));
    let held = lock(world, world.put("/folder/held", b"x").await.id).await;
    engine.trash_node(owner, folder, under(&[&held])).await.unwrap();
    engine.purge_node(owner, folder, under(&[&held])).await.unwrap();
    lost(engine.release_lock(owner, lapsed.lock.id, token(&lapsed)).await, LostReason::Expired);
    lost(engine.break_lock(owner, second.lock.id, "it hung").await, LostReason::Expired);
    engine.release_lock(owner, held.lock.id, token(&held)).await.expect("it ended with what it was on");
    // Where no lock of the workspace holds any more it is the same.
    let last = lock(world, world.put("/last", b"x").await.id).await;
    world.clock.advance(Duration::from_secs(61));
    engine.trash_node(owner, last.lock.node_id, Premises::default()).await.unwrap();
    engine.purge_node(owner, last.lock.node_id, Premises::default()).await.unwrap();
    lost(engine.break_lock(owner, last.lock.id, "it hung").await, LostReason::Expired);
    lost(engine.release_lock(owner, last.lock.id, token(&last)).await, LostReason::Expired);
}

pub(super) async fn an_event_names_the_lock_that_covers_its_node(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let file = world.put("/folder/file", b"x").await;
    let other = world.put("/other", b"x").await;
    let folder = world.node_at("/folder").await.unwrap();
    // The folder's fence and the file's are numbers of their own.
    for _ in 0..2 {
        let held = lock(world, folder.id).await;
        engine.release_lock(owner, held.lock.id, token(&held)).await.unwrap();
    }
    let outer = lock(world, folder.id).await;
    let others = lock(world, other.id).await;
    let last = async || world.events(EventQuery::default()).await.pop().unwrap();
    let said = async || last().await.lock_id.zip(last().await.fence);
    let of = |held: &LockGrant| Some((held.lock.id, held.lock.fence));
    assert_eq!(said().await, of(&others), "an event of a lock is about that lock");
    world.put_with("/folder/file", b"y", writing(&[&outer])).await.unwrap();
    assert_eq!(said().await, of(&outer));
    world.put_with("/folder/a/new", b"y", writing(&[&outer])).await.unwrap();
    let made = world.events(EventQuery::default()).await;
    for event in &made[made.len() - 2..] {
        assert_eq!(event.lock_id.zip(event.fence), of(&outer), "{}", event.r#type);
    }
    // Of two locks that are named each says of its own.
    let inner = engine.lock_node(owner, file.id, AcquireLock::default(), under(&[&outer])).await.unwrap().0;
    assert_eq!(said().await, of(&inner));
    world.put_with("/folder/file", b"z", writing(&[&outer, &inner])).await.unwrap();
    assert_eq!(said().await, of(&inner), "the nearest one");
    let into = UpdateNode { parent_id: Some(folder.id), ..UpdateNode::default() };
    engine.update_node(owner, other.id, into, under(&[&outer, &others])).await.unwrap();
    assert_eq!(said().await, of(&others));
    let stray = world.put("/stray", b"x").await;
    let written = last().await;
    assert_eq!((written.lock_id, written.fence), (None, None), "nothing covers it");
    let into = UpdateNode { parent_id: Some(folder.id), ..UpdateNode::default() };
    engine.update_node(owner, stray.id, into, under(&[&outer])).await.unwrap();
    assert_eq!(said().await, of(&outer), "the lock of where it goes");
}

pub(super) async fn a_batch_that_was_lost_is_not_given_again(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let files = [world.put("/a", b"x").await.id, world.put("/b", b"x").await.id];
    let ask = async || batch(world, &files, keyed("once")).await;
    let first = ask().await.unwrap().locks;
    world.clock.advance(Duration::from_secs(10));
    let again = ask().await.unwrap().locks;
    assert_eq!(again[0].token, first[0].token);
    assert!(again.iter().all(|granted| granted.expires_in == 50));
    engine.release_lock(owner, first[1].lock.id, token(&first[1])).await.unwrap();
    lost(ask().await, LostReason::Released);
    let error = ask().await.unwrap_err();
    assert_eq!(error.facts().unwrap().lock_ids, [first[1].lock.id], "which of them");
    world.clock.advance(Duration::from_secs(60));
    lost(ask().await, LostReason::Expired);
}

pub(super) async fn a_refusal_says_which_lock_is_meant(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let (file, other) = (world.put("/file", b"x").await, world.put("/other", b"x").await);
    let (held, others) = (lock(world, file.id).await, lock(world, other.id).await);
    let which = |error: Error| (error.code(), error.facts().expect("facts").lock_ids.clone());
    let forged = LockToken::generate(Timestamp::from_micros(1));
    let mut premises = under(&[&held]);
    premises.locks.push(forged.clone());
    let options = UploadOptions { premises, ..UploadOptions::default() };
    let error = world.put_with("/file", b"y", options).await.unwrap_err();
    assert_eq!(which(error), (Code::LockTokenWrong, vec![forged.id()]));
    engine.release_lock(owner, others.lock.id, token(&others)).await.unwrap();
    let error = world.put_with("/file", b"y", writing(&[&held, &others])).await.unwrap_err();
    assert_eq!(which(error), (Code::LockLost, vec![others.lock.id]));
    let stray = lock(world, other.id).await;
    let error = world.put_with("/file", b"y", writing(&[&held, &stray])).await.unwrap_err();
    assert_eq!(which(error), (Code::LockElsewhere, vec![stray.lock.id]));
}

pub(super) async fn an_ended_lease_does_not_come_back_with_the_clock(world: &World) {
    let file = world.put("/file", b"one").await;
    let held = lock(world, file.id).await;
    world.clock.advance(Duration::from_secs(61));
    assert_eq!(world.engine.prune_locks().await.unwrap().expired, 1);
    // A step back of more than an hour is believed: the lease that has ended would have time left again.
    world.clock.set(world.clock.now().minus(Duration::from_secs(3_700)));
    world.clock.advance(Duration::from_secs(200));
    world.put("/file", b"two").await;
    assert_eq!(world.engine.node(&world.owner, file.id).await.unwrap().lock, None);
    lost(world.engine.release_lock(&world.owner, held.lock.id, token(&held)).await, LostReason::Expired);
}

pub(super) async fn leases_that_ran_out_are_ended_by_the_clock(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let mut files = Vec::new();
    for number in 0..120 {
        files.push(world.put(&format!("/f/{number}"), b"x").await.id);
    }
    let (some, others) = files.split_at(60);
    let mut lapsed = batch(world, some, Premises::default()).await.unwrap().locks;
    lapsed.extend(batch(world, others, Premises::default()).await.unwrap().locks);
    world.clock.advance(Duration::from_secs(30));
    let held = lock(world, world.put("/held", b"x").await.id).await;
    world.clock.advance(Duration::from_secs(30));
    let expired = async || {
        let events = world.events(EventQuery::default()).await;
        events.into_iter().filter(|event| event.r#type == "lock.expired").collect::<Vec<_>>()
    };
    // A purged file's lock is over with it: it is no news.
    let gone = lapsed.pop().unwrap();
    engine.trash_node(owner, gone.lock.node_id, Premises::default()).await.unwrap();
    engine.purge_node(owner, gone.lock.node_id, Premises::default()).await.unwrap();
    let pruned = |expired, removed| PrunedLocks { expired, removed };
    assert_eq!(engine.prune_locks().await.unwrap(), pruned(119, 0));
    assert_eq!(engine.prune_locks().await.unwrap(), PrunedLocks::default());
    let events = expired().await;
    assert_eq!(events.len(), 119);
    let said = events.iter().find(|event| event.node_id == Some(lapsed[0].lock.node_id)).unwrap();
    assert_eq!(said.lock_id.zip(said.fence), Some((lapsed[0].lock.id, lapsed[0].lock.fence)));
    // Who comes late is told the same as ever, and what held still holds.
    let release = async |late: &LockGrant| engine.release_lock(owner, late.lock.id, token(late)).await;
    lost(release(&lapsed[0]).await, LostReason::Expired);
    let next = lock(world, lapsed[0].lock.node_id).await;
    assert_eq!(next.lock.fence, lapsed[0].lock.fence + 1);
    lost(release(&lapsed[0]).await, LostReason::Superseded);
    assert_eq!(expired().await.len(), 119, "it was told once");
    engine.release_lock(owner, held.lock.id, token(&held)).await.unwrap();
    // A day later too; after two it is forgotten, and the fence goes on from where it was.
    world.clock.advance(Duration::from_hours(25));
    assert_eq!(engine.prune_locks().await.unwrap(), pruned(1, 0));
    lost(release(&next).await, LostReason::Expired);
    world.clock.advance(Duration::from_hours(24));
    assert_eq!(engine.prune_locks().await.unwrap(), pruned(0, 121));
    refused(release(&lapsed[0]).await, Code::LockNotFound);
    lost(release(&next).await, LostReason::Expired);
    assert_eq!(lock(world, next.lock.node_id).await.lock.fence, next.lock.fence + 1);
    assert_eq!(lock(world, lapsed[1].lock.node_id).await.lock.fence, lapsed[1].lock.fence + 1);
}
