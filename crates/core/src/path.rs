//! Names and paths inside a workspace.
//!
//! What breaks a rule is refused and says which rule; nothing is silently rewritten. Authorisation and
//! storage never see the text of a path: it is resolved to node ids once.

use std::fmt::{self, Debug, Display};
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use unicode_normalization::is_nfc;

use crate::error::Code;

/// The most bytes a name may have.
pub const MAX_NAME_BYTES: usize = 255;
/// The most bytes a path may have.
pub const MAX_PATH_BYTES: usize = 4_096;
/// The most names a path may have: how deep a tree may grow.
pub const MAX_PATH_NAMES: usize = 256;

/// The most bytes, with its dot, that what follows a name's last dot may have to count as an extension.
const MAX_EXTENSION_BYTES: usize = 32;

/// What a URL path segment may hold as it is: RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why a text is no name or no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// A name has no characters; a path with `//` holds such a name.
    EmptyName,
    /// A name has more than [`MAX_NAME_BYTES`] bytes.
    NameTooLong,
    /// A name is `.` or `..`.
    DotName,
    /// A name holds a `/`, in a URL perhaps as `%2F`.
    SlashInName,
    /// A name holds NUL or another control character.
    ControlInName,
    /// A name is not in Unicode normal form C.
    NotNfc,
    /// A name is not UTF-8.
    NotUtf8,
    /// A path does not begin with `/`.
    NotAbsolute,
    /// A path has more than [`MAX_PATH_BYTES`] bytes.
    PathTooLong,
    /// A path has more than [`MAX_PATH_NAMES`] names.
    PathTooDeep,
    /// A `%` in a URL is not followed by two hexadecimal digits.
    BadPercent,
}

impl PathError {
    /// Returns the public code of this error.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::NotAbsolute | Self::PathTooLong | Self::PathTooDeep | Self::BadPercent => Code::InvalidPath,
            _ => Code::InvalidName,
        }
    }
}

impl Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmptyName => "a name has at least one character (`//` is not collapsed)",
            Self::NameTooLong => "a name has at most 255 bytes",
            Self::DotName => "`.` and `..` are not names",
            Self::SlashInName => "a name holds no `/`",
            Self::ControlInName => "a name holds no NUL or other control character",
            Self::NotNfc => "a name is in Unicode normal form C",
            Self::NotUtf8 => "a name is UTF-8",
            Self::NotAbsolute => "a path begins with `/`",
            Self::PathTooLong => "a path has at most 4,096 bytes",
            Self::PathTooDeep => "a path has at most 256 names",
            Self::BadPercent => "`%` in a URL is followed by two hexadecimal digits",
        })
    }
}

impl std::error::Error for PathError {}

/// The name of a node: UTF-8 in NFC, 1 to 255 bytes, no `/`, no control character, not `.` or `..`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// Takes a text as a name, or says which rule it breaks.
    pub fn new(text: impl Into<String>) -> Result<Self, PathError> {
        let text = text.into();
        if text.is_empty() {
            Err(PathError::EmptyName)
        } else if text.len() > MAX_NAME_BYTES {
            Err(PathError::NameTooLong)
        } else if text == "." || text == ".." {
            Err(PathError::DotName)
        } else if text.contains('/') {
            Err(PathError::SlashInName)
        } else if text.chars().any(char::is_control) {
            Err(PathError::ControlInName)
        } else if !is_nfc(&text) {
            Err(PathError::NotNfc)
        } else {
            Ok(Self(text))
        }
    }

    /// Returns the name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns this name with ` (n)` before its extension: `report (2).csv`.
    ///
    /// The stem is cut, at a character's edge, where the name would grow past its limit. What follows the last
    /// dot is an extension only if it is short, so a stem is always left to be cut.
    #[must_use]
    pub fn numbered(&self, n: u64) -> Self {
        let (stem, extension) = match self.0.rfind('.') {
            Some(dot) if dot > 0 && self.0.len() - dot <= MAX_EXTENSION_BYTES => self.0.split_at(dot),
            _ => (self.0.as_str(), ""),
        };
        let suffix = format!(" ({n}){extension}");
        let mut end = stem.len().min(MAX_NAME_BYTES - suffix.len());
        while !stem.is_char_boundary(end) {
            end -= 1;
        }
        Self(format!("{}{suffix}", &stem[..end]))
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.0, f)
    }
}

impl FromStr for Name {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::new(text)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// An absolute path inside a workspace; `/` is the root folder.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkspacePath(Vec<Name>);

impl WorkspacePath {
    /// Returns the root path, `/`.
    #[must_use]
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// Takes a path's text, such as `/reports/q1.csv`. One `/` at its end is allowed.
    pub fn new(text: &str) -> Result<Self, PathError> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err(PathError::NotAbsolute);
        };
        Self::from_segments(rest, |segment| Name::new(segment))
    }

    /// Takes the part of a URL's path that names a node, still percent-encoded: `reports/q%201.csv`.
    ///
    /// Each segment is decoded on its own, so `%2F` never becomes a separator: it is refused.
    pub fn from_url(encoded: &str) -> Result<Self, PathError> {
        Self::from_segments(encoded.strip_prefix('/').unwrap_or(encoded), |segment| {
            if !is_well_encoded(segment) {
                return Err(PathError::BadPercent);
            }
            let name = percent_decode_str(segment).decode_utf8().map_err(|_| PathError::NotUtf8)?;
            Name::new(name)
        })
    }

    fn from_segments(text: &str, name: impl Fn(&str) -> Result<Name, PathError>) -> Result<Self, PathError> {
        let text = text.strip_suffix('/').unwrap_or(text);
        if text.is_empty() {
            return Ok(Self::root());
        }
        Self(text.split('/').map(name).collect::<Result<_, _>>()?).within_limits()
    }

    /// Makes the path of what stands in a workspace. No limit is checked: whoever reads must see what is there.
    #[must_use]
    pub const fn of_names(names: Vec<Name>) -> Self {
        Self(names)
    }

    fn within_limits(self) -> Result<Self, PathError> {
        if self.byte_length() > MAX_PATH_BYTES {
            Err(PathError::PathTooLong)
        } else if self.0.len() > MAX_PATH_NAMES {
            Err(PathError::PathTooDeep)
        } else {
            Ok(self)
        }
    }

    /// Returns how many bytes the path has as text, 0 for the root.
    #[must_use]
    pub fn byte_length(&self) -> usize {
        self.0.iter().map(|name| name.as_str().len() + 1).sum()
    }

    /// Returns this path percent-encoded for a URL, without its leading `/`.
    #[must_use]
    pub fn to_url(&self) -> String {
        let mut url = String::new();
        for name in &self.0 {
            if !url.is_empty() {
                url.push('/');
            }
            url.extend(utf8_percent_encode(name.as_str(), SEGMENT));
        }
        url
    }

    /// Returns the names from the root down; none for the root.
    #[must_use]
    pub fn names(&self) -> &[Name] {
        &self.0
    }

    /// Tells whether this is the root path.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the parent's path and the last name, or nothing for the root.
    #[must_use]
    pub fn split_last(&self) -> Option<(Self, &Name)> {
        let (name, parents) = self.0.split_last()?;
        Some((Self(parents.to_vec()), name))
    }

    /// Returns the path of the child `name`.
    pub fn join(&self, name: Name) -> Result<Self, PathError> {
        let mut path = self.clone();
        path.0.push(name);
        path.within_limits()
    }
}

impl Display for WorkspacePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str("/");
        }
        self.0.iter().try_for_each(|name| write!(f, "/{name}"))
    }
}

impl Debug for WorkspacePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl FromStr for WorkspacePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::new(text)
    }
}

impl Serialize for WorkspacePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WorkspacePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// Tells whether each `%` of a URL's part begins an encoded byte. What is decoded leniently has two spellings of
/// one text.
#[must_use]
pub fn is_well_encoded(encoded: &str) -> bool {
    encoded.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// Percent-encodes a text as one segment or query value of a URL.
#[must_use]
pub fn encode_segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Name, PathError, WorkspacePath};

    #[test]
    fn each_rule_refuses_what_breaks_it() {
        let long = "x".repeat(256);
        for (text, error) in [
            ("", PathError::EmptyName),
            (".", PathError::DotName),
            ("..", PathError::DotName),
            ("a/b", PathError::SlashInName),
            ("a\0b", PathError::ControlInName),
            ("a\nb", PathError::ControlInName),
            ("a\u{85}b", PathError::ControlInName),
            ("e\u{301}", PathError::NotNfc),
            (&long, PathError::NameTooLong),
        ] {
            assert_eq!(Name::new(text).unwrap_err(), error, "{text:?}");
        }
        for good in ["é", "...", "a b", "日本語", "נתונים", "🚢.txt", "a\\b", "%2f", &long[..255]]
        {
            assert!(Name::new(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_url_segment_is_decoded_once_and_alone() {
        let refused = |url: &str| WorkspacePath::from_url(url).unwrap_err();
        assert_eq!(refused("a%2fb"), PathError::SlashInName);
        assert_eq!(refused("a/%2e%2e/b"), PathError::DotName);
        assert_eq!(refused("a//b"), PathError::EmptyName);
        assert_eq!(refused("a/%ff"), PathError::NotUtf8);
        assert_eq!(refused("a/%00"), PathError::ControlInName);
        for bad in ["%zz", "a/%", "%2", "%%41", "%+1"] {
            assert_eq!(refused(bad), PathError::BadPercent, "{bad}");
        }
        assert_eq!(WorkspacePath::from_url("a%252fb").unwrap().to_string(), "/a%2fb");
        assert!(WorkspacePath::from_url("").unwrap().is_root());
    }

    #[test]
    fn a_path_is_absolute_and_bounded() {
        assert_eq!(WorkspacePath::new("a/b").unwrap_err(), PathError::NotAbsolute);
        let long = format!("/{}", "x".repeat(15)).repeat(257);
        assert_eq!(WorkspacePath::new(&long).unwrap_err(), PathError::PathTooLong);
        assert!(WorkspacePath::new(&long[16..]).is_ok());
        let deep = "/x".repeat(257);
        assert_eq!(WorkspacePath::new(&deep).unwrap_err(), PathError::PathTooDeep);
        let deep = WorkspacePath::new(&deep[2..]).unwrap();
        assert_eq!(deep.join(Name::new("x").unwrap()).unwrap_err(), PathError::PathTooDeep);
    }

    #[test]
    fn a_numbered_name_keeps_its_extension_and_its_limit() {
        let numbered = |text: &str| Name::new(text).unwrap().numbered(2).to_string();
        assert_eq!(numbered("report.csv"), "report (2).csv");
        assert_eq!(numbered(".profile"), ".profile (2)");
        assert_eq!(numbered("plain"), "plain (2)");
        assert!(numbered(&"é".repeat(127)).len() <= 255);
        for text in [format!("a.{}", "x".repeat(253)), format!(".{}", "é".repeat(127)), "x.".repeat(127)] {
            let name = numbered(&text);
            assert!(Name::new(name.as_str()).is_ok() && name != text, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_path_survives_its_url(text in "(/[^/\\p{Cc}]{1,20}){1,5}") {
            if let Ok(path) = WorkspacePath::new(&text) {
                prop_assert_eq!(WorkspacePath::from_url(&path.to_url()).unwrap(), path.clone());
                prop_assert_eq!(WorkspacePath::new(&path.to_string()).unwrap(), path);
            }
        }

        #[test]
        fn a_numbered_name_is_a_name(text in "[^/\\p{Cc}]{1,80}", n in 2_u64..2_000) {
            if let Ok(name) = Name::new(&text) {
                let numbered = name.numbered(n);
                prop_assert!(Name::new(numbered.as_str()).is_ok(), "{:?}", numbered);
            }
        }

        #[test]
        fn no_text_makes_a_path_that_escapes(text in ".*") {
            for path in [WorkspacePath::new(&text), WorkspacePath::from_url(&text)].into_iter().flatten() {
                prop_assert!(path.names().iter().all(|name| name.as_str() != ".." && !name.as_str().contains('/')));
            }
        }
    }
}
