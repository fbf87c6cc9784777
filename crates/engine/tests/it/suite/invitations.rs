use std::time::Duration;

use futures_util::future::join_all;
use longshore_core::Code;
use longshore_core::wire::{
    AcceptInvitation, CreateInvitation, CreatePrincipal, HiddenText, InvitationState, NewInvitation,
    PrincipalKind, Role,
};
use longshore_engine::{Actor, Browser, EventQuery, PageRequest, Premises, Result};

use super::sessions::{PASSWORD, hidden, person, sign_in, signed_in};
use crate::world::{World, name, refused};

fn wanted(role: Role) -> CreateInvitation {
    CreateInvitation { role, note: Some("for Ada".to_owned()), expires_in: 3_600 }
}

async fn invite(world: &World, by: &Actor, role: Role) -> Result<NewInvitation> {
    world.engine.create_invitation(by, world.id(), wanted(role), Premises::default()).await
}

fn as_known(token: &HiddenText) -> AcceptInvitation {
    AcceptInvitation { token: token.clone(), name: None, sign_in_name: None, password: None }
}

fn as_new(token: &HiddenText, name: &str) -> AcceptInvitation {
    AcceptInvitation {
        sign_in_name: Some(name.to_owned()),
        password: Some(hidden(PASSWORD)),
        ..as_known(token)
    }
}

/// Refuses a token on every way.
async fn is_over(world: &World, token: &HiddenText, code: Code) {
    let (engine, owner) = (&world.engine, &world.owner);
    refused(engine.look_at_invitation(token).await, code);
    refused(engine.decline_invitation(token, None).await, code);
    refused(engine.accept_invitation(owner, as_known(token)).await, code);
    refused(engine.accept_as_newcomer(as_new(token, "late"), Browser::default()).await, code);
}

pub(super) async fn a_new_person_joins_and_is_signed_in(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let made = invite(world, owner, Role::Editor).await.unwrap();
    let seen = engine.look_at_invitation(&made.token).await.unwrap();
    assert_eq!(
        (seen.workspace.as_str(), seen.role, seen.invited_by.as_str()),
        ("default", Role::Editor, "owner")
    );
    let short = AcceptInvitation { password: Some(hidden("short")), ..as_new(&made.token, "Ada") };
    refused(engine.accept_as_newcomer(short, Browser::default()).await, Code::InvalidPassword);
    refused(engine.accept_as_newcomer(as_known(&made.token), Browser::default()).await, Code::InvalidBody);
    let (member, _, token) =
        engine.accept_as_newcomer(as_new(&made.token, "Ada"), Browser::default()).await.unwrap();
    let ada = engine.authenticate_session(&token).await.unwrap();
    assert_eq!((ada.principal, member.role), (member.principal.id, Role::Editor));
    assert_eq!(member.added_by, owner.principal);
    assert_eq!(ada.role_in(world.id()), Some(Role::Editor));
    sign_in(world, "ADA", PASSWORD).await.unwrap();
    is_over(world, &made.token, Code::InvitationEnded).await;
    let listed = engine.list_invitations(owner, world.id(), PageRequest::default()).await.unwrap().items;
    assert_eq!((listed.len(), listed[0].state), (1, InvitationState::Accepted));
    assert_eq!(listed[0].accepted_by, Some(ada.principal));
    let events = world.events(EventQuery::default()).await;
    let accepted = events.iter().find(|event| event.r#type == "invitation.accepted").unwrap();
    assert_eq!(accepted.actor, ada.principal);
    // A name that somebody has leaves the invitation open, and nobody new.
    let other = invite(world, owner, Role::Viewer).await.unwrap();
    let before = engine.list_principals(owner, PageRequest::default()).await.unwrap().items.len();
    let taken = engine.accept_as_newcomer(as_new(&other.token, "aDA"), Browser::default()).await;
    refused(taken.map(drop), Code::SignInNameTaken);
    engine.look_at_invitation(&other.token).await.unwrap();
    assert_eq!(engine.list_principals(owner, PageRequest::default()).await.unwrap().items.len(), before);
}

pub(super) async fn who_is_known_joins_and_keeps_the_greater_role(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    person(world, "ada", None).await;
    let ada = signed_in(world, "ada").await;
    for (role, then) in
        [(Role::Viewer, Role::Viewer), (Role::Admin, Role::Admin), (Role::Editor, Role::Admin)]
    {
        let made = invite(world, owner, role).await.unwrap();
        let named = as_new(&made.token, "other");
        refused(engine.accept_invitation(&ada, named).await, Code::InvalidBody);
        let accepted = engine.accept_invitation(&ada, as_known(&made.token)).await.unwrap();
        assert_eq!(accepted.role, then);
        is_over(world, &made.token, Code::InvitationEnded).await;
        let member = engine.workspace_member(owner, world.id(), ada.principal).await.unwrap();
        assert_eq!(member.role, then);
    }
    // A key joins with what it may do itself.
    let other = engine.create_workspace(owner, name("other"), None).await.unwrap().id;
    let viewer = world.own_key(Role::Viewer, None).await;
    let narrow = world.own_key(Role::Owner, Some(world.id())).await;
    let made =
        engine.create_invitation(owner, other, wanted(Role::Editor), Premises::default()).await.unwrap();
    refused(engine.accept_invitation(&viewer, as_known(&made.token)).await, Code::AccountNeeded);
    refused(engine.accept_invitation(&narrow, as_known(&made.token)).await, Code::AccountNeeded);
    engine.accept_invitation(&ada, as_known(&made.token)).await.unwrap();
}

pub(super) async fn of_many_who_accept_one_joins(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let made = invite(world, owner, Role::Viewer).await.unwrap();
    let all = (0..20).map(|number| {
        engine.accept_as_newcomer(as_new(&made.token, &format!("ada {number}")), Browser::default())
    });
    let done = join_all(all).await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1);
    for refusal in done.into_iter().filter_map(Result::err) {
        assert_eq!(refusal.code(), Code::InvitationEnded, "{refusal}");
    }
    let members = engine.list_members(owner, world.id(), PageRequest::default()).await.unwrap().items;
    assert_eq!(members.len(), 2);
    assert_eq!(engine.list_principals(owner, PageRequest::default()).await.unwrap().items.len(), 2);
}

pub(super) async fn what_has_ended_is_told_alike(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    is_over(world, &hidden("lsi_nothing"), Code::InvitationNotFound).await;
    let stranger = longshore_core::InvitationToken::generate(longshore_core::Clock::now(&world.clock));
    is_over(world, &hidden(stranger.reveal()), Code::InvitationNotFound).await;
    let declined = invite(world, owner, Role::Viewer).await.unwrap();
    engine.decline_invitation(&declined.token, None).await.unwrap();
    is_over(world, &declined.token, Code::InvitationEnded).await;
    let revoked = invite(world, owner, Role::Viewer).await.unwrap();
    for _ in 0..2 {
        engine.revoke_invitation(owner, revoked.invitation.id, Premises::default()).await.unwrap();
    }
    is_over(world, &revoked.token, Code::InvitationEnded).await;
    let expired = invite(world, owner, Role::Viewer).await.unwrap();
    world.clock.advance(Duration::from_hours(1));
    is_over(world, &expired.token, Code::InvitationEnded).await;
    let listed = engine.list_invitations(owner, world.id(), PageRequest::default()).await.unwrap().items;
    let mut states: Vec<_> = listed.iter().map(|one| format!("{:?}", one.state)).collect();
    states.sort();
    assert_eq!(states, ["Declined", "Expired", "Revoked"]);
    let printed =
        format!("{listed:?} {revoked:?}") + &format!("{:?}", world.events(EventQuery::default()).await);
    for made in [declined, revoked, expired] {
        assert!(!printed.contains(&made.token.reveal()[30..]));
    }
}

pub(super) async fn who_invites_no_more_has_invited_nobody(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    for end in 0..3 {
        let id = person(world, &format!("ada {end}"), Some(Role::Admin)).await;
        let ada = signed_in(world, &format!("ada {end}")).await;
        let made = invite(world, &ada, Role::Editor).await.unwrap();
        engine.look_at_invitation(&made.token).await.unwrap();
        match end {
            0 => drop(engine.deactivate_principal(owner, id, None).await.unwrap()),
            1 => engine.remove_member(owner, world.id(), id, Premises::default()).await.unwrap(),
            _ => {
                let lowered = engine.set_member(owner, world.id(), id, Role::Editor, Premises::default());
                lowered.await.unwrap();
            }
        }
        is_over(world, &made.token, Code::InvitationEnded).await;
    }
}

pub(super) async fn nobody_invites_above_their_own_role(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let (admin, editor) =
        (world.user(Role::Admin, Some(world.id())).await, world.user(Role::Editor, None).await);
    refused(invite(world, owner, Role::Owner).await, Code::OwnerRefused);
    refused(invite(world, &editor, Role::Viewer).await, Code::Forbidden);
    let made = invite(world, &admin, Role::Admin).await.unwrap();
    for expires_in in [0, 30 * 24 * 3_600 + 1] {
        let wanted = CreateInvitation { expires_in, ..wanted(Role::Viewer) };
        let done = engine.create_invitation(owner, world.id(), wanted, Premises::default()).await;
        refused(done, Code::InvalidBody);
    }
    let noted = CreateInvitation { note: Some("a\u{7}".to_owned()), ..wanted(Role::Viewer) };
    refused(engine.create_invitation(owner, world.id(), noted, Premises::default()).await, Code::InvalidBody);
    refused(engine.list_invitations(&editor, world.id(), PageRequest::default()).await, Code::Forbidden);
    refused(
        engine.revoke_invitation(&editor, made.invitation.id, Premises::default()).await,
        Code::Forbidden,
    );
    let other = engine.create_workspace(owner, name("other"), None).await.unwrap().id;
    let foreign = world.user(Role::Admin, Some(other)).await;
    refused(
        engine.revoke_invitation(&foreign, made.invitation.id, Premises::default()).await,
        Code::InvitationNotFound,
    );
    // Whoever was made a person without a name to sign in by joins by a reset and an invitation.
    let wanted = CreatePrincipal { kind: PrincipalKind::Person, name: "Eve".to_owned() };
    engine.create_principal(owner, wanted, None).await.unwrap();
    refused(sign_in(world, "Eve", PASSWORD).await, Code::SignInFailed);
}
