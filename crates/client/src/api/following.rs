//! Logs that are followed: what there is, then what comes, without an end.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{BoxStream, Stream, StreamExt};
use longshore_core::random;
use longshore_core::wire::Event;
use longshore_flow::RetryPolicy;

use crate::error::{Error, Result};

/// The entries of a log as they come: the events of a workspace, or what the audit log tells; see
/// [`Events::follow`](crate::Events::follow) and [`Audit::follow`](crate::Audit::follow).
#[must_use = "nothing is followed until the stream is polled"]
pub struct Following<T = Event>(BoxStream<'static, Result<T>>);

impl<T> Following<T> {
    /// Makes one of what ends with its first error.
    pub(crate) fn of(entries: impl Stream<Item = Result<T>> + Send + 'static) -> Self {
        Self(entries.boxed())
    }

    /// Returns the next entry, once there is one; nothing after an error.
    pub async fn next(&mut self) -> Option<Result<T>> {
        self.0.next().await
    }
}

impl<T> Stream for Following<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        self.0.as_mut().poll_next(cx)
    }
}

/// How long one who follows bears failures.
#[derive(Default)]
pub(crate) struct Patience {
    pub(crate) was_reached: bool,
    /// How often in a row it was tried in vain.
    pub(crate) failed: u32,
}

impl Patience {
    /// Waits before the next attempt, or gives `error` back when there is to be none.
    ///
    /// A server that was never reached is tried as often as for any other verb; one that was is waited for.
    pub(crate) async fn pause(&mut self, mut policy: RetryPolicy, error: Error) -> Result<()> {
        if !error.is_retryable() {
            return Err(error);
        }
        if self.was_reached && policy.max_attempts > 1 {
            policy.max_attempts = u32::MAX;
        }
        self.failed = self.failed.saturating_add(1);
        match policy.delay(self.failed, random::unit(), error.retry_after()) {
            Some(delay) => {
                tokio::time::sleep(delay).await;
                Ok(())
            }
            None => Err(error),
        }
    }
}
