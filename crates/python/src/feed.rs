//! Content that Python gives chunk by chunk, on its way into an upload.

use std::io;
use std::sync::Mutex;

use bytes::Bytes;
use longshore::Source;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use tokio::sync::mpsc;

use crate::pending::{Pending, locked};

/// How many chunks wait while one is sent.
const AHEAD: usize = 2;

type Sender = mpsc::Sender<io::Result<Bytes>>;

/// The end of a stream into which Python puts chunks.
#[pyclass(module = "longshore._longshore", frozen)]
pub(crate) struct Feed {
    sender: Mutex<Option<Sender>>,
    receiver: Mutex<Option<mpsc::Receiver<io::Result<Bytes>>>>,
    length: Option<u64>,
}

impl Feed {
    /// Returns what is uploaded, once.
    pub(crate) fn source(&self) -> PyResult<Source> {
        let receiver = locked(&self.receiver).take();
        let mut receiver = receiver.ok_or_else(|| PyRuntimeError::new_err("a feed is for one upload"))?;
        let chunks = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx));
        Ok(Source::stream(self.length, chunks))
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
        Self { sender: Mutex::new(Some(sender)), receiver: Mutex::new(Some(receiver)), length }
    }

    /// Waits until there is room for a chunk; tells whether anybody still wants it.
    fn put(&self, chunk: PyBackedBytes) -> PyResult<Pending> {
        let sender = self.sender()?;
        let chunk = Bytes::from_owner(chunk);
        Ok(Pending::new(async move { sender.send(Ok(chunk)).await.is_ok() }, |py, is_wanted| {
            Ok(is_wanted.into_pyobject(py)?.to_owned().into_any().unbind())
        }))
    }

    /// Ends the content.
    fn end(&self) {
        locked(&self.sender).take();
    }

    /// Ends it as a failure: nothing of it is kept.
    fn fail(&self, why: String) -> PyResult<Pending> {
        let sender = self.sender()?;
        locked(&self.sender).take();
        Ok(Pending::new(async move { drop(sender.send(Err(io::Error::other(why))).await) }, |py, ()| {
            Ok(py.None())
        }))
    }
}
