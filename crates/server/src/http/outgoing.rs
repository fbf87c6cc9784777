//! Answers: JSON with what goes beside it, and bytes out.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, LOCATION, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use longshore_core::chunks::MEDIA_TYPE;
use longshore_core::wire::{Disposition, Node};
use longshore_core::{Code, VersionId};
use longshore_engine::{Archive, Content, Engine, Written};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::multipart::Multipart;
use super::premise::{Read, decide};
use crate::problem::Failure;

const LOCK_FENCE: HeaderName = HeaderName::from_static("lock-fence");
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

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

pub(super) fn etag(version: VersionId) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Answers with a node, its version as `ETag` and its fence.
pub(super) fn node(status: StatusCode, node: Node) -> Response {
    let (version, fence) = (node.version_id, node.fence);
    let mut response = (status, Json(node)).into_response();
    response.headers_mut().insert(LOCK_FENCE, HeaderValue::from(fence));
    if let Some(version) = version {
        response.headers_mut().insert(ETAG, etag(version));
    }
    response
}

/// Answers with a node that is new, or was there.
pub(super) fn made(is_new: bool, found: Node) -> Response {
    node(if is_new { StatusCode::CREATED } else { StatusCode::OK }, found)
}

/// Answers with what an upload made.
pub(super) fn written(written: Written) -> Response {
    made(written.created, written.node)
}

/// Answers with a version's bytes, or with what of them was asked for.
///
/// The store's chunks (1 MiB from the local disk, the next one read meanwhile) go to the socket as they are. To have the
/// kernel send a file (`sendfile`) is not to be had here: a body gives hyper bytes and not files, the socket is hyper's own
/// between the parts of an answer, and with TLS the bytes must pass through this process anyway.
pub(super) async fn content(
    method: &Method,
    asked: &HeaderMap,
    content: Content,
    how: Disposition,
    direct: bool,
) -> Result<Response, Failure> {
    let version = content.version();
    let size = version.size;
    let read = decide(method, asked, version.id, size).map_err(|failure| match failure.code() {
        Code::RangeNotSatisfiable => failure.with_header(CONTENT_RANGE, text(format!("bytes */{size}"))),
        Code::PreconditionFailed => failure.at_version(version.id),
        _ => failure,
    })?;
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(ETAG, etag(version.id));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let parts = match read {
        Read::NotModified => {
            // The length is that of the content which is not sent; left out, it would be told as 0.
            headers.insert(CONTENT_LENGTH, HeaderValue::from(size));
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(response);
        }
        Read::Whole => {
            headers.insert(CONTENT_DIGEST, text(version.digest.to_content_digest()));
            std::iter::once(0..size).collect()
        }
        Read::Parts(parts) => {
            // Of what is sent nothing is known beforehand, but of the whole that the parts belong to.
            headers.insert(REPR_DIGEST, text(version.digest.to_content_digest()));
            if let [part] = &parts[..] {
                let (first, last) = (part.start, part.end - 1);
                headers.insert(CONTENT_RANGE, text(format!("bytes {first}-{last}/{size}")));
            }
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            parts
        }
    };
    let disposition = disposition(how, &content.node().name);
    // A URL is signed for GET alone.
    if direct
        && method == Method::GET
        && let Some(url) = content.direct_url(disposition.clone()).await
        && let Ok(mut url) = HeaderValue::try_from(url)
    {
        // Its query is as good as a key for as long as it holds.
        url.set_sensitive(true);
        let mut response = StatusCode::TEMPORARY_REDIRECT.into_response();
        let headers = response.headers_mut();
        headers.insert(ETAG, etag(version.id));
        headers.insert(LOCATION, url);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        return Ok(response);
    }
    let headers = response.headers_mut();
    let unknown = HeaderValue::from_static("application/octet-stream");
    let media_type = HeaderValue::try_from(version.media_type.as_str()).unwrap_or(unknown);
    headers.insert(CONTENT_DISPOSITION, text(disposition));
    harmless(headers);
    if parts.len() > 1 {
        let media_type = media_type.to_str().unwrap_or("application/octet-stream");
        let frame = Multipart::new(parts, media_type, size);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, text(frame.media_type()));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(frame.length()));
        *response.body_mut() = frame.body(Arc::new(content)).await?;
        return Ok(response);
    }
    let range = parts.into_iter().next().unwrap_or_default();
    headers.insert(CONTENT_TYPE, media_type);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    if method != Method::HEAD && !range.is_empty() {
        *response.body_mut() = match content.inline() {
            // An inline content's length fits the memory that it is in.
            Some(whole) => Body::from(whole.slice(range.start as usize..range.end as usize)),
            None => Body::from_stream(content.read(range).await?),
        };
    }
    Ok(response)
}

/// Answers with the list of a version's chunks, made as it is sent, or kept from before.
pub(super) async fn chunks(engine: &Engine, content: &Content) -> Result<Response, Failure> {
    let mut response = Response::new(Body::from_stream(engine.list_chunks(content).await?));
    let headers = response.headers_mut();
    headers.insert(ETAG, etag(content.version().id));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    harmless(headers);
    Ok(response)
}

/// Answers with an archive.
pub(super) fn archive(method: &Method, archive: Archive) -> Response {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    headers.insert(CONTENT_DISPOSITION, text(disposition(Disposition::Attachment, archive.name())));
    // It is made anew each time, so there is no going on with one.
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("none"));
    if let Some(length) = archive.length() {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    harmless(headers);
    if method != Method::HEAD {
        *response.body_mut() = Body::from_stream(archive.into_bytes());
    }
    response
}

/// Keeps what somebody stored from running in the service's origin, whatever its type.
fn harmless(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
}

fn text(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

/// Returns a `Content-Disposition` that has the browser save, or show, under `name` (RFC 6266, RFC 8187).
fn disposition(how: Disposition, name: &str) -> String {
    let how = match how {
        Disposition::Attachment => "attachment",
        Disposition::Inline => "inline",
    };
    let plain = |character: char| match character {
        ' '..='~' if !"\"\\%".contains(character) => character,
        _ => '_',
    };
    let fallback: String = name.chars().map(plain).collect();
    if fallback == name {
        return format!("{how}; filename=\"{name}\"");
    }
    let encoded = utf8_percent_encode(name, EXTENDED);
    format!("{how}; filename=\"{fallback}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use longshore_core::wire::Disposition;

    use super::disposition;

    fn attachment(name: &str) -> String {
        disposition(Disposition::Attachment, name)
    }

    #[test]
    fn a_name_survives_its_header() {
        assert_eq!(attachment("q1 report.csv"), "attachment; filename=\"q1 report.csv\"");
        assert_eq!(
            attachment("é\"\\.txt"),
            "attachment; filename=\"___.txt\"; filename*=UTF-8''%C3%A9%22%5C.txt"
        );
        assert_eq!(
            attachment("смета 第一.pdf"),
            "attachment; filename=\"_____ __.pdf\"; \
             filename*=UTF-8''%D1%81%D0%BC%D0%B5%D1%82%D0%B0%20%E7%AC%AC%E4%B8%80.pdf"
        );
        // What RFC 8187 leaves bare, and what it does not.
        assert!(attachment("é!#$&+-.^_`|~").ends_with("%C3%A9!#$&+-.^_`|~"));
        assert!(attachment("é'()*:@,;=").ends_with("%C3%A9%27%28%29%2A%3A%40%2C%3B%3D"));
        assert!(disposition(Disposition::Inline, "a").starts_with("inline; "));
        assert_eq!(attachment("%41"), "attachment; filename=\"_41\"; filename*=UTF-8''%2541");
    }
}
