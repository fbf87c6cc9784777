//! Lists that are read page by page.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use longshore_core::path::encode_segment;
use longshore_core::wire::{MAX_PAGE, Page};
use serde::de::DeserializeOwned;

use crate::client::{Call, Client};
use crate::error::Result;

/// A list that is read page by page as it is polled; at no time is more than one page held.
///
/// After an error it ends.
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

/// The next page: its path, and the part of its query that leads there. Nothing at the end.
type Next = Option<(String, String)>;

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
        let pages = stream::once(path).map_ok(move |path| {
            let start = (client.clone(), Some((path, first.clone())));
            stream::try_unfold(start, move |(client, next)| step(client, next, name))
        });
        let items = pages.try_flatten().map_ok(|items| stream::iter(items.into_iter().map(Ok))).try_flatten();
        Self(items.boxed())
    }
}

type Step<T> = Option<(Vec<T>, (Client, Next))>;

async fn step<T: DeserializeOwned>(client: Client, next: Next, name: &'static str) -> Result<Step<T>> {
    let Some((path, query)) = next else {
        return Ok(None);
    };
    let mark = if path.contains('?') { '&' } else { '?' };
    let page: Page<T> = client.json(Call::get(format!("{path}{mark}limit={MAX_PAGE}{query}"))).await?;
    let next = page.next_cursor.map(|cursor| (path, format!("&{name}={}", encode_segment(&cursor))));
    Ok(Some((page.items, (client, next))))
}
