//! Durations as people write them.

use std::time::Duration;

/// More than anybody waits, and less than any clock ends at.
const MOST_DAYS: u64 = 36_500;

/// Reads a number with a unit: `90s`, `5m`, `12h` or `30d`.
pub(crate) fn duration(text: &str) -> Result<Duration, &'static str> {
    const FORM: &str = "write a number and a unit: 90s, 5m, 12h or 30d";
    let (number, unit) = text.len().checked_sub(1).and_then(|end| text.split_at_checked(end)).ok_or(FORM)?;
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => DAY,
        _ => return Err(FORM),
    };
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(FORM);
    }
    // A number that is no `u64` is too large for one.
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds));
    let seconds = seconds.filter(|seconds| *seconds <= MOST_DAYS * DAY);
    seconds.map(Duration::from_secs).ok_or("that is more than 36500d")
}

const DAY: u64 = 24 * 60 * 60;

/// The same for an argument.
pub(crate) fn argument(text: &str) -> Result<Duration, String> {
    duration(text).map_err(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::duration;

    #[test]
    fn a_number_and_a_unit() {
        for (text, seconds) in [
            ("0s", 0),
            ("90s", 90),
            ("5m", 300),
            ("12h", 43_200),
            ("30d", 2_592_000),
            ("36500d", 3_153_600_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "s", "5", "5 m", "+5m", "-1s", "5w", "5µ"] {
            assert!(duration(bad).is_err_and(|why| why.starts_with("write a number")), "{bad}");
        }
        for long in ["99999999999999999999s", "9999999999999999999s", "18446744073709551615d", "36501d"] {
            assert_eq!(duration(long), Err("that is more than 36500d"), "{long}");
        }
    }
}
