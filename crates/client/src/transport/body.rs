//! What a request carries, and how it went.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use futures_util::Stream;
use futures_util::task::AtomicWaker;
use http_body::{Frame, SizeHint};
use longshore_core::Digest;
use longshore_flow::Moved;
use std::sync::{Mutex, PoisonError};

use crate::error::Error;
use crate::transfer::progress::Report;

/// Content in memory goes out in pieces of this size, so that its progress can be seen.
const PIECE: usize = 512 * 1024;

/// Chunks on their way out.
pub(crate) type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

/// The body of a request.
pub(crate) enum Body {
    /// Nothing.
    Empty,
    /// Bytes small enough to leave in one write with the head.
    Whole(Bytes),
    /// Bytes in memory, sent piece by piece.
    Pieces(Bytes, Arc<Sending>),
    /// Chunks that come as they are read; the length where it is known.
    Chunks(Chunks, Option<u64>, Arc<Sending>),
}

impl Body {
    /// Returns how its sending goes, where that can be seen.
    pub(crate) fn sending(&self) -> Option<Arc<Sending>> {
        match self {
            Self::Chunks(_, _, sending) | Self::Pieces(_, sending) => Some(Arc::clone(sending)),
            Self::Empty | Self::Whole(_) => None,
        }
    }
}

/// How the sending of one body goes; shared by the body, its source and who waits for the answer.
#[derive(Debug)]
pub(crate) struct Sending {
    moved: Arc<Moved>,
    bytes: AtomicU64,
    complete: AtomicBool,
    cancelled: AtomicBool,
    waker: AtomicWaker,
    digest: Mutex<Option<Digest>>,
    failure: Mutex<Option<Error>>,
    report: Report,
}

impl Sending {
    pub(crate) fn new(report: Report) -> Arc<Self> {
        Arc::new(Self {
            moved: Arc::new(Moved::new()),
            bytes: AtomicU64::new(0),
            complete: AtomicBool::new(false),
            cancelled: AtomicBool::new(false),
            waker: AtomicWaker::new(),
            digest: Mutex::new(None),
            failure: Mutex::new(None),
            report,
        })
    }

    /// Tells whether the whole body was handed over, so that the server may have it.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    /// Returns how many bytes were handed over.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Returns the mark of when bytes were last handed over.
    pub(crate) fn moved(&self) -> Arc<Moved> {
        self.moved.clone()
    }

    /// Keeps what the content's digest is; its source says so before it hands over the last bytes.
    pub(crate) fn set_digest(&self, digest: Digest) {
        *lock(&self.digest) = Some(digest);
    }

    pub(crate) fn digest(&self) -> Option<Digest> {
        *lock(&self.digest)
    }

    /// Takes the error of the content's source, which explains the broken request better than the network can.
    pub(crate) fn take_failure(&self) -> Option<Error> {
        lock(&self.failure).take()
    }

    /// Makes the body break off: a connection would otherwise send it to its end although nobody waits.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        self.waker.wake();
    }

    fn handed_over(&self, count: usize) {
        self.moved.touch();
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
        self.report.bytes(count as u64);
    }

    fn finish(&self) {
        self.complete.store(true, Ordering::Release);
    }

    fn fail(&self, error: Error) -> BrokenOff {
        *lock(&self.failure) = Some(error);
        BrokenOff
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // The guarded values are whole at any time, whoever panicked.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The content's source failed, or nobody wants the answer; [`Sending`] knows which.
#[derive(Debug)]
pub(crate) struct BrokenOff;

impl std::fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the content broke off before its end")
    }
}

impl std::error::Error for BrokenOff {}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Pieces(bytes, sending) => {
                if sending.cancelled.load(Ordering::Acquire) {
                    return Poll::Ready(Some(Err(BrokenOff)));
                }
                if bytes.is_empty() {
                    return Poll::Ready(None);
                }
                let piece = bytes.split_to(bytes.len().min(PIECE));
                if bytes.is_empty() {
                    sending.finish();
                }
                sending.handed_over(piece.len());
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Self::Chunks(chunks, rest, sending) => {
                sending.waker.register(cx.waker());
                if sending.cancelled.load(Ordering::Acquire) {
                    return Poll::Ready(Some(Err(BrokenOff)));
                }
                match chunks.as_mut().poll_next(cx) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(sending.fail(error)))),
                    Poll::Ready(None) => {
                        sending.finish();
                        Poll::Ready(None)
                    }
                    Poll::Ready(Some(Ok(chunk))) => {
                        if let Some(rest) = rest {
                            *rest = rest.saturating_sub(chunk.remaining() as u64);
                            // With a known length nobody asks again after the last chunk.
                            if *rest == 0 {
                                sending.finish();
                            }
                        }
                        sending.handed_over(chunk.remaining());
                        Poll::Ready(Some(Ok(Frame::data(chunk))))
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(bytes) | Self::Pieces(bytes, _) => bytes.is_empty(),
            Self::Chunks(_, rest, _) => *rest == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) | Self::Pieces(bytes, _) => SizeHint::with_exact(bytes.len() as u64),
            Self::Chunks(_, Some(rest), _) => SizeHint::with_exact(*rest),
            Self::Chunks(_, None, _) => SizeHint::default(),
        }
    }
}
