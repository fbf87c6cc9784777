//! Cursors: what they tell, which is nothing, and where they are good.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use longshore_core::Code;
use longshore_core::wire::{AcquireLock, Page};
use longshore_engine::{Depth, Engine, PageRequest, Premises, Result};

use super::narrowed_keys::to_folder;
use crate::world::{World, refused};

/// Returns all that somebody may read in a page's cursor.
pub(super) fn says<T>(page: &Page<T>) -> String {
    let cursor = page.next_cursor.clone().unwrap();
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(&cursor).unwrap();
    format!("{cursor} {}", String::from_utf8_lossy(&bytes))
}

fn from<T>(page: &Page<T>) -> PageRequest {
    PageRequest::new(Some(1), page.next_cursor.clone())
}

/// A page may have nothing that a key sees and lead on all the same, after what the key does not see.
pub(super) async fn a_cursor_says_nothing_of_what_lies_outside(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let lock = async |node| {
        let grant = engine.lock_node(owner, node, AcquireLock::default(), Premises::default()).await;
        grant.unwrap().0.lock.id.to_string()
    };
    let mut hidden = Vec::new();
    for name in ["/secret/one", "/secret/two"] {
        let file = world.put(name, b"x").await;
        hidden.extend([file.id.to_string(), lock(file.id).await]);
    }
    let mine = world.put("/a/mine", b"x").await;
    lock(mine.id).await;
    let key = to_folder(world, "/a").await;
    let outside = world.put("/b/three", b"x").await;
    hidden.push(outside.id.to_string());
    let trashed = world.put("/a/trashed", b"x").await;
    for id in [trashed.id, outside.id] {
        engine.trash_node(owner, id, Premises::default()).await.unwrap();
    }
    // Without what stands before each id, too.
    let silent = |told: String| assert!(hidden.iter().all(|id| !told.contains(&id[3..])), "{told}");
    // Each list is gone through to its end, one item at a time.
    let (mut seen, mut page) = (Vec::new(), PageRequest::new(Some(1), None));
    loop {
        let found = engine.trash(&key, world.id(), page).await.unwrap();
        seen.extend(found.items.iter().map(|node| node.id));
        if found.next_cursor.is_none() {
            break;
        }
        silent(says(&found));
        page = from(&found);
    }
    assert_eq!(seen, [trashed.id]);
    let (mut seen, mut page) = (Vec::new(), PageRequest::new(Some(1), None));
    loop {
        let found = engine.list_locks(&key, world.id(), None, page).await.unwrap();
        seen.extend(found.items.iter().map(|lock| lock.node_id));
        if found.next_cursor.is_none() {
            break;
        }
        silent(says(&found));
        page = from(&found);
    }
    assert_eq!(seen, [mine.id]);
}

async fn next(engine: &Engine, world: &World, page: PageRequest) -> Result<(Vec<String>, Page<()>)> {
    let found = engine.tree(&world.owner, world.root(), Depth::All, page).await?;
    let paths = found.items.iter().map(|node| node.path.to_string()).collect();
    Ok((paths, Page { items: Vec::new(), next_cursor: found.next_cursor }))
}

pub(super) async fn a_cursor_is_good_on_another_node_and_after_a_restart(world: &World) {
    world.put("/a/one", b"x").await;
    let (paths, page) = next(&world.engine, world, PageRequest::new(Some(1), None)).await.unwrap();
    assert_eq!(paths, ["/a"]);
    let other = world.another().await;
    let (paths, page) = next(&other, world, from(&page)).await.unwrap();
    assert_eq!(paths, ["/a/one"]);
    other.close().await;
    let other = world.another().await;
    if let Some(cursor) = page.next_cursor {
        let rest = next(&other, world, PageRequest::new(Some(1), Some(cursor))).await.unwrap();
        assert!(rest.0.is_empty());
    }
    other.close().await;
}

pub(super) async fn nobody_makes_or_changes_a_cursor(world: &World) {
    world.put("/a/one", b"x").await;
    let (_, page) = next(&world.engine, world, PageRequest::new(Some(1), None)).await.unwrap();
    let good = page.next_cursor.clone().unwrap();
    let at = async |cursor: String| next(&world.engine, world, PageRequest::new(Some(1), Some(cursor))).await;
    at(good.clone()).await.unwrap();
    // What was a cursor before they were sealed, and what is none.
    let plain = serde_json::to_vec(&(world.root(), [""])).unwrap();
    for cursor in
        [BASE64_URL_SAFE_NO_PAD.encode(plain), String::new(), good[1..].to_owned(), "\u{0}".to_owned()]
    {
        refused(at(cursor).await, Code::InvalidCursor);
    }
    for place in 0..good.len() - 1 {
        let other = if &good[place..=place] == "A" { "B" } else { "A" };
        refused(at(format!("{}{other}{}", &good[..place], &good[place + 1..])).await, Code::InvalidCursor);
    }
    // One of another list is none of this.
    world.engine.create_workspace(&world.owner, "other".parse().unwrap(), None).await.unwrap();
    let one = PageRequest::new(Some(1), None);
    let workspaces = world.engine.list_workspaces(&world.owner, one).await.unwrap();
    refused(at(workspaces.next_cursor.unwrap()).await, Code::InvalidCursor);
}
