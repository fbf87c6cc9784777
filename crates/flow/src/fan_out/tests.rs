use std::cell::Cell;
use std::time::Duration;

use futures_util::StreamExt;
use proptest::prelude::*;

use super::{fan_out, fan_out_ordered};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

/// Counts how many hold it, and the most that ever did.
#[derive(Default)]
struct Gauge {
    now: Cell<usize>,
    most: Cell<usize>,
}

struct Held<'a>(&'a Gauge);

impl Gauge {
    fn hold(&self) -> Held<'_> {
        self.now.set(self.now.get() + 1);
        self.most.set(self.most.get().max(self.now.get()));
        Held(self)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.now.set(self.0.now.get() - 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_input_comes_out_once_and_the_bound_holds(
        pauses in prop::collection::vec(0_u64..50, 0..60),
        limit in 0_usize..12,
    ) {
        let gauge = Gauge::default();
        let mut outcomes: Vec<Result<usize, usize>> = block_on(
            fan_out(pauses.iter().copied().enumerate(), limit, async |(place, pause)| {
                let _held = gauge.hold();
                tokio::time::sleep(Duration::from_millis(pause)).await;
                if pause % 3 == 0 { Err(place) } else { Ok(place) }
            })
            .collect(),
        );
        prop_assert!(gauge.most.get() <= limit.max(1));
        outcomes.sort_unstable_by_key(|outcome| match outcome { Ok(place) | Err(place) => *place });
        let expected: Vec<_> = pauses.iter().enumerate()
            .map(|(place, pause)| if pause % 3 == 0 { Err(place) } else { Ok(place) })
            .collect();
        prop_assert_eq!(outcomes, expected);
    }
}

#[test]
fn the_order_is_kept_and_the_bound_with_it() {
    let gauge = Gauge::default();
    let pauses: Vec<u64> = (0..40).map(|place| (place * 7) % 11).collect();
    let outcomes: Vec<_> = block_on(
        fan_out_ordered(pauses.iter().copied().enumerate(), 4, async |(place, pause)| {
            let _held = gauge.hold();
            tokio::time::sleep(Duration::from_millis(pause)).await;
            if pause == 3 { Err(place) } else { Ok(place) }
        })
        .collect(),
    );
    let expected: Vec<_> = pauses
        .iter()
        .enumerate()
        .map(|(place, pause)| if *pause == 3 { Err(place) } else { Ok(place) })
        .collect();
    assert_eq!(outcomes, expected);
    assert_eq!(gauge.most.get(), 4);
}

#[test]
fn the_first_to_finish_comes_first() {
    let order: Vec<_> = block_on(
        fan_out([30_u64, 10, 20], 3, async |millis| {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            millis
        })
        .collect(),
    );
    assert_eq!(order, [10, 20, 30]);
}

#[test]
fn dropping_stops_all_and_takes_no_more() {
    let gauge = Gauge::default();
    let taken = Cell::new(0);
    block_on(async {
        let inputs = (0..100).inspect(|_| taken.set(taken.get() + 1));
        let mut work = Box::pin(fan_out(inputs, 4, async |place: u64| {
            let _held = gauge.hold();
            tokio::time::sleep(Duration::from_secs(place)).await;
        }));
        work.next().await;
        drop(work);
    });
    assert_eq!(gauge.now.get(), 0);
    assert!(taken.get() <= 8, "{} inputs were taken", taken.get());
}
