//! How many retries a client may send in all: a token bucket that failures empty and successes fill.

use std::sync::atomic::{AtomicU32, Ordering};

#[cfg(test)]
mod tests;

/// What a [`Budget`] holds, and what each thing costs, in tokens.
///
/// The defaults are those of the standard retry mode of AWS's SDKs: 500 tokens, 5 for a retry, 10 for one after a
/// time-out, 1 back for a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetPolicy {
    /// The tokens of a full budget, which is how each begins (500).
    pub capacity: u32,
    /// What a retry costs (5).
    pub retry: u32,
    /// What a retry costs when a time-out is what it follows (10): the server may still be at the first attempt.
    pub after_timeout: u32,
    /// What a success gives back, whichever attempt it was (1).
    pub success: u32,
}

impl Default for BudgetPolicy {
    fn default() -> Self {
        Self { capacity: 500, retry: 5, after_timeout: 10, success: 1 }
    }
}

/// The retries that all tasks of a client have left together.
///
/// Pauses between attempts spread the load of retries but do not lessen it: where every request fails, five attempts
/// each are five times the load, on a server that is failing under it. A budget bounds what retries add, over time, to
/// `success / retry` of the requests that succeed (a fifth), and to a single burst of `capacity / retry` (a hundred)
/// when nothing does. It has no time in it, and takes no lock.
///
/// ```
/// use longshore_flow::Budget;
///
/// let budget = Budget::default();
/// assert!(budget.try_retry());
/// budget.succeeded();
/// assert_eq!(budget.left(), 496);
/// ```
#[derive(Debug)]
pub struct Budget {
    policy: BudgetPolicy,
    tokens: AtomicU32,
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(BudgetPolicy::default())
    }
}

impl Budget {
    /// Makes a full budget.
    #[must_use]
    pub const fn new(policy: BudgetPolicy) -> Self {
        Self { policy, tokens: AtomicU32::new(policy.capacity) }
    }

    /// Pays for a retry. False when there is not enough left, and then nothing is taken: fail with the error at hand.
    #[must_use]
    pub fn try_retry(&self) -> bool {
        self.take(self.policy.retry)
    }

    /// Pays for a retry after a time-out, as [`Budget::try_retry`] does.
    #[must_use]
    pub fn try_retry_after_timeout(&self) -> bool {
        self.take(self.policy.after_timeout)
    }

    /// Notes that a request succeeded.
    pub fn succeeded(&self) {
        // The look comes first: a budget is full nearly always, and a write would take the cache line from every core.
        if self.left() < self.policy.capacity {
            self.change(|tokens| Some(tokens.saturating_add(self.policy.success).min(self.policy.capacity)));
        }
    }

    /// Returns how many tokens are left.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.tokens.load(Ordering::Relaxed)
    }

    fn take(&self, cost: u32) -> bool {
        self.change(|tokens| tokens.checked_sub(cost))
    }

    /// Tells whether `change` had a new number of tokens to give.
    fn change(&self, change: impl FnMut(u32) -> Option<u32>) -> bool {
        // The number stands for nothing but itself, so no order with other memory is needed.
        self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change).is_ok()
    }
}
