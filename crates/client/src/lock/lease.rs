//! Until when a lock is surely held, as its holder counts: from when a renewal was sent, on a clock that nobody sets.

use std::time::Duration;

use longshore_core::wire::LostReason;
use longshore_flow::moment::after;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::Error;

/// What is known of a lease, shared by the guard and what renews it.
#[derive(Debug)]
pub(super) struct Lease(watch::Sender<State>);

#[derive(Clone, Debug)]
struct State {
    until: Instant,
    /// Why the last attempt to prolong it failed, since the last that did not.
    trouble: Option<String>,
    loss: Option<Loss>,
    /// Whether the server has said that the lock is lost, so that nothing of the lease is left.
    is_over: bool,
}

/// How a lock was lost.
#[derive(Clone, Debug)]
pub(super) struct Loss {
    pub(super) reason: Option<LostReason>,
    pub(super) message: String,
}

impl Loss {
    fn overdue(trouble: Option<&str>) -> Self {
        let why = trouble.unwrap_or("no answer came");
        let message = format!("the lock could not be renewed before its lease may be over: {why}");
        Self { reason: Some(LostReason::Expired), message }
    }

    fn error(&self) -> Error {
        Error::lock_lost(self.reason, self.message.as_str())
    }
}

/// Returns until when a lease counts as held that was asked for at `sent`: a tenth of it is kept in reserve, to stop
/// in.
pub(super) fn held_until(sent: Instant, lease: Duration) -> Instant {
    after(sent, lease - reserve(lease))
}

/// Returns what of a lease is kept in reserve.
pub(super) fn reserve(lease: Duration) -> Duration {
    lease / 10
}

impl Lease {
    pub(super) fn new(until: Instant) -> Self {
        Self(watch::Sender::new(State { until, trouble: None, loss: None, is_over: false }))
    }

    /// Counts anew. For a lease that nobody relies on yet.
    pub(super) fn restart(&self, until: Instant) {
        self.0.send_replace(State { until, trouble: None, loss: None, is_over: false });
    }

    pub(super) fn until(&self) -> Instant {
        self.0.borrow().until
    }

    /// Returns how much of a lease is left that has so much in reserve.
    pub(super) fn left(&self, reserve: Duration) -> Duration {
        let state = self.0.borrow();
        let end = if state.is_over { None } else { Some(state.until + reserve) };
        end.map_or(Duration::ZERO, |end| end.saturating_duration_since(Instant::now()))
    }

    /// Takes the lease for lost once its time is over.
    ///
    /// Goes by the clock and not by timers, which may be late where the whole process was.
    fn settle(&self) -> Option<Loss> {
        self.0.send_if_modified(|state| {
            let overdue = state.loss.is_none() && Instant::now() >= state.until;
            if overdue {
                state.loss = Some(Loss::overdue(state.trouble.as_deref()));
            }
            overdue
        });
        self.0.borrow().loss.clone()
    }

    /// Returns the error of a lock that is lost; nothing while it is held.
    pub(super) fn lost(&self) -> Option<Error> {
        self.settle().map(|loss| loss.error())
    }

    /// Prolongs the lease, unless it counts as lost already: that is final, as somebody may have acted on it.
    pub(super) fn prolong(&self, until: Instant) -> bool {
        if self.settle().is_some() {
            return false;
        }
        self.0.send_modify(|state| (state.until, state.trouble) = (until, None));
        true
    }

    /// Says why an attempt to prolong it failed, for the case that no other goes well in time.
    pub(super) fn trouble(&self, why: String) {
        self.0.send_modify(|state| state.trouble = Some(why));
    }

    pub(super) fn lose(&self, loss: Loss) {
        self.0.send_if_modified(|state| {
            let first = state.loss.is_none();
            state.is_over = true;
            if first {
                state.loss = Some(loss);
            }
            first
        });
    }

    /// Waits until the lock is lost.
    pub(super) async fn loss(&self) -> Error {
        let mut changes = self.0.subscribe();
        loop {
            if let Some(error) = self.lost() {
                return error;
            }
            // The sender is this very value, so it outlives the wait.
            let changed = changes.changed();
            drop(tokio::time::timeout_at(self.until(), changed).await);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use longshore_core::wire::LostReason;
    use tokio::time::{Instant, advance};

    use super::{Lease, Loss, held_until, reserve};

    #[tokio::test(start_paused = true)]
    async fn a_lease_counts_as_lost_before_it_ends_and_for_good() {
        let sent = Instant::now();
        let lease = Lease::new(held_until(sent, Duration::from_secs(10)));
        advance(Duration::from_secs(8)).await;
        assert!(lease.prolong(held_until(Instant::now(), Duration::from_secs(10))));
        advance(Duration::from_millis(8_999)).await;
        assert!(lease.lost().is_none());
        advance(Duration::from_millis(1)).await;
        let error = lease.lost().expect("a second before its end");
        assert!(error.is_lock_lost());
        assert_eq!(error.facts().reason, Some(LostReason::Expired));
        assert!(!lease.prolong(Instant::now() + Duration::from_secs(10)), "what came too late");
        let reserve = reserve(Duration::from_secs(10));
        assert_eq!(lease.left(reserve), Duration::from_secs(1), "to stop in");
        advance(Duration::from_secs(2)).await;
        assert_eq!(lease.left(reserve), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_for_the_loss_follows_renewals_and_hears_of_a_break() {
        let lease = Lease::new(Instant::now() + Duration::from_secs(1));
        let start = Instant::now();
        let renewing = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            assert!(lease.prolong(Instant::now() + Duration::from_secs(3)));
            tokio::time::sleep(Duration::from_secs(1)).await;
            lease.lose(Loss { reason: Some(LostReason::Broken), message: "it was broken".to_owned() });
        };
        let (error, ()) = tokio::join!(lease.loss(), renewing);
        assert_eq!(error.facts().reason, Some(LostReason::Broken));
        assert_eq!(start.elapsed(), Duration::from_millis(1_500));
        assert_eq!(lease.left(Duration::from_secs(1)), Duration::ZERO, "somebody else may have it");
    }
}
