//! The attempts of one verb.

use std::time::Duration;

use longshore_core::random;
use tokio::time::Instant;

use super::{GONE, Inner};
use crate::error::{Error, Result};

/// The attempts of one verb.
pub(crate) struct Tries<'a> {
    client: &'a Inner,
    failed: u32,
    /// Whether bytes have moved since the last failure, so that the next attempt is no repetition.
    moved: bool,
    /// A pause is cut so that an attempt comes before this moment.
    until: Option<Instant>,
}

impl<'a> Tries<'a> {
    pub(super) const fn new(client: &'a Inner, until: Option<Instant>) -> Self {
        Self { client, failed: 0, moved: false, until }
    }

    /// Notes that an attempt has brought the transfer on before it failed: patience is for a line on which nothing comes
    /// through, and what is asked for next was never asked for before.
    pub(crate) fn moved(&mut self) {
        self.failed = 0;
        self.moved = true;
    }

    /// Pays for an attempt. A server that says when to come back has asked for it.
    fn pay(&mut self, error: &Error) -> bool {
        let free = std::mem::take(&mut self.moved) || error.retry_after().is_some();
        let budget = &self.client.budget;
        free || if error.is_stall() { budget.try_retry_after_timeout() } else { budget.try_retry() }
    }

    /// Waits before the next attempt, or gives `error` back when there is to be none.
    ///
    /// When one verb has used up its attempts without a connection, the others of this client try but once for
    /// a while: ten thousand uploads to a server that is gone are to fail in seconds, not each with patience. All verbs of
    /// a client pay for what they repeat out of one [`longshore_flow::Budget`]. A server that wants to be left alone for
    /// longer than is waited here is not asked again: the error says for how long.
    pub(crate) async fn again(&mut self, error: Error) -> Result<Retried> {
        // Who was given a place in a queue goes on with that, which is another request.
        if !error.is_retryable() || error.facts().queue.is_some() {
            return Err(error);
        }
        let unconnected = error.is_network() && !error.may_have_happened();
        if unconnected && self.client.reachable.closed_for().is_some() {
            return Err(error);
        }
        // An attempt inside the time that a server wants to be left alone is one that it asked not to get.
        let is_patient =
            self.until.is_some() || error.retry_after() <= Some(self.client.retry.retry_after_cap);
        if !is_patient {
            return Err(error);
        }
        let delay = self.client.retry.delay(self.failed + 1, random::unit(), error.retry_after());
        let Some(delay) = delay else {
            if unconnected {
                self.client.reachable.close_for(GONE);
            }
            return Err(error);
        };
        if !self.pay(&error) {
            return Err(error);
        }
        self.failed += 1;
        // Once it is over, haste helps nobody.
        let half = self.until.map(half_left).filter(|half| !half.is_zero());
        let delay = half.map_or(delay, |half| delay.min(half));
        tokio::time::sleep(delay).await;
        Ok(Retried { attempt: self.failed + 1, delay, error })
    }

    /// Counts an attempt that follows without a pause, because the request is another one now.
    pub(crate) fn at_once(&mut self, error: Error) -> Retried {
        self.failed += 1;
        Retried { attempt: self.failed + 1, delay: Duration::ZERO, error }
    }
}

/// Returns half of the time that is left, so that an attempt that comes after it has the other half.
pub(crate) fn half_left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now()) / 2
}

/// A failure that was waited out.
pub(crate) struct Retried {
    pub(crate) attempt: u32,
    pub(crate) delay: Duration,
    pub(crate) error: Error,
}
