//! The wrapper that fails: what it is told to do is what it does, and a store stays whole under it.

use std::collections::BTreeMap;
use std::time::Duration;

use longshore_store::testing::chaos::{Chaos, Op};
use longshore_store::{ErrorKind, List, LocalOptions, ReadOptions, Store, WriteOptions};
use tempfile::TempDir;

crate::trials! {
    "chaos":
    each_step_fails_when_told,
    a_lost_answer_has_done_the_work,
    a_torn_chunk_is_half_there,
    a_seed_repeats_itself,
    no_seed_leaves_a_torn_file,
}

async fn each_step_fails_when_told() {
    let (store, chaos) = Chaos::wrap(Store::memory());
    let write = |path: &'static str| store.write(path, "x", WriteOptions::default());
    write("file").await.unwrap();
    for op in [Op::OpenWrite, Op::Write, Op::Finish] {
        chaos.fail_next(op, ErrorKind::StorageFull);
        let error = write("new").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert_eq!(error.path(), Some("new"));
        assert!(!store.exists("new").await.unwrap());
    }
    for op in [Op::Read, Op::ReadChunk] {
        chaos.fail_next(op, ErrorKind::Unavailable);
        assert!(store.read_bytes("file").await.unwrap_err().is_retryable());
    }
    chaos.fail_next(Op::Delete, ErrorKind::PermissionDenied);
    assert!(store.delete("file", true).await.is_err());
    chaos.fail_next(Op::Move, ErrorKind::Internal);
    assert!(store.move_file("file", "there", true).await.is_err());
    chaos.fail_next(Op::List, ErrorKind::Unavailable);
    let mut listing = store.list_files("", &List::ALL).unwrap();
    assert!(listing.next_entry().await.is_err());
    chaos.fail_next(Op::Ping, ErrorKind::Unavailable);
    assert!(store.ping().await.is_err());
    assert!(store.exists("file").await.unwrap());
    assert_eq!(chaos.struck().len(), 9);
}

async fn a_lost_answer_has_done_the_work() {
    let (store, chaos) = Chaos::wrap(Store::memory());
    chaos.lose_answer_next(Op::Finish, ErrorKind::Unavailable);
    let write = store.write("file", "x", WriteOptions::default());
    assert!(write.await.unwrap_err().is_retryable());
    assert!(store.exists("file").await.unwrap());
    chaos.delay_next(Op::Stat, Duration::from_millis(1));
    assert!(store.is_file("file").await.unwrap());
}

async fn a_torn_chunk_is_half_there() {
    let (store, chaos) = Chaos::wrap(Store::memory());
    let write = store.write("file", "whole!", WriteOptions::default());
    write.await.unwrap();
    chaos.tear_next(Op::ReadChunk, ErrorKind::Unavailable);
    let mut read = store.read("file", ReadOptions::default()).await.unwrap();
    assert_eq!(&read.next_chunk().await.unwrap().unwrap()[..], b"who");
    assert!(read.next_chunk().await.is_err());
    chaos.tear_next(Op::Write, ErrorKind::StorageFull);
    let write = store.write("torn", "whole!", WriteOptions::default());
    assert!(write.await.is_err());
    assert!(!store.exists("torn").await.unwrap());
}

async fn a_seed_repeats_itself() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let (store, chaos) = Chaos::wrap(Store::memory());
        chaos.fail_by_seed(42, 300);
        for number in 0..50 {
            let path = number.to_string();
            store.write(&path, "x", WriteOptions::default()).await.ok();
        }
        chaos.calm();
        runs.push(chaos.struck());
    }
    assert!(!runs[0].is_empty());
    assert_eq!(runs[0], runs[1]);
}

/// Whatever fails, a file is one of the contents somebody tried to write there; and what was acknowledged
/// last stands unless a later attempt's answer was lost.
async fn no_seed_leaves_a_torn_file() {
    for seed in 0..20 {
        let folder = TempDir::new().unwrap();
        let inner = Store::local(folder.path(), LocalOptions::default()).unwrap();
        let (store, chaos) = Chaos::wrap(inner.clone());
        chaos.fail_by_seed(seed, 100);
        let mut tried: BTreeMap<String, Vec<Option<Vec<u8>>>> = BTreeMap::new();
        for step in 0..60_u32 {
            let path = format!("f/{}", step % 5);
            let past = tried.entry(path.clone()).or_insert_with(|| vec![None]);
            let content = vec![step as u8; 1 + step as usize * 40_000];
            let (result, now) = if step % 7 == 6 {
                (store.delete(&path, true).await, None)
            } else {
                let write = store.write(&path, content.clone(), WriteOptions::OVERWRITE);
                (write.await.map(drop), Some(content))
            };
            if result.is_ok() {
                past.clear();
            }
            past.push(now);
        }
        chaos.calm();
        inner.close().await.unwrap();
        for (path, possible) in tried {
            let found = match inner.read_bytes(&path).await {
                Ok(bytes) => Some(bytes.to_vec()),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::NotFound);
                    None
                }
            };
            assert!(possible.contains(&found), "seed {seed}: {path}");
        }
        let left = folder.path().join(".longshore-tmp");
        assert_eq!(left.read_dir().unwrap().count(), 0, "seed {seed}");
    }
}
