//! A pause that all tasks of one caller keep together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

#[cfg(test)]
mod tests;

/// A gate that one task closes for a while and all wait at.
///
/// When a server says "not before", it says so to the whole client: each task finding out on its own would
/// send it exactly the load it asked to be spared. An open gate costs one atomic read.
#[derive(Debug)]
pub struct Gate {
    start: Instant,
    /// Milliseconds after `start` at which the gate opens; 0 while nobody has ever closed it.
    opens: AtomicU64,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// Makes an open gate.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now(), opens: AtomicU64::new(0) }
    }

    /// Closes the gate for `pause` from now, unless it is closed for longer already.
    pub fn close_for(&self, pause: Duration) {
        let opens = self.start.elapsed().saturating_add(pause);
        let millis = u64::try_from(opens.as_millis()).unwrap_or(u64::MAX);
        self.opens.fetch_max(millis, Ordering::Relaxed);
    }

    /// Opens the gate for all who come from now on; who already waits keeps to the pause it met.
    pub fn open(&self) {
        // The look comes first because a write would take the cache line from every other core.
        if self.opens.load(Ordering::Relaxed) != 0 {
            self.opens.store(0, Ordering::Relaxed);
        }
    }

    /// Returns how long the gate stays closed; nothing while it is open.
    #[must_use]
    pub fn closed_for(&self) -> Option<Duration> {
        match self.opens.load(Ordering::Relaxed) {
            0 => None,
            millis => {
                Duration::from_millis(millis).checked_sub(self.start.elapsed()).filter(|rest| !rest.is_zero())
            }
        }
    }

    /// Waits until the gate is open.
    pub async fn pass(&self) {
        // It may be closed again, for longer, while this sleeps.
        while let Some(rest) = self.closed_for() {
            tokio::time::sleep(rest).await;
        }
    }
}
