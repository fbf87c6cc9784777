//! How many requests of large transfers run at once, over all files of one client.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The requests that the parts of large files may have open at once. A slot is held for one request, and never while
/// another is waited for, so that no two can wait for each other.
#[derive(Clone, Debug)]
pub(crate) struct Slots(Arc<Semaphore>);

/// Room for one request.
#[derive(Debug)]
pub(crate) struct Slot {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Slots {
    pub(crate) fn new(count: usize) -> Self {
        Self(Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS))))
    }

    /// Waits for room, first come, first served.
    pub(crate) async fn acquire(&self) -> Slot {
        // It is never closed.
        Slot { _permit: Arc::clone(&self.0).acquire_owned().await.ok() }
    }
}
