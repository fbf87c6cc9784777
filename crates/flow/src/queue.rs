//! A bounded queue and the workers that empty it.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex as AsyncMutex, mpsc};

use crate::blocking::message;
use crate::tasks::Tasks;

#[cfg(test)]
mod tests;

/// Items that wait, never more than a bound, and workers that handle them in the order of coming.
///
/// The workers are tasks of their own: they go on whether or not anybody polls. [`Queue::drain`] ends them when all is
/// done, [`Queue::stop`] at once, and dropping the queue ends them at their next await.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use longshore_flow::Queue;
///
/// let queue = Queue::new(4, 16, async |number: u32| {
///     if number % 10 == 0 { Err(format!("{number} is round")) } else { Ok(()) }
/// });
/// for number in 1..=20 {
///     queue.push(number).await.expect("it is open");
/// }
/// assert_eq!(queue.drain().await.len(), 2);
/// # }
/// ```
#[derive(Debug)]
pub struct Queue<T, E> {
    /// Nothing once it was closed.
    sender: Mutex<Option<mpsc::Sender<T>>>,
    failures: Arc<Mutex<Vec<Failure<E>>>>,
    tasks: Tasks,
}

/// How the handling of an item failed. An error that is to tell which item it was must hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure<E> {
    /// The handler gave this error.
    Failed(E),
    /// The handler panicked, with this message; the worker goes on.
    Panicked(String),
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Panicked(message) => write!(f, "it panicked: {message}"),
        }
    }
}

impl<E: std::error::Error> std::error::Error for Failure<E> {}

/// Why an item was not taken; it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken<T> {
    /// As many wait as may.
    Full(T),
    /// The queue takes no more.
    Closed(T),
}

impl<T> fmt::Display for NotTaken<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the queue is full",
            Self::Closed(_) => "the queue is closed",
        })
    }
}

impl<T: fmt::Debug> std::error::Error for NotTaken<T> {}

impl<T: Send + 'static, E: Send + 'static> Queue<T, E> {
    /// Starts `workers` tasks that call `handler` on what is pushed, while up to `capacity` items wait. Either counts as 1
    /// where it is 0.
    ///
    /// # Panics
    /// When it is called outside a tokio runtime.
    pub fn new<F, W>(workers: usize, capacity: usize, handler: F) -> Self
    where
        F: Fn(T) -> W + Send + Sync + 'static,
        W: Future<Output = Result<(), E>> + Send + 'static,
    {
        let (sender, receiver) = mpsc::channel(capacity.clamp(1, tokio::sync::Semaphore::MAX_PERMITS));
        let queue = Self { sender: Mutex::new(Some(sender)), failures: Arc::default(), tasks: Tasks::new() };
        let (receiver, handler) = (Arc::new(AsyncMutex::new(receiver)), Arc::new(handler));
        for _ in 0..workers.max(1) {
            let worker = work(receiver.clone(), handler.clone(), queue.failures.clone());
            drop(queue.tasks.spawn(worker));
        }
        queue
    }

    /// Hands over an item, as soon as there is room. Who gives up waiting (a dropped future) has handed over nothing.
    ///
    /// # Errors
    /// [`NotTaken::Closed`] after [`Queue::drain`] or [`Queue::stop`].
    pub async fn push(&self, item: T) -> Result<(), NotTaken<T>> {
        let Some(sender) = self.sender() else {
            return Err(NotTaken::Closed(item));
        };
        sender.send(item).await.map_err(|unsent| NotTaken::Closed(unsent.0))
    }

    /// Hands over an item if there is room now.
    ///
    /// # Errors
    /// [`NotTaken::Full`] when there is none, [`NotTaken::Closed`] as [`Queue::push`].
    pub fn try_push(&self, item: T) -> Result<(), NotTaken<T>> {
        let Some(sender) = self.sender() else {
            return Err(NotTaken::Closed(item));
        };
        sender.try_send(item).map_err(|unsent| match unsent {
            TrySendError::Full(item) => NotTaken::Full(item),
            TrySendError::Closed(item) => NotTaken::Closed(item),
        })
    }

    /// Takes no more, waits until all that was taken is handled, and returns what failed since it was last asked.
    ///
    /// A push that was waiting for room already still comes in. Dropped and called again, it goes on waiting.
    pub async fn drain(&self) -> Vec<Failure<E>> {
        self.close();
        self.tasks.close().await;
        self.failures()
    }

    /// Takes no more, drops what waits and what runs, waits until that is gone, and returns what had failed before.
    pub async fn stop(&self) -> Vec<Failure<E>> {
        self.close();
        self.tasks.abort();
        self.tasks.close().await;
        self.failures()
    }

    /// Returns what has failed since it was last asked; a queue that runs for long is to be asked now and then, for
    /// failures take memory until then.
    pub fn failures(&self) -> Vec<Failure<E>> {
        std::mem::take(&mut *lock(&self.failures))
    }

    fn sender(&self) -> Option<mpsc::Sender<T>> {
        lock(&self.sender).clone()
    }

    fn close(&self) {
        drop(lock(&self.sender).take());
    }
}

impl<T, E> Drop for Queue<T, E> {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // The guarded values are whole at any time, whoever panicked.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn work<T, E, F, W>(
    items: Arc<AsyncMutex<mpsc::Receiver<T>>>,
    handler: Arc<F>,
    failures: Arc<Mutex<Vec<Failure<E>>>>,
) where
    F: Fn(T) -> W,
    W: Future<Output = Result<(), E>>,
{
    loop {
        // Who waits for an item holds the lock: the other workers wait for their turn to wait.
        let item = items.lock().await.recv().await;
        let Some(item) = item else { return };
        let failure = match AssertUnwindSafe(async { handler(item).await }).catch_unwind().await {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => Failure::Failed(error),
            Err(panic) => Failure::Panicked(message(&*panic)),
        };
        lock(&failures).push(failure);
    }
}
