//! The attempts of one verb.

use std::time::Duration;

use longshore_core::random;

use super::{GONE, Inner};
use crate::error::{Error, Result};

/// The attempts of one verb.
pub(crate) struct Tries<'a> {
    client: &'a Inner,
    failed: u32,
}

impl<'a> Tries<'a> {
    pub(super) const fn new(client: &'a Inner) -> Self {
        Self { client, failed: 0 }
    }

    /// Waits before the next attempt, or gives `error` back when there is to be none.
    ///
    /// When one verb has used up its attempts without a connection, the others of this client try but once for
    /// a while: ten thousand uploads to a server that is gone are to fail in seconds, not each with patience.
    pub(crate) async fn again(&mut self, error: Error) -> Result<Retried> {
        if !error.is_retryable() {
            return Err(error);
        }
        let unconnected = error.is_network() && !error.may_have_happened();
        if unconnected && self.client.reachable.closed_for().is_some() {
            return Err(error);
        }
        self.failed += 1;
        match self.client.retry.delay(self.failed, random::unit(), error.retry_after()) {
            Some(delay) => {
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

/// A failure that was waited out.
pub(crate) struct Retried {
    pub(crate) attempt: u32,
    pub(crate) delay: Duration,
    pub(crate) error: Error,
}
