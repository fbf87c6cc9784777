//! Text of others made harmless: it reaches terminals, which do what control characters say.
//!
//! All text that is printed goes through [`visible`]; where others' text stands in a line of its own kind it goes
//! through [`flat`] or [`indented`] before, so that it cannot pass for a line of ours. JSON goes through
//! [`json`], and content is printed as it is.

use std::fmt::Write;

/// Tells whether a character does something to a terminal, or to the order in which others are shown.
pub(crate) fn acts(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn escaped(text: &str, keep: &[char]) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            _ if !acts(char) || keep.contains(&char) => shown.push(char),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            _ => {
                // Writing to a string never fails.
                let _written = write!(shown, "\\u{{{:x}}}", u32::from(char));
            }
        }
    }
    shown
}

/// Returns the same JSON with escapes for what acts on a terminal: JSON itself asks for those of the oldest alone. Such
/// characters stand within strings and nowhere else.
pub(crate) fn json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        if acts(char) && char != '\n' {
            // All of them have four digits. Writing to a string never fails.
            let _written = write!(shown, "\\u{:04x}", u32::from(char));
        } else {
            shown.push(char);
        }
    }
    shown
}

/// Returns a text that only shows itself; lines and tabs stay.
pub(crate) fn visible(text: &str) -> String {
    escaped(text, &['\n', '\t'])
}

/// The same as one line.
pub(crate) fn flat(text: &str) -> String {
    escaped(text, &[])
}

/// The same with all lines but the first set in.
pub(crate) fn indented(text: &str) -> String {
    visible(text.trim_end_matches('\n')).replace('\n', "\n    ")
}

#[cfg(test)]
mod tests {
    use super::{flat, indented, json, visible};

    #[test]
    fn what_acts_on_a_terminal_is_shown() {
        let text = "a\u{1b}[2J\r\u{7f}\u{9b}\u{202e}\u{2066}\tb\nc é 日本 👩‍🚀";
        assert_eq!(visible(text), "a\\u{1b}[2J\\r\\u{7f}\\u{9b}\\u{202e}\\u{2066}\tb\nc é 日本 👩‍🚀");
        assert_eq!(flat("a\tb\nc"), "a\\tb\\nc");
        assert_eq!(indented("a\nb\n\nc\n"), "a\n    b\n    \n    c");
        let object = serde_json::json!({ "t": text });
        let escaped = json(&object.to_string());
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), object);
        assert!(!escaped.contains(['\u{7f}', '\u{9b}', '\u{202e}']), "{escaped}");
    }
}
