//! What a file that a server sends is called here.
//!
//! The name is the server's word, so it is one name and nothing else: no path, no hidden file, nothing that a terminal
//! or another system would take for more than a name.

use longshore_web::Url;
use percent_encoding::percent_decode;

use crate::text::acts;

/// The longest name in bytes. File systems take 255; the rest is for ` (2)` and for the dots around a part's name.
const LONGEST: usize = 240;
/// What is longer is no extension.
const LONGEST_EXTENSION: usize = 20;
/// Where nothing of a name is left.
const NAMELESS: &str = "download";

/// Names that mean a device on Windows, whatever follows their first dot.
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

/// Returns the name that an answer's `Content-Disposition` or else its URL gives; always one that is safe.
pub(crate) fn of_answer(disposition: Option<&[u8]>, url: &Url) -> String {
    let named = disposition.and_then(of_disposition).map(|name| safe(&name));
    named.filter(|name| name != NAMELESS).unwrap_or_else(|| of_url(url))
}

/// Returns the name that a URL gives: the last segment of its path.
pub(crate) fn of_url(url: &Url) -> String {
    let last = url.path().rsplit('/').next().unwrap_or_default();
    safe(&text(&percent_decode(last.as_bytes()).collect::<Vec<_>>()))
}

/// Reads `Content-Disposition` (RFC 6266): `filename*` (RFC 8187) goes before `filename`.
fn of_disposition(field: &[u8]) -> Option<String> {
    let mut plain = None;
    for (name, value) in parameters(field) {
        match name.as_str() {
            "filename*" => {
                if let Some(name) = extended(&value) {
                    return Some(name);
                }
            }
            "filename" if plain.is_none() => plain = Some(text(&value)),
            _ => {}
        }
    }
    plain
}

/// Returns the parameters of a field, their names in lower case, quotes taken off.
fn parameters(field: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    // What stands before the first `;` is the type.
    let mut rest = after(field, b';');
    while let Some(part) = rest {
        let Some(equals) = part.iter().position(|byte| matches!(byte, b'=' | b';')) else { break };
        if part[equals] == b';' {
            rest = after(part, b';');
            continue;
        }
        let name = String::from_utf8_lossy(part[..equals].trim_ascii()).to_ascii_lowercase();
        let value = part[equals + 1..].trim_ascii_start();
        let (value, end) = if value.first() == Some(&b'"') { quoted(&value[1..]) } else { token(value) };
        found.push((name, value));
        rest = after(end, b';');
    }
    found
}

fn after(bytes: &[u8], mark: u8) -> Option<&[u8]> {
    let place = bytes.iter().position(|byte| *byte == mark)?;
    Some(&bytes[place + 1..])
}

/// Reads to the closing quote; what a backslash stands before is itself.
fn quoted(bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut value = Vec::new();
    let mut place = 0;
    while let Some(&byte) = bytes.get(place) {
        place += 1;
        match byte {
            b'"' => break,
            // Only a quote and a backslash are ever escaped by those who escape; others write Windows paths as they are.
            b'\\' if matches!(bytes.get(place), Some(b'"' | b'\\')) => {
                value.push(bytes[place]);
                place += 1;
            }
            _ => value.push(byte),
        }
    }
    (value, &bytes[place..])
}

fn token(bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b';').unwrap_or(bytes.len());
    (bytes[..end].trim_ascii().to_vec(), &bytes[end..])
}

/// Reads `charset'language'percent-encoded`.
fn extended(value: &[u8]) -> Option<String> {
    let mut parts = value.splitn(3, |byte| *byte == b'\'');
    let (charset, _, encoded) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes: Vec<u8> = percent_decode(encoded).collect();
    match charset.to_ascii_lowercase().as_slice() {
        b"utf-8" => String::from_utf8(bytes).ok(),
        b"iso-8859-1" => Some(bytes.iter().copied().map(char::from).collect()),
        _ => None,
    }
}

/// Reads bytes as UTF-8, or where they are none as Latin-1, which old servers send.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

/// Returns what of a name can be one here, and on other systems that share the folder.
pub(crate) fn safe(name: &str) -> String {
    // Of a path the last name counts, whichever system's path it is.
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let allowed = |char: char| match char {
        '<' | '>' | ':' | '"' | '|' | '?' | '*' => '_',
        other => other,
    };
    // No character of Unicode's that is no character, and no mark that only a program sees.
    let unseen = |char: char| {
        acts(char) || matches!(char, '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}')
    };
    let kept: String = last.chars().filter(|char| !unseen(*char)).map(allowed).collect();
    let kept = kept.trim();
    let shown = kept.trim_start_matches(['.', ' ']);
    let mut name = if shown.len() < kept.len() { format!("_{shown}") } else { shown.to_owned() };
    name.truncate(name.trim_end_matches(['.', ' ']).len());
    if name.is_empty() || name == "_" {
        return NAMELESS.to_owned();
    }
    if is_device(&name) {
        name.insert(0, '_');
    }
    shortened(&name, LONGEST)
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    if DEVICES.contains(&stem.as_str()) {
        return true;
    }
    let port = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    let mut rest = port.unwrap_or_default().chars();
    matches!((rest.next(), rest.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
}

/// Returns a name of at most `most` bytes with the same extension, cut where a character ends.
fn shortened(name: &str, most: usize) -> String {
    if name.len() <= most {
        return name.to_owned();
    }
    let (stem, extension) = split(name);
    let stem = &stem[..stem.floor_char_boundary(most.saturating_sub(extension.len()))];
    format!("{}{extension}", stem.trim_end_matches(['.', ' ']))
}

/// Takes a name apart: the extension has its dot, and is empty where there is none.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= LONGEST_EXTENSION => name.split_at(dot),
        _ => (name, ""),
    }
}

/// Returns the `number`-th name that is like this one: `name (2).ext`.
pub(crate) fn numbered(name: &str, number: u64) -> String {
    let (stem, extension) = split(name);
    let mark = format!(" ({number})");
    let room = LONGEST.saturating_sub(mark.len() + extension.len());
    let stem = &stem[..stem.floor_char_boundary(room)];
    format!("{stem}{mark}{extension}")
}

#[cfg(test)]
mod tests;
