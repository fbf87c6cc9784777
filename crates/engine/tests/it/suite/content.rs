use std::time::Duration;

use bytes::Bytes;
use longshore_core::wire::OnConflict;
use longshore_core::{Algorithm, Code, Digest, VersionId};
use longshore_engine::{PageRequest, Preconditions, Premises, Target, UploadOptions};

use crate::world::{World, collect, name, noise, path, refused};

fn only_new() -> UploadOptions {
    let preconditions = Preconditions { if_none_match: true, ..Preconditions::default() };
    UploadOptions { premises: preconditions.into(), ..UploadOptions::default() }
}

fn if_version(version: Option<VersionId>) -> UploadOptions {
    let preconditions =
        Preconditions { if_match: Some(Some(version.into_iter().collect())), ..Preconditions::default() };
    UploadOptions { premises: preconditions.into(), ..UploadOptions::default() }
}

pub(super) async fn every_size_comes_back_whole(world: &World) {
    for size in [0, 1, 4_096, 16_383, 16_384, 16_385, 1_048_575, 1_048_577, 5_000_000] {
        let content = noise(size, size as u64);
        let node = world.put(&format!("/{size}"), &content).await;
        assert_eq!(node.size, size as u64);
        let digest = Digest::new(Algorithm::Blake3, *blake3::hash(&content).as_bytes());
        assert_eq!(node.digest, Some(digest));
        assert!(world.read(node.id).await.unwrap() == content, "{size} bytes differ");
    }
    // 16 KiB and less lie in the database.
    assert_eq!(world.blobs().await, 4);
}

pub(super) async fn ranges_are_cut_exactly(world: &World) {
    for size in [1_000, 100_000] {
        let content = noise(size, 1);
        let node = world.put("/file", &content).await;
        let opened = world.engine.open_content(&world.owner, node.id, None).await.unwrap();
        let end = size as u64;
        for range in [0..0, 0..1, 0..end, end - 1..end, 10..end - 10, 500..501] {
            let expected = &content[range.start as usize..range.end as usize];
            let part = collect(opened.read(range.clone()).await.unwrap()).await.unwrap();
            assert!(part == expected, "{range:?} of {size}");
        }
    }
}

pub(super) async fn what_does_not_match_is_not_stored(world: &World) {
    for size in [10, 100_000] {
        let content = noise(size, 2);
        for (length, code) in
            [(size as u64 + 1, Code::LengthMismatch), (size as u64 - 1, Code::LengthMismatch)]
        {
            let options = UploadOptions { length: Some(length), ..UploadOptions::default() };
            refused(world.put_with("/wrong/file", &content, options).await, code);
        }
        for algorithm in [Algorithm::Blake3, Algorithm::Sha256] {
            let digests = vec![Digest::new(algorithm, [7; 32])];
            let options = UploadOptions { digests, ..UploadOptions::default() };
            refused(world.put_with("/wrong/file", &content, options).await, Code::DigestMismatch);
        }
    }
    assert!(world.paths().await.is_empty(), "not even the folder is made");
    assert_eq!(world.blobs().await, 0);
    assert_eq!(world.event_types().await, ["workspace.created"]);

    let sha256 = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".parse().unwrap();
    let blake3 = Digest::new(Algorithm::Blake3, *blake3::hash(b"abc").as_bytes());
    let options =
        UploadOptions { digests: vec![sha256, blake3], length: Some(3), ..UploadOptions::default() };
    let node = world.put_with("/right", b"abc", options).await.unwrap().node;
    let version = world.engine.version(&world.owner, node.id, node.version_id.unwrap()).await.unwrap();
    assert_eq!(version.sha256, Some(sha256));
}

pub(super) async fn a_dropped_upload_leaves_nothing(world: &World) {
    for size in [10, 100_000, 3_000_000] {
        let mut upload = world
            .engine
            .begin_upload(&world.owner, world.at("/dropped"), UploadOptions::default())
            .await
            .unwrap();
        upload.write(Bytes::from(noise(size, 3))).await.unwrap();
        drop(upload);
    }
    assert!(world.paths().await.is_empty());
    assert_eq!(world.blobs().await, 0);
}

pub(super) async fn conflicts_do_as_asked(world: &World) {
    let with = |on_conflict| UploadOptions { on_conflict, ..UploadOptions::default() };
    let first = world.put("/report.csv", b"1").await;
    let second = world.put_with("/report.csv", b"2", with(OnConflict::Version)).await.unwrap();
    assert_eq!((second.node.id, second.created), (first.id, false));
    refused(world.put_with("/report.csv", b"3", with(OnConflict::Error)).await, Code::NameTaken);
    for expected in ["/report (2).csv", "/report (3).csv"] {
        let third = world.put_with("/report.csv", b"3", with(OnConflict::Rename)).await.unwrap();
        assert!(third.created);
        assert_eq!(third.node.path, path(expected));
    }
    world
        .engine
        .create_folder(&world.owner, world.root(), name("folder"), Premises::default())
        .await
        .unwrap();
    for on_conflict in [OnConflict::Version, OnConflict::Error, OnConflict::Rename] {
        refused(world.put_with("/folder", b"x", with(on_conflict)).await, Code::NotAFile);
        refused(world.put_with("/report.csv/x", b"x", with(on_conflict)).await, Code::NotAFolder);
    }
    refused(world.put_with("/", b"x", UploadOptions::default()).await, Code::NotAFile);
    assert_eq!(world.read(first.id).await.unwrap(), b"2");
}

pub(super) async fn preconditions_hold(world: &World) {
    let any = UploadOptions {
        premises: Preconditions { if_match: Some(None), ..Preconditions::default() }.into(),
        ..UploadOptions::default()
    };
    refused(world.put_with("/new/file", b"0", any.clone()).await, Code::PreconditionFailed);
    refused(world.put_with("/new/file", b"0", if_version(None)).await, Code::PreconditionFailed);
    assert!(world.paths().await.is_empty(), "a refused write makes no folder");

    let first = world.put_with("/file", b"1", only_new()).await.unwrap().node;
    let again = world.put_with("/file", b"2", only_new()).await;
    let error = again.unwrap_err();
    assert_eq!(error.code(), Code::PreconditionFailed);
    assert_eq!(error.current_version(), first.version_id);

    let second = world.put_with("/file", b"2", if_version(first.version_id)).await.unwrap().node;
    let stale = world.put_with("/file", b"3", if_version(first.version_id)).await.unwrap_err();
    assert_eq!(stale.current_version(), second.version_id);
    let to_node =
        world.put_as(&world.owner, Target::Node(first.id), b"3", if_version(first.version_id)).await;
    refused(to_node, Code::PreconditionFailed);
    world.put_with("/file", b"3", any).await.unwrap();

    let engine = &world.engine;
    let stale = || if_version(first.version_id).premises;
    let renamed = longshore_core::wire::UpdateNode { name: Some(name("g")), ..Default::default() };
    refused(engine.update_node(&world.owner, first.id, renamed, stale()).await, Code::PreconditionFailed);
    refused(engine.trash_node(&world.owner, first.id, stale()).await, Code::PreconditionFailed);
    let copy = longshore_core::wire::CopyNode { name: Some(name("g")), parent_id: None };
    refused(engine.copy_node(&world.owner, first.id, copy, stale()).await, Code::PreconditionFailed);
    let version = first.version_id.unwrap();
    let restored = engine.restore_version(&world.owner, first.id, version, stale()).await;
    refused(restored, Code::PreconditionFailed);
    assert_eq!(world.paths().await, ["/file"]);
    assert_eq!(
        world.event_types().await,
        ["workspace.created", "file.created", "version.created", "version.created"]
    );
}

pub(super) async fn versions_stay_and_come_back(world: &World) {
    let engine = &world.engine;
    let mut versions = Vec::new();
    for round in 0..5_u8 {
        let content = vec![round; 20_000];
        versions.push(world.put("/file", &content).await.version_id.unwrap());
    }
    let file = world.node_at("/file").await.unwrap().id;
    for (round, version) in versions.iter().enumerate() {
        let content = engine.open_content(&world.owner, file, Some(*version)).await.unwrap();
        assert_eq!(content.version().number, round as u64 + 1);
        let bytes = collect(content.read(0..20_000).await.unwrap()).await.unwrap();
        assert!(bytes == vec![round as u8; 20_000]);
    }
    let restored =
        engine.restore_version(&world.owner, file, versions[1], Premises::default()).await.unwrap();
    assert_eq!(world.read(file).await.unwrap(), vec![1; 20_000]);
    let mut listed = Vec::new();
    let mut cursor = None;
    loop {
        let page = engine.list_versions(&world.owner, file, PageRequest::new(Some(2), cursor)).await.unwrap();
        listed.extend(page.items.iter().map(|version| version.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    versions.push(restored.version_id.unwrap());
    versions.reverse();
    assert_eq!(listed, versions);
    let other = world.put("/other", b"x").await;
    let foreign = engine.version(&world.owner, file, other.version_id.unwrap()).await;
    refused(foreign, Code::VersionNotFound);
    let foreign =
        engine.restore_version(&world.owner, file, other.version_id.unwrap(), Premises::default()).await;
    refused(foreign, Code::VersionNotFound);
    assert_eq!(world.blobs().await, 5, "a restored version shares its blob");
}

pub(super) async fn media_types_are_found(world: &World) {
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    for (file, content, expected) in [
        ("/a.png", png.as_slice(), "image/png"),
        ("/lies.txt", png.as_slice(), "image/png"),
        ("/a.csv", b"a,b\n".as_slice(), "text/csv"),
        ("/README", b"hello".as_slice(), "text/plain"),
        ("/data", b"\0\x01\x02".as_slice(), "application/octet-stream"),
        ("/empty", b"".as_slice(), "application/octet-stream"),
    ] {
        let node = world.put(file, content).await;
        assert_eq!(node.media_type.as_deref(), Some(expected), "{file}");
    }
    let options = UploadOptions { media_type: Some("x/y".to_owned()), ..UploadOptions::default() };
    let node = world.put_with("/stated", b"hello", options).await.unwrap().node;
    let version = world.engine.version(&world.owner, node.id, node.version_id.unwrap()).await.unwrap();
    assert_eq!(version.stated_media_type.as_deref(), Some("x/y"));
    assert_eq!(version.media_type, "text/plain");
}

pub(super) async fn orphans_are_swept_after_their_grace(world: &World) {
    let kept = world.put("/kept", &noise(50_000, 4)).await;
    let orphan = "blobs/01k9x3/blob_01k9x3m7q2e8rj5v4n6t0p1s2d";
    world
        .store
        .write(orphan, Bytes::from_static(b"orphan"), longshore_store::WriteOptions::default())
        .await
        .unwrap();
    let stranger = "blobs/notes.txt";
    world
        .store
        .write(stranger, Bytes::from_static(b"?"), longshore_store::WriteOptions::default())
        .await
        .unwrap();

    // The store's files carry the machine's time, so the test's clock is put beside it.
    world.clock.set(longshore_core::Clock::now(&longshore_core::SystemClock));
    let swept = world.engine.sweep().await.unwrap();
    assert_eq!((swept.seen, swept.removed), (3, 0), "the grace holds");
    world.clock.advance(Duration::from_secs(25 * 3_600));
    let swept = world.engine.sweep().await.unwrap();
    assert_eq!((swept.seen, swept.removed, swept.bytes), (3, 1, 6));
    assert!(!world.store.exists(orphan).await.unwrap());
    assert!(world.store.exists(stranger).await.unwrap(), "what is no blob is not ours to remove");
    assert_eq!(world.read(kept.id).await.unwrap(), noise(50_000, 4));
}

pub(super) async fn a_blob_outlives_its_last_version_by_a_grace(world: &World) {
    let hours = Duration::from_hours;
    let old = world.put("/file", &noise(50_000, 5)).await;
    world.put("/file", b"new").await;
    // The blob is old when it loses its version: who copied the database just before still finds it for a day.
    world.clock.set(longshore_core::Clock::now(&longshore_core::SystemClock).plus(hours(60 * 24)));
    world.engine.sweep().await.unwrap();
    world
        .engine
        .delete_version(&world.owner, old.id, old.version_id.unwrap(), Premises::default())
        .await
        .unwrap();
    for passed in [0, 20, 3] {
        world.clock.advance(hours(passed));
        let swept = world.engine.sweep().await.unwrap();
        assert_eq!((swept.seen, swept.removed), (1, 0), "{passed}");
    }
    world.clock.advance(hours(2));
    assert_eq!(world.engine.sweep().await.unwrap().removed, 1);
    assert_eq!(world.blobs().await, 0);
}
