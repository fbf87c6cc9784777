//! The server: opened over a data folder, bound to an address, serving until it is told to stop.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::Router;
use longshore_core::key::ApiKey;
use longshore_engine::Engine;
use longshore_flow::Tasks;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::data::{self, Alone};
use crate::error::{Error, Result};
use crate::http::{self, Entrance, Limits};
use crate::listener::Listener;
use crate::{folder, measures, worker};

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
        let lock = folder::take(&config.data.dir).await?.ok_or_else(|| folder::taken(&config.data.dir))?;
        let engine = data::open(&config, Alone::Yes).await?;
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
        let requests = Tasks::new();
        let (limits, entrance) = (Limits::of(&self.config), Entrance::of(&self.config)?);
        let router = http::service(self.engine.clone(), limits, entrance, closing.clone(), requests.clone());
        let router = http::allow_origins(router, &self.config.server.allowed_origins.0);
        Ok(Bound { server: self, listener, address, closing, router, requests })
    }
}

/// A server that listens.
pub struct Bound {
    server: Server,
    listener: Listener,
    address: SocketAddr,
    closing: CancellationToken,
    router: Router,
    /// What requests do apart from their connection; each ends with its request.
    requests: Tasks,
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
        let Self { server, listener, closing, router, requests, .. } = self;
        let (connections, background, jobs) = (Tasks::new(), Tasks::new(), Tasks::new());
        if server.config.jobs.enabled {
            let stop = closing.clone().cancelled_owned();
            jobs.spawn(worker::work(server.engine.clone(), worker::settings(&server.config), stop));
        }
        background.spawn(keep_measures(server.engine.clone()));
        tokio::select! {
            () = listener.accept(&router, &closing, &connections) => {}
            () = shutdown => {}
        }
        closing.cancel();
        drop(listener);
        let grace = server.config.server.shutdown_grace();
        // Both within the same grace: jobs have one of their own, that is no longer.
        let (ended, worked) = tokio::join!(timeout(grace, connections.close()), worker::end(&jobs, grace));
        let broken_off = if ended.is_ok() { 0 } else { connections.len() };
        connections.abort();
        connections.close().await;
        requests.abort();
        requests.close().await;
        if !worked {
            tracing::warn!("jobs were broken off: they are taken up again when their lease is over");
        }
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

async fn keep_measures(engine: Engine) {
    let measures = measures::install();
    loop {
        sleep(measures::UPKEEP).await;
        measures::jobs(&engine).await;
        measures.run_upkeep();
    }
}
