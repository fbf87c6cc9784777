//! What is handed out with a key that may less than its principal: other keys, roles, ways in.

use std::time::Duration;

use longshore_core::wire::{CreateInvitation, CreateKey, OfferTransfer, Role, RotateKey, Verb};
use longshore_core::{Clock, Code};
use longshore_engine::{Actor, Idempotency, PageRequest, Premises};

use super::narrowed_keys::to_verbs;
use super::sessions::person;
use crate::world::{World, refused};

async fn with(world: &World, wanted: CreateKey) -> Actor {
    let made = world.engine.create_key(&world.owner, wanted, None).await.unwrap();
    world.engine.authenticate_from(&made.secret, Some([10, 0, 0, 1].into())).await.unwrap()
}

pub(super) async fn no_key_makes_or_rotates_one_that_lasts_longer(world: &World) {
    let engine = &world.engine;
    let in_seconds = |seconds| Some(world.clock.now().plus(Duration::from_secs(seconds)));
    let wanted = |expires_at| CreateKey {
        workspace_id: Some(world.id()),
        expires_at,
        ..CreateKey::new("key", Role::Admin)
    };
    let end = in_seconds(100);
    let short = with(world, wanted(end)).await;
    // One for which no end is wanted ends with the key that made it.
    let made = engine.create_key(&short, wanted(None), None).await.unwrap().key;
    assert_eq!(made.expires_at, end);
    let shorter = engine.create_key(&short, wanted(in_seconds(50)), None).await.unwrap().key;
    assert_eq!(shorter.expires_at, in_seconds(50));
    refused(engine.create_key(&short, wanted(in_seconds(101)), None).await, Code::Forbidden);
    let agents = CreateKey { agent: Some("robot".to_owned()), ..wanted(in_seconds(101)) };
    refused(engine.create_key(&short, agents, None).await, Code::Forbidden);
    // Nor does it get the secret of one that does.
    let at_once = RotateKey { grace_seconds: 0 };
    for expires_at in [None, in_seconds(101)] {
        let longer = engine.create_key(&world.owner, wanted(expires_at), None).await.unwrap().key.id;
        refused(engine.rotate_key(&short, longer, at_once, None).await, Code::Forbidden);
    }
    engine.rotate_key(&short, made.id, at_once, None).await.unwrap();
    engine.rotate_key(&short, short.key().unwrap(), at_once, None).await.unwrap();
}

pub(super) async fn nobody_gives_a_role_that_may_more_than_their_key(world: &World) {
    let (engine, id) = (&world.engine, world.id());
    let none = Premises::default;
    let ada = person(world, "ada", None).await;
    let invitation = |role| CreateInvitation { role, note: None, expires_in: 60 };
    let offer = || OfferTransfer { note: None, expires_in: 60 };
    let verbs = [
        (Role::Viewer, vec![Verb::Manage, Verb::Read, Verb::Share]),
        (Role::Editor, Verb::ALL.to_vec()),
        (Role::Admin, Verb::ALL.to_vec()),
    ];
    for (role, verbs) in verbs {
        let missing = &verbs[..verbs.len() - 1];
        let missing = if missing.contains(&Verb::Manage) { missing } else { &[Verb::Manage] };
        let lesser = to_verbs(world, missing).await;
        refused(engine.create_invitation(&lesser, id, invitation(role), none()).await, Code::Forbidden);
        refused(engine.set_member(&lesser, id, ada, role, none()).await, Code::Forbidden);
        let enough = to_verbs(world, &verbs).await;
        engine.create_invitation(&enough, id, invitation(role), none()).await.unwrap();
        engine.set_member(&enough, id, ada, role, none()).await.unwrap();
        // To take away takes no more than to manage.
        engine.remove_member(&to_verbs(world, &[Verb::Manage]).await, id, ada, none()).await.unwrap();
    }
    let owners = |verbs: &[Verb]| CreateKey {
        workspace_id: Some(id),
        verbs: Some(verbs.iter().copied().collect()),
        ..CreateKey::new("owner's", Role::Owner)
    };
    let managing = with(world, owners(&[Verb::Manage, Verb::Read])).await;
    refused(engine.offer_transfer(&managing, id, offer(), none()).await, Code::Forbidden);
    let whole = with(world, owners(Verb::ALL)).await;
    engine.offer_transfer(&whole, id, offer(), none()).await.unwrap();
}

pub(super) async fn a_narrowed_key_sets_nobody_a_password(world: &World) {
    let (engine, own) = (&world.engine, world.owner.principal);
    let ada = person(world, "ada", None).await;
    let end = world.clock.now().plus(Duration::from_secs(60));
    let owners = || CreateKey::new("owner's", Role::Owner);
    for narrowed in [
        CreateKey { verbs: Some(Verb::ALL.iter().copied().collect()), ..owners() },
        CreateKey { addresses: Some(vec!["10.0.0.0/8".to_owned()]), ..owners() },
        CreateKey { expires_at: Some(end), ..owners() },
    ] {
        let key = with(world, narrowed).await;
        refused(engine.create_reset(&key, own, None).await, Code::AccountNeeded);
        refused(engine.create_reset(&key, ada, None).await, Code::AccountNeeded);
        refused(engine.list_sessions(&key).await, Code::AccountNeeded);
    }
    // A key of a lesser role does for others what that role may, and nothing for who has it.
    let admins = with(world, CreateKey::new("admin's", Role::Admin)).await;
    refused(engine.create_reset(&admins, own, None).await, Code::AccountNeeded);
    engine.create_reset(&admins, ada, None).await.unwrap();
    let agent = CreateKey { agent: Some("robot".to_owned()), ..CreateKey::new("agent's", Role::Admin) };
    let agent = with(world, agent).await;
    engine.create_reset(&agent, own, None).await.unwrap();
    engine.create_reset(&world.owner, own, None).await.unwrap();
}

pub(super) async fn an_answer_is_not_for_a_key_of_a_lesser_role_or_of_other_addresses(world: &World) {
    let (engine, id) = (&world.engine, world.id());
    let once = || Idempotency::new("once").unwrap();
    let wanted = || CreateKey { workspace_id: Some(id), ..CreateKey::new("key", Role::Owner) };
    let made = engine.create_key(&world.owner, wanted(), Some(once())).await.unwrap();
    let again = engine.create_key(&world.owner, wanted(), Some(once())).await.unwrap();
    assert_eq!((again.key.id, &again.secret), (made.key.id, &made.secret));
    let admins = world.own_key(Role::Admin, None).await;
    refused(engine.create_key(&admins, wanted(), Some(once())).await, Code::IdempotencyMismatch);
    let addresses = Some(vec!["10.0.0.0/8".to_owned()]);
    let near = with(world, CreateKey { addresses, ..CreateKey::new("near", Role::Owner) }).await;
    refused(engine.create_key(&near, wanted(), Some(once())).await, Code::IdempotencyMismatch);
    assert!(engine.list_keys(&near, PageRequest::default()).await.is_ok());
}
