//! A connection that keeps to a rate which it shares with others.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use longshore_flow::Rate;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[cfg(test)]
mod tests;

/// The most that moves in one go: small enough that many connections take turns before one of them seems dead.
const PIECE: usize = 16 * 1024;

/// A connection whose bytes are paid for after they have moved: what follows waits until they are.
pub(crate) struct Paced<S> {
    stream: S,
    rate: Arc<Rate>,
    /// What was read or written last, while it is not paid for.
    reads: Option<BoxFuture<'static, ()>>,
    writes: Option<BoxFuture<'static, ()>>,
}

impl<S> Paced<S> {
    pub(crate) fn new(stream: S, rate: Arc<Rate>) -> Self {
        Self { stream, rate, reads: None, writes: None }
    }
}

/// Waits until what is owed was paid.
fn settle(owed: &mut Option<BoxFuture<'static, ()>>, cx: &mut Context<'_>) -> Poll<()> {
    if let Some(payment) = owed {
        ready!(payment.poll_unpin(cx));
        *owed = None;
    }
    Poll::Ready(())
}

fn owe(rate: &Arc<Rate>, bytes: usize) -> Option<BoxFuture<'static, ()>> {
    let rate = Arc::clone(rate);
    (bytes > 0).then(|| async move { rate.take(bytes as u64).await }.boxed())
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(settle(&mut this.reads, cx));
        // It is a part of the same memory, so what it holds afterwards is filled there too.
        let room = buffer.remaining().min(PIECE);
        let mut piece = ReadBuf::new(buffer.initialize_unfilled_to(room));
        ready!(Pin::new(&mut this.stream).poll_read(cx, &mut piece))?;
        let read = piece.filled().len();
        buffer.advance(read);
        this.reads = owe(&this.rate, read);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(settle(&mut this.writes, cx));
        let piece = &bytes[..bytes.len().min(PIECE)];
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, piece))?;
        this.writes = owe(&this.rate, written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
