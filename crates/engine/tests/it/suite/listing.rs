use longshore_core::Code;
use longshore_engine::{Depth, EventQuery, PageRequest, Premises};

use crate::world::{World, name, path, refused};

async fn walk(world: &World, depth: Depth, limit: u32) -> Vec<String> {
    let mut paths = Vec::new();
    let mut cursor = None;
    loop {
        let page = PageRequest::new(Some(limit), cursor);
        let page = world.engine.tree(&world.owner, world.root(), depth, page).await.unwrap();
        assert!(page.items.len() <= limit as usize);
        paths.extend(page.items.iter().map(|node| node.path.to_string()));
        cursor = page.next_cursor;
        if cursor.is_none() {
            return paths;
        }
    }
}

pub(super) async fn pages_of_every_size_give_the_same_tree(world: &World) {
    for file in ["/a/1", "/a/2", "/a/b/c/d/e", "/a/b/f", "/b", "/c/1", "/d/x/y", "/e", "/z"] {
        world.put(file, b"x").await;
    }
    let expected = [
        "/a",
        "/a/1",
        "/a/2",
        "/a/b",
        "/a/b/c",
        "/a/b/c/d",
        "/a/b/c/d/e",
        "/a/b/f",
        "/b",
        "/c",
        "/c/1",
        "/d",
        "/d/x",
        "/d/x/y",
        "/e",
        "/z",
    ];
    for limit in 1..=17 {
        assert_eq!(walk(world, Depth::All, limit).await, expected, "pages of {limit}");
        assert_eq!(walk(world, Depth::Levels(1), limit).await, ["/a", "/b", "/c", "/d", "/e", "/z"]);
    }
    let two: Vec<_> = expected.iter().filter(|path| path.matches('/').count() <= 2).collect();
    assert_eq!(walk(world, Depth::Levels(2), 3).await.iter().collect::<Vec<_>>(), two);
    let file = world.node_at("/b").await.unwrap();
    let page = PageRequest::default();
    refused(world.engine.tree(&world.owner, file.id, Depth::All, page).await, Code::NotAFolder);
}

pub(super) async fn a_walk_survives_changes(world: &World) {
    for file in ["/a/1", "/a/2", "/a/3", "/b/1", "/c"] {
        world.put(file, b"x").await;
    }
    let tree =
        |cursor| world.engine.tree(&world.owner, world.root(), Depth::All, PageRequest::new(Some(2), cursor));
    let page = tree(None).await.unwrap();
    assert_eq!(page.items[1].path, path("/a/1"));
    // The folder the walk is in goes to the trash: the walk goes on after it.
    let folder = world.node_at("/a").await.unwrap();
    world.engine.trash_node(&world.owner, folder.id, Premises::default()).await.unwrap();
    let page = tree(page.next_cursor).await.unwrap();
    let paths: Vec<_> = page.items.iter().map(|node| node.path.to_string()).collect();
    assert_eq!(paths, ["/b", "/b/1"]);
    refused(tree(Some("nonsense".to_owned())).await, Code::InvalidCursor);
    let other = world.node_at("/b").await.unwrap();
    let foreign = PageRequest::new(Some(2), page.next_cursor);
    let foreign = world.engine.tree(&world.owner, other.id, Depth::All, foreign).await;
    refused(foreign, Code::InvalidCursor);
}

pub(super) async fn lists_are_paged(world: &World) {
    let engine = &world.engine;
    for number in 0..5 {
        engine.create_workspace(&world.owner, name(&format!("w{number}")), None).await.unwrap();
        world.clock.advance(std::time::Duration::from_millis(2));
        let node = world.put(&format!("/f{number}"), b"x").await;
        engine.trash_node(&world.owner, node.id, Premises::default()).await.unwrap();
    }
    let mut names = Vec::new();
    let mut cursor = None;
    loop {
        let page = engine.list_workspaces(&world.owner, PageRequest::new(Some(2), cursor)).await.unwrap();
        names.extend(page.items.into_iter().map(|workspace| workspace.name));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    names.sort();
    assert_eq!(names, ["default", "w0", "w1", "w2", "w3", "w4"]);
    let mut trashed = Vec::new();
    let mut cursor = None;
    loop {
        let page = engine.trash(&world.owner, world.id(), PageRequest::new(Some(2), cursor)).await.unwrap();
        trashed.extend(page.items.into_iter().map(|node| node.name));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(trashed, ["f4", "f3", "f2", "f1", "f0"]);
    let query = EventQuery { after: Some(3.into()), limit: Some(4), ..EventQuery::default() };
    let page = engine.events(&world.owner, world.id(), query).await.unwrap();
    assert_eq!(page.items.iter().map(|event| event.seq).collect::<Vec<_>>(), [4, 5, 6, 7]);
    assert_eq!(page.next_cursor.as_deref(), Some("7"));
}

pub(super) async fn a_deep_walk_has_a_short_cursor(world: &World) {
    let deep = "/0123456789abc".repeat(255);
    world.engine.create_folders(&world.owner, world.id(), path(&deep), Premises::default()).await.unwrap();
    world.put(&format!("{deep}/file"), b"x").await;
    let mut seen = 0;
    let mut cursor = None;
    loop {
        let page = PageRequest::new(Some(100), cursor);
        let page = world.engine.tree(&world.owner, world.root(), Depth::All, page).await.unwrap();
        seen += page.items.len();
        cursor = page.next_cursor;
        match &cursor {
            Some(cursor) => assert!(cursor.len() < 7_000, "{}", cursor.len()),
            None => break,
        }
    }
    assert_eq!(seen, 256);
}
