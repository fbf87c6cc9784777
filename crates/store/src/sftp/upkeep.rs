//! What is still to be done when nobody waits for it: closing handles, removing temporary files.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// The work that `close` waits for, and what a session that broke left behind.
#[derive(Debug)]
pub(super) struct Upkeep {
    running: watch::Sender<usize>,
    /// Temporary files that could not be removed, for the next session.
    left: Mutex<Vec<String>>,
}

/// Work under way, for as long as it lives.
#[derive(Debug)]
pub(super) struct Running(Arc<Upkeep>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.send_modify(|running| *running -= 1);
    }
}

impl Upkeep {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { running: watch::Sender::new(0), left: Mutex::default() })
    }

    pub(super) fn start(this: &Arc<Self>) -> Running {
        this.running.send_modify(|running| *running += 1);
        Running(Arc::clone(this))
    }

    /// Remembers a temporary file that could not be removed.
    pub(super) fn remember(&self, temporary: String) {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).push(temporary);
    }

    /// Takes what was remembered.
    pub(super) fn take_left(&self) -> Vec<String> {
        std::mem::take(&mut *self.left.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until nothing is under way.
    pub(super) async fn wait(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        self.running.subscribe().wait_for(|running| *running == 0).await.ok();
    }
}
