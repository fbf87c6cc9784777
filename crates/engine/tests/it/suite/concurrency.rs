use futures_util::future::join_all;
use longshore_core::Code;
use longshore_engine::{PageRequest, Preconditions, UploadOptions};

use crate::world::{World, name};

const WRITERS: usize = 24;

pub(super) async fn every_writer_of_one_name_makes_a_version(world: &World) {
    let writes = (0..WRITERS).map(|writer| async move {
        let content = vec![writer as u8; 100 + writer * 2_000];
        world.put("/deep/er/shared", &content).await
    });
    let nodes = join_all(writes).await;
    assert!(nodes.iter().all(|node| node.id == nodes[0].id), "one file");
    let page = PageRequest::new(Some(1_000), None);
    let versions = world.engine.list_versions(&world.owner, nodes[0].id, page).await.unwrap().items;
    let numbers: Vec<_> = versions.iter().map(|version| version.number).collect();
    assert_eq!(numbers, (1..=WRITERS as u64).rev().collect::<Vec<_>>());
    // Whoever came last stands, and every version has its own writer's bytes.
    for node in &nodes {
        let version = versions.iter().find(|version| Some(version.id) == node.version_id).unwrap();
        assert_eq!(Some(version.digest), node.digest);
    }
    assert_eq!(world.event_types().await.len(), 1 + 2 + WRITERS);
}

pub(super) async fn one_creator_wins(world: &World) {
    let options = UploadOptions {
        premises: Preconditions { if_none_match: true, ..Preconditions::default() }.into(),
        ..UploadOptions::default()
    };
    let writes = (0..WRITERS).map(|writer| {
        let options = options.clone();
        async move { world.put_with("/once", &[writer as u8], options).await }
    });
    let results = join_all(writes).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    let mut losers = results.into_iter().filter_map(Result::err);
    assert!(losers.all(|error| error.code() == Code::PreconditionFailed));
    assert_eq!(world.event_types().await.len(), 2);
}

pub(super) async fn a_refused_write_hurts_no_other(world: &World) {
    world.put("/file", b"x").await;
    let writes = (0..WRITERS).map(|writer| async move {
        // Every other one runs into the file, after it has made a folder.
        let path = if writer % 2 == 0 { format!("/new/{writer}") } else { "/file/below".to_owned() };
        world.put_with(&path, b"y", UploadOptions::default()).await
    });
    let results = join_all(writes).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), WRITERS / 2);
    assert_eq!(world.paths().await.len(), 2 + WRITERS / 2);
    assert_eq!(world.event_types().await.len(), 2 + 1 + WRITERS / 2);
}

pub(super) async fn one_workspace_gets_the_name(world: &World) {
    let made = (0..WRITERS).map(|_| world.engine.create_workspace(&world.owner, name("shared"), None));
    let results = join_all(made).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    let mut losers = results.into_iter().filter_map(Result::err);
    assert!(losers.all(|error| error.code() == Code::WorkspaceExists));
}
