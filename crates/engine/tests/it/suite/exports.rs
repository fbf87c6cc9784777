//! A whole workspace out and in again: what comes out is one moment, and what comes in is what went out.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use longshore_core::export::{HEADER, Section};
use longshore_core::wire::{
    CreateNote, CreatePrincipal, Event, Labels, Metadata, Node, Note, PrincipalKind, Quota, Role, UndoActs,
    UpdateNode, UpdateQuota, UpdateSettings, UpdateVersion, UpdateWorkspace, Version, Workspace,
};
use longshore_core::{Algorithm, Code, Digest};
use longshore_engine::{Depth, EventQuery, Idempotency, ImportOptions, PageRequest, Premises, UploadOptions};
use longshore_store::{LocalOptions, Store};

use super::batches::{item, write};
use super::uploads::{join, part};
use crate::tarball::{Tarball, export_of, import, import_as, options};
use crate::world::{World, collect, name, noise, refused};

const GRACE: Duration = Duration::from_hours(25);

fn page() -> PageRequest {
    PageRequest::new(Some(1_000), None)
}

/// Writes of all there is: small and large contents, in packs and in pieces, trash, labels, metadata, notes.
async fn fill(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    world.put("/a/empty", b"").await;
    let file = world.put("/a/file", b"one").await;
    for content in [&noise(40_000, 1)[..], b"three", &noise(700_000, 2), b"one"] {
        world.put("/a/file", content).await;
    }
    let label = UpdateVersion { label: Some("the first".to_owned()) };
    engine
        .update_version(owner, file.id, file.version_id.unwrap(), label, Premises::default())
        .await
        .unwrap();
    let described = UpdateNode {
        metadata: Some(Metadata::from([("k".to_owned(), "v\u{1f600}".to_owned())])),
        labels: Some(Labels::from(["red".to_owned(), "grün".to_owned()])),
        ..UpdateNode::default()
    };
    engine.update_node(owner, file.id, described, Premises::default()).await.unwrap();
    for text in ["first note", "zweite\nNotiz"] {
        let note = CreateNote { text: text.to_owned(), ..CreateNote::default() };
        engine.create_note(owner, file.id, note, Premises::default()).await.unwrap();
    }
    let parts = [part(world, None, &noise(300_000, 3)).await, part(world, None, &noise(30, 4)).await];
    join(world, "/in/pieces", &parts).await.unwrap();
    let items = (5..9).map(|seed| item(&format!("/pack/{seed}"), &noise(20_000, seed))).collect();
    assert!(write(world, items).await.iter().all(Result::is_ok));
    for text in
        ["/日本語/ファイル", "/العربية/x", "/e\u{301}".replace("e\u{301}", "é").as_str(), "/\u{1f980} b"]
    {
        world.put(text, text.as_bytes()).await;
    }
    // An old folder goes into a new one, and a folder with what is in it to the trash; its name is taken again.
    let old = world.node_at("/a").await.unwrap();
    let new = engine.create_folder(owner, world.root(), name("z"), Premises::default()).await.unwrap();
    let moved = UpdateNode { parent_id: Some(new.id), ..UpdateNode::default() };
    engine.update_node(owner, old.id, moved, Premises::default()).await.unwrap();
    for _ in 0..2 {
        world.put("/gone/with", b"what is in it").await;
        let gone = world.node_at("/gone").await.unwrap();
        engine.trash_node(owner, gone.id, Premises::default()).await.unwrap();
    }
    let editor = world.user(Role::Editor, Some(world.id())).await;
    world.put_as(&editor, world.at("/theirs"), b"of another", UploadOptions::default()).await.unwrap();
    let settings = UpdateSettings { versions_kept: Some(Some(50)), ..UpdateSettings::default() };
    let rules = UpdateWorkspace { settings: Some(settings), ..UpdateWorkspace::default() };
    engine.update_workspace(owner, world.id(), rules, Premises::default()).await.unwrap();
}

/// What callers see of a workspace.
#[derive(Debug, PartialEq)]
struct Seen {
    nodes: Vec<Node>,
    trash: Vec<Node>,
    versions: Vec<(Version, Vec<u8>)>,
    notes: Vec<Note>,
    events: Vec<Event>,
}

async fn seen(world: &World, workspace: &Workspace) -> Seen {
    let (engine, owner) = (&world.engine, &world.owner);
    let mut nodes = engine.tree(owner, workspace.root_id, Depth::All, page()).await.unwrap().items;
    let mut trash = engine.trash(owner, workspace.id, page()).await.unwrap().items;
    let (mut versions, mut notes) = (Vec::new(), Vec::new());
    for node in &nodes {
        notes.extend(engine.list_notes(owner, node.id, page()).await.unwrap().items);
        if node.version_id.is_none() {
            continue;
        }
        for version in engine.list_versions(owner, node.id, page()).await.unwrap().items {
            let content = engine.open_content(owner, node.id, Some(version.id)).await.unwrap();
            let bytes = collect(content.read(0..version.size).await.unwrap()).await.unwrap();
            assert_eq!(version.digest, digest(&bytes));
            versions.push((version, bytes));
        }
    }
    // Which workspace it is in is all that may differ.
    for node in nodes.iter_mut().chain(&mut trash) {
        node.workspace_id = world.id();
    }
    for note in &mut notes {
        note.workspace_id = world.id();
    }
    let events = world.events_of(workspace.id, EventQuery::default()).await;
    let events = events.into_iter().filter(|event| event.r#type != "workspace.imported").collect();
    Seen { nodes, trash, versions, notes, events }
}

fn digest(content: &[u8]) -> Digest {
    Digest::new(Algorithm::Blake3, *blake3::hash(content).as_bytes())
}

/// Another server with another kind of store.
async fn elsewhere() -> (World, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::local(folder.path().join("blobs"), LocalOptions::default()).unwrap();
    (World::on_sqlite_with(store).await, folder)
}

fn with_workspace(mut seen: Seen, of: &World) -> Seen {
    for node in seen.nodes.iter_mut().chain(&mut seen.trash) {
        node.workspace_id = of.id();
    }
    seen.notes.iter_mut().for_each(|note| note.workspace_id = of.id());
    seen
}

/// All that is said of what was there, line by line, but for who is named: on another server that is more.
fn told(bytes: &[u8]) -> Vec<Vec<serde_json::Value>> {
    let archive = Tarball::read(bytes);
    let sections = [Section::Nodes, Section::Versions, Section::Notes, Section::Contents];
    let mut told: Vec<_> = sections.iter().map(|section| archive.lines(*section)).collect();
    let events = archive.lines(Section::Events).into_iter();
    told.push(events.filter(|event| event["type"] != "workspace.imported").collect());
    let contents = archive.contents().map(|(name, content)| {
        assert_eq!(*name, format!("blobs/{}", blake3::hash(content).to_hex()));
        serde_json::json!([name, content.len()])
    });
    told.push(contents.collect());
    told
}

pub(super) async fn what_goes_out_comes_in_elsewhere(world: &World) {
    fill(world).await;
    let bytes = export_of(world, world.id()).await;
    let (other, _folder) = elsewhere().await;
    let made = import(&other, "there", &bytes).await.unwrap();
    assert_eq!((made.name.as_str(), made.created_by), ("there", other.owner.principal));
    let source = world.engine.workspace(&world.owner, world.id()).await.unwrap();
    assert_eq!((made.usage, made.quota, &made.settings), (source.usage, Quota::default(), &source.settings));
    assert_eq!((made.root_id, made.seq), (source.root_id, source.seq + 1));
    assert_eq!(with_workspace(seen(&other, &made).await, world), seen(world, &source).await);
    // The import is the last event, and says of what.
    let events = other.events_of(made.id, EventQuery::default()).await;
    let last = events.last().unwrap();
    assert_eq!((last.r#type.as_str(), last.seq), ("workspace.imported", made.seq));
    assert_eq!(last.data["from"]["workspace_id"], world.id().to_string());
    assert_eq!(last.data["ids"], "kept");
    // What was exported from there again is the same, the trash with all that is in it too.
    assert_eq!(told(&export_of(&other, made.id).await), told(&bytes));
    // It is a workspace like any other: an act of before is undone, what is in the trash comes back, and it is written to.
    let act = events.iter().rev().find(|event| event.r#type == "file.created").unwrap().act;
    let wanted = UndoActs { act: Some(act), ..UndoActs::default() };
    other.engine.undo(&other.owner, made.id, wanted, Premises::default()).await.unwrap();
    let trash = other.engine.trash(&other.owner, made.id, page()).await.unwrap().items;
    let gone = trash.iter().find(|node| node.name == "gone").unwrap();
    other.engine.restore_node(&other.owner, gone.id, Default::default(), Premises::default()).await.unwrap();
    let found = other.engine.node_at(&other.owner, made.id, "/gone/with".parse().unwrap()).await.unwrap();
    assert_eq!(other.read(found.id).await.unwrap(), b"what is in it");
    let target = longshore_engine::Target::Node(found.id);
    other.put_as(&other.owner, target, b"more", UploadOptions::default()).await.unwrap();
    other.engine.close().await;
}

/// Who is named stands there deactivated, and so is never taken for anybody of this server.
pub(super) async fn who_is_named_gets_a_stand_in(world: &World) {
    fill(world).await;
    let bytes = export_of(world, world.id()).await;
    let made = import(world, "a copy", &bytes).await.unwrap();
    let members = world.engine.list_members(&world.owner, made.id, page()).await.unwrap().items;
    assert_eq!(members.len(), 1);
    assert_eq!((members[0].principal.id, members[0].role), (world.owner.principal, Role::Owner));
    let nodes = world.engine.tree(&world.owner, made.root_id, Depth::All, page()).await.unwrap().items;
    for node in &nodes {
        let author = world.engine.principal(&world.owner, node.created_by).await.unwrap();
        assert!(author.deactivated_at.is_some() && author.everywhere.is_none(), "{author:?}");
        assert_ne!(author.id, world.owner.principal);
    }
    // On the same server the ids are not free: all of them are new, the same ones wherever they stand.
    let events = world.events_of(made.id, EventQuery::default()).await;
    assert_eq!(events.last().unwrap().data["ids"], "new");
    let before = world.engine.tree(&world.owner, world.root(), Depth::All, page()).await.unwrap().items;
    let known = |id| before.iter().any(|node| node.id == id);
    assert_eq!(nodes.len(), before.len());
    assert!(
        nodes.iter().all(|node| !known(node.id))
            && events.iter().all(|event| !event.node_id.is_some_and(known))
    );
    for event in &events {
        if let Some(path) = event.data.get("path").filter(|_| event.r#type == "file.created") {
            let there = nodes.iter().find(|node| Some(node.id) == event.node_id);
            assert!(there.is_none_or(|node| path.as_str().unwrap().ends_with(&node.name)), "{event:?}");
        }
    }
    let (one, two) = (told(&bytes), told(&export_of(world, made.id).await));
    let lengths = |told: &[Vec<serde_json::Value>]| told.iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(lengths(&one), lengths(&two));
    // In the order of the nodes' ids, which are others.
    let contents = |told: Vec<Vec<serde_json::Value>>| {
        let mut contents: Vec<_> = told.into_iter().next_back().unwrap();
        contents.sort_by_key(serde_json::Value::to_string);
        contents
    };
    assert_eq!(contents(one), contents(two));
}

pub(super) async fn members_are_matched_where_that_is_asked_for(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let (other, _folder) = elsewhere().await;
    let person = |name: &str| CreatePrincipal { kind: PrincipalKind::Person, name: name.to_owned() };
    let mut ids = Vec::new();
    for who in ["Ada", "Eve", "Max"] {
        let made = engine.create_principal(owner, person(who), None).await.unwrap();
        engine.set_member(owner, world.id(), made.id, Role::Editor, Premises::default()).await.unwrap();
    }
    for who in ["Ada", "Eve", "Eve"] {
        let made = other.engine.create_principal(&other.owner, person(who), None).await.unwrap();
        ids.push(made.id);
    }
    let bytes = export_of(world, world.id()).await;
    let wanted = ImportOptions { match_members: true, ..options("matched") };
    let made = import_as(&other, &other.owner, wanted, &bytes).await.unwrap();
    let members = other.engine.list_members(&other.owner, made.id, page()).await.unwrap().items;
    let roles: Vec<_> = members.iter().map(|member| (member.principal.id, member.role)).collect();
    // Of two who are called Eve nobody knows which one it is, and Max is nobody there.
    let mut expected = vec![(other.owner.principal, Role::Owner), (ids[0], Role::Editor)];
    expected.sort();
    assert_eq!(roles, expected);
    // It is the importer who made them members, now, and the log says so.
    let ada = members.iter().find(|member| member.principal.id == ids[0]).unwrap();
    assert_eq!((ada.added_by, ada.added_at), (other.owner.principal, made.created_at));
    let events = other.events_of(made.id, EventQuery::default()).await;
    let last = events.last().unwrap();
    assert_eq!((last.r#type.as_str(), last.actor), ("member.added", other.owner.principal));
    assert_eq!(last.data, serde_json::json!({ "principal_id": ids[0], "role": "editor" }));
    other.engine.close().await;
}

pub(super) async fn what_an_import_may_be_told(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    world.put("/file", &noise(50_000, 1)).await;
    let quota = UpdateQuota { bytes: Some(Some(60_000)), ..UpdateQuota::default() };
    engine.set_quota(owner, world.id(), quota, Premises::default()).await.unwrap();
    let bytes = export_of(world, world.id()).await;
    let blobs = world.blobs().await;
    let wanted = ImportOptions { keep_quota: true, ..options("small") };
    let made = import_as(world, owner, wanted, &bytes).await.unwrap();
    assert_eq!((made.quota.bytes, made.usage.bytes), (Some(60_000), 50_000));
    assert_eq!(world.blobs().await, blobs, "what is here already is not stored twice");
    assert_eq!(import(world, "free", &bytes).await.unwrap().quota, Quota::default());
    // A name that is taken, a digest that is not the archive's, and who may not.
    refused(import(world, "free", &bytes).await, Code::WorkspaceExists);
    // Before anything of the archive comes, also to who would repeat it, but to nobody who does repeat it.
    let new = ImportOptions { idempotency: Some(Idempotency::new("new").unwrap()), ..options("free") };
    refused(engine.begin_import(owner, new).await, Code::WorkspaceExists);
    let wrong = ImportOptions { digests: vec![digest(b"another")], ..options("x") };
    refused(import_as(world, owner, wrong, &bytes).await, Code::DigestMismatch);
    let sha256 = <sha2::Sha256 as sha2::Digest>::digest(&bytes);
    let right = vec![digest(&bytes), Digest::new(Algorithm::Sha256, sha256.into())];
    import_as(world, owner, ImportOptions { digests: right, ..options("y") }, &bytes).await.unwrap();
    let narrow = world.own_key(Role::Owner, Some(world.id())).await;
    for who in [world.user(Role::Admin, Some(world.id())).await, world.user(Role::Editor, None).await] {
        refused(engine.begin_import(&who, options("z")).await, Code::Forbidden);
        refused(engine.export_workspace(&who, world.id()).await, Code::Forbidden);
    }
    refused(engine.begin_import(&narrow, options("z")).await, Code::Forbidden);
    engine.export_workspace(&narrow, world.id()).await.unwrap();
    refused(engine.export_workspace(&narrow, made.id).await, Code::WorkspaceNotFound);
    // A repeat gets the first answer, and makes no second workspace.
    let keyed = || {
        let mut key = Idempotency::new("once").unwrap();
        key.mix(b"import");
        ImportOptions { idempotency: Some(key), ..options("keyed") }
    };
    let first = import_as(world, owner, keyed(), &bytes).await.unwrap();
    assert_eq!(import_as(world, owner, keyed(), &bytes).await.unwrap(), first);
    let other = export_of(world, made.id).await;
    refused(import_as(world, owner, keyed(), &other).await, Code::IdempotencyMismatch);
}

pub(super) async fn an_empty_workspace_travels_too(world: &World) {
    let made = world.engine.create_workspace(&world.owner, name("empty"), None).await.unwrap();
    let bytes = export_of(world, made.id).await;
    let archive = Tarball::read(&bytes);
    let names: Vec<_> = archive.0.iter().map(|(name, _)| name.as_str()).collect();
    let sections = Section::ALL.iter().map(|section| section.file());
    let expected: Vec<_> = std::iter::once(HEADER).chain(sections).chain(["end.json"]).collect();
    assert_eq!(names, expected);
    let (other, _folder) = elsewhere().await;
    let there = import(&other, "there", &bytes).await.unwrap();
    assert_eq!((there.usage.files, there.root_id), (0, made.root_id));
    other.engine.close().await;
}

/// Whatever is removed while somebody reads comes out all the same: it is kept for the export.
pub(super) async fn a_purge_takes_nothing_from_an_export(world: &World) {
    fill(world).await;
    let (engine, owner) = (&world.engine, &world.owner);
    let expected = told(&export_of(world, world.id()).await);
    let export = engine.export_workspace(owner, world.id()).await.unwrap();
    let file = world.node_at("/z/a/file").await.unwrap();
    for version in
        engine.list_versions(owner, file.id, page()).await.unwrap().items.into_iter().skip(1).take(2)
    {
        engine.delete_version(owner, file.id, version.id, Premises::default()).await.unwrap();
    }
    for node in engine.tree(owner, world.root(), Depth::Levels(1), page()).await.unwrap().items {
        engine.trash_node(owner, node.id, Premises::default()).await.unwrap();
    }
    engine.empty_trash(owner, world.id(), Premises::default()).await.unwrap();
    engine.sweep().await.unwrap();
    let bytes = collect(export.into_bytes()).await.unwrap();
    assert_eq!(told(&bytes), expected);
    // Once it has ended nothing is held any more.
    engine.sweep().await.unwrap();
    world.clock.advance(GRACE);
    engine.sweep().await.unwrap();
    assert_eq!(world.blobs().await, 0);
    assert_eq!(
        world.numbers("SELECT COUNT(*), (SELECT COUNT(*) FROM crossings) FROM crossing_contents").await,
        [0, 0]
    );
}

/// Who leaves an export alone for an hour finds it broken off: what it held is gone.
pub(super) async fn an_export_that_is_left_alone_breaks_off(world: &World) {
    let file = world.put("/file", &noise(50_000, 1)).await;
    let export = world.engine.export_workspace(&world.owner, world.id()).await.unwrap();
    world.engine.trash_node(&world.owner, file.id, Premises::default()).await.unwrap();
    world.engine.empty_trash(&world.owner, world.id(), Premises::default()).await.unwrap();
    world.clock.advance(Duration::from_mins(61));
    world.engine.sweep().await.unwrap();
    refused(collect(export.into_bytes()).await, Code::RequestTimeout);
}

/// A blob that is not what its version says breaks the archive off too.
pub(super) async fn a_damaged_blob_is_never_exported(world: &World) {
    let content = noise(50_000, 1);
    world.put("/file", &content).await;
    let listed = world.store.list_files("blobs", &longshore_store::List::ALL).unwrap();
    let files: Vec<_> = listed.try_collect().await.unwrap();
    let path = files[0].path.as_str().to_owned();
    let options = longshore_store::WriteOptions { overwrite: true, ..Default::default() };
    world.store.write(&path, Bytes::from(noise(50_000, 2)), options).await.unwrap();
    let export = world.engine.export_workspace(&world.owner, world.id()).await.unwrap();
    refused(collect(export.into_bytes()).await, Code::Internal);
}

/// Two files are written in turns: no export has the second one further than the first.
pub(super) async fn an_export_is_of_one_moment(world: &World) {
    let write = async |round: usize| {
        world.put("/a", format!("{round:05}").as_bytes()).await;
        world.put("/b", format!("{round:05}").as_bytes()).await;
    };
    write(0).await;
    let writing = async {
        for round in 1..60 {
            write(round).await;
        }
    };
    let reading = async {
        for round in 0..6 {
            let bytes = export_of(world, world.id()).await;
            let archive = Tarball::read(&bytes);
            let number = |path: &str| {
                let nodes = archive.lines(Section::Nodes);
                let node = nodes.iter().find(|node| node["path"] == path).unwrap().clone();
                let digest = node["digest"].as_str().unwrap().to_owned();
                let content = archive.file(&digest.replace("blake3:", "blobs/"));
                str::from_utf8(content).unwrap().parse::<usize>().unwrap()
            };
            let (a, b) = (number("/a"), number("/b"));
            assert!(a == b || a == b + 1, "{a} {b}");
            let log = archive.header().workspace.seq;
            assert_eq!(archive.lines(Section::Events).last().unwrap()["seq"], log);
            import(world, &format!("copy {round}"), &bytes).await.unwrap();
        }
    };
    tokio::join!(writing, reading);
}

/// Many files, pages and pieces: what is put aside is more than what stays in memory.
pub(super) async fn two_thousand_files_travel(world: &World) {
    let content = |number: usize| {
        if number.is_multiple_of(50) { noise(20_000, number as u64) } else { vec![b'x'; number % 700] }
    };
    for group in (0..2_000).collect::<Vec<_>>().chunks(500) {
        let items =
            group.iter().map(|number| item(&format!("/d{}/f{number}", number % 7), &content(*number)));
        assert!(write(world, items.collect()).await.iter().all(Result::is_ok));
    }
    let bytes = export_of(world, world.id()).await;
    let header = Tarball::read(&bytes).header();
    assert_eq!((header.counts.versions, header.counts.contents), (2_000, 700 - 14 + 40));
    let (other, _folder) = elsewhere().await;
    let made = import(&other, "there", &bytes).await.unwrap();
    assert_eq!((made.usage.files, made.seq), (2_000, header.workspace.seq + 1));
    assert_eq!(told(&export_of(&other, made.id).await), told(&bytes));
    other.engine.close().await;
}
