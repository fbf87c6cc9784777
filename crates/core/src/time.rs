//! Points in time: microseconds since 1970 inside, RFC 3339 UTC outside.

use std::fmt::{self, Debug, Display};
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time, UTC, to the microsecond.
///
/// Its text form is RFC 3339 with six decimals, such as `2026-11-20T04:37:48.000001Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Makes a time from microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Returns the microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Returns this time moved forward by `by`, stopping at the end of the range.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }

    /// Returns this time moved back by `by`, stopping at the start of the range.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }

    /// Returns how long after `earlier` this time is, or zero when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Returns year, month, day, hour, minute and second, UTC; nothing for a time before the year 0 or after 9999.
    #[must_use]
    pub fn calendar(self) -> Option<[u32; 6]> {
        let time = jiff::Timestamp::from_microsecond(self.0).ok()?;
        let time = jiff::tz::Offset::UTC.to_datetime(time);
        let small = |number: i8| u32::try_from(number).ok();
        Some([
            u32::try_from(time.year()).ok()?,
            small(time.month())?,
            small(time.day())?,
            small(time.hour())?,
            small(time.minute())?,
            small(time.second())?,
        ])
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }
}

impl Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => write!(f, "{time:.6}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

impl Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time: jiff::Timestamp = text.parse()?;
        Ok(Self(time.as_microsecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn a_time_has_its_place_in_the_calendar() {
        let time = Timestamp::from_micros(1_763_613_468_000_001);
        assert_eq!(time.calendar(), Some([2025, 11, 20, 4, 37, 48]));
        assert_eq!(Timestamp::from_micros(-1).calendar(), Some([1969, 12, 31, 23, 59, 59]));
        assert_eq!(Timestamp::from_micros(i64::MAX).calendar(), None);
    }

    #[test]
    fn text_keeps_six_decimals_and_comes_back() {
        let time = Timestamp::from_micros(1_763_613_468_000_001);
        assert_eq!(time.to_string(), "2025-11-20T04:37:48.000001Z");
        assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
        assert_eq!(Timestamp::from_micros(0).to_string(), "1970-01-01T00:00:00.000000Z");
    }
}
