//! What an answer says of the content that it brings: which one it is, and which part of it. A download goes on with another
//! answer only where nothing of that says that it would mix two.

use std::time::Duration;

use longshore_web::header::{
    CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED,
};

/// A date of change tells every two contents apart only where it lies so far back: within it, a file could have been changed
/// again, and clocks differ (RFC 9110, 8.8.2.2).
const SETTLED: Duration = Duration::from_secs(60);

/// The rest of a content, or the first of it: bytes from `start` up to, and without, `end`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    pub(crate) end: u64,
    /// How long the whole is, if the answer says so.
    pub(crate) whole: Option<u64>,
}

/// What is known of the content whose rest was asked for.
pub(crate) struct Begun<'a> {
    pub(crate) length: u64,
    pub(crate) validator: Option<&'a str>,
    pub(crate) whole: Option<u64>,
}

/// Returns what a later request for the rest can name: only what changes with every byte of the content.
pub(crate) fn validator(headers: &HeaderMap) -> Option<String> {
    let strong = text(headers, &ETAG).filter(|etag| is_strong(etag));
    let date = || {
        let changed = text(headers, &LAST_MODIFIED)?;
        let age = moment(text(headers, &DATE)?)?.duration_since(moment(changed)?).ok()?;
        (age >= SETTLED).then_some(changed)
    };
    strong.or_else(date).map(str::to_owned)
}

/// Returns what a 206 brings, or why that is not the rest of what was begun.
pub(crate) fn rest(headers: &HeaderMap, begun: &Begun<'_>) -> Result<Rest, &'static str> {
    const OTHER: &str = "the server sends another range than was asked for";
    const CHANGED: &str = "the file has changed, and the server sends the rest of the new one";
    let (start, last, whole) = range(headers).ok_or(OTHER)?;
    let end = last.checked_add(1).filter(|end| *end > start).ok_or(OTHER)?;
    if begun.length == 0 || start != begun.length || whole.is_some_and(|whole| end > whole) {
        return Err(OTHER);
    }
    // Not every server looks at `If-Range`. What it does not repeat says nothing against it.
    let field = if begun.validator.is_some_and(is_strong) { ETAG } else { LAST_MODIFIED };
    if text(headers, &field).is_some_and(|there| Some(there) != begun.validator) {
        return Err(CHANGED);
    }
    if let (Some(one), Some(other)) = (begun.whole, whole)
        && one != other
    {
        return Err(CHANGED);
    }
    let length = text(headers, &CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    if length.is_some_and(|length| length != end - start) {
        return Err("the server's lengths contradict each other");
    }
    Ok(Rest { end, whole: whole.or(begun.whole) })
}

/// Returns how long the whole is that a `Content-Range` speaks of.
pub(crate) fn whole(headers: &HeaderMap) -> Option<u64> {
    text(headers, &CONTENT_RANGE)?.rsplit_once('/')?.1.trim().parse().ok()
}

/// Reads a `Content-Range`: the first byte, the last one, and how long the whole is.
fn range(headers: &HeaderMap) -> Option<(u64, u64, Option<u64>)> {
    let (range, whole) = text(headers, &CONTENT_RANGE)?.trim().strip_prefix("bytes")?.split_once('/')?;
    let (start, last) = range.trim().split_once('-')?;
    let whole = match whole.trim() {
        "*" => None,
        number => Some(number.parse().ok()?),
    };
    Some((start.trim().parse().ok()?, last.trim().parse().ok()?, whole))
}

fn is_strong(etag: &str) -> bool {
    etag.starts_with('"')
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn moment(text: &str) -> Option<std::time::SystemTime> {
    httpdate::parse_http_date(text).ok()
}

#[cfg(test)]
mod tests;
