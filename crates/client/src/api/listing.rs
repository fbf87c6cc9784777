//! Lists that are read page by page.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::TryFutureExt;
use futures_util::stream::{BoxStream, Stream, StreamExt, TryStreamExt};
use longshore_core::path::encode_segment;
use longshore_core::wire::{MAX_PAGE, Page};
use longshore_flow::{PageError, pages};
use serde::de::DeserializeOwned;

use crate::client::{Call, Client};
use crate::error::{Error, Result};

/// A list that is read page by page as it is polled; at no time is more than one page held.
///
/// After an error it ends. A server whose pages go round in a ring is one.
#[must_use = "a listing asks the server for nothing until it is polled"]
pub struct Listing<T>(BoxStream<'static, Result<T>>);

impl<T> Listing<T> {
    /// Returns the next item; nothing at the end.
    pub async fn next(&mut self) -> Option<Result<T>> {
        self.0.next().await
    }

    /// Reads all that is left, for lists known to be short.
    pub async fn collect_all(self) -> Result<Vec<T>> {
        self.0.try_collect().await
    }
}

impl<T> Stream for Listing<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<T>>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl<T: DeserializeOwned + Send + 'static> Listing<T> {
    /// Lists what `path` answers, by its cursors.
    ///
    /// `path` is a future because it may have to ask for the current workspace first.
    pub(crate) fn new<P>(client: Client, path: P) -> Self
    where
        P: Future<Output = Result<String>> + Send + 'static,
    {
        Self::from(client, path, String::new(), "cursor")
    }

    /// Lists from the page that the query `first` leads to; the cursor of a page is the next one's `name`.
    pub(crate) fn from<P>(client: Client, path: P, first: String, name: &'static str) -> Self
    where
        P: Future<Output = Result<String>> + Send + 'static,
    {
        let items = path.map_ok(move |path| {
            let read = move |query| read_page(client.clone(), path.clone(), query, name);
            pages(first, read).map_err(|error| match error {
                PageError::Read(error) => error,
                PageError::Repeated => Error::unreadable("the server's pages go round in a ring", 200),
            })
        });
        Self(items.try_flatten_stream().boxed())
    }
}

/// Reads the page that `query` leads to, and returns its items and the query of the next.
async fn read_page<T: DeserializeOwned>(
    client: Client,
    path: String,
    query: String,
    name: &'static str,
) -> Result<(Vec<T>, Option<String>)> {
    let mark = if path.contains('?') { '&' } else { '?' };
    let page: Page<T> = client.json(Call::get(format!("{path}{mark}limit={MAX_PAGE}{query}"))).await?;
    let next = page.next_cursor.map(|cursor| format!("&{name}={}", encode_segment(&cursor)));
    Ok((page.items, next))
}
