use longshore_core::wire::{
    AcquireLock, CopyNode, Metadata, Node, RestoreNode, Role, UndoActs, UndoObstacle, UndoStep, Undone,
    UpdateNode, UpdateVersion, Who,
};
use longshore_core::{Clock as _, Code, NodeId};
use longshore_engine::{Actor, Error, NodeFilter, PageRequest, Premises, Result, UploadOptions};

use super::locks::{take, under};
use crate::world::{World, name, path, refused};

pub(super) fn act(number: u64) -> UndoActs {
    UndoActs { act: Some(number), ..UndoActs::default() }
}

pub(super) fn mine_since(seq: u64) -> UndoActs {
    UndoActs { actor: Some(Who::Me), since_seq: Some(seq), ..UndoActs::default() }
}

pub(super) async fn undo_as(world: &World, actor: &Actor, wanted: UndoActs) -> Result<Undone> {
    world.engine.undo(actor, world.id(), wanted, Premises::default()).await
}

/// Undoes what a preview has told before, and returns it.
pub(super) async fn undo(world: &World, wanted: UndoActs) -> Undone {
    let preview = UndoActs { preview: true, ..wanted.clone() };
    let preview = undo_as(world, &world.owner, preview).await.unwrap();
    assert_eq!((preview.act, preview.conflicts.len()), (None, 0), "{preview:?}");
    let undone = undo_as(world, &world.owner, wanted).await.unwrap();
    assert_eq!((&preview.changes, &preview.acts), (&undone.changes, &undone.acts));
    undone
}

/// Returns the place of the newest event.
pub(super) async fn seq(world: &World) -> u64 {
    world.engine.workspace(&world.owner, world.id()).await.unwrap().seq
}

async fn update(world: &World, node: NodeId, wanted: UpdateNode) -> Node {
    world.engine.update_node(&world.owner, node, wanted, Premises::default()).await.unwrap()
}

fn to(folder: Option<NodeId>, text: &str) -> UpdateNode {
    UpdateNode { name: Some(name(text)), parent_id: folder, ..UpdateNode::default() }
}

pub(super) async fn folder(world: &World, text: &str) -> Node {
    world.engine.create_folders(&world.owner, world.id(), path(text), Premises::default()).await.unwrap().0
}

async fn trash(world: &World, actor: &Actor, node: NodeId) {
    world.engine.trash_node(actor, node, Premises::default()).await.unwrap();
}

/// The types of the events after a place.
async fn types_after(world: &World, seq: u64) -> Vec<String> {
    world.event_types().await.split_off(usize::try_from(seq).unwrap())
}

pub(super) async fn every_kind_of_change_is_undone_and_redone(world: &World) {
    let file = world.put("/a/file", b"1").await;
    folder(world, "/b").await;
    let b = world.node_at("/b").await.unwrap().id;
    let check = async |at: &str, content: &[u8], stage: Option<&str>| {
        let node = world.node_at(at).await.unwrap();
        assert_eq!(node.id, file.id);
        assert_eq!(world.read(file.id).await.unwrap(), content);
        assert_eq!(node.metadata.get("stage").map(String::as_str), stage);
    };
    let start = seq(world).await;
    world.put("/a/file", b"2").await;
    let metadata = Metadata::from([("stage".to_owned(), "draft".to_owned())]);
    update(world, file.id, UpdateNode { metadata: Some(metadata), ..UpdateNode::default() }).await;
    update(world, file.id, to(Some(b), "other")).await;
    let end = seq(world).await;
    check("/b/other", b"2", Some("draft")).await;

    // One act after the other, the newest first.
    for (number, at, content, stage) in [
        (end, "/a/file", &b"2"[..], Some("draft")),
        (end - 1, "/a/file", b"2", None),
        (end - 2, "/a/file", b"1", None),
    ] {
        // That of before is undone by now: its undo must not stand in the way of the next.
        let since = seq(world).await;
        let undone = undo_as(world, &world.owner, act(number)).await;
        if number == end {
            let undone = undone.unwrap();
            assert_eq!((undone.acts.as_slice(), undone.act), (&[end][..], Some(since + 1)));
            check(at, content, stage).await;
        } else {
            // It does: the undo is a change like any other, and only both together are nothing.
            refused(undone, Code::UndoConflict);
        }
    }
    // All at once, the undo of before among them.
    let before = seq(world).await;
    let undone = undo(world, mine_since(start)).await;
    check("/a/file", b"1", None).await;
    assert_eq!(undone.changes.len(), 1);
    let change = &undone.changes[0];
    assert_eq!(change.steps, [UndoStep::Content, UndoStep::Metadata]);
    assert_eq!((change.undoes, change.to_version), (start + 1, file.version_id));
    assert_eq!(types_after(world, before).await, ["version.restored", "node.metadata_changed"]);
    let events = world.events_after(before).await;
    assert!(events.iter().all(|event| event.act == before + 1 && event.data["undoes"] == start + 1));

    // The undo of the undo brings all of it back.
    undo(world, act(undone.act.unwrap())).await;
    check("/a/file", b"2", Some("draft")).await;
}

pub(super) async fn labels_are_undone_and_found_as_before(world: &World) {
    let file = world.put("/file", b"x").await;
    let labels = |labels: &[&str]| UpdateNode {
        labels: Some(labels.iter().map(|label| (*label).to_owned()).collect()),
        ..UpdateNode::default()
    };
    update(world, file.id, labels(&["draft"])).await;
    let start = seq(world).await;
    update(world, file.id, labels(&["final", "q1"])).await;
    let found = async |label: &str| {
        let filter = NodeFilter { labels: vec![label.to_owned()], ..NodeFilter::default() };
        let found = world.engine.find_nodes(&world.owner, world.id(), filter, PageRequest::default());
        found.await.unwrap().items.len()
    };
    assert_eq!((found("draft").await, found("q1").await), (0, 1));
    // What is no change of the node is not in the way, and stays.
    let wanted = UpdateVersion { label: Some("sent".to_owned()) };
    let version = file.version_id.unwrap();
    world.engine.update_version(&world.owner, file.id, version, wanted, Premises::default()).await.unwrap();
    let undone = undo(world, act(start + 1)).await;
    assert_eq!(undone.changes[0].steps, [UndoStep::Labels]);
    assert_eq!((found("draft").await, found("q1").await), (1, 0));
    let version = world.engine.version(&world.owner, file.id, version).await.unwrap();
    assert_eq!(version.label.as_deref(), Some("sent"));
}

pub(super) async fn swapped_names_are_swapped_back(world: &World) {
    let (a, b) = (world.put("/a", b"a").await, world.put("/b", b"b").await);
    let start = seq(world).await;
    update(world, a.id, to(None, "c")).await;
    update(world, b.id, to(None, "a")).await;
    update(world, a.id, to(None, "b")).await;
    assert_eq!(world.read(world.node_at("/a").await.unwrap().id).await.unwrap(), b"b");
    let undone = undo(world, mine_since(start)).await;
    assert_eq!(world.node_at("/a").await.unwrap().id, a.id);
    assert_eq!(world.node_at("/b").await.unwrap().id, b.id);
    undo(world, act(undone.act.unwrap())).await;
    assert_eq!(world.node_at("/a").await.unwrap().id, b.id);
}

pub(super) async fn folders_that_went_into_each_other_come_apart(world: &World) {
    // /a/b is turned inside out to /b/a, and a name that was given up is taken by a new file.
    let inner = folder(world, "/a/b").await;
    let outer = world.node_at("/a").await.unwrap();
    world.put("/a/b/deep", b"x").await;
    let start = seq(world).await;
    update(world, inner.id, to(Some(world.root()), "b")).await;
    update(world, outer.id, to(Some(inner.id), "a")).await;
    world.put("/a", b"new").await;
    assert_eq!(world.paths().await, ["/a", "/b", "/b/a", "/b/deep"]);
    let undone = undo(world, mine_since(start)).await;
    assert_eq!(world.paths().await, ["/a", "/a/b", "/a/b/deep"]);
    assert_eq!(world.node_at("/a").await.unwrap().id, outer.id);
    undo(world, act(undone.act.unwrap())).await;
    assert_eq!(world.paths().await, ["/a", "/b", "/b/a", "/b/deep"]);
    assert_eq!(world.read(world.node_at("/a").await.unwrap().id).await.unwrap(), b"new");
}

pub(super) async fn folders_made_on_the_way_go_with_their_file(world: &World) {
    world.put("/old/kept", b"k").await;
    let start = seq(world).await;
    world.put("/old/new/deep/file", b"x").await;
    let number = start + 1;
    let undone = undo(world, act(number + 1)).await;
    // Any place of the act names it; three nodes are gone, by one event.
    assert_eq!((undone.acts.as_slice(), undone.changes.len()), (&[number][..], 3));
    assert_eq!(world.paths().await, ["/old", "/old/kept"]);
    assert_eq!(types_after(world, start + 3).await, ["node.trashed"]);
    undo(world, act(undone.act.unwrap())).await;
    assert_eq!(world.paths().await, ["/old", "/old/kept", "/old/new", "/old/new/deep", "/old/new/deep/file"]);
}

pub(super) async fn a_trashed_tree_and_a_copied_one(world: &World) {
    world.put("/a/b/file", b"x").await;
    let top = world.node_at("/a").await.unwrap();
    trash(world, &world.owner, top.id).await;
    let undone = undo(world, act(seq(world).await)).await;
    assert_eq!(undone.changes[0].steps, [UndoStep::Restore]);
    assert_eq!(world.paths().await, ["/a", "/a/b", "/a/b/file"]);

    let copy = CopyNode { parent_id: None, name: Some(name("copy")) };
    let copy = world.engine.copy_node(&world.owner, top.id, copy, Premises::default()).await.unwrap();
    let number = seq(world).await;
    // Somebody writes into the copy: then it does not go, and the error says why.
    let other = world.user(Role::Editor, None).await;
    let written = world.put_as(&other, world.at("/copy/b/file"), b"theirs", UploadOptions::default()).await;
    let written = written.unwrap().node;
    let error = undo_as(world, &world.owner, act(number)).await.unwrap_err();
    let conflict = &error.facts().unwrap().conflicts[0];
    assert_eq!((conflict.node_id, &conflict.path), (written.id, &path("/copy/b/file")));
    assert_eq!((conflict.reason, conflict.seq), (UndoObstacle::Changed, Some(number + 1)));
    assert_eq!(conflict.actor, Some(other.principal));
    // Once that is undone too, it goes.
    undo_as(world, &other, act(number + 1)).await.unwrap();
    refused(undo_as(world, &world.owner, act(number)).await, Code::UndoConflict);
    trash(world, &world.owner, written.id).await;
    undo_as(world, &world.owner, act(number)).await.unwrap();
    assert_eq!(world.paths().await, ["/a", "/a/b", "/a/b/file"]);
    assert!(world.engine.node(&world.owner, copy.id).await.unwrap().trashed_at.is_some());
}

pub(super) fn obstacles(error: &Error) -> Vec<(NodeId, UndoObstacle)> {
    assert_eq!(error.code(), Code::UndoConflict, "{error}");
    error.facts().unwrap().conflicts.iter().map(|conflict| (conflict.node_id, conflict.reason)).collect()
}

pub(super) async fn what_others_did_since_is_never_undone(world: &World) {
    let other = world.user(Role::Editor, None).await;
    let (file, gone) = (world.put("/f/file", b"1").await, world.put("/f/gone", b"g").await);
    let f = world.node_at("/f").await.unwrap();
    let start = seq(world).await;
    world.put("/f/file", b"2").await;
    trash(world, &world.owner, gone.id).await;
    let made = folder(world, "/made").await;

    // A name that somebody has taken meanwhile.
    let taken = world.put_as(&other, world.at("/f/gone"), b"theirs", UploadOptions::default()).await.unwrap();
    let before = (world.paths().await, world.event_types().await);
    let error = undo_as(world, &world.owner, mine_since(start)).await.unwrap_err();
    assert_eq!(obstacles(&error), [(taken.node.id, UndoObstacle::NameTaken)]);
    trash(world, &other, taken.node.id).await;

    // A file in a folder that would go.
    let inside = world.put_as(&other, world.at("/made/x"), b"x", UploadOptions::default()).await.unwrap();
    let error = undo_as(world, &world.owner, mine_since(start)).await.unwrap_err();
    assert_eq!(obstacles(&error), [(inside.node.id, UndoObstacle::Changed)]);
    world
        .engine
        .update_node(&other, inside.node.id, to(Some(world.root()), "x"), Premises::default())
        .await
        .unwrap();

    // A folder above that is in the trash.
    trash(world, &other, f.id).await;
    let error = undo_as(world, &world.owner, mine_since(start)).await.unwrap_err();
    assert_eq!(obstacles(&error), [(f.id, UndoObstacle::InTrash)]);
    let back = RestoreNode::default();
    world.engine.restore_node(&other, f.id, back, Premises::default()).await.unwrap();

    // A node that they have changed.
    world.put_as(&other, world.at("/f/file"), b"3", UploadOptions::default()).await.unwrap();
    let error = undo_as(world, &world.owner, mine_since(start)).await.unwrap_err();
    assert_eq!(obstacles(&error), [(file.id, UndoObstacle::Changed)]);
    assert!(error.detail().contains("/f/file"), "{error}");
    let preview = UndoActs { preview: true, ..mine_since(start) };
    assert_eq!(
        undo_as(world, &other, UndoActs { actor: Some(Who::Principal(world.owner.principal)), ..preview })
            .await
            .unwrap()
            .conflicts,
        error.facts().unwrap().conflicts
    );

    // Nothing happened all the while.
    assert_eq!(world.read(file.id).await.unwrap(), b"3");
    assert!(before.1.iter().eq(world.event_types().await.iter().take(before.1.len())));
    assert_eq!(types_after(world, before.1.len() as u64).await.len(), 6);
    // Once they have taken theirs back, ours can go.
    let theirs = seq(world).await;
    undo_as(world, &other, act(theirs)).await.unwrap();
    let error = undo_as(world, &world.owner, mine_since(start)).await.unwrap_err();
    assert_eq!(obstacles(&error), [(file.id, UndoObstacle::Changed)]);
    undo_as(world, &world.owner, act(start + 3)).await.unwrap();
    assert!(world.engine.node(&world.owner, made.id).await.unwrap().trashed_at.is_some());
}

pub(super) async fn a_folder_that_others_turned_round_is_a_conflict(world: &World) {
    let other = world.user(Role::Editor, None).await;
    let inner = folder(world, "/a/b").await;
    let outer = world.node_at("/a").await.unwrap();
    update(world, inner.id, to(Some(world.root()), "b")).await;
    let number = seq(world).await;
    world.engine.update_node(&other, outer.id, to(Some(inner.id), "a"), Premises::default()).await.unwrap();
    let error = undo_as(world, &world.owner, act(number)).await.unwrap_err();
    assert!(obstacles(&error).contains(&(inner.id, UndoObstacle::IntoItself)), "{error:?}");
    assert_eq!(world.paths().await, ["/b", "/b/a"]);
}

pub(super) async fn who_may_undo_what(world: &World) {
    let (one, two) = (world.user(Role::Editor, None).await, world.user(Role::Editor, None).await);
    let viewer = world.user(Role::Viewer, None).await;
    world.put_as(&one, world.at("/file"), b"x", UploadOptions::default()).await.unwrap();
    let number = seq(world).await;
    refused(undo_as(world, &viewer, act(number)).await, Code::Forbidden);
    refused(undo_as(world, &two, act(number)).await, Code::Forbidden);
    let of_one =
        UndoActs { actor: Some(Who::Principal(one.principal)), since_seq: Some(0), ..UndoActs::default() };
    refused(undo_as(world, &two, of_one.clone()).await, Code::Forbidden);
    let elsewhere = world.engine.create_workspace(&world.owner, name("elsewhere"), None).await.unwrap();
    let foreign = world.user(Role::Admin, Some(elsewhere.id)).await;
    refused(undo_as(world, &foreign, act(number)).await, Code::WorkspaceNotFound);
    let preview = UndoActs { preview: true, ..act(number) };
    refused(undo_as(world, &foreign, preview.clone()).await, Code::WorkspaceNotFound);
    assert_eq!(undo_as(world, &viewer, preview).await.unwrap().changes.len(), 1);
    assert_eq!(seq(world).await, number, "a preview leaves no trace");
    undo_as(world, &world.owner, of_one).await.unwrap();
    assert!(world.paths().await.is_empty());
}

pub(super) async fn what_cannot_be_undone_says_so(world: &World) {
    world.put("/file", b"x").await;
    let now = seq(world).await;
    refused(undo_as(world, &world.owner, act(now + 1)).await, Code::ActNotFound);
    // The first event made the workspace.
    refused(undo_as(world, &world.owner, act(1)).await, Code::NotUndoable);
    refused(undo_as(world, &world.owner, mine_since(now)).await, Code::NotUndoable);
    for bad in [
        UndoActs::default(),
        UndoActs { act: Some(1), actor: Some(Who::Me), ..UndoActs::default() },
        UndoActs { act: Some(1), since_seq: Some(0), ..UndoActs::default() },
        UndoActs { actor: Some(Who::Me), ..UndoActs::default() },
        UndoActs { since_seq: Some(0), ..UndoActs::default() },
        UndoActs {
            since: Some(world.clock.now()),
            since_seq: Some(0),
            actor: Some(Who::Me),
            ..UndoActs::default()
        },
    ] {
        refused(undo_as(world, &world.owner, bad).await, Code::InvalidBody);
    }
    // What is as it was already needs no act.
    let file = world.node_at("/file").await.unwrap();
    update(world, file.id, to(None, "other")).await;
    update(world, file.id, to(None, "file")).await;
    let undone = undo(world, mine_since(now)).await;
    assert_eq!((undone.act, undone.changes.len(), seq(world).await), (None, 0, now + 2));
}

pub(super) async fn a_locked_node_is_not_undone(world: &World) {
    let file = world.put("/a/file", b"1").await;
    let a = world.node_at("/a").await.unwrap();
    let b = folder(world, "/b").await;
    let start = seq(world).await;
    world.put("/a/file", b"2").await;
    update(world, file.id, to(Some(b.id), "file")).await;
    let undo_under =
        async |premises| world.engine.undo(&world.owner, world.id(), mine_since(start), premises).await;
    // The file itself, the folder that it leaves, and the one that it goes back to.
    for node in [file.id, a.id, b.id] {
        let held = take(world, node, AcquireLock::default()).await.unwrap();
        let refused = undo_under(Premises::default()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Locked, "{refused}");
        assert_eq!(refused.facts().unwrap().lock.as_ref().unwrap().id, held.lock.id);
        assert_eq!(world.read(file.id).await.unwrap(), b"2");
        if node == b.id {
            undo_under(under(&[&held])).await.unwrap();
        } else {
            world.engine.release_lock(&world.owner, held.lock.id, held.token.parse().unwrap()).await.unwrap();
        }
    }
    assert_eq!(world.read(world.node_at("/a/file").await.unwrap().id).await.unwrap(), b"1");
}

pub(super) async fn labels_and_metadata_come_back_together(world: &World) {
    let file = world.put("/file", b"1").await;
    let start = seq(world).await;
    let metadata = Metadata::from([("stage".to_owned(), "draft".to_owned())]);
    let labels = longshore_core::wire::Labels::from(["new".to_owned()]);
    let wanted =
        UpdateNode { labels: Some(labels.clone()), metadata: Some(metadata), ..UpdateNode::default() };
    update(world, file.id, wanted).await;
    let undone = undo(world, mine_since(start)).await;
    assert_eq!(undone.changes[0].steps, [UndoStep::Metadata, UndoStep::Labels]);
    assert_eq!(types_after(world, start + 1).await, ["node.metadata_changed", "node.labels_changed"]);
    let node = world.node_at("/file").await.unwrap();
    assert!(node.labels.is_empty() && node.metadata.is_empty());
    undo(world, act(undone.act.unwrap())).await;
    let node = world.node_at("/file").await.unwrap();
    assert_eq!((node.labels, node.metadata.len()), (labels, 1));
}

pub(super) async fn what_was_purged_does_not_come_back(world: &World) {
    let old = world.put("/file", b"1").await;
    let gone = world.put("/gone", b"g").await;
    let start = seq(world).await;
    world.put("/file", b"2").await;
    let (engine, owner) = (&world.engine, &world.owner);
    engine.delete_version(owner, old.id, old.version_id.unwrap(), Premises::default()).await.unwrap();
    let error = undo_as(world, owner, mine_since(start)).await.unwrap_err();
    assert_eq!(obstacles(&error), [(old.id, UndoObstacle::VersionPurged)]);
    // A node that was trashed and then purged is gone for good; one that was made and then purged is as before.
    trash(world, owner, gone.id).await;
    let number = seq(world).await;
    engine.purge_node(owner, gone.id, Premises::default()).await.unwrap();
    let error = undo_as(world, owner, act(number)).await.unwrap_err();
    assert_eq!(obstacles(&error), [(gone.id, UndoObstacle::NodePurged)]);
    assert_eq!(error.facts().unwrap().conflicts[0].path, path("/gone"));
    let made = world.put("/made", b"m").await;
    let number = seq(world).await;
    trash(world, owner, made.id).await;
    engine.purge_node(owner, made.id, Premises::default()).await.unwrap();
    assert_eq!(undo(world, act(number)).await.act, None);
}
