//! A pipeline at work.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, Stream, StreamExt as _, TryFutureExt as _, TryStreamExt as _};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::checkpoint::{CheckpointError, Log};
use super::progress::{Board, Progress};
use super::{Failure, Parcel, Pipeline};
use crate::blocking::message;
use crate::tasks::Tasks;

/// What came of an item.
#[derive(Debug)]
pub enum Outcome<T> {
    /// It went through all steps.
    Done {
        /// Its key.
        key: String,
        /// What the last step made of it.
        item: T,
    },
    /// It failed in one.
    Failed(Failure),
}

/// Why a run ended before its source.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// What is done could not be written down.
    Checkpoint(CheckpointError),
    /// The source panicked, with this message. All that it had yielded before was handled.
    Source(String),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkpoint(error) => error.fmt(f),
            Self::Source(message) => write!(f, "the source panicked: {message}"),
        }
    }
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Checkpoint(error) => error.source(),
            Self::Source(_) => None,
        }
    }
}

impl From<CheckpointError> for RunError {
    fn from(error: CheckpointError) -> Self {
        Self::Checkpoint(error)
    }
}

/// A pipeline at work: what comes of its items, as a stream.
///
/// It begins when it is first polled, and ends after an error. An item counts as done, and its key goes to the checkpoint,
/// when the outcome after it is asked for: whoever stores what comes out stores it before. Dropping the run ends all steps at
/// their next await; the keys of what is done are still written down, which [`Run::stop`] waits for.
#[must_use = "nothing happens until it is polled"]
pub struct Run<T> {
    outcomes: BoxStream<'static, Result<Outcome<T>, RunError>>,
    progress: watch::Receiver<Progress>,
    steps: Ending,
    writer: Tasks,
}

impl<T: Send + 'static> Run<T> {
    pub(super) fn new<I, S>(pipeline: Pipeline<I, T>, source: S) -> Self
    where
        I: Send + 'static,
        S: Stream<Item = (String, I)> + Send + 'static,
    {
        let board = Arc::new(Board::new(&pipeline.steps));
        let progress = board.watch();
        let (steps, writer) = (Ending(Tasks::new()), Tasks::new());
        let outcomes = start(pipeline, source, board, Ending(steps.0.clone()), writer.clone())
            .map_ok(|work| stream::try_unfold(work, Work::next))
            .try_flatten_stream()
            .boxed();
        Self { outcomes, progress, steps, writer }
    }

    /// Returns what comes of the next item; nothing at the end.
    ///
    /// # Errors
    /// [`RunError`] when the run ends early.
    pub async fn next(&mut self) -> Result<Option<Outcome<T>>, RunError> {
        self.outcomes.try_next().await
    }

    /// Ends all steps, and waits until they are gone and the checkpoint is written and free for another run. The outcome that
    /// was handed out last counts as not done, and what was not handed out neither.
    pub async fn stop(self) {
        self.steps.0.abort();
        // The way to the checkpoint goes with it, so that what writes there ends.
        drop(self.outcomes);
        self.steps.0.close().await;
        self.writer.close().await;
    }

    /// Returns how far the run is, to look at or to wait for.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }
}

impl<T> Stream for Run<T> {
    type Item = Result<Outcome<T>, RunError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.outcomes.as_mut().poll_next(cx)
    }
}

impl<T> fmt::Debug for Run<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("progress", &*self.progress.borrow()).finish_non_exhaustive()
    }
}

/// Ends its tasks with itself.
struct Ending(Tasks);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a run is made of once it has begun.
struct Work<T> {
    results: mpsc::Receiver<Parcel<T>>,
    /// What came before its turn, where the order is kept.
    early: Option<BTreeMap<u64, Parcel<T>>>,
    /// The place of the item whose turn it is.
    turn: u64,
    /// The key of the item that was handed out last, if it is to be written down.
    handed: Option<String>,
    log: Option<Log>,
    /// Hears why the source broke off, if it does.
    broken: oneshot::Receiver<String>,
    _ending: Ending,
}

async fn start<I, T, S>(
    pipeline: Pipeline<I, T>,
    source: S,
    board: Arc<Board>,
    ending: Ending,
    writer: Tasks,
) -> Result<Work<T>, RunError>
where
    I: Send + 'static,
    S: Stream<Item = (String, I)> + Send + 'static,
{
    let tasks = &ending.0;
    let (done, log) = match pipeline.checkpoint {
        Some(checkpoint) => {
            let opened = checkpoint.open(&pipeline.name, &writer).await?;
            (opened.done, Some(opened.log))
        }
        None => (HashSet::new(), None),
    };
    let (sender, items) = mpsc::channel(1);
    let results = (pipeline.connect)(tasks, &board, items);
    let (breaks, broken) = oneshot::channel();
    let room = Arc::new(Semaphore::new(pipeline.room));
    drop(tasks.spawn(async move {
        let feeding = feed(source, sender, &done, room, &board);
        if let Err(panic) = AssertUnwindSafe(feeding).catch_unwind().await {
            let _unwanted = breaks.send(message(&*panic));
        }
    }));
    let early = pipeline.ordered.then(BTreeMap::new);
    Ok(Work { results, early, turn: 0, handed: None, log, broken, _ending: ending })
}

/// Hands the source's items to the first step, without those that are done.
async fn feed<I, S>(
    source: S,
    sender: mpsc::Sender<Parcel<I>>,
    done: &HashSet<String>,
    room: Arc<Semaphore>,
    board: &Board,
) where
    S: Stream<Item = (String, I)>,
{
    let mut source = pin!(source);
    for place in 0.. {
        // The room comes first: an item that was taken from the source is to find some.
        let Ok(room) = room.clone().acquire_owned().await else { return };
        let (key, item) = loop {
            // A source with all in memory has no other moment at which others get their turn.
            tokio::task::coop::consume_budget().await;
            let Some((key, item)) = source.next().await else { return };
            let is_done = done.contains(&key);
            board.read(is_done);
            if !is_done {
                break (key, item);
            }
        };
        if sender.send(Parcel { place, key, item: Ok(item), room }).await.is_err() {
            return;
        }
    }
}

impl<T> Work<T> {
    async fn next(mut self) -> Result<Option<(Outcome<T>, Self)>, RunError> {
        if let (Some(key), Some(log)) = (self.handed.take(), &self.log)
            && !log.note(key).await
        {
            // It takes no more because it failed.
            self.close_log().await?;
        }
        let Some(parcel) = self.parcel().await else {
            self.close_log().await?;
            return self.broken.try_recv().map_or(Ok(None), |message| Err(RunError::Source(message)));
        };
        // Here `room` goes back, and the source may be asked for one more.
        let Parcel { key, item, .. } = parcel;
        let outcome = match item {
            Ok(item) => {
                self.handed = self.log.is_some().then(|| key.clone());
                Outcome::Done { key, item }
            }
            Err(failure) => Outcome::Failed(failure),
        };
        Ok(Some((outcome, self)))
    }

    /// Waits for the parcel whose turn it is. Nothing when there is none any more.
    async fn parcel(&mut self) -> Option<Parcel<T>> {
        let Some(early) = &mut self.early else {
            return self.results.recv().await;
        };
        loop {
            if let Some(parcel) = early.remove(&self.turn) {
                self.turn += 1;
                return Some(parcel);
            }
            let Some(parcel) = self.results.recv().await else {
                return early.pop_first().map(|(_, parcel)| parcel);
            };
            early.insert(parcel.place, parcel);
        }
    }

    async fn close_log(&mut self) -> Result<(), CheckpointError> {
        match self.log.take() {
            Some(log) => log.close().await,
            None => Ok(()),
        }
    }
}
