//! Handing a workspace over: once, by the token alone, and only while the offer holds.

use std::time::Duration;

use futures_util::future::join_all;
use longshore_core::wire::{AcquireLock, LONGEST_OFFER, NewTransfer, OfferTransfer, Role, TransferState};
use longshore_core::{Code, PrincipalId};
use longshore_engine::{Actor, EventQuery, Idempotency, Premises, Result};

use crate::world::{World, name, refused};

async fn offer_as(world: &World, actor: &Actor) -> Result<NewTransfer> {
    // Ids made in one millisecond have no order, and the last offer is told.
    world.clock.advance(Duration::from_millis(1));
    let wanted = OfferTransfer { note: Some("take care".to_owned()), ..OfferTransfer::default() };
    world.engine.offer_transfer(actor, world.id(), wanted, Premises::default()).await
}

async fn offer(world: &World) -> NewTransfer {
    offer_as(world, &world.owner).await.unwrap()
}

/// Makes an admin of another workspace alone.
async fn stranger(world: &World) -> Actor {
    let other = world.engine.create_workspace(&world.owner, name("elsewhere"), None).await.unwrap().id;
    world.user(Role::Admin, Some(other)).await
}

async fn role_of(world: &World, who: PrincipalId) -> Option<Role> {
    let member = world.engine.workspace_member(&world.owner, world.id(), who).await;
    member.ok().map(|member| member.role)
}

async fn accept(world: &World, actor: &Actor, token: &str) -> Result<TransferState> {
    Ok(world.engine.accept_transfer(actor, token, None).await?.state)
}

async fn member(world: &World, role: Role) -> Actor {
    world.user(role, Some(world.id())).await
}

pub(super) async fn an_offer_is_looked_at_and_accepted(world: &World) {
    let engine = &world.engine;
    world.put("/a", b"one").await;
    let file = world.put("/a", b"three").await;
    engine.lock_node(&world.owner, file.id, AcquireLock::default(), Premises::default()).await.unwrap();
    let heir = member(world, Role::Editor).await;
    let made = offer(world).await;
    assert!(made.token.starts_with("lsc_") && !format!("{made:?}").contains(&made.token));
    assert_eq!(made.transfer.state, TransferState::Open);
    assert_eq!(made.transfer.expires_at, made.transfer.offered_at.plus(Duration::from_secs(LONGEST_OFFER)));
    assert_eq!(engine.transfer(&world.owner, world.id()).await.unwrap(), made.transfer);
    let manifest = engine.look_at_transfer(&heir, &made.token).await.unwrap();
    assert_eq!(manifest.transfer, made.transfer);
    assert_eq!((manifest.workspace_name.as_str(), manifest.owner.id), ("default", world.owner.principal));
    assert_eq!((manifest.usage.files, manifest.usage.bytes, manifest.versions), (1, 8, 2));
    assert_eq!((manifest.members, manifest.hooks, manifest.locks, manifest.keys), (2, 0, 1, 1));
    let seq = world.event_count().await;
    let done = engine.accept_transfer(&heir, &made.token, None).await.unwrap();
    assert_eq!((done.state, done.ended_by), (TransferState::Accepted, Some(heir.principal)));
    assert_eq!(role_of(world, heir.principal).await, Some(Role::Owner));
    assert_eq!(role_of(world, world.owner.principal).await, Some(Role::Admin), "until removed");
    let events = world.events_after(seq).await;
    let types: Vec<_> = events.iter().map(|event| event.r#type.as_str()).collect();
    assert_eq!(types, ["transfer.accepted", "member.changed", "member.changed"]);
    assert!(events.iter().all(|event| event.act == seq + 1 && event.actor == heir.principal), "one act");
    assert_eq!(events[0].data["owner"], heir.principal.to_string());
    // What was the owner's is the new one's: they may offer it, and take the old one out.
    refused(offer_as(world, &member(world, Role::Admin).await).await, Code::Forbidden);
    assert_eq!(engine.transfer(&world.owner, world.id()).await.unwrap(), done);
    for event in world.events(EventQuery::default()).await {
        assert!(!event.data.to_string().contains("lsc_"), "{event:?}");
    }
}

pub(super) async fn an_offer_is_declined(world: &World) {
    let (engine, heir) = (&world.engine, member(world, Role::Viewer).await);
    let token = offer(world).await.token;
    // A key that only reads answers nothing.
    refused(engine.decline_transfer(&heir, &token, None).await, Code::Forbidden);
    let heir = member(world, Role::Editor).await;
    let done = engine.decline_transfer(&heir, &token, None).await.unwrap();
    assert_eq!(done.state, TransferState::Declined);
    refused(accept(world, &heir, &token).await, Code::TransferEnded);
    refused(engine.look_at_transfer(&heir, &token).await, Code::TransferEnded);
    assert_eq!(role_of(world, world.owner.principal).await, Some(Role::Owner));
    assert_eq!(world.event_types().await.last().unwrap(), "transfer.declined");
}

pub(super) async fn an_offer_is_revoked_by_its_maker_and_by_the_next_one(world: &World) {
    let (engine, heir) = (&world.engine, member(world, Role::Admin).await);
    let (first, second) = (offer(world).await, offer(world).await);
    refused(accept(world, &heir, &first.token).await, Code::TransferEnded);
    let admin = member(world, Role::Admin).await;
    refused(engine.revoke_transfer(&admin, world.id(), Premises::default()).await, Code::Forbidden);
    engine.revoke_transfer(&world.owner, world.id(), Premises::default()).await.unwrap();
    refused(accept(world, &heir, &second.token).await, Code::TransferEnded);
    let last = engine.transfer(&admin, world.id()).await.unwrap();
    assert_eq!((last.id, last.state), (second.transfer.id, TransferState::Revoked));
    refused(
        engine.revoke_transfer(&world.owner, world.id(), Premises::default()).await,
        Code::TransferNotFound,
    );
    let types = world.event_types().await;
    let own: Vec<_> = types.iter().filter(|kind| kind.starts_with("transfer.")).map(String::as_str).collect();
    assert_eq!(own, ["transfer.offered", "transfer.revoked", "transfer.offered", "transfer.revoked"]);
    // A month later nobody remembers what it was.
    world.clock.advance(Duration::from_hours(24 * 31));
    offer(world).await;
    refused(accept(world, &heir, &first.token).await, Code::TransferNotFound);
}

pub(super) async fn an_offer_expires(world: &World) {
    let heir = member(world, Role::Editor).await;
    let made = offer(world).await;
    world.clock.advance(Duration::from_secs(LONGEST_OFFER - 1));
    world.engine.look_at_transfer(&heir, &made.token).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    refused(accept(world, &heir, &made.token).await, Code::TransferEnded);
    let last = world.engine.transfer(&world.owner, world.id()).await.unwrap();
    assert_eq!(last.state, TransferState::Expired);
    // The next one takes its place.
    let token = offer(world).await.token;
    assert_eq!(accept(world, &heir, &token).await.unwrap(), TransferState::Accepted);
}

pub(super) async fn an_offer_is_claimed_twice(world: &World) {
    let (one, other) = (member(world, Role::Editor).await, member(world, Role::Editor).await);
    let token = offer(world).await.token;
    let key = || Some(Idempotency::new("mine").unwrap());
    let first = world.engine.accept_transfer(&one, &token, key()).await.unwrap();
    refused(accept(world, &other, &token).await, Code::TransferEnded);
    refused(accept(world, &one, &token).await, Code::TransferEnded);
    // The same request again, whose answer was lost, is no second claim.
    assert_eq!(world.engine.accept_transfer(&one, &token, key()).await.unwrap(), first);
    assert_eq!(role_of(world, one.principal).await, Some(Role::Owner));
    assert_eq!(role_of(world, other.principal).await, Some(Role::Editor));
}

pub(super) async fn an_offer_is_claimed_by_its_giver(world: &World) {
    let token = offer(world).await.token;
    refused(accept(world, &world.owner, &token).await, Code::TransferToSelf);
    refused(world.engine.decline_transfer(&world.owner, &token, None).await, Code::TransferToSelf);
    // And it is still there for others.
    let heir = member(world, Role::Editor).await;
    assert_eq!(accept(world, &heir, &token).await.unwrap(), TransferState::Accepted);
}

pub(super) async fn an_offer_is_claimed_while_its_giver_is_deactivated(world: &World) {
    let (engine, server) = (&world.engine, world.user(Role::Admin, None).await);
    let heir = member(world, Role::Editor).await;
    let token = offer(world).await.token;
    engine.deactivate_principal(&server, world.owner.principal, None).await.unwrap();
    refused(accept(world, &heir, &token).await, Code::TransferEnded);
    refused(engine.look_at_transfer(&heir, &token).await, Code::TransferEnded);
    // An admin of the server hands over what belonged to who is gone.
    let token = offer_as(world, &server).await.unwrap().token;
    let gone = heir.principal;
    assert_eq!(accept(world, &heir, &token).await.unwrap(), TransferState::Accepted);
    let owner = engine.workspace_member(&server, world.id(), gone).await.unwrap();
    assert_eq!(owner.role, Role::Owner);
}

pub(super) async fn an_offer_is_claimed_when_its_giver_owns_it_no_longer(world: &World) {
    let (engine, server) = (&world.engine, world.user(Role::Admin, None).await);
    let (one, other) = (member(world, Role::Editor).await, member(world, Role::Editor).await);
    let token = offer(world).await.token;
    assert_eq!(accept(world, &one, &token).await.unwrap(), TransferState::Accepted);
    // However it came to have another owner: here by the tables themselves, as a recovery would.
    let token = offer_as(world, &server).await.unwrap().token;
    for (role, before, who) in [("admin", "owner", one.principal), ("owner", "editor", other.principal)] {
        let sql = format!(
            "UPDATE members SET role = '{role}' WHERE workspace_id = '{}' AND principal_id = '{who}'
             AND role = '{before}' RETURNING CAST(1 AS BIGINT)",
            world.id()
        );
        assert_eq!(world.numbers(&sql).await, [1]);
    }
    let third = member(world, Role::Editor).await;
    refused(accept(world, &third, &token).await, Code::TransferEnded);
    let (one, other) = (other, third);
    // The old owner, an admin of the server here too, may still offer, and then does so for the new one.
    let made = offer_as(world, &server).await.unwrap();
    assert_eq!((made.transfer.giver, made.transfer.offered_by), (one.principal, server.principal));
    refused(accept(world, &one, &made.token).await, Code::TransferToSelf);
    // Who may make no offer any more has made none that holds.
    engine.deactivate_principal(&world.owner, server.principal, None).await.unwrap();
    refused(accept(world, &other, &made.token).await, Code::TransferEnded);
    engine.reactivate_principal(&world.owner, server.principal, None).await.unwrap();
    assert_eq!(accept(world, &other, &made.token).await.unwrap(), TransferState::Accepted);
    assert_eq!(role_of(world, one.principal).await, Some(Role::Admin));
}

pub(super) async fn of_twenty_claims_at_once_one_gets_the_workspace(world: &World) {
    let token = offer(world).await.token;
    let mut claimants = Vec::new();
    for _ in 0..20 {
        claimants.push(member(world, Role::Editor).await);
    }
    let outcomes = join_all(claimants.iter().map(|heir| accept(world, heir, &token))).await;
    let mut won = 0;
    for (heir, outcome) in claimants.iter().zip(outcomes) {
        let role = role_of(world, heir.principal).await;
        match outcome {
            Ok(_) => {
                won += 1;
                assert_eq!(role, Some(Role::Owner));
            }
            Err(error) => {
                assert_eq!((error.code(), role), (Code::TransferEnded, Some(Role::Editor)), "{error}");
            }
        }
    }
    assert_eq!(won, 1);
    let types = world.event_types().await;
    assert_eq!(types.iter().filter(|kind| *kind == "transfer.accepted").count(), 1);
}

pub(super) async fn what_a_token_does_not_open(world: &World) {
    let engine = &world.engine;
    let made = offer(world).await;
    let heir = member(world, Role::Editor).await;
    for bad in ["", "lsc_", &made.token[1..], &format!("{}x", made.token), "lsk_"] {
        let error = engine.accept_transfer(&heir, bad, None).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidBody, "{bad}");
        assert!(!error.detail().contains(&made.token[8..]), "{error}");
    }
    // Well formed, of the same offer's id, and not the one: nobody is told more than of one that is unknown.
    let unknown = longshore_core::ClaimToken::generate(longshore_core::Clock::now(&world.clock));
    refused(accept(world, &heir, unknown.reveal()).await, Code::TransferNotFound);
    // A key of another workspace does nothing about this one.
    let foreign = stranger(world).await;
    refused(accept(world, &foreign, &made.token).await, Code::Forbidden);
    refused(engine.transfer(&heir, world.id()).await, Code::Forbidden);
    refused(engine.transfer(&foreign, world.id()).await, Code::WorkspaceNotFound);
    for wanted in [
        OfferTransfer { expires_in: LONGEST_OFFER + 1, note: None },
        OfferTransfer { expires_in: 0, note: None },
        OfferTransfer { note: Some("a\u{1b}[2J".to_owned()), ..OfferTransfer::default() },
        OfferTransfer { note: Some("x".repeat(501)), ..OfferTransfer::default() },
    ] {
        let offered = engine.offer_transfer(&world.owner, world.id(), wanted, Premises::default()).await;
        refused(offered, Code::InvalidBody);
    }
    assert_eq!(accept(world, &heir, &made.token).await.unwrap(), TransferState::Accepted);
}

pub(super) async fn who_is_no_member_becomes_one(world: &World) {
    let engine = &world.engine;
    let heir = member(world, Role::Editor).await;
    let token = offer(world).await.token;
    engine.remove_member(&world.owner, world.id(), heir.principal, Premises::default()).await.unwrap();
    assert_eq!(role_of(world, heir.principal).await, None);
    let seq = world.event_count().await;
    assert_eq!(accept(world, &heir, &token).await.unwrap(), TransferState::Accepted);
    assert_eq!(role_of(world, heir.principal).await, Some(Role::Owner));
    let events = world.events_after(seq).await;
    let types: Vec<_> = events.iter().map(|event| event.r#type.as_str()).collect();
    assert_eq!(types, ["transfer.accepted", "member.changed", "member.added"]);
}
