//! Noticing that nothing moves any more.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::body::Sending;
use crate::moment::after;

/// Runs out when nothing has moved for a while.
///
/// Bytes that move only write down the time; the timer itself is set again when it fires, because setting it
/// for every chunk would cost more than the chunk.
pub(crate) struct Idle {
    limit: Duration,
    touched: Instant,
    sending: Option<Arc<Sending>>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Idle {
    pub(crate) fn new(limit: Duration, sending: Option<Arc<Sending>>) -> Self {
        Self { limit, touched: Instant::now(), sending, sleep: None }
    }

    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// Notes that something moved just now.
    pub(crate) fn touch(&mut self) {
        self.touched = Instant::now();
    }

    /// Becomes ready when nothing has moved for the limit.
    pub(crate) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let moved =
                self.sending.as_ref().map_or(self.touched, |sending| self.touched.max(sending.last_moved()));
            let ends = after(moved, self.limit);
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(ends)));
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() >= ends {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(ends);
        }
    }
}
