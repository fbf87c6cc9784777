//! Noticing that nothing moves any more.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use object_store::client::{HttpError, HttpErrorKind};
use tokio::time::{Instant, Sleep};

/// When bytes of a request were last handed to its connection; shared with its body.
#[derive(Debug)]
pub(super) struct Sending {
    start: Instant,
    moved: AtomicU64,
}

impl Sending {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), moved: AtomicU64::new(0) })
    }

    pub(super) fn touch(&self) {
        let millis = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(millis, Ordering::Relaxed);
    }

    fn last(&self) -> Instant {
        self.start + Duration::from_millis(self.moved.load(Ordering::Relaxed))
    }
}

/// Runs out when nothing has moved for a while.
///
/// What moves only writes down the time; the timer is set again when it fires, because setting it for every chunk
/// would cost more than the chunk.
#[derive(Debug)]
pub(super) struct Idle {
    limit: Duration,
    touched: Instant,
    sending: Option<Arc<Sending>>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Idle {
    pub(super) fn new(limit: Duration, sending: Option<Arc<Sending>>) -> Self {
        Self { limit, touched: Instant::now(), sending, sleep: None }
    }

    /// Notes that something moved just now.
    pub(super) fn touch(&mut self) {
        self.touched = Instant::now();
    }

    /// Becomes ready when nothing has moved for the limit.
    pub(super) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<HttpError> {
        loop {
            let sent = self.sending.as_ref().map(|sending| sending.last());
            let ends = self.touched.max(sent.unwrap_or(self.touched)) + self.limit;
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(ends)));
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() >= ends {
                return Poll::Ready(HttpError::new(HttpErrorKind::Timeout, Stalled(self.limit)));
            }
            sleep.as_mut().reset(ends);
        }
    }
}

/// Nothing came or went for this long.
#[derive(Debug)]
struct Stalled(Duration);

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing moved for {:?}", self.0)
    }
}

impl std::error::Error for Stalled {}
