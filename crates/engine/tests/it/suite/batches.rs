//! Many files in one commit: each with an outcome, an act and events of its own.

use std::time::Duration;

use bytes::Bytes;
use longshore_core::wire::{AcquireLock, CopyNode, Metadata, OnConflict, Role};
use longshore_core::{Algorithm, Code, Digest, LockToken, NodeId};
use longshore_engine::{
    Actor, BatchWrite, Idempotency, Pick, Preconditions, Premises, Result, UploadOptions, Written,
};

use super::deltas::sweep;
use super::locks::{take, token};
use super::undo::{act, undo};
use crate::world::{World, collect, noise, path, refused};

pub(super) fn item(text: &str, content: &[u8]) -> BatchWrite {
    BatchWrite {
        path: path(text),
        content: Bytes::copy_from_slice(content),
        options: UploadOptions::default(),
    }
}

fn item_with(text: &str, content: &[u8], options: UploadOptions) -> BatchWrite {
    BatchWrite { options, ..item(text, content) }
}

fn keyed(text: &str, content: &[u8], key: &str) -> BatchWrite {
    let premises = Premises { idempotency: Some(Idempotency::new(key).unwrap()), ..Premises::default() };
    item_with(text, content, UploadOptions { premises, ..UploadOptions::default() })
}

async fn write_as(
    world: &World,
    actor: &Actor,
    locks: Vec<LockToken>,
    items: Vec<BatchWrite>,
) -> Vec<Result<(Written, bool)>> {
    let batch = world.engine.begin_batch(actor, world.id(), locks).unwrap();
    let ready = batch.prepare(items).await;
    batch.commit(ready).await
}

pub(super) async fn write(world: &World, items: Vec<BatchWrite>) -> Vec<Result<(Written, bool)>> {
    write_as(world, &world.owner, Vec::new(), items).await
}

fn code<T: std::fmt::Debug>(outcome: &Result<T>) -> Option<Code> {
    outcome.as_ref().err().map(longshore_engine::Error::code)
}

pub(super) async fn a_refused_item_hurts_no_other(world: &World) {
    world.put("/taken", b"there").await;
    let locked = world.put("/locked", b"there").await;
    take(world, locked.id, AcquireLock::default()).await.unwrap();
    world.put("/folder/file", b"there").await;
    let before = world.event_count().await;
    let stale = Preconditions { if_match: Some(Some(Vec::new())), ..Preconditions::default() };
    let wrong =
        UploadOptions { digests: vec![Digest::new(Algorithm::Blake3, [7; 32])], ..UploadOptions::default() };
    let big_metadata = Metadata::from([("k".to_owned(), "v".repeat(9_000))]);
    let items = vec![
        item("/new/deep/a", b"a"),
        item("/locked", b"mine"),
        item("/new/deep/b", &noise(100_000, 1)),
        item_with("/taken", b"x", UploadOptions { premises: stale.into(), ..UploadOptions::default() }),
        item_with("/wrong/file", &noise(50_000, 2), wrong),
        item_with(
            "/taken",
            b"x",
            UploadOptions { on_conflict: OnConflict::Error, ..UploadOptions::default() },
        ),
        item("/folder", b"x"),
        // Its folders go with the refusal, and the next item makes them again.
        item_with(
            "/again/file",
            b"x",
            UploadOptions { metadata: Some(big_metadata), ..UploadOptions::default() },
        ),
        item("/again/file", b"y"),
        item("/", b"x"),
        item("/big", &vec![7; 1_024 * 1_024 + 1]),
        item("/taken/below", b"x"),
        item("/new/deep/c", b""),
    ];
    let outcomes = write(world, items).await;
    let expected = [
        None,
        Some(Code::Locked),
        None,
        Some(Code::PreconditionFailed),
        Some(Code::DigestMismatch),
        Some(Code::NameTaken),
        Some(Code::NotAFile),
        Some(Code::InvalidMetadata),
        None,
        Some(Code::NotAFile),
        Some(Code::BodyTooLarge),
        Some(Code::NotAFolder),
        None,
    ];
    assert_eq!(outcomes.iter().map(code).collect::<Vec<_>>(), expected);
    let paths = ["/again", "/again/file", "/folder", "/folder/file", "/locked", "/new", "/new/deep"];
    let paths = paths.into_iter().chain(["/new/deep/a", "/new/deep/b", "/new/deep/c", "/taken"]);
    assert_eq!(world.paths().await, paths.collect::<Vec<_>>());
    assert_eq!(world.blobs().await, 1, "what was refused leaves no blob");
    let stored = world.node_at("/new/deep/b").await.unwrap();
    assert!(world.read(stored.id).await.unwrap() == noise(100_000, 1));
    // Without a gap, and each file is an act of its own together with the folders that it made.
    let all = world.event_types().await;
    let types = ["folder.created", "folder.created", "file.created", "file.created", "folder.created"];
    assert_eq!(all[before as usize..][..5], types);
    assert_eq!(all[before as usize + 5..], ["file.created", "file.created"]);
    let events = world.events_after(before).await;
    let acts: Vec<_> = events.iter().map(|event| event.act - before).collect();
    assert_eq!(acts, [1, 1, 1, 4, 5, 5, 7]);
    undo(world, act(before + 4)).await;
    refused(world.node_at("/new/deep/b").await, Code::NodeNotFound);
    world.node_at("/new/deep/c").await.unwrap();
}

pub(super) async fn items_are_applied_in_order(world: &World) {
    let described = UploadOptions {
        metadata: Some(Metadata::from([("who".to_owned(), "me".to_owned())])),
        media_type: Some("text/csv".to_owned()),
        ..UploadOptions::default()
    };
    let outcomes = write(
        world,
        vec![
            item("/same", b"one"),
            item_with("/same", b"two", described),
            item("/same", &noise(20_000, 3)),
            item("/ελλάδα/日本語/файл.txt", "çğş".as_bytes()),
        ],
    )
    .await;
    let written: Vec<_> = outcomes.into_iter().map(|outcome| outcome.unwrap().0).collect();
    assert_eq!(written.iter().map(|written| written.created).collect::<Vec<_>>(), [true, false, false, true]);
    let node = world.node_at("/same").await.unwrap();
    assert_eq!((&node, node.size), (&written[2].node, 20_000));
    assert_eq!(node.metadata["who"], "me");
    let two = written[1].node.version_id.unwrap();
    let version = world.engine.version(&world.owner, node.id, two).await.unwrap();
    assert_eq!((version.number, version.stated_media_type.as_deref()), (2, Some("text/csv")));
    assert_eq!(written[3].node.path.to_string(), "/ελλάδα/日本語/файл.txt");
    assert!(write(world, Vec::new()).await.is_empty());
    // As many as a group has, in one folder.
    let items = (0..256).map(|number| item(&format!("/many/{number}"), &[7])).collect();
    assert!(write(world, items).await.iter().all(Result::is_ok));
}

pub(super) async fn an_item_with_a_key_is_written_once(world: &World) {
    let content = noise(40_000, 4);
    let first = write(world, vec![keyed("/a", b"a", "one"), keyed("/b", &content, "two")]).await;
    let again = write(
        world,
        vec![keyed("/b", &content, "two"), keyed("/c", b"c", "three"), keyed("/a", b"a", "one")],
    )
    .await;
    let told: Vec<_> = again.iter().map(|outcome| outcome.as_ref().unwrap().1).collect();
    assert_eq!(told, [true, false, true]);
    assert_eq!(again[0].as_ref().unwrap().0.node, first[1].as_ref().unwrap().0.node);
    assert!(again[2].as_ref().unwrap().0.created, "the first answer");
    assert_eq!(world.blobs().await, 1, "what came for nothing is gone");
    let other = write(world, vec![keyed("/a", b"other", "one"), keyed("/d", b"d", "four")]).await;
    assert_eq!(other.iter().map(code).collect::<Vec<_>>(), [Some(Code::IdempotencyMismatch), None]);
    // A refusal keeps no key.
    let locked = world.put("/locked", b"x").await;
    let granted = take(world, locked.id, AcquireLock::default()).await.unwrap();
    let refused = write(world, vec![keyed("/locked", b"y", "five")]).await;
    assert_eq!(code(&refused[0]), Some(Code::Locked));
    let taken =
        write_as(world, &world.owner, vec![token(&granted)], vec![keyed("/locked", b"y", "five")]).await;
    assert!(!taken[0].as_ref().unwrap().1);
    let key = Idempotency::new("of all").unwrap();
    let of = |place| {
        let premises = Premises { idempotency: Some(key.of_item(place)), ..Premises::default() };
        item_with("/of", b"all", UploadOptions { premises, ..UploadOptions::default() })
    };
    let outcomes = write(world, vec![of(0), of(1), of(0)]).await;
    assert_eq!(
        outcomes.iter().map(|outcome| outcome.as_ref().unwrap().1).collect::<Vec<_>>(),
        [false, false, true]
    );
}

pub(super) async fn the_locks_of_a_batch_hold_for_all(world: &World) {
    let one = world.put("/one", b"x").await;
    let two = world.put("/two", b"x").await;
    let granted = take(world, one.id, AcquireLock::default()).await.unwrap();
    let other = take(world, two.id, AcquireLock::default()).await.unwrap();
    let locks = vec![token(&granted), token(&other)];
    // Neither covers both, and none is named in vain.
    let items = || vec![item("/one", b"y"), item("/free", b"y"), item("/two", b"y")];
    let outcomes = write_as(world, &world.owner, locks.clone(), items()).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let event = world.events_after(world.event_count().await - 3).await;
    assert_eq!(event[0].lock_id, Some(granted.lock.id));
    assert_eq!((event[1].lock_id, event[2].lock_id), (None, Some(other.lock.id)));
    let replay = write_as(world, &world.owner, locks.clone(), vec![keyed("/one", b"z", "k")]).await;
    assert!(replay[0].is_ok());
    world.clock.advance(Duration::from_secs(120));
    let mut late = items();
    late.push(keyed("/one", b"z", "k"));
    let outcomes = write_as(world, &world.owner, locks, late).await;
    let lost = Some(Code::LockLost);
    assert_eq!(outcomes.iter().map(code).collect::<Vec<_>>(), [lost, lost, lost, None]);
    assert!(outcomes[3].as_ref().unwrap().1, "what was done before is told all the same");
}

pub(super) async fn who_may_write_a_batch(world: &World) {
    let viewer = world.user(Role::Viewer, None).await;
    refused(world.engine.begin_batch(&viewer, world.id(), Vec::new()), Code::Forbidden);
    let other = world.engine.create_workspace(&world.owner, "other".parse().unwrap(), None).await.unwrap();
    let narrow = world.user(Role::Editor, Some(other.id)).await;
    refused(world.engine.begin_batch(&narrow, world.id(), Vec::new()), Code::WorkspaceNotFound);
    let editor = world.user(Role::Editor, None).await;
    let batch = world.engine.begin_batch(&editor, world.id(), Vec::new()).unwrap();
    let ready = batch.prepare(vec![item("/a", b"a"), item("/b", &noise(30_000, 5))]).await;
    world.engine.revoke_key(&world.owner, editor.key().unwrap(), None).await.unwrap();
    let outcomes = batch.commit(ready).await;
    assert!(outcomes.iter().all(|outcome| code(outcome) == Some(Code::KeyRevoked)), "{outcomes:?}");
    assert!(world.paths().await.is_empty());
}

pub(super) async fn many_contents_are_read_in_order(world: &World) {
    let inline = world.put("/a/inline", b"small").await;
    let large = noise(300_000, 6);
    let stored = world.put("/a/stored", &large).await;
    let old = inline.version_id;
    world.put("/a/inline", b"newer").await;
    let other = world.engine.create_workspace(&world.owner, "other".parse().unwrap(), None).await.unwrap();
    let picks = vec![
        Pick::Path(path("/a/stored"), None),
        Pick::Path(path("/none"), None),
        Pick::Node(inline.id, old),
        Pick::Path(path("/a/inline"), None),
        Pick::Path(path("/a"), None),
        Pick::Node(other.root_id, None),
        Pick::Node(stored.id, old),
    ];
    let found = world.engine.open_contents(&world.owner, world.id(), picks).await.unwrap();
    let mut read = Vec::new();
    for content in found {
        read.push(match content {
            Ok(content) => {
                let size = content.version().size;
                Ok(collect(content.read(0..size).await.unwrap()).await.unwrap())
            }
            Err(error) => Err(error.code()),
        });
    }
    let expected = [
        Ok(large),
        Err(Code::NodeNotFound),
        Ok(b"small".to_vec()),
        Ok(b"newer".to_vec()),
        Err(Code::NotAFile),
        Err(Code::NodeNotFound),
        Err(Code::VersionNotFound),
    ];
    assert!(read == expected, "contents differ");
    let narrow = world.user(Role::Viewer, Some(other.id)).await;
    refused(world.engine.open_contents(&narrow, world.id(), Vec::new()).await, Code::WorkspaceNotFound);
}

fn large(place: u64) -> Vec<u8> {
    noise(40_000 + place as usize, place)
}

async fn write_large(world: &World, count: u64) -> Vec<NodeId> {
    let items = (0..count).map(|place| item(&format!("/large/{place}"), &large(place))).collect();
    write(world, items).await.into_iter().map(|outcome| outcome.unwrap().0.node.id).collect()
}

pub(super) async fn what_is_too_large_for_the_database_shares_a_blob(world: &World) {
    let files = write_large(world, 10).await;
    assert_eq!(world.blobs().await, 1);
    for (place, file) in (0..).zip(&files) {
        let content = large(place);
        assert!(world.read(*file).await.unwrap() == content, "{place}");
        let opened = world.engine.open_content(&world.owner, *file, None).await.unwrap();
        let part = collect(opened.read(100..30_001).await.unwrap()).await.unwrap();
        assert!(part == content[100..30_001], "a range of {place}");
    }
    // Of a batch that is refused whole, or was written before, nothing stays.
    let refused = |text: &str| {
        let options = UploadOptions { on_conflict: OnConflict::Error, ..UploadOptions::default() };
        item_with(text, &large(77), options)
    };
    let outcomes = write(world, vec![refused("/large/1"), refused("/large/2")]).await;
    assert_eq!(outcomes.iter().map(code).collect::<Vec<_>>(), [Some(Code::NameTaken); 2]);
    assert_eq!(world.blobs().await, 1);
    let keyed = || vec![keyed("/again/a", &large(78), "one"), keyed("/again/b", &large(79), "two")];
    write(world, keyed()).await.into_iter().for_each(|outcome| assert!(!outcome.unwrap().1));
    assert_eq!(world.blobs().await, 2);
    write(world, keyed()).await.into_iter().for_each(|outcome| assert!(outcome.unwrap().1));
    assert_eq!(world.blobs().await, 2);
    // One that is of use keeps the blob, and the bytes of the other are seen by nobody.
    let outcomes = write(world, vec![refused("/large/1"), item("/kept", &large(80))]).await;
    assert_eq!(outcomes.iter().map(code).collect::<Vec<_>>(), [Some(Code::NameTaken), None]);
    let kept = world.node_at("/kept").await.unwrap();
    assert!(world.read(kept.id).await.unwrap() == large(80));
    assert_eq!(world.blobs().await, 3);
}

async fn purge(world: &World, files: &[NodeId]) {
    for file in files {
        world.engine.trash_node(&world.owner, *file, Premises::default()).await.unwrap();
        world.engine.purge_node(&world.owner, *file, Premises::default()).await.unwrap();
    }
}

pub(super) async fn a_shared_blob_is_written_anew_once_most_of_it_is_of_no_use(world: &World) {
    let files = write_large(world, 10).await;
    let copy = CopyNode { parent_id: Some(world.root()), name: Some("copy".parse().unwrap()) };
    let copy = world.engine.copy_node(&world.owner, files[7], copy, Premises::default()).await.unwrap();
    let bytes = async || {
        let blobs = world.store.list_files("blobs", &longshore_store::List::ALL).unwrap();
        futures_util::TryStreamExt::try_fold(blobs, 0, async |sum, blob| Ok(sum + blob.size)).await.unwrap()
    };
    let whole = bytes().await;
    purge(world, &files[..4]).await;
    assert_eq!(sweep(world).await, 0, "more than half is of use");
    assert_eq!(bytes().await, whole);
    purge(world, &files[4..8]).await;
    // Who has opened it reads on: the old blob has its grace.
    let opened = world.engine.open_content(&world.owner, files[9], None).await.unwrap();
    world.engine.sweep().await.unwrap();
    assert_eq!(world.blobs().await, 2);
    let read = collect(opened.read(0..opened.version().size).await.unwrap()).await.unwrap();
    assert!(read == large(9));
    assert_eq!(sweep(world).await, 1);
    assert_eq!(bytes().await, [7, 8, 9].map(|place| large(place).len() as u64).iter().sum::<u64>());
    for (place, file) in [(7, copy.id), (8, files[8]), (9, files[9])] {
        assert!(world.read(file).await.unwrap() == large(place), "{place}");
    }
    assert_eq!(sweep(world).await, 0, "what is left is not written anew again");
    assert_eq!(world.blobs().await, 1);
}
