//! How many requests for content run at once, over all files and parts of one client.

use std::time::Duration;

use longshore_core::ErrorKind;
use longshore_flow::Limiter;
use longshore_flow::adaptive::Permit;
use tokio::time::Instant;

use crate::error::Error;

/// The requests for content that may be open at once: as many as the client was set to, and fewer while the server
/// cannot take that. A slot is held for one request, and never while another is waited for, so that no two can wait for
/// each other.
#[derive(Clone, Debug)]
pub(crate) struct Slots(Limiter);

/// Room for one request. Dropped without a word, as when nobody wants the answer any more, it counts as nothing.
#[derive(Debug)]
pub(crate) struct Slot {
    permit: Permit,
    begun: Instant,
    latency: Option<Duration>,
}

impl Slots {
    pub(crate) fn new(count: usize) -> Self {
        // It begins with all: what was set is what the caller thinks right, and the first refusal halves it.
        Self(Limiter::new(1, count, count))
    }

    /// Waits for room, first come, first served.
    pub(crate) async fn acquire(&self) -> Slot {
        let permit = self.0.acquire().await;
        Slot { permit, begun: Instant::now(), latency: None }
    }
}

impl Slot {
    /// Notes that the head of an answer came whose latency can be compared with others: a part's.
    pub(crate) fn answered(&mut self) {
        self.latency = Some(self.begun.elapsed());
    }

    /// Says how the request went.
    pub(crate) fn ended(self, failure: Option<&Error>) {
        match (failure, self.latency) {
            (None, Some(latency)) => self.permit.success(latency),
            (None, None) => self.permit.success_untimed(),
            (Some(error), _) if is_throttling(error) => self.permit.throttled(),
            (Some(error), _) if error.is_cancelled() || error.is_local() => drop(self.permit),
            (Some(_), _) => self.permit.failed(),
        }
    }
}

fn is_throttling(error: &Error) -> bool {
    error.kind() == ErrorKind::RateLimited || error.status() == Some(503)
}
