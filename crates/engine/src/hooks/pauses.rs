//! When a delivery is tried again, and when a receiver is left alone.

use std::time::Duration;

/// The pauses before the second attempt, the third and so on: seven attempts over most of a day.
const PAUSES: [Duration; 6] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
];
/// How much longer a pause may get, so that what failed together does not come back together.
const JITTER: f64 = 0.2;
/// The longest `Retry-After` that is kept.
pub(super) const LONGEST_ASKED: Duration = Duration::from_hours(24);
/// How many attempts in a row may fail before the receiver is left alone for a while.
const STRIKES: u64 = 3;
const FIRST_REST: Duration = Duration::from_secs(5);
const LONGEST_REST: Duration = Duration::from_mins(5);
/// After so long with failures alone a hook is switched off.
pub(super) const PATIENCE: Duration = Duration::from_hours(5 * 24);

/// Returns the pause after `tries` failed attempts of one delivery, or nothing when it is given up.
///
/// `asked` is the receiver's `Retry-After`: a floor.
pub(super) fn pause(tries: u64, asked: Option<Duration>, unit_random: f64) -> Option<Duration> {
    let place = usize::try_from(tries).unwrap_or(usize::MAX).checked_sub(1)?;
    let own = *PAUSES.get(place)?;
    let asked = asked.unwrap_or_default().min(LONGEST_ASKED);
    Some(jittered(own.max(asked), unit_random))
}

/// Returns how long a receiver is left alone after so many failures in a row, whatever the delivery: one that does not
/// answer would otherwise hold a worker for the whole time-out with each new event.
pub(super) fn rest(failures: u64) -> Option<Duration> {
    let doublings = u32::try_from(failures.checked_sub(STRIKES)?).unwrap_or(u32::MAX).min(16);
    Some((FIRST_REST * (1 << doublings)).min(LONGEST_REST))
}

/// Makes a pause longer by up to a fifth.
fn jittered(pause: Duration, unit_random: f64) -> Duration {
    pause + pause.mul_f64(JITTER * unit_random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{pause, rest};

    #[test]
    fn seven_attempts_are_made_over_most_of_a_day() {
        let pauses: Vec<_> = (1..).map_while(|tries| pause(tries, None, 0.0)).collect();
        assert_eq!(
            pauses.iter().map(Duration::as_secs).collect::<Vec<_>>(),
            [5, 300, 1_800, 7_200, 18_000, 36_000]
        );
        assert_eq!(pause(7, None, 0.0), None);
        assert_eq!(pause(7, Some(Duration::from_secs(1)), 0.0), None);
        assert_eq!(pause(u64::MAX, None, 0.0), None);
        assert_eq!(pause(0, None, 0.0), None);
    }

    #[test]
    fn a_receiver_may_ask_for_a_longer_pause_of_a_day_at_most() {
        let asked = |seconds| pause(1, Some(Duration::from_secs(seconds)), 0.0).unwrap().as_secs();
        assert_eq!((asked(1), asked(60), asked(86_400), asked(u64::MAX)), (5, 60, 86_400, 86_400));
    }

    #[test]
    fn jitter_makes_a_pause_longer_by_a_fifth_at_most() {
        assert_eq!(pause(1, None, 1.0).unwrap(), Duration::from_secs(6));
        assert_eq!(pause(1, None, 0.5).unwrap(), Duration::from_millis(5_500));
        assert_eq!(pause(1, None, f64::INFINITY).unwrap(), Duration::from_secs(6));
    }

    #[test]
    fn a_receiver_that_fails_again_and_again_is_left_alone_for_longer_and_longer() {
        let rests: Vec<_> = (0..12).map(|failures| rest(failures).map_or(0, |it| it.as_secs())).collect();
        assert_eq!(rests, [0, 0, 0, 5, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(rest(u64::MAX), Some(Duration::from_mins(5)));
    }
}
