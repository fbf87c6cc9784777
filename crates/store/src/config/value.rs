//! What options are written as.

use std::time::Duration;

/// What an option can be read as.
pub(crate) trait FromOption: Sized {
    /// What it looks like, for an error: `a number`.
    const FORM: &'static str;

    /// Reads it, unless it is no such thing.
    fn from_option(text: &str) -> Option<Self>;
}

impl FromOption for bool {
    const FORM: &'static str = "true or false";

    fn from_option(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// `500ms`, `30s`, `5m`, `1h`.
impl FromOption for Duration {
    const FORM: &'static str = "a duration such as 500ms, 30s, 5m or 1h";

    fn from_option(text: &str) -> Option<Self> {
        let (number, unit) = text.split_at(text.find(|char: char| !char.is_ascii_digit())?);
        let number = number.parse::<u64>().ok()?;
        match unit {
            "ms" => Some(Self::from_millis(number)),
            "s" => Some(Self::from_secs(number)),
            "m" => number.checked_mul(60).map(Self::from_secs),
            "h" => number.checked_mul(3_600).map(Self::from_secs),
            _ => None,
        }
    }
}

macro_rules! numbers {
    ($($number:ty),+) => {$(
        impl FromOption for $number {
            const FORM: &'static str = "a whole number that fits";

            fn from_option(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    )+};
}

numbers!(u16, u32, u64, usize);

pub(super) const SIZE_FORM: &str = "a number of bytes such as 4096, 64KiB, 8MiB or 1GiB";

/// Reads a number of bytes.
pub(super) fn size(text: &str) -> Option<u64> {
    let end = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit: u64 = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}
