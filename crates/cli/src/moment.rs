//! Points in time on the command line: a time, or how far from now.

use std::time::Duration;

use longshore::Timestamp;

use crate::failure::Failure;

/// Reads a duration: 30s, 5m, 12h, 30d.
pub(crate) fn duration(text: &str) -> Result<Duration, Failure> {
    crate::duration::duration(text)
        .map_err(|why| Failure::invalid(format!("{text:?} is no duration")).hint(why))
}

fn point(text: &str) -> Result<Timestamp, Failure> {
    text.parse().map_err(|_| {
        Failure::invalid(format!("{text:?} is no time")).hint("write 12h, 30d, or 2027-01-31T00:00:00Z")
    })
}

/// Reads a point in time, or how long it is until then.
pub(crate) fn ahead(text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    duration(text).map_or_else(|_| point(text), |span| Ok(now.plus(span)))
}

/// Reads a point in time, or how long ago it was.
pub(crate) fn ago(text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    duration(text).map_or_else(|_| point(text), |span| Ok(now.minus(span)))
}

#[cfg(test)]
mod tests {
    use longshore::Timestamp;

    use super::{ago, ahead};

    #[test]
    fn times_are_durations_or_points() {
        let now = Timestamp::from_micros(0);
        let seconds = |text: &str| ahead(text, now).unwrap().as_micros() / 1_000_000;
        assert_eq!(seconds("5m"), 300);
        assert_eq!(seconds("2h"), 7_200);
        assert_eq!(seconds("30d"), 30 * 86_400);
        assert_eq!(seconds("1970-01-02T00:00:00Z"), 86_400);
        assert_eq!(ago("5m", now).unwrap().as_micros(), -300_000_000);
        assert_eq!(ago("1970-01-02T00:00:00Z", now).unwrap().as_micros(), 86_400_000_000);
        for bad in ["", "d", "5", "-1d", "5w", "soon", "99999999999999999999d", "5é"] {
            assert!(ahead(bad, now).is_err() && ago(bad, now).is_err(), "{bad:?}");
        }
    }
}
