//! Connections: TCP to an address that was checked, and TLS with the name it was checked for.

use std::fmt::{self, Debug};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::CertificateError;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use url::Host;

use crate::error::{Error, ErrorKind, Result};
use crate::guard::{Guard, Target};
use crate::message::Limits;

/// Both ways of a connection.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// Whom to trust. The machine's authorities are read when the first connection needs them: a server that never
/// dials out needs none.
pub(crate) struct Tls {
    extra: Vec<CertificateDer<'static>>,
    connector: OnceLock<Result<TlsConnector>>,
}

impl Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("extra", &self.extra.len()).finish_non_exhaustive()
    }
}

impl Tls {
    pub(crate) fn new(ca_file: Option<&Path>) -> Result<Self> {
        let extra = ca_file.map(read_authorities).transpose()?.unwrap_or_default();
        Ok(Self { extra, connector: OnceLock::new() })
    }

    fn connector(&self) -> Result<TlsConnector> {
        self.connector.get_or_init(|| self.connect_with()).clone()
    }

    fn connect_with(&self) -> Result<TlsConnector> {
        let config = longshore_trust::client_config(&self.extra);
        let config = config.map_err(|why| Error::new(ErrorKind::Unusable, why.to_string()))?;
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

fn read_authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    longshore_trust::read_authorities(path).map_err(|why| {
        Error::new(ErrorKind::Unusable, format!("cannot use the authorities in {}: {why}", path.display()))
    })
}

impl Guard {
    /// Opens a connection to one of the target's addresses, all of which were checked.
    pub(crate) async fn dial(&self, target: &Target, limits: &Limits) -> Result<Box<dyn Wire>> {
        let ends = Instant::now() + limits.connect;
        let late = |_| Error::new(ErrorKind::Timeout, format!("no connection within {:?}", limits.connect));
        let addresses = timeout_at(ends, self.addresses(target)).await.map_err(late)??;
        let stream = tcp(&addresses, target.port(), ends).await?;
        if !target.is_https() {
            return Ok(Box::new(stream));
        }
        let name = match target.host() {
            Host::Domain(name) => ServerName::try_from(name.to_owned())
                .map_err(|_| Error::new(ErrorKind::BlockedUrl, "the host's name is none that TLS knows"))?,
            Host::Ipv4(address) => ServerName::from(IpAddr::V4(address)),
            Host::Ipv6(address) => ServerName::from(IpAddr::V6(address)),
        };
        let connecting = self.0.tls.connector()?.connect(name, stream);
        let stream = timeout_at(ends, connecting).await.map_err(late)?.map_err(|error| tls_error(&error))?;
        Ok(Box::new(stream))
    }
}

/// Tries the addresses in their order; each gets its share of the time that is left.
async fn tcp(addresses: &[IpAddr], port: u16, ends: Instant) -> Result<TcpStream> {
    let mut last = Error::new(ErrorKind::Resolve, "the host has no address");
    for (tried, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let until = Instant::now() + ends.saturating_duration_since(Instant::now()) / left;
        match timeout_at(until, TcpStream::connect(SocketAddr::new(*address, port))).await {
            Ok(Ok(stream)) => {
                // A short request goes out at once; where this cannot be set it goes out a little later.
                stream.set_nodelay(true).ok();
                return Ok(stream);
            }
            Ok(Err(error)) => last = Error::new(ErrorKind::Connect, connect_message(&error)),
            Err(_) => last = Error::new(ErrorKind::Timeout, "no connection came about in time"),
        }
    }
    Err(last)
}

fn connect_message(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "the connection was refused",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "the host cannot be reached",
        _ => "no connection came about",
    }
}

/// Names what is wrong in words of our own: the library's quote the certificate, which the peer wrote.
fn tls_error(error: &io::Error) -> Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(inner) = inner else {
        return Error::new(ErrorKind::Connect, "the connection broke while TLS began");
    };
    let message = match inner {
        rustls::Error::InvalidCertificate(why) => match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the host's certificate has expired"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the host's certificate is for another name"
            }
            CertificateError::UnknownIssuer => "the host's certificate is of no authority trusted here",
            _ => "the host's certificate is not valid",
        },
        _ => "the host does not speak TLS as it should",
    };
    Error::new(ErrorKind::Tls, message)
}
