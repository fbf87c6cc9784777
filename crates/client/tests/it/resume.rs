//! A download that broke off and is taken up by another run.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use longshore::core::digest_tree::{CellHasher, CellSize};
use longshore::{Control, DownloadOptions, Progress, ProgressSink};

use crate::fake::{Fake, Reply, Served, node_id};
use crate::parts::{MIB, names, pattern};

/// Starts a server that has nothing to say from an offset on.
async fn until(served: Served, end: usize) -> Fake {
    Fake::start(move |_, seen| match seen.range() {
        Some(range) if range.start >= end => Reply::Hang,
        _ => served.reply(seen),
    })
    .await
}

async fn all(served: Served) -> Fake {
    Fake::start(move |_, seen| served.reply(seen)).await
}

fn fetched(fake: &Fake) -> usize {
    fake.seen().iter().filter_map(|seen| seen.range()).map(|range| range.len()).sum()
}

/// Downloads half of the content and cancels; returns how many bytes had come.
async fn half(bytes: &Bytes, path: &Path, resume: bool) {
    let control = Control::new();
    let (hand, come) = (control.clone(), AtomicU64::new(0));
    let sink = ProgressSink::new(move |progress| {
        if let Progress::Bytes { count, .. } = progress
            && come.fetch_add(count, Ordering::SeqCst) + count >= 16 * MIB as u64
        {
            hand.cancel();
        }
    });
    let fake = until(Served::new(bytes.clone()), 16 * MIB).await;
    let options = DownloadOptions {
        progress: Some(sink),
        control: Some(control),
        resume,
        ..DownloadOptions::default()
    };
    let error = fake.client().files().download_to(node_id(), path, &options).await.unwrap_err();
    assert!(error.is_cancelled(), "{error}");
}

fn left(folder: &Path, ending: &str) -> PathBuf {
    folder.join(names(folder).into_iter().find(|name| name.ends_with(ending)).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_missing_is_fetched() {
    let bytes = pattern(33 * MIB);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    half(&bytes, &path, true).await;
    assert_eq!(names(folder.path()).len(), 2);
    assert!(!path.exists());
    let told = Arc::new(AtomicU64::new(0));
    let count = told.clone();
    let sink = ProgressSink::new(move |progress| {
        if let Progress::Bytes { count: bytes, .. } | Progress::Reused { count: bytes, .. } = progress {
            count.fetch_add(bytes, Ordering::SeqCst);
        }
    });
    let fake = all(Served::new(bytes.clone())).await;
    let options = DownloadOptions { progress: Some(sink), ..DownloadOptions::default() };
    let done = fake.client().files().download_to(node_id(), &path, &options).await.unwrap();
    assert_eq!(done.reused, 16 * MIB as u64);
    assert_eq!(fetched(&fake), 17 * MIB);
    assert_eq!(told.load(Ordering::SeqCst), bytes.len() as u64);
    assert!(fs::read(&path).unwrap() == bytes);
    assert_eq!(names(folder.path()), ["f"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_where_that_is_not_wanted() {
    let folder = tempfile::tempdir().unwrap();
    half(&pattern(33 * MIB), &folder.path().join("f"), false).await;
    assert!(names(folder.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_of_another_version_by_now_is_thrown_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    half(&pattern(33 * MIB), &path, true).await;
    let bytes = pattern(33 * MIB + 9).slice(9..);
    let fake = all(Served::next(bytes.clone())).await;
    let done =
        fake.client().files().download_to(node_id(), &path, &DownloadOptions::default()).await.unwrap();
    assert_eq!(done.reused, 0);
    assert!(fs::read(&path).unwrap() == bytes);
    assert_eq!(names(folder.path()), ["f"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_went_bad_are_fetched_again() {
    let bytes = pattern(33 * MIB);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    half(&bytes, &path, true).await;
    let part = left(folder.path(), ".part");
    let mut content = fs::read(&part).unwrap();
    content[5 * MIB] ^= 1;
    fs::write(&part, content).unwrap();
    // A last line that was torn.
    let mut state = File::options().append(true).open(left(folder.path(), ".state")).unwrap();
    state.write_all(b"20 ab").unwrap();
    let fake = all(Served::new(bytes.clone())).await;
    let done =
        fake.client().files().download_to(node_id(), &path, &DownloadOptions::default()).await.unwrap();
    assert_eq!(done.reused, 15 * MIB as u64);
    assert!(fs::read(&path).unwrap() == bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_state_is_found_out_and_all_begins_anew() {
    let bytes = pattern(33 * MIB);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    half(&bytes, &path, true).await;
    // Bytes that are not the content's, and a line that says they are.
    let mut content = fs::read(left(folder.path(), ".part")).unwrap();
    content[20 * MIB..21 * MIB].fill(7);
    fs::write(left(folder.path(), ".part"), &content).unwrap();
    let mut hasher = CellHasher::new(CellSize::mebibytes(1), 20);
    hasher.update(&content[20 * MIB..21 * MIB]);
    let mut state = File::options().append(true).open(left(folder.path(), ".state")).unwrap();
    writeln!(state, "20 {}", hasher.chaining().unwrap()).unwrap();
    let fake = all(Served::new(bytes.clone())).await;
    let done =
        fake.client().files().download_to(node_id(), &path, &DownloadOptions::default()).await.unwrap();
    assert_eq!(done.reused, 0);
    assert!(fs::read(&path).unwrap() == bytes);
    assert_eq!(names(folder.path()), ["f"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_download_to_one_place_do_not_mix() {
    let bytes = pattern(33 * MIB);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    half(&bytes, &path, true).await;
    let other = left(folder.path(), ".part");
    let held = File::open(&other).unwrap();
    held.lock().unwrap();
    let before = fs::read(&other).unwrap();
    let fake = all(Served::new(bytes.clone())).await;
    let done =
        fake.client().files().download_to(node_id(), &path, &DownloadOptions::default()).await.unwrap();
    assert_eq!(done.reused, 0, "what another has in hand is not taken");
    assert!(fs::read(&path).unwrap() == bytes);
    assert!(fs::read(&other).unwrap() == before);
    drop(held);
    let client = fake.client().files();
    let options = DownloadOptions::default();
    let (one, two) = tokio::join!(
        client.download_to(node_id(), &path, &options),
        client.download_to(node_id(), &path, &options),
    );
    assert_eq!(one.unwrap().digest, two.unwrap().digest);
    assert!(fs::read(&path).unwrap() == bytes);
    assert_eq!(names(folder.path()), ["f"]);
}
