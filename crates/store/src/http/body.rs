//! What goes out and what comes in, chunk by chunk as it is.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use longshore_flow::{Idle, Moved};
use object_store::client::{HttpError, HttpErrorKind, HttpRequestBody};

use super::stalled;

/// Content in memory goes out in pieces of this size, so that it is seen to move.
const PIECE: usize = 512 * 1024;

/// The body of a request.
pub(super) struct Outgoing {
    body: HttpRequestBody,
    /// What is left of the chunk that is being sent.
    chunk: Bytes,
    /// Who looks whether it moves; nobody, where it leaves in one write with the head.
    sending: Option<Arc<Moved>>,
}

impl Outgoing {
    /// Makes a body, and what notices that it moves no more.
    pub(super) fn new(body: HttpRequestBody, limit: Duration) -> (Self, Idle) {
        let sending = (body.content_length() > PIECE).then(|| Arc::new(Moved::new()));
        let idle = Idle::new(limit, sending.clone());
        (Self { body, chunk: Bytes::new(), sending }, idle)
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = self.get_mut();
        if let Some(sending) = &this.sending {
            sending.touch();
        }
        if this.chunk.is_empty() {
            let Some(frame) = ready!(Pin::new(&mut this.body).poll_frame(cx)) else {
                return Poll::Ready(None);
            };
            match frame?.into_data() {
                Ok(chunk) => this.chunk = chunk,
                Err(other) => return Poll::Ready(Some(Ok(other))),
            }
        }
        let piece = this.chunk.split_to(this.chunk.len().min(PIECE));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.chunk.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.chunk.len() as u64;
        match self.body.size_hint().exact() {
            Some(more) => SizeHint::with_exact(rest + more),
            None => SizeHint::default(),
        }
    }
}

/// The body of an answer. Its connection goes back to the pool when it has ended, and is closed when it is dropped before.
#[derive(Debug)]
pub(super) struct Answer {
    body: Incoming,
    idle: Idle,
}

impl Answer {
    pub(super) const fn new(body: Incoming, idle: Idle) -> Self {
        Self { body, idle }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                this.idle.touch();
                let broken = |error| HttpError::new(HttpErrorKind::Interrupted, error);
                Poll::Ready(frame.map(|frame| frame.map_err(broken)))
            }
            Poll::Pending => this.idle.poll_expired(cx).map(|()| Some(Err(stalled(this.idle.limit())))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
