//! `multipart/byteranges`: several parts of a content in one body (RFC 9110, 14.6).

use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, future, stream};
use longshore_core::random;
use longshore_engine::{Content, ContentStream, Error};

use crate::problem::Failure;

/// The frame around the parts of one answer.
pub(super) struct Multipart {
    boundary: String,
    /// What stands before each part.
    heads: Vec<(Bytes, Range<u64>)>,
    end: Bytes,
}

impl Multipart {
    /// Makes the frame of these parts of a content of `size` bytes.
    pub(super) fn new(parts: Vec<Range<u64>>, media_type: &str, size: u64) -> Self {
        // Long and random: that it stands in the content is as likely as to guess a key.
        let mut bytes = [0; 16];
        random::fill(&mut bytes);
        let boundary = format!("{:032x}", u128::from_be_bytes(bytes));
        let head = |(place, part): (usize, Range<u64>)| {
            let line = if place == 0 { "" } else { "\r\n" };
            let (first, last) = (part.start, part.end - 1);
            let head = format!(
                "{line}--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: bytes {first}-{last}/{size}\r\n\r\n"
            );
            (Bytes::from(head), part)
        };
        let heads = parts.into_iter().enumerate().map(head).collect();
        let end = Bytes::from(format!("\r\n--{boundary}--\r\n"));
        Self { boundary, heads, end }
    }

    /// Returns the value of `Content-Type`.
    pub(super) fn media_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// Returns how many bytes the body has.
    pub(super) fn length(&self) -> u64 {
        let part = |(head, part): &(Bytes, Range<u64>)| head.len() as u64 + part.end - part.start;
        self.heads.iter().map(part).sum::<u64>() + self.end.len() as u64
    }

    /// Returns the body: each part is opened when the one before has been sent, the first one now, so that a store
    /// which is down is an answer and no connection that breaks.
    pub(super) async fn body(self, content: Arc<Content>) -> Result<Body, Failure> {
        let mut heads = self.heads.into_iter();
        let mut begun: Vec<ContentStream> = Vec::new();
        if let Some((head, part)) = heads.next() {
            begun.push(text(head));
            begun.push(content.read(part).await?);
        }
        let rest = stream::iter(heads).then(move |(head, part)| {
            let content = Arc::clone(&content);
            async move { Ok::<_, Error>(text(head).chain(content.read(part).await?)) }
        });
        let end = text(self.end);
        Ok(Body::from_stream(stream::iter(begun).flatten().chain(rest.try_flatten()).chain(end)))
    }
}

fn text(text: Bytes) -> ContentStream {
    stream::once(future::ready(Ok(text))).boxed()
}
