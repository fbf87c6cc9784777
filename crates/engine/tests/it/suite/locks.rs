//! Locks: one holder, a rising fence, and every way to write.

use std::time::Duration;

use futures_util::future::join_all;
use longshore_core::wire::{
    AcquireLock, AcquireLocks, CopyNode, LockGrant, LostReason, Node, RenewLock, RestoreNode, Role,
    UpdateNode, UpdateVersion,
};
use longshore_core::{Code, LockToken, NodeId};
use longshore_engine::{
    Actor, Engine, Error, EventQuery, Idempotency, PageRequest, Premises, Result, Target, UploadOptions,
};

use crate::world::{World, name, path, refused};

pub(super) async fn take(world: &World, node: NodeId, wanted: AcquireLock) -> Result<LockGrant> {
    let taken = world.engine.lock_node(&world.owner, node, wanted, Premises::default()).await;
    taken.map(|(granted, _)| granted)
}

async fn lock(world: &World, node: &Node) -> LockGrant {
    take(world, node.id, AcquireLock::default()).await.expect("the lock is free")
}

pub(super) fn token(granted: &LockGrant) -> LockToken {
    granted.token.parse().expect("a token")
}

pub(super) fn under(granted: &[&LockGrant]) -> Premises {
    Premises { locks: granted.iter().map(|granted| token(granted)).collect(), ..Premises::default() }
}

fn waiting(seconds: u32) -> AcquireLock {
    AcquireLock { wait_seconds: seconds, ..AcquireLock::default() }
}

async fn release(world: &World, granted: &LockGrant) -> Result<()> {
    world.engine.release_lock(&world.owner, granted.lock.id, token(granted)).await
}

#[track_caller]
pub(super) fn lost<T: std::fmt::Debug>(result: Result<T>, reason: LostReason) {
    let error = result.expect_err("the lock is lost");
    assert_eq!((error.code(), error.facts().unwrap().reason), (Code::LockLost, Some(reason)), "{error}");
}

/// Every way to write to a file or around it, each under the given premises.
async fn write_everywhere(
    engine: &Engine,
    actor: &Actor,
    world: &World,
    file: &Node,
    premises: impl Fn() -> Premises,
) -> Vec<(&'static str, std::result::Result<(), Error>)> {
    let options = || UploadOptions { premises: premises(), ..UploadOptions::default() };
    let renamed = UpdateNode { name: Some(name("other")), ..UpdateNode::default() };
    let metadata = [("k".to_owned(), "v".to_owned())].into();
    let described = UpdateNode { metadata: Some(metadata), ..UpdateNode::default() };
    let labelled = UpdateNode { add_labels: ["l".to_owned()].into(), ..UpdateNode::default() };
    let called = UpdateVersion { label: Some("called".to_owned()) };
    let moved = UpdateNode { parent_id: Some(world.root()), ..UpdateNode::default() };
    let version = file.version_id.unwrap();
    let parent = file.parent_id.unwrap();
    let above = UpdateNode { name: Some(name("elsewhere")), ..UpdateNode::default() };
    vec![
        ("write", world.put_as(actor, Target::Node(file.id), b"new", options()).await.map(drop)),
        ("write by path", {
            let target = world.at(&file.path.to_string());
            world.put_as(actor, target, b"new", options()).await.map(drop)
        }),
        ("rename", engine.update_node(actor, file.id, renamed, premises()).await.map(drop)),
        ("metadata", engine.update_node(actor, file.id, described, premises()).await.map(drop)),
        ("labels", engine.update_node(actor, file.id, labelled, premises()).await.map(drop)),
        ("move", engine.update_node(actor, file.id, moved, premises()).await.map(drop)),
        ("restore version", engine.restore_version(actor, file.id, version, premises()).await.map(drop)),
        ("label version", {
            engine.update_version(actor, file.id, version, called, premises()).await.map(drop)
        }),
        ("delete version", engine.delete_version(actor, file.id, version, premises()).await),
        ("trash", engine.trash_node(actor, file.id, premises()).await.map(drop)),
        ("rename above", engine.update_node(actor, parent, above, premises()).await.map(drop)),
        ("trash above", engine.trash_node(actor, parent, premises()).await.map(drop)),
    ]
}

pub(super) async fn no_write_path_passes_a_lock(world: &World) {
    let file = world.put("/folder/file", b"old").await;
    let other = world.put("/other", b"old").await;
    let engine = &world.engine;
    // An upload that began while the file was free: the commit decides.
    let mut early = Vec::new();
    for target in [Target::Node(file.id), world.at("/folder/file")] {
        let upload = engine.begin_upload(&world.owner, target, UploadOptions::default()).await;
        early.push(upload.unwrap());
    }
    let held = lock(world, &file).await;
    let elsewhere = lock(world, &other).await;
    for upload in early {
        refused(upload.finish().await, Code::Locked);
    }
    let before = world.event_types().await;
    // Two agents may share one key, so the owner's own key without the token is anybody's.
    for (how, done) in write_everywhere(engine, &world.owner, world, &file, Premises::default).await {
        let error = done.expect_err(how);
        assert_eq!(error.code(), Code::Locked, "{how}");
        assert_eq!(error.facts().unwrap().lock.as_ref().unwrap().id, held.lock.id, "{how}");
    }
    for (how, done) in write_everywhere(engine, &world.owner, world, &file, || under(&[&elsewhere])).await {
        assert_eq!(done.expect_err(how).code(), Code::Locked, "{how}");
    }
    assert_eq!(world.event_types().await, before, "nothing happened");
    // With the token each is done, and a token that covers nothing is told so.
    let written = world.put_as(
        &world.owner,
        Target::Node(file.id),
        b"new",
        UploadOptions { premises: under(&[&held]), ..UploadOptions::default() },
    );
    assert_eq!(written.await.unwrap().node.fence, held.lock.fence);
    let renamed = || UpdateNode { name: Some(name("third")), ..UpdateNode::default() };
    let vain = engine.update_node(&world.owner, other.id, renamed(), under(&[&elsewhere, &held])).await;
    let vain = vain.expect_err("one of the locks covers nothing here");
    assert_eq!(vain.code(), Code::LockElsewhere);
    assert!(vain.facts().unwrap().locks.iter().eq([&held.lock]), "it says which");
    engine.update_node(&world.owner, other.id, renamed(), under(&[&elsewhere])).await.unwrap();
    // A locked file is restored from the trash by its holder alone.
    engine.trash_node(&world.owner, file.id, under(&[&held])).await.unwrap();
    let back = RestoreNode::default;
    let elsewhere = || RestoreNode { parent_id: Some(world.root()), ..RestoreNode::default() };
    for to in [back(), elsewhere()] {
        refused(engine.restore_node(&world.owner, file.id, to, Premises::default()).await, Code::Locked);
    }
    engine.restore_node(&world.owner, file.id, elsewhere(), under(&[&held])).await.unwrap();
    engine.trash_node(&world.owner, file.id, under(&[&held])).await.unwrap();
    engine.restore_node(&world.owner, file.id, back(), under(&[&held])).await.unwrap();
    // Reading and copying from it are nobody's harm.
    assert_eq!(world.read(file.id).await.unwrap(), b"new");
    let copy = CopyNode { parent_id: None, name: Some(name("copy")) };
    let copied = engine.copy_node(&world.owner, file.id, copy, Premises::default()).await.unwrap();
    assert!(copied.lock.is_none());
}

pub(super) async fn a_locked_folder_covers_what_is_below(world: &World) {
    let file = world.put("/folder/sub/file", b"old").await;
    let folder = world.node_at("/folder").await.unwrap();
    let held = lock(world, &folder).await;
    let options = || UploadOptions { premises: under(&[&held]), ..UploadOptions::default() };
    refused(world.put_with("/folder/new", b"x", UploadOptions::default()).await, Code::Locked);
    refused(world.put_with("/folder/a/b/new", b"x", UploadOptions::default()).await, Code::Locked);
    refused(world.put_with("/folder/sub/file", b"x", UploadOptions::default()).await, Code::Locked);
    let (engine, owner) = (&world.engine, &world.owner);
    refused(engine.create_folder(owner, folder.id, name("x"), Premises::default()).await, Code::Locked);
    refused(
        engine.create_folders(owner, world.id(), path("/folder/x/y"), Premises::default()).await,
        Code::Locked,
    );
    let stray = world.put("/stray", b"x").await;
    let into = || UpdateNode { parent_id: Some(folder.id), ..UpdateNode::default() };
    refused(engine.update_node(owner, stray.id, into(), Premises::default()).await, Code::Locked);
    let copy = || CopyNode { parent_id: Some(folder.id), name: None };
    refused(engine.copy_node(owner, stray.id, copy(), Premises::default()).await, Code::Locked);
    world.put_with("/folder/a/b/new", b"x", options()).await.unwrap();
    engine.update_node(owner, stray.id, into(), under(&[&held])).await.unwrap();
    assert_eq!(engine.lock_of(owner, file.id).await.unwrap().id, held.lock.id);
    // Nobody else locks anything below; the holder does, by naming its lock.
    refused(take(world, file.id, AcquireLock::default()).await, Code::Locked);
    let inner = engine.lock_node(owner, file.id, AcquireLock::default(), under(&[&held])).await.unwrap().0;
    // The other way round: what has a locked file in it is not locked by another.
    release(world, &held).await.unwrap();
    refused(take(world, folder.id, AcquireLock::default()).await, Code::Locked);
    refused(take(world, world.root(), AcquireLock::default()).await, Code::Locked);
    release(world, &inner).await.unwrap();
    take(world, world.root(), AcquireLock::default()).await.unwrap();
}

pub(super) async fn a_lease_ends_to_the_millisecond(world: &World) {
    let file = world.put("/file", b"old").await;
    let held = lock(world, &file).await;
    let ttl = Duration::from_secs(60);
    let renew = async || {
        world.engine.renew_lock(&world.owner, held.lock.id, token(&held), RenewLock::default()).await
    };
    world.clock.advance(ttl - Duration::from_millis(1));
    let renewed = renew().await.expect("a millisecond before its end");
    assert_eq!((renewed.lock.fence, renewed.expires_in), (held.lock.fence, 60));
    world.clock.advance(ttl);
    lost(renew().await, LostReason::Expired);
    let options = UploadOptions { premises: under(&[&held]), ..UploadOptions::default() };
    lost(world.put_with("/file", b"late", options.clone()).await, LostReason::Expired);
    assert!(world.node_at("/file").await.unwrap().lock.is_none());
    // Nobody is kept out by what is over, and then it is superseded.
    let next = lock(world, &file).await;
    assert!(next.lock.fence > held.lock.fence);
    lost(renew().await, LostReason::Superseded);
    lost(world.put_with("/file", b"late", options).await, LostReason::Superseded);
    lost(release(world, &held).await, LostReason::Superseded);
    assert_eq!(world.read(file.id).await.unwrap(), b"old");
    // A clock that steps back brings nothing back to life.
    world.clock.advance(Duration::from_secs(61));
    world.put("/file", b"new").await;
    world.clock.set(longshore_core::Clock::now(&world.clock).minus(Duration::from_secs(60)));
    let options = UploadOptions { premises: under(&[&next]), ..UploadOptions::default() };
    lost(world.put_with("/file", b"late", options).await, LostReason::Expired);
}

pub(super) async fn renewing_ends_after_a_day(world: &World) {
    let file = world.put("/file", b"x").await;
    let wanted = AcquireLock { ttl_seconds: 3_600, ..AcquireLock::default() };
    let held = take(world, file.id, wanted).await.unwrap();
    let mut lived = 0;
    while world
        .engine
        .renew_lock(&world.owner, held.lock.id, token(&held), RenewLock::default())
        .await
        .is_ok()
    {
        world.clock.advance(Duration::from_secs(3_599));
        lived += 1;
    }
    assert_eq!(lived, 25, "a day and no more");
}

pub(super) async fn a_broken_lock_keeps_its_holder_out(world: &World) {
    let file = world.put("/file", b"old").await;
    let held = lock(world, &file).await;
    let editor = world.user(Role::Editor, None).await;
    refused(world.engine.break_lock(&editor, held.lock.id, "because").await, Code::Forbidden);
    refused(world.engine.break_lock(&world.owner, held.lock.id, " ").await, Code::InvalidBody);
    world.engine.break_lock(&world.owner, held.lock.id, "it hung").await.unwrap();
    let options = UploadOptions { premises: under(&[&held]), ..UploadOptions::default() };
    lost(world.put_with("/file", b"late", options).await, LostReason::Broken);
    let node = world.node_at("/file").await.unwrap();
    assert_eq!((node.fence, node.lock), (held.lock.fence + 1, None));
    assert_eq!(lock(world, &file).await.lock.fence, held.lock.fence + 2);
    let events = world.events(EventQuery::default()).await;
    let broken = events.iter().find(|event| event.r#type == "lock.broken").unwrap();
    assert_eq!(broken.data["reason"], "it hung");
    assert_eq!(broken.fence, Some(held.lock.fence + 1));
}

pub(super) async fn a_token_is_its_holders_alone(world: &World) {
    let (file, other) = (world.put("/file", b"x").await, world.put("/other", b"x").await);
    let (held, others) = (lock(world, &file).await, lock(world, &other).await);
    let engine = &world.engine;
    let forged = LockToken::generate(longshore_core::Timestamp::from_micros(1));
    let options = UploadOptions {
        premises: Premises { locks: vec![forged.clone()], ..Premises::default() },
        ..UploadOptions::default()
    };
    refused(world.put_with("/file", b"x", options).await, Code::LockTokenWrong);
    refused(engine.release_lock(&world.owner, held.lock.id, token(&others)).await, Code::LockTokenWrong);
    refused(
        engine.renew_lock(&world.owner, held.lock.id, forged, RenewLock::default()).await,
        Code::LockTokenWrong,
    );
    // Neither events nor what is told to others has the secret.
    refused(take(world, file.id, AcquireLock::default()).await, Code::Locked);
    let events = world.events(EventQuery::default()).await;
    let told = format!(
        "{events:?} {:?} {:?} {held:?}",
        engine.lock_of(&world.owner, file.id).await.unwrap(),
        take(world, file.id, AcquireLock::default()).await.unwrap_err(),
    );
    assert!(!told.contains(&held.token[30..]), "a token was told");
    // A viewer locks nothing; somebody in another workspace does not even see it.
    let viewer = world.user(Role::Viewer, None).await;
    let wanted = AcquireLock::default();
    refused(engine.lock_node(&viewer, file.id, wanted.clone(), Premises::default()).await, Code::Forbidden);
    world.clock.advance(Duration::from_millis(1));
    let apart = engine.create_workspace(&world.owner, name("apart"), None).await.unwrap();
    let stranger = world.user(Role::Admin, Some(apart.id)).await;
    refused(engine.lock_node(&stranger, file.id, wanted, Premises::default()).await, Code::NodeNotFound);
    refused(engine.release_lock(&stranger, held.lock.id, token(&held)).await, Code::LockNotFound);
    refused(engine.break_lock(&stranger, held.lock.id, "mine").await, Code::LockNotFound);
    refused(engine.lock_of(&stranger, file.id).await, Code::NodeNotFound);
}

pub(super) async fn a_release_may_be_repeated(world: &World) {
    let file = world.put("/file", b"x").await;
    let held = lock(world, &file).await;
    release(world, &held).await.unwrap();
    release(world, &held).await.unwrap();
    let options = UploadOptions { premises: under(&[&held]), ..UploadOptions::default() };
    lost(world.put_with("/file", b"late", options).await, LostReason::Released);
    let page = PageRequest::new(None, None);
    assert!(world.engine.list_locks(&world.owner, world.id(), None, page).await.unwrap().items.is_empty());
    let types = world.event_types().await;
    assert_eq!(types.iter().filter(|kind| *kind == "lock.released").count(), 1);
}

pub(super) async fn a_lost_grant_is_given_again(world: &World) {
    let file = world.put("/file", b"x").await;
    let premises =
        || Premises { idempotency: Some(Idempotency::new("once").unwrap()), ..Premises::default() };
    let ask =
        async || world.engine.lock_node(&world.owner, file.id, AcquireLock::default(), premises()).await;
    let (first, is_replay) = ask().await.unwrap();
    assert!(!is_replay);
    world.clock.advance(Duration::from_secs(10));
    let (again, is_replay) = ask().await.unwrap();
    assert!(is_replay);
    assert_eq!((again.token.as_str(), again.lock.fence), (first.token.as_str(), first.lock.fence));
    assert_eq!(again.expires_in, 50);
    // A refusal is not remembered: the key is good for the grant that follows.
    release(world, &first).await.unwrap();
    lost(ask().await, LostReason::Released);
    let held = lock(world, &file).await;
    let later = || Premises { idempotency: Some(Idempotency::new("later").unwrap()), ..Premises::default() };
    let ask = async || world.engine.lock_node(&world.owner, file.id, AcquireLock::default(), later()).await;
    refused(ask().await, Code::Locked);
    release(world, &held).await.unwrap();
    assert!(!ask().await.unwrap().1);
    assert!(ask().await.unwrap().1);
}

pub(super) async fn of_a_thousand_one_gets_the_lock(world: &World) {
    let file = world.put("/file", b"x").await;
    let asked = (0..1_000).map(|_| take(world, file.id, AcquireLock::default()));
    let results = join_all(asked).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(results.into_iter().filter_map(Result::err).all(|error| error.code() == Code::Locked));
    assert_eq!(world.event_types().await.len(), 3);
}

pub(super) async fn waiters_are_served_in_their_order(world: &World) {
    let file = world.put("/file", b"x").await;
    let first = lock(world, &file).await;
    let mut tickets = Vec::new();
    for place in 1..=3 {
        world.clock.advance(Duration::from_millis(1));
        // Waits a moment, is told to come again, and keeps its place by its ticket.
        let wanted = AcquireLock { wait_seconds: 1, ..AcquireLock::default() };
        let refusal = take(world, file.id, wanted).await.unwrap_err();
        let queue = refusal.facts().unwrap().queue.unwrap();
        assert_eq!((refusal.code(), queue.position), (Code::Locked, place));
        tickets.push(queue.ticket);
    }
    let again = |place: usize| AcquireLock { wait_ticket: tickets[place], ..AcquireLock::default() };
    release(world, &first).await.unwrap();
    // It is free, and still nobody passes the queue.
    refused(take(world, file.id, AcquireLock::default()).await, Code::Locked);
    refused(take(world, file.id, again(1)).await, Code::Locked);
    let second = take(world, file.id, again(0)).await.expect("the first in the queue");
    release(world, &second).await.unwrap();
    // Who does not ask any more loses its place.
    world.clock.advance(Duration::from_secs(9));
    refused(take(world, file.id, again(2)).await, Code::Locked);
    world.clock.advance(Duration::from_secs(2));
    take(world, file.id, again(2)).await.expect("the one before it has gone away");
}

pub(super) async fn a_waiter_is_woken(world: &World) {
    let file = world.put("/file", b"x").await;
    let held = lock(world, &file).await;
    let (waited, released) = tokio::join!(take(world, file.id, waiting(30)), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        release(world, &held).await
    });
    released.unwrap();
    assert_eq!(waited.unwrap().lock.fence, held.lock.fence + 1);
}

/// Asks until so many wait for a lock.
async fn until_waiting(world: &World, file: &Node, count: u64) {
    loop {
        let refusal = take(world, file.id, AcquireLock::default()).await.unwrap_err();
        if refusal.facts().unwrap().queue.unwrap().position > count {
            return;
        }
    }
}

pub(super) async fn who_goes_away_gives_its_place_up(world: &World) {
    let file = world.put("/file", b"x").await;
    let held = lock(world, &file).await;
    // Two wait, the second behind the first, who goes away before it was told its place.
    let mut first = Box::pin(take(world, file.id, waiting(30)));
    tokio::select! {
        done = &mut first => panic!("{done:?}"),
        () = until_waiting(world, &file, 1) => {}
    }
    let second = take(world, file.id, waiting(30));
    let (second, ()) = tokio::join!(second, async {
        until_waiting(world, &file, 2).await;
        drop(first);
        release(world, &held).await.unwrap();
    });
    // The clock stands: no place was lost by time.
    assert_eq!(second.unwrap().lock.fence, held.lock.fence + 1);
}

pub(super) async fn a_circle_of_waiters_is_refused(world: &World) {
    let files = [world.put("/a", b"x").await, world.put("/b", b"x").await, world.put("/c", b"x").await];
    let [a, b, c] =
        [lock(world, &files[0]).await, lock(world, &files[1]).await, lock(world, &files[2]).await];
    let wait = async |node: &Node, held: &LockGrant| {
        world.engine.lock_node(&world.owner, node.id, waiting(2), under(&[held])).await
    };
    // a waits for b, b for c: c must not wait for a. The first two run out of patience.
    let newest = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        wait(&files[0], &c).await
    };
    let (one, two, three) = tokio::join!(wait(&files[1], &a), wait(&files[2], &b), newest);
    refused(one, Code::Locked);
    refused(two, Code::Locked);
    refused(three, Code::Deadlock);
}

pub(super) async fn a_batch_is_all_or_nothing(world: &World) {
    let mut files = Vec::new();
    for number in 0..5 {
        files.push(world.put(&format!("/{number}"), b"x").await.id);
    }
    files.reverse();
    let wanted = |files: &[NodeId]| AcquireLocks {
        files: files.to_vec(),
        ttl_seconds: 60,
        purpose: None,
        owner_label: None,
    };
    let held = take(world, files[2], AcquireLock::default()).await.unwrap();
    let batch = async |files: &[NodeId]| {
        world.engine.lock_nodes(&world.owner, wanted(files), Premises::default()).await
    };
    let refusal = batch(&files).await.unwrap_err();
    let blockers: Vec<_> = refusal.facts().unwrap().locks.iter().map(|lock| lock.id).collect();
    assert_eq!((refusal.code(), blockers), (Code::Locked, vec![held.lock.id]));
    let page = PageRequest::new(None, None);
    let live = world.engine.list_locks(&world.owner, world.id(), None, page).await.unwrap().items;
    assert_eq!(live.len(), 1, "nothing of the batch is held");
    release(world, &held).await.unwrap();
    let locks = batch(&files).await.unwrap().locks;
    assert_eq!(locks.iter().map(|granted| granted.lock.node_id).collect::<Vec<_>>(), files);
    refused(batch(&[files[0], files[0]]).await, Code::InvalidBody);
    refused(batch(&[]).await, Code::InvalidBody);
}

pub(super) async fn fences_only_rise(world: &World) {
    let file = world.put("/file", b"0").await;
    let mut fences = Vec::new();
    for round in 0..4 {
        let held = lock(world, &file).await;
        fences.push(held.lock.fence);
        let options = UploadOptions { premises: under(&[&held]), ..UploadOptions::default() };
        world.put_with("/file", &[round], options).await.unwrap();
        match round % 3 {
            0 => release(world, &held).await.unwrap(),
            1 => world.engine.break_lock(&world.owner, held.lock.id, "x").await.unwrap(),
            _ => world.clock.advance(Duration::from_secs(61)),
        }
        world.engine.trash_node(&world.owner, file.id, Premises::default()).await.unwrap();
        let back = RestoreNode::default();
        world.engine.restore_node(&world.owner, file.id, back, Premises::default()).await.unwrap();
    }
    assert!(fences.windows(2).all(|pair| pair[0] < pair[1]), "{fences:?}");
    let page = PageRequest::new(None, None);
    let versions = world.engine.list_versions(&world.owner, file.id, page).await.unwrap().items;
    let written: Vec<_> = versions.iter().rev().map(|version| version.fence).collect();
    assert_eq!(written, [&[0], &fences[..]].concat());
}
