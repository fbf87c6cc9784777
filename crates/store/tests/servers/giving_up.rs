//! Writes that are given up on their way, on any server.

use bytes::Bytes;
use longshore_store::testing::given_up_after;
use longshore_store::{Store, WriteOptions};

use crate::targets::AnyError;

/// Gives a write up after so many polls: what stands there then is all of it, or nothing.
///
/// `closed` is the store that waits for what was given up: `store`, or the one that it is a child of.
pub(crate) async fn write_given_up(
    store: &Store,
    closed: &Store,
    path: &str,
    content: &Bytes,
    polls: usize,
) -> Result<(), AnyError> {
    let write = store.write(path, content.clone(), WriteOptions::default());
    let ended = given_up_after(polls, write).await.transpose()?;
    closed.close().await?;
    let made = store.exists(path).await?;
    assert!(made || ended.is_none());
    if made {
        assert!(store.read_bytes(path).await? == *content);
    }
    Ok(())
}
