//! When a request that came to nothing is sent again.

use std::time::Duration;

use longshore_core::random;
use longshore_flow::{Budget, RetryPolicy};
use longshore_web::{Again, Refused};

/// What all requests of a run share: how often each is tried, and how many retries they have left together.
#[derive(Debug)]
pub(crate) struct Patience {
    policy: RetryPolicy,
    budget: Budget,
}

impl Patience {
    pub(crate) fn new(policy: RetryPolicy) -> Self {
        Self { policy, budget: Budget::default() }
    }

    /// Notes a request that went well.
    pub(crate) fn succeeded(&self) {
        self.budget.succeeded();
    }

    /// Returns the pause after attempt `attempt` (the first is 1), or nothing to give up.
    ///
    /// A retry that the server has given a time for costs nothing of the budget: it is expected, and adds no load.
    pub(crate) fn pause(&self, attempt: u32, refused: &Refused) -> Option<Duration> {
        let asked = match refused.again {
            Again::Never => return None,
            Again::After(pause) => Some(pause),
            Again::Soon | Again::AfterTimeout => None,
        };
        let pause = self.policy.delay(attempt, random::unit(), asked)?;
        let paid = match refused.again {
            Again::Soon => self.budget.try_retry(),
            Again::AfterTimeout => self.budget.try_retry_after_timeout(),
            Again::Never | Again::After(_) => true,
        };
        paid.then_some(pause)
    }
}
