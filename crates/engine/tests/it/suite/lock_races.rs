//! What meets a lock at the wrong moment: a break, a clock that steps back, another file at the same path.

use std::time::Duration;

use futures_util::future::join;
use longshore_core::wire::{AcquireLock, LostReason, RenewLock};
use longshore_core::{Clock, Code};
use longshore_engine::{Premises, Target, UploadOptions};

use super::locks::{lost, take, token, under};
use crate::world::{World, refused};

const LEASE: Duration = Duration::from_secs(60);

pub(super) async fn a_break_and_a_commit_come_one_after_the_other(world: &World) {
    let file = world.put("/file", b"old").await;
    let (mut committed, mut kept_out) = (0, 0);
    for round in 0..60_u8 {
        let held = take(world, file.id, AcquireLock::default()).await.unwrap();
        let options = UploadOptions { premises: under(&[&held]), ..UploadOptions::default() };
        let mut upload =
            world.engine.begin_upload(&world.owner, Target::Node(file.id), options).await.unwrap();
        upload.write(vec![round; 100].into()).await.unwrap();
        // Either may be first in the queue.
        let (broken, written) = if round % 2 == 0 {
            join(world.engine.break_lock(&world.owner, held.lock.id, "a race"), upload.finish()).await
        } else {
            let (written, broken) =
                join(upload.finish(), world.engine.break_lock(&world.owner, held.lock.id, "a race")).await;
            (broken, written)
        };
        broken.unwrap();
        let stands = world.node_at("/file").await.unwrap();
        assert_eq!(stands.fence, held.lock.fence + 1, "one grant, one break");
        match written {
            Ok(written) => {
                committed += 1;
                assert_eq!(written.node.fence, held.lock.fence, "it came before the break");
                assert_eq!(stands.version_id, written.node.version_id);
            }
            Err(error) => {
                kept_out += 1;
                lost::<()>(Err(error), LostReason::Broken);
                assert_ne!(world.read(file.id).await.unwrap(), vec![round; 100]);
            }
        }
    }
    assert!(committed > 0 && kept_out > 0, "{committed} committed, {kept_out} kept out: no race");
}

pub(super) async fn what_was_lost_stays_lost_when_the_clock_steps_back(world: &World) {
    let file = world.put("/file", b"old").await;
    let held = take(world, file.id, AcquireLock::default()).await.unwrap();
    let renew = async || {
        world.engine.renew_lock(&world.owner, held.lock.id, token(&held), RenewLock::default()).await
    };
    let write = async || {
        let options = UploadOptions { premises: under(&[&held]), ..UploadOptions::default() };
        world.put_with("/file", b"late", options).await
    };
    world.clock.advance(LEASE);
    // Nothing is committed while the lease is over: the holder is told, and that is all.
    lost(renew().await, LostReason::Expired);
    world.clock.set(world.clock.now().minus(Duration::from_secs(60)));
    lost(renew().await, LostReason::Expired);
    lost(write().await, LostReason::Expired);
    assert!(world.node_at("/file").await.unwrap().lock.is_none(), "nor is it shown as held");
    let next = take(world, file.id, AcquireLock::default()).await.unwrap();
    assert_eq!(next.lock.fence, held.lock.fence + 1);
    // The new lease is not shortened by what the clock has lost.
    world.clock.advance(LEASE.checked_sub(Duration::from_millis(1)).unwrap());
    world.engine.renew_lock(&world.owner, next.lock.id, token(&next), RenewLock::default()).await.unwrap();
    assert_eq!(world.read(file.id).await.unwrap(), b"old");
}

pub(super) async fn a_file_made_anew_at_a_path_has_a_lock_of_its_own(world: &World) {
    let first = world.put("/file", b"first").await;
    let old = take(world, first.id, AcquireLock::default()).await.unwrap();
    world.engine.trash_node(&world.owner, first.id, under(&[&old])).await.unwrap();
    let second = world.put("/file", b"second").await;
    assert_ne!(first.id, second.id);
    // The path is the same, the node is not: the lock has stayed with the one in the trash.
    let late = || UploadOptions { premises: under(&[&old]), ..UploadOptions::default() };
    refused(world.put_with("/file", b"late", late()).await, Code::LockElsewhere);
    let new = take(world, second.id, AcquireLock::default()).await.unwrap();
    refused(world.put_with("/file", b"late", late()).await, Code::Locked);
    let options = UploadOptions { premises: under(&[&new]), ..UploadOptions::default() };
    world.put_with("/file", b"third", options).await.unwrap();
    assert_eq!(world.read(second.id).await.unwrap(), b"third");
    // Once the second one is in the trash too, the first comes back with its fence.
    world.engine.trash_node(&world.owner, second.id, under(&[&new])).await.unwrap();
    world.engine.release_lock(&world.owner, old.lock.id, token(&old)).await.unwrap();
    world.engine.restore_node(&world.owner, first.id, Default::default(), Premises::default()).await.unwrap();
    let again = take(world, first.id, AcquireLock::default()).await.unwrap();
    assert_eq!(again.lock.fence, old.lock.fence + 1);
    lost(world.put_with("/file", b"late", late()).await, LostReason::Released);
}
