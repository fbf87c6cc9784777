//! One key, one effect; and premises that must be stated.

use std::time::Duration;

use futures_util::future::join_all;
use longshore_core::wire::{
    CopyNode, CreateKey, Metadata, Node, RestoreNode, Role, UpdateNode, UpdateWorkspace, WorkspaceSettings,
};
use longshore_core::{Code, VersionId};
use longshore_engine::{
    Error, Idempotency, JobKind, NewJob, PageRequest, Preconditions, Premises, Replayed, Result, Target,
    UploadOptions,
};

use serde_json::Value;

use crate::world::{World, name, refused};

const REPEATS: usize = 16;

static WORK: JobKind = JobKind::new("test.work");

fn keyed(key: &str) -> Premises {
    Premises { idempotency: Some(Idempotency::new(key).unwrap()), ..Premises::default() }
}

fn telling(replayed: &Replayed) -> Option<Idempotency> {
    Some(Idempotency::new("once").unwrap().telling(replayed.clone()))
}

/// How many of these say that they were done before.
fn replays(told: &[Replayed]) -> usize {
    told.iter().filter(|replayed| replayed.get()).count()
}

pub(super) async fn concurrent_repeats_have_one_effect(world: &World) {
    let before = world.event_types().await.len();
    let told: Vec<_> = (0..REPEATS).map(|_| Replayed::default()).collect();
    let writes = join_all(told.iter().map(|replayed| {
        let premises = Premises { idempotency: telling(replayed), ..Premises::default() };
        world.put_with("/deep/file", b"x", UploadOptions { premises, ..UploadOptions::default() })
    }));
    let written: Vec<_> = writes.await.into_iter().map(|done| done.unwrap().node).collect();
    assert!(written.iter().all(|node| *node == written[0]), "one answer");
    assert_eq!((world.event_types().await.len() - before, replays(&told)), (2, REPEATS - 1));

    let told: Vec<_> = (0..REPEATS).map(|_| Replayed::default()).collect();
    let copy = CopyNode { parent_id: None, name: Some(name("copy")) };
    let copies = join_all(told.iter().map(|replayed| {
        let idempotency = telling(replayed).map(|mut key| {
            key.mix(b"another request");
            key
        });
        let premises = Premises { idempotency, ..Premises::default() };
        world.engine.copy_node(&world.owner, written[0].id, copy.clone(), premises)
    }));
    // The same key with another request, be it sixteen times at once.
    for copied in copies.await {
        refused(copied, Code::IdempotencyMismatch);
    }
    assert_eq!(replays(&told), 0);

    // What belongs to no workspace goes another way.
    let other = world.user(Role::Admin, None).await;
    let told: Vec<_> = (0..REPEATS).map(|_| Replayed::default()).collect();
    let made = told.iter().map(|told| world.engine.create_workspace(&other, name("w"), telling(told)));
    let made = join_all(made).await;
    let made: Vec<_> = made.into_iter().map(|made| made.unwrap().id).collect();
    assert!(made.iter().all(|id| *id == made[0]));
    assert_eq!(replays(&told), REPEATS - 1);

    let third = world.user(Role::Admin, None).await;
    let wanted = CreateKey::new("k", Role::Viewer);
    let keys =
        (0..REPEATS).map(|_| world.engine.create_key(&third, wanted.clone(), keyed("once").idempotency));
    let keys: Vec<_> = join_all(keys).await.into_iter().map(|made| made.unwrap()).collect();
    assert!(
        keys.iter().all(|made| made.secret == keys[0].secret),
        "a secret that is shown once, to each repeat"
    );
    let fourth = world.user(Role::Admin, None).await;
    let revoked =
        (0..REPEATS).map(|_| world.engine.revoke_key(&fourth, keys[0].key.id, keyed("once").idempotency));
    assert!(join_all(revoked).await.iter().all(Result::is_ok));
    refused(world.engine.authenticate(&keys[0].secret).await, Code::KeyRevoked);
}

pub(super) async fn a_key_is_its_principals_own_and_lasts_a_day(world: &World) {
    let other = world.user(Role::Editor, None).await;
    let write = async |actor| {
        let options = UploadOptions { premises: keyed("key"), ..UploadOptions::default() };
        world.put_as(actor, world.at("/file"), b"x", options).await.unwrap().node.version_id
    };
    let first = write(&world.owner).await;
    assert_ne!(write(&other).await, first, "another's key");
    assert_eq!(write(&world.owner).await, first);
    // A refusal keeps nothing.
    let file = world.node_at("/file").await.unwrap();
    let rename = async |text| {
        let wanted = UpdateNode { name: Some(name(text)), ..UpdateNode::default() };
        world.engine.update_node(&world.owner, file.id, wanted, keyed("rename")).await
    };
    world.put("/taken", b"t").await;
    refused(rename("taken").await, Code::NameTaken);
    rename("free").await.unwrap();
    world.clock.advance(Duration::from_hours(23));
    world.engine.prune_idempotency().await.unwrap();
    assert_eq!(write(&world.owner).await, first);
    world.clock.advance(Duration::from_hours(2));
    assert!(world.engine.prune_idempotency().await.unwrap() >= 3);
    assert_ne!(write(&world.owner).await, first, "a day later it is another request");
}

/// Every change of a file that is there, each under the given premises; none of them is meant to be done.
async fn change_everywhere(
    world: &World,
    file: &Node,
    premises: impl Fn() -> Premises,
) -> Vec<(&'static str, Error)> {
    let (engine, owner) = (&world.engine, &world.owner);
    let options = || UploadOptions { premises: premises(), ..UploadOptions::default() };
    let parent = file.parent_id.unwrap();
    let renamed = UpdateNode { name: Some(name("other")), ..UpdateNode::default() };
    let moved = UpdateNode { parent_id: Some(world.root()), ..UpdateNode::default() };
    let metadata = Metadata::from([("k".to_owned(), "v".to_owned())]);
    let labelled = UpdateNode { metadata: Some(metadata), ..UpdateNode::default() };
    let child = Target::Child { parent, name: name(&file.name) };
    let path = world.at(&file.path.to_string());
    let large = vec![1; 300_000];
    let announced = UploadOptions { length: Some(300_000), ..options() };
    let results = [
        ("write", world.put_as(owner, Target::Node(file.id), b"new", options()).await.map(drop)),
        ("write by name", world.put_as(owner, child, b"new", options()).await.map(drop)),
        ("write by path", world.put_as(owner, path.clone(), b"new", options()).await.map(drop)),
        ("write much", world.put_as(owner, path, &large, announced).await.map(drop)),
        ("rename", engine.update_node(owner, file.id, renamed, premises()).await.map(drop)),
        ("move", engine.update_node(owner, file.id, moved, premises()).await.map(drop)),
        ("metadata", engine.update_node(owner, file.id, labelled, premises()).await.map(drop)),
        (
            "restore version",
            engine.restore_version(owner, file.id, file.version_id.unwrap(), premises()).await.map(drop),
        ),
        ("trash", engine.trash_node(owner, file.id, premises()).await.map(drop)),
    ];
    results.map(|(how, done)| (how, done.expect_err(how))).into()
}

fn matching(version: VersionId) -> Premises {
    Preconditions { if_match: Some(Some(vec![version])), ..Preconditions::default() }.into()
}

pub(super) async fn every_change_of_a_file_takes_a_premise(world: &World) {
    let old = world.put("/folder/file", b"1").await;
    let file = world.put("/folder/file", b"2").await;
    let made = world.engine.workspace(&world.owner, world.id()).await.unwrap().seq;
    // What comes after the version is no part of how it came.
    let metadata = Metadata::from([("k".to_owned(), "1".to_owned())]);
    let wanted = UpdateNode { metadata: Some(metadata), ..UpdateNode::default() };
    world.engine.update_node(&world.owner, file.id, wanted, Premises::default()).await.unwrap();
    let before = world.event_types().await.len();
    let names_what_stands = |how: &str, error: &Error, code: Code| {
        assert_eq!(error.code(), code, "{how}: {error}");
        let facts = error.facts().unwrap();
        assert_eq!((facts.current_version, facts.current_event), (file.version_id, Some(made)), "{how}");
    };
    for (how, error) in change_everywhere(world, &file, || matching(old.version_id.unwrap())).await {
        names_what_stands(how, &error, Code::PreconditionFailed);
    }
    let none = || Premises::from(Preconditions { if_none_match: true, ..Preconditions::default() });
    for (how, error) in change_everywhere(world, &file, none).await {
        names_what_stands(how, &error, Code::PreconditionFailed);
    }
    let stale = || matching(old.version_id.unwrap());
    let copied = world.engine.copy_node(&world.owner, file.id, CopyNode::default(), stale()).await;
    names_what_stands("copy", &copied.unwrap_err(), Code::PreconditionFailed);
    assert_eq!(world.event_types().await.len(), before, "nothing happened");

    let settings = WorkspaceSettings { require_preconditions: true, ..WorkspaceSettings::default() };
    let rule = UpdateWorkspace { settings: Some(settings.into()), ..UpdateWorkspace::default() };
    world.engine.update_workspace(&world.owner, world.id(), rule, Premises::default()).await.unwrap();
    for (how, error) in change_everywhere(world, &file, Premises::default).await {
        if how == "write much" && error.code() == Code::PreconditionFailed {
            panic!("{how}: nothing was stated");
        }
        names_what_stands(how, &error, Code::PreconditionRequired);
    }
    assert_eq!(world.event_types().await.len(), before + 1);
    // What changes no file that is there needs none, and what states the right one is done.
    let engine = &world.engine;
    world.put("/folder/new", b"x").await;
    let rename =
        UploadOptions { on_conflict: longshore_core::wire::OnConflict::Rename, ..UploadOptions::default() };
    world.put_with("/folder/new", b"x", rename).await.unwrap();
    engine
        .copy_node(
            &world.owner,
            file.id,
            CopyNode { name: Some(name("copy")), parent_id: None },
            Premises::default(),
        )
        .await
        .unwrap();
    let right = || matching(file.version_id.unwrap());
    engine.trash_node(&world.owner, file.id, right()).await.unwrap();
    refused(
        engine.restore_node(&world.owner, file.id, RestoreNode::default(), stale()).await,
        Code::PreconditionFailed,
    );
    engine.restore_node(&world.owner, file.id, RestoreNode::default(), Premises::default()).await.unwrap();
    let written = UploadOptions { premises: right(), ..UploadOptions::default() };
    let written = world.put_with("/folder/file", b"3", written).await.unwrap().node;
    let page = PageRequest::default();
    assert_eq!(engine.list_versions(&world.owner, file.id, page).await.unwrap().items.len(), 3);
    // Any version will do where that is said.
    let any = Preconditions { if_match: Some(None), ..Preconditions::default() };
    engine.trash_node(&world.owner, written.id, any.into()).await.unwrap();
}

pub(super) async fn a_copied_folders_file_names_no_event(world: &World) {
    world.put("/a/file", b"1").await;
    let top = world.node_at("/a").await.unwrap();
    let copy = CopyNode { parent_id: None, name: Some(name("b")) };
    world.engine.copy_node(&world.owner, top.id, copy, Premises::default()).await.unwrap();
    let copied = world.node_at("/b/file").await.unwrap();
    let none = Preconditions { if_none_match: true, ..Preconditions::default() };
    let error = world.engine.trash_node(&world.owner, copied.id, none.into()).await.unwrap_err();
    let facts = error.facts().unwrap();
    assert_eq!((facts.current_version, facts.current_event), (copied.version_id, None));
}

pub(super) async fn what_is_gone_still_answers_its_repeat(world: &World) {
    let file = world.put("/file", b"x").await;
    let (engine, owner) = (&world.engine, &world.owner);
    engine.trash_node(owner, file.id, Premises::default()).await.unwrap();
    let purge = async |actor| engine.purge_node(actor, file.id, keyed("purge")).await;
    let first = purge(owner).await.unwrap();
    assert_eq!(purge(owner).await.unwrap(), first);
    refused(engine.purge_node(owner, file.id, keyed("another")).await, Code::NodeNotFound);
    // Nobody else has that answer: neither another with the same key, nor the same with a key for elsewhere.
    let other = world.user(Role::Admin, None).await;
    refused(purge(&other).await, Code::NodeNotFound);
    let elsewhere = engine.create_workspace(owner, name("elsewhere"), None).await.unwrap();
    let wanted = CreateKey { workspace_id: Some(elsewhere.id), ..CreateKey::new("narrow", Role::Admin) };
    let narrow = engine.create_key(owner, wanted, None).await.unwrap();
    let narrow = engine.authenticate(&narrow.secret).await.unwrap();
    assert_eq!(narrow.principal, owner.principal);
    refused(purge(&narrow).await, Code::IdempotencyMismatch);
    // A large upload that must create is not refused by its own first time.
    let large = vec![7; 300_000];
    let create = || UploadOptions {
        length: Some(300_000),
        premises: Premises {
            preconditions: Preconditions { if_none_match: true, ..Preconditions::default() },
            ..keyed("large")
        },
        ..UploadOptions::default()
    };
    let first = world.put_with("/large", &large, create()).await.unwrap().node;
    assert_eq!(world.put_with("/large", &large, create()).await.unwrap().node, first);
    assert_eq!(world.blobs().await, 1, "the bytes that came twice are kept once");
}

/// One principal, two keys, each of one workspace: what one of them was told is not for the other.
pub(super) async fn a_narrow_key_gets_no_answer_of_another_workspace(world: &World) {
    let engine = &world.engine;
    let other = engine.create_workspace(&world.owner, name("other"), None).await.unwrap().id;
    let of = async |workspace| {
        let wanted = CreateKey { workspace_id: Some(workspace), ..CreateKey::new("narrow", Role::Admin) };
        let key = engine.create_key(&world.owner, wanted, None).await.unwrap();
        engine.authenticate(&key.secret).await.unwrap()
    };
    let (here, there) = (of(world.id()).await, of(other).await);
    assert_eq!(here.principal, there.principal);
    let wanted = || CreateKey::new("k", Role::Viewer);
    let key = |text| keyed(text).idempotency;
    let made = engine.create_key(&here, wanted(), key("make")).await.unwrap();
    refused(engine.create_key(&there, wanted(), key("make")).await, Code::IdempotencyMismatch);
    refused(engine.create_key(&world.owner, wanted(), key("make")).await, Code::IdempotencyMismatch);
    assert_eq!(engine.create_key(&here, wanted(), key("make")).await.unwrap().secret, made.secret);
    engine.revoke_key(&here, made.key.id, key("revoke")).await.unwrap();
    refused(engine.revoke_key(&there, made.key.id, key("revoke")).await, Code::IdempotencyMismatch);

    // A job: who does not see it, or may not steer it, is told nothing of it.
    let job = NewJob::new(&WORK, Value::Null).in_workspace(world.id());
    let job = engine.enqueue_job(job).await.unwrap();
    engine.cancel_job(&here, job, key("cancel")).await.unwrap();
    refused(engine.cancel_job(&there, job, key("cancel")).await, Code::JobNotFound);
    engine.retry_job(&here, job, key("retry")).await.unwrap();
    refused(engine.retry_job(&there, job, key("retry")).await, Code::JobNotFound);
    engine.revoke_key(&world.owner, here.key().unwrap(), None).await.unwrap();
    refused(engine.retry_job(&here, job, key("retry")).await, Code::KeyRevoked);
    refused(engine.create_key(&here, wanted(), key("make")).await, Code::KeyRevoked);
}
