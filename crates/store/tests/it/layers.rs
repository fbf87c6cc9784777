//! What stands in front of a store: attempts, limits, time-outs, and who is told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use longshore_store::testing::chaos::{Chaos, ChaosHandle};
use longshore_store::{
    ByteRange, CacheOptions, ErrorKind, LocalOptions, Op, RateOptions, ReadOptions, RetryPolicy, Store,
    Timeouts, WriteOptions,
};
use tempfile::TempDir;

crate::trials! {
    "layers":
    what_fails_for_now_is_tried_again,
    what_fails_for_good_is_not,
    what_may_have_been_done_is_told_as_the_first_error,
    a_stream_that_breaks_goes_on_where_it_was,
    a_stream_does_not_go_on_with_other_content,
    no_more_are_under_way_than_allowed,
    what_takes_too_long_is_given_up,
    everything_is_told_to_who_asked,
    layers_change_nothing_else,
}

fn quick(max_attempts: u32) -> RetryPolicy {
    RetryPolicy { base: Duration::from_millis(1), max_attempts, ..RetryPolicy::default() }
}

fn failing() -> (Store, ChaosHandle) {
    let (store, chaos) = Chaos::wrap(Store::memory());
    (store.with_retry(quick(3)), chaos)
}

async fn what_fails_for_now_is_tried_again() {
    let (store, chaos) = failing();
    for op in [Op::OpenWrite, Op::OpenWrite, Op::Read, Op::Stat, Op::Copy, Op::Move, Op::Delete, Op::Ping] {
        chaos.fail_next(op, ErrorKind::Unavailable);
    }
    store.write("file", "x", WriteOptions::default()).await.unwrap();
    assert_eq!(&store.read_bytes("file").await.unwrap()[..], b"x");
    assert!(store.exists("file").await.unwrap());
    store.copy_file("file", "copy", false).await.unwrap();
    store.move_file("copy", "moved", false).await.unwrap();
    store.delete("moved", false).await.unwrap();
    store.ping().await.unwrap();
    assert_eq!(chaos.struck().len(), 8, "each fault has struck");
}

async fn what_fails_for_good_is_not() {
    let (store, chaos) = failing();
    store.write("file", "x", WriteOptions::default()).await.unwrap();
    chaos.fail_next(Op::Stat, ErrorKind::PermissionDenied);
    assert_eq!(store.file_info("file").await.unwrap_err().kind(), ErrorKind::PermissionDenied);
    for _ in 0..3 {
        chaos.fail_next(Op::Stat, ErrorKind::Unavailable);
    }
    assert_eq!(store.file_info("file").await.unwrap_err().kind(), ErrorKind::Unavailable, "three are all");
    store.file_info("file").await.unwrap();
    // Content that was sent is not sent again: its stream is used up.
    chaos.fail_next(Op::Finish, ErrorKind::Unavailable);
    let written = store.write("file", "y", WriteOptions::OVERWRITE).await;
    assert_eq!(written.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(&store.read_bytes("file").await.unwrap()[..], b"x");
}

async fn what_may_have_been_done_is_told_as_the_first_error() {
    let (store, chaos) = failing();
    store.write("file", "x", WriteOptions::default()).await.unwrap();
    for op in [Op::Copy, Op::Move, Op::Delete] {
        chaos.lose_answer_next(op, ErrorKind::Unavailable);
    }
    let copied = store.copy_file("file", "copy", false).await;
    assert_eq!(copied.unwrap_err().kind(), ErrorKind::Unavailable, "the copy is there, nobody knows whose");
    let moved = store.move_file("copy", "moved", false).await;
    assert_eq!(moved.unwrap_err().kind(), ErrorKind::Unavailable);
    // What was to be gone is gone.
    assert_eq!(store.delete("moved", false).await.unwrap_err().kind(), ErrorKind::NotFound);
    store.write("moved", "x", WriteOptions::default()).await.unwrap();
    chaos.lose_answer_next(Op::Delete, ErrorKind::Unavailable);
    store.delete("moved", true).await.unwrap();
    // Without an attempt before it the same answer is just what it is.
    assert_eq!(store.delete("moved", false).await.unwrap_err().kind(), ErrorKind::NotFound);
}

async fn a_stream_that_breaks_goes_on_where_it_was() {
    let folder = TempDir::new().unwrap();
    let options = LocalOptions { read_chunk: 4_096, ..LocalOptions::default() };
    let (store, chaos) = Chaos::wrap(Store::local(folder.path(), options).unwrap());
    let store = store.with_retry(quick(3));
    let content: Vec<u8> = (0..100_000_u32).map(|place| (place % 251) as u8).collect();
    store.write("file", content.clone(), WriteOptions::default()).await.unwrap();
    for skip in [0, 3, 3, 9, 20] {
        chaos.fail_after(Op::ReadChunk, skip, ErrorKind::Unavailable);
        chaos.tear_next(Op::ReadChunk, ErrorKind::Unavailable);
        chaos.fail_after(Op::Read, 1, ErrorKind::Unavailable);
    }
    let read = store.read_bytes("file").await.unwrap();
    assert!(read == content);
    let part = ReadOptions::range(ByteRange::Between(1_000, 90_001));
    let part = store.read("file", part).await.unwrap().bytes().await.unwrap();
    assert!(part == content[1_000..90_001]);
    assert!(chaos.struck().len() >= 10, "{:?}", chaos.struck());
}

async fn a_stream_does_not_go_on_with_other_content() {
    let folder = TempDir::new().unwrap();
    let options = LocalOptions { read_chunk: 4_096, ..LocalOptions::default() };
    let (inner, chaos) = Chaos::wrap(Store::local(folder.path(), options).unwrap());
    let store = inner.with_retry(quick(3));
    store.write("file", vec![1; 20_000], WriteOptions::default()).await.unwrap();
    let mut read = store.read("file", ReadOptions::default()).await.unwrap();
    read.next_chunk().await.unwrap();
    store.write("file", vec![2; 20_000], WriteOptions::OVERWRITE).await.unwrap();
    chaos.fail_next(Op::ReadChunk, ErrorKind::Unavailable);
    let error = loop {
        match read.next_chunk().await {
            Ok(Some(chunk)) => assert!(chunk.iter().all(|byte| *byte == 1)),
            Ok(None) => panic!("it came to an end"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::PreconditionFailed);
}

async fn no_more_are_under_way_than_allowed() {
    let (inner, chaos) = Chaos::wrap(Store::memory());
    let store = inner.with_limit(3);
    store.write("file", "x", WriteOptions::default()).await.unwrap();
    for _ in 0..3 {
        chaos.delay_next(Op::Stat, Duration::from_mins(10));
    }
    let mut stuck: Vec<_> = (0..3).map(|_| Box::pin(store.exists("file"))).collect();
    for look in &mut stuck {
        assert!(look.now_or_never().is_none());
    }
    // A fourth would be answered at once, but does not begin: a verb of any kind waits.
    let read = store.read_bytes("file");
    assert!(tokio::time::timeout(Duration::from_millis(50), read).await.is_err());
    drop(stuck.remove(1));
    assert_eq!(&store.read_bytes("file").await.unwrap()[..], b"x");
}

async fn what_takes_too_long_is_given_up() {
    let (inner, chaos) = Chaos::wrap(Store::memory());
    let most = Duration::from_millis(20);
    let short = Timeouts { operation: most, chunk: most, write: Some(most) };
    let store = inner.with_timeouts(short);
    for op in [Op::OpenWrite, Op::Write, Op::Finish] {
        chaos.delay_next(op, Duration::from_mins(10));
        let written = store.write("file", "x", WriteOptions::default()).await;
        assert_eq!(written.unwrap_err().kind(), ErrorKind::Unavailable, "{op:?}");
    }
    assert!(!store.exists("file").await.unwrap());
    store.write("file", "x", WriteOptions::default()).await.unwrap();
    chaos.delay_next(Op::ReadChunk, Duration::from_mins(10));
    let error = store.read_bytes("file").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.path(), error.backend()),
        (ErrorKind::Unavailable, Some("file"), Some("memory"))
    );
}

async fn everything_is_told_to_who_asked() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let store = Store::memory().observed(move |step| {
        tell.lock().unwrap().push((step.op, step.path.to_string(), step.bytes, step.failed));
    });
    store.write("a/file", "four", WriteOptions::default()).await.unwrap();
    store.child("a").unwrap().read_bytes("file").await.unwrap();
    store.delete("missing", true).await.unwrap();
    let path = "a/file".to_owned();
    let wanted = [
        (Op::OpenWrite, path.clone(), 0, None),
        (Op::Write, path.clone(), 4, None),
        (Op::Finish, path.clone(), 0, None),
        (Op::Read, path.clone(), 0, None),
        (Op::ReadChunk, path.clone(), 0, None),
        (Op::ReadChunk, path, 0, None),
        (Op::Delete, "missing".to_owned(), 0, Some(ErrorKind::NotFound)),
    ];
    assert_eq!(*told.lock().unwrap(), wanted);
}

async fn layers_change_nothing_else() {
    let (inner, _) = Chaos::wrap(Store::memory());
    let store = inner.with_limit(0).with_timeouts(Timeouts::default()).with_retry(quick(1)).observed(drop);
    let store = store.with_rate(RateOptions::default()).with_cache(CacheOptions::default());
    assert_eq!(store.name(), "memory");
    assert_eq!(store.capabilities(), Store::memory().capabilities());
    assert!(format!("{store:?}").contains("Memory"));
}
