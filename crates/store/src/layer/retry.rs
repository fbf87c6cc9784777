//! What fails for now is tried again, and a stream that breaks goes on where it was.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;

use futures_util::stream;
use longshore_flow::RetryPolicy;

use super::{Layer, Op, Opened};
use crate::backend::{Backend, BoxFuture};
use crate::capability::Capability;
use crate::error::{Error, ErrorKind, Result};
use crate::info::{ByteRange, ReadOptions};
use crate::path::StorePath;
use crate::read::Read;
use crate::store::Store;

/// Returns a number from 0 to 1. It spreads callers alone; nothing is decided by it.
pub(crate) fn unit_random() -> f64 {
    RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64
}

#[derive(Clone, Copy, Debug)]
struct Retry(RetryPolicy);

impl Store {
    /// Returns this store with further attempts at what is `Unavailable` ([`ErrorKind::is_retryable`]), after the pauses of the
    /// policy or that the storage asked for.
    ///
    /// A stream that breaks goes on with a range, of the same content ([`Capability::ConditionalRead`]). Content that is being
    /// written is not sent again. Where an earlier attempt may have done its work after all (a file to move is gone, the
    /// target of a copy is there), it is the first error that is told, as nobody knows. What was to be deleted and is gone
    /// is `NotFound`, which a caller may have asked to be no error.
    #[must_use]
    pub fn with_retry(self, policy: RetryPolicy) -> Self {
        self.layered(Retry(policy))
    }
}

impl Retry {
    /// Waits before attempt `attempt` + 1, or gives the error back.
    async fn pause(&self, attempt: u32, error: Error) -> Result<()> {
        let delay = || self.0.delay(attempt, unit_random(), error.retry_after());
        let delay = error.is_retryable().then(delay).flatten();
        match delay {
            Some(delay) => {
                tokio::time::sleep(delay).await;
                Ok(())
            }
            None => Err(error),
        }
    }

    /// Opens the rest of a file that broke off.
    async fn reopen(&self, inner: &Arc<dyn Backend>, path: &StorePath, rest: &ReadOptions) -> Result<Read> {
        self.call(Op::Read, path, move || inner.read(path, rest)).await
    }
}

/// Tells whether an error is what an earlier attempt would leave behind that has done its work.
const fn may_be_done(op: Op, kind: ErrorKind) -> bool {
    matches!(
        (op, kind),
        (Op::Delete | Op::DeleteFolder | Op::Move, ErrorKind::NotFound)
            | (Op::Copy | Op::Move, ErrorKind::AlreadyExists)
    )
}

impl Layer for Retry {
    fn step<'a, T: Send + 'a>(
        &'a self,
        _: Op,
        _: &'a StorePath,
        step: BoxFuture<'a, Result<T>>,
    ) -> BoxFuture<'a, Result<T>> {
        step
    }

    fn call<'a, T: Send + 'a>(
        &'a self,
        op: Op,
        _: &'a StorePath,
        begin: impl Fn() -> BoxFuture<'a, Result<T>> + Send + Sync + 'a,
    ) -> BoxFuture<'a, Result<T>> {
        Box::pin(async move {
            let mut first = None;
            let mut attempt = 1;
            loop {
                let error = match begin().await {
                    Ok(done) => return Ok(done),
                    Err(error) => error,
                };
                if let Some(first) = first
                    && may_be_done(op, error.kind())
                {
                    // What was to be gone is gone, whoever has done it.
                    let is_gone = matches!(op, Op::Delete | Op::DeleteFolder);
                    return Err(if is_gone { error.with_source(first) } else { first });
                }
                let told = Error::new(error.kind(), error.message().to_owned());
                self.pause(attempt, error).await?;
                first = Some(told);
                attempt += 1;
            }
        })
    }

    fn stream(self: &Arc<Self>, inner: &Arc<dyn Backend>, opened: Opened, read: Read) -> Read {
        let (info, range) = (read.info().clone(), read.range());
        // Without a tag nobody could tell whether the rest is of the same content.
        let tag = info.etag.clone().filter(|_| inner.capabilities().contains(Capability::ConditionalRead));
        let Some(tag) = tag else { return read };
        let under_way = UnderWay {
            retry: **self,
            inner: Arc::clone(inner),
            path: opened.path,
            tag: opened.options.if_match.unwrap_or(tag),
            at: range.start,
            end: range.end,
            attempt: 1,
        };
        let chunks = stream::unfold(Some((under_way, read)), |state| async move {
            let (mut under_way, mut read) = state?;
            loop {
                let error = match read.next_chunk().await {
                    Ok(None) => return None,
                    Ok(Some(chunk)) => {
                        under_way.at += chunk.len() as u64;
                        under_way.attempt = 1;
                        return Some((Ok(chunk), Some((under_way, read))));
                    }
                    Err(error) => error,
                };
                match under_way.again(error).await {
                    Ok(rest) => read = rest,
                    Err(error) => return Some((Err(error), None)),
                }
            }
        });
        Read::new(info, range, chunks)
    }
}

/// A stream under a policy: where it is, and of what content.
struct UnderWay {
    retry: Retry,
    inner: Arc<dyn Backend>,
    path: StorePath,
    tag: String,
    at: u64,
    end: u64,
    attempt: u32,
}

impl UnderWay {
    /// Opens the rest after a pause, or gives the error back. Chunks that came count attempts anew.
    async fn again(&mut self, error: Error) -> Result<Read> {
        self.retry.pause(self.attempt, error).await?;
        self.attempt += 1;
        let range = ByteRange::Between(self.at, self.end);
        let rest = ReadOptions { range, if_match: Some(self.tag.clone()) };
        self.retry.reopen(&self.inner, &self.path, &rest).await
    }
}
