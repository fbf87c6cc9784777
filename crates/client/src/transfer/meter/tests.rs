use std::time::Duration;

use proptest::prelude::*;

use super::{Counts, Meter, Progress, Speed, time_left};

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

proptest! {
    #[test]
    fn a_steady_rate_is_told_as_it_is(rate in 1..1_000_000_u64, steps in 1..50_u64) {
        let mut speed = Speed::default();
        for step in 1..=steps {
            let told = speed.note(Duration::from_secs(step), step * rate);
            prop_assert!((told - rate as f64).abs() < rate as f64 * 1e-6);
        }
    }

    #[test]
    fn a_rate_is_a_number_whatever_comes(
        moments in proptest::collection::vec((0..10_000_u64, any::<u64>()), 0..50), rest in any::<u64>(),
    ) {
        let mut speed = Speed::default();
        for (now, count) in moments {
            let rate = speed.note(Duration::from_millis(now), count);
            prop_assert!(rate.is_finite() && rate >= 0.0);
            let left = time_left(rest, rate);
            prop_assert!(rate > 0.0 || rest == 0 || left.is_none());
        }
    }
}

#[test]
fn a_burst_is_smoothed_and_a_stall_shows() {
    let mut speed = Speed::default();
    speed.note(seconds(1.0), 1000);
    let burst = speed.note(seconds(1.5), 11_000);
    assert!(burst > 1000.0 && burst < 4000.0, "{burst}");
    let stalled = speed.note(seconds(31.5), 11_000);
    assert!(stalled < 10.0, "{stalled}");
    // Too soon to say anything new.
    assert_eq!(speed.note(seconds(31.6), 1 << 40).to_bits(), stalled.to_bits());
}

#[test]
fn the_time_left_is_what_the_rest_takes() {
    assert_eq!(time_left(1000, 100.0), Some(Duration::from_secs(10)));
    assert_eq!(time_left(0, 0.0), Some(Duration::ZERO));
    assert_eq!(time_left(1, 0.0), None);
    assert_eq!(time_left(u64::MAX, 1e-300), None);
}

#[test]
fn counts_follow_what_is_told() {
    let error = crate::Error::cancelled();
    let mut counts = Counts { expected: Some(1000), ..Counts::default() };
    for progress in [
        Progress::Started { index: 0, length: Some(1000) },
        Progress::Reused { index: 0, count: 300 },
        Progress::Bytes { index: 0, count: 400 },
        Progress::Retried { index: 0, attempt: 2, delay: Duration::ZERO, discarded: 200, error: &error },
        Progress::Failed { index: 1, error: &error },
    ] {
        counts.count(&progress);
    }
    let reading = counts.read(Duration::from_secs(1));
    assert_eq!((reading.started, reading.done, reading.failed, reading.retries), (1, 0, 1, 1));
    assert_eq!((reading.bytes, reading.reused), (500, 300));
    // 200 bytes came in the one second, and 500 are left.
    assert_eq!(reading.left, Some(seconds(2.5)));
}

#[tokio::test(start_paused = true)]
async fn a_meter_counts_what_its_sinks_are_told() {
    let meter = Meter::new();
    let report = crate::transfer::progress::Report::new(Some(meter.sink()), 0);
    meter.expect(10_000);
    report.started(Some(10_000));
    tokio::time::advance(Duration::from_secs(1)).await;
    report.bytes(2000);
    let reading = meter.read();
    assert_eq!((reading.bytes, reading.left), (2000, Some(Duration::from_secs(4))));
    assert_eq!(report.ended(Ok(10_000), |bytes| *bytes).unwrap(), 10_000);
    assert_eq!(meter.clone().read().done, 1);
}
