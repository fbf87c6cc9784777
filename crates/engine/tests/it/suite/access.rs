use std::time::Duration;

use longshore_core::wire::{CreateKey, Role};
use longshore_core::{Code, KeyId};
use longshore_engine::{PageRequest, Premises, Target, UploadOptions};

use crate::world::{World, name, refused};

fn key(role: Role) -> CreateKey {
    CreateKey::new("a key", role)
}

pub(super) async fn the_first_start_happens_once(world: &World) {
    assert!(world.engine.initialise().await.unwrap().is_none());
    assert_eq!(world.workspace.name, "default");
    let me = world.engine.me(&world.owner).await.unwrap();
    assert_eq!((me.key.unwrap().role, me.principal.everywhere), (Role::Owner, Some(Role::Admin)));
    assert_eq!(world.event_types().await, ["workspace.created"]);
    world.engine.ping_database().await.unwrap();
    world.engine.ping_store().await.unwrap();
}

pub(super) async fn bad_keys_are_told_apart(world: &World) {
    let engine = &world.engine;
    for text in ["", "lsk_", "nonsense", &world.first_key[1..], &format!("{}x", world.first_key)] {
        refused(engine.authenticate(text).await, Code::KeyMalformed);
    }
    let stranger = longshore_core::key::ApiKey::generate(longshore_core::Clock::now(&world.clock));
    refused(engine.authenticate(stranger.reveal()).await, Code::KeyUnknown);

    let soon = longshore_core::Clock::now(&world.clock).plus(Duration::from_secs(60));
    let wanted = CreateKey { expires_at: Some(soon), ..key(Role::Viewer) };
    let short = engine.create_key(&world.owner, wanted, None).await.unwrap();
    engine.authenticate(&short.secret).await.unwrap();
    world.clock.advance(Duration::from_secs(60));
    refused(engine.authenticate(&short.secret).await, Code::KeyExpired);

    let doomed = engine.create_key(&world.owner, key(Role::Editor), None).await.unwrap();
    engine.authenticate(&doomed.secret).await.unwrap();
    engine.revoke_key(&world.owner, doomed.key.id, None).await.unwrap();
    refused(engine.authenticate(&doomed.secret).await, Code::KeyRevoked);
    let nobody = KeyId::new(longshore_core::Clock::now(&world.clock));
    refused(engine.revoke_key(&world.owner, nobody, None).await, Code::KeyNotFound);
    let past = CreateKey { expires_at: Some(soon), ..key(Role::Viewer) };
    refused(engine.create_key(&world.owner, past, None).await, Code::InvalidBody);
}

pub(super) async fn roles_bound_what_a_key_does(world: &World) {
    let file = world.put("/a.txt", b"a").await;
    let viewer = world.user(Role::Viewer, None).await;
    let editor = world.user(Role::Editor, None).await;
    let engine = &world.engine;
    engine.node(&viewer, file.id).await.unwrap();
    let none = UploadOptions::default;
    refused(world.put_as(&viewer, world.at("/b"), b"b", none()).await, Code::Forbidden);
    refused(
        engine.create_folder(&viewer, world.root(), name("f"), Premises::default()).await,
        Code::Forbidden,
    );
    refused(engine.trash_node(&viewer, file.id, Premises::default()).await, Code::Forbidden);
    world.put_as(&editor, world.at("/b"), b"b", none()).await.unwrap();
    refused(engine.create_key(&editor, key(Role::Viewer), None).await, Code::Forbidden);
    refused(engine.list_keys(&editor, PageRequest::default()).await, Code::Forbidden);
    refused(engine.create_workspace(&editor, name("w"), None).await, Code::Forbidden);
}

pub(super) async fn a_key_reaches_its_workspace_alone(world: &World) {
    let engine = &world.engine;
    let other = engine.create_workspace(&world.owner, name("other"), None).await.unwrap();
    refused(engine.create_workspace(&world.owner, name("other"), None).await, Code::WorkspaceExists);
    let guest = world.user(Role::Admin, Some(other.id)).await;
    let file = world.put("/secret", b"x").await;

    refused(engine.workspace(&guest, world.id()).await, Code::WorkspaceNotFound);
    refused(engine.node(&guest, file.id).await, Code::NodeNotFound);
    refused(engine.open_content(&guest, file.id, None).await, Code::NodeNotFound);
    refused(engine.list_versions(&guest, file.id, PageRequest::default()).await, Code::NodeNotFound);
    let none = UploadOptions::default;
    refused(world.put_as(&guest, world.at("/b"), b"b", none()).await, Code::WorkspaceNotFound);
    refused(world.put_as(&guest, Target::Node(file.id), b"b", none()).await, Code::NodeNotFound);
    let child = Target::Child { parent: world.root(), name: name("b") };
    refused(world.put_as(&guest, child, b"b", none()).await, Code::NodeNotFound);
    let copy = longshore_core::wire::CopyNode { parent_id: Some(other.root_id), name: None };
    refused(engine.copy_node(&world.owner, file.id, copy, Premises::default()).await, Code::NodeNotFound);

    assert_eq!(engine.current_workspace(&guest).await.unwrap().id, other.id);
    // A key that reaches both has none of its own.
    refused(engine.current_workspace(&world.owner).await, Code::WorkspaceNotFound);
    let listed = engine.list_workspaces(&guest, PageRequest::default()).await.unwrap();
    assert_eq!(listed.items.iter().map(|workspace| workspace.id).collect::<Vec<_>>(), [other.id]);
    refused(engine.create_workspace(&guest, name("third"), None).await, Code::Forbidden);
    // What a bound admin makes is bound as well, and it sees no other keys.
    let made = engine.create_key(&guest, key(Role::Editor), None).await.unwrap();
    assert_eq!(made.key.workspace_id, Some(other.id));
    let keys = engine.list_keys(&guest, PageRequest::default()).await.unwrap().items;
    assert!(keys.iter().all(|key| key.workspace_id == Some(other.id)));
    let first = world.owner.key().unwrap();
    refused(engine.revoke_key(&guest, first, None).await, Code::KeyNotFound);
}

pub(super) async fn a_revoked_key_writes_nothing_more(world: &World) {
    let engine = &world.engine;
    let made = engine.create_key(&world.owner, key(Role::Admin), None).await.unwrap();
    let agent = engine.authenticate(&made.secret).await.unwrap();
    let mut upload = engine.begin_upload(&agent, world.at("/late"), UploadOptions::default()).await.unwrap();
    upload.write(bytes::Bytes::from_static(b"too late")).await.unwrap();
    engine.revoke_key(&world.owner, made.key.id, None).await.unwrap();
    refused(upload.finish().await, Code::KeyRevoked);
    refused(
        engine.create_folder(&agent, world.root(), name("f"), Premises::default()).await,
        Code::KeyRevoked,
    );
    refused(engine.create_key(&agent, key(Role::Admin), None).await, Code::KeyRevoked);
    refused(engine.revoke_key(&agent, world.owner.key().unwrap(), None).await, Code::KeyRevoked);
    assert!(world.paths().await.is_empty());
}
