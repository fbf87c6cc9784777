//! Which stretch of the log an undo means, and how much of it.

use std::time::Duration;

use longshore_core::wire::{Role, UndoActs, UndoObstacle, Who};
use longshore_core::{Clock as _, Code};
use longshore_engine::{Premises, UploadOptions};

use super::undo::{act, folder, mine_since, obstacles, seq, undo, undo_as};
use crate::world::{World, path, refused};

pub(super) async fn since_a_time_is_since_its_first_event(world: &World) {
    let start = world.clock.now();
    for number in 0..9 {
        world.clock.advance(Duration::from_secs(1));
        world.put(&format!("/{number}"), b"x").await;
    }
    let wanted = |seconds| UndoActs {
        actor: Some(Who::Me),
        since: Some(start.plus(Duration::from_secs(seconds))),
        ..UndoActs::default()
    };
    refused(undo_as(world, &world.owner, wanted(10)).await, Code::NotUndoable);
    assert_eq!(undo(world, wanted(9)).await.changes.len(), 1);
    let undone = undo_as(world, &world.owner, UndoActs { preview: true, ..wanted(4) }).await.unwrap();
    assert_eq!(undone.acts.first(), Some(&5));
    undo(world, wanted(4)).await;
    assert_eq!(world.paths().await, ["/0", "/1", "/2"]);
    undo(world, wanted(0)).await;
    assert!(world.paths().await.is_empty());
}

pub(super) async fn what_a_pruned_log_still_has_is_undone(world: &World) {
    const DAY: Duration = Duration::from_hours(24);
    world.put("/old", b"1").await;
    world.clock.advance(40 * DAY);
    world.put("/new", b"x").await;
    world.put("/old", b"2").await;
    let last = seq(world).await;
    world.clock.advance(10 * DAY);
    assert_eq!(world.engine.prune_events().await.unwrap(), last - 2);
    // Before that time the log lost something, after it nothing.
    let days_ago = |days: u32| UndoActs {
        actor: Some(Who::Me),
        since: Some(world.clock.now().minus(days * DAY)),
        ..UndoActs::default()
    };
    refused(undo_as(world, &world.owner, days_ago(50)).await, Code::ActNotFound);
    refused(undo_as(world, &world.owner, days_ago(60)).await, Code::ActNotFound);
    refused(undo_as(world, &world.owner, mine_since(0)).await, Code::ActNotFound);
    assert_eq!(undo(world, days_ago(49)).await.changes.len(), 2);
    assert_eq!(world.paths().await, ["/old"]);
    assert_eq!(world.read(world.node_at("/old").await.unwrap().id).await.unwrap(), b"1");
    undo(world, days_ago(20)).await;
    refused(undo_as(world, &world.owner, mine_since(last - 3)).await, Code::ActNotFound);
    undo(world, mine_since(last - 2)).await;
}

pub(super) async fn what_was_shown_is_what_is_undone(world: &World) {
    let file = world.put("/file", b"1").await;
    let start = seq(world).await;
    world.put("/file", b"2").await;
    let preview = UndoActs { preview: true, ..mine_since(start) };
    let shown = undo_as(world, &world.owner, preview.clone()).await.unwrap();
    assert_eq!(shown.last_seq, start + 1);
    // While somebody looks at it, more is done.
    world.put("/later", b"l").await;
    let wanted = preview.as_shown(&shown);
    assert_eq!(wanted, UndoActs { until_seq: Some(start + 1), ..mine_since(start) });
    let undone = undo_as(world, &world.owner, wanted).await.unwrap();
    assert_eq!((&undone.changes, &undone.acts), (&shown.changes, &shown.acts));
    assert_eq!((undone.last_seq, undone.act), (start + 2, Some(start + 3)));
    assert_eq!(world.read(file.id).await.unwrap(), b"1");
    world.node_at("/later").await.unwrap();

    // Where the same node was changed once more, that stands in the way, though it is one's own.
    let start = seq(world).await;
    world.put("/file", b"3").await;
    let shown = undo_as(world, &world.owner, UndoActs { preview: true, ..mine_since(start) }).await.unwrap();
    world.put("/file", b"4").await;
    let error = undo_as(world, &world.owner, mine_since(start).as_shown(&shown)).await.unwrap_err();
    assert_eq!(obstacles(&error), [(file.id, UndoObstacle::Changed)]);
    // An act that began in time is meant as a whole, and none that began later.
    let start = seq(world).await;
    folder(world, "/x/y/z").await;
    folder(world, "/w").await;
    let some = UndoActs { until_seq: Some(start + 1), ..mine_since(start) };
    assert_eq!(undo(world, some).await.changes.len(), 3);
    world.node_at("/w").await.unwrap();
    let none = UndoActs { until_seq: Some(start), ..mine_since(start) };
    refused(undo_as(world, &world.owner, none).await, Code::NotUndoable);
    // One act is no more than what was shown.
    let one = act(start + 4);
    assert_eq!(one.as_shown(&shown), one);
    let bad = UndoActs { until_seq: Some(start + 4), ..one };
    refused(undo_as(world, &world.owner, bad).await, Code::InvalidBody);
}

pub(super) async fn one_undo_looks_at_so_many_events(world: &World) {
    let start = seq(world).await;
    world.put("/first", b"x").await;
    let other = world.user(Role::Editor, None).await;
    for number in 0..6 {
        let many = path(&format!("/{number}{}", "/f".repeat(249)));
        world.engine.create_folders(&other, world.id(), many, Premises::default()).await.unwrap();
    }
    world.put("/last", b"x").await;
    let end = seq(world).await;
    assert_eq!(end - start, 1_502);
    // Two nodes only, but nobody knows before all has been looked at.
    for preview in [true, false] {
        let wanted = UndoActs { preview, ..mine_since(start) };
        let error = undo_as(world, &world.owner, wanted).await.unwrap_err();
        assert_eq!(error.code(), Code::TooManyNodes, "{error}");
        assert!(error.detail().contains("1502 events"), "{error}");
    }
    let later = UndoActs { preview: true, ..mine_since(start + 2) };
    assert_eq!(undo_as(world, &world.owner, later).await.unwrap().changes.len(), 1);
    let earlier = UndoActs { until_seq: Some(end - 1), ..mine_since(start + 1) };
    refused(undo_as(world, &world.owner, earlier).await, Code::NotUndoable);
    let earlier = UndoActs { until_seq: Some(start + 1), ..mine_since(start) };
    undo(world, earlier).await;
    undo(world, act(end)).await;
    refused(world.node_at("/last").await, Code::NodeNotFound);
    refused(world.node_at("/first").await, Code::NodeNotFound);
}

pub(super) async fn one_undo_is_bounded(world: &World) {
    let start = seq(world).await;
    for number in 0..201 {
        world.put(&format!("/{number}"), b"x").await;
    }
    refused(undo_as(world, &world.owner, mine_since(start)).await, Code::TooManyNodes);
    assert_eq!(world.paths().await.len(), 201);
    assert_eq!(undo(world, mine_since(start + 1)).await.changes.len(), 200);
    // What lies below a folder that goes counts too.
    let number = seq(world).await + 1;
    let made = folder(world, "/made").await;
    let other = world.user(Role::Editor, None).await;
    for number in 0..201 {
        world
            .put_as(&other, world.at(&format!("/made/{number}")), b"x", UploadOptions::default())
            .await
            .unwrap();
    }
    refused(undo_as(world, &world.owner, act(number)).await, Code::TooManyNodes);
    assert!(world.engine.node(&world.owner, made.id).await.unwrap().trashed_at.is_none());
}
