//! `longshore store stat`: what a store knows of a file or folder.

use clap::Args;

use super::describe::Shown;
use super::{Make, Options, Place};
use crate::failure::Exit;
use crate::output::Output;

/// Show all that a store knows of a file or folder
///
/// With --json: {"path", "kind", "size", "last_modified", "etag", ...}; what is not known is left out.
#[derive(Args)]
pub(crate) struct Stat {
    /// The file or folder
    url: String,
    #[command(flatten)]
    options: Options,
}

impl Stat {
    pub(super) async fn run(&self, output: Output) -> anyhow::Result<Exit> {
        let place = Place::parse(&self.url, &self.options.options)?;
        let shown = if place.path()?.is_root() {
            place.open(Make::Nothing)?.ping().await?;
            Shown::folder("")
        } else {
            let (store, name) = place.open_above(Make::Nothing)?;
            match store.is_folder(&name).await? {
                true => Shown::folder(&name),
                false => store.file_info(&name).await?.into(),
            }
        };
        output.object(&shown.at(&place.shown), Shown::lines)?;
        Ok(Exit::Ok)
    }
}
