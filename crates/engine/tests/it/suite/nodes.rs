use longshore_core::Code;
use longshore_core::wire::{CopyNode, Metadata, Node, RestoreNode, UpdateNode};
use longshore_engine::{PageRequest, Premises, Result, Target, UploadOptions};

use crate::world::{World, name, noise, path, refused};

async fn update(world: &World, node: &Node, wanted: UpdateNode) -> Result<Node> {
    world.engine.update_node(&world.owner, node.id, wanted, Premises::default()).await
}

async fn trash(world: &World, node: &Node) -> Result<Node> {
    world.engine.trash_node(&world.owner, node.id, Premises::default()).await
}

fn named(text: &str) -> UpdateNode {
    UpdateNode { name: Some(name(text)), ..UpdateNode::default() }
}

fn into(folder: &Node) -> UpdateNode {
    UpdateNode { parent_id: Some(folder.id), ..UpdateNode::default() }
}

async fn folder(world: &World, text: &str) -> Node {
    world.engine.create_folders(&world.owner, world.id(), path(text), Premises::default()).await.unwrap().0
}

pub(super) async fn folders_are_made_on_the_way(world: &World) {
    let node = world.put("/a/b/c.txt", b"x").await;
    assert_eq!(node.path, path("/a/b/c.txt"));
    assert_eq!(world.paths().await, ["/a", "/a/b", "/a/b/c.txt"]);
    let made = ["workspace.created", "folder.created", "folder.created", "file.created"];
    assert_eq!(world.event_types().await, made);

    let (again, new) = world
        .engine
        .create_folders(&world.owner, world.id(), path("/a/b"), Premises::default())
        .await
        .unwrap();
    assert!(!new);
    assert_eq!(Some(again.id), node.parent_id);
    let (_, new) = world
        .engine
        .create_folders(&world.owner, world.id(), path("/a/d/e"), Premises::default())
        .await
        .unwrap();
    assert!(new);
    let through_file = world
        .engine
        .create_folders(&world.owner, world.id(), path("/a/b/c.txt/d"), Premises::default())
        .await;
    refused(through_file, Code::NotAFolder);
    refused(
        world.engine.create_folder(&world.owner, again.id, name("c.txt"), Premises::default()).await,
        Code::NameTaken,
    );
    refused(
        world.engine.create_folder(&world.owner, node.id, name("x"), Premises::default()).await,
        Code::NotAFolder,
    );
    let inside_file = Target::Child { parent: node.id, name: name("x") };
    let inside_file = world.put_as(&world.owner, inside_file, b"", UploadOptions::default()).await;
    refused(inside_file, Code::NotAFolder);
    assert_eq!(world.event_types().await.len(), 6);
}

pub(super) async fn nodes_are_renamed_and_moved(world: &World) {
    let file = world.put("/a/file", b"x").await;
    let target = folder(world, "/b").await;
    let before = world.event_types().await.len();
    let renamed = update(world, &file, named("other")).await.unwrap();
    assert_eq!((renamed.id, renamed.path), (file.id, path("/a/other")));
    assert_eq!(renamed.version_id, file.version_id);
    let moved = update(world, &file, into(&target)).await.unwrap();
    assert_eq!(moved.path, path("/b/other"));
    // What changes nothing is no event.
    update(world, &file, named("other")).await.unwrap();
    update(world, &file, UpdateNode::default()).await.unwrap();
    let events = world.event_types().await;
    assert_eq!(events[before..], ["node.renamed", "node.moved"]);

    world.put("/b/taken", b"y").await;
    refused(update(world, &file, named("taken")).await, Code::NameTaken);
    refused(update(world, &file, into(&file)).await, Code::NotAFolder);
    let root = world.engine.node(&world.owner, world.root()).await.unwrap();
    refused(update(world, &root, named("x")).await, Code::RootRefused);
    refused(update(world, &root, into(&target)).await, Code::RootRefused);
    refused(trash(world, &root).await, Code::RootRefused);
    assert_eq!(world.paths().await, ["/a", "/b", "/b/other", "/b/taken"]);
    assert_eq!(world.read(file.id).await.unwrap(), b"x");
}

pub(super) async fn a_folder_never_goes_into_itself(world: &World) {
    let outer = folder(world, "/a").await;
    let inner = folder(world, "/a/b/c").await;
    refused(update(world, &outer, into(&inner)).await, Code::IntoItself);
    refused(update(world, &outer, into(&outer)).await, Code::IntoItself);
    let copy = CopyNode { parent_id: Some(inner.id), name: None };
    let copied = world.engine.copy_node(&world.owner, outer.id, copy, Premises::default()).await;
    refused(copied, Code::IntoItself);
    assert_eq!(world.paths().await, ["/a", "/a/b", "/a/b/c"]);
}

pub(super) async fn paths_stay_within_their_limit(world: &World) {
    let long = "x".repeat(255);
    let deep = format!("/{long}").repeat(15);
    world.put(&format!("{deep}/file"), b"x").await;
    let top = world.node_at(&format!("/{long}")).await.unwrap();
    let below = folder(world, &format!("/{}/{}", "y".repeat(255), "z".repeat(255))).await;
    refused(update(world, &top, into(&below)).await, Code::InvalidPath);
    let copy = CopyNode { parent_id: Some(below.id), name: None };
    let copied = world.engine.copy_node(&world.owner, top.id, copy, Premises::default()).await;
    refused(copied, Code::InvalidPath);
    world.node_at(&format!("{deep}/file")).await.unwrap();

    // To the byte: what stays as long as it was may go anywhere, a byte more is too much.
    let file = world.put(&format!("/t{deep}/{}", "f".repeat(4_096 - 2 - 15 * 256 - 1)), b"x").await;
    assert_eq!(file.path.byte_length(), 4_096);
    let top = world.node_at("/t").await.unwrap();
    let called = |text: &str| UpdateNode { name: Some(name(text)), ..UpdateNode::default() };
    update(world, &top, called("u")).await.unwrap();
    refused(update(world, &top, called("uu")).await, Code::InvalidPath);
    trash(world, &top).await.unwrap();
    let restored = |text: Option<&str>| {
        let to = RestoreNode { parent_id: None, name: text.map(name) };
        world.engine.restore_node(&world.owner, top.id, to, Premises::default())
    };
    refused(restored(Some("uu")).await, Code::InvalidPath);
    restored(None).await.unwrap();
    assert_eq!(world.engine.node(&world.owner, file.id).await.unwrap().path.byte_length(), 4_096);
}

pub(super) async fn a_copy_has_all_that_is_below(world: &World) {
    let big = noise(100_000, 5);
    world.put("/a/big", &big).await;
    world.put("/a/deep/small", b"s").await;
    folder(world, "/a/empty").await;
    let gone = world.put("/a/gone", b"g").await;
    trash(world, &gone).await.unwrap();
    let source = world.node_at("/a").await.unwrap();
    let copy = || CopyNode { parent_id: None, name: Some(name("b")) };
    let copied = world.engine.copy_node(&world.owner, source.id, copy(), Premises::default()).await.unwrap();
    assert_eq!(copied.path, path("/b"));
    let again = world.engine.copy_node(&world.owner, source.id, copy(), Premises::default()).await;
    refused(again, Code::NameTaken);
    assert_eq!(world.paths().await[5..], ["/b", "/b/big", "/b/deep", "/b/deep/small", "/b/empty"]);
    assert_eq!(world.blobs().await, 1, "a copy shares its blob");
    let copied_file = world.node_at("/b/big").await.unwrap();
    let source_file = world.node_at("/a/big").await.unwrap();
    assert_ne!(copied_file.id, source_file.id);
    // Changing one side leaves the other.
    world.put("/a/big", b"changed").await;
    assert!(world.read(copied_file.id).await.unwrap() == big);
    assert_eq!(world.event_types().await.last().unwrap(), "version.created");
}

pub(super) async fn trash_and_restore(world: &World) {
    let file = world.put("/a/file", b"1").await;
    let parent = world.node_at("/a").await.unwrap();
    let engine = &world.engine;
    let trashed = trash(world, &file).await.unwrap();
    assert!(trashed.trashed_at.is_some());
    assert_eq!(trash(world, &file).await.unwrap(), trashed, "a second time changes nothing");
    refused(world.node_at("/a/file").await, Code::NodeNotFound);
    refused(world.read(file.id).await, Code::InTrash);
    refused(update(world, &file, named("x")).await, Code::InTrash);
    let write = world.put_as(&world.owner, Target::Node(file.id), b"x", UploadOptions::default()).await;
    refused(write, Code::InTrash);
    assert_eq!(engine.node(&world.owner, file.id).await.unwrap().trashed_at, trashed.trashed_at);

    // The name is free again, and then stands in the way of the restore.
    let second = world.put("/a/file", b"2").await;
    assert_ne!(second.id, file.id);
    let restore =
        |wanted: RestoreNode| engine.restore_node(&world.owner, file.id, wanted, Premises::default());
    refused(restore(RestoreNode::default()).await, Code::NameTaken);
    let elsewhere = RestoreNode { parent_id: None, name: Some(name("old")) };
    assert_eq!(restore(elsewhere).await.unwrap().path, path("/a/old"));
    assert_eq!(world.read(file.id).await.unwrap(), b"1");
    refused(restore(RestoreNode::default()).await, Code::NotInTrash);

    // A folder takes along what is below it, and gives it back.
    trash(world, &parent).await.unwrap();
    assert!(world.paths().await.is_empty());
    refused(world.read(second.id).await, Code::InTrash);
    refused(restore(RestoreNode::default()).await, Code::NotInTrash);
    let inside = Target::Child { parent: parent.id, name: name("x") };
    let inside = world.put_as(&world.owner, inside, b"x", UploadOptions::default()).await;
    refused(inside, Code::InTrash);
    let listed = engine.trash(&world.owner, world.id(), PageRequest::default()).await.unwrap().items;
    assert_eq!(listed.iter().map(|node| node.id).collect::<Vec<_>>(), [parent.id]);
    engine.restore_node(&world.owner, parent.id, RestoreNode::default(), Premises::default()).await.unwrap();
    assert_eq!(world.paths().await, ["/a", "/a/file", "/a/old"]);

    // A restore into a folder that is itself in the trash is refused.
    trash(world, &second).await.unwrap();
    trash(world, &parent).await.unwrap();
    let lost =
        engine.restore_node(&world.owner, second.id, RestoreNode::default(), Premises::default()).await;
    refused(lost, Code::InTrash);
    let to_root = RestoreNode { parent_id: Some(world.root()), name: None };
    engine.restore_node(&world.owner, second.id, to_root, Premises::default()).await.unwrap();
    assert_eq!(world.paths().await, ["/file"]);
}

pub(super) async fn metadata_keeps_its_rules(world: &World) {
    let file = world.put("/file", b"x").await;
    let with = |metadata: Metadata| UpdateNode { metadata: Some(metadata), ..UpdateNode::default() };
    let metadata = Metadata::from([("stage".to_owned(), "draft ✓".to_owned())]);
    let node = update(world, &file, with(metadata.clone())).await.unwrap();
    assert_eq!(node.metadata, metadata);
    assert_eq!(world.node_at("/file").await.unwrap().metadata, metadata);
    let many = (0..65).map(|key| (key.to_string(), String::new())).collect();
    let large = Metadata::from([("k".to_owned(), "v".repeat(8_192))]);
    let nameless = Metadata::from([(String::new(), "v".to_owned())]);
    let nul = Metadata::from([("k".to_owned(), "\0".to_owned())]);
    for bad in [many, large, nameless, nul] {
        refused(update(world, &file, with(bad)).await, Code::InvalidMetadata);
    }
    world.put("/file", b"y").await;
    assert_eq!(world.node_at("/file").await.unwrap().metadata, metadata, "a new version keeps it");
}

pub(super) async fn names_of_every_script(world: &World) {
    let names = [
        "% _*?[]{}$'\"`\\|&;<>.txt",
        "-rf",
        "a b",
        "dé",
        "ÿ",
        "Ω",
        "ж",
        "ש",
        "م",
        "ह",
        "日本語",
        "한국어",
        "🚢 ship",
        "\u{202e}evil",
    ];
    for text in names {
        let node = world.put(&format!("/{text}"), text.as_bytes()).await;
        assert_eq!(world.read(node.id).await.unwrap(), text.as_bytes());
        assert_eq!(world.node_at(&format!("/{text}")).await.unwrap().id, node.id);
    }
    let mut sorted: Vec<String> = names.iter().map(|text| format!("/{text}")).collect();
    sorted.sort();
    assert_eq!(world.paths().await, sorted, "both engines sort by bytes");
}

pub(super) async fn what_is_trashed_still_fits_its_path(world: &World) {
    let long = "x".repeat(255);
    let file = world.put(&format!("/c/q/{long}"), b"x").await;
    trash(world, &file).await.unwrap();
    let deep = folder(world, &format!("/{}", "y".repeat(255)).repeat(15)).await;
    let moved = world.node_at("/c/q").await.unwrap();
    refused(update(world, &moved, into(&deep)).await, Code::InvalidPath);
    let listed = world.engine.trash(&world.owner, world.id(), PageRequest::default()).await.unwrap().items;
    assert_eq!(listed[0].id, file.id);
    world
        .engine
        .restore_node(&world.owner, file.id, RestoreNode::default(), Premises::default())
        .await
        .unwrap();

    let deep = folder(world, &"/z".repeat(255)).await;
    let two_more = folder(world, "/one/two").await;
    let one = world.node_at("/one").await.unwrap();
    refused(update(world, &one, into(&deep)).await, Code::InvalidPath);
    update(world, &two_more, into(&deep)).await.unwrap();
    refused(
        world.engine.create_folder(&world.owner, two_more.id, name("more"), Premises::default()).await,
        Code::InvalidPath,
    );
}

pub(super) async fn a_copy_is_bounded(world: &World) {
    let mut source = folder(world, "/a").await;
    world.put("/a/file", b"x").await;
    // Each round doubles what is below `/a`: by the eighth there are more than two hundred nodes.
    for round in 0..9 {
        let copy = CopyNode { parent_id: Some(world.root()), name: Some(name("b")) };
        let copied = world.engine.copy_node(&world.owner, source.id, copy, Premises::default()).await;
        let Ok(copied) = copied else {
            refused(copied, Code::TooManyNodes);
            assert!(round >= 6, "{round}");
            refused(world.node_at("/b").await, Code::NodeNotFound);
            return;
        };
        update(world, &copied, UpdateNode { name: Some(name(&round.to_string())), ..into(&source) })
            .await
            .unwrap();
        source = world.node_at("/a").await.unwrap();
    }
    panic!("nothing bounded the copies");
}
