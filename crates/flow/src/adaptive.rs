//! How many requests run at once, found out by watching what comes of them.
//!
//! # The rule
//! - A **window** is as many successes as the limit. A window in which the limit was reached raises it by 1
//!   (additive increase, as TCP Reno does per round trip, RFC 5681); one that never needed the whole limit says nothing
//!   about more and does not (as RFC 7661 has it for a sender with little to send). A failure that is no throttling takes
//!   a success away from the window.
//! - **Throttling** (429, 503) halves the limit. Requests that were on their way when it was cut tell of the limit
//!   before, so whatever comes of them does nothing more: a burst of refusals is one cut.
//! - **Latency** cuts it too where a server queues instead of refusing. As in TCP Vegas and in Netflix's gradient limiter the
//!   lowest latency stands for a server without a queue, but latency alone is noise: a disk that flushes, a processor that
//!   is full, larger files. So it is looked at in spans of 32 successes or more, and three spans in a row must say both that
//!   the mean latency is above twice the lowest span's, and that the throughput (requests in flight divided by their
//!   latency: Little's law, so no clock is needed) is not above the best span's by 5 % or more. The cut is to three
//!   quarters of what the throughput needs at the lowest latency (BBR's draining), between a quarter and a half of the limit. Then the lowest
//!   latency and the best throughput are forgotten and learned anew, so that a path that has become slow for good costs one
//!   cut and not all.
//!
//! A server that refuses above C at once is thus met with C / 2 to C + 1, and one that queues with C / 2 to about 3 × C (or 30, where that is more), mostly
//! above C, where its throughput is whole.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

pub mod window;

#[cfg(test)]
mod tests;

pub use self::window::{Outcome, Ticket, Window};

/// A limit to how many requests run at once, shared by all tasks of a client and moved by what comes of them.
///
/// Clones share the limit. Who waits is served in the order of coming, whoever gives up waiting (a dropped future) has
/// taken nothing, and what a [`Permit`] is told decides where the limit goes: see [the rule](self).
///
/// ```
/// # use std::time::Duration;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use longshore_flow::Limiter;
///
/// let limiter = Limiter::new(1, 8, 64);
/// let permit = limiter.acquire().await;
/// // … send a request, and say how it went:
/// permit.success(Duration::from_millis(20));
///
/// limiter.acquire().await.throttled();
/// assert_eq!(limiter.limit(), 4);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Limiter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Has as many permits as the limit has room for; its queue is tokio's, which is a fair one.
    room: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    window: Window,
    /// How many of the permits that are out do not come back, because the limit fell below what was in flight.
    excess: usize,
}

impl Limiter {
    /// Makes a limiter that begins with `start` requests at once and never allows fewer than `floor` (0 counts as 1) or
    /// more than `ceiling` (at least the floor).
    #[must_use]
    pub fn new(floor: usize, start: usize, ceiling: usize) -> Self {
        let window = Window::new(floor, start, ceiling);
        let room = Semaphore::new(window.limit());
        Self(Arc::new(Shared { room, state: Mutex::new(State { window, excess: 0 }) }))
    }

    /// Waits until one more request may run.
    pub async fn acquire(&self) -> Permit {
        // Nobody closes the semaphore, so waiting does not fail; its permit is given back by ours.
        if let Ok(room) = self.0.room.acquire().await {
            room.forget();
        }
        self.begin()
    }

    /// Takes a permit if that is possible without waiting.
    #[must_use]
    pub fn try_acquire(&self) -> Option<Permit> {
        self.0.room.try_acquire().ok()?.forget();
        Some(self.begin())
    }

    fn begin(&self) -> Permit {
        let ticket = self.0.lock().window.begin();
        Permit { shared: self.0.clone(), ticket, outcome: Outcome::Unknown }
    }

    /// Returns how many requests may run at once now.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.0.lock().window.limit()
    }

    /// Returns how many permits are out. More than the limit only while what ran before a decrease is still running.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.0.lock().window.in_flight()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole at any time, whoever panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, ticket: Ticket, outcome: Outcome) {
        let mut state = self.lock();
        let before = state.window.limit();
        state.window.end(ticket, outcome);
        let after = state.window.limit();
        if after < before {
            let cut = before - after;
            // What is not free now is withheld when it comes back.
            state.excess += cut - self.room.forget_permits(cut);
        }
        // This permit comes back, and so does what the limit rose by.
        let back = 1 + after.saturating_sub(before);
        let withheld = back.min(state.excess);
        state.excess -= withheld;
        self.room.add_permits(back - withheld);
    }
}

/// Leave to run one request. Say how it went; dropped without a word it counts as nothing, neither success nor failure.
#[derive(Debug)]
#[must_use = "dropping it gives the place to the next request"]
pub struct Permit {
    shared: Arc<Shared>,
    ticket: Ticket,
    outcome: Outcome,
}

impl Permit {
    /// The request succeeded and took this long.
    ///
    /// Latencies are compared with each other, so give what is alike: the time to the answer's head, or the time of a
    /// piece of a fixed size. For what is not, there is [`Permit::success_untimed`].
    pub fn success(mut self, latency: Duration) {
        self.outcome = Outcome::Success(Some(latency));
    }

    /// The request succeeded, and how long it took says nothing about the server: a far larger file than others, say.
    pub fn success_untimed(mut self) {
        self.outcome = Outcome::Success(None);
    }

    /// The server asked for less (429, 503): the limit is halved, once for all that are in flight now.
    pub fn throttled(mut self) {
        self.outcome = Outcome::Throttled;
    }

    /// The request failed in another way: the limit rises later.
    pub fn failed(mut self) {
        self.outcome = Outcome::Failed;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared.end(self.ticket, self.outcome);
    }
}
