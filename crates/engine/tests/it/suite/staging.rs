//! Staged uploads at their edges: many parts, other words for the same bytes, and what could never be written.

use std::time::Duration;

use futures_util::StreamExt;
use longshore_core::wire::{AcquireLock, OnConflict, UpdateWorkspace, UploadState, WorkspaceSettings};
use longshore_core::{Code, UploadId};
use longshore_engine::{AppendOptions, Made, Preconditions, Premises, Target, UploadOptions};

use super::locks::take;
use super::uploads::{begin, file, join, make, part, resume, send};
use crate::world::{World, name, refused};

pub(super) async fn a_thousand_parts_are_joined(world: &World) {
    let parts: Vec<UploadId> = futures_util::stream::iter(0..1_000_u32)
        .map(|number| async move { part(world, None, &number.to_le_bytes()).await })
        .buffered(16)
        .collect()
        .await;
    let joined = join(world, "/file", &parts).await.unwrap();
    assert_eq!(joined.parts.as_deref(), Some(&parts[..]));
    let node = joined.written.unwrap().node;
    let content: Vec<u8> = (0..1_000_u32).flat_map(u32::to_le_bytes).collect();
    assert!(world.read(node.id).await.unwrap() == content);
    assert_eq!(join(world, "/file", &parts).await.unwrap().id, joined.id);
    // Other parts, or the same in another order, are another upload.
    let turned: Vec<_> = parts.iter().rev().copied().collect();
    refused(join(world, "/file", &turned).await, Code::UploadNotFound);
}

pub(super) async fn parts_are_one_file_alone(world: &World) {
    let parts = [part(world, None, b"one").await, part(world, None, b"two").await];
    let first = world.put("/first", b"1").await;
    let grant = take(world, first.id, AcquireLock::default()).await.unwrap();
    refused(join(world, "/first", &parts).await, Code::Locked);
    // Nothing was made of them yet: they go where they are wanted now.
    let joined = join(world, "/second", &parts).await.unwrap();
    assert_eq!(joined.written.unwrap().node.path.to_string(), "/second");
    world.engine.release_lock(&world.owner, grant.lock.id, super::locks::token(&grant)).await.unwrap();
    for path in ["/first", "/third"] {
        refused(join(world, path, &parts).await, Code::UploadJoined);
    }
    assert_eq!(join(world, "/second", &parts).await.unwrap().id, joined.id);
    assert_eq!(world.read(first.id).await.unwrap(), b"1");
    refused(world.node_at("/third").await, Code::NodeNotFound);
}

async fn say(world: &World, id: UploadId, offset: u64, length: u64) -> longshore_engine::Result<UploadState> {
    let options = AppendOptions { offset, length: Some(length), ..AppendOptions::default() };
    let appending = world.engine.append_upload(&world.owner, id, options).await?;
    appending.finish().await.map(|staged| staged.state)
}

pub(super) async fn a_part_whose_length_comes_last_is_whole_then(world: &World) {
    let id = make(world, &world.owner, Made::Part(None, None), None).await.unwrap().id;
    assert_eq!(send(world, id, 0, b"01234").await.unwrap().state, UploadState::Receiving);
    assert_eq!(say(world, id, 5, 5).await.unwrap(), UploadState::Complete);
    let empty = make(world, &world.owner, Made::Part(None, None), None).await.unwrap().id;
    assert_eq!(say(world, empty, 0, 0).await.unwrap(), UploadState::Complete);
    let node = join(world, "/file", &[empty, id]).await.unwrap().written.unwrap().node;
    assert_eq!(world.read(node.id).await.unwrap(), b"01234");
}

pub(super) async fn who_is_at_the_wrong_place_settles_no_length(world: &World) {
    let id =
        make(world, &world.owner, file(world, "/file", UploadOptions::default()), None).await.unwrap().id;
    send(world, id, 0, b"01234").await.unwrap();
    for offset in [0, 4, 6] {
        refused(say(world, id, offset, 9).await, Code::OffsetMismatch);
    }
    assert_eq!(world.engine.staged_upload(&world.owner, id).await.unwrap().length, None);
    assert_eq!(say(world, id, 5, 5).await.unwrap(), UploadState::Finished);
}

pub(super) async fn what_is_touched_stays(world: &World) {
    let whole = begin(world, "/file", 10).await;
    let part = part(world, None, b"part").await;
    for _ in 0..3 {
        world.clock.advance(Duration::from_hours(20));
        for id in [whole, part] {
            resume(world, id).await.unwrap();
        }
        assert_eq!(world.engine.prune_uploads().await.unwrap(), 0);
    }
    // A look disturbs nobody, and keeps nothing.
    world.clock.advance(Duration::from_hours(20));
    world.engine.staged_upload(&world.owner, whole).await.unwrap();
    world.clock.advance(Duration::from_hours(5));
    refused(world.engine.staged_upload(&world.owner, whole).await, Code::UploadExpired);
}

/// What the commit of small content says, which nobody looked at before, is what the begin of an upload says.
pub(super) async fn what_no_commit_would_take_is_refused_at_the_begin(world: &World) {
    let there = world.put("/there", b"1").await;
    let inside = world.put("/folder/inside", b"1").await;
    let locked = world.put("/locked/file", b"1").await;
    let folder = inside.parent_id.unwrap();
    take(world, locked.parent_id.unwrap(), AcquireLock::default()).await.unwrap();
    let settings = WorkspaceSettings { require_preconditions: true, ..WorkspaceSettings::default() };
    let rule = UpdateWorkspace { settings: Some(settings.into()), ..UpdateWorkspace::default() };
    world.engine.update_workspace(&world.owner, world.id(), rule, Premises::default()).await.unwrap();
    let any = || Preconditions { if_match: Some(None), if_none_match: false };
    let new = || Preconditions { if_match: None, if_none_match: true };
    let child = |parent, text: &str| Target::Child { parent, name: name(text) };
    let cases = [
        (world.at("/there"), OnConflict::Version, Preconditions::default(), Code::PreconditionRequired),
        (Target::Node(there.id), OnConflict::Error, Preconditions::default(), Code::PreconditionRequired),
        (world.at("/there"), OnConflict::Error, Preconditions::default(), Code::NameTaken),
        (world.at("/there"), OnConflict::Error, any(), Code::NameTaken),
        (world.at("/there"), OnConflict::Rename, new(), Code::PreconditionFailed),
        (world.at("/none"), OnConflict::Version, any(), Code::PreconditionFailed),
        (world.at("/folder"), OnConflict::Version, Preconditions::default(), Code::NotAFile),
        (world.at("/folder"), OnConflict::Rename, Preconditions::default(), Code::NotAFile),
        (Target::Node(folder), OnConflict::Version, Preconditions::default(), Code::NotAFile),
        (world.at("/there/x"), OnConflict::Version, Preconditions::default(), Code::NotAFolder),
        (world.at("/there/x/y"), OnConflict::Version, new(), Code::NotAFolder),
        (world.at("/there/x"), OnConflict::Version, any(), Code::PreconditionFailed),
        (child(there.id, "x"), OnConflict::Version, Preconditions::default(), Code::NotAFolder),
        (child(folder, "inside"), OnConflict::Error, Preconditions::default(), Code::NameTaken),
        (world.at("/locked/new"), OnConflict::Version, Preconditions::default(), Code::Locked),
        (world.at("/locked/new/deep/file"), OnConflict::Version, Preconditions::default(), Code::Locked),
        (world.at("/locked/file"), OnConflict::Version, any(), Code::Locked),
        (world.at("/locked/file"), OnConflict::Rename, Preconditions::default(), Code::Locked),
        (child(locked.parent_id.unwrap(), "new"), OnConflict::Version, new(), Code::Locked),
    ];
    for (number, (target, on_conflict, preconditions, code)) in cases.into_iter().enumerate() {
        println!("case {number}: {target:?}");
        let premises: Premises = preconditions.into();
        let options = UploadOptions { on_conflict, premises, ..UploadOptions::default() };
        let made = Made::File(target.clone(), Box::new(options.clone()));
        refused(make(world, &world.owner, made, Some(9)).await, code);
        refused(world.put_as(&world.owner, target, b"content", options).await, code);
    }
    // What may be written is begun.
    for (target, on_conflict, preconditions) in [
        (world.at("/there"), OnConflict::Rename, Preconditions::default()),
        (world.at("/there"), OnConflict::Version, any()),
        (world.at("/new/and/deep"), OnConflict::Error, new()),
        (Target::Node(there.id), OnConflict::Error, any()),
    ] {
        let options =
            UploadOptions { on_conflict, premises: preconditions.into(), ..UploadOptions::default() };
        let made = Made::File(target, Box::new(options));
        let id = make(world, &world.owner, made, Some(4)).await.unwrap().id;
        assert_eq!(send(world, id, 0, b"okay").await.unwrap().state, UploadState::Finished);
    }
}
