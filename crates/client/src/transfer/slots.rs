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

#[cfg(test)]
mod tests {
    use super::Slots;
    use crate::error::Error;

    #[tokio::test]
    async fn a_server_that_refuses_gets_fewer_and_nothing_else_does_that() {
        let slots = Slots::new(8);
        for failure in [None, Some(Error::cancelled()), Some(Error::unreadable("odd", 200))] {
            slots.acquire().await.ended(failure.as_ref());
            assert_eq!(slots.0.limit(), 8, "{failure:?}");
        }
        slots.acquire().await.ended(Some(&Error::unreadable("busy", 503)));
        assert_eq!(slots.0.limit(), 4);
        let mut slot = slots.acquire().await;
        slot.answered();
        slot.ended(None);
        assert_eq!(slots.0.in_flight(), 0);
    }
}
