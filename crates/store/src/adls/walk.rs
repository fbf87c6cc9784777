//! Listing folders, page by page.

use std::collections::VecDeque;

use futures_util::stream;
use http::StatusCode;

use super::filesystem::Filesystem;
use crate::azure::endpoint::Failure;
use crate::backend::BoxStream;
use crate::error::{Error, Result};
use crate::info::{Entry, ListOptions};
use crate::own_names::is_own;
use crate::path::StorePath;

/// A listing under way.
struct Walk {
    filesystem: Filesystem,
    options: ListOptions,
    /// Folders still to list, and how deep they lie.
    folders: VecDeque<(StorePath, usize)>,
    /// Where the first of them goes on.
    continuation: Option<String>,
}

/// Lists a folder: all that is below in one listing of the service, or each folder by itself where a depth is asked for.
pub(super) fn walk(
    filesystem: Filesystem,
    folder: StorePath,
    options: ListOptions,
) -> BoxStream<'static, Result<Vec<Entry>>> {
    let walk = Walk { filesystem, options, folders: [(folder, 0)].into(), continuation: None };
    Box::pin(stream::unfold(Some(walk), |walk| async move {
        let mut walk = walk?;
        match walk.page().await {
            Ok(Some(entries)) => Some((Ok(entries), Some(walk))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    }))
}

impl Walk {
    /// Returns the entries of the next page, or nothing at the end.
    async fn page(&mut self) -> Result<Option<Vec<Entry>>> {
        let Some((folder, depth)) = self.folders.front().cloned() else {
            return Ok(None);
        };
        let recursive = self.options.max_depth.is_none();
        let listed = self.filesystem.list(&folder, recursive, self.continuation.as_deref()).await;
        let page = match listed {
            Ok(page) => page,
            // A folder that is not there, also one that was deleted meanwhile, has nothing in it.
            Err(failure) if is_nothing(&failure) => {
                self.folders.pop_front();
                self.continuation = None;
                return Ok(Some(Vec::new()));
            }
            Err(failure) => return Err(Error::from(failure)),
        };
        self.continuation = page.continuation;
        if self.continuation.is_none() {
            self.folders.pop_front();
        }
        let mut entries = page.entries;
        entries.retain(|entry| !is_own(entry.path()));
        if self.options.max_depth.is_some_and(|most| depth < most) {
            let below = entries.iter().filter(|entry| matches!(entry, Entry::Folder(_)));
            self.folders.extend(below.map(|entry| (entry.path().clone(), depth + 1)));
        }
        entries.retain(|entry| match entry {
            Entry::File(_) => self.options.files,
            Entry::Folder(_) => self.options.folders,
        });
        Ok(Some(entries))
    }
}

/// Returns whether there is no such folder: nothing at all, or a file.
fn is_nothing(failure: &Failure) -> bool {
    matches!(failure.status(), Some(StatusCode::NOT_FOUND | StatusCode::CONFLICT))
}
