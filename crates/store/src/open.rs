//! Opening a store by its URL: the one table of schemes.

use longshore_flow::RetryPolicy;

use crate::azure::AzureOptions;
use crate::config::{Config, invalid};
use crate::error::Result;
use crate::gcs::GcsOptions;
use crate::layer::Timeouts;
use crate::local::LocalOptions;
use crate::path::StorePath;
use crate::s3::S3Options;
use crate::sftp::SftpOptions;
use crate::store::Store;

/// A kind of store that a URL can name.
struct Scheme {
    /// What the URL begins with; the first is the usual one.
    names: &'static [&'static str],
    /// The form of the URL, for people.
    form: &'static str,
    /// Whether it lies behind a network.
    is_remote: bool,
    open: fn(&mut Config) -> Result<Store>,
}

/// Every scheme there is. A backend's line lets `Config::read` take its options, and opens it with them.
const SCHEMES: &[Scheme] = &[
    Scheme {
        names: &["memory"],
        form: "memory:",
        is_remote: false,
        open: |config| config.read(|_| Ok(Store::memory())),
    },
    Scheme {
        names: &["file"],
        form: "file:///FOLDER",
        is_remote: false,
        open: |config| {
            let (folder, options) = config.read(LocalOptions::from_config)?;
            Store::local(folder, options)
        },
    },
    Scheme {
        names: &["s3"],
        form: "s3://BUCKET/path",
        is_remote: true,
        open: |config| Store::s3(config.read(S3Options::from_config)?),
    },
    Scheme {
        names: &["az"],
        form: "az://CONTAINER/path",
        is_remote: true,
        open: |config| Store::azure(config.read(AzureOptions::from_config)?),
    },
    Scheme {
        names: &["abfss"],
        form: "abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/path",
        is_remote: true,
        open: |config| Store::azure(config.read(AzureOptions::from_config)?),
    },
    Scheme {
        names: &["gs"],
        form: "gs://BUCKET/path",
        is_remote: true,
        open: |config| Store::gcs(config.read(GcsOptions::from_config)?),
    },
    Scheme {
        names: &["sftp"],
        form: "sftp://USER@HOST/FOLDER",
        is_remote: true,
        open: |config| Store::sftp(config.read(SftpOptions::from_config)?),
    },
];

/// How a store is asked that lies behind a network, unless options say otherwise.
const AT_ONCE: usize = 64;

/// What stands in front of a store: options of every scheme.
struct Manners {
    timeouts: Option<Timeouts>,
    retry: Option<RetryPolicy>,
    at_once: Option<usize>,
}

impl Manners {
    fn from_config(config: &mut Config, is_remote: bool) -> Result<Self> {
        let operation = config.take_parsed("timeout")?;
        let chunk = config.take_parsed("chunk_timeout")?;
        let attempts = config.take_parsed("attempts")?;
        let at_once = config.take_parsed("at_once")?;
        let usual = Timeouts::default();
        let timeouts = Timeouts {
            operation: operation.unwrap_or(usual.operation),
            chunk: chunk.unwrap_or(usual.chunk),
            // What is under way on a slow link may be many chunks, and every storage watches for silence itself.
            write: chunk,
        };
        let usual = RetryPolicy::default();
        let retry = RetryPolicy { max_attempts: attempts.unwrap_or(usual.max_attempts), ..usual };
        Ok(Self {
            timeouts: (is_remote || operation.is_some() || chunk.is_some()).then_some(timeouts),
            retry: (is_remote || attempts.is_some()).then_some(retry),
            at_once: at_once.or(is_remote.then_some(AT_ONCE)),
        })
    }

    fn wrap(self, mut store: Store) -> Store {
        // Innermost, so that the wait for a turn is not counted; each attempt has its own time.
        if let Some(timeouts) = self.timeouts {
            store = store.with_timeouts(timeouts);
        }
        if let Some(at_once) = self.at_once {
            store = store.with_limit(at_once);
        }
        match self.retry {
            Some(retry) if retry.max_attempts > 1 => store.with_retry(retry),
            _ => store,
        }
    }
}

impl Store {
    /// Opens the store that a URL names. No store is asked anything here: whether a remote one answers, its first verb tells
    /// ([`ping`](Self::ping)).
    ///
    /// | URL | |
    /// |---|---|
    /// | `memory:` | an empty store in memory |
    /// | `file:///FOLDER` | a folder of the local disk: always an absolute path. Options: `durability` (`full`, `file`, `none`), `read_chunk`, `sweep_older_than`, `create` (make a missing folder: true), `private` (make it for its owner alone: false) |
    /// | `s3://BUCKET/path` | a bucket of S3 ([`s3`](Self::s3)). Options: `region`, `endpoint`, `path_style`, `allow_http`, `ca_file`, `part_size`, `parts_in_flight`, `sign_payload`, `conditional_writes`, `connect_timeout`, `idle_timeout`; whose keys: `access_key_id`, `secret_access_key`, `session_token`, or `profile`, or `anonymous`. Otherwise as AWS's tools have it: the environment (`AWS_…`), the shared files, the container, the machine |
    /// | `az://CONTAINER/path` | a container of Azure ([`azure`](Self::azure)), of the account `account`. Options: `account_key`, `sas`, `tenant_id` with `client_id` and `client_secret`, `endpoint`, `dfs_endpoint`, `allow_http`, `hierarchical`, `part_size`, `parts_in_flight`, `ca_file`, `connect_timeout`, `idle_timeout`. Otherwise the environment (`AZURE_…`), the machine |
    /// | `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/path` | the same, in the form of Azure's Data Lake |
    /// | `gs://BUCKET/path` | a bucket of Google Cloud Storage ([`gcs`](Self::gcs)). Options: `service_account_file`, `service_account_key`, `anonymous`, `endpoint`, `allow_http`, `conditional_writes`, `part_size`, `ca_file`, `connect_timeout`, `idle_timeout`. Otherwise `GOOGLE_APPLICATION_CREDENTIALS`, the user's file of `gcloud`, the machine |
    /// | `sftp://USER@HOST:PORT/FOLDER` | a folder on a server with SSH; `/~/FOLDER` begins at the login folder. Options: `key_file`, `private_key`, `passphrase`, `agent`, `known_hosts`, `fingerprint`, `accept_any_host_key`, `connect_timeout`, `request_timeout`, `keepalive`, `requests`, `window`, `read_chunk`, `sweep_older_than` ([`SftpOptions`](crate::SftpOptions)) |
    ///
    /// What a URL's path names beyond the bucket or container is the root of the store, as [`child`](Self::child) has it,
    /// though closing it closes the store.
    ///
    /// Every scheme has the options `timeout` and `chunk_timeout` ([`with_timeouts`](Self::with_timeouts); what is written has
    /// a limit only with the second), `attempts` (how
    /// often in all, 1: no retry; [`with_retry`](Self::with_retry)) and `at_once` ([`with_limit`](Self::with_limit)). A remote
    /// store has all of them unless told otherwise, the others none.
    ///
    /// What the URL or an option breaks is `InvalidInput`, and an unknown scheme too. No error shows a secret.
    pub fn open(mut config: Config) -> Result<Self> {
        let Some(scheme) = SCHEMES.iter().find(|scheme| scheme.names.contains(&config.scheme())) else {
            let forms: Vec<_> = SCHEMES.iter().map(|scheme| scheme.form).collect();
            let message =
                format!("there is no store {}:, but there are {}", config.scheme(), forms.join(", "));
            return Err(invalid(message));
        };
        let shown = config.to_string();
        let open = |config: &mut Config| -> Result<Self> {
            config.resolve()?;
            let manners = Manners::from_config(config, scheme.is_remote)?;
            let store = manners.wrap((scheme.open)(config)?);
            Ok(store.rooted(&StorePath::parse(config.path())?))
        };
        open(&mut config).map_err(|error| error.located(&shown, scheme.names[0]))
    }
}

impl Config {
    /// Returns whether the store lies behind a network, as far as the scheme is known.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        SCHEMES.iter().any(|scheme| scheme.is_remote && scheme.names.contains(&self.scheme()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Manners;
    use crate::testing::chaos::{Chaos, ChaosHandle, Op};
    use crate::{Config, ErrorKind, Store, WriteOptions};

    fn remote(options: &[(&str, &str)]) -> (Store, ChaosHandle) {
        let (store, chaos) = Chaos::wrap(Store::memory());
        let config = Config::parse("memory:").unwrap().with_option("attempts", "1");
        let mut config = options.iter().fold(config, |config, (key, value)| config.with_option(*key, *value));
        (Manners::from_config(&mut config, true).unwrap().wrap(store), chaos)
    }

    #[tokio::test(start_paused = true)]
    async fn what_moves_content_is_not_cut_off_and_what_looks_is() {
        let (store, chaos) = remote(&[("timeout", "10s")]);
        let hour = Duration::from_hours(1);
        for op in [Op::Write, Op::Finish] {
            chaos.delay_next(op, hour);
        }
        store.write("d/file", "x", WriteOptions::default()).await.unwrap();
        chaos.delay_next(Op::Copy, hour);
        store.copy_file("d/file", "d/copy", false).await.unwrap();
        chaos.delay_next(Op::Move, hour);
        store.move_file("d/copy", "d/moved", false).await.unwrap();
        chaos.delay_next(Op::DeleteFolder, hour);
        store.delete_folder("d", true, false).await.unwrap();
        store.write("file", "x", WriteOptions::default()).await.unwrap();
        chaos.delay_next(Op::Stat, hour);
        assert_eq!(store.exists("file").await.unwrap_err().kind(), ErrorKind::Unavailable);
        chaos.delay_next(Op::ReadChunk, hour);
        assert_eq!(store.read_bytes("file").await.unwrap_err().kind(), ErrorKind::Unavailable);
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_for_a_limit_to_what_is_written_has_it() {
        let (store, chaos) = remote(&[("chunk_timeout", "10s")]);
        for op in [Op::Write, Op::Finish] {
            chaos.delay_next(op, Duration::from_hours(1));
            let written = store.write("file", "x", WriteOptions::default()).await;
            assert_eq!(written.unwrap_err().kind(), ErrorKind::Unavailable, "{op:?}");
        }
    }
}
