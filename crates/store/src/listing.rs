//! The entries of a folder, as a stream.

use std::fmt::{self, Debug};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt};

use crate::backend::BoxStream;
use crate::error::Result;
use crate::info::Entry;

/// A stream of entries in no particular order, holding one batch in memory.
///
/// It is no snapshot: an entry made or deleted while it runs may be given or not; every other one is given
/// exactly once.
pub struct Listing<T>(BoxStream<'static, Result<T>>);

impl<T: Send + 'static> Listing<T> {
    /// Picks the entries `pick` wants out of a backend's batches.
    pub(crate) fn new(
        batches: BoxStream<'static, Result<Vec<Entry>>>,
        mut pick: impl FnMut(Entry) -> Option<T> + Send + 'static,
    ) -> Self {
        let entries = batches.flat_map(move |batch| {
            let picked: Vec<Result<T>> = match batch {
                Ok(entries) => entries.into_iter().filter_map(&mut pick).map(Ok).collect(),
                Err(error) => vec![Err(error)],
            };
            futures_util::stream::iter(picked)
        });
        Self(Box::pin(entries.fuse()))
    }

    /// Returns the next entry, or nothing at the end.
    pub async fn next_entry(&mut self) -> Result<Option<T>> {
        self.0.next().await.transpose()
    }
}

impl<T> Stream for Listing<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl<T> Debug for Listing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listing")
    }
}
