//! A connection that does not wait for ever: not for a peer that stops reading, and not long at its end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How long, after an answer that a body went before unread, the rest of that body is taken from the peer.
const LINGER: Duration = Duration::from_secs(2);
/// How many bytes of it are taken at most.
const LINGER_BYTES: u64 = 64 * 1_024 * 1_024;
const SCRATCH: usize = 16 * 1_024;

/// Whether a connection's last answer was given before its request had come whole.
///
/// Closing a socket that holds unread bytes resets it, and then the peer may lose the answer that tells it
/// why. So the writing half is closed first, and what still comes is thrown away for a while.
#[derive(Clone, Debug, Default)]
pub(crate) struct Linger(Arc<AtomicBool>);

impl Linger {
    pub(crate) fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Watches a stream that is written to.
pub(crate) struct Guarded<S> {
    stream: S,
    limit: Duration,
    /// Made once a write first has to wait: most connections never do.
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
    linger: Linger,
    ending: Ending,
}

enum Ending {
    Open,
    Lingering { left: u64 },
}

impl<S> Guarded<S> {
    pub(crate) const fn new(stream: S, limit: Duration, linger: Linger) -> Self {
        Self { stream, limit, timer: None, waiting: false, linger, ending: Ending::Open }
    }

    fn arm(&mut self, after: Duration) {
        let deadline = Instant::now() + after;
        match &mut self.timer {
            Some(timer) => timer.as_mut().reset(deadline),
            None => self.timer = Some(Box::pin(sleep_until(deadline))),
        }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.as_mut().map_or(Poll::Pending, |timer| timer.as_mut().poll(cx))
    }

    /// Lets a write's result pass, unless it has been waiting for too long.
    fn watch<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.waiting = false;
            return polled;
        }
        if !self.waiting {
            self.waiting = true;
            self.arm(self.limit);
        }
        ready!(self.poll_timer(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer stopped reading")))
    }
}

impl<S: AsyncRead + Unpin> Guarded<S> {
    /// Throws away what still comes, until the peer ends or patience does.
    fn poll_linger(&mut self, cx: &mut Context<'_>, left: &mut u64) -> Poll<()> {
        let mut scratch = [0; SCRATCH];
        loop {
            if self.poll_timer(cx).is_ready() || *left == 0 {
                return Poll::Ready(());
            }
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {
                    *left = left.saturating_sub(buffer.filled().len() as u64);
                }
                _ => return Poll::Ready(()),
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut left = match self.ending {
            Ending::Lingering { left } => left,
            Ending::Open => {
                let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
                ready!(self.watch(cx, polled))?;
                if !self.linger.is_asked() {
                    return Poll::Ready(Ok(()));
                }
                self.arm(LINGER);
                LINGER_BYTES
            }
        };
        let lingered = self.poll_linger(cx, &mut left);
        self.ending = Ending::Lingering { left };
        lingered.map(Ok)
    }
}
