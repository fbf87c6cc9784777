//! TLS by certificate and key files.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig as TlsConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::ServerConfig;
use crate::error::{Error, Result};

/// Makes what speaks TLS, where both files are configured.
pub(crate) fn acceptor(config: &ServerConfig) -> Result<Option<TlsAcceptor>> {
    let (Some(certificate), Some(key)) = (&config.tls_certificate, &config.tls_key) else {
        return Ok(None);
    };
    let chain = certificates(certificate)?;
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| Error::caused(format_args!("the TLS key {}", key.display()), error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    let mut tls = tls.map_err(|error| Error::caused("the TLS certificate and key", error))?;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(tls))))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let unreadable = |error| Error::caused(format_args!("the TLS certificate {}", path.display()), error);
    let chain: Vec<_> =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(unreadable)?;
    if chain.is_empty() {
        return Err(Error::new(format!("the TLS certificate {}: no certificate in it", path.display())));
    }
    Ok(chain)
}
