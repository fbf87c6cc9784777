//! Metadata and labels: what is said of nodes, and finding them by it.

use longshore_core::wire::{CopyNode, Labels, Metadata, MetadataPatch, Node, UpdateNode};
use longshore_core::{Code, NodeId};
use longshore_engine::{NodeFilter, PageRequest, Premises, Result};

use crate::world::{World, name, path, refused};

async fn update(world: &World, node: NodeId, wanted: UpdateNode) -> Result<Node> {
    world.engine.update_node(&world.owner, node, wanted, Premises::default()).await
}

fn patch<const N: usize>(pairs: [(&str, Option<&str>); N]) -> UpdateNode {
    let patch: MetadataPatch =
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value.map(str::to_owned))).collect();
    UpdateNode { metadata_patch: Some(patch), ..UpdateNode::default() }
}

fn map<const N: usize>(pairs: [(&str, &str); N]) -> Metadata {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn set<const N: usize>(labels: [&str; N]) -> Labels {
    labels.into_iter().map(str::to_owned).collect()
}

fn by_label(label: &str) -> NodeFilter {
    NodeFilter { labels: vec![label.to_owned()], ..NodeFilter::default() }
}

fn by_metadata(key: &str, value: &str) -> NodeFilter {
    NodeFilter { metadata: map([(key, value)]), ..NodeFilter::default() }
}

async fn find_pages(world: &World, filter: &NodeFilter, limit: u32) -> Result<Vec<String>> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = PageRequest::new(Some(limit), cursor);
        let page = world.engine.find_nodes(&world.owner, world.id(), filter.clone(), page).await?;
        assert!(page.items.len() <= limit as usize);
        found.extend(page.items.iter().map(|node| node.path.to_string()));
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(found);
        }
    }
}

async fn find(world: &World, filter: NodeFilter) -> Vec<String> {
    find_pages(world, &filter, 100).await.unwrap()
}

pub(super) async fn single_keys_are_set_and_removed(world: &World) {
    let file = world.put("/file", b"x").await;
    update(world, file.id, patch([("stage", Some("draft")), ("owner", Some("me"))])).await.unwrap();
    let node = update(world, file.id, patch([("stage", None), ("due", Some(""))])).await.unwrap();
    assert_eq!(node.metadata, map([("owner", "me"), ("due", "")]));
    let events = world.event_count().await;
    update(world, file.id, patch([("never there", None), ("owner", Some("me"))])).await.unwrap();
    assert_eq!(world.event_count().await, events, "what changes nothing is no event");

    let both = UpdateNode { metadata: Some(Metadata::new()), ..patch([("a", Some("b"))]) };
    refused(update(world, file.id, both).await, Code::InvalidBody);
    // The limits are of what comes of it.
    let full: Metadata = (0..64).map(|key| (format!("{key:02}"), "v".repeat(126))).collect();
    let whole = UpdateNode { metadata: Some(full), ..UpdateNode::default() };
    update(world, file.id, whole).await.unwrap();
    refused(update(world, file.id, patch([("one more", Some(""))])).await, Code::InvalidMetadata);
    refused(update(world, file.id, patch([("00", Some(&"v".repeat(127)))])).await, Code::InvalidMetadata);
    update(world, file.id, patch([("00", None), ("zz", Some(&"v".repeat(126)))])).await.unwrap();
    for bad in [("", "v"), ("a\nb", "v"), ("k", "\0")] {
        refused(update(world, file.id, patch([(bad.0, Some(bad.1))])).await, Code::InvalidMetadata);
    }
    assert_eq!(world.node_at("/file").await.unwrap().metadata.len(), 64);
    assert_eq!(find(world, by_metadata("zz", &"v".repeat(126))).await, ["/file"]);
}

pub(super) async fn labels_are_a_set(world: &World) {
    let file = world.put("/file", b"x").await;
    let with = |labels: Labels| UpdateNode { labels: Some(labels), ..UpdateNode::default() };
    let add = |labels: Labels| UpdateNode { add_labels: labels, ..UpdateNode::default() };
    let remove = |labels: Labels| UpdateNode { remove_labels: labels, ..UpdateNode::default() };
    let node = update(world, file.id, with(set(["urgent", "to do ✓"]))).await.unwrap();
    assert_eq!(node.labels, set(["urgent", "to do ✓"]));
    update(world, file.id, add(set(["urgent", "new"]))).await.unwrap();
    let node = update(world, file.id, remove(set(["to do ✓", "never there"]))).await.unwrap();
    assert_eq!(node.labels, set(["urgent", "new"]));
    assert_eq!(world.node_at("/file").await.unwrap(), node);
    let types = world.event_types().await;
    assert_eq!(types[types.len() - 3..], ["node.labels_changed"; 3]);
    let events = world.event_count().await;
    update(world, file.id, add(set(["new"]))).await.unwrap();
    assert_eq!(world.event_count().await, events);

    let (many, long) = ((0..33).map(|label| label.to_string()).collect(), "x".repeat(65));
    for bad in [many, set([&long]), set([""]), set([" "]), set(["a\tb"]), set(["\0"])] {
        refused(update(world, file.id, with(bad.clone())).await, Code::InvalidLabel);
        refused(update(world, file.id, add(bad)).await, Code::InvalidLabel);
    }
    update(world, file.id, with((0..32).map(|label| label.to_string()).collect())).await.unwrap();
    refused(update(world, file.id, add(set(["one more"]))).await, Code::InvalidLabel);
    let both = UpdateNode { add_labels: set(["a"]), ..with(set(["b"])) };
    refused(update(world, file.id, both).await, Code::InvalidBody);
    let both = UpdateNode { add_labels: set(["a"]), ..remove(set(["a"])) };
    refused(update(world, file.id, both).await, Code::InvalidBody);
    world.put("/file", b"y").await;
    assert_eq!(world.node_at("/file").await.unwrap().labels.len(), 32, "a new version keeps them");
    // Nodes of one moment have no order among themselves.
    world.clock.advance(std::time::Duration::from_millis(2));
    let copy = CopyNode { parent_id: None, name: Some(name("copy")) };
    world.engine.copy_node(&world.owner, file.id, copy, Premises::default()).await.unwrap();
    assert_eq!(find(world, by_label("7")).await, ["/file", "/copy"], "a copy has them too");
}

pub(super) async fn nodes_are_found_by_metadata_and_labels(world: &World) {
    for (number, file) in ["/a/1", "/a/2", "/b/3", "/b/c/4"].into_iter().enumerate() {
        let node = world.put(file, b"x").await;
        let wanted = patch([
            ("n", Some(&number.to_string())),
            ("all", Some("yes")),
            ("long", Some(&"l".repeat(6_000))),
        ]);
        let labels = if number % 2 == 0 { set(["even"]) } else { set(["odd"]) };
        update(world, node.id, UpdateNode { labels: Some(labels), ..wanted }).await.unwrap();
        world.clock.advance(std::time::Duration::from_millis(2));
    }
    assert_eq!(find(world, by_metadata("all", "yes")).await, ["/a/1", "/a/2", "/b/3", "/b/c/4"]);
    assert_eq!(find(world, by_metadata("long", &"l".repeat(6_000))).await.len(), 4);
    assert_eq!(find(world, by_metadata("n", "2")).await, ["/b/3"]);
    assert_eq!(find(world, by_label("odd")).await, ["/a/2", "/b/c/4"]);
    let mut filter = NodeFilter { metadata: map([("all", "yes")]), ..by_label("odd") };
    filter.under = Some(path("/b"));
    assert_eq!(find(world, filter.clone()).await, ["/b/c/4"]);
    filter.name = Some("3".to_owned());
    assert!(find(world, filter).await.is_empty());
    for nothing in [
        by_label("even\0"),
        by_label("EVEN"),
        by_label("all"),
        by_metadata("even", ""),
        by_metadata("all", ""),
    ] {
        assert!(find(world, nothing).await.is_empty());
    }

    // Trash, restore, purge, and a folder moved: what is found is what is there.
    let folder = world.node_at("/b").await.unwrap();
    world.engine.trash_node(&world.owner, folder.id, Premises::default()).await.unwrap();
    assert_eq!(find(world, by_metadata("all", "yes")).await, ["/a/1", "/a/2"]);
    let restore = longshore_core::wire::RestoreNode { parent_id: None, name: Some(name("z")) };
    world.engine.restore_node(&world.owner, folder.id, restore, Premises::default()).await.unwrap();
    assert_eq!(find(world, by_label("odd")).await, ["/a/2", "/z/c/4"]);
    let first = world.node_at("/a/1").await.unwrap();
    update(world, first.id, UpdateNode { labels: Some(Labels::new()), ..patch([("all", None)]) })
        .await
        .unwrap();
    assert_eq!(find(world, by_metadata("all", "yes")).await, ["/a/2", "/z/3", "/z/c/4"]);
    assert_eq!(find(world, by_label("even")).await, ["/z/3"]);
    let other = world.engine.create_workspace(&world.owner, name("other"), None).await.unwrap();
    let page = PageRequest::default();
    let elsewhere = world.engine.find_nodes(&world.owner, other.id, by_label("odd"), page).await.unwrap();
    assert!(elsewhere.items.is_empty());
}

pub(super) async fn nodes_are_found_by_name(world: &World) {
    for file in ["/Report Q1.csv", "/deep/er/report-q2.CSV", "/deep/notes.txt", "/ÜBER.csv"] {
        world.put(file, b"x").await;
    }
    let named = |name: &str, under: Option<&str>| NodeFilter {
        name: Some(name.to_owned()),
        under: under.map(path),
        ..NodeFilter::default()
    };
    assert_eq!(find(world, named("REPORT", None)).await, ["/Report Q1.csv", "/deep/er/report-q2.CSV"]);
    assert_eq!(find(world, named("über", None)).await, ["/ÜBER.csv"]);
    assert_eq!(find(world, named(".csv", Some("/deep"))).await, ["/deep/er/report-q2.CSV"]);
    assert_eq!(find(world, named("%", None)).await, Vec::<String>::new(), "no pattern, a text");
    assert_eq!(find(world, NodeFilter::default()).await.len(), 6, "without a condition all fits");
    for limit in 1..=5 {
        let found = find_pages(world, &named("r", None), limit).await.unwrap();
        assert_eq!(found, ["/Report Q1.csv", "/deep/er", "/deep/er/report-q2.CSV", "/ÜBER.csv"]);
    }
    refused(find_pages(world, &named("x", Some("/nowhere")), 10).await, Code::NodeNotFound);
}

pub(super) async fn a_search_pages_through_all_it_finds(world: &World) {
    let mut made = Vec::new();
    for number in 0..25 {
        let node = world.put(&format!("/f{number:02}"), b"x").await;
        let labels = UpdateNode { add_labels: set(["all", "25"]), ..UpdateNode::default() };
        update(world, node.id, labels).await.unwrap();
        world.clock.advance(std::time::Duration::from_millis(2));
        made.push(format!("/f{number:02}"));
    }
    for limit in [1, 2, 7, 24, 25, 26] {
        assert_eq!(find_pages(world, &by_label("all"), limit).await.unwrap(), made, "pages of {limit}");
    }
    let engine = &world.engine;
    let page = |filter, cursor| {
        engine.find_nodes(&world.owner, world.id(), filter, PageRequest::new(Some(3), cursor))
    };
    let by_name = NodeFilter { name: Some("f".to_owned()), ..NodeFilter::default() };
    let walked = page(by_name.clone(), None).await.unwrap().next_cursor;
    let found = page(by_label("all"), None).await.unwrap().next_cursor;
    refused(page(by_label("all"), walked).await, Code::InvalidCursor);
    refused(page(by_name.clone(), found).await, Code::InvalidCursor);
    refused(page(by_name, Some("nonsense".to_owned())).await, Code::InvalidCursor);
    let many =
        NodeFilter { labels: (0..97).map(|label| label.to_string()).collect(), ..NodeFilter::default() };
    refused(page(many, None).await, Code::InvalidQuery);
}
