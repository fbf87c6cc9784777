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
    /// A pause is cut so that an attempt comes before this moment.
    until: Option<Instant>,
}

impl<'a> Tries<'a> {
    pub(super) const fn new(client: &'a Inner, until: Option<Instant>) -> Self {
        Self { client, failed: 0, until }
    }

    /// Waits before the next attempt, or gives `error` back when there is to be none.
    ///
    /// When one verb has used up its attempts without a connection, the others of this client try but once for
    /// a while: ten thousand uploads to a server that is gone are to fail in seconds, not each with patience.
    pub(crate) async fn again(&mut self, error: Error) -> Result<Retried> {
        // Who was given a place in a queue goes on with that, which is another request.
        if !error.is_retryable() || error.facts().queue.is_some() {
            return Err(error);
        }
        let unconnected = error.is_network() && !error.may_have_happened();
        if unconnected && self.client.reachable.closed_for().is_some() {
            return Err(error);
        }
        self.failed += 1;
        match self.client.retry.delay(self.failed, random::unit(), error.retry_after()) {
            Some(delay) => {
                // Once it is over, haste helps nobody.
                let half = self.until.map(half_left).filter(|half| !half.is_zero());
                let delay = half.map_or(delay, |half| delay.min(half));
                tokio::time::sleep(delay).await;
                Ok(Retried { attempt: self.failed + 1, delay, error })
            }
            None => {
                if unconnected {
                    self.client.reachable.close_for(GONE);
                }
                Err(error)
            }
        }
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
