//! Recovery on the machine itself: the database of a configuration, whether a server runs over it or not.

use std::sync::Arc;

use longshore_core::SystemClock;
use longshore_engine::store::Store;
use longshore_engine::{Database, Engine, Settings};

use crate::config::Config;
use crate::error::{Error, Result};

/// The database of a server, opened to let an administrator in again.
pub struct Recovery {
    engine: Engine,
}

impl Recovery {
    /// Opens the database. No file's bytes are needed, so the store is left alone.
    pub async fn open(config: &Config) -> Result<Self> {
        config.check()?;
        let database = config.database()?;
        if let Database::Sqlite(path) = &database
            && !path.is_file()
        {
            return Err(Error::new(format!("there is no database {}", path.display())));
        }
        let (clock, store) = (Arc::new(SystemClock), Store::memory());
        let engine = Engine::open(Settings::default(), &database, store, clock).await;
        Ok(Self { engine: engine.map_err(|error| Error::caused("cannot open the database", error))? })
    }

    /// Returns the engine over the database.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Closes the database.
    pub async fn close(self) {
        self.engine.close().await;
    }
}
