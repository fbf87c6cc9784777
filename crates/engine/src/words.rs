//! What people write about a thing, for others to read in a list: a line of limited length.

use longshore_core::Code;

use crate::error::{Error, Result};

/// Tells whether a text is one line of at most so many characters.
pub(crate) fn is_line(text: &str, most: usize) -> bool {
    text.chars().count() <= most && !text.chars().any(char::is_control)
}

/// Tells whether a text is such a line and says something.
pub(crate) fn says(text: &str, most: usize) -> bool {
    !text.trim().is_empty() && is_line(text, most)
}

/// Refuses a field of a body that is more than a line of so many characters.
pub(crate) fn check(what: &str, text: Option<&str>, most: usize) -> Result<()> {
    if text.is_none_or(|text| is_line(text, most)) {
        return Ok(());
    }
    let detail = format!("`{what}` has at most {most} characters, none of them a control character");
    Err(Error::new(Code::InvalidBody, detail))
}
