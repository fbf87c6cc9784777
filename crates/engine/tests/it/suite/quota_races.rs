//! Quotas where many write at once, and what uploads that are not finished set aside.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use longshore_core::wire::{Quota, QuotaExceeded, QuotaLimit, Role, UploadState, Usage};
use longshore_core::{Code, UploadId, delta};
use longshore_engine::{
    Actor, AppendOptions, DropOptions, Idempotency, Made, NewUpload, Premises, Result, Staged, Target,
    UploadOptions,
};

use super::quotas::{bytes, exceeds, limit, usage};
use super::uploads::{begin, file, make, open, send, write};
use super::visitors::{to_drop, visited};
use crate::world::{World, name, noise, refused};

const PARALLEL: usize = 50;
const SIZE: usize = 30_000;

/// One of many uploads: of each way to send, and of each way to end.
async fn upload(world: &World, number: usize) -> Result<()> {
    let (text, content) = (format!("/{number}"), noise(SIZE + number, number as u64));
    let (engine, owner) = (&world.engine, &world.owner);
    let ends_early = number.is_multiple_of(2);
    match number % 6 {
        0 | 1 => {
            let mut upload = engine.begin_upload(owner, world.at(&text), UploadOptions::default()).await?;
            upload.write(Bytes::from(content)).await?;
            // One that is dropped is cut.
            if ends_early { Ok(()) } else { upload.finish().await.map(drop) }
        }
        2 | 3 => {
            let wrong = longshore_core::Digest::new(longshore_core::Algorithm::Blake3, [7; 32]);
            let digests = if ends_early { vec![wrong] } else { Vec::new() };
            let length = Some(content.len() as u64);
            let options = UploadOptions { length, digests, ..UploadOptions::default() };
            world.put_as(owner, world.at(&text), &content, options).await.map(drop)
        }
        _ => {
            let made = file(world, &text, UploadOptions::default());
            let id = make(world, owner, made, Some(content.len() as u64)).await?.id;
            let mut appending = open(world, id, 0).await?;
            if !ends_early {
                write(&mut appending, &content).await?;
                return appending.finish().await.map(drop);
            }
            write(&mut appending, &content[..1_000]).await?;
            appending.break_off().await?;
            // Every second one of these is left alone.
            if number.is_multiple_of(4) { engine.remove_upload(owner, id).await } else { Ok(()) }
        }
    }
}

pub(super) async fn fifty_parallel_uploads_never_pass_a_quota_by_a_byte(world: &World) {
    let most = (SIZE * 12) as u64;
    limit(world, Quota { bytes: Some(most), files: Some(11), largest_file: None }).await;
    for round in 0..2 {
        let outcomes = join_all((0..PARALLEL).map(|number| upload(world, number))).await;
        for outcome in outcomes {
            if let Err(error) = outcome {
                assert!(
                    matches!(error.code(), Code::QuotaExceeded | Code::DigestMismatch),
                    "round {round}: {error}"
                );
            }
        }
        let now = usage(world).await;
        assert!(now.bytes + now.staged_bytes <= most && now.files <= 11, "{now:?}");
        assert!(now.files >= 5, "some had room: {now:?}");
        world.clock.advance(Duration::from_hours(25));
        world.engine.prune_uploads().await.unwrap();
        let now = usage(world).await;
        assert_eq!(now.staged_bytes, 0, "nothing leaks");
        assert_eq!(now.files as usize, world.paths().await.len());
    }
    // What is left over is the sweeper's, and what is counted stays.
    let before = usage(world).await;
    world.engine.sweep().await.unwrap();
    world.clock.advance(Duration::from_hours(25));
    world.engine.sweep().await.unwrap();
    assert_eq!(usage(world).await, before);
    let [versions] = world.numbers("SELECT CAST(COUNT(*) AS BIGINT) FROM versions").await;
    let blobs = i64::try_from(world.blobs().await).unwrap();
    assert_eq!(blobs, versions, "each version has its blob, and nothing else has one");
}

pub(super) async fn open_uploads_set_aside_what_they_announce(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    limit(world, bytes(1_000)).await;
    let one = begin(world, "/one", 600).await;
    assert_eq!(usage(world).await, Usage { bytes: 0, files: 0, staged_bytes: 600 });
    let full = |used, asked| QuotaExceeded { of: QuotaLimit::Bytes, limit: 1_000, used, asked };
    let other = async || make(world, owner, file(world, "/other", UploadOptions::default()), Some(401)).await;
    exceeds(other().await, full(600, 401));
    exceeds(world.put_with("/x", &noise(401, 1), UploadOptions::default()).await, full(600, 401));
    world.put("/x", &noise(400, 1)).await;
    // Who was let begin finds room at the end, whoever came meanwhile.
    exceeds(world.put_with("/y", b"y", UploadOptions::default()).await, full(1_000, 1));
    let done = send(world, one, 0, &noise(600, 2)).await.unwrap();
    assert_eq!(done.state, UploadState::Finished);
    assert_eq!(usage(world).await, Usage { bytes: 1_000, files: 2, staged_bytes: 0 });
    // Its row stays for a day, and gives nothing back a second time.
    world.clock.advance(Duration::from_hours(25));
    assert_eq!(engine.prune_uploads().await.unwrap(), 1);
    let node = world.node_at("/x").await.unwrap().id;
    engine.trash_node(owner, node, Premises::default()).await.unwrap();
    engine.purge_node(owner, node, Premises::default()).await.unwrap();
    assert_eq!(usage(world).await, Usage { bytes: 600, files: 1, staged_bytes: 0 });
    // One that is refused at its end still has its bytes.
    let wanted =
        UploadOptions { digests: vec![super::uploads::digest(b"other")], ..UploadOptions::default() };
    let refused_one = make(world, owner, file(world, "/z", wanted), Some(100)).await.unwrap().id;
    refused(send(world, refused_one, 0, &noise(100, 3)).await, Code::DigestMismatch);
    assert_eq!(usage(world).await.staged_bytes, 100);
    let left = begin(world, "/left", 100).await;
    send(world, left, 0, &noise(30, 3)).await.unwrap();
    assert_eq!(usage(world).await.staged_bytes, 200);
    engine.remove_upload(owner, refused_one).await.unwrap();
    assert_eq!(usage(world).await.staged_bytes, 100);
    world.clock.advance(Duration::from_hours(25));
    assert_eq!(engine.prune_uploads().await.unwrap(), 1);
    assert_eq!(usage(world).await, Usage { bytes: 600, files: 1, staged_bytes: 0 });
}

pub(super) async fn what_announces_nothing_is_set_aside_as_it_comes(world: &World) {
    limit(world, Quota { bytes: Some(1_000), files: None, largest_file: Some(900) }).await;
    let made = async |text: &str| {
        make(world, &world.owner, file(world, text, UploadOptions::default()), None).await.unwrap().id
    };
    let one = made("/one").await;
    assert_eq!(usage(world).await.staged_bytes, 0);
    assert_eq!(send(world, one, 0, &noise(300, 1)).await.unwrap().offset, 300);
    assert_eq!(usage(world).await.staged_bytes, 300);
    let other = made("/other").await;
    send(world, other, 0, &noise(600, 2)).await.unwrap();
    assert_eq!(usage(world).await.staged_bytes, 900);
    let blobs = world.blobs().await;
    let more = send(world, other, 600, &noise(101, 2)).await;
    exceeds(more, QuotaExceeded { of: QuotaLimit::Bytes, limit: 1_000, used: 300, asked: 701 });
    assert_eq!(world.blobs().await, blobs, "what was refused is given back");
    // What came before it is kept.
    let length = |id, offset, length| {
        let options = AppendOptions { offset, length: Some(length), ..AppendOptions::default() };
        async move { world.engine.append_upload(&world.owner, id, options).await?.finish().await }
    };
    let told: Result<Staged> = length(other, 600, 950).await;
    refused(told, Code::QuotaExceeded);
    let staged = world.engine.staged_upload(&world.owner, other).await.unwrap();
    assert_eq!((staged.offset, staged.length), (600, None));
    assert_eq!(usage(world).await.staged_bytes, 900);
    // The length that comes late sets the rest aside at once.
    length(other, 600, 700).await.unwrap();
    assert_eq!(usage(world).await.staged_bytes, 1_000);
    assert_eq!(send(world, other, 600, &noise(100, 2)).await.unwrap().state, UploadState::Finished);
    assert_eq!(usage(world).await, Usage { bytes: 700, files: 1, staged_bytes: 300 });
    length(one, 300, 300).await.unwrap();
    assert_eq!(usage(world).await, Usage { bytes: 1_000, files: 2, staged_bytes: 0 });
}

pub(super) async fn parts_are_set_aside_where_there_is_room(world: &World) {
    let engine = &world.engine;
    limit(world, bytes(1_000)).await;
    let editor = world.user(Role::Editor, Some(world.id())).await;
    let part = async |length| make(world, &editor, Made::Part(None, None), Some(length)).await;
    let (one, other) = (part(400).await.unwrap().id, part(500).await.unwrap().id);
    assert_eq!(usage(world).await.staged_bytes, 900);
    refused(part(101).await, Code::QuotaExceeded);
    for (id, size) in [(one, 400), (other, 500)] {
        let options = AppendOptions::default();
        let mut appending = engine.append_upload(&editor, id, options).await.unwrap();
        appending.write(noise(size, 1).into()).await.unwrap();
        appending.finish().await.unwrap();
    }
    assert_eq!(usage(world).await, Usage { bytes: 0, files: 0, staged_bytes: 900 });
    let joined = |id: UploadId| NewUpload {
        id,
        made: file(world, "/joined", UploadOptions::default()),
        length: None,
        metadata: String::new(),
    };
    // What has become too much meanwhile stays staged, and is written once there is room.
    limit(world, bytes(899)).await;
    let id = engine.upload_id();
    refused(engine.join_uploads(&editor, joined(id), &[one, other]).await, Code::QuotaExceeded);
    assert_eq!(usage(world).await, Usage { bytes: 0, files: 0, staged_bytes: 900 });
    limit(world, bytes(900)).await;
    let done = engine.join_uploads(&editor, joined(engine.upload_id()), &[one, other]).await.unwrap();
    assert_eq!(done.state, UploadState::Finished);
    assert_eq!(usage(world).await, Usage { bytes: 900, files: 1, staged_bytes: 0 });
    // Who reaches a workspace without a limit stages there, and nothing of this one.
    world.clock.advance(Duration::from_millis(1));
    engine.create_workspace(&world.owner, name("other"), None).await.unwrap();
    make(world, &world.owner, Made::Part(None, None), Some(5_000)).await.unwrap();
    assert_eq!(usage(world).await.staged_bytes, 0);
    // Unless it is said where the file is to be, and how far it reaches.
    limit(world, Quota { bytes: Some(1_000), files: None, largest_file: Some(300) }).await;
    let named = async |actor: &Actor, at, length| {
        make(world, actor, Made::Part(Some(at), Some(world.id())), Some(length)).await
    };
    refused(named(&world.owner, 0, 101).await, Code::QuotaExceeded);
    refused(named(&world.owner, 250, 51).await, Code::QuotaExceeded);
    named(&world.owner, 250, 50).await.unwrap();
    assert_eq!(usage(world).await.staged_bytes, 50);
    let viewer = world.user(Role::Viewer, Some(world.id())).await;
    refused(named(&viewer, 0, 1).await, Code::Forbidden);
}

pub(super) async fn a_delta_counts_in_full(world: &World) {
    let base = noise(100_000, 1);
    let node = world.put("/a", &base).await;
    limit(world, bytes(300_010)).await;
    let mut content = base;
    content.extend(b"0123456789");
    let digests = vec![super::uploads::digest(&content)];
    let begin = async || {
        let options = UploadOptions { digests: digests.clone(), ..UploadOptions::default() };
        let made = Made::File(Target::Node(node.id), Box::new(options));
        make(world, &world.owner, made, Some(content.len() as u64)).await
    };
    let id = begin().await.unwrap().id;
    let options = AppendOptions { base: node.version_id, ..AppendOptions::default() };
    let mut appending = world.engine.append_upload(&world.owner, id, options).await.unwrap();
    let mut steps = delta::copy(0..100_000).to_vec();
    steps.extend(delta::data(10));
    steps.extend(b"0123456789");
    appending.write(steps.into()).await.unwrap();
    assert_eq!(appending.finish().await.unwrap().state, UploadState::Finished);
    assert_eq!(usage(world).await, Usage { bytes: 200_010, files: 1, staged_bytes: 0 });
    exceeds(
        begin().await,
        QuotaExceeded { of: QuotaLimit::Bytes, limit: 300_010, used: 200_010, asked: 100_010 },
    );
}

pub(super) async fn a_repeat_is_not_measured_by_what_it_did_itself(world: &World) {
    limit(world, bytes(400_000)).await;
    let content = noise(300_000, 1);
    let options = |length| {
        let premises =
            Premises { idempotency: Some(Idempotency::new("once").unwrap()), ..Premises::default() };
        UploadOptions { length, premises, ..UploadOptions::default() }
    };
    for length in [Some(300_000), Some(300_000)] {
        world.put_with("/a", &content, options(length)).await.unwrap();
    }
    world.put_with("/a", &content, options(None)).await.unwrap();
    assert_eq!(usage(world).await, Usage { bytes: 300_000, files: 1, staged_bytes: 0 });
    let id = begin(world, "/b", 100_000).await;
    send(world, id, 0, &noise(100_000, 2)).await.unwrap();
    // And so is an upload that is finished.
    let again = world.engine.resume_upload(&world.owner, id, Premises::default()).await.unwrap();
    assert_eq!(again.state, UploadState::Finished);
    assert_eq!(usage(world).await, Usage { bytes: 400_000, files: 2, staged_bytes: 0 });
}

pub(super) async fn a_used_key_lets_in_no_more_than_came_under_it_first(world: &World) {
    let engine = &world.engine;
    let key = |text: &str| Some(Idempotency::new(text).unwrap());
    let options = |text: &str, length| {
        let premises = Premises { idempotency: key(text), ..Premises::default() };
        UploadOptions { length, premises, ..UploadOptions::default() }
    };
    let there = world.put_with("/box/there", b"1", options("put", None)).await.unwrap().node;
    let premises = Premises { idempotency: key("quota"), ..Premises::default() };
    engine.set_quota(&world.owner, world.id(), bytes(3).into(), premises).await.unwrap();
    let (_, visiting) = visited(world, &world.owner, there.parent_id.unwrap(), to_drop()).await;
    let dropped = async |length, content: Vec<u8>| {
        let options = DropOptions { length, idempotency: key("drop"), ..DropOptions::default() };
        let mut dropping = engine.begin_drop(&visiting, name("new"), options).await?;
        dropping.write(content.into()).await?;
        dropping.finish().await
    };
    let first = dropped(None, b"2".to_vec()).await.unwrap();
    limit(world, bytes(2)).await;
    let blobs = world.blobs().await;
    // It is said of the bytes that are one too many, and not of the end, which may never come.
    let mut more =
        engine.begin_upload(&world.owner, world.at("/box/there"), options("put", None)).await.unwrap();
    more.write(Bytes::from_static(b"1")).await.unwrap();
    refused(more.write(Bytes::from_static(b"1")).await, Code::IdempotencyMismatch);
    drop(more);
    let dropping = DropOptions { idempotency: key("drop"), ..DropOptions::default() };
    let mut more = engine.begin_drop(&visiting, name("new"), dropping).await.unwrap();
    refused(more.write(vec![0; 1 << 20].into()).await, Code::IdempotencyMismatch);
    drop(more);
    // Before the first byte, where the length is said or where the key was not a file's.
    let whole = Some(1 << 40);
    for (text, length) in [("put", whole), ("quota", whole), ("quota", None)] {
        let begun = engine.begin_upload(&world.owner, world.at("/box/there"), options(text, length)).await;
        refused(begun, Code::IdempotencyMismatch);
    }
    refused(dropped(whole, Vec::new()).await, Code::IdempotencyMismatch);
    assert_eq!((usage(world).await.bytes, world.blobs().await), (2, blobs));
    // Who repeats what they sent has the first answer, however full it is by now.
    assert_eq!(dropped(None, b"2".to_vec()).await.unwrap(), first);
    assert_eq!(dropped(Some(1), b"2".to_vec()).await.unwrap(), first);
}

pub(super) async fn a_repeat_is_taken_whatever_became_of_what_it_did(world: &World) {
    let engine = &world.engine;
    let content = noise(300_000, 1);
    let options = |text: &str, length| {
        let premises = Premises { idempotency: Some(Idempotency::new(text).unwrap()), ..Premises::default() };
        UploadOptions { length, premises, ..UploadOptions::default() }
    };
    let put = async |text: &'static str, length| {
        world.put_with(&format!("/dir/{text}"), &content, options(text, length)).await.unwrap().node
    };
    let firsts = [put("stays", None).await, put("changes", None).await, put("goes", None).await];
    world.put("/dir/changes", b"of somebody else").await;
    engine.trash_node(&world.owner, firsts[2].id, Premises::default()).await.unwrap();
    engine.purge_node(&world.owner, firsts[2].id, Premises::default()).await.unwrap();
    limit(world, Quota { bytes: Some(1), files: Some(0), largest_file: Some(1) }).await;
    let before = usage(world).await;
    for length in [None, Some(300_000)] {
        for (text, first) in ["stays", "changes", "goes"].into_iter().zip(&firsts) {
            let again = put(text, length).await;
            assert_eq!((again.id, again.version_id), (first.id, first.version_id), "{text}");
        }
    }
    assert_eq!(usage(world).await, before);
}
