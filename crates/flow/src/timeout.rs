//! What takes too long is given up, and says so.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Waits for `future` for at most `limit`; what is late is dropped, and [`TimedOut`] names it by `what`.
///
/// Dropping ends all that runs within the future. What it has handed to others (tasks, threads) must end with what it
/// holds: see [`Tasks`](crate::Tasks), [`Cancel`](crate::Cancel) and [`Blocking`](crate::Blocking). A future that is ready
/// when the time is over counts as in time.
///
/// # Errors
/// [`TimedOut`] when the limit is over.
pub async fn with_timeout<F: Future>(
    what: impl Into<Cow<'static, str>>,
    limit: Duration,
    future: F,
) -> Result<F::Output, TimedOut> {
    tokio::time::timeout(limit, future).await.map_err(|_| TimedOut { what: what.into(), limit })
}

/// Something took too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedOut {
    /// What it was, in the caller's words: "the answer of the server".
    pub what: Cow<'static, str>,
    /// How long it was waited for.
    pub limit: Duration,
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} took longer than {:?}", self.what, self.limit)
    }
}

impl std::error::Error for TimedOut {}
