//! Named steps from items to items, each with its own concurrency.
//!
//! Between steps stand bounded buffers, so a slow step slows the source and fills no memory. An item that fails in a step
//! leaves the pipeline there, as a value with its key, the step's name and the error, and the rest goes on. With a
//! [`Checkpoint`] a second run leaves out what the first has done.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), longshore_flow::pipeline::RunError> {
//! use futures_util::stream;
//! use longshore_flow::{Outcome, Pipeline};
//!
//! let rows = ["1", "2", "three"].map(|row| (format!("row {row}"), row));
//! let mut run = Pipeline::new("double")
//!     .step("parse", 4, async |row: &'static str| row.parse::<u32>())
//!     .step("double", 2, async |number: u32| Ok::<_, std::io::Error>(number * 2))
//!     .ordered()
//!     .run(stream::iter(rows));
//!
//! let mut doubled = Vec::new();
//! while let Some(outcome) = run.next().await? {
//!     match outcome {
//!         Outcome::Done { item, .. } => doubled.push(item),
//!         Outcome::Failed(failure) => assert_eq!((failure.key.as_str(), &*failure.step), ("row three", "parse")),
//!     }
//! }
//! assert_eq!(doubled, [2, 4]);
//! # Ok(())
//! # }
//! ```

use std::error::Error;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::{FutureExt as _, Stream};
use tokio::sync::{Mutex, OwnedSemaphorePermit, mpsc};

use crate::blocking::{Lost, message};
use crate::tasks::Tasks;

pub mod checkpoint;
pub mod progress;
pub mod run;

#[cfg(test)]
mod tests;

pub use self::checkpoint::{Checkpoint, CheckpointError};
pub use self::progress::{Progress, StepProgress};
pub use self::run::{Outcome, Run, RunError};

use self::progress::Board;

/// Steps to take each item of a source through, from items of type `I` to items of type `O`.
///
/// Steps are tasks of their own, so no step stands still because another is busy; they begin when the [`Run`] is first
/// polled, and dropping that ends them all.
#[must_use = "nothing happens before it is run"]
pub struct Pipeline<I, O> {
    name: String,
    steps: Vec<Arc<str>>,
    /// How many items may be between source and end at once.
    room: usize,
    ordered: bool,
    checkpoint: Option<Checkpoint>,
    connect: Connect<I, O>,
}

/// Starts the workers of all steps, and connects what comes in with what goes out.
type Connect<I, O> =
    Box<dyn FnOnce(&Tasks, &Arc<Board>, mpsc::Receiver<Parcel<I>>) -> mpsc::Receiver<Parcel<O>> + Send>;

/// An item on its way. One that failed goes through the steps that are left untouched.
struct Parcel<T> {
    /// Its place in the source, of those that were not left out.
    place: u64,
    key: String,
    item: Result<T, Failure>,
    /// Gives its room to another when it has left the pipeline.
    room: OwnedSemaphorePermit,
}

/// An item that failed.
#[derive(Debug)]
pub struct Failure {
    /// The item's key.
    pub key: String,
    /// The name of the step it failed in.
    pub step: Arc<str>,
    /// What the step gave; [`Lost::Panicked`] where it panicked.
    pub error: Box<dyn Error + Send + Sync>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.key, self.step, self.error)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.error)
    }
}

impl<I: Send + 'static> Pipeline<I, I> {
    /// Makes a pipeline without steps, which hands out what its source yields. The name is what a checkpoint file is known
    /// by.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            steps: Vec::new(),
            room: 1,
            ordered: false,
            checkpoint: None,
            connect: Box::new(|_, _, items| items),
        }
    }
}

impl<I: Send + 'static, O: Send + 'static> Pipeline<I, O> {
    /// Adds a step: `verb` is run on what the step before gives, on at most `concurrency` items at once (0 counts as 1), and
    /// as many wait before it.
    pub fn step<U, E, F, W>(self, name: impl Into<String>, concurrency: usize, verb: F) -> Pipeline<I, U>
    where
        U: Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
        F: Fn(O) -> W + Send + Sync + 'static,
        W: Future<Output = Result<U, E>> + Send + 'static,
    {
        let Self { name: pipeline, mut steps, room, ordered, checkpoint, connect } = self;
        let concurrency = concurrency.clamp(1, tokio::sync::Semaphore::MAX_PERMITS / 4);
        let (name, number): (Arc<str>, usize) = (name.into().into(), steps.len());
        steps.push(name.clone());
        let connect: Connect<I, U> = Box::new(move |tasks, board, items| {
            let items = Arc::new(Mutex::new(connect(tasks, board, items)));
            let step = Arc::new(Step { name, number, verb, board: board.clone() });
            let (sender, receiver) = mpsc::channel(concurrency);
            for _ in 0..concurrency {
                drop(tasks.spawn(work(step.clone(), items.clone(), sender.clone())));
            }
            receiver
        });
        let room = room.saturating_add(2 * concurrency).min(tokio::sync::Semaphore::MAX_PERMITS);
        Pipeline { name: pipeline, steps, room, ordered, checkpoint, connect }
    }

    /// Hands out what comes of the items in the order of the source, not as they are done. One that takes long then holds
    /// up those behind it, of which no more are begun than there is room for between the steps.
    pub fn ordered(mut self) -> Self {
        self.ordered = true;
        self
    }

    /// Writes down the keys of items that are done, and leaves out those that were written down by an earlier run. Items
    /// that failed are not, and so are tried again.
    pub fn checkpoint(mut self, checkpoint: Checkpoint) -> Self {
        self.checkpoint = Some(checkpoint);
        self
    }

    /// Takes the items of `source`, each with its key, through the steps.
    ///
    /// A key names an item from one run to the next, so it should be the only one of its source that has it: of two with the
    /// same key both are handled in one run, and neither in the next.
    pub fn run<S>(self, source: S) -> Run<O>
    where
        S: Stream<Item = (String, I)> + Send + 'static,
    {
        Run::new(self, source)
    }
}

impl<I, O> fmt::Debug for Pipeline<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("name", &self.name)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

struct Step<F> {
    name: Arc<str>,
    number: usize,
    verb: F,
    board: Arc<Board>,
}

/// Takes one item after the other through a step.
async fn work<T, U, E, F, W>(
    step: Arc<Step<F>>,
    items: Arc<Mutex<mpsc::Receiver<Parcel<T>>>>,
    sender: mpsc::Sender<Parcel<U>>,
) where
    E: Into<Box<dyn Error + Send + Sync>>,
    F: Fn(T) -> W,
    W: Future<Output = Result<U, E>>,
{
    loop {
        // Who waits for an item holds the lock: the other workers wait for their turn to wait.
        let parcel = items.lock().await.recv().await;
        let Some(Parcel { place, key, item, room }) = parcel else { return };
        let item = match item {
            Ok(item) => step.take(&key, item).await,
            Err(failure) => Err(failure),
        };
        if sender.send(Parcel { place, key, item, room }).await.is_err() {
            return;
        }
    }
}

impl<F> Step<F> {
    async fn take<T, U, E, W>(&self, key: &str, item: T) -> Result<U, Failure>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
        F: Fn(T) -> W,
        W: Future<Output = Result<U, E>>,
    {
        self.board.started(self.number);
        let result = match AssertUnwindSafe(async { (self.verb)(item).await }).catch_unwind().await {
            Ok(result) => result.map_err(Into::into),
            Err(panic) => Err(Lost::Panicked(message(&*panic)).into()),
        };
        self.board.ended(self.number, result.is_ok());
        result.map_err(|error| Failure { key: key.to_owned(), step: self.name.clone(), error })
    }
}
