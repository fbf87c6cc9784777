//! Noticing that nothing moves any more.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::moment::after;

#[cfg(test)]
mod tests;

/// When something last moved, told by one who moves it to one who waits: an atomic write, cheap enough for every chunk.
#[derive(Debug)]
pub struct Moved {
    start: Instant,
    /// Milliseconds after `start`.
    last: AtomicU64,
}

impl Default for Moved {
    fn default() -> Self {
        Self::new()
    }
}

impl Moved {
    /// Makes a mark that says now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now(), last: AtomicU64::new(0) }
    }

    /// Notes that something moved just now.
    pub fn touch(&self) {
        let millis = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(millis, Ordering::Relaxed);
    }

    /// Returns when something last moved, to the millisecond.
    #[must_use]
    pub fn last(&self) -> Instant {
        after(self.start, Duration::from_millis(self.last.load(Ordering::Relaxed)))
    }
}

/// Runs out when nothing has moved for a while.
///
/// What moves only writes down the time; the timer is set again when it fires, because setting it for every chunk would
/// cost more than the chunk.
#[derive(Debug)]
pub struct Idle {
    limit: Duration,
    touched: Instant,
    elsewhere: Option<Arc<Moved>>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Idle {
    /// Starts waiting for `limit`; what is noted at `elsewhere` counts as much as a [`Idle::touch`].
    #[must_use]
    pub fn new(limit: Duration, elsewhere: Option<Arc<Moved>>) -> Self {
        Self { limit, touched: Instant::now(), elsewhere, sleep: None }
    }

    /// Returns how long nothing may move.
    #[must_use]
    pub const fn limit(&self) -> Duration {
        self.limit
    }

    /// Notes that something moved just now.
    pub fn touch(&mut self) {
        self.touched = Instant::now();
    }

    /// Becomes ready when nothing has moved for the limit.
    pub fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let moved =
                self.elsewhere.as_ref().map_or(self.touched, |elsewhere| self.touched.max(elsewhere.last()));
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
