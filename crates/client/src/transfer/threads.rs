//! Work that blocks: reading, writing and hashing files.

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::error::{Error, Result};
use crate::transport::body::Chunks;

/// Runs work that blocks on a thread where that holds up no connection.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::lost)?
}

/// Where a thread that reads puts what it has read.
pub(crate) struct Reading(mpsc::Sender<Result<Bytes>>);

impl Reading {
    /// Hands a chunk over once the one before was taken; tells whether anybody wants more. Blocks.
    pub(crate) fn give(&self, chunk: Bytes) -> bool {
        self.0.blocking_send(Ok(chunk)).is_ok()
    }

    /// Tells whether anybody wants more.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.0.is_closed()
    }
}

/// Runs `read` on a thread of its own, one chunk ahead of who takes them; what it fails with comes after its chunks.
///
/// It should end when what it gives is not wanted any more: the chunks were dropped.
pub(crate) fn read_ahead(read: impl FnOnce(&Reading) -> Result<()> + Send + 'static) -> Chunks {
    let (sender, mut receiver) = mpsc::channel(1);
    tokio::task::spawn_blocking(move || {
        let reading = Reading(sender);
        if let Err(error) = read(&reading) {
            // Nobody waits any more when this cannot be sent either.
            let _unwanted = reading.0.blocking_send(Err(error));
        }
    });
    Box::pin(futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx)))
}
