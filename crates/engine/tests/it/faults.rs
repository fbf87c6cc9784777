//! Faults from below: what the store or the database cannot do is said, and nothing is half-done.

use std::process::Command;
use std::sync::Arc;

use futures_util::TryStreamExt;
use longshore_core::wire::UploadState;
use longshore_core::{Code, SystemClock};
use longshore_engine::{
    AppendOptions, Database, Engine, Made, NewUpload, Premises, Settings, Target, UploadOptions,
};
use longshore_store::testing::chaos::{Chaos, Op};
use longshore_store::{ErrorKind, LocalOptions, Store};

use crate::world::{World, collect, noise, refused};
use crate::{block_on, postgres};

#[test]
fn a_store_that_fails_commits_nothing() {
    block_on(async {
        let (store, chaos) = Chaos::wrap(Store::memory());
        let world = World::on_sqlite_with(store).await;
        let content = noise(3_000_000, 1);
        let faults =
            [(ErrorKind::StorageFull, Code::StorageFull), (ErrorKind::Unavailable, Code::StorageUnavailable)];
        for (kind, code) in faults {
            for op in [Op::OpenWrite, Op::Write, Op::Finish] {
                chaos.fail_next(op, kind);
                refused(world.put_with("/deep/file", &content, UploadOptions::default()).await, code);
                assert!(world.paths().await.is_empty(), "{op:?} {kind:?}");
                assert_eq!(world.blobs().await, 0, "{op:?} {kind:?}");
            }
            chaos.fail_after(Op::Write, 100, kind);
            refused(world.put_with("/deep/file", &content, UploadOptions::default()).await, code);
            assert_eq!(world.blobs().await, 0);
        }
        assert_eq!(world.event_types().await, ["workspace.created"]);
        let node = world.put("/deep/file", &content).await;
        assert!(world.read(node.id).await.unwrap() == content, "after the faults all is well");
        chaos.fail_next(Op::Read, ErrorKind::Unavailable);
        refused(world.read(node.id).await, Code::StorageUnavailable);
        chaos.fail_next(Op::Ping, ErrorKind::Unavailable);
        refused(world.engine.ping_store().await, Code::StorageUnavailable);
    });
}

#[test]
fn a_store_that_fails_under_an_upload_loses_no_more_than_a_piece() {
    block_on(async {
        let (store, chaos) = Chaos::wrap(Store::memory());
        let world = World::on_sqlite_with(store).await;
        let (engine, owner) = (&world.engine, &world.owner);
        let content = noise(900_000, 1);
        let made = Made::File(world.at("/file"), Box::default());
        let new = NewUpload { id: engine.upload_id(), made, length: Some(900_000), metadata: String::new() };
        let id = engine.create_upload(owner, new).await.unwrap().id;
        let send = async |offset: usize, end: usize| {
            let options = AppendOptions { offset: offset as u64, ..AppendOptions::default() };
            let mut appending = engine.append_upload(owner, id, options).await?;
            appending.write(content[offset..end].to_vec().into()).await?;
            appending.finish().await
        };
        assert_eq!(send(0, 300_000).await.unwrap().offset, 300_000);
        for op in [Op::OpenWrite, Op::Write, Op::Finish] {
            chaos.fail_next(op, ErrorKind::Unavailable);
            refused(send(300_000, 600_000).await, Code::StorageUnavailable);
            let found = engine.resume_upload(owner, id, Premises::default()).await.unwrap();
            assert_eq!((found.offset, world.blobs().await), (300_000, 1), "{op:?}");
        }
        assert_eq!(send(300_000, 600_000).await.unwrap().offset, 600_000);
        // All is there, and cannot be read to be verified: it stays, and the next try is the last.
        chaos.fail_next(Op::Read, ErrorKind::Unavailable);
        refused(send(600_000, 900_000).await, Code::StorageUnavailable);
        let found = engine.staged_upload(owner, id).await.unwrap();
        assert_eq!((found.state, found.offset), (UploadState::Refused, 900_000));
        let done = engine.resume_upload(owner, id, Premises::default()).await.unwrap();
        assert!(world.read(done.written.unwrap().node.id).await.unwrap() == content);
    });
}

#[test]
fn a_list_of_chunks_that_was_made_whole_is_not_made_again() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        // It gives content bit by bit.
        let local = Store::local(folder.path().join("blobs"), LocalOptions::default()).unwrap();
        let (store, chaos) = Chaos::wrap(local);
        let world = World::on_sqlite_with(store).await;
        let node = world.put("/file", &noise(9_000_000, 1)).await;
        let content = world.engine.open_content(&world.owner, node.id, None).await.unwrap();
        // Of who went away in the middle nothing is kept.
        let mut begun = world.engine.list_chunks(&content).await.unwrap();
        for _ in 0..2 {
            begun.try_next().await.unwrap().unwrap();
        }
        drop(begun);
        chaos.fail_next(Op::Read, ErrorKind::Unavailable);
        refused(world.engine.list_chunks(&content).await.map(drop), Code::StorageUnavailable);
        let first = collect(world.engine.list_chunks(&content).await.unwrap()).await.unwrap();
        assert!(first.len() > 9_000_000 / 65_536 * 20);
        chaos.fail_next(Op::Read, ErrorKind::Unavailable);
        let again = collect(world.engine.list_chunks(&content).await.unwrap()).await.unwrap();
        assert!(again == first);
        refused(world.read(node.id).await, Code::StorageUnavailable);
        // Another version is another content.
        world.put("/file", &noise(9_000_000, 2)).await;
        let content = world.engine.open_content(&world.owner, node.id, None).await.unwrap();
        let other = collect(world.engine.list_chunks(&content).await.unwrap()).await.unwrap();
        assert!(other != first);
    });
}

#[test]
fn a_refused_commit_takes_its_blob_along() {
    block_on(async {
        let world = World::on_sqlite().await;
        world.put("/file", &noise(50_000, 1)).await;
        let through_a_file = world.put_with("/file/x", &noise(50_000, 2), UploadOptions::default()).await;
        refused(through_a_file, Code::NotAFolder);
        assert_eq!(world.blobs().await, 1);
    });
}

/// A file system of two megabytes, gone with the value; nothing where mounting is not allowed.
struct TinyDisk(tempfile::TempDir);

impl TinyDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
            .arg(folder.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            println!("skipped: a tmpfs cannot be mounted here; the injected faults above still ran");
        }
        mounted.then_some(Self(folder))
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(self.0.path()).status());
    }
}

#[test]
fn a_full_disk_under_the_blobs_is_said_and_leaves_nothing() {
    let Some(disk) = TinyDisk::mount() else { return };
    block_on(async {
        let store = Store::local(disk.0.path().join("blobs"), LocalOptions::default()).unwrap();
        let world = World::on_sqlite_with(store).await;
        let kept = world.put("/kept", &noise(300_000, 1)).await;
        for size in [2_000_000, 8_000_000] {
            let full = world.put_with("/big", &noise(size, 2), UploadOptions::default()).await;
            refused(full, Code::StorageFull);
        }
        assert_eq!(world.paths().await, ["/kept"]);
        assert_eq!(world.blobs().await, 1);
        let files = Command::new("find").arg(disk.0.path()).args(["-type", "f"]).output().unwrap().stdout;
        assert_eq!(String::from_utf8_lossy(&files).lines().count(), 2, "the blob, the owner, nothing else");
        assert_eq!(world.read(kept.id).await.unwrap(), noise(300_000, 1));
        world.put("/small", &noise(100_000, 3)).await;
    });
}

#[test]
fn a_full_disk_under_a_staged_upload_keeps_what_was_counted() {
    let Some(disk) = TinyDisk::mount() else { return };
    block_on(async {
        let store = Store::local(disk.0.path().join("blobs"), LocalOptions::default()).unwrap();
        let world = World::on_sqlite_with(store).await;
        let (engine, owner, content) = (&world.engine, &world.owner, noise(1_500_000, 1));
        let made = Made::File(world.at("/file"), Box::default());
        let new =
            NewUpload { id: engine.upload_id(), made, length: Some(1_500_000), metadata: String::new() };
        let id = engine.create_upload(owner, new).await.unwrap().id;
        let send = async |offset: usize, end: usize| {
            let options = AppendOptions { offset: offset as u64, ..AppendOptions::default() };
            let mut appending = engine.append_upload(owner, id, options).await?;
            for bytes in content[offset..end].chunks(50_000) {
                appending.write(bytes.to_vec().into()).await?;
            }
            appending.finish().await
        };
        assert_eq!(send(0, 500_000).await.unwrap().offset, 500_000);
        let filler = disk.0.path().join("filler");
        std::fs::write(&filler, vec![1; 1_000_000]).unwrap();
        for end in [1_400_000, 1_500_000] {
            refused(send(500_000, end).await, Code::StorageFull);
            let found = engine.resume_upload(owner, id, Premises::default()).await.unwrap();
            assert_eq!((found.state, found.offset), (UploadState::Receiving, 500_000));
            assert_eq!(world.blobs().await, 1, "what had come of the rest takes no room");
            assert!(world.paths().await.is_empty());
        }
        std::fs::remove_file(&filler).unwrap();
        let done = send(500_000, 1_500_000).await.unwrap();
        assert!(world.read(done.written.unwrap().node.id).await.unwrap() == content);
    });
}

#[test]
fn a_full_disk_under_the_database_is_said_and_loses_nothing() {
    let Some(disk) = TinyDisk::mount() else { return };
    block_on(async {
        let database = Database::Sqlite(disk.0.path().join("longshore.db"));
        let open = || Engine::open(Settings::default(), &database, Store::memory(), Arc::new(SystemClock));
        let engine = open().await.unwrap();
        let key = engine.initialise().await.unwrap().unwrap().secret;
        let owner = engine.authenticate(&key).await.unwrap();
        let root = engine.current_workspace(&owner).await.unwrap().root_id;
        let mut kept = Vec::new();
        let code = loop {
            let name = format!("{}", kept.len()).parse().unwrap();
            let target = Target::Child { parent: root, name };
            let mut upload = engine.begin_upload(&owner, target, UploadOptions::default()).await.unwrap();
            upload.write(noise(16_000, kept.len() as u64).into()).await.unwrap();
            match upload.finish().await {
                Ok(written) => kept.push(written.node.id),
                Err(error) => break error.code(),
            }
            assert!(kept.len() < 1_000, "two megabytes hold no thousand files");
        };
        assert!(matches!(code, Code::StorageFull | Code::StorageUnavailable), "{code}");
        assert!(kept.len() > 10);
        engine.close().await;

        let engine = open().await.unwrap();
        for (number, id) in kept.iter().enumerate() {
            let content = engine.open_content(&owner, *id, None).await.unwrap().inline().unwrap();
            assert!(content == noise(16_000, number as u64), "file {number}");
        }
    });
}

#[test]
fn broken_postgres_connections_are_replaced() {
    let Some(server) = postgres::Server::start() else { return };
    block_on(async {
        let world = World::on_postgres(&server).await;
        world.put("/before", b"1").await;
        for round in 0..3 {
            server.break_connections();
            // A call that was caught by the break may fail, and says that it may be tried again.
            let mut attempts = 0;
            loop {
                let path = format!("/after/{round}");
                match world.put_with(&path, b"2", UploadOptions::default()).await {
                    Ok(_) => break,
                    Err(error) => {
                        // Or nobody knows, where the commit itself was caught; the next round's look decides.
                        let unknown = error.code() == Code::OutcomeUnknown;
                        assert!(unknown || error.is_retryable(), "{error}");
                    }
                }
                attempts += 1;
                assert!(attempts < 20, "the pool does not recover");
            }
        }
        assert_eq!(world.paths().await, ["/after", "/after/0", "/after/1", "/after/2", "/before"]);
        world.event_types().await;
    });
}

#[test]
fn a_store_is_never_opened_with_another_database() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::memory();
        let open = |name: &str, store: Store| {
            let database = Database::Sqlite(folder.path().join(name));
            async move { Engine::open(Settings::default(), &database, store, Arc::new(SystemClock)).await }
        };
        open("one.db", store.clone()).await.unwrap().close().await;
        let refused = open("other.db", store.clone()).await.unwrap_err();
        assert!(refused.detail().contains("belongs to the database"), "{refused}");
        open("one.db", store).await.unwrap().close().await;
        open("other.db", Store::memory()).await.unwrap().close().await;
    });
}

/// Many writers run into a full disk at once: each is told so, and whatever was acknowledged is there.
#[test]
fn a_full_disk_is_told_to_every_writer_of_a_group() {
    let Some(disk) = TinyDisk::mount() else { return };
    block_on(async {
        let database = Database::Sqlite(disk.0.path().join("longshore.db"));
        let engine = Engine::open(Settings::default(), &database, Store::memory(), Arc::new(SystemClock));
        let engine = engine.await.unwrap();
        let key = engine.initialise().await.unwrap().unwrap().secret;
        let owner = engine.authenticate(&key).await.unwrap();
        let root = engine.current_workspace(&owner).await.unwrap().root_id;
        let writes = (0..400_u64).map(|number| {
            let (engine, owner) = (engine.clone(), owner.clone());
            async move {
                let target = Target::Child { parent: root, name: number.to_string().parse().unwrap() };
                let mut upload = engine.begin_upload(&owner, target, UploadOptions::default()).await?;
                upload.write(noise(16_000, number).into()).await?;
                upload.finish().await.map(|written| (number, written.node.id))
            }
        });
        let results = futures_util::future::join_all(writes).await;
        let mut refused = 0;
        for result in results {
            match result {
                Ok((number, id)) => {
                    let content = engine.open_content(&owner, id, None).await.unwrap().inline().unwrap();
                    assert!(content == noise(16_000, number), "file {number}");
                }
                Err(error) => {
                    assert_eq!(error.code(), Code::StorageFull, "{error}");
                    refused += 1;
                }
            }
        }
        assert!(refused > 0, "two megabytes do not hold six");
    });
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("longshore.db");
        std::fs::write(&path, b"not a database, but long enough to be looked at as one").unwrap();
        let database = Database::Sqlite(path.clone());
        let opened =
            Engine::open(Settings::default(), &database, Store::memory(), Arc::new(SystemClock)).await;
        assert!(opened.is_err());
        assert!(std::fs::read(&path).unwrap().starts_with(b"not a database"), "and left as it was");
    });
}
