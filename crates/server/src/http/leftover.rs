//! A request's body that nobody read to its end.
//!
//! A request may be refused before its body has come. Whoever drops the body hands it back here, and the
//! edge decides: a small rest is read and thrown away, so that the connection can be used again; before a
//! large one the connection is closed.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::timeout;

/// The longest rest that is worth reading for the sake of the connection.
const WORTH_READING: u64 = 256 * 1_024;
/// How long the answer may wait for that rest.
const PATIENCE: Duration = Duration::from_secs(1);

/// What came of a request's body, and what was left of it.
#[derive(Debug)]
pub(super) struct Leftover {
    /// The client sends the body only once it is asked to.
    expects: bool,
    asked: AtomicBool,
    received: AtomicU64,
    rest: Mutex<Option<Body>>,
}

impl Leftover {
    pub(super) const fn new(expects: bool) -> Self {
        Self { expects, asked: AtomicBool::new(false), received: AtomicU64::new(0), rest: Mutex::new(None) }
    }

    /// Returns how many bytes have come.
    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    fn take_rest(&self) -> Option<Body> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Deals with the rest, and tells whether the connection can be used again.
    pub(super) async fn settle(&self) -> bool {
        let Some(rest) = self.take_rest() else {
            return true;
        };
        // Reading would ask the client to send what is not wanted.
        if self.expects && !self.asked.load(Ordering::Relaxed) {
            return false;
        }
        if rest.size_hint().lower() > WORTH_READING {
            return false;
        }
        matches!(timeout(PATIENCE, read_out(rest)).await, Ok(true))
    }
}

async fn read_out(mut rest: Body) -> bool {
    let mut bytes = 0;
    while let Some(Ok(frame)) = rest.frame().await {
        bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        if bytes > WORTH_READING {
            return false;
        }
    }
    rest.is_end_stream()
}

/// A request's body that is counted, and handed back where it is not read to its end.
pub(super) struct Watched {
    inner: Body,
    ended: bool,
    leftover: std::sync::Arc<Leftover>,
}

impl Watched {
    pub(super) const fn new(inner: Body, leftover: std::sync::Arc<Leftover>) -> Self {
        Self { inner, ended: false, leftover }
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.leftover.asked.store(true, Ordering::Relaxed);
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                self.leftover.received.fetch_add(bytes, Ordering::Relaxed);
            }
            Poll::Ready(_) => self.ended = true,
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.ended && !self.inner.is_end_stream() {
            let rest = std::mem::take(&mut self.inner);
            *self.leftover.rest.lock().unwrap_or_else(PoisonError::into_inner) = Some(rest);
        }
    }
}
