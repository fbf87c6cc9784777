//! The few elements that services' answers have, taken apart.

/// Returns what is inside of each element of this name, none of which may be inside of another.
pub(crate) fn elements<'a>(xml: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = xml;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(&open)?;
        let (inside, after) = after.split_once(&close)?;
        rest = after;
        Some(inside)
    })
}

/// Returns the text of the first element of this name.
pub(crate) fn text(xml: &str, name: &str) -> Option<String> {
    elements(xml, name).next().map(unescaped)
}

/// Undoes the escapes of a text.
pub(crate) fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let Some((name, after)) = after.split_once(';') else {
            plain.push('&');
            rest = after;
            continue;
        };
        plain.push(match name {
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            "amp" => '&',
            number => character(number).unwrap_or(char::REPLACEMENT_CHARACTER),
        });
        rest = after;
    }
    plain.push_str(rest);
    plain
}

fn character(name: &str) -> Option<char> {
    let number = name.strip_prefix('#')?;
    let code = match number.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => number.parse().ok()?,
    };
    char::from_u32(code)
}

#[cfg(test)]
mod tests {
    use super::{elements, text};

    #[test]
    fn elements_are_found_and_their_escapes_undone() {
        let xml =
            "<Blobs><Blob><Name>a&lt;&#65;&#x42;&amp;lt;&</Name></Blob><BlobPrefix/><Blob>x</Blob></Blobs>";
        assert_eq!(elements(xml, "Blob").count(), 2);
        assert_eq!(text(xml, "Name").as_deref(), Some("a<AB&lt;&"));
        assert_eq!(text(xml, "Missing"), None);
    }
}
