//! Staged uploads and the workspaces that they are of: who has no right there any more, or never had one, has none of its
//! quota and none of its bytes.

use std::time::Duration;

use bytes::Bytes;
use longshore_core::wire::{AcquireLock, Role, UpdateQuota, UploadState};
use longshore_core::{Code, UploadId, WorkspaceId};
use longshore_engine::{
    Actor, AppendOptions, Made, NewUpload, PageRequest, Premises, Result, Staged, Target, UploadOptions,
};

use super::quotas::{bytes, limit, usage};
use super::sessions::{person, signed_in};
use super::uploads::{file, make};
use crate::world::{World, name, noise, path, refused};

fn none() -> Premises {
    Premises::default()
}

/// Makes another workspace, whose quota is without a limit.
async fn other(world: &World) -> WorkspaceId {
    // Ids made in one millisecond have no order.
    world.clock.advance(Duration::from_millis(1));
    world.engine.create_workspace(&world.owner, name("other"), None).await.unwrap().id
}

/// Makes somebody an editor of the world's workspace, and gives them a role in another.
async fn ada(world: &World, other: WorkspaceId, role: Role) -> Actor {
    let id = person(world, "ada", Some(Role::Editor)).await;
    world.engine.set_member(&world.owner, other, id, role, none()).await.unwrap();
    signed_in(world, "ada").await
}

async fn append(
    world: &World,
    actor: &Actor,
    id: UploadId,
    options: AppendOptions,
    more: &[u8],
) -> Result<Staged> {
    let mut appending = world.engine.append_upload(actor, id, options).await?;
    if !more.is_empty() {
        appending.write(Bytes::copy_from_slice(more)).await?;
    }
    appending.finish().await
}

/// Makes a part that is whole.
async fn part(world: &World, actor: &Actor, place: Option<WorkspaceId>, content: &[u8]) -> UploadId {
    world.clock.advance(Duration::from_millis(1));
    let made = Made::Part(None, place);
    let id = make(world, actor, made, Some(content.len() as u64)).await.unwrap().id;
    let done = append(world, actor, id, AppendOptions::default(), content).await.unwrap();
    assert_eq!(done.state, UploadState::Complete);
    id
}

async fn join(world: &World, actor: &Actor, target: Target, parts: &[UploadId]) -> Result<Staged> {
    world.clock.advance(Duration::from_millis(1));
    let made = Made::File(target, Box::default());
    let new = NewUpload { id: world.engine.upload_id(), made, length: None, metadata: String::new() };
    world.engine.join_uploads(actor, new, parts).await
}

async fn listed(world: &World, actor: &Actor) -> Vec<UploadId> {
    let page = world.engine.open_uploads(actor, PageRequest::default()).await.unwrap();
    page.items.iter().map(|upload| upload.id).collect()
}

pub(super) async fn who_is_removed_keeps_nothing_of_the_quota(world: &World) {
    let engine = &world.engine;
    let other = other(world).await;
    limit(world, bytes(1_000)).await;
    let ada = ada(world, other, Role::Editor).await;
    let staged = async |made, length| make(world, &ada, made, length).await.unwrap().id;
    let part = staged(Made::Part(None, Some(world.id())), Some(600)).await;
    let open = staged(Made::Part(None, Some(world.id())), None).await;
    let whole = staged(file(world, "/whole", UploadOptions::default()), Some(300)).await;
    let elsewhere = staged(Made::Part(None, Some(other)), Some(10)).await;
    let options = AppendOptions::default();
    append(world, &ada, open, options.clone(), &noise(50, 1)).await.unwrap();
    assert_eq!(usage(world).await.staged_bytes, 950);
    // Bytes are under way while they are removed.
    let mut late = engine.append_upload(&ada, whole, options.clone()).await.unwrap();
    late.write(noise(300, 2).into()).await.unwrap();
    engine.remove_member(&world.owner, world.id(), ada.principal, none()).await.unwrap();
    late.finish().await.unwrap_err();
    // Who was let in before it finds that the time is over, and who comes after it nothing.
    let now = signed_in(world, "ada").await;
    for (actor, code) in [(&ada, Code::UploadExpired), (&now, Code::UploadNotFound)] {
        for id in [part, open, whole] {
            refused(engine.staged_upload(actor, id).await, code);
            refused(engine.resume_upload(actor, id, none()).await, code);
            refused(engine.remove_upload(actor, id).await, code);
        }
        let length = AppendOptions { offset: 50, length: Some(1_000_000), ..options.clone() };
        refused(append(world, actor, open, length, b"").await, code);
        assert_eq!(listed(world, actor).await, [elsewhere]);
    }
    refused(make(world, &now, Made::Part(None, Some(world.id())), Some(1)).await, Code::WorkspaceNotFound);
    // The next pruning gives all of it back, and what is elsewhere stays.
    assert_eq!(engine.prune_uploads().await.unwrap(), 3);
    assert_eq!(usage(world).await.staged_bytes, 0);
    engine.resume_upload(&now, elsewhere, none()).await.unwrap();
    refused(world.node_at("/whole").await, Code::NodeNotFound);
}

pub(super) async fn who_writes_there_no_more_prolongs_no_part(world: &World) {
    let engine = &world.engine;
    let other = other(world).await;
    let ada = ada(world, other, Role::Editor).await;
    let id = part(world, &ada, Some(world.id()), b"part").await;
    engine.set_member(&world.owner, world.id(), ada.principal, Role::Viewer, none()).await.unwrap();
    let now = signed_in(world, "ada").await;
    refused(engine.resume_upload(&now, id, none()).await, Code::Forbidden);
    let target = Target::Path { workspace: other, path: path("/taken") };
    refused(join(world, &now, target, &[id]).await, Code::Forbidden);
    world.clock.advance(Duration::from_hours(25));
    assert_eq!(engine.prune_uploads().await.unwrap(), 1);
}

pub(super) async fn a_key_of_a_workspace_reaches_no_part_of_another(world: &World) {
    let engine = &world.engine;
    let other = other(world).await;
    limit(world, bytes(1_000)).await;
    let secret = part(world, &world.owner, Some(world.id()), b"secret").await;
    let unsaid = part(world, &world.owner, None, b"of no workspace").await;
    let narrow = world.own_key(Role::Owner, Some(other)).await;
    let target = |called: &str| Target::Path { workspace: other, path: path(called) };
    for id in [secret, unsaid] {
        refused(engine.staged_upload(&narrow, id).await, Code::UploadNotFound);
        refused(engine.resume_upload(&narrow, id, none()).await, Code::UploadNotFound);
        refused(engine.remove_upload(&narrow, id).await, Code::UploadNotFound);
        refused(append(world, &narrow, id, AppendOptions::default(), b"").await, Code::UploadNotFound);
        refused(join(world, &narrow, target("/taken"), &[id]).await, Code::UploadNotFound);
    }
    assert_eq!(listed(world, &narrow).await, []);
    // Its own it has, and so has its principal.
    let own = part(world, &narrow, None, b"own").await;
    let stated = part(world, &narrow, Some(other), b"stated").await;
    assert_eq!(listed(world, &narrow).await, [own, stated]);
    assert_eq!(listed(world, &world.owner).await, [secret, unsaid, own, stated]);
    let joined = join(world, &narrow, target("/own"), &[own]).await.unwrap();
    assert_eq!(joined.state, UploadState::Finished);
    let joined = join(world, &world.owner, target("/all"), &[secret, unsaid, stated]).await.unwrap();
    let node = joined.written.unwrap().node;
    assert_eq!(world.read(node.id).await.unwrap(), b"secretof no workspacestated");
}

pub(super) async fn who_may_not_write_there_joins_nothing(world: &World) {
    let engine = &world.engine;
    let other = other(world).await;
    let quota = UpdateQuota { bytes: Some(Some(1_000)), ..UpdateQuota::default() };
    engine.set_quota(&world.owner, other, quota, none()).await.unwrap();
    let there = Target::Path { workspace: other, path: path("/dir/there") };
    let there = world.put_as(&world.owner, there, b"1", UploadOptions::default()).await.unwrap().node;
    let ada = ada(world, other, Role::Viewer).await;
    let parts = [part(world, &ada, Some(world.id()), &noise(900, 1)).await];
    let taken = world.put("/taken", b"1").await;
    let staged = async || {
        let [all, bytes] = world
            .numbers(&format!(
                "SELECT (SELECT CAST(COUNT(*) AS BIGINT) FROM uploads), staged_bytes FROM workspaces WHERE id = '{other}'"
            ))
            .await;
        (all, bytes)
    };
    let targets = [
        Target::Child { parent: there.parent_id.unwrap(), name: name("new") },
        Target::Node(there.id),
        Target::Path { workspace: other, path: path("/new") },
    ];
    for target in targets.clone() {
        refused(join(world, &ada, target, &parts).await, Code::Forbidden);
        assert_eq!(staged().await, (1, 0), "nothing is written");
    }
    // What was refused where they write goes nowhere else either.
    let grant = super::locks::take(world, taken.id, AcquireLock::default()).await.unwrap();
    refused(join(world, &ada, Target::Node(taken.id), &parts).await, Code::Locked);
    for target in targets {
        refused(join(world, &ada, target, &parts).await, Code::Forbidden);
        assert_eq!(staged().await, (1, 0), "nothing is written");
    }
    engine.release_lock(&world.owner, grant.lock.id, super::locks::token(&grant)).await.unwrap();
    let joined = join(world, &ada, Target::Node(taken.id), &parts).await.unwrap();
    assert_eq!(joined.state, UploadState::Finished);
}
