//! In which guise bytes that somebody stored go out: the type, what a browser is to do with them, and the headers that keep
//! them from running in the service's origin. Every answer that carries such bytes goes through [`Guise::put_on`].
//!
//! What keeps a browser from running them is several things, each of which would do: they are saved and not shown
//! (`attachment`), the type is one that no browser runs, no other type is guessed (`nosniff`), and were they shown all the
//! same, it would be in an origin of their own, without scripts (`sandbox`). What may be shown is known by its first bytes
//! and by nothing that was said of it.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use longshore_core::wire::Disposition;
use longshore_engine::{Content, Sniffed, sniff};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::problem::Failure;

#[cfg(test)]
mod tests;

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// What any content may be sent as.
const OCTETS: &str = "application/octet-stream";
/// A charset that is stated is not guessed.
const TEXT: &str = "text/plain; charset=utf-8";

/// Nothing is loaded, and nothing runs.
const CLOSED: &str = "default-src 'none'; sandbox";
/// A browser shows an image or plays a film by a page of its own around it, which loads it once more and has a style.
const PLAYED: &str =
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox";

/// What may be shown, by its first bytes. Opus comes in the container that is called by the type after it.
const SHOWN: &[(&str, &str)] = &[
    ("image/png", "image/png"),
    ("image/jpeg", "image/jpeg"),
    ("image/webp", "image/webp"),
    ("image/gif", "image/gif"),
    ("image/avif", "image/avif"),
    ("video/mp4", "video/mp4"),
    ("video/webm", "video/webm"),
    ("audio/mpeg", "audio/mpeg"),
    ("audio/ogg", "audio/ogg"),
    ("audio/opus", "audio/ogg"),
];

/// Types besides images, sound, films and fonts that a browser neither runs nor takes for a part of a page: no script, style
/// or module is loaded from an answer that has one.
const PASSIVE: &[&str] = &[
    "text/plain",
    "text/csv",
    "text/markdown",
    "text/tab-separated-values",
    "application/json",
    "application/x-ndjson",
    "application/pdf",
    "application/rtf",
    "application/msword",
    "application/vnd.ms-excel",
    "application/vnd.ms-powerpoint",
    "application/epub+zip",
    "application/zip",
    "application/gzip",
    "application/zstd",
    "application/x-bzip2",
    "application/x-xz",
    "application/x-tar",
    "application/x-7z-compressed",
    "application/vnd.rar",
    "application/vnd.sqlite3",
];

/// What the types of office documents begin with.
const DOCUMENTS: &[&str] =
    &["application/vnd.openxmlformats-officedocument.", "application/vnd.oasis.opendocument."];

/// Who gets bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recipient {
    /// Somebody who may read them asked: they are saved.
    Reader,
    /// Somebody has a link, and whoever made that said what to do with them.
    LinkHolder(Disposition),
}

/// What bytes are sent as, and how whoever gets them is to treat them.
#[derive(Debug)]
pub(super) struct Guise {
    media_type: HeaderValue,
    disposition: String,
    policy: &'static str,
    kept: &'static str,
    shared: &'static str,
}

impl Guise {
    /// Returns the guise of a file's content. For what is to be shown the first bytes are read.
    pub(super) async fn of(content: &Content, recipient: Recipient) -> Result<Self, Failure> {
        let (named, name) = (content.version().media_type.as_str(), &content.node().name);
        let shown = match recipient {
            Recipient::LinkHolder(Disposition::Inline) => shown(&content.first_bytes().await?, named),
            _ => None,
        };
        // A link is for whoever has it, in a page of theirs too; who may read has a key for each request.
        let shared = if recipient == Recipient::Reader { "same-origin" } else { "cross-origin" };
        let kept = "private, no-cache";
        Ok(match shown {
            Some(shown) => Self {
                media_type: HeaderValue::from_static(shown),
                disposition: disposition("inline", name),
                policy: if shown == TEXT { CLOSED } else { PLAYED },
                kept,
                shared,
            },
            None => Self {
                media_type: HeaderValue::from_static(OCTETS),
                disposition: disposition("attachment", name),
                policy: CLOSED,
                kept,
                shared,
            }
            .sent_as(passive(named)),
        })
    }

    /// Returns the guise of bytes that are made of files' contents, and saved under `name` where they have one.
    pub(super) fn made(media_type: &'static str, name: Option<&str>) -> Self {
        Self {
            media_type: HeaderValue::from_static(media_type),
            disposition: name.map_or_else(|| "attachment".to_owned(), |name| disposition("attachment", name)),
            policy: CLOSED,
            kept: "private, no-store",
            shared: "same-origin",
        }
    }

    fn sent_as(mut self, media_type: &str) -> Self {
        if let Ok(media_type) = HeaderValue::from_str(media_type) {
            self.media_type = media_type;
        }
        self
    }

    /// Returns the type that the bytes are sent as.
    pub(super) fn media_type(&self) -> &str {
        self.media_type.to_str().unwrap_or(OCTETS)
    }

    /// Returns the value of `Content-Disposition`.
    pub(super) fn disposition(&self) -> &str {
        &self.disposition
    }

    /// Puts all that goes with the bytes among the headers of their answer.
    pub(super) fn put_on(&self, headers: &mut HeaderMap) {
        headers.insert(CONTENT_TYPE, self.media_type.clone());
        if let Ok(disposition) = HeaderValue::from_str(&self.disposition) {
            headers.insert(CONTENT_DISPOSITION, disposition);
        }
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(self.policy));
        self.put_on_unchanged(headers);
    }

    /// Puts what goes with bytes that the caller has already: the rest stands beside those.
    pub(super) fn put_on_unchanged(&self, headers: &mut HeaderMap) {
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static(self.shared));
        // Whoever keeps an answer asks again before using it: a key or a link may have been ended.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(self.kept));
        // What is shown leads elsewhere without telling where it was shown.
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    }
}

/// Returns the type under which a browser may show a content that begins with these bytes; nothing where it may not.
fn shown(head: &[u8], named: &str) -> Option<&'static str> {
    let begin = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    // Nothing that may be shown begins as markup does, whatever else it may be as well.
    if begin.starts_with(b"<") {
        return None;
    }
    match sniff(head) {
        Sniffed::Known(found) => SHOWN.iter().find(|(sniffed, _)| *sniffed == found).map(|(_, shown)| *shown),
        Sniffed::Text => (!is_page(named)).then_some(TEXT),
        Sniffed::Bytes => None,
    }
}

/// Tells whether a type is one of pages, which may hold scripts.
fn is_page(media_type: &str) -> bool {
    ["html", "xml", "svg", "xsl", "pdf"].iter().any(|part| media_type.contains(part))
}

/// Returns the type where no browser runs what has it, else the one that says nothing.
fn passive(media_type: &str) -> &str {
    let family = media_type.split_once('/').map(|(family, _)| family);
    let is_passive = matches!(family, Some("image" | "audio" | "video" | "font")) && !is_page(media_type)
        || PASSIVE.contains(&media_type)
        || DOCUMENTS.iter().any(|begin| media_type.starts_with(begin));
    if is_passive { media_type } else { OCTETS }
}

/// What is encoded in an extended parameter: all but the `attr-char` of RFC 8187.
const EXTENDED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Tells whether a character shows a name as what it is not: one that turns the order of those after it around
/// (`exe.gpj` for `jpg.exe`), or ends a line.
fn is_deceptive(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
        || character.is_control()
}

/// Returns a `Content-Disposition` that has the browser save, or show, under `name` (RFC 6266, RFC 8187).
fn disposition(how: &str, name: &str) -> String {
    let plain = |character: char| match character {
        ' '..='~' if !"\"\\%".contains(character) => character,
        _ => '_',
    };
    let fallback: String = name.chars().map(plain).collect();
    if fallback == name {
        return format!("{how}; filename=\"{name}\"");
    }
    let honest: String =
        name.chars().map(|character| if is_deceptive(character) { '_' } else { character }).collect();
    let encoded = utf8_percent_encode(&honest, EXTENDED);
    format!("{how}; filename=\"{fallback}\"; filename*=UTF-8''{encoded}")
}
