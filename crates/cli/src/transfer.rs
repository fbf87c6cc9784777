//! Moving whole folders: walking them, counting what happened, showing it, stopping it.
//!
//! What moves one file is the SDK's; nothing here holds more than the files that are moving just now.

use std::fmt::Display;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use crate::failure::Failure;

pub(crate) mod drive;
pub(crate) mod landing;
pub(crate) mod progress;
pub(crate) mod summary;
pub(crate) mod walk;

// No doc comment: clap would take it for the verb's own.
#[derive(Args)]
pub(crate) struct Pace {
    /// How many files move at once
    #[arg(long, short = 'j', default_value_t = longshore::DEFAULT_CONCURRENCY, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024))]
    pub(crate) concurrency: usize,
}

/// The refusal of two sources that would end in one place.
pub(crate) fn both(one: impl Display, other: impl Display, place: impl Display) -> Failure {
    Failure::invalid(format!("{one} and {other} would both become {place}"))
        .hint("name one of them in a command of its own")
}
