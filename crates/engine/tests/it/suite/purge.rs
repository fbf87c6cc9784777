use std::time::Duration;

use longshore_core::wire::{
    AcquireLock, CopyNode, CreateNote, JobState, Node, Purged, RenewLock, RestoreNode, Role,
    WorkspaceSettings,
};
use longshore_core::{Clock as _, Code, LockToken, PrincipalId, Timestamp};
use longshore_engine::{JobFilter, PageRequest, Premises, Result, TrashPurged};
use serde_json::json;

use super::versions::set_rules;
use crate::workers::{Worker, ended, settings};
use crate::world::{World, name, noise, refused};

const DAY: Duration = Duration::from_hours(24);

async fn trash(world: &World, node: &Node) {
    world.engine.trash_node(&world.owner, node.id, Premises::default()).await.unwrap();
}

async fn purge(world: &World, node: &Node) -> Result<Purged> {
    world.engine.purge_node(&world.owner, node.id, Premises::default()).await
}

async fn purge_old(world: &World) -> Result<TrashPurged> {
    world.engine.purge_trash(world.id(), &mut |_| Ok(())).await
}

async fn trashed(world: &World) -> Vec<String> {
    let page = PageRequest::new(Some(1_000), None);
    let items = world.engine.trash(&world.owner, world.id(), page).await.unwrap().items;
    items.iter().map(|node| node.path.to_string()).collect()
}

pub(super) async fn what_is_purged_is_gone(world: &World) {
    let big = noise(40_000, 3);
    let file = world.put("/a/deep/big", &big).await;
    world.put("/a/deep/big", b"small").await;
    world.put("/a/other", b"other").await;
    let top = world.node_at("/a").await.unwrap();
    let copy = CopyNode { parent_id: None, name: Some(name("copy")) };
    // The copy is of the current versions, and a second one of the file keeps the large content.
    world
        .engine
        .restore_version(&world.owner, file.id, file.version_id.unwrap(), Premises::default())
        .await
        .unwrap();
    world.engine.copy_node(&world.owner, top.id, copy, Premises::default()).await.unwrap();
    let note = CreateNote { text: "a note".to_owned(), ..Default::default() };
    world.engine.create_note(&world.owner, file.id, note, Premises::default()).await.unwrap();

    refused(purge(world, &top).await, Code::NotInTrash);
    refused(purge(world, &file).await, Code::NotInTrash);
    let root = world.engine.node(&world.owner, world.root()).await.unwrap();
    refused(purge(world, &root).await, Code::RootRefused);
    trash(world, &file).await;
    trash(world, &top).await;
    let editor = world.user(Role::Editor, None).await;
    refused(world.engine.purge_node(&editor, top.id, Premises::default()).await, Code::Forbidden);
    let events = world.event_types().await.len();
    let purged = purge(world, &top).await.unwrap();
    assert_eq!(purged, Purged { nodes: 4, versions: 4, bytes: 40_000 + 5 + 40_000 + 5, job_id: None });
    assert_eq!(world.event_types().await[events..], ["node.purged"]);
    for gone in [&top, &file] {
        refused(world.engine.node(&world.owner, gone.id).await, Code::NodeNotFound);
    }
    refused(purge(world, &top).await, Code::NodeNotFound);
    assert!(trashed(world).await.is_empty());
    // What shares the bytes keeps them; the place is free, for something new.
    world.clock.advance(3 * DAY);
    world.engine.sweep().await.unwrap();
    assert!(world.read(world.node_at("/copy/deep/big").await.unwrap().id).await.unwrap() == big);
    let again = world.put("/a/deep/big", b"again").await;
    assert_ne!(again.id, file.id);
    let event = world.events_after(events as u64).await;
    assert_eq!(event[0].data["path"], "/a");
    assert_eq!((&event[0].data["nodes"], &event[0].data["versions"]), (&4.into(), &4.into()));
}

pub(super) async fn the_trash_is_emptied(world: &World) {
    for file in ["/a/1", "/a/2", "/b", "/c"] {
        world.put(file, b"x").await;
    }
    for gone in ["/a/1", "/a", "/b"] {
        let node = world.node_at(gone).await.unwrap();
        trash(world, &node).await;
        world.clock.advance(Duration::from_millis(3));
    }
    assert_eq!(trashed(world).await, ["/b", "/a", "/a/1"]);
    let empty = || world.engine.empty_trash(&world.owner, world.id(), Premises::default());
    assert_eq!(empty().await.unwrap(), Purged { nodes: 4, versions: 3, bytes: 3, job_id: None });
    assert_eq!(empty().await.unwrap(), Purged::default());
    assert!(trashed(world).await.is_empty());
    assert_eq!(world.paths().await, ["/c"]);
    let editor = world.user(Role::Editor, None).await;
    refused(world.engine.empty_trash(&editor, world.id(), Premises::default()).await, Code::Forbidden);
}

pub(super) async fn what_is_old_leaves_the_trash(world: &World) {
    let (old, young) = (world.put("/old/file", b"o").await, world.put("/young", b"y").await);
    let folder = world.node_at("/old").await.unwrap();
    trash(world, &old).await;
    trash(world, &folder).await;
    world.clock.advance(20 * DAY);
    trash(world, &young).await;
    let nothing = TrashPurged::default();
    assert_eq!(purge_old(world).await.unwrap(), nothing);
    world.clock.advance(11 * DAY);
    set_rules(world, WorkspaceSettings { trash_days: None, ..Default::default() }).await.unwrap();
    assert_eq!(purge_old(world).await.unwrap(), nothing, "for ever is for ever");
    set_rules(world, WorkspaceSettings::default()).await.unwrap();
    let done = purge_old(world).await.unwrap();
    assert_eq!((done.purged.nodes, done.purged.versions, done.locked), (2, 1, 0));
    assert_eq!(trashed(world).await, ["/young"]);
    let last = world.events_after(0).await.pop().unwrap();
    assert_eq!((last.r#type.as_str(), last.actor), ("node.purged", PrincipalId::LONGSHORE));
    world
        .engine
        .restore_node(&world.owner, young.id, RestoreNode::default(), Premises::default())
        .await
        .unwrap();
}

/// Does something in the middle of a purge: after its first step.
fn meanwhile<'w, F: Future<Output = ()> + Send + 'w>(
    work: impl FnOnce() -> F + Send + 'w,
) -> impl FnMut(Purged) -> Result<()> + Send + 'w {
    let (mut work, here) = (Some(work), tokio::runtime::Handle::current());
    move |_| {
        if let Some(work) = work.take() {
            tokio::task::block_in_place(|| here.block_on(work()));
        }
        Ok(())
    }
}

async fn restore(world: &World, node: &Node) {
    let to = RestoreNode::default();
    world.engine.restore_node(&world.owner, node.id, to, Premises::default()).await.unwrap();
}

pub(super) async fn what_came_back_meanwhile_is_not_purged_by_age(world: &World) {
    let (old, busy) = (world.put("/1", b"old").await, world.put("/2", b"old").await);
    for node in [&old, &busy] {
        trash(world, node).await;
        world.clock.advance(Duration::from_millis(1));
    }
    world.clock.advance(31 * DAY);
    let again = || async {
        restore(world, &busy).await;
        world.put("/2", b"new").await;
        trash(world, &busy).await;
    };
    let done = world.engine.purge_trash(world.id(), &mut meanwhile(again)).await.unwrap();
    assert_eq!((done.purged.nodes, trashed(world).await), (1, vec!["/2".to_owned()]));

    // The rules of the moment count: whoever keeps all from now on loses nothing more.
    world.clock.advance(31 * DAY);
    let other = world.put("/3", b"old").await;
    trash(world, &other).await;
    world.clock.advance(31 * DAY);
    let for_ever = || async {
        set_rules(world, WorkspaceSettings { trash_days: None, ..Default::default() }).await.unwrap();
    };
    let done = world.engine.purge_trash(world.id(), &mut meanwhile(for_ever)).await.unwrap();
    assert_eq!((done.purged.nodes, trashed(world).await), (1, vec!["/3".to_owned()]));

    // So it is where all up to a time is asked for.
    world.clock.advance(DAY);
    let first = world.put("/0", b"x").await;
    restore(world, &other).await;
    trash(world, &first).await;
    world.clock.advance(DAY);
    trash(world, &other).await;
    world.clock.advance(DAY);
    let end = world.clock.now();
    let again = || async {
        restore(world, &other).await;
        trash(world, &other).await;
    };
    let purge = async |said: &mut (dyn FnMut(Purged) -> Result<()> + Send)| {
        world.engine.purge_trash_before(&world.owner, world.id(), end, said).await.unwrap()
    };
    assert_eq!(purge(&mut meanwhile(again)).await.purged.nodes, 1);
    assert_eq!(trashed(world).await, ["/3"]);
}

pub(super) async fn a_late_purge_leaves_what_came_back(world: &World) {
    let top = many(world, 3, 80).await;
    let gone = || async {
        world.clock.advance(Duration::from_secs(1));
        trash(world, &top).await;
        world.clock.advance(Duration::from_secs(1));
    };
    gone().await;
    let job = purge(world, &top).await.unwrap().job_id.unwrap();
    let all = world.engine.empty_trash(&world.owner, world.id(), Premises::default());
    let all = all.await.unwrap().job_id.unwrap();
    // Before anybody works on it the folder comes back, is worked on, and is trashed once more.
    restore(world, &top).await;
    world.put("/many/new", b"new").await;
    gone().await;
    let worker = Worker::start(&world.engine, world.engine.job_kinds(), settings());
    let failed = ended(&world.engine, &world.owner, job).await;
    let emptied = ended(&world.engine, &world.owner, all).await;
    worker.stop().await;
    assert_eq!(failed.state, JobState::Failed);
    assert_eq!(failed.error.unwrap().code, "not_in_trash");
    assert_eq!((emptied.state, emptied.result.unwrap()["nodes"].clone()), (JobState::Succeeded, json!(0)));
    restore(world, &top).await;
    assert_eq!(world.paths().await.len(), 1 + 3 + 3 * 80 + 1);
    // Asked for again it is another job, though one of before were still waiting.
    gone().await;
    let first = purge(world, &top).await.unwrap().job_id.unwrap();
    restore(world, &top).await;
    gone().await;
    let second = purge(world, &top).await.unwrap().job_id.unwrap();
    assert_ne!(first, second);
    assert_eq!(purge(world, &top).await.unwrap().job_id, Some(second));
    let worker = Worker::start(&world.engine, world.engine.job_kinds(), settings());
    assert_eq!(ended(&world.engine, &world.owner, first).await.state, JobState::Failed);
    assert_eq!(ended(&world.engine, &world.owner, second).await.state, JobState::Succeeded);
    worker.stop().await;
    assert!(trashed(world).await.is_empty());
}

/// Makes folders with files below `/many`, more nodes than the world's limit of one act.
async fn many(world: &World, folders: usize, files: usize) -> Node {
    let writes = (0..files).map(|file| async move { world.put(&format!("/many/0/{file}"), b"x").await });
    futures_util::future::join_all(writes).await;
    let first = world.node_at("/many/0").await.unwrap();
    for folder in 1..folders {
        let copy = CopyNode { parent_id: None, name: Some(name(&folder.to_string())) };
        world.engine.copy_node(&world.owner, first.id, copy, Premises::default()).await.unwrap();
    }
    world.node_at("/many").await.unwrap()
}

pub(super) async fn five_thousand_nodes_go_step_by_step(world: &World) {
    let top = many(world, 26, 191).await;
    let heavy = world.put("/many/heavy", b"0").await;
    for _ in 0..3 {
        let writes = (0..100).map(|_| world.put("/many/heavy", b"1"));
        futures_util::future::join_all(writes).await;
    }
    trash(world, &top).await;
    let before = world.event_count().await;
    // More than one act takes: nothing is gone yet, and who asks twice has one job.
    let asked = purge(world, &top).await.unwrap();
    let job = asked.job_id.unwrap();
    assert_eq!(asked, Purged { job_id: Some(job), ..Purged::default() });
    assert_eq!(purge(world, &top).await.unwrap().job_id, Some(job));
    assert_eq!(world.event_count().await, before);
    world.engine.node(&world.owner, heavy.id).await.unwrap();
    let worker = Worker::start(&world.engine, world.engine.job_kinds(), settings());
    let ended = ended(&world.engine, &world.owner, job).await;
    worker.stop().await;
    assert_eq!(
        (ended.state, ended.created_by),
        (JobState::Succeeded, Some(world.owner.principal)),
        "{ended:?}"
    );
    let files = 26 * 191;
    let (nodes, versions) = (1 + 26 + files + 1, files + 301);
    let told = json!({ "nodes": nodes, "versions": versions, "bytes": versions, "locked": 0 });
    assert_eq!(ended.result, Some(told));
    refused(world.engine.node(&world.owner, top.id).await, Code::NodeNotFound);
    refused(world.engine.node(&world.owner, heavy.id).await, Code::NodeNotFound);
    let events = world.events_after(before).await;
    let (last, steps) = events.split_last().unwrap();
    assert_eq!(last.r#type, "node.purged");
    assert!(steps.len() > 5 && steps.iter().all(|event| event.r#type == "node.purged_in_part"));
    let told: u64 = events.iter().map(|event| event.data["nodes"].as_u64().unwrap()).sum();
    assert_eq!(told, nodes);
    assert!(
        events.iter().all(|event| event.actor == world.owner.principal && event.key_id == world.owner.key())
    );
}

pub(super) async fn a_purge_that_stops_leaves_a_whole_tree(world: &World) {
    let top = many(world, 6, 100).await;
    trash(world, &top).await;
    let before = world.event_count().await;
    let (mut nothing, end) = (|_| Ok(()), Timestamp::from_micros(i64::MAX));
    let mut purge = Box::pin(world.engine.purge_step_by_step(&world.owner, top.id, end, &mut nothing));
    // It is given up once it has begun, as a crash does.
    loop {
        let pause = tokio::time::sleep(Duration::from_millis(1));
        tokio::select! {
            done = &mut purge => panic!("it was over at once: {done:?}"),
            () = pause => if world.event_count().await > before { break },
        }
    }
    drop(purge);
    assert_eq!(trashed(world).await, ["/many"]);
    world
        .engine
        .restore_node(&world.owner, top.id, RestoreNode::default(), Premises::default())
        .await
        .unwrap();
    let left = world.paths().await;
    assert!(left.len() > 1 && left.len() < 607, "{}", left.len());
    for path in left {
        let node = world.node_at(&path).await.unwrap();
        if node.version_id.is_some() {
            assert_eq!(world.read(node.id).await.unwrap(), b"x");
        }
    }
    trash(world, &top).await;
    world.engine.purge_step_by_step(&world.owner, top.id, end, &mut |_| Ok(())).await.unwrap();
    assert!(trashed(world).await.is_empty());
}

async fn lock(world: &World, node: &Node) -> LockToken {
    let granted = world.engine.lock_node(&world.owner, node.id, AcquireLock::default(), Premises::default());
    granted.await.unwrap().0.token.parse().unwrap()
}

pub(super) async fn a_lock_keeps_the_trash(world: &World) {
    let (locked, free) = (world.put("/a/locked", b"x").await, world.put("/free", b"y").await);
    let top = world.node_at("/a").await.unwrap();
    let token = lock(world, &locked).await;
    let mine = || Premises { locks: vec![token.clone()], ..Premises::default() };
    world.engine.trash_node(&world.owner, top.id, mine()).await.unwrap();
    trash(world, &free).await;
    refused(purge(world, &top).await, Code::Locked);
    refused(purge(world, &locked).await, Code::Locked);
    refused(world.engine.empty_trash(&world.owner, world.id(), Premises::default()).await, Code::Locked);
    assert_eq!(trashed(world).await.len(), 2, "what is refused changes nothing");
    // The rules leave alone what is locked, and take the rest.
    world.clock.advance(Duration::from_secs(1));
    let end = world.clock.now();
    let done = world.engine.purge_trash_before(&world.owner, world.id(), end, &mut |_| Ok(())).await.unwrap();
    assert_eq!((done.purged.nodes, done.locked), (1, 1));
    // The holder may; the lock ends with what it was on.
    assert_eq!(world.engine.purge_node(&world.owner, top.id, mine()).await.unwrap().nodes, 2);
    let renewed = world.engine.renew_lock(&world.owner, token.id(), token.clone(), RenewLock::default());
    refused(renewed.await, Code::LockLost);
    let locks =
        world.engine.list_locks(&world.owner, world.id(), None, PageRequest::default()).await.unwrap();
    assert!(locks.items.is_empty());
}

pub(super) async fn rules_run_by_the_clock(world: &World) {
    let file = world.put("/file", b"1").await;
    world.put("/file", b"2").await;
    let gone = world.put("/gone", b"g").await;
    trash(world, &gone).await;
    let rules = WorkspaceSettings { versions_kept: Some(1), trash_days: Some(1), ..Default::default() };
    set_rules(world, rules).await.unwrap();
    world.clock.advance(2 * DAY);
    let worker = Worker::start(&world.engine, world.engine.job_kinds(), settings());
    for kind in ["trash.purge", "versions.retain"] {
        let filter = JobFilter { workspace: Some(world.id()), kind: Some(kind.to_owned()), state: None };
        let job = loop {
            let page = PageRequest::default();
            let found = world.engine.list_jobs(&world.owner, filter.clone(), page).await.unwrap().items;
            match found.into_iter().next() {
                Some(job) => break job,
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        assert_eq!(ended(&world.engine, &world.owner, job.id).await.state, JobState::Succeeded);
    }
    worker.stop().await;
    assert!(trashed(world).await.is_empty());
    let old = world.engine.version(&world.owner, file.id, file.version_id.unwrap()).await;
    refused(old, Code::VersionNotFound);
}
