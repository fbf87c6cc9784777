//! The names below a store's root that are its own.
//!
//! [`Store`](crate::Store) keeps the rule, for every backend: no path of a caller reaches them, and listings leave them out. A backend
//! uses them past it.

use crate::error::{Error, ErrorKind, Result};
use crate::path::StorePath;

/// The folder below the root for what is the store's own for a while: files in the making, what is tried out, and claims.
pub(crate) const TEMPORARY: &str = ".longshore-tmp";

/// Returns whether a path, of the root and not of a child, is the store's own.
pub(crate) fn is_own(path: &StorePath) -> bool {
    path.segments().next() == Some(TEMPORARY)
}

/// Refuses the paths that are the store's own.
pub(crate) fn check(path: &StorePath) -> Result<()> {
    if is_own(path) {
        return Err(Error::new(ErrorKind::InvalidPath, "the name is kept for the store's own files"));
    }
    Ok(())
}
