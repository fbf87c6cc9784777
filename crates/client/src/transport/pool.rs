//! Connections kept open between requests.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use longshore_flow::{Idle, Tasks};
use tokio::time::Instant;

use super::answer::Answer;
use super::body::{Body, Sending};
use super::connect::Connector;
use crate::error::{Error, Result};

/// A connection that nobody used for so long is more likely dead than alive.
const KEEP: Duration = Duration::from_secs(60);
/// More open connections than this are not kept between bursts of requests.
const MAX_IDLE: usize = 256;

/// The connections of one client to its server.
pub(crate) struct Pool {
    connector: Connector,
    idle: Mutex<Vec<Kept>>,
    tasks: Tasks,
    idle_limit: Duration,
}

struct Kept {
    sender: SendRequest<Body>,
    since: Instant,
}

/// A connection in use. Dropping it closes the connection; [`Lease::give_back`] keeps it for others.
pub(crate) struct Lease {
    pool: Arc<Pool>,
    sender: SendRequest<Body>,
    sending: Option<Arc<Sending>>,
}

impl Lease {
    pub(crate) fn give_back(self) {
        // A server that answered before it had the whole body may never read the rest.
        let sent = self.sending.is_none_or(|sending| sending.is_complete());
        if sent && !self.sender.is_closed() {
            let mut idle = self.pool.lock();
            if idle.len() < MAX_IDLE {
                let since = Instant::now();
                let sender = self.sender;
                idle.push(Kept { sender, since });
            }
        }
    }
}

impl Pool {
    pub(crate) fn new(connector: Connector, idle_limit: Duration) -> Arc<Self> {
        Arc::new(Self { connector, idle: Mutex::default(), tasks: Tasks::new(), idle_limit })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Kept>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the connection used last: it is the likeliest to be alive, and the others may grow old and go.
    fn take(&self) -> Option<SendRequest<Body>> {
        let mut idle = self.lock();
        let kept = idle.pop()?;
        if kept.since.elapsed() > KEEP {
            // What lies below was put back even earlier.
            idle.clear();
            return None;
        }
        Some(kept.sender)
    }

    /// Sends a request, on a kept connection if there is one, and waits for the head of its answer.
    pub(crate) async fn send(
        self: &Arc<Self>,
        mut request: Request<Body>,
        sending: Option<Arc<Sending>>,
    ) -> Result<Answer> {
        loop {
            let (mut sender, fresh) = match self.take() {
                Some(sender) => (sender, false),
                None => (self.connector.connect(&self.tasks).await?, true),
            };
            // The connection's own task may need a moment to notice that its last answer is done.
            if let Err(error) = sender.ready().await {
                if fresh {
                    return Err(Error::unsent("the new connection was closed", error));
                }
                continue;
            }
            let mut idle = Idle::new(self.idle_limit, sending.as_deref().map(Sending::moved));
            match self.exchange(&mut sender, request, &mut idle).await? {
                Ok(response) => {
                    idle.touch();
                    let lease = Lease { pool: self.clone(), sender, sending };
                    return Ok(Answer::new(response, lease, idle));
                }
                // The server had closed the kept connection, and nothing of the request was sent.
                Err(unsent) => request = *unsent,
            }
        }
    }

    /// Gives the answer, or the request again when a connection was gone before any of it was written.
    async fn exchange(
        &self,
        sender: &mut SendRequest<Body>,
        request: Request<Body>,
        idle: &mut Idle,
    ) -> Result<Result<Response<Incoming>, Box<Request<Body>>>> {
        let mut answer = pin!(sender.try_send_request(request));
        poll_fn(|cx| match answer.as_mut().poll(cx) {
            Poll::Ready(Ok(response)) => Poll::Ready(Ok(Ok(response))),
            Poll::Ready(Err(mut error)) => Poll::Ready(match error.take_message() {
                Some(request) => Ok(Err(Box::new(request))),
                None => Err(Error::broken("the connection broke before the answer came", error.into_error())),
            }),
            Poll::Pending => idle.poll_expired(cx).map(|()| Err(Error::stalled(idle.limit()))),
        })
        .await
    }
}
