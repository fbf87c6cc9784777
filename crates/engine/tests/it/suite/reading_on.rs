//! Answers that go on for as long as their reader takes: they end with the reader's right, as each request does.

use std::time::Duration;

use longshore_core::Code;
use longshore_core::wire::Role;
use longshore_engine::{Actor, ArchiveItem, AuditQuery, EventQuery, Pick, Premises};

use super::sessions::{person, signed_in};
use crate::world::{World, collect, path, refused};

/// What ends a right.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Revoked,
    Removed,
    Deactivated,
    SignedOut,
}

/// Has somebody read no more, and returns what they are told from then on.
async fn end(world: &World, actor: &Actor, how: End) -> Code {
    let (engine, owner) = (&world.engine, &world.owner);
    let (ended, code) = match how {
        End::Revoked => (engine.revoke_key(owner, actor.key().unwrap(), None).await, Code::KeyRevoked),
        End::Removed => {
            let removed = engine.remove_member(owner, world.id(), actor.principal, Premises::default());
            (removed.await, Code::WorkspaceNotFound)
        }
        End::Deactivated => {
            let deactivated = engine.deactivate_principal(owner, actor.principal, None);
            (deactivated.await.map(drop), Code::PrincipalDeactivated)
        }
        End::SignedOut => (engine.sign_out(actor).await, Code::SessionEnded),
    };
    ended.unwrap();
    code
}

/// Returns somebody who may read, by a key or in a session.
async fn reader(world: &World, how: End) -> Actor {
    match how {
        End::SignedOut => signed_in(world, "ada").await,
        _ => world.user(Role::Viewer, Some(world.id())).await,
    }
}

pub(super) async fn who_may_read_no_longer_reads_no_further(world: &World) {
    let engine = &world.engine;
    for number in 0..400 {
        world.put(&format!("/large/file{number:03}"), b"x").await;
    }
    person(world, "ada", Some(Role::Viewer)).await;
    let large = world.node_at("/large").await.unwrap().id;
    let pick = || vec![Pick::Path(path("/large/file399"), None), Pick::Node(large, None)];
    for how in [End::Revoked, End::Removed, End::Deactivated, End::SignedOut] {
        let actor = reader(world, how).await;
        let archive = engine.archive(&actor, large).await.unwrap();
        let items = vec![ArchiveItem::Node(large)];
        let selection = engine.archive_selection(&actor, world.id(), items).await.unwrap();
        assert_eq!((archive.length(), selection.length()), (None, None));
        assert!(engine.open_contents(&actor, world.id(), pick()).await.unwrap()[0].is_ok());
        let mut follower = engine.follow(&actor, world.id()).await.unwrap();
        follower.read(&EventQuery::default()).await.unwrap();
        let code = end(world, &actor, how).await;
        refused(collect(archive.into_bytes()).await, code);
        refused(collect(selection.into_bytes()).await, code);
        refused(engine.open_contents(&actor, world.id(), pick()).await, code);
        refused(follower.read(&EventQuery::default()).await, code);
    }
}

pub(super) async fn who_may_export_no_longer_gets_no_end(world: &World) {
    let engine = &world.engine;
    world.put("/file", b"content").await;
    let owner = world.own_key(Role::Owner, Some(world.id())).await;
    let export = engine.export_workspace(&owner, world.id()).await.unwrap();
    engine.audit(&owner, AuditQuery::default()).await.unwrap();
    engine.revoke_key(&world.owner, owner.key().unwrap(), None).await.unwrap();
    refused(collect(export.into_bytes()).await, Code::KeyRevoked);
    refused(engine.export_workspace(&owner, world.id()).await, Code::KeyRevoked);
    refused(engine.audit(&owner, AuditQuery::default()).await, Code::KeyRevoked);
    // What was held for the one that broke off is let go in time, and others are not held up.
    world.clock.advance(Duration::from_mins(61));
    engine.sweep().await.unwrap();
    let export = engine.export_workspace(&world.owner, world.id()).await.unwrap();
    collect(export.into_bytes()).await.unwrap();
}
