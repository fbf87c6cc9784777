use std::collections::BTreeSet;

use bytes::Bytes;
use longshore_core::wire::{
    AcquireLock, CopyNode, CreateKey, CreateNote, Node, OnConflict, RestoreNode, Role, UndoActs, UpdateNode,
    Verb,
};
use longshore_core::{Code, NodeId};
use longshore_engine::{
    Actor, ArchiveItem, BatchWrite, Depth, EventQuery, Idempotency, JobFilter, LinkToken, Made, NewUpload,
    NodeFilter, PageRequest, Pick, Premises, Result, Target, UploadOptions, Written,
};

use crate::world::{World, name, path, refused};

async fn actor(world: &World, wanted: CreateKey) -> Actor {
    let wanted = CreateKey { workspace_id: Some(world.id()), ..wanted };
    let made = world.engine.create_key(&world.owner, wanted, None).await.unwrap();
    world.engine.authenticate(&made.secret).await.unwrap()
}

pub(super) async fn to_verbs(world: &World, verbs: &[Verb]) -> Actor {
    let verbs = Some(verbs.iter().copied().collect());
    actor(world, CreateKey { verbs, ..CreateKey::new("verbs", Role::Admin) }).await
}

pub(super) async fn to_folder(world: &World, folder: &str) -> Actor {
    let folder = Some(folder.to_owned());
    actor(world, CreateKey { folder, ..CreateKey::new("folder", Role::Admin) }).await
}

pub(super) async fn put(world: &World, by: &Actor, at: &str, on_conflict: OnConflict) -> Result<Written> {
    let options = UploadOptions { on_conflict, ..UploadOptions::default() };
    world.put_as(by, world.at(at), b"new", options).await
}

fn none() -> Premises {
    Premises::default()
}

fn page() -> PageRequest {
    PageRequest::default()
}

fn note() -> CreateNote {
    CreateNote { version_id: None, range: None, text: "hm".to_owned() }
}

fn moved_to(parent: NodeId) -> UpdateNode {
    UpdateNode { parent_id: Some(parent), ..UpdateNode::default() }
}

fn of_act(act: u64, preview: bool) -> UndoActs {
    serde_json::from_value(serde_json::json!({ "act": act, "preview": preview })).unwrap()
}

fn paths(nodes: &[Node]) -> Vec<String> {
    nodes.iter().map(|node| node.path.to_string()).collect()
}

pub(super) async fn a_verb_is_asked_for_where_a_role_is(world: &World) {
    let engine = &world.engine;
    let file = world.put("/a", b"a").await;
    let reading = to_verbs(world, &[Verb::Read]).await;
    engine.node(&reading, file.id).await.unwrap();
    engine.open_content(&reading, file.id, None).await.unwrap();
    engine.events(&reading, world.id(), EventQuery::default()).await.unwrap();
    refused(put(world, &reading, "/a", OnConflict::Version).await, Code::Forbidden);
    refused(put(world, &reading, "/b", OnConflict::Version).await, Code::Forbidden);
    refused(engine.trash_node(&reading, file.id, none()).await, Code::Forbidden);
    refused(engine.create_note(&reading, file.id, note(), none()).await, Code::Forbidden);
    refused(engine.create_link(&reading, file.id, Default::default(), none()).await, Code::Forbidden);
    refused(engine.list_keys(&reading, page()).await, Code::Forbidden);
    refused(engine.list_hooks(&reading, world.id(), page()).await, Code::Forbidden);
    refused(engine.remove_member(&reading, world.id(), reading.principal, none()).await, Code::Forbidden);

    // What a content really becomes decides, in the transaction: new files alone, or new versions alone.
    let creating = to_verbs(world, &[Verb::Create]).await;
    put(world, &creating, "/made/b", OnConflict::Version).await.unwrap();
    refused(put(world, &creating, "/made/b", OnConflict::Version).await, Code::Forbidden);
    put(world, &creating, "/made/b", OnConflict::Rename).await.unwrap();
    refused(put(world, &creating, "/made/b", OnConflict::Error).await, Code::NameTaken);
    refused(
        world.put_as(&creating, Target::Node(file.id), b"x", UploadOptions::default()).await,
        Code::Forbidden,
    );
    engine.create_folder(&creating, world.root(), name("dir"), none()).await.unwrap();
    refused(engine.node(&creating, file.id).await, Code::Forbidden);
    refused(engine.open_content_at(&creating, world.id(), path("/a")).await, Code::Forbidden);
    refused(engine.tree(&creating, world.root(), Depth::All, page()).await, Code::Forbidden);
    refused(engine.find_nodes(&creating, world.id(), NodeFilter::default(), page()).await, Code::Forbidden);
    refused(engine.trash(&creating, world.id(), page()).await, Code::Forbidden);
    refused(engine.list_jobs(&creating, JobFilter::default(), page()).await, Code::Forbidden);
    let copy = CopyNode { parent_id: None, name: Some(name("copy")) };
    refused(engine.copy_node(&creating, file.id, copy, none()).await, Code::Forbidden);
    refused(engine.update_node(&creating, file.id, UpdateNode::default(), none()).await, Code::Forbidden);

    let writing = to_verbs(world, &[Verb::Write]).await;
    put(world, &writing, "/a", OnConflict::Version).await.unwrap();
    refused(put(world, &writing, "/c/d", OnConflict::Version).await, Code::Forbidden);
    refused(world.node_at("/c").await, Code::NodeNotFound);
    refused(put(world, &writing, "/a", OnConflict::Rename).await, Code::Forbidden);
    refused(engine.trash_node(&writing, file.id, none()).await, Code::Forbidden);

    // A batch decides item by item.
    let batch = engine.begin_batch(&creating, world.id(), Vec::new()).unwrap();
    let item = |at: &str| BatchWrite {
        path: path(at),
        content: Bytes::from_static(b"x"),
        options: UploadOptions::default(),
    };
    let ready = batch.prepare(vec![item("/new"), item("/a"), item("/newer")]).await;
    let codes: Vec<_> =
        batch.commit(ready).await.into_iter().map(|done| done.err().map(|error| error.code())).collect();
    assert_eq!(codes, [None, Some(Code::Forbidden), None]);

    let deleting = to_verbs(world, &[Verb::Delete]).await;
    engine.trash_node(&deleting, file.id, none()).await.unwrap();
    refused(engine.restore_node(&deleting, file.id, RestoreNode::default(), none()).await, Code::Forbidden);
    engine.restore_node(&writing, file.id, RestoreNode::default(), none()).await.unwrap();
    refused(engine.purge_node(&writing, file.id, none()).await, Code::Forbidden);

    let sharing = to_verbs(world, &[Verb::Read, Verb::Share]).await;
    engine.create_link(&sharing, file.id, Default::default(), none()).await.unwrap();
    let managing = to_verbs(world, &[Verb::Manage]).await;
    engine.list_keys(&managing, page()).await.unwrap();
    refused(engine.node(&managing, file.id).await, Code::Forbidden);
}

pub(super) async fn an_undo_takes_the_verbs_of_what_it_does(world: &World) {
    let engine = &world.engine;
    let file = put(world, &world.owner, "/a", OnConflict::Version).await.unwrap().node;
    let made = world.event_count().await;
    put(world, &world.owner, "/b", OnConflict::Version).await.unwrap();
    put(world, &world.owner, "/b", OnConflict::Version).await.unwrap();
    let changed = world.event_count().await;
    let writing = to_verbs(world, &[Verb::Write]).await;
    let deleting = to_verbs(world, &[Verb::Delete]).await;
    refused(engine.undo(&writing, world.id(), of_act(made, true), none()).await, Code::Forbidden);
    refused(engine.undo(&writing, world.id(), of_act(made, false), none()).await, Code::Forbidden);
    refused(engine.undo(&deleting, world.id(), of_act(changed, false), none()).await, Code::Forbidden);
    engine.undo(&writing, world.id(), of_act(changed, false), none()).await.unwrap();
    engine.undo(&deleting, world.id(), of_act(made, false), none()).await.unwrap();
    assert!(engine.node(&world.owner, file.id).await.unwrap().trashed_at.is_some());
    // What goes to the trash with other content than it has takes both.
    let file = put(world, &world.owner, "/c", OnConflict::Version).await.unwrap().node;
    engine.trash_node(&world.owner, file.id, none()).await.unwrap();
    let since = world.event_count().await;
    engine.restore_node(&world.owner, file.id, RestoreNode::default(), none()).await.unwrap();
    put(world, &world.owner, "/c", OnConflict::Version).await.unwrap();
    let stretch =
        || serde_json::from_value(serde_json::json!({ "actor": "me", "since_seq": since })).unwrap();
    for verb in [Verb::Delete, Verb::Write] {
        let key = to_verbs(world, &[verb]).await;
        refused(engine.undo(&key, world.id(), stretch(), none()).await, Code::Forbidden);
    }
    let both = to_verbs(world, &[Verb::Delete, Verb::Write]).await;
    engine.undo(&both, world.id(), stretch(), none()).await.unwrap();
    assert!(engine.node(&world.owner, file.id).await.unwrap().trashed_at.is_some());
}

pub(super) async fn a_create_only_key_takes_back_its_own_upload_alone(world: &World) {
    let engine = &world.engine;
    let verbs = Some(BTreeSet::from([Verb::Create]));
    let creating = actor(world, CreateKey { verbs, ..CreateKey::new("drop", Role::Editor) }).await;
    let begin = async |by: &Actor, at: &str| {
        let made = Made::File(world.at(at), Box::default());
        let new = NewUpload { id: engine.upload_id(), made, length: Some(3), metadata: String::new() };
        engine.create_upload(by, new).await
    };
    let own = begin(&creating, "/own").await.unwrap().id;
    // The same principal's, by another key.
    let other = begin(&world.owner, "/other").await.unwrap().id;
    refused(engine.staged_upload(&creating, other).await, Code::UploadNotFound);
    refused(engine.remove_upload(&creating, other).await, Code::UploadNotFound);
    let listed = engine.open_uploads(&creating, page()).await.unwrap().items;
    assert_eq!(listed.iter().map(|upload| upload.id).collect::<Vec<_>>(), [own]);
    engine.remove_upload(&creating, own).await.unwrap();
    engine.remove_upload(&world.owner, other).await.unwrap();
    // What would be a new version is refused before its bytes come.
    world.put("/there", b"x").await;
    refused(begin(&creating, "/there").await, Code::Forbidden);
}

pub(super) async fn a_folder_is_reached_by_its_id_wherever_it_is(world: &World) {
    let engine = &world.engine;
    let inside = world.put("/a/deep/file", b"in").await;
    let alike = world.put("/ab/file", b"out").await;
    let folder = world.node_at("/a").await.unwrap();
    let (by_path, by_id) = (to_folder(world, "/a").await, to_folder(world, &folder.id.to_string()).await);
    for key in [&by_path, &by_id] {
        let own = engine.me(key).await.unwrap().key.unwrap();
        assert_eq!((own.folder_id, own.workspace_id), (Some(folder.id), Some(world.id())));
        engine.node(key, inside.id).await.unwrap();
        engine.node_at(key, world.id(), path("/a/deep/file")).await.unwrap();
        refused(engine.node(key, alike.id).await, Code::NodeNotFound);
        refused(engine.node_at(key, world.id(), path("/ab/file")).await, Code::NodeNotFound);
        refused(engine.node(key, world.root()).await, Code::NodeNotFound);
    }
    // It goes where the folder goes, and not to a new one of the old name.
    let other = engine.create_folder(&world.owner, world.root(), name("other"), none()).await.unwrap();
    let moved = UpdateNode { name: Some(name("z")), ..moved_to(other.id) };
    engine.update_node(&world.owner, folder.id, moved, none()).await.unwrap();
    let stranger = world.put("/a/deep/file", b"new").await;
    engine.node_at(&by_path, world.id(), path("/other/z/deep/file")).await.unwrap();
    refused(engine.node_at(&by_path, world.id(), path("/a/deep/file")).await, Code::NodeNotFound);
    refused(engine.node(&by_path, stranger.id).await, Code::NodeNotFound);
    refused(put(world, &by_path, "/a/more", OnConflict::Version).await, Code::NodeNotFound);
    put(world, &by_path, "/other/z/more", OnConflict::Version).await.unwrap();
    // What moves out of it is gone, what moves in is there.
    engine.update_node(&world.owner, inside.id, moved_to(other.id), none()).await.unwrap();
    refused(engine.node(&by_path, inside.id).await, Code::NodeNotFound);
    engine.update_node(&world.owner, alike.id, moved_to(folder.id), none()).await.unwrap();
    engine.node(&by_path, alike.id).await.unwrap();
    // Its own folder stays where it is.
    refused(engine.update_node(&by_path, folder.id, moved_to(folder.id), none()).await, Code::Forbidden);
    refused(engine.trash_node(&by_path, folder.id, none()).await, Code::Forbidden);
    // Gone for good, it reaches nothing, whatever is made in its place.
    engine.trash_node(&world.owner, folder.id, none()).await.unwrap();
    engine.node(&by_path, alike.id).await.unwrap();
    engine.purge_node(&world.owner, folder.id, none()).await.unwrap();
    let again = world.put("/other/z/deep/file", b"again").await;
    refused(engine.node(&by_path, again.id).await, Code::NodeNotFound);
    refused(engine.find_nodes(&by_path, world.id(), NodeFilter::default(), page()).await, Code::NodeNotFound);
    assert!(engine.events(&by_path, world.id(), EventQuery::default()).await.unwrap().items.is_empty());
    refused(to_folder_refused(world, "/other/z/deep/file").await, Code::NotAFolder);
    refused(to_folder_refused(world, "/nowhere").await, Code::NodeNotFound);
    refused(to_folder_refused(world, "nonsense").await, Code::InvalidId);
}

async fn to_folder_refused(world: &World, folder: &str) -> Result<longshore_core::wire::NewKey> {
    let wanted = CreateKey {
        workspace_id: Some(world.id()),
        folder: Some(folder.to_owned()),
        ..CreateKey::new("k", Role::Viewer)
    };
    world.engine.create_key(&world.owner, wanted, None).await
}

pub(super) async fn what_lies_outside_of_a_folder_is_not_there(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let inside = world.put("/a/in", b"in").await;
    let outside = world.put("/ab/out", b"out").await;
    let outside_folder = outside.parent_id.unwrap();
    let folder = inside.parent_id.unwrap();
    let key = to_folder(world, "/a").await;
    let version = outside.version_id.unwrap();
    let id = outside.id;
    refused(engine.node(&key, id).await, Code::NodeNotFound);
    refused(engine.open_content(&key, id, None).await, Code::NodeNotFound);
    refused(engine.open_content_at(&key, world.id(), path("/ab/out")).await, Code::NodeNotFound);
    refused(engine.list_versions(&key, id, page()).await, Code::NodeNotFound);
    refused(engine.version(&key, id, version).await, Code::NodeNotFound);
    refused(engine.compare_versions(&key, id, version, version).await, Code::NodeNotFound);
    refused(engine.restore_version(&key, id, version, none()).await, Code::NodeNotFound);
    refused(engine.delete_version(&key, id, version, none()).await, Code::NodeNotFound);
    refused(engine.tree(&key, world.root(), Depth::All, page()).await, Code::NodeNotFound);
    refused(engine.tree(&key, outside_folder, Depth::All, page()).await, Code::NodeNotFound);
    refused(engine.create_link(&key, id, Default::default(), none()).await, Code::NodeNotFound);
    refused(engine.create_note(&key, id, note(), none()).await, Code::NodeNotFound);
    refused(engine.list_notes(&key, id, page()).await, Code::NodeNotFound);
    refused(engine.archive(&key, id).await, Code::NodeNotFound);
    let items = vec![ArchiveItem::Path(path("/a/in")), ArchiveItem::Path(path("/ab"))];
    refused(engine.archive_selection(&key, world.id(), items).await, Code::NodeNotFound);
    let picks = vec![
        Pick::Path(path("/a/in"), None),
        Pick::Path(path("/ab/out"), None),
        Pick::Node(id, None),
        Pick::Path(path("/nothing"), None),
    ];
    let found = engine.open_contents(&key, world.id(), picks).await.unwrap();
    let found: Vec<_> = found.iter().map(|one| one.as_ref().err().map(|error| error.code())).collect();
    let gone = Some(Code::NodeNotFound);
    assert_eq!(found, [None, gone, gone, gone]);

    // Both ends of a copy and of a move, and every way to write.
    let copy = |parent| CopyNode { parent_id: Some(parent), name: Some(name("copy")) };
    refused(engine.copy_node(&key, id, copy(folder), none()).await, Code::NodeNotFound);
    refused(engine.copy_node(&key, inside.id, copy(outside_folder), none()).await, Code::NodeNotFound);
    refused(engine.update_node(&key, id, moved_to(folder), none()).await, Code::NodeNotFound);
    refused(engine.update_node(&key, inside.id, moved_to(world.root()), none()).await, Code::NodeNotFound);
    for at in ["/ab/out", "/ab/new", "/new", "/ab", "/abc/new"] {
        refused(put(world, &key, at, OnConflict::Version).await, Code::NodeNotFound);
        refused(engine.create_folders(&key, world.id(), path(at), none()).await, Code::NodeNotFound);
        let made = Made::File(world.at(at), Box::default());
        let new = NewUpload { id: engine.upload_id(), made, length: Some(3), metadata: String::new() };
        refused(engine.create_upload(&key, new).await, Code::NodeNotFound);
    }
    refused(world.put_as(&key, Target::Node(id), b"x", UploadOptions::default()).await, Code::NodeNotFound);
    let child = Target::Child { parent: world.root(), name: name("x") };
    refused(world.put_as(&key, child, b"x", UploadOptions::default()).await, Code::NodeNotFound);
    let batch = engine.begin_batch(&key, world.id(), Vec::new()).unwrap();
    let item = |at: &str| BatchWrite {
        path: path(at),
        content: Bytes::from_static(b"x"),
        options: UploadOptions::default(),
    };
    let ready = batch.prepare(vec![item("/ab/out"), item("/a/batch"), item("/ab/more")]).await;
    let codes: Vec<_> =
        batch.commit(ready).await.into_iter().map(|done| done.err().map(|error| error.code())).collect();
    assert_eq!(codes, [gone, None, gone]);

    // Locks, notes and their ids.
    let lock = engine.lock_node(owner, id, AcquireLock::default(), none()).await.unwrap().0;
    let own = engine.lock_node(&key, inside.id, AcquireLock::default(), none()).await.unwrap().0;
    refused(engine.lock_node(&key, id, AcquireLock::default(), none()).await, Code::NodeNotFound);
    refused(engine.lock_of(&key, id).await, Code::NodeNotFound);
    refused(engine.break_lock(&key, lock.lock.id, "why").await, Code::LockNotFound);
    refused(engine.release_lock(&key, lock.lock.id, lock.lock_token().unwrap()).await, Code::LockNotFound);
    let locks = engine.list_locks(&key, world.id(), None, page()).await.unwrap().items;
    assert_eq!(locks.iter().map(|lock| lock.id).collect::<Vec<_>>(), [own.lock.id]);
    engine.release_lock(&key, own.lock.id, own.lock_token().unwrap()).await.unwrap();
    engine.release_lock(owner, lock.lock.id, lock.lock_token().unwrap()).await.unwrap();
    let said = engine.create_note(owner, id, note(), none()).await.unwrap();
    refused(engine.delete_note(&key, said.id, none()).await, Code::NoteNotFound);

    // Searches and the trash.
    let found = engine.find_nodes(&key, world.id(), NodeFilter::default(), page()).await.unwrap().items;
    assert_eq!(paths(&found), ["/a/batch", "/a/in"]);
    let under = NodeFilter { under: Some(path("/ab")), ..NodeFilter::default() };
    refused(engine.find_nodes(&key, world.id(), under, page()).await, Code::NodeNotFound);
    refused(engine.trash_node(&key, id, none()).await, Code::NodeNotFound);
    engine.trash_node(owner, id, none()).await.unwrap();
    engine.trash_node(&key, inside.id, none()).await.unwrap();
    let trash = engine.trash(&key, world.id(), page()).await.unwrap().items;
    assert_eq!(paths(&trash), ["/a/in"]);
    refused(engine.restore_node(&key, id, RestoreNode::default(), none()).await, Code::NodeNotFound);
    let elsewhere = RestoreNode { parent_id: Some(world.root()), ..RestoreNode::default() };
    refused(engine.restore_node(&key, inside.id, elsewhere, none()).await, Code::NodeNotFound);
    refused(engine.purge_node(&key, id, none()).await, Code::NodeNotFound);
    engine.purge_node(&key, inside.id, none()).await.unwrap();

    // What is about the workspace as a whole.
    refused(engine.empty_trash(&key, world.id(), none()).await, Code::Forbidden);
    refused(engine.list_members(&key, world.id(), page()).await, Code::Forbidden);
    refused(engine.list_keys(&key, page()).await, Code::Forbidden);
    refused(engine.create_key(&key, CreateKey::new("k", Role::Viewer), None).await, Code::Forbidden);
    refused(engine.list_hooks(&key, world.id(), page()).await, Code::Forbidden);
    assert!(engine.list_jobs(&key, JobFilter::default(), page()).await.unwrap().items.is_empty());
    engine.node(owner, id).await.unwrap();
}

pub(super) async fn a_link_of_a_folders_key_stays_in_the_folder(world: &World) {
    let (engine, file) = (&world.engine, world.put("/a/in", b"in").await);
    let key = to_folder(world, "/a").await;
    let link = engine.create_link(&key, file.id, Default::default(), none()).await.unwrap();
    let token = LinkToken::new(link.token.reveal().to_owned());
    engine.open_link(&token).await.unwrap();
    engine.update_node(&world.owner, file.id, moved_to(world.root()), none()).await.unwrap();
    refused(engine.open_link(&token).await, Code::LinkNotFound);
}

pub(super) async fn the_log_tells_a_folders_key_of_its_folder(world: &World) {
    let engine = &world.engine;
    let inside = world.put("/a/in", b"in").await;
    let outside = world.put("/secret/out", b"out").await;
    let (folder, elsewhere) = (inside.parent_id.unwrap(), outside.parent_id.unwrap());
    let key = to_folder(world, "/a").await;
    let start = world.event_count().await;
    let own = to_folder(world, "/a").await;
    put(world, &own, "/a/more", OnConflict::Version).await.unwrap();
    put(world, &world.owner, "/secret/more", OnConflict::Version).await.unwrap();
    engine.update_node(&world.owner, inside.id, moved_to(elsewhere), none()).await.unwrap();
    engine.update_node(&world.owner, outside.id, moved_to(folder), none()).await.unwrap();
    let copy = CopyNode { parent_id: Some(folder), name: Some(name("copied")) };
    engine.copy_node(&world.owner, inside.id, copy, none()).await.unwrap();
    let read = async |path: Option<&str>| {
        let after = Some(start.into());
        let query =
            EventQuery { after, path: path.map(|path| path.parse().unwrap()), ..EventQuery::default() };
        engine.events(&key, world.id(), query).await.map(|page| page.items)
    };
    let events = read(None).await.unwrap();
    let told: Vec<_> = events.iter().map(|event| (event.r#type.as_str(), event.node_id)).collect();
    assert_eq!(told[0].0, "file.created");
    assert_eq!(told[1..3], [("node.moved", Some(inside.id)), ("node.moved", Some(outside.id))]);
    assert_eq!((told[3].0, told.len()), ("node.copied", 4));
    let text = serde_json::to_string(&events).unwrap();
    assert!(!text.contains("secret"), "{text}");
    assert_eq!(events[1].data["from"], "/a/in");
    assert_eq!(events[2].data["path"], "/a/out");
    assert!(events[3].data.get("from").is_none());
    // Nor does a filter give away where something went.
    refused(read(Some("/secret")).await, Code::NodeNotFound);
    assert_eq!(read(Some("/a/in")).await.unwrap().len(), 1);
    // An act that touched what is outside is none that this key knows of.
    let moved = start + 3;
    refused(engine.undo(&key, world.id(), of_act(moved, true), none()).await, Code::ActNotFound);
    refused(engine.undo(&key, world.id(), of_act(moved, false), none()).await, Code::ActNotFound);
    let stretch = serde_json::json!({ "actor": "me", "since_seq": 1 });
    let stretch = serde_json::from_value(stretch).unwrap();
    refused(engine.undo(&key, world.id(), stretch, none()).await, Code::Forbidden);
    engine.undo(&key, world.id(), of_act(start + 1, false), none()).await.unwrap();
}

/// How a key's folder came to be is told without where it was made of, and where it lies.
pub(super) async fn an_event_of_the_folder_itself_names_no_place_outside(world: &World) {
    let engine = &world.engine;
    let source = world.put("/secret/source/file", b"x").await.parent_id.unwrap();
    let beside = world.node_at("/secret").await.unwrap().id;
    let copy = CopyNode { parent_id: Some(beside), name: Some(name("own")) };
    let own = engine.copy_node(&world.owner, source, copy, none()).await.unwrap();
    let made = world.put("/secret/made/file", b"x").await.parent_id.unwrap();
    engine.update_node(&world.owner, own.id, moved_to(made), none()).await.unwrap();
    engine.update_node(&world.owner, own.id, moved_to(beside), none()).await.unwrap();
    for (folder, told) in
        [("/secret/own", &["node.copied", "node.moved"][..]), ("/secret/made", &["folder.created"])]
    {
        let key = to_folder(world, folder).await;
        let events = engine.events(&key, world.id(), EventQuery::default()).await.unwrap().items;
        let types: Vec<_> = events.iter().map(|event| event.r#type.as_str()).collect();
        assert!(told.iter().all(|kind| types.contains(kind)), "{types:?}");
        let text = serde_json::to_string(&events).unwrap();
        // Its own folder is in the other one for a while.
        let made = (folder == "/secret/own").then_some(made);
        let elsewhere = [source, beside, world.root()].into_iter().chain(made);
        for hidden in elsewhere {
            let hidden = hidden.to_string();
            assert!(!text.contains(&hidden), "{hidden}: {text}");
        }
        // What lies in it is told as before.
        let inside = events.iter().find(|event| event.r#type == "file.created");
        assert_eq!(inside.is_some(), folder == "/secret/made", "{text}");
    }
}

pub(super) async fn an_answer_is_not_for_a_key_that_reaches_less(world: &World) {
    let engine = &world.engine;
    world.put("/a/in", b"in").await;
    let once = || Premises { idempotency: Some(Idempotency::new("same").unwrap()), ..none() };
    let wide = world.own_key(Role::Admin, Some(world.id())).await;
    let made = engine.create_folders(&wide, world.id(), path("/secret"), once()).await.unwrap();
    assert!(made.1);
    let key = to_folder(world, "/a").await;
    let repeated = engine.create_folders(&key, world.id(), path("/secret"), once()).await;
    refused(repeated, Code::IdempotencyMismatch);
}
