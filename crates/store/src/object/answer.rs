//! An answer: what its head says of the content, and the content.

use std::ops::Range;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt as _;
use http::header::AsHeaderName;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use object_store::client::HttpResponseBody;

use super::error::{translate, unexpected};
use super::service::Span;
use crate::backend::BoxStream;
use crate::error::Result;
use crate::info::Metadata;

/// The most of an answer that is taken into memory: a page of 5,000 names of a thousand bytes, with what is said of them.
const WHOLE_MOST: usize = 32 * 1024 * 1024;

/// Returns a header as text.
pub(crate) fn text(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Returns the time that a header tells.
pub(crate) fn time(headers: &HeaderMap, name: impl AsHeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(text(headers, name)?).ok()
}

/// Returns what callers have said of an object, from headers that begin so.
pub(crate) fn metadata(headers: &HeaderMap, prefix: &str) -> Metadata {
    let said = |(name, value): (&HeaderName, &HeaderValue)| {
        Some((name.as_str().strip_prefix(prefix)?.to_owned(), value.to_str().ok()?.to_owned()))
    };
    headers.iter().filter_map(said).collect()
}

/// Returns a tag without its quotes, which some services leave away in listings.
pub(crate) fn unquoted(etag: &str) -> String {
    let inside = etag.strip_prefix('"').and_then(|etag| etag.strip_suffix('"'));
    inside.unwrap_or(etag).to_owned()
}

/// Returns how many bytes an object has whose head this is.
pub(crate) fn length(headers: &HeaderMap) -> Result<u64> {
    let length = text(headers, header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
    length.ok_or_else(|| unexpected("an object without a length"))
}

/// Returns which bytes come, and how many the object has; nothing where bytes were asked for of an empty one.
///
/// Other bytes than were asked for are an error: who would take them for those reads the wrong content.
pub(crate) fn given(
    status: StatusCode,
    headers: &HeaderMap,
    asked: Option<&Span>,
) -> Result<Option<(Range<u64>, u64)>> {
    // Some say in the status that it is the whole.
    let is_part = status == StatusCode::PARTIAL_CONTENT || headers.contains_key(header::CONTENT_RANGE);
    let (given, size) = if is_part {
        let range = text(headers, header::CONTENT_RANGE).and_then(content_range);
        range.ok_or_else(|| unexpected("a part of an object that does not say which"))?
    } else {
        let length = length(headers)?;
        (0..length, length)
    };
    let wanted = match asked {
        None => 0..size,
        Some(_) if size == 0 => return Ok(None),
        Some(Span::Between(start, end)) => *start..(*end).min(size),
        Some(Span::From(start)) => *start..size,
        Some(Span::Last(count)) => size.saturating_sub(*count)..size,
    };
    if given != wanted {
        return Err(unexpected(format!("bytes {given:?} where {wanted:?} were asked for")));
    }
    Ok(Some((given, size)))
}

/// Reads `bytes 3-9/20`.
fn content_range(text: &str) -> Option<(Range<u64>, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let end = last.parse::<u64>().ok()?.checked_add(1)?;
    Some((first.parse().ok()?..end, size.parse().ok()?))
}

/// Returns the content as it comes. A trailer means nothing here.
pub(crate) fn chunks(body: HttpResponseBody) -> BoxStream<'static, Result<Bytes>> {
    let chunks = body.bytes_stream().map_err(|error| translate(&error));
    Box::pin(chunks.try_filter(|chunk| std::future::ready(!chunk.is_empty())))
}

/// Reads an answer that is to be taken apart.
pub(crate) async fn whole(body: HttpResponseBody) -> Result<Bytes> {
    let mut chunks = chunks(body);
    let mut whole = BytesMut::new();
    while let Some(chunk) = chunks.try_next().await? {
        whole.extend_from_slice(&chunk);
        if whole.len() > WHOLE_MOST {
            return Err(unexpected("an answer that does not end"));
        }
    }
    Ok(whole.freeze())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

    use super::{Span, given};

    fn with(name: HeaderName, value: &'static str) -> HeaderMap {
        [(name, HeaderValue::from_static(value))].into_iter().collect()
    }

    #[test]
    fn the_bytes_that_come_are_those_that_were_asked_for() {
        let part = |value, asked| {
            given(StatusCode::PARTIAL_CONTENT, &with(header::CONTENT_RANGE, value), Some(&asked))
        };
        assert_eq!(part("bytes 3-9/20", Span::Between(3, 10)).unwrap(), Some((3..10, 20)));
        assert_eq!(part("bytes 3-19/20", Span::Between(3, 90)).unwrap(), Some((3..20, 20)));
        assert_eq!(part("bytes 18-19/20", Span::Last(2)).unwrap(), Some((18..20, 20)));
        for wrong in ["bytes 0-9/20", "bytes */20", "3-9/20", ""] {
            part(wrong, Span::Between(3, 10)).unwrap_err();
        }
        let whole = with(header::CONTENT_LENGTH, "20");
        assert_eq!(given(StatusCode::OK, &whole, None).unwrap(), Some((0..20, 20)));
        let named = with(header::CONTENT_RANGE, "bytes 3-9/20");
        assert_eq!(given(StatusCode::OK, &named, Some(&Span::Between(3, 10))).unwrap(), Some((3..10, 20)));
        // A service that does not heed ranges.
        given(StatusCode::OK, &whole, Some(&Span::From(3))).unwrap_err();
        let empty = with(header::CONTENT_LENGTH, "0");
        assert_eq!(given(StatusCode::OK, &empty, Some(&Span::From(0))).unwrap(), None);
        given(StatusCode::OK, &HeaderMap::new(), None).unwrap_err();
    }
}
