//! Work that blocks: reading, writing and hashing files.

use crate::error::{Error, Result};

/// Runs work that blocks on a thread where that holds up no connection.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::lost)?
}
