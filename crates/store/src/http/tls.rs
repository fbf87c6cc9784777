//! Whom to trust: the machine's root certificates, and a file of further ones.

use std::fmt::{self, Debug};
use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::sync::OnceCell;

/// The configuration of TLS, made when the first connection needs it: reading certificates takes longer than most requests.
pub(super) struct Tls {
    ca_file: Option<PathBuf>,
    config: OnceCell<Arc<ClientConfig>>,
}

impl Tls {
    pub(super) fn new(ca_file: Option<PathBuf>) -> Self {
        Self { ca_file, config: OnceCell::new() }
    }

    /// Returns the configuration. A failure is not kept.
    pub(super) async fn config(&self) -> Result<Arc<ClientConfig>> {
        let made = self.config.get_or_try_init(|| async {
            let ca_file = self.ca_file.clone();
            let made = tokio::task::spawn_blocking(move || make(ca_file.as_deref())).await;
            made.map_err(Error::other)?.map(Arc::new)
        });
        made.await.cloned()
    }
}

impl Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("ca_file", &self.ca_file).finish_non_exhaustive()
    }
}

fn make(ca_file: Option<&Path>) -> Result<ClientConfig> {
    let read = |path: &Path| {
        let bad = |why| Error::other(format!("cannot use {}: {why}", path.display()));
        longshore_trust::read_authorities(path).map_err(bad)
    };
    let further = ca_file.map(read).transpose()?.unwrap_or_default();
    longshore_trust::client_config(&further).map_err(Error::other)
}
