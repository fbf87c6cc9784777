//! `longshore store rm`: files and folders of a store, for good.

use clap::Args;

use super::{Make, Options, Place, until_interrupted};
use crate::consent::Consent;
use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Remove files, or with -r folders with all below them, from a store
///
/// For good: a store has no trash. A whole store is never removed. With --json: {"items": ["url", ...]}.
#[derive(Args)]
pub(crate) struct Rm {
    /// What to remove
    #[arg(required = true, value_name = "URL")]
    urls: Vec<String>,
    /// Remove folders too, with all below them
    #[arg(long, short)]
    recursive: bool,
    /// It is no error that one is not there
    #[arg(long)]
    missing_ok: bool,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    options: Options,
}

impl Rm {
    pub(super) async fn run(&self, output: Output) -> anyhow::Result<Exit> {
        let places = self.urls.iter().map(|url| Place::parse(url, &self.options.options));
        let places = places.collect::<Result<Vec<_>, _>>()?;
        for place in &places {
            place.name()?;
        }
        if self.recursive {
            let shown: Vec<_> = places.iter().map(|place| place.shown.as_str()).collect();
            let question = format!("remove {} and all below, for good?", shown.join(", "));
            if !self.consent.is_given(&question, output)? {
                return Ok(Exit::Ok);
            }
        }
        let mut list = output.list()?;
        for place in &places {
            if self.remove(place).await? {
                list.item(&place.shown, |shown| format!("removed {shown}"))?;
            }
        }
        list.end()?;
        Ok(Exit::Ok)
    }

    /// Removes one, and tells whether it was there.
    async fn remove(&self, place: &Place) -> anyhow::Result<bool> {
        let (store, name) = place.open_above(Make::Nothing)?;
        let removing = async {
            if !store.is_folder(&name).await? {
                let was_there = !self.missing_ok || store.is_file(&name).await?;
                store.delete(&name, self.missing_ok).await?;
                return Ok(if was_there { Exit::Ok } else { Exit::NotFound });
            }
            if !self.recursive {
                let message = format!("{} is a folder", place.shown);
                return Err(Failure::new(Exit::Invalid, "store_invalid_path", message)
                    .hint("-r removes folders")
                    .into());
            }
            store.delete_folder(&name, true, self.missing_ok).await?;
            Ok(Exit::Ok)
        };
        match until_interrupted(&[&store], removing).await? {
            Exit::Ok => Ok(true),
            Exit::NotFound => Ok(false),
            stopped => {
                Err(Failure::new(stopped, "local_interrupted", "interrupted: a part may be gone").into())
            }
        }
    }
}
