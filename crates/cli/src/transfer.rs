//! Moving whole folders: walking them, comparing them, counting what happened, showing it, stopping it.
//!
//! What moves one file is the SDK's; nothing here holds more than the files that are moving just now.

use std::fmt::Display;

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use longshore::Delta;

use crate::failure::Failure;

pub(crate) mod apart;
pub(crate) mod clash;
pub(crate) mod drive;
pub(crate) mod landing;
pub(crate) mod merge;
pub(crate) mod progress;
pub(crate) mod receive;
pub(crate) mod same;
pub(crate) mod send;
pub(crate) mod summary;
pub(crate) mod tree;
pub(crate) mod walk;

// No doc comment: clap would take it for the verb's own.
#[derive(Args)]
pub(crate) struct Pace {
    /// How many files move at once
    #[arg(long, short = 'j', default_value_t = longshore::DEFAULT_CONCURRENCY, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024))]
    pub(crate) concurrency: usize,
}

// No doc comment: clap would take it for the verb's own.
#[derive(Args)]
pub(crate) struct Traffic {
    #[command(flatten)]
    pub(crate) pace: Pace,
    /// Move no more bytes a second than this, all connections together and both ways: 65536, 512K, 2MiB
    #[arg(long, value_name = "BYTES", value_parser = bytes_per_second)]
    pub(crate) limit_rate: Option<u64>,
    /// Begin large files anew, and keep nothing of one that breaks off
    #[arg(long)]
    pub(crate) no_resume: bool,
}

// No doc comment: clap would take it for the verb's own.
#[derive(Args)]
pub(crate) struct Changes {
    /// Whether only what changed is sent of a new version of a large file
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    delta: When,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum When {
    /// Where that is over sooner than sending all of it
    #[default]
    Auto,
    /// On a fast line too, where it takes longer
    Always,
    /// All of it is sent
    Never,
}

impl From<&Changes> for Delta {
    fn from(changes: &Changes) -> Self {
        match changes.delta {
            When::Auto => Self::WhereItPays,
            When::Always => Self::Always,
            When::Never => Self::Never,
        }
    }
}

/// The refusal of two sources that would end in one place.
pub(crate) fn both(one: impl Display, other: impl Display, place: impl Display) -> Failure {
    Failure::invalid(format!("{one} and {other} would both become {place}"))
        .hint("name one of them in a command of its own")
}

/// Reads a rate such as `65536`, `512K` or `2MiB`: units are powers of 1,024, and `MB`, which is none to some, is refused.
pub(crate) fn bytes_per_second(text: &str) -> Result<u64, String> {
    const FORM: &str = "write a number of bytes such as 65536, 512K, 10M or 2MiB";
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        _ => return Err(FORM.to_owned()),
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    bytes.filter(|bytes| *bytes > 0).ok_or_else(|| FORM.to_owned())
}

#[cfg(test)]
mod tests {
    use super::bytes_per_second;

    #[test]
    fn rates_are_read() {
        for (text, bytes) in [
            ("1", 1),
            ("65536", 65_536),
            ("512K", 524_288),
            ("10m", 10 << 20),
            ("2G", 2 << 30),
            ("500KiB", 512_000),
            ("2mib", 2 << 20),
            ("7b", 7),
        ] {
            assert_eq!(bytes_per_second(text), Ok(bytes), "{text}");
        }
        for text in
            ["", "K", "0", "0M", "-1", "1.5M", "10MB", "99999999999999999999", "99999999999G", "1 K", "ü"]
        {
            assert!(bytes_per_second(text).is_err(), "{text}");
        }
    }
}
