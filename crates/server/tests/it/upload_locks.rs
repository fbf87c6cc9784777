//! A lock under which an upload comes that takes longer than the lock's lease.

use std::time::Duration;

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use longshore_core::Timestamp;
use longshore_core::wire::{LockGrant, NodeLock, SHORTEST_LEASE};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::world::{User, World};

/// More bytes than are sent one by one.
const LENGTH: usize = 100_000;

async fn ends(world: &World, file: &str) -> Timestamp {
    world.get(&format!("/v1/files/{file}/lock")).await.read::<NodeLock>().expires_at
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_lives_as_long_as_the_bytes_of_a_staged_upload_come() {
    let world = World::new().await;
    let file = world.put("f", "old").await.id.to_string();
    let asked = json!({ "ttl_seconds": SHORTEST_LEASE }).to_string();
    let grant: LockGrant = world.edit(&format!("POST /v1/files/{file}/lock"), asked).await.read();
    let (tus, under) = (("tus-resumable", "1.0.0"), ("lock-token", grant.token.as_str()));
    let metadata = format!("node_id {}", STANDARD.encode(&file));
    let length = LENGTH.to_string();
    let said = [tus, under, ("upload-length", length.as_str()), ("upload-metadata", metadata.as_str())];
    let begun = world.call(User::Editor, "POST /v1/uploads", &said, "").await;
    assert_eq!(begun.outcome(), "201");
    let patch = format!("PATCH {}", begun.header("location"));
    let typed = ("content-type", "application/offset+octet-stream");
    let (send, mut sent) = mpsc::channel::<std::io::Result<Bytes>>(1);
    let body = Body::from_stream(futures_util::stream::poll_fn(move |cx| sent.poll_recv(cx)));
    let headers = [tus, under, typed, ("upload-offset", "0")];
    let patching = world.call(User::Editor, &patch, &headers, body);
    let dripping = async {
        let (mut rest, mut last) = (LENGTH, grant.lock.expires_at);
        // Nearly the whole lease goes by, again and again: without being renewed in between the lock would be gone. The first
        // time that may be by the request itself.
        for _ in 0..3 {
            world.clock.advance(Duration::from_secs(u64::from(SHORTEST_LEASE)) * 9 / 10);
            let patience = Instant::now() + Duration::from_secs(60);
            loop {
                send.send(Ok(Bytes::from_static(b"x"))).await.unwrap();
                rest -= 1;
                let now = ends(&world, &file).await;
                if now > last {
                    last = now;
                    break;
                }
                assert!(Instant::now() < patience, "bytes come, and the lock is not renewed");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        send.send(Ok(vec![b'x'; rest].into())).await.unwrap();
        drop(send);
    };
    let (patched, ()) = tokio::join!(patching, dripping);
    assert_eq!(patched.outcome(), "204");
    let read = world.get(&format!("{}?content=1", world.at("f"))).await;
    assert_eq!(read.body.len(), LENGTH);
    let lock: NodeLock = world.get(&format!("/v1/files/{file}/lock")).await.read();
    assert_eq!((lock.id, lock.fence), (grant.lock.id, grant.lock.fence));
}
