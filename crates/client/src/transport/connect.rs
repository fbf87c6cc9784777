//! New connections: name, TCP, TLS.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use longshore_flow::{Rate, Tasks};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tower::Service;

use super::body::Body;
use super::paced::Paced;
use crate::error::{Error, Result};

/// Reads this large move a big file with few system calls; small answers never make the buffer grow to it.
const READ_BUFFER: usize = 512 * 1024;

/// How long a silence is made up for at once where a rate is kept.
const BURST: Duration = Duration::from_millis(200);

/// Opens connections to one server.
#[derive(Clone)]
pub(crate) struct Connector {
    tcp: HttpConnector,
    uri: Uri,
    tls: Option<Tls>,
    limit: Duration,
    /// What all connections together may move, either way.
    pace: Option<Arc<Rate>>,
}

#[derive(Clone)]
struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Connector {
    pub(crate) fn new(uri: Uri, ca_file: Option<&Path>, limit: Duration) -> Result<Self> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        // Small requests go out at once instead of waiting for the peer's acknowledgement.
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(Duration::from_secs(60)));
        tcp.set_connect_timeout(Some(limit));
        let tls = match uri.scheme_str() {
            Some("https") => Some(Tls::new(&uri, ca_file)?),
            _ => None,
        };
        Ok(Self { tcp, uri, tls, limit, pace: None })
    }

    /// Holds all connections together, both ways, to a rate in bytes a second.
    #[must_use]
    pub(crate) fn paced(mut self, rate: Option<u64>) -> Self {
        self.pace = rate.map(|rate| Arc::new(Rate::new(rate, BURST)));
        self
    }

    /// Opens a connection whose own task belongs to `tasks`.
    pub(crate) async fn connect(&self, tasks: &Tasks) -> Result<SendRequest<Body>> {
        let server = self.uri.authority().map_or("", |name| name.as_str());
        match tokio::time::timeout(self.limit, self.dial(tasks)).await {
            Ok(Ok(sender)) => Ok(sender),
            Ok(Err(cause)) => Err(Error::unsent(format!("cannot connect to {server}"), cause)),
            Err(elapsed) => {
                let message = format!("cannot connect to {server} within {:?}", self.limit);
                Err(Error::unsent(message, elapsed))
            }
        }
    }

    async fn dial(&self, tasks: &Tasks) -> Result<SendRequest<Body>, crate::error::Cause> {
        let io = self.tcp.clone().call(self.uri.clone()).await?;
        match &self.pace {
            Some(pace) => self.secure(Paced::new(io.into_inner(), Arc::clone(pace)), tasks).await,
            None => self.secure(io.into_inner(), tasks).await,
        }
    }

    async fn secure<S>(&self, stream: S, tasks: &Tasks) -> Result<SendRequest<Body>, crate::error::Cause>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Some(tls) = &self.tls else {
            return start(TokioIo::new(stream), tasks).await;
        };
        let stream = tls.connector.connect(tls.name.clone(), stream).await?;
        start(TokioIo::new(stream), tasks).await
    }
}

async fn start<I>(io: I, tasks: &Tasks) -> Result<SendRequest<Body>, crate::error::Cause>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (sender, connection) = http1::Builder::new().max_buf_size(READ_BUFFER).handshake(io).await?;
    tasks.spawn(async move {
        // Whoever waits for an answer on this connection is told of its failure there.
        let _failure = connection.await;
    });
    Ok(sender)
}

impl Tls {
    fn new(uri: &Uri, ca_file: Option<&Path>) -> Result<Self> {
        let read = |path: &Path| {
            let bad = |why| Error::invalid(format!("cannot use {}: {why}", path.display()));
            longshore_trust::read_authorities(path).map_err(bad)
        };
        let further = ca_file.map(read).transpose()?.unwrap_or_default();
        let config = longshore_trust::client_config(&further);
        let config = config.map_err(|why| Error::invalid(why.to_string()))?;
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Error::invalid(format!("{host:?} is no host's name")))?;
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
    }
}
