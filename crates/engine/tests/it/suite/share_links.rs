//! Share links: who makes, sees and changes them, their passwords, and how long they and their visits last.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use longshore_core::Code;
use longshore_core::wire::{
    CreateKey, CreateShare, HiddenText, OpenShare, Role, ShareMode, ShareState, UpdateShare, Verb,
};
use longshore_engine::{EventQuery, Idempotency, PageRequest, Premises, Visit};

use super::narrowed_keys::{to_folder, to_verbs};
use super::visitors::{get, opened, paths, share, to_drop, to_read, visit};
use crate::world::{World, refused};

const PASSWORD: &str = "correct horse";

fn none() -> Premises {
    Premises::default()
}

fn with(password: &str) -> OpenShare {
    OpenShare { password: Some(HiddenText::new(password)) }
}

fn locked() -> CreateShare {
    CreateShare { password: Some(HiddenText::new(PASSWORD)), ..to_read() }
}

pub(super) async fn a_password_is_asked_for_before_anything_is_told(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let file = world.put("/hidden", b"content").await;
    let made = share(world, owner, file.id, locked()).await.unwrap();
    let seen = engine.look_at_share(&made.token).await.unwrap();
    assert_eq!((seen.mode, seen.has_password), (ShareMode::Read, true));
    for wrong in [OpenShare::default(), with(""), with("correct horsf"), with(made.token.reveal())] {
        let error = engine.open_share(&made.token, wrong, None).await.unwrap_err();
        assert_eq!(error.code(), Code::SharePasswordWrong);
        assert!(!error.detail().contains("hidden"), "{error}");
    }
    let let_in = engine.open_share(&made.token, with(PASSWORD), None).await.unwrap();
    let visiting = visit(&made.token, &let_in);
    assert_eq!(get(world, &visiting, "/").await.unwrap(), b"content");
    // Another one ends the visits of before, and so does none.
    let change = |password: Option<&str>| {
        let password = Some(password.map(HiddenText::new));
        let wanted = UpdateShare { password, ..UpdateShare::default() };
        engine.update_share(owner, world.id(), made.share.id, wanted, none())
    };
    assert!(change(Some("battery staple")).await.unwrap().has_password);
    refused(get(world, &visiting, "/").await, Code::ShareNotOpened);
    refused(engine.open_share(&made.token, with(PASSWORD), None).await, Code::SharePasswordWrong);
    engine.open_share(&made.token, with("battery staple"), None).await.unwrap();
    refused(change(Some("short")).await, Code::InvalidPassword);
    assert!(!change(None).await.unwrap().has_password);
    opened(world, &made).await.unwrap();
    // A password that nobody asked for is no hindrance.
    engine.open_share(&made.token, with("whatever"), None).await.unwrap();
}

pub(super) async fn a_visit_ends_with_its_time_and_with_its_link(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let file = world.put("/file", b"content").await;
    let made =
        share(world, owner, file.id, CreateShare { expires_in: Some(5_400), ..to_read() }).await.unwrap();
    let first = opened(world, &made).await.unwrap();
    assert_eq!(first.expires_at, engine.now().plus(Duration::from_hours(1)));
    let visiting = visit(&made.token, &first);
    world.clock.advance(Duration::from_secs(3_599));
    get(world, &visiting, "/").await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    refused(get(world, &visiting, "/").await, Code::ShareNotOpened);
    let second = opened(world, &made).await.unwrap();
    assert_eq!(Some(second.expires_at), made.share.expires_at, "no visit outlasts its link");
    world.clock.advance(Duration::from_secs(1_800));
    refused(get(world, &visit(&made.token, &second), "/").await, Code::ShareNotFound);
    let listed = engine.list_shares(owner, world.id(), PageRequest::default()).await.unwrap().items;
    assert_eq!(listed[0].state, ShareState::Expired);
    // Its end may be put off.
    let wanted = UpdateShare { expires_in: Some(None), ..UpdateShare::default() };
    let share = engine.update_share(owner, world.id(), made.share.id, wanted, none()).await.unwrap();
    assert_eq!((share.expires_at, share.state), (None, ShareState::Open));
    opened(world, &made).await.unwrap();
    // Visits that are over are not kept, and no more than a thousand of a link are under way.
    assert_eq!(world.numbers("SELECT COUNT(*) FROM share_visits").await, [1]);
    let oldest = visit(&made.token, &opened(world, &made).await.unwrap());
    world.clock.advance(Duration::from_secs(1));
    for _ in 0..50 {
        join_all((0..20).map(async |_| opened(world, &made).await.unwrap())).await;
    }
    assert_eq!(world.numbers("SELECT COUNT(*) FROM share_visits").await, [1_000]);
    refused(get(world, &oldest, "/").await, Code::ShareNotOpened);
}

pub(super) async fn who_makes_sees_and_changes_a_share(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let file = world.put("/a/file", b"content").await;
    let folder = file.parent_id.unwrap();
    let here = Some(world.id());
    let [viewer, editor, admin] = [
        world.user(Role::Viewer, here).await,
        world.user(Role::Editor, here).await,
        world.user(Role::Admin, here).await,
    ];
    let read = share(world, &viewer, folder, to_read()).await.unwrap().share;
    refused(share(world, &viewer, folder, to_drop()).await, Code::Forbidden);
    let drop = share(world, &editor, folder, to_drop()).await.unwrap().share;
    for verbs in [&[Verb::Read][..], &[Verb::Share], &[Verb::Manage, Verb::Write]] {
        let narrow = to_verbs(world, verbs).await;
        refused(share(world, &narrow, folder, to_read()).await, Code::Forbidden);
        refused(engine.list_shares(&narrow, world.id(), PageRequest::default()).await, Code::Forbidden);
        refused(engine.share(&narrow, world.id(), read.id).await, Code::Forbidden);
    }
    let sharing = to_verbs(world, &[Verb::Read, Verb::Share]).await;
    let by_verbs = share(world, &sharing, folder, to_read()).await.unwrap().share;
    refused(share(world, &sharing, folder, to_drop()).await, Code::Forbidden);
    let listed = async |actor| {
        let page = engine.list_shares(actor, world.id(), PageRequest::default()).await.unwrap();
        page.items.iter().map(|share| share.id).collect::<BTreeSet<_>>()
    };
    assert_eq!(listed(&viewer).await, [read.id].into());
    assert_eq!(listed(&editor).await, [drop.id].into());
    assert_eq!(listed(&admin).await.len(), 3);
    let other = engine.create_workspace(owner, crate::world::name("other"), None).await.unwrap().id;
    let note = || UpdateShare { note: Some(Some("for Ada".to_owned())), ..UpdateShare::default() };
    // Who did not make it and is no admin finds none; in another workspace nobody does.
    refused(engine.share(&editor, world.id(), read.id).await, Code::ShareNotFound);
    refused(engine.update_share(&editor, world.id(), read.id, note(), none()).await, Code::ShareNotFound);
    refused(engine.revoke_share(&editor, world.id(), read.id, none()).await, Code::ShareNotFound);
    refused(engine.share(owner, other, read.id).await, Code::ShareNotFound);
    refused(engine.revoke_share(owner, other, read.id, none()).await, Code::ShareNotFound);
    let foreign = world.user(Role::Admin, Some(other)).await;
    refused(engine.share(&foreign, world.id(), read.id).await, Code::WorkspaceNotFound);
    // An admin's key of a folder sees no link of others, its own principal's only where it reaches.
    let narrow = to_folder(world, "/a").await;
    refused(engine.share(&narrow, world.id(), read.id).await, Code::ShareNotFound);
    let own = share(world, &narrow, file.id, to_read()).await.unwrap().share;
    let outside = share(world, owner, world.root(), to_read()).await.unwrap().share;
    assert_eq!(listed(&narrow).await, [by_verbs.id, own.id].into());
    refused(engine.share(&narrow, world.id(), outside.id).await, Code::ShareNotFound);
    // What it takes to make one it takes to have it go on, but not to end it.
    let share = engine.update_share(&admin, world.id(), drop.id, note(), none()).await.unwrap();
    assert_eq!((share.note.as_deref(), share.created_by), (Some("for Ada"), editor.principal));
    engine.set_member(owner, world.id(), editor.principal, Role::Viewer, none()).await.unwrap();
    refused(engine.update_share(&editor, world.id(), drop.id, note(), none()).await, Code::Forbidden);
    for _ in 0..2 {
        engine.revoke_share(&editor, world.id(), drop.id, none()).await.unwrap();
    }
    refused(engine.update_share(&admin, world.id(), drop.id, note(), none()).await, Code::ShareRevoked);
    assert_eq!(engine.share(&editor, world.id(), drop.id).await.unwrap().state, ShareState::Revoked);
    let events = world.events(EventQuery::default()).await;
    let told: Vec<_> = events.iter().filter(|event| event.data["share_id"] == drop.id.to_string()).collect();
    let kinds: Vec<_> = told.iter().map(|event| event.r#type.as_str()).collect();
    assert_eq!(kinds, ["share.created", "share.changed", "share.revoked"]);
    assert!(told.iter().all(|event| event.node_id == Some(folder)));
}

pub(super) async fn what_no_share_is_made_of(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let file = world.put("/a/file", b"content").await;
    let folder = file.parent_id.unwrap();
    for (wanted, code) in [
        (CreateShare { expires_in: Some(0), ..to_read() }, Code::InvalidBody),
        (CreateShare { expires_in: Some(u64::MAX), ..to_read() }, Code::InvalidBody),
        (CreateShare { most_downloads: Some(0), ..to_read() }, Code::InvalidBody),
        (CreateShare { most_downloads: Some(u64::MAX), ..to_read() }, Code::InvalidBody),
        (CreateShare { most_downloads: Some(1), ..to_drop() }, Code::InvalidBody),
        (CreateShare { note: Some("a\u{7}".to_owned()), ..to_read() }, Code::InvalidBody),
        (CreateShare { password: Some(HiddenText::new("short")), ..to_read() }, Code::InvalidPassword),
    ] {
        refused(share(world, owner, folder, wanted).await, code);
    }
    let made = share(world, owner, folder, to_drop()).await.unwrap().share;
    let counted = UpdateShare { most_downloads: Some(Some(1)), ..UpdateShare::default() };
    refused(engine.update_share(owner, world.id(), made.id, counted, none()).await, Code::InvalidBody);
    engine.trash_node(owner, file.id, none()).await.unwrap();
    refused(share(world, owner, file.id, to_read()).await, Code::InTrash);
    // Nobody makes or keeps links by a link, and no secret is in the log or in what is listed.
    let locked = share(world, owner, folder, locked()).await.unwrap();
    let events = world.events(EventQuery::default()).await;
    let listed = engine.list_shares(owner, world.id(), PageRequest::default()).await.unwrap().items;
    let printed = format!("{locked:?} {events:?} {}", serde_json::to_string(&listed).unwrap());
    assert!(!printed.contains(&locked.token.reveal()[30..]) && !printed.contains("argon2"));
    // The same request again is the same link.
    let premises = || Premises { idempotency: Some(Idempotency::new("once").unwrap()), ..none() };
    let first = engine.create_share(owner, folder, to_read(), premises()).await.unwrap();
    let again = engine.create_share(owner, folder, to_read(), premises()).await.unwrap();
    assert_eq!((first.share, first.token), (again.share, again.token));
}

pub(super) async fn a_workspace_has_so_many_shares(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let file = world.put("/file", b"content").await;
    let first =
        share(world, owner, file.id, CreateShare { expires_in: Some(60), ..to_read() }).await.unwrap();
    let second = share(world, owner, file.id, to_read()).await.unwrap();
    for _ in 0..499 {
        join_all((0..2).map(async |_| share(world, owner, file.id, to_read()).await.unwrap())).await;
    }
    refused(share(world, owner, file.id, to_read()).await, Code::TooManyShares);
    // Nobody else feels it.
    let admin = world.user(Role::Admin, Some(world.id())).await;
    share(world, &admin, file.id, to_read()).await.unwrap();
    // The oldest of those that have ended makes room.
    engine.revoke_share(owner, world.id(), second.share.id, none()).await.unwrap();
    share(world, owner, file.id, to_read()).await.unwrap();
    refused(engine.share(owner, world.id(), second.share.id).await, Code::ShareNotFound);
    refused(share(world, owner, file.id, to_read()).await, Code::TooManyShares);
    engine.share(owner, world.id(), first.share.id).await.unwrap();
    world.clock.advance(Duration::from_secs(60));
    share(world, owner, file.id, to_read()).await.unwrap();
    refused(engine.share(owner, world.id(), first.share.id).await, Code::ShareNotFound);
    // All go 30 days after their end.
    let brief = CreateShare { expires_in: Some(60), ..to_read() };
    let last = share(world, &admin, file.id, brief).await.unwrap().share.id;
    world.clock.advance(Duration::from_hours(30 * 24));
    share(world, &admin, file.id, to_read()).await.unwrap();
    engine.share(owner, world.id(), last).await.unwrap();
    world.clock.advance(Duration::from_secs(61));
    share(world, &admin, file.id, to_read()).await.unwrap();
    refused(engine.share(owner, world.id(), last).await, Code::ShareNotFound);
}

pub(super) async fn visitors_have_no_other_way_in(world: &World) {
    let (engine, owner) = (&world.engine, &world.owner);
    let file = world.put("/a/file", b"content").await;
    // A key that shares makes links for reading without being able to make keys, and its links give no key's rights.
    let verbs = Some(BTreeSet::from([Verb::Read, Verb::Share]));
    let narrow = CreateKey { verbs, workspace_id: Some(world.id()), ..CreateKey::new("k", Role::Viewer) };
    let narrow = engine.create_key(owner, narrow, None).await.unwrap();
    let narrow = engine.authenticate(&narrow.secret).await.unwrap();
    let made = share(world, &narrow, file.parent_id.unwrap(), to_read()).await.unwrap();
    let let_in = opened(world, &made).await.unwrap();
    for secret in [&made.token, &let_in.grant] {
        refused(engine.authenticate(secret.reveal()).await, Code::KeyMalformed);
        refused(
            engine.look_at_share(&HiddenText::new(format!("{}x", secret.reveal()))).await,
            Code::ShareNotFound,
        );
    }
    refused(Visit::new(&let_in.grant, None), Code::ShareNotFound);
    // A right id with another secret opens nothing.
    let forged = longshore_core::ShareToken::generate(engine.now());
    let text = format!("{}{}", &made.token.reveal()[..30], &forged.reveal()[30..]);
    refused(engine.look_at_share(&HiddenText::new(text)).await, Code::ShareNotFound);
    let visiting = visit(&made.token, &let_in);
    assert_eq!(paths(world, &visiting, "/").await.unwrap(), ["/file"]);
}
