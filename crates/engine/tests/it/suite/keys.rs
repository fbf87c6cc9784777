//! Making keys, rotating them, where they are good from, and when they were used.

use std::collections::BTreeSet;
use std::time::Duration;

use longshore_core::wire::{CreateKey, Key, OnConflict, Role, RotateKey, Verb};
use longshore_core::{Clock, Code, KeyId};
use longshore_engine::{Idempotency, PageRequest, Premises};

use super::narrowed_keys::{put, to_verbs};
use crate::world::{World, name, refused};

fn after(seconds: u32) -> RotateKey {
    RotateKey { grace_seconds: seconds }
}

pub(super) async fn a_key_makes_and_rotates_none_that_is_wider(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let managing = to_verbs(world, &[Verb::Manage, Verb::Read]).await;
    let made = engine.create_key(&managing, CreateKey::new("same", Role::Admin), None).await.unwrap();
    assert_eq!(made.key.verbs, Some(BTreeSet::from([Verb::Read, Verb::Manage])));
    let wider = CreateKey { verbs: Some(BTreeSet::from([Verb::Write])), ..CreateKey::new("k", Role::Viewer) };
    refused(engine.create_key(&managing, wider, None).await, Code::Forbidden);
    let empty = CreateKey { verbs: Some(BTreeSet::new()), ..CreateKey::new("k", Role::Viewer) };
    refused(engine.create_key(owner, empty, None).await, Code::InvalidBody);
    // Nor does it get the secret of one by rotating it: of its principal's, of another's.
    refused(engine.rotate_key(&managing, owner.key().unwrap(), after(0), None).await, Code::KeyNotFound);
    let unnarrowed = world.own_key(Role::Viewer, Some(world.id())).await.key().unwrap();
    refused(engine.rotate_key(&managing, unnarrowed, after(0), None).await, Code::Forbidden);
    let admin = world.user(Role::Admin, Some(world.id())).await;
    let owners = world.own_key(Role::Viewer, Some(world.id())).await.key().unwrap();
    refused(engine.rotate_key(&admin, owners, after(0), None).await, Code::Forbidden);
    engine.rotate_key(&managing, made.key.id, after(0), None).await.unwrap();
}

pub(super) async fn a_rotated_key_is_narrowed_as_before_and_the_old_one_ends(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let folder = world.put("/a/in", b"in").await.parent_id.unwrap();
    let wanted = CreateKey {
        workspace_id: Some(world.id()),
        verbs: Some(BTreeSet::from([Verb::Read])),
        folder: Some("/a".to_owned()),
        addresses: Some(vec!["10.0.0.0/8".to_owned(), "2001:db8::1".to_owned()]),
        expires_at: Some(world.clock.now().plus(Duration::from_secs(1_000))),
        agent: Some("robot".to_owned()),
        ..CreateKey::new("narrow", Role::Editor)
    };
    let old = engine.create_key(owner, wanted, None).await.unwrap();
    assert_eq!(old.key.addresses, Some(vec!["10.0.0.0/8".to_owned(), "2001:db8::1/128".to_owned()]));
    let from = Some("10.1.2.3".parse().unwrap());
    engine.authenticate_from(&old.secret, from).await.unwrap();
    refused(engine.rotate_key(owner, old.key.id, after(604_801), None).await, Code::InvalidBody);
    world.clock.advance(Duration::from_millis(1));
    let again = Idempotency::new("once").unwrap();
    let new = engine.rotate_key(owner, old.key.id, after(60), Some(again.clone())).await.unwrap();
    let repeated = engine.rotate_key(owner, old.key.id, after(60), Some(again)).await.unwrap();
    assert_eq!((repeated.key.id, &repeated.secret), (new.key.id, &new.secret));
    assert_ne!((new.key.id, &new.secret), (old.key.id, &old.secret));
    let unlike = Key { id: old.key.id, created_at: old.key.created_at, ..new.key.clone() };
    assert_eq!(unlike, old.key);
    assert_eq!(new.key.folder_id, Some(folder));
    for secret in [&old.secret, &new.secret] {
        let actor = engine.authenticate_from(secret, from).await.unwrap();
        refused(engine.node(&actor, world.root()).await, Code::NodeNotFound);
        refused(engine.trash_node(&actor, folder, Premises::default()).await, Code::Forbidden);
    }
    world.clock.advance(Duration::from_secs(60));
    refused(engine.authenticate_from(&old.secret, from).await, Code::KeyExpired);
    refused(engine.rotate_key(owner, old.key.id, after(0), None).await, Code::KeyEnded);
    let newest = engine.rotate_key(owner, new.key.id, after(0), None).await.unwrap();
    refused(engine.authenticate_from(&new.secret, from).await, Code::KeyRevoked);
    // The end is the same too: a rotation gives nobody more time.
    world.clock.advance(Duration::from_secs(940));
    refused(engine.authenticate_from(&newest.secret, from).await, Code::KeyExpired);
    refused(engine.rotate_key(owner, KeyId::new(world.clock.now()), after(0), None).await, Code::KeyNotFound);
}

pub(super) async fn an_address_is_looked_at_first_and_only_with_the_secret(world: &World) {
    let engine = &world.engine;
    let wanted = CreateKey {
        addresses: Some(vec!["192.0.2.0/24".to_owned()]),
        ..CreateKey::new("here", Role::Viewer)
    };
    let made = engine.create_key(&world.owner, wanted, None).await.unwrap();
    let (here, there) = (Some("192.0.2.9".parse().unwrap()), Some("198.51.100.9".parse().unwrap()));
    engine.authenticate_from(&made.secret, here).await.unwrap();
    refused(engine.authenticate_from(&made.secret, there).await, Code::KeyAddressRefused);
    refused(engine.authenticate(&made.secret).await, Code::KeyAddressRefused);
    // The id is no secret: who has just that learns nothing.
    let forged = longshore_core::key::ApiKey::generate(world.clock.now());
    refused(engine.authenticate_from(forged.reveal(), there).await, Code::KeyUnknown);
    engine.revoke_key(&world.owner, made.key.id, None).await.unwrap();
    refused(engine.authenticate_from(&made.secret, there).await, Code::KeyAddressRefused);
    refused(engine.authenticate_from(&made.secret, here).await, Code::KeyRevoked);
}

pub(super) async fn a_key_is_made_for_an_agent_who_is_there(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let robot = world.user(Role::Editor, Some(world.id())).await.principal;
    let of = |id, role| CreateKey {
        workspace_id: Some(world.id()),
        agent_id: Some(id),
        ..CreateKey::new("another", role)
    };
    let admin = world.user(Role::Admin, Some(world.id())).await;
    let made = engine.create_key(&admin, of(robot, Role::Editor), None).await.unwrap();
    assert_eq!(made.key.principal.id, robot);
    let acts = engine.authenticate(&made.secret).await.unwrap();
    put(world, &acts, "/by-robot", OnConflict::Version).await.unwrap();
    refused(engine.create_key(&admin, of(owner.principal, Role::Viewer), None).await, Code::InvalidBody);
    refused(engine.create_key(&admin, of(robot, Role::Owner), None).await, Code::OwnerRefused);
    let both = CreateKey { agent: Some("new".to_owned()), ..of(robot, Role::Viewer) };
    refused(engine.create_key(&admin, both, None).await, Code::InvalidBody);
    // An agent of another workspace is nobody here; an admin of the server knows them all.
    let other = engine.create_workspace(owner, name("other"), None).await.unwrap().id;
    let foreign = world.user(Role::Editor, Some(other)).await.principal;
    refused(engine.create_key(&admin, of(foreign, Role::Viewer), None).await, Code::MemberNotFound);
    engine.create_key(owner, of(foreign, Role::Viewer), None).await.unwrap();
    let wide = CreateKey { workspace_id: None, ..of(robot, Role::Viewer) };
    refused(
        engine.create_key(&world.own_key(Role::Admin, Some(other)).await, wide.clone(), None).await,
        Code::MemberNotFound,
    );
    engine.create_key(owner, wide, None).await.unwrap();
}

pub(super) async fn the_last_use_of_a_key_is_written_behind_its_requests(world: &World) {
    let engine = &world.engine;
    let made = engine.create_key(&world.owner, CreateKey::new("k", Role::Viewer), None).await.unwrap();
    let last = async || {
        engine.write_last_uses().await;
        let keys = engine.list_keys(&world.owner, PageRequest::default()).await.unwrap().items;
        let key = keys.into_iter().find(|key| key.id == made.key.id).unwrap();
        (key.last_used_at, key.last_used_from)
    };
    assert_eq!(last().await, (None, None));
    let (first, second) = (world.clock.now(), Some("2001:db8::7".parse().unwrap()));
    engine.authenticate_from(&made.secret, Some("192.0.2.7".parse().unwrap())).await.unwrap();
    assert_eq!(last().await, (Some(first), Some("192.0.2.7".to_owned())));
    // Within a minute once, whoever comes.
    world.clock.advance(Duration::from_secs(59));
    engine.authenticate_from(&made.secret, second).await.unwrap();
    assert_eq!(last().await, (Some(first), Some("192.0.2.7".to_owned())));
    world.clock.advance(Duration::from_secs(1));
    engine.authenticate_from(&made.secret, second).await.unwrap();
    assert_eq!(last().await, (Some(world.clock.now()), Some("2001:db8::7".to_owned())));
    // Who is refused has not used it.
    world.clock.advance(Duration::from_secs(60));
    engine.revoke_key(&world.owner, made.key.id, None).await.unwrap();
    refused(engine.authenticate(&made.secret).await, Code::KeyRevoked);
    assert_eq!(last().await.1, Some("2001:db8::7".to_owned()));
}
