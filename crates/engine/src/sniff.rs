//! What content is: by its first bytes, and then by its name.

use longshore_core::Name;

/// How many of the first bytes are looked at.
pub(crate) const SNIFFED: usize = 4_096;

/// What the first bytes of a content say it is, whatever its name and its writer say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sniffed {
    /// They are those of this media type.
    Known(&'static str),
    /// They are text in UTF-8, and of no format that is known by its first bytes.
    Text,
    /// Anything else; nothing at all too.
    Bytes,
}

/// Looks at the first bytes of a content, of which 4,096 are enough.
#[must_use]
pub fn sniff(head: &[u8]) -> Sniffed {
    if let Some(found) = infer::get(head) {
        return Sniffed::Known(found.mime_type());
    }
    let is_text = match str::from_utf8(head) {
        Ok(text) => !text.is_empty() && !text.contains('\0'),
        // A multi-byte character may be cut at the end of the head.
        Err(error) => error.error_len().is_none() && !head.contains(&0),
    };
    if is_text { Sniffed::Text } else { Sniffed::Bytes }
}

/// Finds a media type by the first bytes, then by the name's ending, then by whether it reads as text.
pub(crate) fn media_type(head: &[u8], name: Option<&Name>) -> String {
    let sniffed = sniff(head);
    if let Sniffed::Known(found) = sniffed {
        return found.to_owned();
    }
    let by_name = name.and_then(|name| mime_guess::from_path(name.as_str()).first_raw());
    let found = match (by_name, sniffed) {
        (Some(guessed), _) => guessed,
        (None, Sniffed::Text) => "text/plain",
        (None, _) => "application/octet-stream",
    };
    found.to_owned()
}
