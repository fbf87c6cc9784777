//! The content of an answer, as it comes, up to a limit.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::error::{Error, ErrorKind, Result};
use crate::send::Driver;

/// The content of an answer: a stream of its pieces that ends with an error when there are more bytes, or when it
/// takes longer, than the request allowed.
///
/// It drives its connection itself, so that nothing goes on once it is dropped.
pub struct Body {
    incoming: Incoming,
    driver: Driver,
    left: u64,
    ends: Pin<Box<Sleep>>,
    done: bool,
}

impl Body {
    pub(crate) fn new(incoming: Incoming, driver: Driver, limit: u64, ends: Instant) -> Self {
        Self { incoming, driver, left: limit, ends: Box::pin(sleep_until(ends)), done: false }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        if self.ends.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(Error::new(ErrorKind::Timeout, "the answer took too long"))));
        }
        loop {
            // What an announced length says needs no reading.
            if self.incoming.size_hint().lower() > self.left {
                return Poll::Ready(Some(Err(too_large())));
            }
            self.driver.poll(cx);
            let Some(frame) = ready!(Pin::new(&mut self.incoming).poll_frame(cx)) else {
                return Poll::Ready(None);
            };
            let Ok(frame) = frame else {
                let error = Error::new(ErrorKind::Connect, "the connection broke before the answer's end");
                return Poll::Ready(Some(Err(error)));
            };
            // Trailers are nothing that anybody asked for.
            let Ok(piece) = frame.into_data() else { continue };
            match self.left.checked_sub(piece.len() as u64) {
                None => return Poll::Ready(Some(Err(too_large()))),
                Some(left) => self.left = left,
            }
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(piece)));
            }
        }
    }
}

fn too_large() -> Error {
    Error::new(ErrorKind::TooLarge, "the answer is larger than asked for")
}

impl Stream for Body {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        if self.done {
            return Poll::Ready(None);
        }
        let piece = ready!(self.poll_piece(cx));
        self.done = !matches!(piece, Some(Ok(_)));
        Poll::Ready(piece)
    }
}
