use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use longshore_core::wire::{
    AcquireLock, After, CreateNote, Event, Role, UpdateNode, UpdateNote, UpdateSettings, UpdateVersion,
    UpdateWorkspace,
};
use longshore_core::{Code, WorkspaceId};
use longshore_engine::{Actor, EventQuery, EventTypes, PageRequest, Premises, Target, UploadOptions};

use crate::world::{World, name, path, refused};

const WRITERS: usize = 16;
/// Acts of each writer.
const ACTS: usize = 12;
const DAY: Duration = Duration::from_hours(24);

fn types(text: &str) -> Option<EventTypes> {
    Some(text.parse().unwrap())
}

/// Follows the log until `end` events have come, in pages of a few.
async fn follow(world: &World, query: EventQuery, end: usize) -> Vec<Event> {
    let mut query = EventQuery { limit: Some(7), ..query };
    let mut follower = world.engine.follow(&world.owner, world.id()).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < end {
        let page = follower.read(&query).await.unwrap();
        let Some(After::Seq(before)) = query.after else { unreachable!("the tests begin at a place") };
        assert!(page.reached() >= before, "the cursor went back from {before} to {}", page.reached());
        query.after = Some(page.reached().into());
        seen.extend(page.items);
        follower.changed(Duration::from_secs(5)).await;
    }
    seen
}

/// Writes, replaces, moves and trashes: each act is one event.
async fn write(world: &World, writer: usize) {
    for act in 0..ACTS / 4 {
        let file = format!("/w{writer}-{act}");
        let node = world.put(&file, b"one").await;
        world.put(&file, b"two").await;
        let renamed =
            UpdateNode { name: Some(name(&format!("moved{writer}-{act}"))), ..UpdateNode::default() };
        world.engine.update_node(&world.owner, node.id, renamed, Premises::default()).await.unwrap();
        world.engine.trash_node(&world.owner, node.id, Premises::default()).await.unwrap();
    }
}

pub(super) async fn a_cursor_never_misses_and_never_goes_back(world: &World) {
    let all = EventQuery { after: Some(After::Seq(1)), ..EventQuery::default() };
    let made = EventQuery { types: types("file.created"), ..all.clone() };
    let writers = join_all((0..WRITERS).map(|writer| write(world, writer)));
    let (_, everything, also, files) = tokio::time::timeout(Duration::from_secs(60), async {
        tokio::join!(
            writers,
            follow(world, all.clone(), WRITERS * ACTS),
            follow(world, all.clone(), WRITERS * ACTS),
            follow(world, made, WRITERS * ACTS / 4),
        )
    })
    .await
    .expect("followers that are told of every event");
    let places: Vec<_> = everything.iter().map(|event| event.seq).collect();
    assert_eq!(places, (2..2 + (WRITERS * ACTS) as u64).collect::<Vec<_>>());
    assert_eq!(everything, also);
    assert_eq!(everything, world.events(all).await, "what was followed is what is listed");
    let created: Vec<_> = everything.into_iter().filter(|event| event.r#type == "file.created").collect();
    assert_eq!(files, created);
}

pub(super) async fn each_event_tells_the_versions_before_and_after(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let one = world.put("/a/file", b"1").await;
    let two = world.put("/a/file", b"2").await;
    let (file, folder) = (one.id, one.parent_id.unwrap());
    let (first, second) = (one.version_id.unwrap(), two.version_id.unwrap());
    for node in [file, folder] {
        let lock = AcquireLock::default();
        let lock = engine.lock_node(owner, node, lock, Premises::default()).await.unwrap().0;
        engine.release_lock(owner, lock.lock.id, lock.token.parse().unwrap()).await.unwrap();
    }
    let note = CreateNote { text: "a".to_owned(), ..CreateNote::default() };
    let note = engine.create_note(owner, file, note, Premises::default()).await.unwrap().id;
    let text = UpdateNote { text: "b".to_owned() };
    engine.update_note(owner, note, text, Premises::default()).await.unwrap();
    engine.delete_note(owner, note, Premises::default()).await.unwrap();
    let label = UpdateVersion { label: Some("kept".to_owned()) };
    engine.update_version(owner, file, first, label, Premises::default()).await.unwrap();
    engine.delete_version(owner, file, first, Premises::default()).await.unwrap();
    let renamed = UpdateNode { name: Some(name("other")), ..UpdateNode::default() };
    engine.update_node(owner, file, renamed, Premises::default()).await.unwrap();
    let restored = engine.restore_version(owner, file, second, Premises::default()).await.unwrap();
    let third = restored.version_id.unwrap();
    let rules = UpdateSettings { versions_kept: Some(Some(1)), ..UpdateSettings::default() };
    let rules = UpdateWorkspace { settings: Some(rules), ..UpdateWorkspace::default() };
    engine.update_workspace(owner, world.id(), rules, Premises::default()).await.unwrap();
    engine.retain_versions(world.id()).await.unwrap();
    engine.trash_node(owner, file, Premises::default()).await.unwrap();
    engine.purge_node(owner, file, Premises::default()).await.unwrap();

    let events = world.events_after(1).await;
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.r#type.as_str(), event.previous_version_id, event.version_id))
        .collect();
    let (first, second, third) = (Some(first), Some(second), Some(third));
    assert_eq!(
        told,
        [
            ("folder.created", None, None),
            ("file.created", None, first),
            ("version.created", first, second),
            ("lock.acquired", second, second),
            ("lock.released", second, second),
            ("lock.acquired", None, None),
            ("lock.released", None, None),
            ("note.created", second, second),
            ("note.edited", second, second),
            ("note.deleted", second, second),
            ("version.labelled", second, second),
            ("version.deleted", second, second),
            ("node.renamed", second, second),
            ("version.restored", second, third),
            ("workspace.settings_changed", None, None),
            ("version.purged", third, third),
            ("node.trashed", third, third),
            ("node.purged", third, None),
        ],
    );
}

pub(super) async fn a_reader_chooses_by_type_path_and_actor(world: &World) {
    let agent = world.user(Role::Editor, None).await;
    world.put("/a/one", b"1").await;
    let ab = world.put("/ab", b"2").await;
    let moved = world.put("/a/b/two", b"3").await;
    let options = UploadOptions::default;
    world.put_as(&agent, world.at("/a/one"), b"4", options()).await.unwrap();
    let to_root = UpdateNode { parent_id: Some(world.root()), ..UpdateNode::default() };
    world.engine.update_node(&world.owner, moved.id, to_root, Premises::default()).await.unwrap();
    world.engine.trash_node(&agent, ab.id, Premises::default()).await.unwrap();

    let chosen = async |query| {
        let events = world.events(query).await;
        events.iter().map(|event| format!("{} {}", event.r#type, event.data["path"])).collect::<Vec<_>>()
    };
    let none = EventQuery::default;
    let of_types = |text| EventQuery { types: types(text), ..none() };
    assert_eq!(chosen(of_types("version.created")).await, [r#"version.created "/a/one""#]);
    assert_eq!(chosen(of_types("file.created,node.trashed")).await.len(), 4);
    assert_eq!(chosen(of_types("node.*")).await, [r#"node.moved "/two""#, r#"node.trashed "/ab""#]);
    // An underscore stands for itself alone.
    assert_eq!(chosen(of_types("node.move_")).await.len(), 0);
    assert_eq!(chosen(of_types("nod.*,node.move")).await.len(), 0);
    let below = |text| EventQuery { path: Some(path(text)), ..none() };
    let in_a = chosen(below("/a")).await;
    assert_eq!(
        in_a,
        [
            r#"folder.created "/a""#,
            r#"file.created "/a/one""#,
            r#"folder.created "/a/b""#,
            r#"file.created "/a/b/two""#,
            r#"version.created "/a/one""#,
            r#"node.moved "/two""#,
        ],
    );
    assert_eq!(chosen(below("/two")).await, [r#"node.moved "/two""#]);
    assert_eq!(chosen(below("/A")).await.len(), 0);
    // What happens to the workspace itself has no path; below the root is everything.
    let change = UpdateWorkspace { name: Some(name("renamed")), ..UpdateWorkspace::default() };
    world.engine.update_workspace(&world.owner, world.id(), change, Premises::default()).await.unwrap();
    assert_eq!(chosen(below("/")).await.len(), world.event_types().await.len());
    let by_agent = EventQuery { actor: Some(agent.principal), ..none() };
    assert_eq!(chosen(by_agent.clone()).await.len(), 2);
    let both = EventQuery { path: Some(path("/a")), types: types("version.*"), ..by_agent };
    assert_eq!(chosen(both).await, [r#"version.created "/a/one""#]);

    for wrong in
        ["", "file", "*", "file.", ".created", "file.created,", "File.created", "a b.c", "a.b.c", "f.*x"]
    {
        assert_eq!(wrong.parse::<EventTypes>().unwrap_err().code(), Code::InvalidQuery, "{wrong:?}");
    }
    assert_eq!(["a.b"; 65].join(",").parse::<EventTypes>().unwrap_err().code(), Code::InvalidQuery);
}

pub(super) async fn a_filter_that_lets_nothing_pass_still_gets_on(world: &World) {
    // The world looks at 50 events at a time.
    world
        .engine
        .create_folders(&world.owner, world.id(), path(&"/f".repeat(120)), Premises::default())
        .await
        .unwrap();
    world.put("/last", b"x").await;
    let mut query = EventQuery { types: types("file.*"), ..EventQuery::default() };
    let mut reached = Vec::new();
    let found = loop {
        let page = world.engine.events(&world.owner, world.id(), query.clone()).await.unwrap();
        assert_eq!(page.last_seq, 122);
        reached.push(page.reached());
        query.after = Some(page.reached().into());
        if page.next_cursor.is_none() {
            break page.items;
        }
        assert!(page.items.is_empty());
    };
    assert_eq!(reached, [50, 100, 122]);
    assert_eq!(found[0].data["path"], "/last");
    // Who waits goes on through what does not pass, without waiting.
    let from_start = EventQuery { after: None, ..query };
    let started = Instant::now();
    let wait = Duration::from_secs(30);
    let page = world.engine.await_events(&world.owner, world.id(), from_start, wait).await.unwrap();
    assert_eq!((page.items, page.next_cursor), (found, None));
    assert!(started.elapsed() < wait);
}

pub(super) async fn who_waits_is_woken(world: &World) {
    let wait = |query, seconds| {
        world.engine.await_events(&world.owner, world.id(), query, Duration::from_secs(seconds))
    };
    let newest = EventQuery { after: Some(After::Now), ..EventQuery::default() };
    // Nothing happens: the page says how far the log goes.
    let page = wait(newest.clone(), 1).await.unwrap();
    assert_eq!((page.items.len(), page.next_cursor.clone(), page.last_seq), (0, None, 1));
    assert_eq!(page.reached(), 1);
    // Something happens while many wait, some for something else.
    let others = EventQuery { types: types("node.trashed"), ..newest.clone() };
    let started = Instant::now();
    let (woken, patient, ()) =
        tokio::join!(join_all((0..8).map(|_| wait(newest.clone(), 30))), wait(others, 30), async {
            while world.engine.followers() < 9 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            // Each has read, and found nothing.
            tokio::time::sleep(Duration::from_millis(100)).await;
            let node = world.put("/a", b"a").await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            world.engine.trash_node(&world.owner, node.id, Premises::default()).await.unwrap();
        });
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    for page in woken {
        assert_eq!(page.unwrap().items[0].seq, 2);
    }
    assert_eq!(patient.unwrap().items[0].seq, 3);
    assert_eq!(world.engine.followers(), 0);
    // What is there already is given at once.
    let page = wait(EventQuery { after: Some(After::Seq(1)), limit: Some(1), ..EventQuery::default() }, 30)
        .await
        .unwrap();
    assert_eq!((page.items[0].seq, page.next_cursor.as_deref()), (2, Some("2")));
}

pub(super) async fn old_events_go_and_readers_are_told(world: &World) {
    let (engine, owner, id) = (&world.engine, &world.owner, world.id());
    let keep = async |days: Option<u32>| {
        let events_days = days.and_then(NonZeroU32::new);
        let settings = Some(UpdateSettings { events_days: Some(events_days), ..UpdateSettings::default() });
        let change = UpdateWorkspace { settings, ..UpdateWorkspace::default() };
        engine.update_workspace(owner, id, change, Premises::default()).await.unwrap().seq
    };
    // More than one transaction removes.
    for tree in 0..5 {
        let folder = format!("/{tree}{}", "/f".repeat(249));
        engine.create_folders(owner, id, path(&folder), Premises::default()).await.unwrap();
    }
    assert_eq!(engine.prune_events().await.unwrap(), 0, "all of them are new");
    world.clock.advance(29 * DAY);
    world.put("/young", b"x").await;
    world.clock.advance(2 * DAY);
    assert_eq!(keep(None).await, 1_253);
    assert_eq!(engine.prune_events().await.unwrap(), 0, "kept for ever");
    assert_eq!(keep(Some(30)).await, 1_254);
    assert_eq!(engine.prune_events().await.unwrap(), 1_251);
    assert_eq!(engine.prune_events().await.unwrap(), 0);

    let read = |after| engine.events(owner, id, EventQuery { after, ..EventQuery::default() });
    let page = read(None).await.unwrap();
    assert_eq!(page.items.iter().map(|event| event.seq).collect::<Vec<_>>(), [1_252, 1_253, 1_254]);
    assert_eq!(read(Some(After::Seq(1_251))).await.unwrap(), page, "nothing after it is gone");
    for gone in [0, 1, 1_250] {
        let error = read(Some(After::Seq(gone))).await.unwrap_err();
        assert_eq!(error.code(), Code::EventsGone);
        assert!(error.detail().contains("up to 1251") && error.detail().contains("list the tree"), "{error}");
    }
    // A place that the log never reached is of another log.
    for other in [1_255, u64::MAX] {
        refused(read(Some(After::Seq(other))).await, Code::EventsGone);
    }
    assert_eq!(read(Some(After::Seq(1_254))).await.unwrap().items, []);
    // The way back: the workspace's place, then the tree, then what came after that place.
    let place = engine.workspace(owner, id).await.unwrap().seq;
    world.put("/later", b"x").await;
    assert_eq!(read(Some(After::Seq(place))).await.unwrap().items[0].data["path"], "/later");

    // However old it is, the newest stays: it is what the next one follows.
    world.clock.advance(400 * DAY);
    assert_eq!(engine.prune_events().await.unwrap(), 3);
    let page = read(None).await.unwrap();
    assert_eq!(page.items.iter().map(|event| event.seq).collect::<Vec<_>>(), [1_255]);
    world.put("/next", b"x").await;
    assert_eq!(read(Some(After::Seq(1_255))).await.unwrap().items[0].seq, 1_256);
}

pub(super) async fn followers_are_bounded_and_let_go(world: &World) {
    let follow = || world.engine.follow(&world.owner, world.id());
    let mut followers = join_all((0..17).map(|_| follow())).await;
    assert!(followers.iter().all(Result::is_ok));
    // One principal does not take all the room, with whatever key.
    refused(follow().await, Code::Overloaded);
    let agent = world.user(Role::Viewer, None).await;
    followers.extend(join_all((0..3).map(|_| world.engine.follow(&agent, world.id()))).await);
    assert!(followers.iter().all(Result::is_ok));
    refused(world.engine.follow(&agent, world.id()).await, Code::Overloaded);
    let query = EventQuery { after: Some(After::Now), ..EventQuery::default() };
    let wait = Duration::from_secs(1);
    refused(world.engine.await_events(&world.owner, world.id(), query.clone(), wait).await, Code::Overloaded);
    // Who does not wait, or need not, takes nobody's place.
    world.engine.await_events(&world.owner, world.id(), query.clone(), Duration::ZERO).await.unwrap();
    let all = world.engine.await_events(&world.owner, world.id(), EventQuery::default(), wait).await.unwrap();
    assert_ne!(all.items.len(), 0);
    // The last to come is the first to go: one of the agent's.
    followers.truncate(19);
    // One that goes away while it waits gives its place up too.
    let going = world.engine.await_events(&agent, world.id(), query, Duration::from_secs(30));
    assert!(tokio::time::timeout(Duration::from_millis(100), going).await.is_err());
    assert_eq!(world.engine.followers(), 19);
    drop(followers);
    assert_eq!(world.engine.followers(), 0);
    follow().await.unwrap();
}

pub(super) async fn a_key_that_is_over_follows_no_more(world: &World) {
    let agent = world.user(Role::Viewer, None).await;
    let mut follower = world.engine.follow(&agent, world.id()).await.unwrap();
    let query = EventQuery { after: Some(After::Now), ..EventQuery::default() };
    follower.read(&query).await.unwrap();
    let wait = Duration::from_secs(30);
    let (waited, ()) =
        tokio::join!(world.engine.await_events(&agent, world.id(), query.clone(), wait), async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            world.engine.revoke_key(&world.owner, agent.key().unwrap(), None).await.unwrap();
            // An event that it would have been given.
            world.put("/secret", b"x").await;
        });
    refused(waited, Code::KeyRevoked);
    refused(follower.read(&query).await, Code::KeyRevoked);
}

pub(super) async fn each_tenant_follows_its_own_alone(world: &World) {
    let other = world.engine.create_workspace(&world.owner, name("other"), None).await.unwrap().id;
    let here = world.user(Role::Editor, Some(world.id())).await;
    let there = world.user(Role::Editor, Some(other)).await;
    refused(world.engine.follow(&here, other).await, Code::WorkspaceNotFound);
    refused(world.engine.events(&there, world.id(), EventQuery::default()).await, Code::WorkspaceNotFound);
    let nowhere = WorkspaceId::new(longshore_core::Timestamp::from_micros(1));
    refused(world.engine.events(&world.owner, nowhere, EventQuery::default()).await, Code::WorkspaceNotFound);
    let mut ids = BTreeSet::new();
    for (actor, workspace) in [(&here, world.id()), (&there, other)] {
        assert_eq!(paths_after_writing(world, actor, workspace).await, [format!("/of-{workspace}")]);
        let page = world.engine.events(actor, workspace, EventQuery::default()).await.unwrap();
        assert!(page.items.iter().all(|event| ids.insert(event.id)), "an event of both");
    }
}

/// Follows both workspaces' writes with a key of one, and returns the paths that came.
async fn paths_after_writing(world: &World, actor: &Actor, workspace: WorkspaceId) -> Vec<String> {
    let query = EventQuery { after: Some(After::Now), ..EventQuery::default() };
    let mut follower = world.engine.follow(actor, workspace).await.unwrap();
    let start = follower.read(&query).await.unwrap().reached();
    let all = world.engine.list_workspaces(&world.owner, PageRequest::default()).await.unwrap();
    for id in all.items.iter().map(|workspace| workspace.id) {
        let target = Target::Path { workspace: id, path: path(&format!("/of-{id}")) };
        world.put_as(&world.owner, target, b"x", UploadOptions::default()).await.unwrap();
    }
    follower.changed(Duration::from_secs(5)).await;
    let query = EventQuery { after: Some(After::Seq(start)), ..query };
    let items = follower.read(&query).await.unwrap().items;
    items.iter().map(|event| event.data["path"].as_str().unwrap().to_owned()).collect()
}
