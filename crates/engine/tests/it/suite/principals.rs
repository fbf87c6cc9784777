use std::time::Duration;

use longshore_core::wire::{AcquireLock, CreateLink, CreatePrincipal, PrincipalKind, Role, UpdatePrincipal};
use longshore_core::{Code, PrincipalId};
use longshore_engine::{EventQuery, PageRequest, Premises, UploadOptions};

use crate::world::{World, name, refused};

pub(super) async fn principals_are_made_listed_and_renamed(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    world.clock.advance(Duration::from_millis(1));
    let wanted = CreatePrincipal { kind: PrincipalKind::Person, name: "Ada".to_owned() };
    let ada = engine.create_principal(owner, wanted.clone(), None).await.unwrap();
    assert_eq!((ada.kind, ada.everywhere, ada.deactivated_at), (PrincipalKind::Person, None, None));
    let listed = engine.list_principals(owner, PageRequest::new(Some(1), None)).await.unwrap();
    let rest = PageRequest::new(Some(10), listed.next_cursor);
    assert_eq!(listed.items[0].id, owner.principal);
    assert_eq!(engine.list_principals(owner, rest).await.unwrap().items, std::slice::from_ref(&ada));
    let renamed = UpdatePrincipal { name: "Eve".to_owned() };
    assert_eq!(engine.rename_principal(owner, ada.id, renamed.clone(), None).await.unwrap().name, "Eve");
    assert_eq!(engine.principal(owner, ada.id).await.unwrap().name, "Eve");
    for bad in ["", "a\u{7}b"] {
        let bad = CreatePrincipal { name: bad.to_owned(), ..wanted.clone() };
        refused(engine.create_principal(owner, bad, None).await, Code::InvalidName);
    }
    let nobody = PrincipalId::new(longshore_core::Clock::now(&world.clock));
    refused(engine.principal(owner, nobody).await, Code::PrincipalNotFound);
    refused(engine.deactivate_principal(owner, nobody, None).await, Code::PrincipalNotFound);
    // An admin of a workspace, even its owner by a key of it, administers no server.
    let narrow = world.own_key(Role::Owner, Some(world.id())).await;
    for by in [world.user(Role::Admin, Some(world.id())).await, world.user(Role::Editor, None).await, narrow]
    {
        refused(engine.create_principal(&by, wanted.clone(), None).await, Code::Forbidden);
        refused(engine.list_principals(&by, PageRequest::default()).await, Code::Forbidden);
        refused(engine.rename_principal(&by, ada.id, renamed.clone(), None).await, Code::Forbidden);
        refused(engine.deactivate_principal(&by, ada.id, None).await, Code::Forbidden);
        refused(engine.reactivate_principal(&by, ada.id, None).await, Code::Forbidden);
    }
}

pub(super) async fn who_is_deactivated_does_nothing_more(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let other = engine.create_workspace(owner, name("other"), None).await.unwrap();
    let file = world.put("/a.txt", b"a").await;
    let agent = world.user(Role::Editor, None).await;
    let lock = |node| engine.lock_node(&agent, node, AcquireLock::default(), Premises::default());
    lock(file.id).await.unwrap();
    lock(other.root_id).await.unwrap();
    let link = engine.create_link(&agent, file.id, CreateLink::default(), Premises::default()).await.unwrap();
    engine.open_link(&link.token).await.unwrap();
    let mut upload = engine.begin_upload(&agent, world.at("/late"), UploadOptions::default()).await.unwrap();
    upload.write(bytes::Bytes::from_static(b"too late")).await.unwrap();

    let ended = engine.deactivate_principal(owner, agent.principal, None).await.unwrap();
    assert!(ended.deactivated_at.is_some());
    refused(upload.finish().await, Code::PrincipalDeactivated);
    refused(lock(file.id).await, Code::PrincipalDeactivated);
    refused(engine.open_link(&link.token).await, Code::LinkExpired);
    refused(engine.events(&agent, world.id(), EventQuery::default()).await, Code::PrincipalDeactivated);
    // What they had locked is anybody's, in every workspace.
    for node in [file.id, other.root_id] {
        refused(engine.lock_of(owner, node).await, Code::LockNotFound);
    }
    world.put("/a.txt", b"b").await;
    assert_eq!(
        world
            .events(EventQuery::default())
            .await
            .iter()
            .filter(|event| event.r#type == "lock.broken")
            .count(),
        1
    );
    // Once more changes nothing.
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(engine.deactivate_principal(owner, agent.principal, None).await.unwrap(), ended);

    let back = engine.reactivate_principal(owner, agent.principal, None).await.unwrap();
    assert_eq!(back.deactivated_at, None);
    refused(engine.lock_of(owner, file.id).await, Code::LockNotFound);
    lock(file.id).await.unwrap();
    engine.open_link(&link.token).await.unwrap();
}

pub(super) async fn the_last_admin_of_the_server_stays(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    refused(engine.deactivate_principal(owner, owner.principal, None).await, Code::Forbidden);
    // Of two who deactivate each other at the same moment one does it.
    let other = world.user(Role::Admin, None).await;
    let (one, two) = tokio::join!(
        engine.deactivate_principal(owner, other.principal, None),
        engine.deactivate_principal(&other, owner.principal, None),
    );
    let refusals: Vec<_> = [&one, &two].into_iter().filter_map(|done| done.as_ref().err()).collect();
    assert_eq!(refusals.len(), 1, "{one:?} {two:?}");
    assert_eq!(refusals[0].code(), Code::PrincipalDeactivated);
}

pub(super) async fn a_waiter_gets_what_a_deactivated_one_had(world: &World) {
    let engine = &world.engine;
    let file = world.put("/a.txt", b"a").await;
    let agent = world.user(Role::Editor, Some(world.id())).await;
    let wanted = AcquireLock { ttl_seconds: 3_600, ..AcquireLock::default() };
    engine.lock_node(&agent, file.id, wanted, Premises::default()).await.unwrap();
    let waits = AcquireLock { wait_seconds: 50, ..AcquireLock::default() };
    let waiter = engine.lock_node(&world.owner, file.id, waits, Premises::default());
    let ends = async {
        tokio::task::yield_now().await;
        engine.deactivate_principal(&world.owner, agent.principal, None).await.unwrap();
    };
    let (granted, ()) = tokio::join!(waiter, ends);
    assert_eq!(granted.unwrap().0.lock.owner, world.owner.principal);
}
