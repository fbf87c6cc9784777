//! So many steps and bytes in a second, and no more.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use longshore_flow::Rates;

use super::{Layer, Op, Opened};
use crate::backend::{Backend, BoxFuture, WriteSink};
use crate::error::Result;
use crate::path::StorePath;
use crate::read::Read;
use crate::store::Store;

/// How much may be asked of a store in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateOptions {
    /// How many operations: verbs, opened files and batches of listings. The chunks of a file are none of their own. Nothing
    /// for any number (the default); 0 counts as 1.
    pub operations: Option<u64>,
    /// How many bytes of content, read and written together. Nothing for any number (the default); 0 counts as 1.
    pub bytes: Option<u64>,
    /// How long a silence is made up for at once afterwards (1 s).
    pub burst: Duration,
}

impl Default for RateOptions {
    fn default() -> Self {
        Self { operations: None, bytes: None, burst: Duration::from_secs(1) }
    }
}

#[derive(Debug)]
struct Limits(Rates);

impl Store {
    /// Returns this store with a limit to what is asked of it in a second, by all who hold it together; who comes too early
    /// waits, in the order in which they came.
    ///
    /// What the storage itself moves (a copy) counts as an operation, not by its bytes. Where
    /// [`with_retry`](Self::with_retry) stands outside, each attempt counts.
    #[must_use]
    pub fn with_rate(self, options: RateOptions) -> Self {
        self.layered(Limits(Rates::new(options.operations, options.bytes, options.burst)))
    }
}

impl Layer for Limits {
    fn step<'a, T: Send + 'a>(
        &'a self,
        op: Op,
        _: &'a StorePath,
        step: BoxFuture<'a, Result<T>>,
    ) -> BoxFuture<'a, Result<T>> {
        // A file that is made visible was counted when it was begun.
        if matches!(op, Op::Finish) || !self.0.limits_requests() {
            return step;
        }
        Box::pin(async move {
            self.0.take_request().await;
            step.await
        })
    }

    fn stream(self: &Arc<Self>, _: &Arc<dyn Backend>, _: Opened, read: Read) -> Read {
        if !self.0.limits_bytes() {
            return read;
        }
        let limits = Arc::clone(self);
        let (info, range) = (read.info().clone(), read.range());
        let chunks = stream::unfold(Some(read), move |read| {
            let limits = Arc::clone(&limits);
            async move {
                let mut read = read?;
                match read.next_chunk().await.transpose()? {
                    Ok(chunk) => {
                        // How many they are is known only now; the next chunk is not asked for before they are paid for.
                        limits.0.take_bytes(chunk.len()).await;
                        Some((Ok(chunk), Some(read)))
                    }
                    Err(error) => Some((Err(error), None)),
                }
            }
        });
        Read::new(info, range, chunks)
    }

    fn write<'a>(
        &'a self,
        _: &'a StorePath,
        sink: &'a mut Box<dyn WriteSink>,
        chunk: Bytes,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.0.take_bytes(chunk.len()).await;
            sink.write(chunk).await
        })
    }
}
