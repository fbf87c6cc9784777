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
    /// A verb that moves no content (30 s). A copy and the deletion of a folder take as long as they take.
    pub operation: Duration,
    /// A chunk that is read or written, and making a file visible (60 s).
    pub chunk: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { operation: Duration::from_secs(30), chunk: Duration::from_mins(1) }
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
            Op::Copy | Op::DeleteFolder => return step,
            Op::ReadChunk | Op::Write | Op::Finish => self.chunk,
            _ => self.operation,
        };
        Box::pin(async move {
            let late = |_| Err(Error::new(ErrorKind::Unavailable, format!("no answer within {most:?}")));
            tokio::time::timeout(most, step).await.unwrap_or_else(late)
        })
    }
}
