//! Where downloaded content goes.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where downloaded content goes.
#[derive(Clone, Debug)]
pub enum Destination {
    /// The file at a path. Folders above it that are missing are made.
    Path(PathBuf),
    /// A file in a folder that the caller has opened: it lands there and nowhere else, whatever becomes of the
    /// folder's path meanwhile. A descriptor opened with `O_PATH` is enough.
    In {
        /// The folder.
        folder: Arc<OwnedFd>,
        /// The file's name: one name, not a path.
        name: OsString,
    },
}

impl<P: AsRef<Path>> From<P> for Destination {
    fn from(path: P) -> Self {
        Self::Path(path.as_ref().to_owned())
    }
}
