//! The server: opened over a data folder, bound to an address, serving until it is told to stop.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use longshore_core::SystemClock;
use longshore_core::key::ApiKey;
use longshore_engine::store::{self, LocalOptions, Store};
use longshore_engine::{Engine, Settings};
use longshore_flow::Tasks;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Durability, StoreKind};
use crate::error::{Error, Result};
use crate::http::{self, Limits};
use crate::listener::Listener;
use crate::{folder, measures, sweeper};

/// How much of a blob is read at a time. A reader that stalls holds about three such pieces, 0.8 MiB; with pieces
/// of 1 MiB it was 2.1 MiB, and what a reader that does not stall was given was hardly faster for it.
const READ_CHUNK: usize = 256 * 1_024;

/// A server that has its data, and does not listen yet.
pub struct Server {
    config: Config,
    engine: Engine,
    /// Holding it open holds the data folder.
    lock: File,
}

impl Server {
    /// Opens the data folder, the store and the database, and makes what a first start needs: the workspace
    /// `default`, and the key that is returned. Only its hash is kept.
    pub async fn open(config: Config) -> Result<(Self, Option<ApiKey>)> {
        config.check()?;
        let lock = folder::take(&config.data.dir).await?;
        let store = open_store(&config)?;
        let settings = Settings {
            largest_file: config.limits.max_file_bytes,
            followers: config.events.max_followers,
            orphan_grace: Duration::from_secs(config.sweep.orphan_grace_seconds),
            ..Settings::default()
        };
        let engine = Engine::open(settings, &config.database()?, store, Arc::new(SystemClock))
            .await
            .map_err(|error| Error::caused("cannot open the database", error))?;
        let first =
            engine.initialise().await.map_err(|error| Error::caused("cannot make the first key", error))?;
        let key = first.map(|first| first.secret.parse()).transpose();
        let key = key.map_err(|error| Error::caused("cannot make the first key", error))?;
        Ok((Self { config, engine, lock }, key))
    }

    /// Returns the engine behind the front doors.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Closes what was opened, without serving.
    pub async fn close(self) {
        self.engine.close().await;
    }

    /// Listens. Connections wait until [`Bound::serve`] takes them.
    pub async fn bind(self) -> Result<Bound> {
        let listener = Listener::bind(&self.config.server).await?;
        let address = listener.local_addr()?;
        let closing = CancellationToken::new();
        let router = http::service(self.engine.clone(), Limits::of(&self.config), closing.clone());
        Ok(Bound { server: self, listener, address, closing, router })
    }
}

/// A server that listens.
pub struct Bound {
    server: Server,
    listener: Listener,
    address: SocketAddr,
    closing: CancellationToken,
    router: Router,
}

impl Bound {
    /// Returns the address that it listens on.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL by which a client on this machine reaches the server.
    #[must_use]
    pub fn url(&self) -> String {
        let mut address = self.address;
        // "Every address" is one to listen on, not one to call.
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        let scheme = if self.listener.is_secure() { "https" } else { "http" };
        format!("{scheme}://{address}")
    }

    /// Serves until `shutdown` comes; then finishes the requests that are running, within the grace, and
    /// closes everything. It is an error that requests were still running when the grace was over.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<()> {
        let Self { server, listener, closing, router, .. } = self;
        let (connections, background) = (Tasks::new(), Tasks::new());
        let interval = Duration::from_secs(server.config.sweep.interval_seconds);
        background.spawn(sweeper::run(server.engine.clone(), interval));
        background.spawn(keep_measures());
        tokio::select! {
            () = listener.accept(&router, &closing, &connections) => {}
            () = shutdown => {}
        }
        closing.cancel();
        drop(listener);
        let grace = server.config.server.shutdown_grace();
        let broken_off = match timeout(grace, connections.close()).await {
            Ok(()) => 0,
            Err(_) => connections.len(),
        };
        connections.abort();
        connections.close().await;
        background.abort();
        background.close().await;
        server.engine.close().await;
        // Only now may another server have the folder.
        drop(server.lock);
        match broken_off {
            0 => Ok(()),
            open => Err(Error::new(format!("the grace was over and {open} connections were broken off"))),
        }
    }
}

async fn keep_measures() {
    let measures = measures::install();
    loop {
        sleep(measures::UPKEEP).await;
        measures.run_upkeep();
    }
}

fn open_store(config: &Config) -> Result<Store> {
    match config.store.kind {
        StoreKind::Memory => Ok(Store::memory()),
        StoreKind::Local => {
            let durability = match config.store.durability {
                Durability::None => store::Durability::None,
                Durability::File => store::Durability::File,
                Durability::Full => store::Durability::Full,
            };
            let folder = config.store_dir();
            let tried = format!("cannot open the store {}", folder.display());
            // The store would make it too, but for everybody to read.
            folder::make(&folder).map_err(|error| Error::caused(&tried, error))?;
            let mut options = LocalOptions { durability, read_chunk: READ_CHUNK, ..LocalOptions::default() };
            if config.store.dir.is_none() {
                // The data folder's lock is held: whatever is half-written there, nobody writes it any more. A
                // folder that was chosen may be shared with other nodes, so there age decides.
                options.sweep_older_than = Duration::ZERO;
            }
            Store::local(&folder, options).map_err(|error| Error::caused(&tried, error))
        }
    }
}
