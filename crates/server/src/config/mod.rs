//! What can be configured: a TOML file, and over it the environment.
//!
//! This is the one place of the server that reads the environment. A key that is not known is an error, so
//! that a typing mistake never goes unnoticed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use confique::toml::FormatOptions;
use confique::{Config as _, Layer as _};
use longshore_engine::egress::Network;
use serde::Deserialize;

use crate::error::{Error, Result};

mod audit;
mod egress;
mod oidc;
mod origin;
mod proxies;
mod rates;
mod sessions;
mod store;
#[cfg(test)]
mod tests;
mod text;

pub use self::audit::AuditConfig;
pub use self::egress::{EgressConfig, Listed};
pub(crate) use self::oidc::is_private;
pub use self::oidc::{OidcConfig, OidcTables};
pub use self::origin::{ContentOrigin, Origin, PublicOrigin};
pub use self::proxies::{Proxies, ProxyHeader};
pub use self::rates::RatesConfig;
pub use self::sessions::SessionsConfig;
pub use self::store::{Durability, Options, Secret, StoreConfig, StoreKind};
pub use self::text::read_toml;

/// The longest time that can be configured, ten years: a clock that is added to any such time stays a clock.
const MOST_SECONDS: u64 = 10 * 365 * 24 * 3_600;

/// The most days for which the audit log can be kept, a hundred years; 0 is for ever.
const MOST_DAYS: u32 = 36_500;

/// The shortest time for which orphans are kept.
const LEAST_GRACE: u64 = 3_600;

/// The shortest lease of a job: it is renewed at a third of it, and a pause of a second or two must not cost it.
const LEAST_LEASE: u64 = 5;

/// The shortest time of a session: its use is noted every five minutes, and one that is used is not to end between.
const LEAST_SESSION: u64 = 600;

/// The most jobs at once, far more than one machine does.
const MOST_JOBS: usize = 1_000;

/// The most connections to a PostgreSQL database, far more than one takes.
const MOST_DATABASE_CONNECTIONS: usize = 10_000;

/// Everything about a server that can be set.
///
/// Each value may also come from the environment variable named with it, which then wins over the file.
#[derive(Clone, Debug, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Config {
    /// Where and how the server listens.
    #[config(nested)]
    pub server: ServerConfig,
    /// The data folder.
    #[config(nested)]
    pub data: DataConfig,
    /// The database.
    #[config(nested)]
    pub database: DatabaseConfig,
    /// Where the bytes of large files are.
    #[config(nested)]
    pub store: StoreConfig,
    /// How much one request may bring.
    #[config(nested)]
    pub limits: LimitsConfig,
    /// How often somebody may come.
    #[config(nested)]
    pub rates: RatesConfig,
    /// How long people stay signed in.
    #[config(nested)]
    pub sessions: SessionsConfig,
    /// Clients that follow events.
    #[config(nested)]
    pub events: EventsConfig,
    /// The audit log.
    #[config(nested)]
    pub audit: AuditConfig,
    /// What is logged, and how.
    #[config(nested)]
    pub log: LogConfig,
    /// The sweeper, which removes what a crash has left.
    #[config(nested)]
    pub sweep: SweepConfig,
    /// Background jobs.
    #[config(nested)]
    pub jobs: JobsConfig,
    /// Where the server may send requests that a user asked for.
    #[config(nested)]
    pub egress: EgressConfig,
    /// Providers of OpenID Connect that people may sign in by, a table `[[oidc]]` each, in place of this line:
    /// docs/operations.md has an example. They need server.public_origin.
    #[config(default = [])]
    pub oidc: OidcTables,
}

/// Where and how the server listens.
#[derive(Clone, Debug, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct ServerConfig {
    /// The address and port to listen on; port 0 takes a free one.
    #[config(env = "LONGSHORE_SERVER_LISTEN", default = "127.0.0.1:7420")]
    pub listen: SocketAddr,
    /// A file with the TLS certificate chain (PEM). With it and the key the server speaks HTTPS alone.
    #[config(env = "LONGSHORE_SERVER_TLS_CERTIFICATE")]
    pub tls_certificate: Option<PathBuf>,
    /// A file with the TLS private key (PEM).
    #[config(env = "LONGSHORE_SERVER_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// The most connections at once. Further ones wait to be accepted. Where the process may not open two
    /// files for each (a connection and what it reads or writes), there are fewer.
    #[config(env = "LONGSHORE_SERVER_MAX_CONNECTIONS", default = 4096)]
    pub max_connections: usize,
    /// How long a client may take for a request's header, and be silent between two requests.
    #[config(env = "LONGSHORE_SERVER_HEADER_TIMEOUT_SECONDS", default = 75)]
    pub header_timeout_seconds: u64,
    /// How long a transfer may stand still, in either direction.
    #[config(env = "LONGSHORE_SERVER_IDLE_TIMEOUT_SECONDS", default = 60)]
    pub idle_timeout_seconds: u64,
    /// The most bytes of a request's line and header.
    #[config(env = "LONGSHORE_SERVER_MAX_HEADER_BYTES", default = 65536)]
    pub max_header_bytes: usize,
    /// Origins of pages whose scripts may call the API from a browser, with commas between them:
    /// `https://app.example.org, http://localhost:5173`; `*` for all. Each call needs its key all the same. Left out: none
    /// but pages of the server's own origin.
    #[config(env = "LONGSHORE_SERVER_ALLOWED_ORIGINS", default = "")]
    pub allowed_origins: Listed<Origin>,
    /// The origin that people reach the server by, `https://files.example.org`: https, or http at a loopback address. Sign-in
    /// by OpenID Connect needs it.
    #[config(env = "LONGSHORE_SERVER_PUBLIC_ORIGIN")]
    pub public_origin: Option<PublicOrigin>,
    /// The origin at which links give their content and nothing else is served: `https://content.example.org`, which reaches
    /// this server too, by another name. Links then point there. Left out: links are on the server's own origin.
    #[config(env = "LONGSHORE_SERVER_CONTENT_ORIGIN")]
    pub content_origin: Option<ContentOrigin>,
    /// Networks of proxies whose word on where a request comes from is taken, with commas between them: `10.1.0.0/16, fd12::/32`.
    /// Left out: nobody's, and a request comes from its peer.
    #[config(env = "LONGSHORE_SERVER_TRUSTED_PROXIES", default = "")]
    pub trusted_proxies: Listed<Network>,
    /// The header by which those proxies say it: `x-forwarded-for` or `forwarded`. They must add to this one, and the other
    /// is not read.
    #[config(env = "LONGSHORE_SERVER_PROXY_HEADER", default = "x-forwarded-for")]
    pub proxy_header: ProxyHeader,
    /// How long running requests may take to finish when the server is told to stop.
    #[config(env = "LONGSHORE_SERVER_SHUTDOWN_GRACE_SECONDS", default = 30)]
    pub shutdown_grace_seconds: u64,
}

/// The data folder.
#[derive(Clone, Debug, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct DataConfig {
    /// The folder that holds everything the server keeps. It is made when it is not there.
    #[config(env = "LONGSHORE_DATA_DIR", default = "longshore-data")]
    pub dir: PathBuf,
}

/// The database.
#[derive(Clone, Debug, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct DatabaseConfig {
    /// `sqlite:PATH` or `postgres://user@host/database`. Left out: SQLite, in the data folder.
    #[config(env = "LONGSHORE_DATABASE_URL")]
    pub url: Option<String>,
    /// The most connections to a PostgreSQL database.
    #[config(env = "LONGSHORE_DATABASE_CONNECTIONS", default = 16)]
    pub connections: usize,
}

/// How much one request may bring.
#[derive(Clone, Debug, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct LimitsConfig {
    /// The most bytes of one file. Left out: no limit.
    #[config(env = "LONGSHORE_LIMITS_MAX_FILE_BYTES")]
    pub max_file_bytes: Option<u64>,
    /// The most bytes of a JSON body.
    #[config(env = "LONGSHORE_LIMITS_MAX_JSON_BYTES", default = 1048576)]
    pub max_json_bytes: usize,
    /// The most resumable uploads that one principal may have begun and not finished, with all its keys.
    #[config(env = "LONGSHORE_LIMITS_MAX_OPEN_UPLOADS", default = 10000)]
    pub max_open_uploads: u32,
}

/// Clients that follow events.
#[derive(Clone, Debug, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct EventsConfig {
    /// The most clients that wait at once, for events by long-poll or stream, or for a job. Further ones are refused.
    #[config(env = "LONGSHORE_EVENTS_MAX_FOLLOWERS", default = 1024)]
    pub max_followers: usize,
    /// The most of them that one principal may have, with all its keys.
    #[config(env = "LONGSHORE_EVENTS_MAX_FOLLOWERS_EACH", default = 256)]
    pub max_followers_each: usize,
    /// After how long without an event a stream gives a sign of life. Shorter than what stands between server and
    /// client keeps a silent connection open.
    #[config(env = "LONGSHORE_EVENTS_HEARTBEAT_SECONDS", default = 15)]
    pub heartbeat_seconds: u64,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object per line.
    Json,
}

/// What is logged, and how.
#[derive(Clone, Debug, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug`, `trace`, or by target: `warn,longshore::http=info`.
    #[config(env = "LONGSHORE_LOG_LEVEL", default = "info")]
    pub level: String,
    /// `text` or `json`.
    #[config(env = "LONGSHORE_LOG_FORMAT", default = "text")]
    pub format: LogFormat,
}

/// The sweeper, which removes what a crash has left.
#[derive(Clone, Debug, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct SweepConfig {
    /// How long the sweeper rests between two sweeps.
    #[config(env = "LONGSHORE_SWEEP_INTERVAL_SECONDS", default = 3600)]
    pub interval_seconds: u64,
    /// How long stored bytes must have been found to belong to no file before they are removed. At least an hour
    /// (3600): the bytes of a write that is still being committed belong to no file yet. And at least as long as a
    /// backup takes: it copies first the database, then the bytes that this names.
    #[config(env = "LONGSHORE_SWEEP_ORPHAN_GRACE_SECONDS", default = 86400)]
    pub orphan_grace_seconds: u64,
}

/// Background jobs.
#[derive(Clone, Debug, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct JobsConfig {
    /// Whether the server runs jobs beside serving. Without that `longshore worker` has to, on PostgreSQL.
    #[config(env = "LONGSHORE_JOBS_ENABLED", default = true)]
    pub enabled: bool,
    /// How many jobs run at once in this process.
    #[config(env = "LONGSHORE_JOBS_CONCURRENCY", default = 4)]
    pub concurrency: usize,
    /// How many deliveries of webhooks are attempted at once in this process, beside those jobs: they wait for
    /// strangers most of the time.
    #[config(env = "LONGSHORE_JOBS_DELIVERIES", default = 32)]
    pub deliveries: usize,
    /// How long a job is left to a process that gives no sign of life; then another one takes it up.
    #[config(env = "LONGSHORE_JOBS_LEASE_SECONDS", default = 30)]
    pub lease_seconds: u64,
}

type ConfigLayer = <Config as confique::Config>::Layer;

impl Config {
    /// Loads the configuration: the environment, then `file` where one is given, then what is built in.
    ///
    /// A `file` that is not there, a key that is not known and a value that makes no sense are errors.
    pub fn load(file: Option<&Path>) -> Result<Self> {
        let unusable = |error: confique::Error| Error::caused("the configuration", error);
        let mut layer = ConfigLayer::from_env().map_err(unusable)?;
        if let Some(path) = file {
            let wrong = |why: String| Error::new(format!("the configuration: {}: {why}", path.display()));
            let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
            let file: ConfigLayer = read_toml(&text).map_err(wrong)?;
            layer = layer.with_fallback(file);
        }
        let config =
            Self::from_layer(layer.with_fallback(ConfigLayer::default_values())).map_err(unusable)?;
        config.check()?;
        Ok(config)
    }

    /// Returns a configuration file with every key, commented out at its built-in value.
    #[must_use]
    pub fn template() -> String {
        confique::toml::template::<Self>(FormatOptions::default())
    }

    /// Checks what single values cannot tell. [`Server::open`](crate::Server::open) does it too, for values
    /// set after loading.
    pub fn check(&self) -> Result<()> {
        let ensure = |holds: bool, message: &str| match holds {
            true => Ok(()),
            false => Err(Error::new(format!("the configuration: {message}"))),
        };
        let server = &self.server;
        ensure(
            server.tls_certificate.is_some() == server.tls_key.is_some(),
            "server.tls_certificate and server.tls_key go together",
        )?;
        ensure(server.max_connections > 0, "server.max_connections is at least 1")?;
        ensure(server.max_header_bytes >= 8_192, "server.max_header_bytes is at least 8192")?;
        ensure(!self.data.dir.as_os_str().is_empty(), "data.dir is not empty")?;
        ensure(
            (1..=MOST_DATABASE_CONNECTIONS).contains(&self.database.connections),
            "database.connections is 1 to 10000",
        )?;
        ensure(self.limits.max_json_bytes > 0, "limits.max_json_bytes is at least 1")?;
        ensure(self.limits.max_open_uploads > 0, "limits.max_open_uploads is at least 1")?;
        ensure((1..=MOST_JOBS).contains(&self.jobs.concurrency), "jobs.concurrency is 1 to 1000")?;
        ensure((1..=MOST_JOBS).contains(&self.jobs.deliveries), "jobs.deliveries is 1 to 1000")?;
        ensure(self.audit.kept_days <= MOST_DAYS, "audit.kept_days is 0 to 36500")?;
        self.rates.check()?;
        ensure(
            self.oidc.providers()?.is_empty() || server.public_origin.is_some(),
            "oidc needs server.public_origin",
        )?;
        self.store.check()?;
        self.check_times()?;
        self.database()?;
        Ok(())
    }

    fn check_times(&self) -> Result<()> {
        let (server, sweep, jobs) = (&self.server, &self.sweep, &self.jobs);
        for (name, least, seconds) in [
            ("server.header_timeout_seconds", 1, server.header_timeout_seconds),
            ("server.idle_timeout_seconds", 1, server.idle_timeout_seconds),
            ("server.shutdown_grace_seconds", 0, server.shutdown_grace_seconds),
            ("events.heartbeat_seconds", 1, self.events.heartbeat_seconds),
            ("sweep.interval_seconds", 1, sweep.interval_seconds),
            ("sweep.orphan_grace_seconds", LEAST_GRACE, sweep.orphan_grace_seconds),
            ("jobs.lease_seconds", LEAST_LEASE, jobs.lease_seconds),
            ("sessions.idle_seconds", LEAST_SESSION, self.sessions.idle_seconds),
            ("sessions.length_seconds", LEAST_SESSION, self.sessions.length_seconds),
        ] {
            if !(least..=MOST_SECONDS).contains(&seconds) {
                return Err(Error::new(format!("the configuration: {name} is {least} to {MOST_SECONDS}")));
            }
        }
        Ok(())
    }

    /// Returns where the database is.
    pub(crate) fn database(&self) -> Result<longshore_engine::Database> {
        use longshore_engine::Database;
        let Some(url) = &self.database.url else {
            return Ok(Database::Sqlite(self.data.dir.join("longshore.db")));
        };
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(Error::new("the configuration: database.url `sqlite:` needs a path"));
            }
            return Ok(Database::Sqlite(path.into()));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Database::Postgres { url: url.clone(), connections: self.database.connections });
        }
        // The text itself stays out of the message: it may hold a password.
        Err(Error::new("the configuration: database.url is `sqlite:PATH` or `postgres://…`"))
    }
}

impl ServerConfig {
    pub(crate) const fn header_timeout(&self) -> Duration {
        Duration::from_secs(self.header_timeout_seconds)
    }

    pub(crate) const fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.idle_timeout_seconds)
    }

    pub(crate) fn proxies(&self) -> Proxies {
        Proxies { networks: self.trusted_proxies.0.clone(), header: self.proxy_header }
    }

    pub(crate) const fn shutdown_grace(&self) -> Duration {
        Duration::from_secs(self.shutdown_grace_seconds)
    }
}
