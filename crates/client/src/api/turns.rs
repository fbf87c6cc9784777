//! A wait for something on the server, as requests each of which waits as long as the line and the server bear.

use std::time::Duration;

use longshore_core::wire::LONGEST_WAIT;
use longshore_flow::moment::after;
use tokio::time::{Instant, sleep_until};

use crate::client::Client;

/// The shortest time from one request to the next, where the server does not wait as it was asked to.
const APART: Duration = Duration::from_secs(1);

/// The requests of one wait.
#[derive(Debug)]
pub(crate) struct Turns {
    /// Until when to wait; nothing for a wait without an end.
    deadline: Option<Instant>,
    /// For how many seconds one request waits at most.
    longest: u32,
    begun: Instant,
}

impl Turns {
    /// Begins a wait for up to `at_most`, or one without an end.
    pub(crate) fn new(client: &Client, at_most: Option<Duration>) -> Self {
        let begun = Instant::now();
        Self {
            deadline: at_most.map(|limit| after(begun, limit)),
            longest: longest(client.idle_limit()),
            begun,
        }
    }

    /// Begins a request; returns for how many seconds the server is to wait.
    pub(crate) fn begin(&mut self) -> u32 {
        self.begun = Instant::now();
        let Some(deadline) = self.deadline else { return self.longest };
        // Cut to whole seconds, the rest of a wait would be a busy loop.
        let left = deadline.saturating_duration_since(self.begun).as_millis().div_ceil(1_000);
        u32::try_from(left).unwrap_or(u32::MAX).min(self.longest)
    }

    /// Returns when the last request began.
    pub(crate) const fn begun(&self) -> Instant {
        self.begun
    }

    pub(crate) fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Makes sure that the next request does not come at once after one that the server did not wait with.
    pub(crate) async fn pause(&self) {
        let least = self.begun + APART;
        sleep_until(self.deadline.map_or(least, |deadline| deadline.min(least))).await;
    }
}

/// Returns for how many seconds one request may wait without being taken for stalled.
fn longest(idle: Duration) -> u32 {
    let slack = (idle / 2).min(Duration::from_secs(5));
    u32::try_from((idle - slack).as_secs()).unwrap_or(u32::MAX).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::longest;

    #[test]
    fn a_request_waits_less_than_the_line_may_be_silent() {
        let seconds = [(1, 0), (3, 1), (10, 5), (30, 25), (60, 55), (600, 55), (u64::MAX, 55)];
        for (idle, wait) in seconds {
            assert_eq!(longest(Duration::from_secs(idle)), wait, "{idle}");
        }
    }
}
