use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use proptest::prelude::*;
use tokio::time::Instant;

use super::{Rate, Rates};

const SECOND: Duration = Duration::from_secs(1);

/// Tells how long it took, give or take what the timer rounds.
#[track_caller]
fn took(start: Instant, wanted: Duration) {
    let elapsed = start.elapsed();
    let slack = Duration::from_millis(20);
    assert!(elapsed + slack >= wanted && elapsed <= wanted + slack, "{elapsed:?}, not {wanted:?}");
}

#[tokio::test(start_paused = true)]
async fn a_burst_passes_at_once_and_the_rest_at_the_rate() {
    let rate = Rate::new(10, SECOND);
    let start = Instant::now();
    for _ in 0..10 {
        rate.take(1).await;
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    for _ in 0..25 {
        rate.take(1).await;
    }
    took(start, Duration::from_millis(2_500));
}

#[tokio::test(start_paused = true)]
async fn idle_time_is_saved_up_to_the_burst_alone() {
    let rate = Rate::new(100, SECOND);
    rate.take(100).await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    let start = Instant::now();
    rate.take(100).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    rate.take(50).await;
    took(start, Duration::from_millis(500));
}

#[tokio::test(start_paused = true)]
async fn more_than_the_bucket_holds_is_made_up_for_by_who_comes_next() {
    let rate = Rate::new(1_000, SECOND);
    let start = Instant::now();
    rate.take(5_000).await;
    assert_eq!(start.elapsed(), Duration::ZERO, "it was full");
    rate.take(1).await;
    took(start, Duration::from_secs(4));
    rate.take(0).await;
    took(start, Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn many_together_keep_the_rate_in_the_order_they_came() {
    let rate = Rate::new(10, Duration::ZERO);
    let order = Mutex::new(Vec::new());
    let start = Instant::now();
    let takers = (0..21).map(|number| {
        let (rate, order) = (&rate, &order);
        async move {
            // Large and small ones alike: the small do not overtake.
            rate.take(if number == 3 { 10 } else { 1 }).await;
            order.lock().unwrap().push(number);
        }
    });
    join_all(takers).await;
    // 20 of 1 and one of 10, of which the first was there at once.
    took(start, Duration::from_millis(2_900));
    assert_eq!(*order.lock().unwrap(), (0..21).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_has_taken_nothing() {
    let rate = Arc::new(Rate::new(1, SECOND));
    rate.take(1).await;
    let start = Instant::now();
    let mut first = Box::pin(rate.take(1));
    let mut second = Box::pin(rate.take(1));
    assert!(first.as_mut().now_or_never().is_none());
    assert!(second.as_mut().now_or_never().is_none());
    drop(first);
    second.await;
    took(start, SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_rate_of_nothing_counts_as_one() {
    let rate = Rate::new(0, Duration::ZERO);
    let start = Instant::now();
    for _ in 0..3 {
        rate.take(1).await;
    }
    took(start, Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn requests_and_bytes_are_counted_apart() {
    let rates = Rates::new(Some(10), Some(1_000), Duration::ZERO);
    let start = Instant::now();
    // Ten requests of 500 bytes: the bytes are what takes long.
    join_all((0..10).map(|_| async {
        rates.take_request().await;
        rates.take_bytes(500).await;
    }))
    .await;
    rates.take_bytes(1).await;
    took(start, Duration::from_secs(5));
    let start = Instant::now();
    let unlimited = Rates::default();
    unlimited.take_request().await;
    unlimited.take_bytes(usize::MAX).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_the_pieces_the_rate_is_kept(
        pieces in prop::collection::vec(0_u64..3_000, 1..60),
        per_second in 1_u64..2_000,
        burst in 0_u64..3_000,
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (taken, elapsed) = runtime.block_on(async {
            let rate = Rate::new(per_second, Duration::from_millis(burst));
            let start = Instant::now();
            join_all(pieces.iter().map(|piece| rate.take(*piece))).await;
            // What was given in advance is made up for before the next.
            rate.take(1).await;
            (pieces.iter().sum::<u64>(), start.elapsed().as_secs_f64())
        });
        let held = (per_second as f64 * burst as f64 / 1_000.0).max(1.0);
        let least = (taken as f64 - held) / per_second as f64;
        prop_assert!(elapsed >= least - 0.01, "{taken} in {elapsed}, not {least}");
        let most = (taken as f64 + 1.0) / per_second as f64 + 0.01 * (pieces.len() as f64 + 1.0);
        prop_assert!(elapsed <= most, "{taken} in {elapsed}, more than {most}");
    }
}
