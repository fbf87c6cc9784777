//! Who is told of everything that is done.

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Layer, Op};
use crate::backend::{BoxFuture, WriteSink};
use crate::error::{ErrorKind, Result};
use crate::path::StorePath;
use crate::store::Store;

/// A step that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Which step.
    pub op: Op,
    /// The path, as the backend knows it; of two, the source.
    pub path: StorePath,
    /// How many bytes a chunk had that was written.
    pub bytes: u64,
    /// How long it took.
    pub took: Duration,
    /// How it failed, if it did.
    pub failed: Option<ErrorKind>,
}

struct Observe<F>(Arc<F>);

impl<F> Debug for Observe<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observe")
    }
}

impl Store {
    /// Returns this store with somebody who is told of each step when it has ended; of one that is dropped on the way
    /// nothing is told. `tell` must not block.
    #[must_use]
    pub fn observed(self, tell: impl Fn(Observation) + Send + Sync + 'static) -> Self {
        self.layered(Observe(Arc::new(tell)))
    }
}

impl<F: Fn(Observation) + Send + Sync + 'static> Observe<F> {
    fn around<'a, T: Send + 'a>(
        &'a self,
        op: Op,
        path: &'a StorePath,
        bytes: u64,
        step: BoxFuture<'a, Result<T>>,
    ) -> BoxFuture<'a, Result<T>> {
        Box::pin(async move {
            let began = Instant::now();
            let ended = step.await;
            let failed = ended.as_ref().err().map(crate::error::Error::kind);
            self.0(Observation { op, path: path.clone(), bytes, took: began.elapsed(), failed });
            ended
        })
    }
}

impl<F: Fn(Observation) + Send + Sync + 'static> Layer for Observe<F> {
    fn step<'a, T: Send + 'a>(
        &'a self,
        op: Op,
        path: &'a StorePath,
        step: BoxFuture<'a, Result<T>>,
    ) -> BoxFuture<'a, Result<T>> {
        self.around(op, path, 0, step)
    }

    fn write<'a>(
        &'a self,
        path: &'a StorePath,
        sink: &'a mut Box<dyn WriteSink>,
        chunk: Bytes,
    ) -> BoxFuture<'a, Result<()>> {
        self.around(Op::Write, path, chunk.len() as u64, sink.write(chunk))
    }
}
