//! Whom an encrypted connection trusts: the machine's authorities, and those of a file. One place for all that dials.

#![warn(missing_docs)]

use std::fmt::{self, Display};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

#[cfg(test)]
mod tests;

/// Why a file of authorities, or what this machine has of them, cannot be used. It does not name the file.
#[derive(Debug)]
pub struct Unusable(String);

impl Unusable {
    fn because(error: impl Display) -> Self {
        Self(error.to_string())
    }
}

impl Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unusable {}

/// Reads a file of certificates (PEM): at least one, and each such that it can be trusted.
pub fn read_authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let found = CertificateDer::pem_file_iter(path).map_err(Unusable::because)?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(Unusable::because)?;
    // One that cannot be trusted is told now, not when something is dialled.
    for certificate in &found {
        RootCertStore::empty().add(certificate.clone()).map_err(Unusable::because)?;
    }
    if found.is_empty() { Err(Unusable::because("it holds no certificate")) } else { Ok(found) }
}

/// Makes how TLS is spoken for HTTP/1.1, by who trusts the machine's authorities and `further` ones.
///
/// Reading the machine's takes longer than most requests, and waits for its disk.
pub fn client_config(further: &[CertificateDer<'static>]) -> Result<ClientConfig, Unusable> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for certificate in further {
        roots.add(certificate.clone()).map_err(Unusable::because)?;
    }
    if roots.is_empty() {
        let none = "this machine has no root certificates, and no file of them is set";
        return Err(Unusable::because(none));
    }
    config_of(roots)
}

/// Makes the configuration that trusts nobody, for who dials without TLS and must have one all the same. It costs nothing.
pub fn trusting_nobody() -> Result<ClientConfig, Unusable> {
    config_of(RootCertStore::empty())
}

fn config_of(roots: RootCertStore) -> Result<ClientConfig, Unusable> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = builder.map_err(Unusable::because)?.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
