//! So many bytes a second, of all connections together.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The rate of one direction.
pub(crate) struct Pace {
    rate: Option<u64>,
    free: Mutex<Option<Instant>>,
}

impl Pace {
    pub(crate) fn new(rate: Option<u64>) -> Self {
        Self { rate: rate.map(|rate| rate.max(1)), free: Mutex::new(None) }
    }

    /// Returns how many bytes are best moved at once: a hundredth of a second's, so that a slow line flows.
    pub(crate) fn bite(&self, most: usize) -> usize {
        self.rate.map_or(most, |rate| usize::try_from(rate / 100).unwrap_or(most).clamp(1, most))
    }

    /// Waits until so many bytes have had the time they take.
    pub(crate) async fn take(&self, bytes: usize) {
        let Some(rate) = self.rate else {
            return;
        };
        let until = {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let start = free.map_or(now, |free| free.max(now));
            *free.insert(start + Duration::from_secs_f64(bytes as f64 / rate as f64))
        };
        tokio::time::sleep_until(until).await;
    }
}
