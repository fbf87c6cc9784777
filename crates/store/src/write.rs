//! What goes into a file, and a file in the making.

use std::fmt::{self, Debug};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use crate::backend::{BoxStream, WriteSink};
use crate::error::{Error, ErrorKind, Result};
use crate::info::{ResultSource, WriteResult};
use crate::path::StorePath;

/// The content of a file to write: bytes in memory, or a stream of them.
pub struct Content(pub(crate) Body);

pub(crate) enum Body {
    Bytes(Bytes),
    Stream(BoxStream<'static, Result<Bytes>>),
}

impl Content {
    /// Makes content of a stream. An error in it ends the write, and nothing is stored.
    #[must_use]
    pub fn stream(stream: impl Stream<Item = Result<Bytes>> + Send + 'static) -> Self {
        Self(Body::Stream(Box::pin(stream)))
    }
}

impl<T: Into<Bytes>> From<T> for Content {
    fn from(bytes: T) -> Self {
        Self(Body::Bytes(bytes.into()))
    }
}

impl Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Body::Bytes(bytes) => write!(f, "Content({} bytes)", bytes.len()),
            Body::Stream(_) => f.write_str("Content(stream)"),
        }
    }
}

/// A file in the making, not visible until [`finish`](Self::finish). Dropping it takes everything back.
///
/// An error, or a `write` whose future was dropped before its end, spoils the writer: nothing it was given
/// can become visible after that.
pub struct Writer {
    sink: Box<dyn WriteSink>,
    path: StorePath,
    backend: &'static str,
    written: u64,
    spoilt: bool,
}

impl Writer {
    pub(crate) fn new(sink: Box<dyn WriteSink>, path: StorePath, backend: &'static str) -> Self {
        Self { sink, path, backend, written: 0, spoilt: false }
    }

    /// Returns how many bytes were taken so far.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Takes the next bytes; waits while earlier ones are still on their way.
    pub async fn write(&mut self, chunk: impl Into<Bytes>) -> Result<()> {
        self.refuse_spoilt()?;
        let chunk = chunk.into();
        let size = chunk.len() as u64;
        if size == 0 {
            return Ok(());
        }
        // Stands if this future is dropped below: how much of the chunk arrived is then unknown.
        self.spoilt = true;
        let result = self.sink.write(chunk).await;
        result.map_err(|error| error.located(&self.path, self.backend))?;
        self.spoilt = false;
        self.written += size;
        Ok(())
    }

    /// Takes every chunk of a stream.
    pub async fn write_all(&mut self, mut stream: impl Stream<Item = Result<Bytes>> + Unpin) -> Result<()> {
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| error.located(&self.path, self.backend))?;
            self.write(chunk).await?;
        }
        Ok(())
    }

    /// Makes the file visible, as a whole, and as durable as the backend promises.
    ///
    /// `AlreadyExists` comes here at the latest. If this future is dropped before its end the file is there
    /// as a whole or not at all.
    pub async fn finish(self) -> Result<WriteResult> {
        self.refuse_spoilt()?;
        let result = self.sink.finish().await;
        let mut info = result.map_err(|error| error.located(&self.path, self.backend))?;
        info.path = self.path;
        Ok(WriteResult::of(info, ResultSource::Native))
    }

    /// Takes everything back, and waits until that is done.
    pub async fn abort(self) -> Result<()> {
        let result = self.sink.abort().await;
        result.map_err(|error| error.located(&self.path, self.backend))
    }

    fn refuse_spoilt(&self) -> Result<()> {
        if self.spoilt {
            return Err(Error::new(
                ErrorKind::Internal,
                "an earlier write to this file did not come to its end",
            )
            .located(&self.path, self.backend));
        }
        Ok(())
    }
}

impl Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("path", &self.path)
            .field("backend", &self.backend)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}
