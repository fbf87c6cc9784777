//! `longshore store cp`: files and folders from any store into any other.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use futures_util::{Stream, StreamExt, stream};
use longshore_flow::fan_out_stream;
use longshore_store::{FileInfo, List, Store, WriteOptions};

use super::{Make, Place, pair, until_interrupted};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::transfer::Pace;
use crate::transfer::drive::drive;
use crate::transfer::progress::Counters;
use crate::transfer::summary::Outcome;

/// Copy a file, or with -r a folder, from any store into any other
///
///   cp FILE DEST      the file becomes DEST, or DEST/file when DEST is a folder
///   cp -r DIR DEST    the contents of the folder become those of DEST
///
/// Within one store the storage copies by itself, where it can. Media type and metadata go
/// along where both stores keep them. With -r, one that fails does not hurt the others:
/// failures are listed at the end, and the exit code is 3. Ctrl-C stops at once and leaves no
/// half file.
///
/// Not copied, and not told, with -r: folders with nothing in them, symbolic links, and what
/// no path can name (names that are no UTF-8, keys of a bucket such as a//b and dir/). `rm -r`
/// removes them with all else.
///
/// With --json -r one object, as `up --help` describes it.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Cp {
    #[command(flatten)]
    ends: Ends,
    /// Copy a folder with all below it
    #[arg(long, short)]
    recursive: bool,
    #[command(flatten)]
    pace: Pace,
}

// No doc comment: clap would take it for the verb's own.
#[derive(Args)]
pub(super) struct Ends {
    /// What to take
    source: String,
    /// Where it goes
    #[arg(value_name = "DEST")]
    destination: String,
    /// Replace files that are there already
    #[arg(long)]
    pub(super) overwrite: bool,
    /// An option of the source's store, over those in its URL; may be given more than once
    #[arg(long = "option", short, value_name = "KEY=VALUE", value_parser = pair)]
    options: Vec<(String, String)>,
    /// An option of the destination's store
    #[arg(long = "dest-option", short = 'O', value_name = "KEY=VALUE", value_parser = pair)]
    dest_options: Vec<(String, String)>,
}

/// One file, and where it goes.
pub(super) struct Pair {
    pub(super) source: Store,
    pub(super) target: Store,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) is_one_store: bool,
    /// Whether both ends are one file of this machine, by whatever names.
    pub(super) is_one_file: bool,
    pub(super) shown: (String, String),
}

impl Pair {
    pub(super) fn said(&self, arrow: &str) -> String {
        format!("{} {arrow} {}", self.shown.0, self.shown.1)
    }
}

impl Ends {
    fn places(&self) -> Result<(Place, Place), Failure> {
        let source = Place::parse(&self.source, &self.options)?;
        Ok((source, Place::parse(&self.destination, &self.dest_options)?))
    }

    /// Opens both ends of one file's way.
    pub(super) async fn file(&self) -> anyhow::Result<Pair> {
        let (source, mut target) = self.places()?;
        let name = source.name()?;
        if target.ends_as_folder() || is_folder(&target).await? {
            target = target.below(&name);
        }
        let shown = (source.shown.clone(), target.shown.clone());
        let is_one_file = source.on_disk().is_some_and(|from| Some(from) == target.on_disk());
        if let Some((store, from, to)) = source.open_both(&target, Make::Folders)? {
            let (source, target) = (store.clone(), store);
            return Ok(Pair { source, target, from, to, is_one_store: true, is_one_file, shown });
        }
        let (source, from) = source.open_above(Make::Nothing)?;
        let (target, to) = target.open_above(Make::Folders)?;
        Ok(Pair { source, target, from, to, is_one_store: false, is_one_file, shown })
    }

    /// Opens both ends of a folder's way.
    async fn folders(&self) -> anyhow::Result<Folders> {
        let (source, target) = self.places()?;
        if source.overlaps(&target)? {
            let message = format!("one of {} and {} lies in the other", source.shown, target.shown);
            return Err(Failure::invalid(message).into());
        }
        require_folder(&source).await?;
        let skips_own = source.is_on_disk();
        if let Some((store, from, to)) = source.open_both(&target, Make::Folders)? {
            let (source, target) = (store.child(&from)?, store.child(&to)?);
            return Ok(Folders { source, target, opened: vec![store], skips_own });
        }
        let (source, target) = (source.open(Make::Nothing)?, target.open(Make::Folders)?);
        Ok(Folders {
            source: source.clone(),
            target: target.clone(),
            opened: vec![source, target],
            skips_own,
        })
    }
}

/// Two folders, one of which is copied into the other.
struct Folders {
    source: Store,
    target: Store,
    /// What is to be closed in the end.
    opened: Vec<Store>,
    /// Whether what other stores on this disk have for their own is left out.
    skips_own: bool,
}

/// The folder that a store on this disk keeps in its root for itself.
const OWN: &str = ".longshore-tmp";

/// Refuses what is no folder: a listing of nothing would say that all of it was copied.
async fn require_folder(place: &Place) -> anyhow::Result<()> {
    if place.path()?.is_root() {
        return Ok(());
    }
    let (store, name) = place.open_above(Make::Nothing)?;
    let checked = async {
        if store.is_folder(&name).await? {
            return Ok(());
        }
        store.file_info(&name).await?;
        let message = format!("{} is a file", place.shown);
        Err(Failure::new(Exit::Invalid, "store_invalid_path", message).hint("without -r it is copied").into())
    };
    let checked = checked.await;
    store.close().await?;
    checked
}

/// Tells whether a folder stands there; a whole store is one.
async fn is_folder(place: &Place) -> anyhow::Result<bool> {
    if place.path()?.is_root() {
        return Ok(true);
    }
    // On this machine the folder above may have to be made first.
    let (store, name) = match place.open_above(Make::Nothing) {
        Err(failure) if failure.exit == Exit::NotFound => return Ok(false),
        opened => opened?,
    };
    Ok(store.is_folder(&name).await?)
}

impl Cp {
    pub(super) async fn run(&self, output: Output) -> anyhow::Result<Exit> {
        if self.recursive {
            return self.copy_folder(output).await;
        }
        let pair = self.ends.file().await?;
        until_interrupted(&[&pair.source, &pair.target], async {
            if pair.source.is_folder(&pair.from).await? {
                let message = format!("{} is a folder", pair.shown.0);
                return Err(Failure::new(Exit::Invalid, "store_invalid_path", message)
                    .hint("-r copies folders")
                    .into());
            }
            pair.source.transfer(&pair.from, &pair.target, &pair.to, self.options(), |_| {}).await?;
            output.note(&pair.said("->"));
            Ok(Exit::Ok)
        })
        .await
    }

    fn options(&self) -> WriteOptions {
        WriteOptions { overwrite: self.ends.overwrite, ..WriteOptions::default() }
    }

    async fn copy_folder(&self, output: Output) -> anyhow::Result<Exit> {
        let Folders { source, target, opened, skips_own } = self.ends.folders().await?;
        let counters = Arc::new(Counters::default());
        let at_once = self.pace.concurrency;
        let copying = copies(&source, &target, self.options(), Arc::clone(&counters), skips_own);
        let outcomes = fan_out_stream(copying, at_once, |copy| copy);
        let summary = drive(outcomes, counters, at_once + 4, output).await;
        for store in opened {
            store.close().await?;
        }
        Ok(summary.show("copied", output)?)
    }
}

/// Returns what is to be done about each file of a store, as the listing gives it. One that breaks off fails as a whole.
fn copies<'a>(
    source: &'a Store,
    target: &'a Store,
    options: WriteOptions,
    counters: Arc<Counters>,
    skips_own: bool,
) -> impl Stream<Item = impl Future<Output = Outcome> + 'a> + 'a {
    let listing = match source.list_files("", &List::ALL) {
        Ok(listing) => listing.boxed(),
        Err(error) => stream::iter([Err(error)]).boxed(),
    };
    let listing = listing.filter(move |file| {
        let is_own = |file: &FileInfo| file.path.segments().any(|segment| segment == OWN);
        ready(!(skips_own && file.as_ref().is_ok_and(is_own)))
    });
    listing.map(move |file| {
        let (options, counters) = (options.clone(), Arc::clone(&counters));
        async move {
            match file {
                Ok(file) => copy(source, target, file, options, counters).await,
                Err(error) => Outcome::Failed("the listing".to_owned(), error.into()),
            }
        }
    })
}

async fn copy(
    source: &Store,
    target: &Store,
    file: FileInfo,
    options: WriteOptions,
    counters: Arc<Counters>,
) -> Outcome {
    let path = file.path.as_str();
    counters.found(file.size);
    let told = AtomicU64::new(0);
    let progress = move |progress: longshore_store::Progress| {
        counters.moved(progress.done.saturating_sub(told.swap(progress.done, Ordering::Relaxed)));
    };
    match source.transfer(path, target, path, options, progress).await {
        Ok(copied) => Outcome::File(copied.size),
        Err(error) => Outcome::Failed(path.to_owned(), error.into()),
    }
}
