//! New connections: name, TCP, TLS.

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use http::uri::Scheme;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::Service;

use super::tls::Tls;

/// Opens connections to whatever a request names.
#[derive(Clone)]
pub(super) struct Dial {
    tcp: HttpConnector,
    tls: Arc<Tls>,
    limit: Duration,
}

impl Dial {
    pub(super) fn new(tls: Arc<Tls>, limit: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        // Small requests go out at once instead of waiting for the peer's acknowledgement.
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(Duration::from_secs(60)));
        tcp.set_connect_timeout(Some(limit));
        Self { tcp, tls, limit }
    }

    async fn open(mut self, uri: Uri) -> Result<Wire> {
        let tcp = self.tcp.call(uri.clone()).await.map_err(Error::other)?;
        if uri.scheme() != Some(&Scheme::HTTPS) {
            return Ok(Wire::Plain(tcp));
        }
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(Error::other)?;
        let connector = TlsConnector::from(self.tls.config().await?);
        let stream = connector.connect(name, tcp.into_inner()).await?;
        Ok(Wire::Tls(Box::new(TokioIo::new(stream))))
    }
}

impl Service<Uri> for Dial {
    type Response = Wire;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Wire>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (dial, limit) = (self.clone(), self.limit);
        Box::pin(async move {
            let opened = tokio::time::timeout(limit, dial.open(uri)).await;
            opened.unwrap_or_else(|_| {
                Err(Error::new(ErrorKind::TimedOut, format!("no connection within {limit:?}")))
            })
        })
    }
}

/// A connection, plain or encrypted.
pub(super) enum Wire {
    Plain(TokioIo<TcpStream>),
    Tls(Box<TokioIo<TlsStream<TcpStream>>>),
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        match self {
            Self::Plain(io) => io.inner().connected(),
            Self::Tls(io) => io.inner().get_ref().0.connected(),
        }
    }
}

impl Read for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_read(cx, buffer),
            Self::Tls(io) => Pin::new(io).poll_read(cx, buffer),
        }
    }
}

impl Write for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write(cx, bytes),
            Self::Tls(io) => Pin::new(io).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_flush(cx),
            Self::Tls(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_shutdown(cx),
            Self::Tls(io) => Pin::new(io).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(io) => io.is_write_vectored(),
            Self::Tls(io) => io.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write_vectored(cx, parts),
            Self::Tls(io) => Pin::new(io).poll_write_vectored(cx, parts),
        }
    }
}
