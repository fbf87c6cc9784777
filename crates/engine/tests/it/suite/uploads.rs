//! Staged uploads: what comes in many requests is one file, and nothing that came is lost.

use std::time::Duration;

use bytes::Bytes;
use longshore_core::wire::{AcquireLock, CopyNode, Role, UploadState};
use longshore_core::{Algorithm, Code, Digest, UploadId};
use longshore_engine::{
    Actor, AppendOptions, Appending, Made, NewUpload, Preconditions, Premises, Result, Staged, UploadOptions,
};

use super::locks::{take, under};
use crate::world::{World, collect, name, noise, refused};

const MIB: usize = 1024 * 1024;
const GRACE: Duration = Duration::from_hours(25);

pub(super) async fn make(world: &World, actor: &Actor, made: Made, length: Option<u64>) -> Result<Staged> {
    let id = world.engine.upload_id();
    let new = NewUpload { id, made, length, metadata: "filename eA==".to_owned() };
    world.engine.create_upload(actor, new).await
}

pub(super) fn file(world: &World, path: &str, options: UploadOptions) -> Made {
    Made::File(world.at(path), Box::new(options))
}

pub(super) async fn begin(world: &World, path: &str, length: usize) -> UploadId {
    let made = file(world, path, UploadOptions::default());
    make(world, &world.owner, made, Some(length as u64)).await.unwrap().id
}

pub(super) async fn open(world: &World, id: UploadId, offset: usize) -> Result<Appending> {
    let options = AppendOptions { offset: offset as u64, ..AppendOptions::default() };
    world.engine.append_upload(&world.owner, id, options).await
}

pub(super) async fn write(appending: &mut Appending, content: &[u8]) -> Result<()> {
    for bytes in content.chunks(100_000) {
        appending.write(Bytes::copy_from_slice(bytes)).await?;
    }
    Ok(())
}

pub(super) async fn send(world: &World, id: UploadId, offset: usize, content: &[u8]) -> Result<Staged> {
    let mut appending = open(world, id, offset).await?;
    write(&mut appending, content).await?;
    appending.finish().await
}

pub(super) async fn resume(world: &World, id: UploadId) -> Result<Staged> {
    world.engine.resume_upload(&world.owner, id, Premises::default()).await
}

pub(super) fn digest(content: &[u8]) -> Digest {
    Digest::new(Algorithm::Blake3, *blake3::hash(content).as_bytes())
}

/// Uploads content in requests that end at these cuts; returns what it became.
async fn upload(world: &World, path: &str, content: &[u8], cuts: &[usize]) -> Staged {
    let id = begin(world, path, content.len()).await;
    let (mut at, mut last) = (0, None);
    for end in cuts.iter().copied().chain([content.len()]) {
        last = Some(send(world, id, at, &content[at..end]).await.unwrap());
        at = end;
    }
    last.unwrap()
}

pub(super) async fn what_comes_in_many_requests_is_one_file(world: &World) {
    let content = noise(3 * MIB + 77, 1);
    let id = begin(world, "/a/b.txt", content.len()).await;
    let first = send(world, id, 0, &content[..MIB + 5]).await.unwrap();
    assert_eq!((first.state, first.offset), (UploadState::Receiving, MIB as u64 + 5));
    assert!(world.paths().await.is_empty(), "nobody sees a half");
    assert_eq!(resume(world, id).await.unwrap().offset, MIB as u64 + 5);
    let done = send(world, id, MIB + 5, &content[MIB + 5..]).await.unwrap();
    assert_eq!(done.state, UploadState::Finished);
    let written = done.written.unwrap();
    assert!(written.created);
    assert_eq!(written.node.path.to_string(), "/a/b.txt");
    assert_eq!(written.node.digest, Some(digest(&content)));
    assert!(world.read(written.node.id).await.unwrap() == content);
    assert_eq!(world.blobs().await, 2, "no byte was moved");
    assert_eq!(world.event_types().await, ["workspace.created", "folder.created", "file.created"]);
    assert_eq!(resume(world, id).await.unwrap().state, UploadState::Finished);
    // The next one makes a version of it.
    let again = upload(world, "/a/b.txt", b"small", &[2]).await.written.unwrap();
    assert_eq!((again.node.id, again.created), (written.node.id, false));
    assert_eq!(world.read(written.node.id).await.unwrap(), b"small");
}

pub(super) async fn every_size_and_cut_comes_back_whole(world: &World) {
    let cases: [(usize, &[usize]); 9] = [
        (0, &[]),
        (1, &[]),
        (16_384, &[10_000]),
        (16_385, &[]),
        (MIB, &[MIB / 2]),
        (MIB + 1, &[MIB]),
        (4 * MIB, &[MIB, 2 * MIB, 3 * MIB]),
        (4 * MIB + 5, &[MIB - 1, MIB + 300_000, 3 * MIB + 1]),
        (2_500_000, &[700_000, 1_400_000, 2_100_000]),
    ];
    for (number, (size, cuts)) in cases.into_iter().enumerate() {
        let content = noise(size, number as u64);
        let written = upload(world, &format!("/{number}"), &content, cuts).await.written.unwrap();
        assert_eq!(written.node.digest, Some(digest(&content)), "{size}");
        assert_eq!(written.node.size, size as u64);
        assert!(world.read(written.node.id).await.unwrap() == content, "{size}");
    }
    // Past the place where one request's bytes are cut.
    let content = noise(64 * MIB + 600_000, 9);
    let written = upload(world, "/large", &content, &[]).await.written.unwrap();
    assert_eq!(written.node.digest, Some(digest(&content)));
    assert!(world.read(written.node.id).await.unwrap() == content);
}

pub(super) async fn ranges_of_many_pieces_are_cut_exactly(world: &World) {
    let content = noise(2_000_000, 3);
    let ends = [300_000, 700_000, 1_000_000, 1_600_000];
    let node = upload(world, "/file", &content, &ends).await.written.unwrap().node;
    let opened = world.engine.open_content(&world.owner, node.id, None).await.unwrap();
    let mut edges = vec![0, 1, 2_000_000, 1_999_999, 1_234_567];
    edges.extend(ends.iter().flat_map(|end| [end - 1, *end, end + 1]));
    for start in &edges {
        for end in edges.iter().filter(|end| start < end) {
            let read = collect(opened.read(*start as u64..*end as u64).await.unwrap()).await.unwrap();
            assert!(read == content[*start..*end], "{start}..{end}");
        }
    }
}

pub(super) async fn what_is_not_to_be_is_refused(world: &World) {
    let id = begin(world, "/file", 10).await;
    refused(send(world, id, 1, b"x").await, Code::OffsetMismatch);
    refused(send(world, id, 0, b"01234567890").await, Code::LengthMismatch);
    assert_eq!(resume(world, id).await.unwrap().offset, 0);
    assert_eq!(send(world, id, 0, b"0123").await.unwrap().offset, 4);
    refused(send(world, id, 0, b"0123").await, Code::OffsetMismatch);
    refused(resume(world, world.engine.upload_id()).await, Code::UploadNotFound);
    world.engine.remove_upload(&world.owner, id).await.unwrap();
    refused(send(world, id, 4, b"x").await, Code::UploadNotFound);
    refused(world.engine.remove_upload(&world.owner, id).await, Code::UploadNotFound);
    // What could not be written is refused before its bytes come.
    let first = world.put("/there", b"1").await;
    let only_new: Premises = Preconditions { if_match: None, if_none_match: true }.into();
    let options = UploadOptions { premises: only_new, ..UploadOptions::default() };
    let stale = make(world, &world.owner, file(world, "/there", options), Some(9)).await;
    refused(stale, Code::PreconditionFailed);
    take(world, first.id, AcquireLock::default()).await.unwrap();
    let locked = make(world, &world.owner, file(world, "/there", UploadOptions::default()), Some(9)).await;
    refused(locked, Code::Locked);
    let viewer = world.user(Role::Viewer, None).await;
    let forbidden = make(world, &viewer, file(world, "/x", UploadOptions::default()), Some(9)).await;
    refused(forbidden, Code::Forbidden);
}

pub(super) async fn the_newest_request_wins(world: &World) {
    let content = noise(1_000_000, 4);
    let id = begin(world, "/file", content.len()).await;
    let mut dead = open(world, id, 0).await.unwrap();
    write(&mut dead, &content[..400_000]).await.unwrap();
    // The one before stands still; what it has is the newcomer's to go on from.
    let at = resume(world, id).await.unwrap().offset as usize;
    assert!(at <= 400_000 && at.is_multiple_of(100_000), "{at}");
    dead.ended().await;
    refused(dead.finish().await, Code::UploadTakenOver);
    let mut older = open(world, id, at).await.unwrap();
    write(&mut older, &content[at..500_000]).await.unwrap();
    let early = open(world, id, 999_999).await;
    refused(early, Code::OffsetMismatch);
    refused(older.finish().await, Code::UploadTakenOver);
    let at = resume(world, id).await.unwrap().offset as usize;
    let done = send(world, id, at, &content[at..]).await.unwrap();
    assert!(world.read(done.written.unwrap().node.id).await.unwrap() == content);
}

pub(super) async fn what_came_is_kept_when_the_request_is_gone(world: &World) {
    let content = noise(600_000, 5);
    let id = begin(world, "/file", content.len()).await;
    let mut appending = open(world, id, 0).await.unwrap();
    write(&mut appending, &content[..300_000]).await.unwrap();
    let kept = appending.break_off().await.unwrap();
    assert_eq!((kept.state, kept.offset), (UploadState::Receiving, 300_000));
    // Its last byte came, and then nobody waited for the answer.
    let mut appending = open(world, id, 300_000).await.unwrap();
    write(&mut appending, &content[300_000..]).await.unwrap();
    appending.break_off().await.unwrap();
    let found = world.engine.staged_upload(&world.owner, id).await.unwrap();
    assert_eq!(found.state, UploadState::Finished);
    assert!(world.read(found.written.unwrap().node.id).await.unwrap() == content);
}

pub(super) async fn bytes_that_are_wanted_whole_are_kept_whole_or_not_at_all(world: &World) {
    let id = begin(world, "/file", 400_000).await;
    let content = noise(400_000, 6);
    let options = AppendOptions { is_whole: true, ..AppendOptions::default() };
    for _ in 0..2 {
        let appending = world.engine.append_upload(&world.owner, id, options.clone()).await;
        let mut appending = appending.unwrap();
        write(&mut appending, &content[..300_000]).await.unwrap();
        assert_eq!(appending.break_off().await.unwrap().offset, 0);
        assert_eq!(world.blobs().await, 0);
    }
    let mut appending = world.engine.append_upload(&world.owner, id, options).await.unwrap();
    write(&mut appending, &content).await.unwrap();
    assert_eq!(appending.finish().await.unwrap().state, UploadState::Finished);
}

pub(super) async fn a_refused_finish_keeps_the_bytes(world: &World) {
    let old = world.put("/file", b"old").await;
    let stands = |version| -> Premises {
        Preconditions { if_match: Some(Some(vec![version])), if_none_match: false }.into()
    };
    let options = UploadOptions { premises: stands(old.version_id.unwrap()), ..UploadOptions::default() };
    let content = noise(600_000, 7);
    let made = file(world, "/file", options);
    let id = make(world, &world.owner, made, Some(content.len() as u64)).await.unwrap().id;
    send(world, id, 0, &content[..300_000]).await.unwrap();
    let newer = world.put("/file", b"newer").await;
    let stale = send(world, id, 300_000, &content[300_000..]).await.unwrap_err();
    assert_eq!((stale.code(), stale.current_version()), (Code::PreconditionFailed, newer.version_id));
    let found = world.engine.staged_upload(&world.owner, id).await.unwrap();
    assert_eq!((found.state, found.offset), (UploadState::Refused, content.len() as u64));
    // A day on it is still there, and the same again is refused again.
    world.clock.advance(Duration::from_hours(23));
    refused(resume(world, id).await, Code::PreconditionFailed);
    refused(send(world, id, content.len(), b"").await, Code::PreconditionFailed);
    let options = AppendOptions {
        offset: content.len() as u64,
        premises: stands(newer.version_id.unwrap()),
        ..AppendOptions::default()
    };
    let appending = world.engine.append_upload(&world.owner, id, options).await.unwrap();
    let done = appending.finish().await.unwrap();
    assert_eq!(done.written.unwrap().node.id, old.id);
    assert!(world.read(old.id).await.unwrap() == content);
}

pub(super) async fn a_lost_lock_keeps_the_bytes(world: &World) {
    let node = world.put("/file", b"old").await;
    let grant = take(world, node.id, AcquireLock::default()).await.unwrap();
    let content = noise(600_000, 8);
    let options = UploadOptions { premises: under(&[&grant]), ..UploadOptions::default() };
    let made = file(world, "/file", options);
    let id = make(world, &world.owner, made, Some(content.len() as u64)).await.unwrap().id;
    let locked = |offset: usize, premises| AppendOptions {
        offset: offset as u64,
        premises,
        ..AppendOptions::default()
    };
    let first = world.engine.append_upload(&world.owner, id, locked(0, under(&[&grant]))).await;
    let mut first = first.unwrap();
    write(&mut first, &content[..400_000]).await.unwrap();
    assert_eq!(first.finish().await.unwrap().offset, 400_000);
    world.clock.advance(Duration::from_hours(2));
    let late = world.engine.append_upload(&world.owner, id, locked(400_000, under(&[&grant]))).await;
    refused(late, Code::LockLost);
    // Without the lock the bytes may come; the file is somebody's whom the finish must convince.
    let other = take(world, node.id, AcquireLock::default()).await.unwrap();
    refused(send(world, id, 400_000, &content[400_000..]).await, Code::Locked);
    let found = world.engine.staged_upload(&world.owner, id).await.unwrap();
    assert_eq!((found.state, found.offset), (UploadState::Refused, 600_000));
    let last = world.engine.append_upload(&world.owner, id, locked(600_000, under(&[&other]))).await;
    let done = last.unwrap().finish().await.unwrap();
    assert_eq!(done.written.unwrap().node.id, node.id);
    assert!(world.read(node.id).await.unwrap() == content);
}

pub(super) async fn a_finish_may_be_repeated(world: &World) {
    let content = noise(50_000, 9);
    let id = begin(world, "/file", content.len()).await;
    let first = send(world, id, 0, &content).await.unwrap().written.unwrap();
    let events = world.event_count().await;
    let again = send(world, id, content.len(), b"").await.unwrap().written.unwrap();
    assert_eq!((again.node.id, again.node.version_id), (first.node.id, first.node.version_id));
    assert_eq!(resume(world, id).await.unwrap().written.unwrap().node.version_id, first.node.version_id);
    refused(send(world, id, content.len(), b"x").await, Code::LengthMismatch);
    assert_eq!(world.event_count().await, events);
    // The file stays when the upload is removed.
    world.engine.remove_upload(&world.owner, id).await.unwrap();
    assert!(world.read(first.node.id).await.unwrap() == content);
}

pub(super) async fn a_stated_digest_is_verified(world: &World) {
    let content = noise(700_000, 10);
    // Of "abc": FIPS 180-2, appendix B.1.
    let abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".parse().unwrap();
    let cases: [(&[u8], Digest, bool); 4] = [
        (b"abc", abc, true),
        (b"abd", abc, false),
        (&content, digest(&content), true),
        (&content, digest(b"other"), false),
    ];
    for (content, digest, is_right) in cases {
        let options = UploadOptions { digests: vec![digest], ..UploadOptions::default() };
        let made = file(world, "/file", options);
        let id = make(world, &world.owner, made, Some(content.len() as u64)).await.unwrap().id;
        let sent = send(world, id, 0, content).await;
        if is_right {
            sent.unwrap();
        } else {
            refused(sent, Code::DigestMismatch);
        }
    }
}

pub(super) async fn part(world: &World, at: Option<u64>, content: &[u8]) -> UploadId {
    let made = Made::Part(at, None);
    let id = make(world, &world.owner, made, Some(content.len() as u64)).await.unwrap().id;
    assert_eq!(send(world, id, 0, content).await.unwrap().state, UploadState::Complete);
    id
}

pub(super) async fn join(world: &World, path: &str, parts: &[UploadId]) -> Result<Staged> {
    let made = file(world, path, UploadOptions::default());
    let new = NewUpload { id: world.engine.upload_id(), made, length: None, metadata: String::new() };
    world.engine.join_uploads(&world.owner, new, parts).await
}

pub(super) async fn parts_are_joined(world: &World) {
    let content = noise(3_300_000, 11);
    for (number, offsets) in
        [[Some(0), Some(1_100_000), None], [None, Some(7), Some(2_200_000)]].iter().enumerate()
    {
        let mut parts = Vec::new();
        for (at, bytes) in offsets.iter().zip(content.chunks(1_100_000)) {
            parts.push(part(world, *at, bytes).await);
        }
        let joined = join(world, &format!("/{number}"), &parts).await.unwrap();
        assert_eq!(joined.parts.as_deref(), Some(&parts[..]));
        let node = joined.written.unwrap().node;
        assert_eq!(node.digest, Some(digest(&content)));
        assert!(world.read(node.id).await.unwrap() == content);
        refused(resume(world, parts[0]).await, Code::UploadNotFound);
        refused(send(world, joined.id, content.len(), b"").await, Code::UploadNotAppendable);
    }
    let half = make(world, &world.owner, Made::Part(None, None), Some(10)).await.unwrap().id;
    let (one, other) = (part(world, None, b"one").await, begin(world, "/whole", 3).await);
    for (parts, code) in [
        (vec![one, half], Code::UploadIncomplete),
        (vec![one, other], Code::UploadIncomplete),
        (vec![one, world.engine.upload_id()], Code::UploadNotFound),
        (vec![one, one], Code::InvalidHeader),
        (vec![], Code::InvalidHeader),
    ] {
        refused(join(world, "/no", &parts).await, code);
    }
    let two = part(world, None, b"two").await;
    let small = join(world, "/small", &[two, one]).await.unwrap().written.unwrap().node;
    assert_eq!(world.read(small.id).await.unwrap(), b"twoone");
}

pub(super) async fn a_join_may_be_repeated(world: &World) {
    let parts = [part(world, None, b"one").await, part(world, None, b"two").await];
    let first = join(world, "/file", &parts).await.unwrap();
    let events = world.event_count().await;
    let again = join(world, "/file", &parts).await.unwrap();
    assert_eq!(again.id, first.id);
    assert_eq!(again.written.unwrap().node.version_id, first.written.unwrap().node.version_id);
    assert_eq!(world.event_count().await, events);
    // One that is refused keeps the bytes of its parts, and the same again tries it again.
    let node = world.node_at("/file").await.unwrap();
    let grant = take(world, node.id, AcquireLock::default()).await.unwrap();
    let parts = [part(world, None, b"more").await, part(world, None, b"over").await];
    refused(join(world, "/file", &parts).await, Code::Locked);
    world.engine.release_lock(&world.owner, grant.lock.id, super::locks::token(&grant)).await.unwrap();
    assert_eq!(join(world, "/file", &parts).await.unwrap().state, UploadState::Finished);
    assert_eq!(world.read(node.id).await.unwrap(), b"moreover");
}

pub(super) async fn uploads_are_their_makers_own(world: &World) {
    let id = begin(world, "/file", 10).await;
    let other = world.user(Role::Admin, None).await;
    let options = AppendOptions::default;
    refused(world.engine.resume_upload(&other, id, Premises::default()).await, Code::UploadNotFound);
    refused(world.engine.staged_upload(&other, id).await, Code::UploadNotFound);
    refused(world.engine.append_upload(&other, id, options()).await, Code::UploadNotFound);
    refused(world.engine.remove_upload(&other, id).await, Code::UploadNotFound);
    // A request of a stranger ends none of its maker.
    let mut appending = open(world, id, 0).await.unwrap();
    refused(world.engine.append_upload(&other, id, options()).await, Code::UploadNotFound);
    write(&mut appending, b"0123456789").await.unwrap();
    assert_eq!(appending.finish().await.unwrap().state, UploadState::Finished);
}

pub(super) async fn an_upload_that_is_left_alone_goes(world: &World) {
    let content = noise(900_000, 12);
    let (left, used) = (begin(world, "/left", 900_000).await, begin(world, "/used", 900_000).await);
    for id in [left, used] {
        send(world, id, 0, &content[..300_000]).await.unwrap();
    }
    world.clock.advance(Duration::from_hours(20));
    send(world, used, 300_000, &content[300_000..600_000]).await.unwrap();
    assert_eq!(world.engine.prune_uploads().await.unwrap(), 0);
    world.clock.advance(Duration::from_hours(5));
    refused(send(world, left, 300_000, b"x").await, Code::UploadExpired);
    assert_eq!(world.engine.prune_uploads().await.unwrap(), 1);
    refused(resume(world, left).await, Code::UploadNotFound);
    assert_eq!(send(world, used, 600_000, &content[600_000..]).await.unwrap().state, UploadState::Finished);
    // Its blob is noted by the sweep, and goes a grace later.
    assert_eq!(world.engine.sweep().await.unwrap().removed, 0);
    world.clock.advance(GRACE);
    assert_eq!(world.engine.sweep().await.unwrap().removed, 1);
    let node = world.node_at("/used").await.unwrap();
    assert!(world.read(node.id).await.unwrap() == content);
}

pub(super) async fn pieces_live_as_long_as_any_version_names_them(world: &World) {
    let content = noise(900_000, 13);
    let node = upload(world, "/file", &content, &[300_000, 600_000]).await.written.unwrap().node;
    let wanted = CopyNode { name: Some(name("copy")), parent_id: None };
    let copy = world.engine.copy_node(&world.owner, node.id, wanted, Premises::default()).await.unwrap();
    world.put("/file", b"new").await;
    let restored = world
        .engine
        .restore_version(&world.owner, node.id, node.version_id.unwrap(), Premises::default())
        .await;
    let restored = restored.unwrap();
    assert_eq!((restored.digest, world.blobs().await), (node.digest, 3));
    let purge = async |id| {
        world.engine.trash_node(&world.owner, id, Premises::default()).await.unwrap();
        world.engine.purge_node(&world.owner, id, Premises::default()).await.unwrap();
    };
    let sweep = async || {
        world.engine.sweep().await.unwrap();
        world.clock.advance(GRACE);
        world.engine.sweep().await.unwrap().removed
    };
    purge(node.id).await;
    assert_eq!(sweep().await, 0);
    assert!(world.read(copy.id).await.unwrap() == content, "a copy keeps its bytes");
    purge(copy.id).await;
    assert_eq!(sweep().await, 3);
    assert_eq!(world.blobs().await, 0);
}

pub(super) async fn many_tiny_pieces_become_one_blob(world: &World) {
    let content = noise(1_500_000, 14);
    let cuts: Vec<usize> = (1..30).map(|number| number * 50_000).collect();
    let node = upload(world, "/file", &content, &cuts).await.written.unwrap().node;
    assert!(world.read(node.id).await.unwrap() == content);
    world.engine.sweep().await.unwrap();
    world.clock.advance(GRACE);
    assert_eq!(world.engine.sweep().await.unwrap().removed, 30);
    assert_eq!(world.blobs().await, 1);
    assert!(world.read(node.id).await.unwrap() == content);
}

pub(super) async fn a_length_may_come_later(world: &World) {
    let made = file(world, "/file", UploadOptions::default());
    let id = make(world, &world.owner, made, None).await.unwrap().id;
    assert_eq!(send(world, id, 0, b"01234").await.unwrap().length, None);
    let said = |length| AppendOptions { offset: 5, length: Some(length), ..AppendOptions::default() };
    refused(world.engine.append_upload(&world.owner, id, said(4)).await, Code::LengthMismatch);
    let mut appending = world.engine.append_upload(&world.owner, id, said(8)).await.unwrap();
    refused(world.engine.append_upload(&world.owner, id, said(9)).await, Code::LengthMismatch);
    refused(appending.write(Bytes::from_static(b"567")).await, Code::UploadTakenOver);
    let done = send(world, id, 5, b"567").await.unwrap();
    assert_eq!((done.state, done.length), (UploadState::Finished, Some(8)));
    // One that ends where it is needs no more bytes.
    let made = file(world, "/other", UploadOptions::default());
    let id = make(world, &world.owner, made, None).await.unwrap().id;
    send(world, id, 0, b"01234").await.unwrap();
    let appending = world.engine.append_upload(&world.owner, id, said(5)).await.unwrap();
    assert_eq!(appending.finish().await.unwrap().state, UploadState::Finished);
}
