use std::time::Duration;

use futures_util::future::join_all;
use longshore_core::wire::{CreateInvitation, HiddenText, Identity, Role};
use longshore_core::{Code, IdentityId, PrincipalId};
use longshore_engine::{Actor, Browser, PageRequest, Premises, Result, Vouched, Welcome};

use super::sessions::{PASSWORD, person, sign_in, signed_in};
use crate::world::{World, refused};

const ISSUER: &str = "https://login.example.org/realms/a";

fn vouched(subject: &str) -> Vouched {
    Vouched {
        issuer: ISSUER.to_owned(),
        subject: subject.to_owned(),
        email: Some(format!("{subject}@example.org")),
        names: vec!["a/b".to_owned(), " ".to_owned(), format!("{subject} of example")],
    }
}

/// Returns who is signed in by an identity.
async fn come(world: &World, vouched: Vouched, welcome: Welcome) -> Result<Actor> {
    let (signed_in, token) = world.engine.sign_in_by_identity(vouched, welcome, Browser::default()).await?;
    let actor = world.engine.authenticate_session(&token).await?;
    assert_eq!(actor.principal, signed_in.principal.id);
    Ok(actor)
}

async fn invite(world: &World, role: Role) -> HiddenText {
    let wanted = CreateInvitation { role, note: None, expires_in: 3_600 };
    let made = world.engine.create_invitation(&world.owner, world.id(), wanted, Premises::default());
    made.await.unwrap().token
}

async fn identities(world: &World, actor: &Actor) -> Vec<Identity> {
    world.engine.list_identities(actor).await.unwrap().items
}

async fn how_many_principals(world: &World) -> usize {
    world.engine.list_principals(&world.owner, PageRequest::default()).await.unwrap().items.len()
}

pub(super) async fn an_unknown_identity_lets_nobody_in(world: &World) {
    // Neither an e-mail address nor a name finds anybody.
    person(world, "ada@example.org", Some(Role::Admin)).await;
    let before = how_many_principals(world).await;
    let named = Vouched { names: vec!["ada@example.org".to_owned()], ..vouched("ada") };
    refused(come(world, named.clone(), Welcome::Nobody).await, Code::IdentityUnknown);
    for wrong in ["", " ", "a\u{7}", "a\0", &"x".repeat(256)] {
        for welcome in [Welcome::Nobody, Welcome::Newcomers] {
            let nobody = Vouched { subject: wrong.to_owned(), ..vouched("ada") };
            refused(come(world, nobody, welcome).await, Code::OidcRefused);
        }
    }
    let wrong = Welcome::Invited(HiddenText::new("lsi_nothing"));
    refused(come(world, named.clone(), wrong).await, Code::InvitationNotFound);
    assert_eq!(how_many_principals(world).await, before);
    let ada = come(world, named, Welcome::Newcomers).await.unwrap();
    assert_eq!(ada.role_in(world.id()), None);
    assert_eq!(how_many_principals(world).await, before + 1);
}

pub(super) async fn an_invitation_lets_a_new_person_in(world: &World) {
    let token = invite(world, Role::Editor).await;
    let ada = come(world, vouched("ada"), Welcome::Invited(token.clone())).await.unwrap();
    assert_eq!(ada.role_in(world.id()), Some(Role::Editor));
    let me = world.engine.me(&ada).await.unwrap();
    assert_eq!(me.principal.name, "ada of example");
    let found = identities(world, &ada).await;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].issuer.as_str(), found[0].subject.as_str()), (ISSUER, "ada"));
    assert_eq!(found[0].email.as_deref(), Some("ada@example.org"));
    assert!(found[0].last_used_at.is_some());
    let events = world.events(longshore_engine::EventQuery::default()).await;
    let accepted = events.iter().find(|event| event.r#type == "invitation.accepted").unwrap();
    assert_eq!(accepted.actor, ada.principal);
    // It is good once, and what was refused has made nobody.
    let before = how_many_principals(world).await;
    let ended = come(world, vouched("eve"), Welcome::Invited(token)).await;
    refused(ended, Code::InvitationEnded);
    assert_eq!(how_many_principals(world).await, before);
    refused(come(world, vouched("eve"), Welcome::Nobody).await, Code::IdentityUnknown);
    // From now on the identity is enough.
    world.clock.advance(Duration::from_secs(1));
    let moved = Vouched { email: Some("ada@else.example".to_owned()), ..vouched("ada") };
    let again = come(world, moved, Welcome::Nobody).await.unwrap();
    assert_eq!(again.principal, ada.principal);
    let later = identities(world, &ada).await;
    assert_eq!(later[0].email.as_deref(), Some("ada@else.example"));
    assert!(later[0].last_used_at > found[0].last_used_at);
}

pub(super) async fn who_is_known_accepts_what_they_were_invited_to(world: &World) {
    let ada = come(world, vouched("ada"), Welcome::Newcomers).await.unwrap();
    let token = invite(world, Role::Viewer).await;
    let again = come(world, vouched("ada"), Welcome::Invited(token.clone())).await.unwrap();
    assert_eq!((again.principal, again.role_in(world.id())), (ada.principal, Some(Role::Viewer)));
    // Whoever comes with what has ended is not let in by halves.
    let sessions = world.engine.list_sessions(&ada).await.unwrap().items.len();
    refused(come(world, vouched("ada"), Welcome::Invited(token)).await, Code::InvitationEnded);
    assert_eq!(world.engine.list_sessions(&ada).await.unwrap().items.len(), sessions);
}

pub(super) async fn a_newcomer_is_a_person_without_a_role(world: &World) {
    let nameless = Vouched { names: Vec::new(), email: Some("x".repeat(255)), ..vouched("ada") };
    let ada = come(world, nameless, Welcome::Newcomers).await.unwrap();
    let me = world.engine.me(&ada).await.unwrap();
    assert_eq!((me.principal.name.as_str(), me.principal.everywhere), ("somebody", None));
    assert_eq!(identities(world, &ada).await[0].email, None);
    refused(world.engine.workspace(&ada, world.id()).await, Code::WorkspaceNotFound);
    // What another provider calls the same is somebody else.
    let elsewhere = Vouched { issuer: "https://other.example.org".to_owned(), ..vouched("ada") };
    let other = come(world, elsewhere, Welcome::Newcomers).await.unwrap();
    assert_ne!(other.principal, ada.principal);
    // And capitals matter.
    let capitals = come(world, vouched("ADA"), Welcome::Newcomers).await.unwrap();
    assert_ne!(capitals.principal, ada.principal);
}

pub(super) async fn an_identity_is_one_persons(world: &World) {
    person(world, "ada", Some(Role::Editor)).await;
    person(world, "eve", Some(Role::Editor)).await;
    let (ada, eve) = (signed_in(world, "ada").await, signed_in(world, "eve").await);
    let linked = world.engine.link_identity(&ada, vouched("ada")).await.unwrap();
    assert_eq!(linked.last_used_at, None);
    assert_eq!(world.engine.link_identity(&ada, vouched("ada")).await.unwrap(), linked);
    refused(world.engine.link_identity(&eve, vouched("ada")).await, Code::IdentityTaken);
    let by_identity = come(world, vouched("ada"), Welcome::Nobody).await.unwrap();
    assert_eq!(by_identity.principal, ada.principal);
    assert!(identities(world, &eve).await.is_empty());
    refused(world.engine.remove_identity(&eve, linked.id).await, Code::IdentityNotFound);
    for number in 1..20 {
        world.engine.link_identity(&ada, vouched(&format!("ada {number}"))).await.unwrap();
    }
    refused(world.engine.link_identity(&ada, vouched("one more")).await, Code::TooManyIdentities);
    world.engine.sign_out(&eve).await.unwrap();
    refused(world.engine.link_identity(&eve, vouched("eve")).await, Code::SessionEnded);
    // Keys that were narrowed before they were given away are not the person.
    let key = world.own_key(Role::Admin, None).await;
    refused(world.engine.list_identities(&key).await, Code::AccountNeeded);
    refused(world.engine.link_identity(&key, vouched("key")).await, Code::AccountNeeded);
    refused(world.engine.remove_identity(&key, linked.id).await, Code::AccountNeeded);
}

pub(super) async fn who_is_deactivated_is_told_what_strangers_are(world: &World) {
    let ada = come(world, vouched("ada"), Welcome::Newcomers).await.unwrap();
    world.engine.deactivate_principal(&world.owner, ada.principal, None).await.unwrap();
    let before = how_many_principals(world).await;
    let stranger = come(world, vouched("eve"), Welcome::Nobody).await.unwrap_err();
    let token = invite(world, Role::Editor).await;
    for welcome in [Welcome::Nobody, Welcome::Newcomers, Welcome::Invited(token.clone())] {
        let told = come(world, vouched("ada"), welcome).await.unwrap_err();
        assert_eq!((told.code(), told.to_string()), (stranger.code(), stranger.to_string()));
    }
    assert_eq!(how_many_principals(world).await, before);
    world.engine.look_at_invitation(&token).await.unwrap();
    world.engine.reactivate_principal(&world.owner, ada.principal, None).await.unwrap();
    assert_eq!(come(world, vouched("ada"), Welcome::Nobody).await.unwrap().principal, ada.principal);
}

pub(super) async fn a_way_in_is_removed_with_its_sessions(world: &World) {
    let engine = &world.engine;
    let ada = come(world, vouched("ada"), Welcome::Newcomers).await.unwrap();
    let first = identities(world, &ada).await[0].id;
    // The last way in stays, and so do its sessions.
    let other = come(world, vouched("ada"), Welcome::Nobody).await.unwrap();
    refused(engine.remove_identity(&ada, first).await, Code::LastWayIn);
    refused(engine.remove_identity(&ada, IdentityId::new(engine.now())).await, Code::IdentityNotFound);
    engine.me(&other).await.unwrap();
    world.clock.advance(Duration::from_millis(1));
    engine.link_identity(&ada, vouched("second")).await.unwrap();
    engine.remove_identity(&ada, first).await.unwrap();
    refused(come(world, vouched("ada"), Welcome::Nobody).await, Code::IdentityUnknown);
    engine.me(&ada).await.unwrap();
    refused(engine.me(&other).await, Code::SessionEnded);
    // With a password even the last one goes.
    person(world, "eve", None).await;
    let eve = signed_in(world, "eve").await;
    let linked = engine.link_identity(&eve, vouched("eve")).await.unwrap();
    engine.remove_identity(&eve, linked.id).await.unwrap();
    sign_in(world, "eve", PASSWORD).await.unwrap();
}

pub(super) async fn an_admin_of_the_server_takes_identities_away(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let ada = come(world, vouched("ada"), Welcome::Newcomers).await.unwrap();
    let editor = world.user(Role::Editor, None).await;
    refused(engine.list_identities_of(&editor, ada.principal).await, Code::Forbidden);
    let found = engine.list_identities_of(owner, ada.principal).await.unwrap().items;
    assert_eq!(found, identities(world, &ada).await);
    refused(engine.remove_identity_of(&editor, ada.principal, found[0].id, None).await, Code::Forbidden);
    let remove = |person: PrincipalId| engine.remove_identity_of(owner, person, found[0].id, None);
    refused(remove(owner.principal).await, Code::IdentityNotFound);
    refused(remove(PrincipalId::new(engine.now())).await, Code::PrincipalNotFound);
    remove(ada.principal).await.unwrap();
    refused(remove(ada.principal).await, Code::IdentityNotFound);
    refused(engine.me(&ada).await, Code::SessionEnded);
    refused(come(world, vouched("ada"), Welcome::Nobody).await, Code::IdentityUnknown);
    assert!(engine.list_identities_of(owner, ada.principal).await.unwrap().items.is_empty());
}

pub(super) async fn of_many_newcomers_by_one_identity_there_is_one_person(world: &World) {
    let before = how_many_principals(world).await;
    let all = (0..20).map(|_| come(world, vouched("ada"), Welcome::Newcomers));
    let mut people: Vec<_> = join_all(all).await.into_iter().map(|one| one.unwrap().principal).collect();
    people.dedup();
    assert_eq!(people.len(), 1);
    assert_eq!(how_many_principals(world).await, before + 1);
}
