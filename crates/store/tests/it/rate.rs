//! So much in a second: with a clock that stands until everybody waits.

use std::time::Duration;

use futures_util::FutureExt as _;
use longshore_store::{List, RateOptions, Store, WriteOptions};
use tokio::time::Instant;

crate::paused_trials! {
    "rate":
    operations_keep_the_rate,
    bytes_keep_the_rate_both_ways,
    who_gives_up_waiting_takes_nothing,
    a_store_without_limits_waits_for_nothing,
}

#[track_caller]
fn took(start: Instant, wanted: f64) {
    let took = start.elapsed().as_secs_f64();
    assert!((took - wanted).abs() < 0.05, "took {took} s, not {wanted} s");
}

fn limited(operations: Option<u64>, bytes: Option<u64>) -> Store {
    Store::memory().with_rate(RateOptions { operations, bytes, burst: Duration::from_millis(100) })
}

async fn operations_keep_the_rate() {
    let store = limited(Some(10), None);
    let start = Instant::now();
    store.write("file", "x", WriteOptions::default()).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO, "the first is there at once");
    for _ in 0..5 {
        store.exists("file").await.unwrap();
        store.read_bytes("file").await.unwrap();
    }
    took(start, 1.0);
    futures_util::future::join_all((0..10).map(|_| store.exists("file"))).await;
    took(start, 2.0);
    let mut listing = store.list_files("", &List::ALL).unwrap();
    while listing.next_entry().await.unwrap().is_some() {}
    store.copy_file("file", "copy", false).await.unwrap();
    store.move_file("copy", "moved", false).await.unwrap();
    store.delete("moved", false).await.unwrap();
    store.ping().await.unwrap();
    // Of the listing one batch and its end.
    took(start, 2.6);
}

async fn bytes_keep_the_rate_both_ways() {
    let store = limited(None, Some(1_000));
    let start = Instant::now();
    for number in 0..10 {
        store.write(&number.to_string(), vec![0; 500], WriteOptions::default()).await.unwrap();
        assert_eq!(store.read_bytes(&number.to_string()).await.unwrap().len(), 500);
    }
    // The last is given when there is room for a tenth of a second, and made up for by whoever comes next.
    took(start, 9.5);
    store.write("next", "x", WriteOptions::default()).await.unwrap();
    took(start, 9.9);
}

async fn who_gives_up_waiting_takes_nothing() {
    let store = limited(Some(1), Some(1));
    store.exists("file").await.unwrap();
    let start = Instant::now();
    for _ in 0..10 {
        let mut look = Box::pin(store.exists("file"));
        assert!(look.as_mut().now_or_never().is_none());
    }
    store.exists("file").await.unwrap();
    took(start, 1.0);
}

async fn a_store_without_limits_waits_for_nothing() {
    let store = Store::memory().with_rate(RateOptions::default());
    let start = Instant::now();
    for _ in 0..1_000 {
        store.write("file", vec![0; 100_000], WriteOptions::OVERWRITE).await.unwrap();
        store.read_bytes("file").await.unwrap();
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}
