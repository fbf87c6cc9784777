//! Work that blocks its thread, away from the threads that must never wait.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

#[cfg(test)]
mod tests;

/// A place for work that blocks: reading files, hashing, packing. Clones share its bound.
///
/// tokio starts up to 512 threads for such work, whatever it is: more files at once than a disk can serve, and 512 stacks.
/// Here no more than the bound run at once, and who comes later waits, in the order of coming, without a thread.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), longshore_flow::blocking::Lost> {
/// use longshore_flow::Blocking;
///
/// let disk = Blocking::new(4);
/// let length = disk.run(|| std::fs::metadata("Cargo.toml").map(|file| file.len())).await?;
/// assert!(length.is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Blocking {
    room: Arc<Semaphore>,
}

impl Blocking {
    /// Makes a place where at most `limit` (0 counts as 1) run at once.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { room: Arc::new(Semaphore::new(limit.clamp(1, Semaphore::MAX_PERMITS))) }
    }

    /// Runs `work` on a thread where it may block, and gives what it returns.
    ///
    /// A dropped future leaves out what has not begun. What has cannot be stopped from outside: it runs to its end and
    /// counts for the bound until then, and its result is dropped. Long work looks at a [`Cancel`](crate::Cancel).
    ///
    /// # Errors
    /// [`Lost`] when `work` panicked, or the runtime stops.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Lost> {
        // Nobody closes the semaphore, so waiting does not fail.
        let room = self.room.clone().acquire_owned().await.ok();
        let running = AbortOnDropHandle::new(tokio::task::spawn_blocking(move || {
            // Held by the thread and not by who waits for it, who may be gone first.
            let _room = room;
            work()
        }));
        running.await.map_err(|error| match error.try_into_panic() {
            Ok(panic) => Lost::Panicked(message(&*panic)),
            Err(_) => Lost::Stopped,
        })
    }
}

/// Returns what a panic says.
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}

/// Work that ended without a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// It panicked, with this message.
    Panicked(String),
    /// The runtime is stopping.
    Stopped,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(message) => write!(f, "it panicked: {message}"),
            Self::Stopped => f.write_str("the program is stopping"),
        }
    }
}

impl std::error::Error for Lost {}
