//! A file in the making, as `std::io` writes.

use std::io;

use bytes::{Bytes, BytesMut};

use super::driver::Held;
use crate::error::{Error, ErrorKind, Result};
use crate::info::WriteResult;

/// How much is gathered of what comes in small pieces.
const GATHER: usize = 256 * 1024;

/// A file in the making, not visible until [`finish`](Self::finish).
///
/// Dropping it takes everything back, and waits until that is done; nothing else makes it visible, `flush` neither. After an
/// error nothing it was given can become visible.
#[derive(Debug)]
pub struct Writer {
    inner: Held<crate::Writer>,
    gathered: BytesMut,
    written: u64,
}

impl Writer {
    pub(super) fn new(inner: Held<crate::Writer>) -> Self {
        Self { inner, gathered: BytesMut::new(), written: 0 }
    }

    /// Returns how many bytes were taken so far.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Takes bytes without copying them.
    pub fn write_bytes(&mut self, chunk: impl Into<Bytes>) -> Result<()> {
        self.send_gathered()?;
        let chunk = chunk.into();
        self.written += chunk.len() as u64;
        self.send(chunk)
    }

    /// Makes the file visible, as a whole, and as durable as the backend promises.
    pub fn finish(mut self) -> Result<WriteResult> {
        self.send_gathered()?;
        let (driver, writer) = self.inner.take().ok_or_else(ended)?;
        driver.wait(writer.finish())
    }

    /// Takes everything back, and waits until that is done.
    pub fn abort(mut self) -> Result<()> {
        self.take_back()
    }

    fn take_back(&mut self) -> Result<()> {
        match self.inner.take() {
            Some((driver, writer)) => driver.wait(writer.abort()),
            None => Ok(()),
        }
    }

    fn send(&mut self, chunk: Bytes) -> Result<()> {
        let (driver, writer) = self.inner.get().ok_or_else(ended)?;
        driver.wait(writer.write(chunk))
    }

    fn send_gathered(&mut self) -> Result<()> {
        let chunk = self.gathered.split().freeze();
        self.send(chunk)
    }
}

/// No caller can meet this: what ends a writer consumes it.
fn ended() -> Error {
    Error::new(ErrorKind::Internal, "the writer has ended")
}

impl io::Write for Writer {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if self.gathered.len() + buffer.len() > GATHER {
            self.send_gathered()?;
        }
        if buffer.len() >= GATHER {
            self.send(Bytes::copy_from_slice(buffer))?;
        } else {
            self.gathered.extend_from_slice(buffer);
        }
        self.written += buffer.len() as u64;
        Ok(buffer.len())
    }

    /// Hands over what was gathered. The file is not visible after that either.
    fn flush(&mut self) -> io::Result<()> {
        Ok(self.send_gathered()?)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // There is nobody to tell; what could not be taken back the storage's own sweep takes.
        self.take_back().ok();
    }
}
