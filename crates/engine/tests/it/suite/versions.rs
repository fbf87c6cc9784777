use std::time::Duration;

use longshore_core::wire::{NoText, Role, UpdateVersion, UpdateWorkspace, Version, WorkspaceSettings};
use longshore_core::{Code, PrincipalId, VersionId};
use longshore_engine::{PageRequest, Preconditions, Premises, Result, Retained};

use crate::world::{World, noise, refused};

const DAY: Duration = Duration::from_hours(24);

async fn label(world: &World, version: &Version, text: Option<&str>) -> Result<Version> {
    let wanted = UpdateVersion { label: text.map(str::to_owned) };
    world.engine.update_version(&world.owner, version.node_id, version.id, wanted, Premises::default()).await
}

/// Returns a file's versions, newest first.
async fn versions(world: &World, file: longshore_core::NodeId) -> Vec<Version> {
    let page = PageRequest::new(Some(1_000), None);
    world.engine.list_versions(&world.owner, file, page).await.unwrap().items
}

async fn numbers(world: &World, file: longshore_core::NodeId) -> Vec<u64> {
    versions(world, file).await.iter().map(|version| version.number).collect()
}

pub(crate) async fn set_rules(world: &World, settings: WorkspaceSettings) -> Result<()> {
    let wanted = UpdateWorkspace { name: None, settings: Some(settings.into()) };
    world.engine.update_workspace(&world.owner, world.id(), wanted, Premises::default()).await.map(|_| ())
}

pub(super) async fn a_label_stays_with_its_version(world: &World) {
    let file = world.put("/a", b"one").await;
    world.put("/a", b"two").await;
    let old = versions(world, file.id).await.remove(1);
    let labelled = label(world, &old, Some("sent to the client ✓")).await.unwrap();
    assert_eq!(labelled.label.as_deref(), Some("sent to the client ✓"));
    assert_eq!(versions(world, file.id).await[1], labelled);
    let events = world.event_types().await.len();
    label(world, &old, Some("sent to the client ✓")).await.unwrap();
    assert_eq!(world.event_types().await.len(), events, "what changes nothing is no event");
    // What comes of a labelled version is not called so itself.
    world.engine.restore_version(&world.owner, file.id, old.id, Premises::default()).await.unwrap();
    assert_eq!(versions(world, file.id).await[0].label, None);
    assert_eq!(label(world, &old, None).await.unwrap().label, None);

    let long = "x".repeat(201);
    for bad in ["", "  ", "a\nb", "\0", "\u{7f}", &long] {
        refused(label(world, &old, Some(bad)).await, Code::InvalidLabel);
    }
    label(world, &old, Some(&"é".repeat(200))).await.unwrap();
    let other = world.put("/b", b"b").await;
    let foreign = Version { id: other.version_id.unwrap(), ..old.clone() };
    refused(label(world, &foreign, Some("x")).await, Code::VersionNotFound);
    let stale = Preconditions { if_match: Some(Some(vec![old.id])), if_none_match: false };
    let wanted = UpdateVersion { label: None };
    let stale = world.engine.update_version(&world.owner, file.id, old.id, wanted, stale.into()).await;
    refused(stale, Code::PreconditionFailed);
    let viewer = world.user(Role::Viewer, None).await;
    let wanted = UpdateVersion { label: None };
    let viewed = world.engine.update_version(&viewer, file.id, old.id, wanted, Premises::default()).await;
    refused(viewed, Code::Forbidden);
    world.engine.trash_node(&world.owner, file.id, Premises::default()).await.unwrap();
    refused(label(world, &old, None).await, Code::InTrash);
}

pub(super) async fn the_current_version_is_never_deleted(world: &World) {
    let file = world.put("/a", b"one").await;
    let now = world.put("/a", &noise(50_000, 1)).await;
    world.put("/a", b"three").await;
    let delete = |id: VersionId| world.engine.delete_version(&world.owner, file.id, id, Premises::default());
    let current = versions(world, file.id).await[0].id;
    refused(delete(current).await, Code::VersionInUse);
    delete(now.version_id.unwrap()).await.unwrap();
    refused(delete(now.version_id.unwrap()).await, Code::VersionNotFound);
    assert_eq!(numbers(world, file.id).await, [3, 1]);
    assert_eq!(world.event_types().await.last().unwrap(), "version.deleted");
    // The number of what is gone is not given again, and its bytes go with the next sweep.
    world.put("/a", b"four").await;
    assert_eq!(numbers(world, file.id).await, [4, 3, 1]);
    world.clock.advance(2 * DAY);
    assert_eq!(world.blobs().await, 1);
    let editor = world.user(Role::Editor, None).await;
    let kept = world.engine.delete_version(&editor, file.id, file.version_id.unwrap(), Premises::default());
    refused(kept.await, Code::Forbidden);
}

pub(super) async fn versions_are_compared_line_by_line(world: &World) {
    let one = world.put("/a", b"a\nb\n").await;
    let two = world.put("/a", b"a\nc\n").await;
    let three = world.put("/a", b"a\nb\n").await;
    let binary = world.put("/a", b"a\n\0").await;
    let large = world.put("/a", "long\n".repeat(300_000).as_bytes()).await;
    let compare = |from: &longshore_core::wire::Node, to: &longshore_core::wire::Node| {
        let (from, to) = (from.version_id.unwrap(), to.version_id.unwrap());
        world.engine.compare_versions(&world.owner, one.id, from, to)
    };
    let told = compare(&one, &two).await.unwrap();
    let text = told.text.unwrap();
    assert!(text.unified.ends_with("@@ -1,2 +1,2 @@\n a\n-b\n+c\n"), "{}", text.unified);
    assert_eq!((text.added, text.removed, text.truncated, told.same_content), (1, 1, false, false));
    assert_eq!((told.from.number, told.to.number), (1, 2));
    let same = compare(&one, &three).await.unwrap();
    assert!(same.same_content && same.text.unwrap().unified.is_empty());
    assert_eq!(compare(&one, &binary).await.unwrap().no_text, Some(NoText::Binary));
    assert_eq!(compare(&large, &binary).await.unwrap().no_text, Some(NoText::TooLarge));
    let empty = world.put("/a", b"").await;
    assert_eq!(compare(&empty, &two).await.unwrap().text.unwrap().added, 2);
    let other = world.put("/b", b"b").await;
    refused(compare(&one, &other).await, Code::VersionNotFound);
}

pub(super) async fn versions_are_kept_as_the_rules_say(world: &World) {
    let file = world.put("/a", b"1").await;
    world.clock.advance(10 * DAY);
    for content in [b"2", b"3", b"4", b"5"] {
        world.put("/a", content).await;
    }
    let single = world.put("/single", b"1").await;
    let first = versions(world, file.id).await.pop().unwrap();
    let none = Retained::default();
    assert_eq!(world.engine.retain_versions(world.id()).await.unwrap(), none, "nothing is removed unasked");

    // Both rules must let a version go, and the first was current until now, however old it is.
    let rules = WorkspaceSettings { versions_kept: Some(3), versions_days: Some(5), ..Default::default() };
    let by_count = WorkspaceSettings { versions_days: None, ..rules.clone() };
    let by_age = WorkspaceSettings { versions_kept: None, ..rules.clone() };
    set_rules(world, rules.clone()).await.unwrap();
    assert_eq!(world.engine.retain_versions(world.id()).await.unwrap(), none, "it was current until now");
    set_rules(world, WorkspaceSettings { versions_kept: Some(4), ..by_count }).await.unwrap();
    label(world, &first, Some("the first")).await.unwrap();
    assert_eq!(world.engine.retain_versions(world.id()).await.unwrap(), none, "a label keeps");
    label(world, &first, None).await.unwrap();
    assert_eq!(world.engine.retain_versions(world.id()).await.unwrap().removed, 1);
    assert_eq!(numbers(world, file.id).await, [5, 4, 3, 2]);
    set_rules(world, rules).await.unwrap();
    world.clock.advance(4 * DAY);
    world.put("/a", b"6").await;
    assert_eq!(world.engine.retain_versions(world.id()).await.unwrap(), none);
    world.clock.advance(2 * DAY);
    assert_eq!(world.engine.retain_versions(world.id()).await.unwrap().removed, 2);
    assert_eq!(numbers(world, file.id).await, [6, 5, 4]);
    // The fourth and the fifth are of one day, but the fifth was current for four days more.
    set_rules(world, by_age).await.unwrap();
    assert_eq!(world.engine.retain_versions(world.id()).await.unwrap().removed, 1);
    assert_eq!(numbers(world, file.id).await, [6, 5]);
    world.clock.advance(4 * DAY);
    assert_eq!(world.engine.retain_versions(world.id()).await.unwrap().removed, 1);
    world.clock.advance(40 * DAY);
    assert_eq!(world.engine.retain_versions(world.id()).await.unwrap(), none, "the current one stays");
    assert_eq!((numbers(world, file.id).await, numbers(world, single.id).await), (vec![6], vec![1]));
    assert_eq!(world.read(file.id).await.unwrap(), b"6");

    let events = world.events_after(0).await;
    let purged: Vec<_> = events.iter().filter(|event| event.r#type == "version.purged").collect();
    assert_eq!(purged.len(), 4);
    assert_eq!((purged[1].actor, purged[1].key_id), (PrincipalId::LONGSHORE, None));
    assert_eq!(purged[1].data["numbers"], serde_json::json!([2, 3]));
    for bad in [
        WorkspaceSettings { versions_kept: Some(0), ..Default::default() },
        WorkspaceSettings { versions_days: Some(0), ..Default::default() },
        WorkspaceSettings { versions_days: Some(36_501), ..Default::default() },
        WorkspaceSettings { trash_days: Some(u32::MAX), ..Default::default() },
    ] {
        refused(set_rules(world, bad).await, Code::InvalidBody);
    }
}

pub(super) async fn many_versions_shrink_to_the_rule(world: &World) {
    const MANY: u64 = 450;
    let file = world.put("/a", b"1").await;
    // Many at a time, as their order among themselves is of no matter.
    for group in (2..=MANY).collect::<Vec<_>>().chunks(200) {
        futures_util::future::join_all(group.iter().map(|_| world.put("/a", b"n"))).await;
    }
    set_rules(world, WorkspaceSettings { versions_kept: Some(7), ..Default::default() }).await.unwrap();
    let done = world.engine.retain_versions(world.id()).await.unwrap();
    assert_eq!((done.removed, done.bytes, done.locked), (MANY - 7, MANY - 7, 0));
    assert_eq!(numbers(world, file.id).await, (MANY - 6..=MANY).rev().collect::<Vec<_>>());
    let again = world.engine.retain_versions(world.id()).await.unwrap();
    assert_eq!(again, Retained::default());
}
