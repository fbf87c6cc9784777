//! Archives whose logs tell of what is not theirs: nodes of other workspaces, and people and keys of this server.

use longshore_core::export::Section;
use longshore_core::wire::{CreateNote, UndoActs, UndoConflict, UndoObstacle, Workspace};
use longshore_core::{Code, WorkspaceId};
use longshore_engine::{EventQuery, PageRequest, Premises, Result};
use serde_json::{Value, json};

use crate::tarball::{Tarball, export_of, import};
use crate::world::{World, refused};

/// What is written into an event of an archive.
type Forging<'a> = Box<dyn Fn(&mut Value) + 'a>;

/// An archive of another server with a folder, a file of two versions and a note; its ids are free here.
async fn of_another_server() -> Tarball {
    let other = World::on_sqlite().await;
    other.put("/a/file", b"one").await;
    let file = other.put("/a/file", b"two").await;
    let note = CreateNote { text: "a note".to_owned(), version_id: file.version_id, ..CreateNote::default() };
    other.engine.create_note(&other.owner, file.id, note, Premises::default()).await.unwrap();
    let archive = Tarball::read(&export_of(&other, other.id()).await);
    other.engine.close().await;
    archive
}

/// The archive with one event more, which is an act of its own; returns its place too.
fn with_event(archive: &Tarball, change: impl FnOnce(&mut Value)) -> (Vec<u8>, u64) {
    let (mut forged, mut header) = (archive.clone(), archive.header());
    header.workspace.seq += 1;
    let seq = header.workspace.seq;
    *forged.file_mut(longshore_core::export::HEADER) = serde_json::to_vec(&header).unwrap();
    forged.edit(Section::Events, |lines| {
        let mut event = lines.iter().find(|line| line["type"] == "file.created").unwrap().clone();
        (event["seq"], event["act"], event["type"]) = (json!(seq), json!(seq), json!("node.moved"));
        change(&mut event);
        lines.push(event);
    });
    (forged.seal().bytes(), seq)
}

fn state(parent: &Value) -> Value {
    json!({ "parent_id": parent, "name": "stolen", "version_id": null, "metadata": {}, "labels": [], "trashed": false })
}

fn node(archive: &Tarball, path: &str) -> Value {
    let nodes = archive.lines(Section::Nodes);
    nodes.iter().find(|line| line["path"] == path).unwrap()["id"].clone()
}

/// What is another workspace's no archive has an event about, and nobody of this server is named by it.
pub(super) async fn an_archive_is_about_nothing_of_others(world: &World) {
    let archive = of_another_server().await;
    let (root, file) = (node(&archive, "/"), node(&archive, "/a/file"));
    let victim = world.put("/theirs/file", b"theirs").await;
    let folder = json!(victim.parent_id);
    let changes: [(&str, Forging<'_>); 7] = [
        ("node", Box::new(|event| (event["node_id"], event["before"]) = (json!(victim.id), state(&root)))),
        ("folder", Box::new(|event| (event["node_id"], event["before"]) = (folder.clone(), state(&root)))),
        ("place", Box::new(|event| (event["node_id"], event["before"]) = (file.clone(), state(&folder)))),
        (
            "content",
            Box::new(|event| {
                (event["node_id"], event["before"]) = (file.clone(), state(&root));
                event["before"]["version_id"] = json!(victim.version_id);
            }),
        ),
        ("version", Box::new(|event| event["version_id"] = json!(victim.version_id))),
        ("before", Box::new(|event| event["previous_version_id"] = json!(victim.version_id))),
        ("parent", Box::new(|event| event["parent_before"] = folder.clone())),
    ];
    for (what, change) in changes {
        let error = import(world, "forged", &with_event(&archive, change).0).await.expect_err(what);
        assert!(error.detail().contains("which is another workspace's"), "{what}: {error}");
        assert_eq!(error.code(), Code::ExportMalformed, "{what}");
    }
    let mut forged = archive.clone();
    forged.edit(Section::Notes, |lines| lines[0]["version_id"] = json!(victim.version_id));
    let error = import(world, "forged", &forged.seal().bytes()).await.unwrap_err();
    assert!(error.detail().contains("another file's"), "{error}");
    // Who did something with a key of this server did it here, and nowhere else.
    let page = PageRequest::new(Some(10), None);
    let key = world.engine.list_keys(&world.owner, page).await.unwrap().items.remove(0);
    let gone = "nd_01kaz3h2k0e8tsz7m7ga0rg6mz";
    let (bytes, seq) = with_event(&archive, |event| {
        event["key_id"] = json!(key.id);
        event["before"] = Value::Null;
        event["data"] = json!({ "principal_id": world.owner.principal, "of": [victim.id, gone, file] });
    });
    let made = import(world, "named", &bytes).await.unwrap();
    let events = world.events_of(made.id, EventQuery::default()).await;
    let event = events.iter().find(|event| event.seq == seq).unwrap();
    assert!(event.key_id.is_some_and(|id| id != key.id), "{event:?}");
    assert_ne!(event.data["principal_id"], json!(world.owner.principal));
    let of = event.data["of"].as_array().unwrap();
    assert_ne!(of[0], json!(victim.id));
    assert_eq!(of[1..], [json!(gone), file], "what is nobody's here, or its own, stays");
}

async fn undo(world: &World, of: WorkspaceId, act: u64, preview: bool) -> Result<Vec<UndoConflict>> {
    let wanted = UndoActs { act: Some(act), preview, ..UndoActs::default() };
    Ok(world.engine.undo(&world.owner, of, wanted, Premises::default()).await?.conflicts)
}

/// An archive may name what comes only later: an undo goes by what its own workspace has, whatever its log says.
pub(super) async fn an_undo_is_of_one_workspace(world: &World) {
    let theirs = of_another_server().await;
    let (victim, folder) = (node(&theirs, "/a/file"), node(&theirs, "/a"));
    let mut copies = Vec::new();
    for name in ["stolen", "tree", "planted", "trashed"] {
        // Each of its own, so that all ids stay as they are.
        let archive = of_another_server().await;
        let (root, file) = (node(&archive, "/"), node(&archive, "/a/file"));
        let (of, parent) = match name {
            "stolen" => (&victim, &root),
            "tree" => (&folder, &root),
            "planted" => (&file, &folder),
            _ => (&victim, &folder),
        };
        let (bytes, seq) = with_event(&archive, |event| {
            (event["node_id"], event["before"]) = (of.clone(), state(parent));
            event["before"]["trashed"] = json!(name == "trashed");
        });
        let made: Workspace = import(world, name, &bytes).await.unwrap();
        copies.push((name, made.id, seq));
    }
    let made = import(world, "theirs", &theirs.bytes()).await.unwrap();
    let before = world.events_of(made.id, EventQuery::default()).await;
    for (name, workspace, seq) in copies {
        let told = undo(world, workspace, seq, true).await.unwrap();
        assert!(!told.is_empty(), "{name}");
        assert!(told.iter().all(|conflict| conflict.reason == UndoObstacle::NodePurged), "{name}: {told:?}");
        refused(undo(world, workspace, seq, false).await, Code::UndoConflict);
    }
    let found = world.engine.node_at(&world.owner, made.id, "/a/file".parse().unwrap()).await.unwrap();
    assert_eq!((json!(found.id), found.workspace_id), (victim.clone(), made.id));
    assert_eq!(world.events_of(made.id, EventQuery::default()).await, before);
    // Nor do the forged changes of their file stand in the way of an undo of theirs.
    let act = before.iter().find(|event| event.r#type == "version.created").unwrap().act;
    assert_eq!(undo(world, made.id, act, false).await.unwrap(), []);
    assert_eq!(world.read(found.id).await.unwrap(), b"one");
}
