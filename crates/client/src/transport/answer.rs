//! The answer to a request: its head at once, its body as it comes.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::response::Parts;
use http::{HeaderMap, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use longshore_flow::Idle;

use super::pool::Lease;
use crate::error::{Error, Result};

/// An answer whose body may still be on its way.
///
/// Its connection goes back to the pool when the body has ended; an answer that is dropped before closes it.
pub(crate) struct Answer {
    pub(crate) head: Parts,
    body: Incoming,
    lease: Option<Lease>,
    idle: Idle,
}

impl Answer {
    pub(crate) fn new(response: Response<Incoming>, lease: Lease, idle: Idle) -> Self {
        let (head, body) = response.into_parts();
        Self { head, body, lease: Some(lease), idle }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.head.status
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// Returns a header's text, if it is one.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }

    /// Returns how many bytes are still to come, where the server has said so.
    pub(crate) fn rest(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    pub(crate) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        loop {
            if self.lease.is_none() {
                return Poll::Ready(None);
            }
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                ready!(self.idle.poll_expired(cx));
                self.lease = None;
                return Poll::Ready(Some(Err(Error::stalled(self.idle.limit()))));
            };
            self.idle.touch();
            match frame {
                None => self.end(),
                Some(Err(error)) => {
                    self.lease = None;
                    let message = "the connection broke in the middle of the answer";
                    return Poll::Ready(Some(Err(Error::broken(message, error))));
                }
                Some(Ok(frame)) => {
                    // What is not data is a trailer, and none has a meaning here.
                    if let Ok(chunk) = frame.into_data() {
                        if self.body.is_end_stream() {
                            self.end();
                        }
                        if !chunk.is_empty() {
                            return Poll::Ready(Some(Ok(chunk)));
                        }
                    }
                }
            }
        }
    }

    fn end(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }

    pub(crate) async fn chunk(&mut self) -> Option<Result<Bytes>> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// Reads the whole body, which must not be longer than `limit`.
    pub(crate) async fn collect(&mut self, limit: usize) -> Result<Bytes> {
        let Some(first) = self.chunk().await.transpose()? else {
            return Ok(Bytes::new());
        };
        let check = |length: usize| {
            if length > limit {
                let message = format!("the answer is longer than {limit} bytes");
                Err(Error::unreadable(message, self.head.status.as_u16()))
            } else {
                Ok(())
            }
        };
        check(first.len())?;
        // One chunk is the rule, and needs no copy.
        let Some(second) = self.chunk().await.transpose()? else {
            return Ok(first);
        };
        let mut whole = BytesMut::from(first);
        whole.extend_from_slice(&second);
        while let Some(chunk) = self.chunk().await.transpose()? {
            whole.extend_from_slice(&chunk);
            if whole.len() > limit {
                let message = format!("the answer is longer than {limit} bytes");
                return Err(Error::unreadable(message, self.head.status.as_u16()));
            }
        }
        Ok(whole.freeze())
    }
}
