//! Durations as people write them.

use std::time::Duration;

/// Reads a number with a unit: `90s`, `5m`, `12h` or `30d`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?))
}

/// The same for an argument.
pub(crate) fn argument(text: &str) -> Result<Duration, String> {
    duration(text).ok_or_else(|| "write a number and a unit: 90s, 5m, 12h or 30d".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::duration;

    #[test]
    fn a_number_and_a_unit() {
        for (text, seconds) in [("0s", 0), ("90s", 90), ("5m", 300), ("12h", 43_200), ("30d", 2_592_000)] {
            assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for bad in
            ["", "s", "5", "5 m", "+5m", "-1s", "5w", "99999999999999999999s", "18446744073709551615d", "5µ"]
        {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }
}
