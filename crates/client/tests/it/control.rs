//! Transfers that are held and cancelled.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use longshore::{Control, ManyOptions, Progress, ProgressSink, Target};

use crate::fake::{Fake, Reply, Served, node_id, stored};
use crate::parts::{MIB, names, pattern};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_starts_nothing_and_all_comes_afterwards() {
    let served = Served::new(pattern(33 * MIB));
    let bytes = served.bytes.clone();
    let fake = Fake::start(move |_, seen| served.reply(seen)).await;
    let folder = tempfile::tempdir().unwrap();
    let control = Control::new();
    let moved = Arc::new(AtomicUsize::new(0));
    let (hand, count) = (control.clone(), moved.clone());
    let sink = ProgressSink::new(move |progress| {
        if let Progress::Bytes { .. } = progress
            && count.fetch_add(1, Ordering::SeqCst) == 0
        {
            hand.pause();
        }
    });
    let options =
        ManyOptions { control: Some(control.clone()), progress: Some(sink), ..ManyOptions::default() };
    let items: Vec<_> = (0..3).map(|place| (node_id(), folder.path().join(place.to_string()))).collect();
    let mut outcomes = fake.client().files().download_many(items, options);
    let waited = tokio::time::timeout(Duration::from_millis(300), outcomes.next()).await;
    assert!(waited.is_err() && control.is_paused());
    let (seen, told) = (fake.seen().len(), moved.load(Ordering::SeqCst));
    let waited = tokio::time::timeout(Duration::from_millis(100), outcomes.next()).await;
    assert!(waited.is_err());
    assert_eq!((fake.seen().len(), moved.load(Ordering::SeqCst)), (seen, told));
    control.resume();
    while let Some(outcome) = outcomes.next().await {
        outcome.result.unwrap();
        assert!(fs::read(outcome.path).unwrap() == bytes);
    }
    assert_eq!(names(folder.path()).len(), 3);
}

#[tokio::test]
async fn cancelling_ends_all_and_starts_no_more() {
    let fake = Fake::start(|_, _| Reply::Hang).await;
    let folder = tempfile::tempdir().unwrap();
    let control = Control::new();
    let options =
        ManyOptions { control: Some(control.clone()), concurrency: Some(4), ..ManyOptions::default() };
    let path = folder.path().join("f");
    // Without an end: only cancelling gives it one.
    let items = std::iter::repeat_with(move || (node_id(), path.clone()));
    let mut outcomes = fake.client().files().download_many(items, options);
    let begun = async {
        while fake.seen().len() < 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        outcome = outcomes.next() => panic!("{outcome:?}"),
        () = begun => control.cancel(),
    }
    let mut ended = 0;
    while let Some(outcome) = outcomes.next().await {
        assert!(outcome.result.unwrap_err().is_cancelled());
        ended += 1;
    }
    assert_eq!(ended, 4);
    assert!(names(folder.path()).is_empty());
}

#[tokio::test]
async fn uploads_begin_only_once_a_pause_is_over() {
    let fake = Fake::start(|_, seen| stored(seen)).await;
    let control = Control::new();
    control.pause();
    let options = ManyOptions { control: Some(control.clone()), ..ManyOptions::default() };
    let items = (0..3).map(|place| (vec![1, 2, 3], Target::path(&format!("/{place}")).unwrap()));
    let mut outcomes = fake.client().files().upload_many(items.collect::<Vec<_>>(), options);
    assert!(tokio::time::timeout(Duration::from_millis(30), outcomes.next()).await.is_err());
    assert!(fake.seen().is_empty());
    control.resume();
    for outcome in outcomes.collect_all().await {
        assert!(outcome.result.is_ok_and(|node| node.size == 3));
    }
    assert_eq!(fake.asked().len(), 1, "small ones go together");
}
