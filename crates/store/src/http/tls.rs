//! Whom to trust: the machine's root certificates, and a file of further ones.

use std::fmt::{self, Debug};
use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
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
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        let bad = |why: String| Error::other(format!("cannot use {}: {why}", path.display()));
        let before = roots.len();
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| bad(error.to_string()))? {
            let certificate = certificate.map_err(|error| bad(error.to_string()))?;
            roots.add(certificate).map_err(|error| bad(error.to_string()))?;
        }
        if roots.len() == before {
            return Err(bad("it holds no certificate".to_owned()));
        }
    }
    if roots.is_empty() {
        return Err(Error::other("this machine has no root certificates, and no file of them is set"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = builder.map_err(Error::other)?.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
