//! `longshore store`: the verbs of a store that a URL names. No server, and no profile, has a part in them.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use longshore_store::{Capability, Config, Store as Opened, StorePath};
use tokio::runtime::Runtime;

use crate::commands::CLEAN_UP;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::signals::interrupted_once;

mod cat;
mod cp;
mod describe;
mod get;
mod ls;
mod mv;
mod ping;
mod put;
mod rm;
mod stat;

/// Work with the files of any store: a folder, S3, Azure, SFTP and others
///
/// A store is named by its URL, such as s3://bucket/folder or file:///folder; a path that begins with / or . is one on this
/// machine. No server is asked. docs/stores.md has every kind of URL, its options, and where credentials come from;
/// ${NAME} in an option is a variable of the environment.
#[derive(Subcommand)]
pub(crate) enum Store {
    Ls(ls::Ls),
    Cat(cat::Cat),
    Stat(stat::Stat),
    Put(put::Put),
    Get(get::Get),
    Cp(cp::Cp),
    Mv(mv::Mv),
    Rm(rm::Rm),
    Ping(ping::Ping),
}

impl Store {
    pub(crate) fn run(&self, runtime: Runtime, output: Output) -> anyhow::Result<Exit> {
        let exit = runtime.block_on(async {
            match self {
                Self::Ls(verb) => verb.run(output).await,
                Self::Cat(verb) => verb.run(output).await,
                Self::Stat(verb) => verb.run(output).await,
                Self::Put(verb) => Box::pin(verb.run(output)).await,
                Self::Get(verb) => Box::pin(verb.run(output)).await,
                Self::Cp(verb) => Box::pin(verb.run(output)).await,
                Self::Mv(verb) => Box::pin(verb.run(output)).await,
                Self::Rm(verb) => Box::pin(verb.run(output)).await,
                Self::Ping(verb) => verb.run(output).await,
            }
        });
        runtime.shutdown_timeout(CLEAN_UP);
        exit
    }
}

// No doc comment: clap would take it for the verb's own.
#[derive(Args, Clone)]
pub(super) struct Options {
    /// An option of the store, over those in the URL; may be given more than once
    #[arg(long = "option", short, value_name = "KEY=VALUE", value_parser = pair)]
    options: Vec<(String, String)>,
}

/// Reads `key=value`.
fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    // Not told what it was: it may be a secret.
    let (key, value) = pair.ok_or_else(|| "write KEY=VALUE".to_owned())?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Whether opening a folder of this machine may make it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Make {
    /// What is only looked at or removed is not made.
    Nothing,
    /// The folder that is written into.
    Folders,
}

/// What a URL names: a place in a store that is not open yet.
#[derive(Clone)]
pub(super) struct Place {
    config: Config,
    /// As the user wrote it, without its secrets.
    pub(super) shown: String,
}

impl Place {
    /// Reads a URL, or a path on this machine.
    pub(super) fn parse(text: &str, options: &[(String, String)]) -> Result<Self, Failure> {
        let is_path = text.starts_with(['/', '.']) || !text.contains(':');
        let mut config = if is_path {
            let path = std::path::absolute(Path::new(text))
                .map_err(|error| Failure::local(format!("cannot find {text}"), &error))?;
            let path = path.to_str().ok_or_else(|| Failure::invalid(format!("{text:?} is no UTF-8")))?;
            Config::parse("file:").map(|config| config.with_path(path))?
        } else {
            Config::parse(text)?
        };
        for (key, value) in options {
            config = config.with_option(key, value);
        }
        let variables = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
        let shown = if is_path { text.to_owned() } else { config.to_string() };
        Ok(Self { config: config.with_environment(variables), shown })
    }

    /// Returns the path in the store, normalised.
    pub(super) fn path(&self) -> Result<StorePath, Failure> {
        Ok(StorePath::parse(self.config.path())?)
    }

    /// Returns whether the URL was written as that of a folder.
    pub(super) fn ends_as_folder(&self) -> bool {
        self.config.path().ends_with('/')
    }

    /// Returns the place of what lies in this folder.
    pub(super) fn below(&self, name: &str) -> Self {
        let path = format!("{}/{name}", self.config.path().trim_end_matches('/'));
        let config = self.config.clone().with_path(path);
        Self { shown: config.to_string(), config }
    }

    /// Returns the last name of the path.
    pub(super) fn name(&self) -> Result<String, Failure> {
        let path = self.path()?;
        if path.is_root() {
            let message = format!("{} is a whole store: name a file in it", self.shown);
            return Err(Failure::new(Exit::Invalid, "store_invalid_path", message));
        }
        Ok(path.name().to_owned())
    }

    /// Returns where it lies on this machine, with every symbolic link followed; of what is not there yet, where it would.
    pub(super) fn on_disk(&self) -> Option<PathBuf> {
        if !self.is_on_disk() {
            return None;
        }
        let whole = Path::new("/").join(self.path().ok()?.as_str());
        let found = whole.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
        let (above, real) = found?;
        match whole.strip_prefix(above) {
            Ok(rest) if !rest.as_os_str().is_empty() => Some(real.join(rest)),
            _ => Some(real),
        }
    }

    pub(super) fn is_on_disk(&self) -> bool {
        self.config.scheme() == "file"
    }

    /// Returns whether one of the two lies in the other, or is it, as far as their names tell.
    pub(super) fn overlaps(&self, other: &Self) -> Result<bool, Failure> {
        if let (Some(one), Some(other)) = (self.on_disk(), other.on_disk()) {
            return Ok(one.starts_with(&other) || other.starts_with(&one));
        }
        let (one, two) = (self.path()?, other.path()?);
        let is_either = one.relative_to(&two).is_some() || two.relative_to(&one).is_some();
        // A store in memory is another each time it is opened.
        let is_one = self.config.scheme() != "memory" && self.config.is_same_store(&other.config);
        Ok(is_one && is_either)
    }

    /// Opens the store with this place as its root.
    pub(super) fn open(&self, make: Make) -> Result<Opened, Failure> {
        self.open_at(self.config.path(), make)
    }

    /// Opens the store of the folder above, and returns the name in there.
    pub(super) fn open_above(&self, make: Make) -> Result<(Opened, String), Failure> {
        let name = self.name()?;
        let above = self.path()?.parent();
        Ok((self.open_at(&self.rooted(&above), make)?, name))
    }

    /// Opens one store for two places that lie in it, and returns their paths there: what is done between them is the storage's
    /// own work then. Where folders are real that is so within one alone: a folder above two others need not be ours to write into.
    pub(super) fn open_both(
        &self,
        other: &Self,
        make: Make,
    ) -> Result<Option<(Opened, String, String)>, Failure> {
        let (from, to) = (self.path()?, other.path()?);
        if !self.config.is_same_store(&other.config) {
            return Ok(None);
        }
        let is_beside = from.parent() == to.parent();
        let shared = match is_beside {
            true => from.parent(),
            false if self.config.is_remote() => StorePath::ROOT,
            false => return Ok(None),
        };
        let inside = |path: &StorePath| path.relative_to(&shared).map(|path| path.as_str().to_owned());
        let (Some(from), Some(to)) = (inside(&from), inside(&to)) else { return Ok(None) };
        let store = self.open_at(&self.rooted(&shared), make)?;
        if !is_beside && store.supports(Capability::Hierarchy) {
            return Ok(None);
        }
        Ok(Some((store, from, to)))
    }

    /// Returns a normalised path as the URL would have it.
    fn rooted(&self, path: &StorePath) -> String {
        let slash = if self.config.path().starts_with('/') { "/" } else { "" };
        format!("{slash}{path}")
    }

    fn open_at(&self, path: &str, make: Make) -> Result<Opened, Failure> {
        let mut config = self.config.clone().with_path(path);
        if config.scheme() == "file" && make == Make::Nothing {
            config = config.with_default("create", "false");
        }
        Ok(Opened::open(config)?)
    }
}

/// Does a verb to its end, or up to where the user interrupts it; what is under way is dropped then, and taken back by the
/// stores.
pub(super) async fn until_interrupted(
    stores: &[&Opened],
    verb: impl Future<Output = anyhow::Result<Exit>>,
) -> anyhow::Result<Exit> {
    let stop = interrupted_once();
    let mut exit = tokio::select! {
        exit = verb => exit,
        () = stop => Ok(Exit::Interrupted),
    };
    for store in stores {
        let closed = store.close().await;
        // What went wrong first is what is told.
        exit = exit.and_then(|exit| Ok(closed.map(|()| exit)?));
    }
    exit
}
