//! `longshore store ls`: what a folder of a store holds.

use clap::Args;
use longshore_store::{Entry, List, Store};

use super::describe::Shown;
use super::{Make, Options, Place};
use crate::failure::Exit;
use crate::output::Output;

/// List what a folder of a store holds, in no particular order
///
/// Paths are relative to the URL. With --json: {"items": [{"path", "kind", "size", "last_modified", ...}]}, printed as it comes.
#[derive(Args)]
pub(crate) struct Ls {
    /// The folder, or a file
    url: String,
    /// Show sizes, exact and for people, and times
    #[arg(long, short)]
    long: bool,
    /// List everything below
    #[arg(long, short, short_alias = 'R')]
    recursive: bool,
    /// List only what is named like this: `*` stands for any characters, `?` for one
    #[arg(long, value_name = "PATTERN")]
    name: Option<String>,
    #[command(flatten)]
    options: Options,
}

impl Ls {
    pub(super) async fn run(&self, output: Output) -> anyhow::Result<Exit> {
        let place = Place::parse(&self.url, &self.options.options)?;
        if !place.path()?.is_root()
            && let Some(file) = file(&place).await?
        {
            let mut list = output.list()?;
            list.item(&Shown::from(file), |shown| shown.line(self.long))?;
            list.end()?;
            return Ok(Exit::Ok);
        }
        let store = place.open(Make::Nothing)?;
        self.list(&store, output).await?;
        Ok(Exit::Ok)
    }

    async fn list(&self, store: &Store, output: Output) -> anyhow::Result<()> {
        let depth = if self.recursive { List::ALL } else { List::CHILDREN };
        let mut entries = store.list("", &List { pattern: self.name.clone(), ..depth })?;
        // Nothing is printed before the storage has answered: an error is no half of a list.
        let mut next = entries.next_entry().await?;
        let mut list = output.list()?;
        while let Some(entry) = next {
            list.item(&Shown::from(entry), |shown| shown.line(self.long))?;
            next = entries.next_entry().await?;
        }
        Ok(list.end()?)
    }
}

/// Returns what is known of a file, nothing for a folder, or says that neither is there: a listing of nothing would not.
async fn file(place: &Place) -> anyhow::Result<Option<Entry>> {
    let (store, name) = place.open_above(Make::Nothing)?;
    if store.is_folder(&name).await? {
        return Ok(None);
    }
    Ok(Some(Entry::File(store.file_info(&name).await?)))
}
