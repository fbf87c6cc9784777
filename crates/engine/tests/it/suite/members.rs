use std::time::Duration;

use longshore_core::wire::{AcquireLock, CreateKey, Member, Role};
use longshore_core::{Code, PrincipalId, WorkspaceId};
use longshore_engine::{Actor, EventQuery, Idempotency, PageRequest, Premises, UploadOptions};

use crate::world::{World, name, path, refused};

async fn set(world: &World, by: &Actor, who: PrincipalId, role: Role) -> longshore_engine::Result<Member> {
    let set = world.engine.set_member(by, world.id(), who, role, Premises::default());
    set.await.map(|(member, _)| member)
}

async fn remove(world: &World, by: &Actor, who: PrincipalId) -> longshore_engine::Result<()> {
    world.engine.remove_member(by, world.id(), who, Premises::default()).await
}

async fn roles(world: &World, workspace: WorkspaceId) -> Vec<(PrincipalId, Role)> {
    let page = world.engine.list_members(&world.owner, workspace, PageRequest::default()).await.unwrap();
    page.items.into_iter().map(|member| (member.principal.id, member.role)).collect()
}

pub(super) async fn members_are_added_changed_and_removed(world: &World) {
    let owner = world.owner.principal;
    assert_eq!(roles(world, world.id()).await, [(owner, Role::Owner)]);
    // Ids made in one millisecond have no order, and lists follow it.
    world.clock.advance(Duration::from_millis(1));
    let admin = world.user(Role::Admin, Some(world.id())).await;
    world.clock.advance(Duration::from_millis(1));
    let guest = world.user(Role::Viewer, Some(world.id())).await;
    assert_eq!(
        roles(world, world.id()).await,
        [(owner, Role::Owner), (admin.principal, Role::Admin), (guest.principal, Role::Viewer)]
    );
    let member = set(world, &admin, guest.principal, Role::Editor).await.unwrap();
    assert_eq!((member.role, member.added_by), (Role::Editor, owner));
    // Once more changes nothing, and is no event.
    set(world, &admin, guest.principal, Role::Editor).await.unwrap();
    let found = world.engine.workspace_member(&guest, world.id(), guest.principal).await.unwrap();
    assert_eq!(found, member);
    remove(world, &admin, guest.principal).await.unwrap();
    refused(remove(world, &admin, guest.principal).await, Code::MemberNotFound);
    refused(world.engine.workspace_member(&admin, world.id(), guest.principal).await, Code::MemberNotFound);
    let member = set(world, &admin, guest.principal, Role::Viewer).await.unwrap();
    assert_eq!(member.added_by, admin.principal);
    let query = EventQuery { types: Some("member.*".parse().unwrap()), ..EventQuery::default() };
    let events = world.events(query).await;
    let told: Vec<_> = events
        .iter()
        .filter(|event| event.data["principal_id"] == guest.principal.to_string())
        .map(|event| (event.r#type.as_str(), event.data["role"].as_str().unwrap(), event.actor))
        .collect();
    assert_eq!(
        told,
        [
            ("member.added", "viewer", owner),
            ("member.changed", "editor", admin.principal),
            ("member.removed", "editor", admin.principal),
            ("member.added", "viewer", admin.principal),
        ]
    );
    world.event_types().await;
}

pub(super) async fn nobody_gives_or_takes_a_role_above_their_own(world: &World) {
    let admin = world.user(Role::Admin, Some(world.id())).await;
    let editor = world.user(Role::Editor, Some(world.id())).await;
    let owner = world.owner.principal;
    for who in [editor.principal, admin.principal, owner] {
        refused(set(world, &editor, who, Role::Viewer).await, Code::Forbidden);
    }
    refused(remove(world, &editor, admin.principal).await, Code::Forbidden);
    refused(set(world, &admin, editor.principal, Role::Owner).await, Code::OwnerRefused);
    for by in [&admin, &world.owner] {
        refused(set(world, by, owner, Role::Viewer).await, Code::OwnerRefused);
        refused(remove(world, by, owner).await, Code::OwnerRefused);
    }
    let nobody = PrincipalId::new(longshore_core::Clock::now(&world.clock));
    refused(set(world, &admin, nobody, Role::Viewer).await, Code::PrincipalNotFound);
    // A key of the owner's that is capped takes and gives no more than its cap.
    let capped = world.own_key(Role::Editor, None).await;
    refused(set(world, &capped, editor.principal, Role::Viewer).await, Code::Forbidden);
    let wanted = |role, agent: Option<&str>| CreateKey {
        workspace_id: Some(world.id()),
        agent: agent.map(str::to_owned),
        ..CreateKey::new("k", role)
    };
    let engine = &world.engine;
    refused(engine.create_key(&admin, wanted(Role::Owner, None), None).await, Code::Forbidden);
    refused(engine.create_key(&world.owner, wanted(Role::Owner, Some("a")), None).await, Code::OwnerRefused);
    refused(engine.create_key(&capped, wanted(Role::Viewer, None), None).await, Code::Forbidden);
    let owners = engine.create_key(&world.owner, wanted(Role::Owner, None), None).await.unwrap();
    refused(engine.revoke_key(&admin, owners.key.id, None).await, Code::Forbidden);
    engine.revoke_key(&world.owner, owners.key.id, None).await.unwrap();
    assert_eq!(roles(world, world.id()).await.len(), 3);
}

pub(super) async fn a_changed_role_acts_at_once(world: &World) {
    let engine = &world.engine;
    let file = world.put("/a.txt", b"a").await;
    let admin = world.user(Role::Admin, Some(world.id())).await;
    let options = UploadOptions::default;
    let write = async |text: &str| world.put_as(&admin, world.at(text), b"x", options()).await;
    write("/one").await.unwrap();
    // Whoever has been let in before is looked at again by what writes, though the actor here is of long ago.
    let mut upload = engine.begin_upload(&admin, world.at("/two"), options()).await.unwrap();
    upload.write(bytes::Bytes::from_static(b"two")).await.unwrap();
    set(world, &world.owner, admin.principal, Role::Viewer).await.unwrap();
    refused(upload.finish().await, Code::Forbidden);
    refused(write("/three").await, Code::Forbidden);
    refused(engine.trash_node(&admin, file.id, Premises::default()).await, Code::Forbidden);
    refused(set(world, &admin, admin.principal, Role::Admin).await, Code::Forbidden);
    engine.events(&admin, world.id(), EventQuery::default()).await.unwrap();
    remove(world, &world.owner, admin.principal).await.unwrap();
    refused(write("/four").await, Code::WorkspaceNotFound);
    refused(engine.trash_node(&admin, file.id, Premises::default()).await, Code::NodeNotFound);
    refused(engine.events(&admin, world.id(), EventQuery::default()).await, Code::WorkspaceNotFound);
    assert_eq!(world.paths().await, ["/a.txt", "/one"]);
}

pub(super) async fn who_is_removed_keeps_no_lock_and_gets_no_old_answer(world: &World) {
    let engine = &world.engine;
    let file = world.put("/a.txt", b"a").await;
    let gone = world.put("/gone.txt", b"a").await;
    let guest = world.user(Role::Admin, Some(world.id())).await;
    let key =
        |text: &str| Premises { idempotency: Some(Idempotency::new(text).unwrap()), ..Premises::default() };
    let (grant, _) =
        engine.lock_node(&guest, file.id, AcquireLock::default(), Premises::default()).await.unwrap();
    engine.create_folders(&guest, world.id(), path("/made"), key("made")).await.unwrap();
    engine.trash_node(&guest, gone.id, key("gone")).await.unwrap();
    engine.purge_node(&world.owner, gone.id, Premises::default()).await.unwrap();
    engine.trash_node(&guest, gone.id, key("gone")).await.unwrap();
    // It goes by itself, and hears so again where the answer was lost.
    engine.remove_member(&guest, world.id(), guest.principal, key("left")).await.unwrap();
    engine.remove_member(&guest, world.id(), guest.principal, key("left")).await.unwrap();
    refused(engine.lock_of(&world.owner, file.id).await, Code::LockNotFound);
    let broken = world.events(EventQuery::default()).await.pop().unwrap();
    assert_eq!((broken.r#type.as_str(), broken.lock_id), ("lock.broken", Some(grant.lock.id)));
    world.put("/a.txt", b"b").await;
    refused(
        engine.create_folders(&guest, world.id(), path("/made"), key("made")).await,
        Code::WorkspaceNotFound,
    );
    refused(engine.trash_node(&guest, gone.id, key("gone")).await, Code::NodeNotFound);
}

pub(super) async fn lists_show_what_is_reached(world: &World) {
    let engine = &world.engine;
    world.clock.advance(Duration::from_millis(1));
    let other = engine.create_workspace(&world.owner, name("other"), None).await.unwrap().id;
    let admin = world.user(Role::Admin, Some(other)).await;
    let listed = async |actor: &Actor| {
        let page = engine.list_workspaces(actor, PageRequest::default()).await.unwrap();
        page.items.into_iter().map(|workspace| workspace.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(&admin).await, [other]);
    assert_eq!(listed(&world.owner).await, [world.id(), other]);
    let keys = engine.list_keys(&admin, PageRequest::default()).await.unwrap().items;
    assert_eq!(keys.iter().map(|key| key.id).collect::<Vec<_>>(), [admin.key().unwrap()]);
    engine.remove_member(&world.owner, other, admin.principal, Premises::default()).await.unwrap();
    let key = engine.me(&admin).await.unwrap().key;
    assert_eq!(key.unwrap().workspace_id, Some(other));
    refused(engine.list_members(&admin, world.id(), PageRequest::default()).await, Code::WorkspaceNotFound);
}
