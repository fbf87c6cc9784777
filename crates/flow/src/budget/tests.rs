use std::thread;

use proptest::prelude::*;

use super::{Budget, BudgetPolicy};

#[test]
fn a_full_budget_is_a_hundred_retries_or_fifty_after_time_outs() {
    let budget = Budget::default();
    assert_eq!((0..200).filter(|_| budget.try_retry()).count(), 100);
    let budget = Budget::default();
    assert_eq!((0..200).filter(|_| budget.try_retry_after_timeout()).count(), 50);
}

#[test]
fn five_successes_earn_a_retry() {
    let budget = Budget::default();
    while budget.try_retry() {}
    for _ in 0..4 {
        budget.succeeded();
        assert!(!budget.try_retry());
    }
    budget.succeeded();
    assert!(budget.try_retry());
    assert_eq!(budget.left(), 0);
}

#[test]
fn many_threads_take_no_more_than_there_is() {
    let budget = Budget::default();
    let taken: usize = thread::scope(|scope| {
        let takers: Vec<_> =
            (0..4).map(|_| scope.spawn(|| (0..1_000).filter(|_| budget.try_retry()).count())).collect();
        takers.into_iter().map(|taker| taker.join().unwrap()).sum()
    });
    assert_eq!(taken, 100);
}

proptest! {
    #[test]
    fn what_is_left_is_what_a_sum_says(
        capacity in 0_u32..100,
        retry in 0_u32..20,
        after_timeout in 0_u32..20,
        success in prop_oneof![0_u32..20, Just(u32::MAX)],
        steps in prop::collection::vec(0_u8..3, 0..300),
    ) {
        let budget = Budget::new(BudgetPolicy { capacity, retry, after_timeout, success });
        let mut tokens = u64::from(capacity);
        for step in steps {
            let cost = u64::from(if step == 0 { retry } else { after_timeout });
            match step {
                0 => prop_assert_eq!(budget.try_retry(), tokens >= cost),
                1 => prop_assert_eq!(budget.try_retry_after_timeout(), tokens >= cost),
                _ => budget.succeeded(),
            }
            tokens = match step {
                2 => (tokens + u64::from(success)).min(u64::from(capacity)),
                _ if tokens >= cost => tokens - cost,
                _ => tokens,
            };
            prop_assert_eq!(u64::from(budget.left()), tokens);
        }
    }

    #[test]
    fn retries_add_no_more_than_the_burst_and_a_fifth(fails in prop::collection::vec(any::<bool>(), 0..2_000)) {
        let budget = Budget::default();
        let (mut retries, mut successes) = (0_usize, 0_usize);
        for fails in fails {
            if fails {
                retries += usize::from(budget.try_retry());
            } else {
                successes += 1;
                budget.succeeded();
            }
            prop_assert!(retries <= 100 + successes / 5);
        }
    }
}
