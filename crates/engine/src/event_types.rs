//! Which types of events somebody wants: one grammar for those who read the log and for webhooks.

use std::str::FromStr;

use longshore_core::Code;

use crate::error::Error;

/// How many types one reader, or one hook, may name.
const MOST: usize = 64;
const LONGEST: usize = 64;

/// Types of events: `file.created` exactly, or `node.*` for all that begin with `node.`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventTypes(Vec<String>);

impl EventTypes {
    /// The types with a space before and after each, which is how the log's query takes them.
    pub(crate) fn spaced(&self) -> String {
        format!(" {} ", self.0.join(" "))
    }
}

impl FromStr for EventTypes {
    type Err = Error;

    /// Reads types with commas between them.
    fn from_str(text: &str) -> Result<Self, Error> {
        let types: Vec<String> = text.split(',').map(str::to_owned).collect();
        check(&types).map_err(|detail| Error::new(Code::InvalidQuery, detail))?;
        Ok(Self(types))
    }
}

/// Tells what is wrong with a list of types.
pub(crate) fn check(types: &[String]) -> Result<(), String> {
    if types.len() > MOST {
        return Err(format!("at most {MOST} types can be named"));
    }
    match types.iter().find(|name| !is_type(name)) {
        None => Ok(()),
        Some(wrong) => Err(format!("{wrong:?} is no type of events, such as `file.created` or `node.*`")),
    }
}

/// Tells whether an event of `kind` is wanted; an empty list wants all.
pub(crate) fn pass(types: &[String], kind: &str) -> bool {
    let is_wanted = |wanted: &String| match wanted.strip_suffix(".*") {
        Some(family) => kind.split_once('.').is_some_and(|(first, _)| first == family),
        None => wanted == kind,
    };
    types.is_empty() || types.iter().any(is_wanted)
}

fn is_type(text: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    };
    let Some((family, name)) = text.split_once('.') else { return false };
    text.len() <= LONGEST && is_word(family) && (name == "*" || is_word(name))
}

#[cfg(test)]
mod tests {
    use super::{check, pass};

    fn types(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn types_are_compared_whole_or_by_family() {
        let wants = |wanted: &[&str], kind: &str| pass(&types(wanted), kind);
        assert!(wants(&[], "version.created"));
        assert!(wants(&["version.created"], "version.created"));
        assert!(wants(&["lock.*", "version.*"], "version.created"));
        assert!(!wants(&["version.*"], "version"));
        assert!(!wants(&["version.*"], "versions.created"));
        assert!(!wants(&["version.create"], "version.created"));
        assert!(!wants(&["version.created"], "version.create"));
    }

    #[test]
    fn a_list_of_types_is_checked() {
        check(&types(&["version.created", "version.*", "node_note.added_2"])).unwrap();
        check(&[]).unwrap();
        for bad in [
            "",
            "*",
            ".*",
            "version",
            "version.",
            ".created",
            "Version.created",
            "version..created",
            "version.*.x",
            "node.note.added",
            "a b",
            "a.b c",
        ] {
            assert!(check(&types(&[bad])).is_err(), "{bad:?}");
        }
        assert!(check(&types(&[&format!("a.{}", "b".repeat(63))])).is_err());
        assert!(check(&vec!["a.b".to_owned(); 64]).is_ok());
        assert!(check(&vec!["a.b".to_owned(); 65]).is_err());
    }
}
