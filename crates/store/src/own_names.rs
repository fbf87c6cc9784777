//! The names below a store's root that are its own.

use crate::error::{Error, ErrorKind, Result};
use crate::path::StorePath;

/// The folder below the root where files are in the making. No path of a caller reaches it.
pub(crate) const TEMPORARY: &str = ".longshore-tmp";

/// Refuses the paths that are the store's own.
pub(crate) fn check(path: &StorePath) -> Result<()> {
    if path.segments().next() == Some(TEMPORARY) {
        return Err(Error::new(ErrorKind::InvalidPath, "the name is kept for the store's own files"));
    }
    Ok(())
}
