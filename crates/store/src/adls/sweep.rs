//! Sweeping up hidden files that a crash has left.

use std::time::Duration;

use http::StatusCode;

use super::filesystem::Filesystem;
use crate::azure::endpoint::Failure;
use crate::info::Entry;
use crate::own_names::TEMPORARY;

/// A hidden file this old is of somebody who is gone. Its time is that of its making, however long it grows: what is appended
/// counts for nothing before the flush at the end. So this is longer than anybody writes one file.
const GONE_AFTER: Duration = Duration::from_hours(48);

/// Deletes the old ones.
pub(super) async fn sweep(filesystem: &Filesystem) -> Result<(), Failure> {
    let mut continuation = None;
    loop {
        let page = filesystem.list(TEMPORARY, false, continuation.as_deref()).await?;
        // The service's own clock: only it compares with the times of its files.
        let Some(now) = page.date else { return Ok(()) };
        for entry in page.entries {
            let Entry::File(file) = entry else { continue };
            let age = file.last_modified.and_then(|then| now.duration_since(then).ok());
            let Some(tag) = file.etag.filter(|_| age.is_some_and(|age| age > GONE_AFTER)) else { continue };
            match filesystem.delete_unchanged(&file.path, &tag).await {
                // Somebody else was quicker, or writes it still.
                Err(failure) if !is_elsewhere(&failure) => return Err(failure),
                Ok(()) | Err(_) => {}
            }
        }
        continuation = page.continuation;
        if continuation.is_none() {
            return Ok(());
        }
    }
}

fn is_elsewhere(failure: &Failure) -> bool {
    matches!(failure.status(), Some(StatusCode::NOT_FOUND | StatusCode::PRECONDITION_FAILED))
}
