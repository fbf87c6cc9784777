//! What a process opens before it does anything: the store and the engine, as configured.

use std::sync::Arc;
use std::time::Duration;

use longshore_core::SystemClock;
use longshore_engine::store::{self, Capability, LocalOptions, Store};
use longshore_engine::{Engine, Settings};

use crate::config::{Config, Durability, StoreKind};
use crate::error::{Error, Result};
use crate::folder;

/// How much of a blob is read at a time. A reader that stalls holds about three such pieces, 0.8 MiB; with pieces
/// of 1 MiB it was 2.1 MiB, and what a reader that does not stall was given was hardly faster for it.
const READ_CHUNK: usize = 256 * 1_024;

/// Whether the process has the data folder for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alone {
    Yes,
    No,
}

/// Opens the store and the database.
pub(crate) async fn open(config: &Config, alone: Alone) -> Result<Engine> {
    let store = open_store(config, alone)?;
    let settings = Settings {
        largest_file: config.limits.max_file_bytes,
        open_uploads: config.limits.max_open_uploads,
        followers: config.events.max_followers,
        followers_each: config.events.max_followers_each,
        audit_kept: config.audit.kept(),
        orphan_grace: Duration::from_secs(config.sweep.orphan_grace_seconds),
        egress: config.egress.settings(),
        sweep_interval: Duration::from_secs(config.sweep.interval_seconds),
        session_idle: Duration::from_secs(config.sessions.idle_seconds),
        session_length: Duration::from_secs(config.sessions.length_seconds),
        ..Settings::default()
    };
    let engine = Engine::open(settings, &config.database()?, store.clone(), Arc::new(SystemClock))
        .await
        .map_err(|error| Error::caused("cannot open the database and the store", error))?;
    if alone == Alone::Yes {
        engine.end_what_was_left().await;
    }
    // Only now: what some can do is found out by their first write.
    warn_of(&store);
    Ok(engine)
}

fn open_store(config: &Config, alone: Alone) -> Result<Store> {
    if let Some(named) = config.store.opened_by()? {
        return open_named(named);
    }
    match config.store.kind {
        StoreKind::Memory => Ok(Store::memory()),
        StoreKind::Local => {
            let durability = match config.store.durability {
                Durability::None => store::Durability::None,
                Durability::File => store::Durability::File,
                Durability::Full => store::Durability::Full,
            };
            let folder = config.store.folder(&config.data.dir);
            let tried = format!("cannot open the store {}", folder.display());
            // The store would make it too, but for everybody to read.
            folder::make(&folder).map_err(|error| Error::caused(&tried, error))?;
            let mut options = LocalOptions { durability, read_chunk: READ_CHUNK, ..LocalOptions::default() };
            if config.store.dir.is_none() && alone == Alone::Yes {
                // The data folder's lock is held: whatever is half-written there, nobody writes it any more. A
                // folder that was chosen may be shared with other nodes, so there age decides.
                options.sweep_older_than = Duration::ZERO;
            }
            Store::local(&folder, options).map_err(|error| Error::caused(&tried, error))
        }
    }
}

/// Opens the store that a URL names.
fn open_named(mut named: store::Config) -> Result<Store> {
    // No secret is in it.
    let tried = format!("cannot open the store {named}");
    let is_remote = named.is_remote();
    let mut defaults = Vec::new();
    if named.scheme() == "file" {
        defaults.extend([("read_chunk", READ_CHUNK.to_string()), ("private", "true".to_owned())]);
    }
    if is_remote {
        // A client waits, who tries again by itself: better it hears soon that the store is down.
        defaults.extend([("attempts", "3".to_owned()), ("timeout", "10s".to_owned())]);
    }
    for (key, value) in defaults {
        named = named.with_default(key, value);
    }
    Store::open(named).map_err(|error| Error::caused(&tried, error))
}

/// Says at the start what a chosen store does not promise and a server would have a use for.
///
/// It runs without any of it. A blob has a name of its own, which no two writers ever share, and no row names it before it is
/// stored as a whole: whether a half of it might be seen before, and which of two writers would win, makes no difference. Only
/// the mark that ties the store to its database is made by two servers at once, if ever.
fn warn_of(store: &Store) {
    let name = store.name();
    if !store.supports(Capability::Durable) {
        tracing::warn!(
            store = name,
            "the store promises not that what was acknowledged survives a loss of its power"
        );
    }
    if !store.supports(Capability::AtomicCreate) {
        tracing::warn!(
            store = name,
            "the store cannot create a file only where none is: never start servers of two databases over a new store at once"
        );
    }
}
