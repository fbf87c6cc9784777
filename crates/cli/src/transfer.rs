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
    #[arg(long, value_name = "BYTES", value_parser = crate::bytes::per_second)]
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
