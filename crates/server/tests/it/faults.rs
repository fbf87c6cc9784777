//! Storage that fails: a clear answer, and nothing half done.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::Request;
use futures_util::TryStreamExt;
use http_body_util::BodyExt;
use longshore_store::testing::chaos::{Chaos, Op};
use longshore_store::testing::disk::{DiskOp, faulty_local};
use longshore_store::{ErrorKind, LocalOptions, Store};
use tower::ServiceExt;

use crate::wire::MARK;
use crate::world::{User, World};

#[tokio::test]
async fn a_full_disk_is_told_and_leaves_nothing() {
    let (store, chaos) = Chaos::wrap(Store::memory());
    let world = World::over(store.clone()).await;
    let put = format!("PUT {}", world.at("a.bin"));
    for op in [Op::OpenWrite, Op::Write, Op::Finish] {
        chaos.fail_next(op, ErrorKind::StorageFull);
        let answer = world.edit(&put, vec![1; 200_000]).await;
        assert_eq!(answer.outcome(), "507 storage_full", "{op:?}");
        assert_eq!(answer.json()["detail"], "the storage is full; nothing was stored");
        let left: Vec<_> =
            store.list_files("", &longshore_store::List::ALL).unwrap().try_collect().await.unwrap();
        // What ties the store to its database is no blob.
        assert!(left.iter().all(|file| file.path.as_str() == MARK), "{op:?}: {left:?}");
    }
    assert!(world.paths().await.is_empty());
    assert_eq!(world.edit(&put, vec![1; 200_000]).await.status, 201);
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_told_without_its_words() {
    let (store, chaos) = Chaos::wrap(Store::memory());
    let world = World::over(store).await;
    let node = world.put("a.bin", vec![1; 200_000]).await;
    let url = format!("/v1/files/{}/content", node.id);
    chaos.fail_next(Op::Read, ErrorKind::Unavailable);
    let answer = world.get(&url).await;
    assert_eq!(answer.outcome(), "503 storage_unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    chaos.fail_next(Op::Read, ErrorKind::NotFound);
    let answer = world.get(&url).await;
    assert_eq!(answer.outcome(), "500 internal");
    assert_eq!(answer.json()["detail"], "internal error; the log has it under this request id");
    chaos.fail_next(Op::Ping, ErrorKind::Unavailable);
    let answer = world.get("/readyz").await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body[..]),
        (503, &br#"{"ready":false,"failed":"store"}"#[..])
    );
    assert_eq!(world.get("/readyz").await.status, 200);
}

/// Returns the files below a folder that come from writes.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found.retain(|path| !path.ends_with(MARK));
    found
}

#[tokio::test]
async fn a_disk_that_fails_at_any_step_leaves_no_half_file() {
    const ENOSPC: i32 = 28;
    const EIO: i32 = 5;
    let folder = tempfile::tempdir().unwrap();
    let (store, faults) = faulty_local(folder.path(), LocalOptions::default()).unwrap();
    let world = World::over(store).await;
    let put = format!("PUT {}", world.at("a.bin"));
    for (op, errno, outcome) in [
        (DiskOp::Create, ENOSPC, "507 storage_full"),
        (DiskOp::Write, ENOSPC, "507 storage_full"),
        (DiskOp::SyncFile, ENOSPC, "507 storage_full"),
        (DiskOp::SyncFile, EIO, "503 storage_unavailable"),
        (DiskOp::Rename, EIO, "503 storage_unavailable"),
        (DiskOp::SyncFolder, EIO, "503 storage_unavailable"),
    ] {
        faults.fail_next(op, errno);
        let answer = world.edit(&put, vec![1; 200_000]).await;
        assert_eq!(answer.outcome(), outcome, "{op:?}");
        assert!(faults.is_spent(), "{op:?}");
        assert!(world.paths().await.is_empty(), "{op:?}");
        assert!(files_below(folder.path()).is_empty(), "{op:?}: {:?}", files_below(folder.path()));
    }
    assert_eq!(world.edit(&put, vec![1; 200_000]).await.status, 201);
}

#[tokio::test]
async fn a_download_that_fails_midway_is_no_whole_one() {
    let (store, chaos) = Chaos::wrap(Store::memory());
    let world = World::over(store).await;
    let node = world.put("a.bin", vec![1; 200_000]).await;
    chaos.tear_next(Op::ReadChunk, ErrorKind::Unavailable);
    let request = Request::get(format!("/v1/files/{}/content", node.id))
        .header("host", "x")
        .header("authorization", format!("Bearer {}", world.key(User::Viewer).unwrap()))
        .body(Body::empty())
        .unwrap();
    let response = world.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-length"], "200000");
    // On a socket this breaks the connection before the announced length.
    assert!(response.into_body().collect().await.is_err());
}

/// A log that is kept in memory.
#[derive(Clone, Default)]
pub(crate) struct Kept(pub(crate) Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_fault_is_logged_to_its_deepest_cause() {
    const EIO: i32 = 5;
    let folder = tempfile::tempdir().unwrap();
    let (store, faults) = faulty_local(folder.path(), LocalOptions::default()).unwrap();
    let world = World::over(store).await;
    let log = Kept::default();
    let writer = log.clone();
    let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(lines);
    faults.fail_next(DiskOp::SyncFile, EIO);
    let headers = [("x-request-id", "mine-7")];
    let put = format!("PUT {}", world.at("a.bin"));
    let answer = world.call(User::Editor, &put, &headers, vec![1; 200_000]).await;
    assert_eq!(answer.outcome(), "503 storage_unavailable");
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let line = log.lines().find(|line| line.contains("could not be served")).unwrap();
    for word in ["mine-7", "storage_unavailable", "making the content durable", "Input/output error"] {
        assert!(line.contains(word), "{word}: {line}");
    }
}
