//! Uploads that are not finished: listed to who began them, and so many at most.

use std::time::Duration;

use bytes::Bytes;
use longshore_core::wire::{CreateWorkspace, OpenUpload, Role, UploadState};
use longshore_core::{Code, UploadId};
use longshore_engine::{Actor, AppendOptions, Made, NewUpload, PageRequest, Result, Target};

use crate::world::{OPEN_UPLOADS, World, name, refused};

async fn make(world: &World, actor: &Actor, made: Made) -> Result<UploadId> {
    // Ids made in one millisecond have no order, and lists follow it.
    world.clock.advance(Duration::from_millis(1));
    let new = NewUpload { id: world.engine.upload_id(), made, length: Some(10), metadata: String::new() };
    Ok(world.engine.create_upload(actor, new).await?.id)
}

async fn begin(world: &World, actor: &Actor, target: Target) -> Result<UploadId> {
    make(world, actor, Made::File(target, Box::default())).await
}

async fn send(world: &World, id: UploadId, content: &'static [u8]) {
    let options = AppendOptions::default();
    let mut appending = world.engine.append_upload(&world.owner, id, options).await.unwrap();
    appending.write(Bytes::from_static(content)).await.unwrap();
    appending.finish().await.unwrap();
}

async fn list_by(limit: u32, world: &World, actor: &Actor) -> Vec<OpenUpload> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = PageRequest::new(Some(limit), cursor);
        let page = world.engine.open_uploads(actor, page).await.unwrap();
        assert!(page.items.len() <= limit as usize);
        all.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return all;
        }
    }
}

async fn list(world: &World, actor: &Actor) -> Vec<OpenUpload> {
    list_by(2, world, actor).await
}

pub(super) async fn unfinished_uploads_are_listed_to_who_began_them(world: &World) {
    let (owner, folder) = (&world.owner, world.put("/dir/there", b"1").await);
    let by_path = begin(world, owner, world.at("/new/file")).await.unwrap();
    let parent = folder.parent_id.unwrap();
    let by_name = begin(world, owner, Target::Child { parent, name: name("x") }).await.unwrap();
    let by_node = begin(world, owner, Target::Node(folder.id)).await.unwrap();
    let part = make(world, owner, Made::Part(None, None)).await.unwrap();
    let finished = begin(world, owner, world.at("/done")).await.unwrap();
    send(world, finished, b"0123456789").await;
    send(world, by_path, b"0123").await;
    send(world, part, b"0123456789").await;
    let found = list(world, owner).await;
    let told: Vec<_> = found
        .iter()
        .map(|upload| (upload.id, upload.path.as_ref().map(ToString::to_string), upload.offset))
        .collect();
    let at = |text: &str| Some(text.to_owned());
    assert_eq!(
        told,
        [
            (by_path, at("/new/file"), 4),
            (by_name, at("/dir/x"), 0),
            (by_node, at("/dir/there"), 0),
            (part, None, 10),
        ]
    );
    assert!(found.iter().all(|upload| upload.length == Some(10) && upload.is_part == (upload.id == part)));
    assert_eq!(found[0].workspace_id, Some(world.id()));
    assert_eq!((found[0].state, found[3].state), (UploadState::Receiving, UploadState::Complete));
    assert_eq!(found[0].expires_at, world.engine.staged_upload(owner, by_path).await.unwrap().expires_at);
    // Its place has gone since; it is told all the same.
    world.engine.trash_node(owner, folder.id, Default::default()).await.unwrap();
    assert_eq!(list(world, owner).await[2].path, None);
    let stranger = world.user(Role::Editor, None).await;
    assert_eq!(list(world, &stranger).await, []);
    let viewer = world.user(Role::Viewer, None).await;
    refused(world.engine.open_uploads(&viewer, PageRequest::default()).await, Code::Forbidden);
    refused(
        world.engine.open_uploads(owner, PageRequest::new(None, Some("?".to_owned()))).await,
        Code::InvalidCursor,
    );
    // A key of another workspace, of the same principal, sees none of this one's, nor a part of none.
    world.clock.advance(Duration::from_millis(1));
    let other = CreateWorkspace { name: name("other") };
    let other = world.engine.create_workspace(owner, other.name, None).await.unwrap().id;
    let narrow = world.own_key(Role::Owner, Some(other)).await;
    assert_eq!(list(world, &narrow).await, []);
    world.clock.advance(Duration::from_hours(25));
    assert_eq!(list(world, owner).await, [], "their time is over");
}

pub(super) async fn a_principal_has_so_many_unfinished_uploads_and_no_more(world: &World) {
    let mut begun = Vec::new();
    for number in 0..OPEN_UPLOADS {
        let made = match number % 2 {
            0 => Made::File(world.at(&format!("/{number}")), Box::default()),
            _ => Made::Part(None, None),
        };
        begun.push(make(world, &world.owner, made).await.unwrap());
    }
    refused(begin(world, &world.owner, world.at("/one-more")).await, Code::TooManyUploads);
    refused(make(world, &world.owner, Made::Part(None, None)).await, Code::TooManyUploads);
    assert_eq!(list_by(500, world, &world.owner).await.len(), OPEN_UPLOADS as usize);
    // Others have their own.
    let other = world.user(Role::Editor, None).await;
    begin(world, &other, world.at("/other")).await.unwrap();
    // One that ends in any way makes room for one.
    send(world, begun[0], b"0123456789").await;
    begin(world, &world.owner, world.at("/a")).await.unwrap();
    refused(begin(world, &world.owner, world.at("/b")).await, Code::TooManyUploads);
    world.engine.remove_upload(&world.owner, begun[2]).await.unwrap();
    begin(world, &world.owner, world.at("/b")).await.unwrap();
    refused(begin(world, &world.owner, world.at("/c")).await, Code::TooManyUploads);
    world.clock.advance(Duration::from_hours(25));
    begin(world, &world.owner, world.at("/c")).await.unwrap();
}
