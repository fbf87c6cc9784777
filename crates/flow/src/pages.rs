//! A list that is handed out page by page, as a stream of its items.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::Stream;

#[cfg(test)]
mod tests;

/// Reads a list page by page: `read` gets the cursor of a page (the first gets `first`) and returns its items and the
/// cursor of the next page, or none at the end.
///
/// Nothing is read before the stream is polled, and a page when the items of the one before are taken; with
/// [`Pages::read_ahead`] while they are. After an error the stream has ended.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use futures_util::TryStreamExt;
/// use longshore_flow::pages;
///
/// let read = async |page: u32| Ok::<_, String>(([page * 10, page * 10 + 1], (page < 2).then_some(page + 1)));
/// let all: Vec<u32> = pages(0, read).try_collect().await.expect("no page fails");
/// assert_eq!(all, [0, 1, 10, 11, 20, 21]);
/// # }
/// ```
pub fn pages<C, F, W, I, E>(first: C, read: F) -> Pages<C, F, W, I, E>
where
    C: Clone + PartialEq,
    F: FnMut(C) -> W,
    W: Future<Output = Result<(I, Option<C>), E>>,
    I: IntoIterator,
{
    let seen = Seen { last: None, saved: None, count: 0, saved_at: 1 };
    Pages { read, next: Some(first), reading: None, items: None, ahead: None, reads_ahead: false, seen }
}

/// The stream that [`pages`] makes.
#[must_use = "nothing is read until it is polled"]
pub struct Pages<C, F, W, I: IntoIterator, E> {
    read: F,
    /// The cursor of the page to read next.
    next: Option<C>,
    reading: Option<Pin<Box<W>>>,
    items: Option<I::IntoIter>,
    /// The page after that of `items`.
    ahead: Option<Result<I, PageError<E>>>,
    reads_ahead: bool,
    seen: Seen<C>,
}

impl<C, F, W, I: IntoIterator, E> Pages<C, F, W, I, E> {
    /// Reads a page while the items of the one before are taken, never more than that one. It gets on whenever the stream is
    /// polled.
    pub const fn read_ahead(mut self) -> Self {
        self.reads_ahead = true;
        self
    }
}

impl<C, F, W, I, E> Pages<C, F, W, I, E>
where
    C: Clone + PartialEq,
    F: FnMut(C) -> W,
    W: Future<Output = Result<(I, Option<C>), E>>,
    I: IntoIterator,
{
    /// Starts reading the next page, and takes it when it is there. Nothing after the last.
    fn poll_page(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<I, PageError<E>>>> {
        let mut reading = match (self.reading.take(), self.next.take()) {
            (Some(reading), _) => reading,
            (None, None) => return Poll::Ready(None),
            (None, Some(cursor)) if self.seen.note(&cursor) => {
                return Poll::Ready(Some(Err(PageError::Repeated)));
            }
            (None, Some(cursor)) => Box::pin((self.read)(cursor)),
        };
        let Poll::Ready(page) = reading.as_mut().poll(cx) else {
            self.reading = Some(reading);
            return Poll::Pending;
        };
        Poll::Ready(Some(page.map_err(PageError::Read).map(|(items, next)| {
            self.next = next;
            items
        })))
    }
}

// Nothing in it is pinned in place: what is being read is in a box of its own.
impl<C, F, W, I: IntoIterator, E> Unpin for Pages<C, F, W, I, E> {}

impl<C, F, W, I, E> Stream for Pages<C, F, W, I, E>
where
    C: Clone + PartialEq,
    F: FnMut(C) -> W,
    W: Future<Output = Result<(I, Option<C>), E>>,
    I: IntoIterator,
{
    type Item = Result<I::Item, PageError<E>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.reads_ahead
                && self.items.is_some()
                && self.ahead.is_none()
                && let Poll::Ready(page) = self.poll_page(cx)
            {
                self.ahead = page;
            }
            if let Some(item) = self.items.as_mut().and_then(Iterator::next) {
                return Poll::Ready(Some(Ok(item)));
            }
            self.items = None;
            let page = match self.ahead.take() {
                Some(page) => Some(page),
                None => ready!(self.poll_page(cx)),
            };
            match page {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(items)) => self.items = Some(items.into_iter()),
            }
        }
    }
}

/// Finds a ring of cursors, however long, with two of them kept (Brent's algorithm).
#[derive(Debug)]
struct Seen<C> {
    last: Option<C>,
    saved: Option<C>,
    /// How many came since `saved` did.
    count: u64,
    /// After how many the next is saved.
    saved_at: u64,
}

impl<C: Clone + PartialEq> Seen<C> {
    /// Notes a cursor, and tells whether it came before.
    fn note(&mut self, cursor: &C) -> bool {
        if self.last.as_ref() == Some(cursor) || self.saved.as_ref() == Some(cursor) {
            return true;
        }
        self.last = Some(cursor.clone());
        self.count += 1;
        if self.count == self.saved_at {
            self.saved.clone_from(&self.last);
            self.saved_at = self.saved_at.saturating_mul(2);
            self.count = 0;
        }
        false
    }
}

/// Why a list ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageError<E> {
    /// A page could not be read.
    Read(E),
    /// A page names as the next one that was read already, which would go on for ever.
    Repeated,
}

impl<E: fmt::Display> fmt::Display for PageError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Repeated => f.write_str("the pages go round in a ring"),
        }
    }
}

impl<E: std::error::Error> std::error::Error for PageError<E> {}
