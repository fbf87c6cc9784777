//! What who makes a share link and who visits it do, for the cases about that.

use bytes::Bytes;
use longshore_core::wire::{CreateShare, Dropped, HiddenText, NewShare, OpenShare, OpenedShare, ShareMode};
use longshore_core::{Code, NodeId};
use longshore_engine::{Actor, Depth, DropOptions, PageRequest, Premises, Result, Visit};

use crate::world::{World, collect, name, path};

pub(super) fn to_read() -> CreateShare {
    CreateShare::default()
}

pub(super) fn to_drop() -> CreateShare {
    CreateShare { mode: ShareMode::Drop, ..CreateShare::default() }
}

pub(super) async fn share(world: &World, by: &Actor, node: NodeId, wanted: CreateShare) -> Result<NewShare> {
    world.engine.create_share(by, node, wanted, Premises::default()).await
}

pub(super) async fn opened(world: &World, made: &NewShare) -> Result<OpenedShare> {
    world.engine.open_share(&made.token, OpenShare::default(), None).await
}

pub(super) fn visit(token: &HiddenText, opened: &OpenedShare) -> Visit {
    Visit::new(token, Some(opened.grant.reveal())).unwrap()
}

/// Makes a link and opens it.
pub(super) async fn visited(
    world: &World,
    by: &Actor,
    node: NodeId,
    wanted: CreateShare,
) -> (NewShare, Visit) {
    let made = share(world, by, node, wanted).await.unwrap();
    let opened = opened(world, &made).await.unwrap();
    let visit = visit(&made.token, &opened);
    (made, visit)
}

pub(super) async fn paths(world: &World, visit: &Visit, at: &str) -> Result<Vec<String>> {
    let page = PageRequest::new(Some(1_000), None);
    let page = world.engine.visit_tree(visit, path(at), Depth::All, page).await?;
    Ok(page.items.iter().map(|node| node.path.to_string()).collect())
}

pub(super) async fn get(world: &World, visit: &Visit, at: &str) -> Result<Vec<u8>> {
    let content = world.engine.visit_content(visit, path(at), true).await?;
    let size = content.version().size;
    collect(content.read(0..size).await?).await
}

pub(super) async fn zip(world: &World, visit: &Visit, at: &str) -> Result<Vec<u8>> {
    collect(world.engine.visit_archive(visit, path(at), true).await?.into_bytes()).await
}

pub(super) async fn drop_in(world: &World, visit: &Visit, called: &str, content: &[u8]) -> Result<Dropped> {
    let mut dropping = world.engine.begin_drop(visit, name(called), DropOptions::default()).await?;
    dropping.write(Bytes::copy_from_slice(content)).await?;
    dropping.finish().await
}

/// Refuses a link and a visit of it on every way, all with the same words.
pub(super) async fn leads_nowhere(world: &World, made: &NewShare, visit: &Visit) {
    let engine = &world.engine;
    let mut said = vec![
        engine.look_at_share(&made.token).await.map(drop),
        opened(world, made).await.map(drop),
        paths(world, visit, "/").await.map(drop),
        get(world, visit, "/").await.map(drop),
        engine.visit_content(visit, path("/"), false).await.map(drop),
        zip(world, visit, "/").await.map(drop),
        drop_in(world, visit, "new", b"new").await.map(drop),
    ];
    // Whether a grant is shown changes nothing.
    let bare = Visit::new(&made.token, None).unwrap();
    said.push(get(world, &bare, "/").await.map(drop));
    let nobody = engine.look_at_share(&HiddenText::new("lsh_nothing")).await.unwrap_err();
    for one in said {
        let error = one.unwrap_err();
        assert_eq!((error.code(), error.detail()), (Code::ShareNotFound, nobody.detail()));
        assert!(error.facts().is_none());
    }
}
