use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;

use super::{RetryPolicy, parse_retry_after};

const CAP: Duration = Duration::from_secs(60);

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn pauses_double_up_to_the_cap_and_end() {
    let policy = RetryPolicy { max_attempts: 9, ..RetryPolicy::default() };
    let longest: Vec<_> = (1..=9).map(|attempt| policy.delay(attempt, 1.0, None)).collect();
    let millis = |millis| Some(Duration::from_millis(millis));
    assert_eq!(
        longest,
        [
            millis(500),
            millis(1_000),
            millis(2_000),
            millis(4_000),
            millis(8_000),
            millis(16_000),
            millis(20_000),
            millis(20_000),
            None,
        ]
    );
    assert_eq!(RetryPolicy::never().delay(1, 0.5, None), None);
}

#[test]
fn a_retry_after_is_kept_whole_but_capped() {
    let policy = RetryPolicy::default();
    assert_eq!(policy.delay(1, 0.0, Some(Duration::from_secs(30))), Some(Duration::from_secs(30)));
    assert_eq!(policy.delay(1, 0.0, Some(Duration::from_secs(3_600))), Some(CAP));
    assert_eq!(policy.delay(5, 0.0, Some(Duration::ZERO)), None);
}

#[test]
fn both_forms_of_the_field_are_read() {
    let read = |field: &str| parse_retry_after(field, at(784_111_777), CAP);
    assert_eq!(read("7"), Some(Duration::from_secs(7)));
    assert_eq!(read(" 0 "), Some(Duration::ZERO));
    assert_eq!(read("120"), Some(CAP));
    assert_eq!(read("99999999999999999999999"), Some(CAP));
    assert_eq!(read("Sun, 06 Nov 1994 08:49:47 GMT"), Some(Duration::from_secs(10)));
    assert_eq!(read("Sun, 06 Nov 1994 08:49:00 GMT"), Some(Duration::ZERO));
    for bad in ["", "-1", "1.5", "soon", "Sun, 06 Nov"] {
        assert_eq!(read(bad), None, "{bad:?}");
    }
}

proptest! {
    #[test]
    fn a_pause_stays_within_its_bounds(
        attempt in 0_u32..=200,
        unit in prop_oneof![0.0..=1.0, Just(f64::NAN), Just(-1.0), Just(f64::INFINITY)],
        base in 0_u64..100_000,
        cap in 0_u64..100_000,
        max_attempts in 0_u32..=201,
    ) {
        let policy = RetryPolicy {
            base: Duration::from_millis(base),
            cap: Duration::from_millis(cap),
            max_attempts,
            retry_after_cap: CAP,
        };
        match policy.delay(attempt, unit, None) {
            Some(pause) => {
                prop_assert!(attempt < max_attempts);
                prop_assert!(pause <= policy.cap);
            }
            None => prop_assert!(attempt >= max_attempts),
        }
    }

    #[test]
    fn a_pause_is_never_shorter_than_asked(asked in 0_u64..60, unit in 0.0..=1.0) {
        let policy = RetryPolicy::default();
        let asked = Duration::from_secs(asked);
        let pause = policy.delay(1, unit, Some(asked)).unwrap();
        prop_assert!(pause >= asked && pause <= asked + policy.base);
    }

    #[test]
    fn no_field_panics_or_passes_the_cap(field in ".{0,40}", now in 0_u64..4_000_000_000) {
        if let Some(pause) = parse_retry_after(&field, at(now), CAP) {
            prop_assert!(pause <= CAP);
        }
    }

    #[test]
    fn a_date_means_the_time_until_it(now in 1_000_000_000_u64..2_000_000_000, ahead in 0_u64..60) {
        let field = httpdate::fmt_http_date(at(now + ahead));
        prop_assert_eq!(parse_retry_after(&field, at(now), CAP), Some(Duration::from_secs(ahead)));
    }
}
