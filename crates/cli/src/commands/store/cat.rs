//! `longshore store cat`: the content of files on standard output.

use clap::Args;
use longshore_store::{ByteRange, ReadOptions};

use super::{Make, Options, Place};
use crate::failure::Exit;
use crate::output::Output;

/// Print the content of files
///
/// The content comes as it is, whatever --json says.
#[derive(Args)]
pub(crate) struct Cat {
    /// The files
    #[arg(required = true, value_name = "URL")]
    urls: Vec<String>,
    /// Only these bytes of each: 0-9 are the first ten, 10- all but these, -10 the last ten
    #[arg(long, value_name = "FIRST-LAST", allow_hyphen_values = true, value_parser = range)]
    range: Option<ByteRange>,
    #[command(flatten)]
    options: Options,
}

/// Reads a range as HTTP writes it.
fn range(text: &str) -> Result<ByteRange, String> {
    let range = || {
        let (first, last) = text.split_once('-')?;
        Some(match (first, last) {
            ("", last) => ByteRange::Last(last.parse().ok()?),
            (first, "") => ByteRange::From(first.parse().ok()?),
            (first, last) => {
                let (first, last) = (first.parse().ok()?, last.parse::<u64>().ok()?);
                (first <= last).then(|| ByteRange::Between(first, last.saturating_add(1)))?
            }
        })
    };
    range().ok_or_else(|| "write 0-9, 10- or -10".to_owned())
}

impl Cat {
    pub(super) async fn run(&self, output: Output) -> anyhow::Result<Exit> {
        for url in &self.urls {
            let (store, name) = Place::parse(url, &self.options.options)?.open_above(Make::Nothing)?;
            let options = ReadOptions { range: self.range.unwrap_or_default(), if_match: None };
            let mut read = store.read(&name, options).await?;
            while let Some(chunk) = read.next_chunk().await? {
                output.raw(&chunk)?;
            }
        }
        Ok(Exit::Ok)
    }
}
