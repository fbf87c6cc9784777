//! How far a transfer is, told while it runs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::error::Error;

/// A step of a transfer. `index` is the item's place in what was handed to `upload_many` or `download_many`,
/// and 0 for a single transfer.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// A file begins.
    Started {
        /// The item's place.
        index: usize,
        /// The content's length, where it is known.
        length: Option<u64>,
    },
    /// Bytes have moved since the last such step.
    Bytes {
        /// The item's place.
        index: usize,
        /// How many.
        count: u64,
    },
    /// Bytes that need not move, because they are here already.
    Reused {
        /// The item's place.
        index: usize,
        /// How many.
        count: u64,
    },
    /// An attempt failed, its pause is over, and the next begins.
    Retried {
        /// The item's place.
        index: usize,
        /// The attempt that begins; the first was 1.
        attempt: u32,
        /// How long the pause was.
        delay: Duration,
        /// How many of the bytes told before will be moved, and told, again.
        discarded: u64,
        /// What had failed.
        error: &'a Error,
    },
    /// A file is done.
    Done {
        /// The item's place.
        index: usize,
        /// The content's length.
        bytes: u64,
    },
    /// A file failed for good.
    Failed {
        /// The item's place.
        index: usize,
        /// Why.
        error: &'a Error,
    },
}

/// A function that is told of progress, from many tasks and threads at once.
///
/// It is called often and in the way of the bytes, so it should only count.
#[derive(Clone)]
pub struct ProgressSink(Arc<dyn Fn(Progress<'_>) + Send + Sync>);

impl ProgressSink {
    /// Makes a sink of a function.
    pub fn new(tell: impl Fn(Progress<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }
}

impl fmt::Debug for ProgressSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProgressSink(..)")
    }
}

/// One item's way to the sink, if there is one.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    sink: Option<ProgressSink>,
    index: usize,
    /// Whether the start was told: a file begins once, however often it is tried, and in whatever way.
    started: Arc<AtomicBool>,
}

impl Report {
    pub(crate) fn new(sink: Option<ProgressSink>, index: usize) -> Self {
        Self { sink, index, started: Arc::default() }
    }

    fn tell(&self, progress: impl FnOnce(usize) -> Progress<'static>) {
        if let Some(ProgressSink(tell)) = &self.sink {
            tell(progress(self.index));
        }
    }

    pub(crate) fn started(&self, length: Option<u64>) {
        if !self.started.swap(true, Ordering::Relaxed) {
            self.tell(|index| Progress::Started { index, length });
        }
    }

    pub(crate) fn bytes(&self, count: u64) {
        self.tell(|index| Progress::Bytes { index, count });
    }

    pub(crate) fn reused(&self, count: u64) {
        self.tell(|index| Progress::Reused { index, count });
    }

    pub(crate) fn retried(&self, retried: &crate::client::Retried, discarded: u64) {
        if let Some(ProgressSink(tell)) = &self.sink {
            tell(Progress::Retried {
                index: self.index,
                attempt: retried.attempt,
                delay: retried.delay,
                discarded,
                error: &retried.error,
            });
        }
    }

    /// Tells how it ended, and passes that on.
    pub(crate) fn ended<T>(
        &self,
        result: Result<T, Error>,
        bytes: impl FnOnce(&T) -> u64,
    ) -> Result<T, Error> {
        if let Some(ProgressSink(tell)) = &self.sink {
            let index = self.index;
            match &result {
                Ok(done) => tell(Progress::Done { index, bytes: bytes(done) }),
                Err(error) => tell(Progress::Failed { index, error }),
            }
        }
        result
    }
}
