//! Content that Python gives chunk by chunk, on its way into an upload.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::Stream;
use longshore::Source;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use tokio::sync::mpsc;

use crate::pending::{Pending, locked, nothing, truth};

/// How many chunks wait while one is sent.
const AHEAD: usize = 2;

type Sender = mpsc::Sender<io::Result<Bytes>>;

/// The end of a stream into which Python puts chunks.
#[pyclass(module = "longshore._longshore", frozen)]
pub(crate) struct Feed {
    sender: Mutex<Option<Sender>>,
    receiver: Mutex<Option<mpsc::Receiver<io::Result<Bytes>>>>,
    length: Option<u64>,
    /// Whether all has come; a feed that is only gone has broken off.
    is_whole: Arc<AtomicBool>,
}

impl Feed {
    /// Returns what is uploaded, once.
    pub(crate) fn source(&self) -> PyResult<Source> {
        Ok(Source::stream(self.length, self.chunks()?))
    }

    /// Returns what is put into it, once. What ends without [`end`](Self::end) is a failure.
    pub(crate) fn chunks(&self) -> PyResult<impl Stream<Item = io::Result<Bytes>> + Send + 'static> {
        let receiver = locked(&self.receiver).take();
        let mut receiver = receiver.ok_or_else(|| PyRuntimeError::new_err("a feed is for one upload"))?;
        let is_whole = Arc::clone(&self.is_whole);
        Ok(futures_util::stream::poll_fn(move |cx| {
            receiver.poll_recv(cx).map(|chunk| match chunk {
                // Told once: whoever asks again is at the end.
                None if !is_whole.swap(true, Ordering::AcqRel) => {
                    Some(Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the content broke off")))
                }
                chunk => chunk,
            })
        }))
    }

    fn sender(&self) -> PyResult<Sender> {
        locked(&self.sender).clone().ok_or_else(|| PyRuntimeError::new_err("the feed is closed"))
    }
}

#[pymethods]
impl Feed {
    #[new]
    #[pyo3(signature = (length=None))]
    fn new(length: Option<u64>) -> Self {
        let (sender, receiver) = mpsc::channel(AHEAD);
        Self {
            sender: Mutex::new(Some(sender)),
            receiver: Mutex::new(Some(receiver)),
            length,
            is_whole: Arc::default(),
        }
    }

    /// Waits until there is room for a chunk; tells whether anybody still wants it.
    fn put(&self, chunk: PyBackedBytes) -> PyResult<Pending> {
        let sender = self.sender()?;
        let chunk = Bytes::from_owner(chunk);
        Ok(Pending::new(async move { sender.send(Ok(chunk)).await.is_ok() }, truth))
    }

    /// Ends the content.
    fn end(&self) {
        self.is_whole.store(true, Ordering::Release);
        locked(&self.sender).take();
    }

    /// Ends it as a failure: nothing of it is kept.
    fn fail(&self, why: String) -> PyResult<Pending> {
        let sender = self.sender()?;
        locked(&self.sender).take();
        Ok(Pending::new(async move { drop(sender.send(Err(io::Error::other(why))).await) }, nothing))
    }
}
