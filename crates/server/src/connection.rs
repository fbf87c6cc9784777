//! One connection, from its first byte to its last.

use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::http::header::CONNECTION;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::config::ServerConfig;
use crate::error::chain;
use crate::http::Source;
use crate::stall::{Guarded, Linger};

/// How connections are served.
#[derive(Clone, Debug)]
pub(crate) struct Serving {
    http: http1::Builder,
    idle: Duration,
}

impl Serving {
    pub(crate) fn new(config: &ServerConfig) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(config.header_timeout())
            // The edge refuses a header past the limit with a problem; far past it, hyper does with bare 431.
            .max_header_size(config.max_header_bytes.saturating_mul(2))
            // A client may end its half after its request, and still wait for the answer.
            .half_close(true);
        Self { http, idle: config.idle_timeout() }
    }

    /// Serves a connection until it ends. When `closing` comes, the running request is finished first.
    ///
    /// `peer` is who is at its other end.
    pub(crate) async fn serve<S>(&self, stream: S, peer: Source, router: Router, closing: CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let linger = Linger::default();
        let stream = TokioIo::new(Guarded::new(stream, self.idle, linger.clone()));
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            let answering = router.clone().call(request.map(Body::new));
            let linger = linger.clone();
            async move {
                let answer = answering.await;
                if let Ok(response) = &answer
                    && response.headers().contains_key(CONNECTION)
                {
                    linger.ask();
                }
                answer
            }
        });
        let mut connection = pin!(self.http.serve_connection(stream, service));
        let served = tokio::select! {
            served = connection.as_mut() => served,
            () = closing.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = served {
            tracing::debug!(error = chain(&error), "a connection broke");
        }
    }
}
