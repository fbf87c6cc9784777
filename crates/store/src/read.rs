//! The content of a file, as a stream.

use std::fmt::{self, Debug};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};

use crate::backend::BoxStream;
use crate::error::Result;
use crate::info::FileInfo;

/// An open file: what is known of it, and a stream of the bytes asked for.
///
/// The bytes are those of one version of the file, even if it is replaced meanwhile, where the backend can
/// promise it (memory and local disk do). At most two chunks are held in memory.
pub struct Read {
    info: FileInfo,
    range: Range<u64>,
    chunks: BoxStream<'static, Result<Bytes>>,
    origin: Option<(String, &'static str)>,
}

impl Read {
    /// Makes a read of `chunks`, which give the bytes of `range`. For backends.
    #[must_use]
    pub fn new(
        info: FileInfo,
        range: Range<u64>,
        chunks: impl Stream<Item = Result<Bytes>> + Send + 'static,
    ) -> Self {
        Self { info, range, chunks: Box::pin(chunks.fuse()), origin: None }
    }

    pub(crate) fn located(mut self, path: &str, backend: &'static str) -> Self {
        self.origin = Some((path.to_owned(), backend));
        self
    }

    pub(crate) const fn info_mut(&mut self) -> &mut FileInfo {
        &mut self.info
    }

    /// Returns what is known of the file.
    #[must_use]
    pub const fn info(&self) -> &FileInfo {
        &self.info
    }

    /// Returns the offsets of the bytes this stream gives, after cutting the range to the file.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// Returns the next bytes, or nothing at the end.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>> {
        self.next().await.transpose()
    }

    /// Reads everything left into memory.
    pub async fn bytes(mut self) -> Result<Bytes> {
        let Some(first) = self.next_chunk().await? else {
            return Ok(Bytes::new());
        };
        let Some(second) = self.next_chunk().await? else {
            return Ok(first);
        };
        let size = usize::try_from(self.range.end - self.range.start).unwrap_or(0);
        let mut whole = BytesMut::with_capacity(size);
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&second);
        while let Some(chunk) = self.next_chunk().await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }
}

impl Stream for Read {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let polled = self.chunks.as_mut().poll_next(cx);
        polled.map(|next| {
            next.map(|chunk| {
                chunk.map_err(|error| match &self.origin {
                    Some((path, backend)) => error.located(path, backend),
                    None => error,
                })
            })
        })
    }
}

impl Debug for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Read").field("info", &self.info).field("range", &self.range).finish_non_exhaustive()
    }
}
