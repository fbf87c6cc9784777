//! Which events a hook wants.

use longshore_core::{Code, WorkspacePath};

use crate::error::{Error, Result};
use crate::event_types;

/// Checks a hook's list of types.
pub(super) fn check_types(types: &[String]) -> Result<()> {
    event_types::check(types).map_err(|detail| Error::new(Code::InvalidBody, format!("`types`: {detail}")))
}

/// Tells whether an event of `kind`, at one of `places` (where the node is, and where it was), passes.
///
/// Events of the workspace itself have no place: they pass where everything does.
pub(super) fn passes<'p>(
    types: &[String],
    path: &WorkspacePath,
    kind: &str,
    places: impl IntoIterator<Item = &'p str>,
) -> bool {
    event_types::pass(types, kind)
        && (path.is_root()
            || places.into_iter().any(|place| is_at_or_below(place, path.to_string().as_str())))
}

/// Whole names are compared: `/reports` is not above `/reports-old`.
fn is_at_or_below(place: &str, base: &str) -> bool {
    place.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::passes;

    fn pass(path: &str, kind: &str, places: &[&str]) -> bool {
        passes(&[], &path.parse().unwrap(), kind, places.iter().copied())
    }

    #[test]
    fn paths_are_compared_by_whole_names() {
        assert!(pass("/reports", "x", &["/reports"]));
        assert!(pass("/reports", "x", &["/reports/q1/a.csv"]));
        assert!(!pass("/reports", "x", &["/reports-old/a.csv"]));
        assert!(!pass("/reports", "x", &["/report"]));
        assert!(!pass("/reports", "x", &["/"]));
        // What leaves a folder concerns it as well.
        assert!(pass("/reports", "x", &["/archive/a.csv", "/reports/a.csv"]));
        // What has no place happens to the whole workspace.
        assert!(pass("/", "workspace.renamed", &[]));
        assert!(!pass("/reports", "workspace.renamed", &[]));
    }
}
