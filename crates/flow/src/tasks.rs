//! Tasks with an owner: the one place that spawns.

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[cfg(test)]
mod tests;

/// A set of running tasks that its owner can wait for, or end. Clones share the set.
///
/// A task nobody owns outlives the program's will to stop; here each has an owner who closes the set.
/// Dropping the last handle leaves its tasks running: end them with [`Tasks::close`] or [`Tasks::abort`].
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    ended: CancellationToken,
}

impl Tasks {
    /// Makes an empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts `future` as a task of this set, on the runtime it is called in.
    ///
    /// # Panics
    /// When it is called outside a tokio runtime.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let ended = self.ended.clone();
        let task = self.tracker.track_future(async move {
            ended.run_until_cancelled_owned(future).await;
        });
        #[expect(clippy::disallowed_methods, reason = "this is the door the rule speaks of")]
        tokio::spawn(task)
    }

    /// Returns how many tasks are running.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tracker.len()
    }

    /// Tells whether no task is running.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tracker.is_empty()
    }

    /// Waits until every task has finished by itself.
    ///
    /// Tasks started meanwhile are waited for too, as long as one is still running.
    pub async fn close(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Ends every task at its next await, and each one started later at once; [`Tasks::close`] then waits
    /// until they are gone.
    pub fn abort(&self) {
        self.ended.cancel();
    }
}
