//! Paths inside a store.

use std::fmt::{self, Debug, Display};
use std::ops::Deref;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};

/// A normalised path inside a store, relative to its root, its segments parted by `/`.
///
/// `\` counts as `/`; empty and `.` segments are dropped; a `..` segment or a NUL is refused.
/// The empty path is the root. Nothing else is refused or changed: not case, length or Unicode form.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StorePath(String);

impl StorePath {
    /// The root of a store.
    pub const ROOT: Self = Self(String::new());

    /// Normalises `text`. The root may be written as `""`, `"."`, `"/"` and so on.
    pub fn parse(text: &str) -> Result<Self> {
        if text.contains('\0') {
            return Err(Error::new(ErrorKind::InvalidPath, "the path has a NUL in it"));
        }
        let mut path = String::with_capacity(text.len());
        for segment in text.split(['/', '\\']) {
            match segment {
                "" | "." => {}
                ".." => {
                    return Err(Error::new(ErrorKind::InvalidPath, "the path has a `..` segment"));
                }
                segment => {
                    if !path.is_empty() {
                        path.push('/');
                    }
                    path.push_str(segment);
                }
            }
        }
        Ok(Self(path))
    }

    /// Normalises `text`, which must name something below the root.
    pub fn parse_below_root(text: &str) -> Result<Self> {
        let path = Self::parse(text)?;
        if path.is_root() {
            return Err(Error::new(ErrorKind::InvalidPath, "the path must not be empty"));
        }
        Ok(path)
    }

    /// Returns the path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether this is the root.
    #[must_use]
    pub const fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the last segment; the root's is empty.
    #[must_use]
    pub fn name(&self) -> &str {
        self.split().1
    }

    /// Returns the folder this lies in; the root lies in itself.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(self.split().0.to_owned())
    }

    /// Returns the folder's path and the last segment.
    #[must_use]
    pub fn split(&self) -> (&str, &str) {
        self.0.rsplit_once('/').unwrap_or(("", &self.0))
    }

    /// Returns the segments, from the root down.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|segment| !segment.is_empty())
    }

    /// Returns the path of `below`, which is relative to this one.
    #[must_use]
    pub fn join(&self, below: &Self) -> Self {
        match (self.is_root(), below.is_root()) {
            (true, _) => below.clone(),
            (_, true) => self.clone(),
            _ => Self(format!("{}/{}", self.0, below.0)),
        }
    }

    /// Returns the path of the entry `name` of this folder, or nothing if no path can name it.
    pub(crate) fn entry(&self, name: &str) -> Option<Self> {
        if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\', '\0']) {
            return None;
        }
        let mut path = String::with_capacity(self.0.len() + 1 + name.len());
        if !self.is_root() {
            path.push_str(&self.0);
            path.push('/');
        }
        path.push_str(name);
        Some(Self(path))
    }

    /// Returns this path relative to `folder`, or nothing if it does not lie at or below it.
    #[must_use]
    pub fn relative_to(&self, folder: &Self) -> Option<Self> {
        if folder.is_root() {
            return Some(self.clone());
        }
        let rest = self.0.strip_prefix(&folder.0)?;
        if rest.is_empty() {
            return Some(Self::ROOT);
        }
        Some(Self(rest.strip_prefix('/')?.to_owned()))
    }
}

impl Deref for StorePath {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for StorePath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Debug for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.0, f)
    }
}

impl FromStr for StorePath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::StorePath;

    #[test]
    fn spellings_of_one_path_are_one() {
        for text in ["a/b", "/a/b", "a//b/", "./a/./b", "a\\b", "\\a/b\\", "a/b/."] {
            assert_eq!(StorePath::parse(text).unwrap().as_str(), "a/b", "{text:?}");
        }
        for text in ["", ".", "/", "./", "//", "./.", "\\"] {
            assert!(StorePath::parse(text).unwrap().is_root(), "{text:?}");
            assert!(StorePath::parse_below_root(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn ways_out_are_refused() {
        for text in ["..", "a/..", "../a", "a/../b", "a\\..\\b", "a\0b"] {
            assert!(StorePath::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(StorePath::parse("...").unwrap().as_str(), "...");
        assert_eq!(StorePath::parse("..a").unwrap().as_str(), "..a");
    }

    #[test]
    fn a_sibling_with_the_same_prefix_is_not_below() {
        let folder = StorePath::parse("data").unwrap();
        let evil = StorePath::parse("data-evil/f").unwrap();
        assert_eq!(evil.relative_to(&folder), None);
        let inside = StorePath::parse("data/f").unwrap();
        assert_eq!(inside.relative_to(&folder).unwrap().as_str(), "f");
        assert_eq!(folder.relative_to(&folder).unwrap(), StorePath::ROOT);
    }
}
