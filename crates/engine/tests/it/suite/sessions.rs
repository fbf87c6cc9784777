use std::time::Duration;

use longshore_core::wire::{
    ChangePassword, CreateKey, CreateLink, CreatePrincipal, HiddenText, PrincipalKind, ResetPassword, Role,
    SignIn,
};
use longshore_core::{Code, PrincipalId, SessionId, SessionToken};
use longshore_engine::{Actor, Browser, PageRequest, Premises, Result, UploadOptions, WayIn};

use crate::world::{World, refused};

pub(super) const PASSWORD: &str = "correct horse";

pub(super) fn hidden(text: &str) -> HiddenText {
    HiddenText::new(text)
}

pub(super) fn with(name: &str, password: &str) -> SignIn {
    SignIn { name: name.to_owned(), password: hidden(password) }
}

pub(super) async fn sign_in(world: &World, name: &str, password: &str) -> Result<SessionToken> {
    let browser = Browser::new(Some([192, 0, 2, 1].into()), Some("a browser"));
    Ok(world.engine.sign_in(with(name, password), browser).await?.1)
}

async fn set_password(world: &World, person: PrincipalId, name: Option<&str>, password: &str) -> Result<()> {
    let token = world.engine.create_reset(&world.owner, person, None).await?.token;
    let wanted = ResetPassword { token, password: hidden(password), sign_in_name: name.map(str::to_owned) };
    world.engine.reset_password(wanted, None).await
}

/// Makes a person who signs in by a name and [`PASSWORD`], with a role in the workspace where one is given.
pub(super) async fn person(world: &World, name: &str, role: Option<Role>) -> PrincipalId {
    let wanted = CreatePrincipal { kind: PrincipalKind::Person, name: name.to_owned() };
    let id = world.engine.create_principal(&world.owner, wanted, None).await.unwrap().id;
    set_password(world, id, Some(name), PASSWORD).await.unwrap();
    if let Some(role) = role {
        let set = world.engine.set_member(&world.owner, world.id(), id, role, Premises::default());
        set.await.unwrap();
    }
    id
}

/// Returns a person who is signed in.
pub(super) async fn signed_in(world: &World, name: &str) -> Actor {
    let token = sign_in(world, name, PASSWORD).await.unwrap();
    world.engine.authenticate_session(&token).await.unwrap()
}

pub(super) async fn who_signs_in_may_what_they_may(world: &World) {
    let id = person(world, "Ada@example.org", Some(Role::Editor)).await;
    // Capitals do not matter, and each time is another session.
    let one = sign_in(world, "ada@EXAMPLE.org", PASSWORD).await.unwrap();
    let two = sign_in(world, "Ada@example.org", PASSWORD).await.unwrap();
    assert_ne!(one.id(), two.id());
    let ada = world.engine.authenticate_session(&one).await.unwrap();
    assert_eq!((ada.principal, ada.session(), ada.key()), (id, Some(one.id()), None));
    let me = world.engine.me(&ada).await.unwrap();
    assert_eq!((me.principal.id, me.key, me.session.map(|session| session.id)), (id, None, Some(one.id())));
    let written = world.put_as(&ada, world.at("/a.txt"), b"a", UploadOptions::default()).await.unwrap();
    let link = CreateLink::default();
    let link = world.engine.create_link(&ada, written.node.id, link, Premises::default()).await.unwrap();
    world.engine.open_link(&link.token).await.unwrap();
    refused(world.engine.empty_trash(&ada, world.id(), Premises::default()).await, Code::Forbidden);
    let event = world.events(longshore_engine::EventQuery::default()).await.pop().unwrap();
    assert_eq!((event.actor, event.key_id), (id, None));
    // A secret of another session, or one that was changed, is none.
    let other = SessionToken::generate(longshore_core::Clock::now(&world.clock));
    refused(world.engine.authenticate_session(&other).await, Code::SessionEnded);
    world.engine.sign_out(&ada).await.unwrap();
    refused(world.engine.open_link(&link.token).await, Code::LinkExpired);
}

pub(super) async fn no_name_can_be_told_from_a_wrong_password(world: &World) {
    person(world, "ada", None).await;
    let gone = person(world, "eve", None).await;
    world.engine.deactivate_principal(&world.owner, gone, None).await.unwrap();
    let mut told = Vec::new();
    for (name, password) in [
        ("ada", "another horse"),
        ("nobody", "another horse"),
        ("eve", PASSWORD),
        ("eve", "another horse"),
        ("", "another horse"),
        (" no name \u{7}", "another horse"),
        ("ada", ""),
    ] {
        let before = world.engine.password_work();
        let error = sign_in(world, name, password).await.unwrap_err();
        told.push((error.code(), error.to_string(), world.engine.password_work() - before));
    }
    assert_eq!(told[0].0, Code::SignInFailed);
    assert!(told[0].2 > 0);
    assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
}

pub(super) async fn a_session_ends_by_itself(world: &World) {
    person(world, "ada", None).await;
    let days = |days: u64| Duration::from_hours(24 * days);
    let token = sign_in(world, "ada", PASSWORD).await.unwrap();
    // Used every other week, less a day, it goes on up to its end.
    for _ in 0..6 {
        world.clock.advance(days(13));
        world.engine.authenticate_session(&token).await.unwrap();
    }
    world.clock.advance(days(12) + Duration::from_secs(1));
    refused(world.engine.authenticate_session(&token).await, Code::SessionEnded);
    let token = sign_in(world, "ada", PASSWORD).await.unwrap();
    world.clock.advance(days(14));
    refused(world.engine.authenticate_session(&token).await, Code::SessionEnded);
}

pub(super) async fn an_ended_session_writes_nothing_more(world: &World) {
    let id = person(world, "ada", Some(Role::Admin)).await;
    for end in 0..4 {
        let ada = signed_in(world, "ada").await;
        let mut upload =
            world.engine.begin_upload(&ada, world.at("/late"), UploadOptions::default()).await.unwrap();
        upload.write(bytes::Bytes::from_static(b"too late")).await.unwrap();
        match end {
            0 => world.engine.sign_out(&ada).await.unwrap(),
            1 => world.engine.end_other_sessions(&signed_in(world, "ada").await).await.unwrap(),
            2 => set_password(world, id, None, PASSWORD).await.unwrap(),
            _ => drop(world.engine.deactivate_principal(&world.owner, id, None).await.unwrap()),
        }
        refused(upload.finish().await, Code::SessionEnded);
        refused(world.engine.sign_out(&ada).await, Code::SessionEnded);
        refused(world.node_at("/late").await, Code::NodeNotFound);
    }
    // Who comes back signs in anew.
    world.engine.reactivate_principal(&world.owner, id, None).await.unwrap();
    let ada = signed_in(world, "ada").await;
    assert_eq!(world.engine.list_sessions(&ada).await.unwrap().items.len(), 1);
}

pub(super) async fn sessions_are_ones_own(world: &World) {
    person(world, "ada", None).await;
    person(world, "eve", None).await;
    let ada = signed_in(world, "ada").await;
    world.clock.advance(Duration::from_secs(1));
    let other = signed_in(world, "ada").await;
    let eve = signed_in(world, "eve").await;
    let listed = world.engine.list_sessions(&ada).await.unwrap().items;
    let ids: Vec<Option<SessionId>> = listed.iter().map(|session| Some(session.id)).collect();
    assert_eq!(ids, [other.session(), ada.session()]);
    assert_eq!(listed.iter().map(|session| session.current).collect::<Vec<_>>(), [false, true]);
    assert_eq!(listed[0].address.as_deref(), Some("192.0.2.1"));
    assert_eq!(listed[0].user_agent.as_deref(), Some("a browser"));
    refused(world.engine.end_session(&ada, eve.session().unwrap()).await, Code::SessionNotFound);
    world.engine.end_session(&ada, other.session().unwrap()).await.unwrap();
    refused(world.engine.me(&other).await, Code::SessionEnded);
    world.engine.me(&eve).await.unwrap();
    // Keys that were narrowed before they were given away are not the person.
    for key in [world.own_key(Role::Admin, None).await, world.own_key(Role::Owner, Some(world.id())).await] {
        refused(world.engine.list_sessions(&key).await, Code::AccountNeeded);
        refused(world.engine.end_other_sessions(&key).await, Code::AccountNeeded);
    }
    world.engine.list_sessions(&world.owner).await.unwrap();
    refused(world.engine.sign_out(&world.owner).await, Code::SessionNotFound);
}

pub(super) async fn there_are_never_too_many_sessions(world: &World) {
    person(world, "ada", None).await;
    let first = signed_in(world, "ada").await;
    for _ in 0..100 {
        world.clock.advance(Duration::from_millis(1));
        sign_in(world, "ada", PASSWORD).await.unwrap();
    }
    refused(world.engine.me(&first).await, Code::SessionEnded);
    let ada = signed_in(world, "ada").await;
    assert_eq!(world.engine.list_sessions(&ada).await.unwrap().items.len(), 100);
}

pub(super) async fn a_new_password_ends_all_other_sessions(world: &World) {
    person(world, "ada", None).await;
    let (ada, other) = (signed_in(world, "ada").await, signed_in(world, "ada").await);
    let change = |current: &str, new: &str| {
        let wanted = ChangePassword { current: hidden(current), new: hidden(new) };
        world.engine.change_password(&ada, wanted)
    };
    refused(change("another horse", "battery staple").await, Code::PasswordWrong);
    for bad in ["too short", &"x".repeat(1_025)] {
        refused(change(PASSWORD, bad).await, Code::InvalidPassword);
    }
    change(PASSWORD, "battery staple").await.unwrap();
    world.engine.me(&ada).await.unwrap();
    refused(world.engine.me(&other).await, Code::SessionEnded);
    refused(sign_in(world, "ada", PASSWORD).await, Code::SignInFailed);
    sign_in(world, "ada", "battery staple").await.unwrap();
    // Who has none changes none, after the same work.
    let wanted = ChangePassword { current: hidden(PASSWORD), new: hidden("battery staple") };
    let before = world.engine.password_work();
    refused(world.engine.change_password(&world.owner, wanted).await, Code::PasswordWrong);
    assert!(world.engine.password_work() > before);
}

pub(super) async fn a_reset_is_good_once(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let id = person(world, "ada", None).await;
    person(world, "eve", None).await;
    let ada = signed_in(world, "ada").await;
    let new = async || engine.create_reset(owner, id, None).await.unwrap().token;
    let reset = |token: &HiddenText, name: Option<&str>| {
        let password = hidden("battery staple");
        let wanted = ResetPassword { token: token.clone(), password, sign_in_name: name.map(str::to_owned) };
        engine.reset_password(wanted, None)
    };
    let (before, token) = (new().await, new().await);
    refused(reset(&before, None).await, Code::ResetNotFound);
    refused(reset(&hidden("lsr_nothing"), None).await, Code::ResetNotFound);
    refused(reset(&token, Some("EVE")).await, Code::SignInNameTaken);
    refused(reset(&token, Some(" ")).await, Code::InvalidSignInName);
    reset(&token, Some("ada2")).await.unwrap();
    refused(reset(&token, None).await, Code::ResetNotFound);
    refused(engine.me(&ada).await, Code::SessionEnded);
    refused(sign_in(world, "ada", "battery staple").await, Code::SignInFailed);
    sign_in(world, "ada2", "battery staple").await.unwrap();
    let late = new().await;
    world.clock.advance(Duration::from_hours(24));
    refused(reset(&late, None).await, Code::ResetNotFound);
    // Of many that are made at once one is good.
    let many = futures_util::future::join_all((0..8).map(|_| new())).await;
    let good = futures_util::future::join_all(many.iter().map(|token| reset(token, None))).await;
    assert_eq!(good.iter().filter(|done| done.is_ok()).count(), 1);
    // Not for agents, and by admins of the server alone, while they are one.
    let agent = world.user(Role::Admin, None).await;
    refused(engine.create_reset(owner, agent.principal, None).await, Code::PersonNeeded);
    let editor = world.user(Role::Editor, None).await;
    refused(engine.create_reset(&editor, id, None).await, Code::Forbidden);
    let token = engine.create_reset(&agent, id, None).await.unwrap().token;
    engine.deactivate_principal(owner, agent.principal, None).await.unwrap();
    refused(reset(&token, None).await, Code::ResetNotFound);
}

pub(super) async fn a_session_makes_keys_and_lists_what_it_reaches(world: &World) {
    person(world, "ada", Some(Role::Admin)).await;
    let ada = signed_in(world, "ada").await;
    let key = CreateKey { workspace_id: Some(world.id()), ..CreateKey::new("hers", Role::Editor) };
    let key = world.engine.create_key(&ada, key, None).await.unwrap();
    assert_eq!(key.key.principal.id, ada.principal);
    world.engine.authenticate(&key.secret).await.unwrap();
    let listed = world.engine.list_workspaces(&ada, PageRequest::default()).await.unwrap();
    assert_eq!(listed.items.len(), 1);
}

pub(super) async fn an_administrator_is_let_in_again(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let other = world.user(Role::Admin, None).await;
    person(world, "ada", Some(Role::Admin)).await;
    engine.deactivate_principal(&other, owner.principal, None).await.unwrap();
    let found = engine.administrators().await.unwrap();
    assert_eq!(found.len(), 2);
    let lost = found.iter().find(|one| one.principal.id == owner.principal).unwrap();
    assert!(lost.principal.deactivated_at.is_some() && lost.sign_in_name.is_none());
    let password = |name: Option<&str>, password: &str| WayIn::Password {
        sign_in_name: name.map(str::to_owned),
        password: hidden(password),
    };
    refused(engine.recover(owner.principal, password(None, PASSWORD)).await, Code::InvalidSignInName);
    refused(engine.recover(owner.principal, password(Some("root"), "short")).await, Code::InvalidPassword);
    refused(engine.recover(owner.principal, password(Some("ADA"), PASSWORD)).await, Code::SignInNameTaken);
    let (back, key) = engine.recover(owner.principal, password(Some("root"), PASSWORD)).await.unwrap();
    assert_eq!(
        (back.principal.deactivated_at, back.sign_in_name.as_deref(), key.is_none()),
        (None, Some("root"), true)
    );
    let root = signed_in(world, "root").await;
    engine.list_principals(&root, PageRequest::default()).await.unwrap();
    let (_, key) = engine.recover(owner.principal, WayIn::Key).await.unwrap();
    let by_key = engine.authenticate(&key.unwrap().secret).await.unwrap();
    engine.list_principals(&by_key, PageRequest::default()).await.unwrap();
    // Only who administers the server, and no agent by a password.
    let ada = signed_in(world, "ada").await;
    refused(engine.recover(ada.principal, WayIn::Key).await, Code::Forbidden);
    refused(engine.recover(other.principal, password(Some("agent"), PASSWORD)).await, Code::PersonNeeded);
}
