//! What takes too long fails.

use std::time::Duration;

use super::{Layer, Op};
use crate::backend::BoxFuture;
use crate::error::{Error, ErrorKind, Result};
use crate::path::StorePath;
use crate::store::Store;

/// How long the steps of a store may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// A look, an opening, the deletion of a file (30 s).
    ///
    /// A copy, a move and the deletion of a folder take as long as they take: a storage may copy gigabytes for them. Where it
    /// falls silent, its own time-outs are what counts.
    pub operation: Duration,
    /// A chunk that is read (60 s).
    pub chunk: Duration,
    /// A chunk that is written, and making a file visible (60 s); no limit with `None`. Either may wait for all that is under
    /// way, which is many chunks. [`Store::open`] sets none unless it is asked to.
    pub write: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        let chunk = Duration::from_mins(1);
        Self { operation: Duration::from_secs(30), chunk, write: Some(chunk) }
    }
}

impl Store {
    /// Returns this store with a limit to how long each step may take; what takes longer is given up and `Unavailable`.
    /// Whether a change was made that was given up is not known.
    #[must_use]
    pub fn with_timeouts(self, timeouts: Timeouts) -> Self {
        self.layered(timeouts)
    }
}

impl Layer for Timeouts {
    fn step<'a, T: Send + 'a>(
        &'a self,
        op: Op,
        _: &'a StorePath,
        step: BoxFuture<'a, Result<T>>,
    ) -> BoxFuture<'a, Result<T>> {
        let most = match op {
            // Given up on here, they would go on all the same in a storage that cannot be stopped.
            Op::Copy | Op::Move | Op::DeleteFolder => None,
            Op::Write | Op::Finish => self.write,
            Op::ReadChunk => Some(self.chunk),
            Op::Read | Op::OpenWrite | Op::Stat | Op::List | Op::Delete | Op::Ping => Some(self.operation),
        };
        let Some(most) = most else { return step };
        Box::pin(async move {
            let late = |_| Err(Error::new(ErrorKind::Unavailable, format!("no answer within {most:?}")));
            tokio::time::timeout(most, step).await.unwrap_or_else(late)
        })
    }
}
