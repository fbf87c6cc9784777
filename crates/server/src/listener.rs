//! Accepting connections: at most so many at once, with TLS where it is configured.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use longshore_flow::Tasks;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::config::ServerConfig;
use crate::connection::Serving;
use crate::error::{Error, Result};
use crate::http::Source;
use crate::measures::Counted;
use crate::{descriptors, tls};

/// How long accepting rests after it failed: mostly the process has no file descriptors left.
const REST: Duration = Duration::from_millis(100);

/// A socket that listens, and how its connections are served.
pub(crate) struct Listener {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
    slots: Arc<Semaphore>,
    serving: Arc<Serving>,
    handshake: Duration,
}

impl Listener {
    pub(crate) async fn bind(config: &ServerConfig) -> Result<Self> {
        let tls = tls::acceptor(config)?;
        let socket = TcpListener::bind(config.listen)
            .await
            .map_err(|error| Error::caused(format_args!("cannot listen on {}", config.listen), error))?;
        let most = descriptors::connections(config.max_connections).min(Semaphore::MAX_PERMITS);
        Ok(Self {
            socket,
            tls,
            slots: Arc::new(Semaphore::new(most)),
            serving: Arc::new(Serving::new(config)),
            handshake: config.header_timeout(),
        })
    }

    pub(crate) fn local_addr(&self) -> Result<SocketAddr> {
        self.socket.local_addr().map_err(|error| Error::caused("the listening socket", error))
    }

    pub(crate) const fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// Accepts connections, each as a task of `tasks`, for as long as this future is polled.
    pub(crate) async fn accept(&self, router: &Router, closing: &CancellationToken, tasks: &Tasks) {
        loop {
            // While all slots are taken, further connections wait in the system's queue.
            let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else {
                return;
            };
            let (stream, peer) = match self.socket.accept().await {
                Ok((stream, peer)) => (stream, Source(peer.ip())),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(REST).await;
                    continue;
                }
            };
            let connection = self.connection(stream, peer, router.clone(), closing.clone());
            tasks.spawn(async move {
                let _counted = Counted::connection();
                connection.await;
                drop(slot);
            });
        }
    }

    fn connection(
        &self,
        stream: TcpStream,
        peer: Source,
        router: Router,
        closing: CancellationToken,
    ) -> impl Future<Output = ()> + Send + 'static + use<> {
        let (serving, tls, handshake) = (Arc::clone(&self.serving), self.tls.clone(), self.handshake);
        async move {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection broke at once");
                return;
            }
            let Some(tls) = tls else {
                return serving.serve(stream, peer, router, closing).await;
            };
            match timeout(handshake, tls.accept(stream)).await {
                Ok(Ok(stream)) => serving.serve(stream, peer, router, closing).await,
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            }
        }
    }
}
