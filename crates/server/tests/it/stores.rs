//! A server over a store that a URL names, and over one that is down.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use bytes::Bytes;
use longshore_engine::{Target, UploadOptions};
use longshore_server::Server;
use longshore_server::config::Secret;
use longshore_store::testing::chaos::{Chaos, Op};
use longshore_store::{ErrorKind, LocalOptions, Store, WriteOptions};

use crate::wire::{MARK, config};
use crate::world::World;

/// Opens a server over a URL, gives it a large file, and closes it.
async fn serve_from(folder: &std::path::Path, url: &str) -> String {
    let mut config = config(folder);
    config.store.url = Some(Secret(url.to_owned()));
    let (server, key) = Server::open(config).await.unwrap();
    let engine = server.engine();
    let owner = engine.authenticate(key.unwrap().reveal()).await.unwrap();
    let parent = engine.current_workspace(&owner).await.unwrap().root_id;
    let target = Target::Child { parent, name: "file".parse().unwrap() };
    let mut upload = engine.begin_upload(&owner, target, UploadOptions::default()).await.unwrap();
    upload.write(Bytes::from(vec![7; 200_000])).await.unwrap();
    assert_eq!(upload.finish().await.unwrap().node.size, 200_000);
    assert_eq!(engine.sweep().await.unwrap().seen, 1);
    let name = engine.status().store;
    server.close().await;
    name
}

#[tokio::test]
async fn a_url_names_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = folder.path().join("disk/blobs");
    let url = format!("file://{}?durability=none", blobs.display());
    assert_eq!(serve_from(folder.path(), &url).await, "local");
    assert_eq!(std::fs::metadata(&blobs).unwrap().permissions().mode() & 0o777, 0o700);
    let found = Store::local(&blobs, LocalOptions::default()).unwrap();
    assert_eq!(found.folder_info("", None).await.unwrap().files, 2, "the blob and the mark");
    assert!(found.is_file(MARK).await.unwrap());
    // The folder that is used where nothing is named was not even made.
    assert!(!folder.path().join("data/store").exists());
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(serve_from(folder.path(), "memory:some/folder").await, "memory");
}

#[tokio::test]
async fn a_store_belongs_to_one_database_whatever_names_it() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let url = format!("file://{}/blobs", folder.path().display());
    serve_from(folder.path(), &url).await;
    let mut config = config(other.path());
    config.store.url = Some(Secret(url));
    let refused = Server::open(config).await.err().unwrap().to_string();
    assert!(refused.contains("the store belongs to the database"), "{refused}");
}

#[tokio::test]
async fn what_cannot_be_opened_is_told_without_its_secrets() {
    let folder = tempfile::tempdir().unwrap();
    for (url, word) in [
        ("nothing://me:hunter2@host/x?api_token=hunter2", "there is no store nothing:"),
        ("file://me:hunter2@localhost/nowhere", "has no user"),
        ("file:///proc/nowhere?note_token=hunter2", "note_token"),
        ("file:///proc/nowhere", "/proc/nowhere"),
        ("memory:?timeout=${NOT_SET_ANYWHERE}", "NOT_SET_ANYWHERE"),
    ] {
        let mut config = config(folder.path());
        config.store.url = Some(Secret(url.to_owned()));
        let refused = Server::open(config).await.err().unwrap().to_string();
        assert!(refused.contains(word) && !refused.contains("hunter2"), "{url}: {refused}");
    }
}

#[tokio::test]
async fn a_store_that_is_down_costs_an_answer_and_comes_back() {
    let (store, chaos) = Chaos::wrap(Store::memory());
    let world = World::over(store).await;
    let put = format!("PUT {}", world.at("a.bin"));
    for (op, kind) in [
        (Op::OpenWrite, ErrorKind::Unavailable),
        (Op::Write, ErrorKind::Unavailable),
        (Op::Finish, ErrorKind::Unavailable),
        // Credentials that are no longer good are the operator's to mend: to a client the storage is down.
        (Op::OpenWrite, ErrorKind::PermissionDenied),
    ] {
        chaos.fail_next(op, kind);
        let answer = world.edit(&put, vec![1; 200_000]).await;
        assert_eq!(answer.outcome(), "503 storage_unavailable", "{op:?}");
        assert_eq!(answer.header("retry-after"), "1");
        assert!(world.paths().await.is_empty());
    }
    assert_eq!(world.edit(&put, vec![1; 200_000]).await.status, 201);
    // A store that says nothing at all is down too, and is named.
    chaos.delay_next(Op::Ping, Duration::from_hours(1));
    let answer = world.get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["failed"], "store");
    assert_eq!(world.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn a_store_that_is_another_ones_by_now_is_not_swept() {
    let store = Store::memory();
    let world = World::over(store.clone()).await;
    let mine = store.read_bytes(MARK).await.unwrap();
    // Its folder was exchanged, or two databases took it at once where files cannot be created only where none is.
    store.write(MARK, "another", WriteOptions::OVERWRITE).await.unwrap();
    let refused = world.engine.sweep().await.unwrap_err().to_string();
    assert!(refused.contains("another"), "{refused}");
    store.delete(MARK, false).await.unwrap();
    world.engine.sweep().await.unwrap_err();
    store.write(MARK, mine, WriteOptions::default()).await.unwrap();
    world.engine.sweep().await.unwrap();
}
