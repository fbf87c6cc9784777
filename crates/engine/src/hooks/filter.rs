//! Which events a hook wants.

use longshore_core::{Code, WorkspacePath};

use crate::error::{Error, Result};

/// The most entries of a list of types.
const MOST_TYPES: usize = 64;
const LONGEST_TYPE: usize = 64;

/// Checks a list of types: each is a whole type, or a beginning that ends in `.*`.
pub(super) fn check_types(types: &[String]) -> Result<()> {
    if types.len() > MOST_TYPES {
        return Err(Error::new(Code::InvalidBody, format!("`types` has at most {MOST_TYPES} entries")));
    }
    for text in types {
        let name = text.strip_suffix(".*").unwrap_or(text);
        let is_word = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        if text.len() > LONGEST_TYPE || !name.split('.').all(is_word) {
            let detail = "a type is words with dots between, such as `version.created`, or `version.*`";
            return Err(Error::new(Code::InvalidBody, detail));
        }
    }
    Ok(())
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
    let is_wanted = |wanted: &String| match wanted.strip_suffix(".*") {
        Some(family) => kind.strip_prefix(family).is_some_and(|rest| rest.starts_with('.')),
        None => wanted == kind,
    };
    if !types.is_empty() && !types.iter().any(is_wanted) {
        return false;
    }
    path.is_root() || places.into_iter().any(|place| is_at_or_below(place, path.to_string().as_str()))
}

/// Whole names are compared: `/reports` is not above `/reports-old`.
fn is_at_or_below(place: &str, base: &str) -> bool {
    place.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::{check_types, passes};

    fn types(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    fn pass(wanted: &[&str], path: &str, kind: &str, places: &[&str]) -> bool {
        passes(&types(wanted), &path.parse().unwrap(), kind, places.iter().copied())
    }

    #[test]
    fn types_are_compared_whole_or_by_family() {
        assert!(pass(&[], "/", "version.created", &[]));
        assert!(pass(&["version.created"], "/", "version.created", &[]));
        assert!(pass(&["lock.*", "version.*"], "/", "version.created", &[]));
        assert!(pass(&["node.*"], "/", "node.note.added", &[]));
        assert!(!pass(&["version"], "/", "version.created", &[]));
        assert!(!pass(&["version.*"], "/", "version", &[]));
        assert!(!pass(&["version.*"], "/", "versions.created", &[]));
        assert!(!pass(&["version.create"], "/", "version.created", &[]));
    }

    #[test]
    fn paths_are_compared_by_whole_names() {
        assert!(pass(&[], "/reports", "x", &["/reports"]));
        assert!(pass(&[], "/reports", "x", &["/reports/q1/a.csv"]));
        assert!(!pass(&[], "/reports", "x", &["/reports-old/a.csv"]));
        assert!(!pass(&[], "/reports", "x", &["/report"]));
        assert!(!pass(&[], "/reports", "x", &["/"]));
        // What leaves a folder concerns it as well.
        assert!(pass(&[], "/reports", "x", &["/archive/a.csv", "/reports/a.csv"]));
        // What has no place happens to the whole workspace.
        assert!(pass(&[], "/", "workspace.renamed", &[]));
        assert!(!pass(&[], "/reports", "workspace.renamed", &[]));
    }

    #[test]
    fn a_list_of_types_is_checked() {
        check_types(&types(&["version.created", "version.*", "node_note.added"])).unwrap();
        check_types(&[]).unwrap();
        for bad in [
            "",
            "*",
            ".*",
            "version.",
            ".created",
            "Version.created",
            "version..created",
            "version.*.x",
            "a b",
        ] {
            assert!(check_types(&types(&[bad])).is_err(), "{bad:?}");
        }
        assert!(check_types(&types(&["a".repeat(65).as_str()])).is_err());
        assert!(check_types(&vec!["a".to_owned(); 65]).is_err());
    }
}
