//! Answers: JSON with what goes beside it, and bytes out.

use axum::Json;
use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    ETAG, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use longshore_core::chunks::MEDIA_TYPE;
use longshore_core::path::encode_segment;
use longshore_core::wire::Node;
use longshore_core::{Code, VersionId};
use longshore_engine::{Content, Written};

use super::premise::{Read, decide};
use crate::problem::Failure;

const LOCK_FENCE: HeaderName = HeaderName::from_static("lock-fence");
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

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
pub(super) async fn content(
    method: &Method,
    asked: &HeaderMap,
    content: &Content,
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
    let range = match read {
        Read::NotModified => {
            // The length is that of the content which is not sent; left out, it would be told as 0.
            headers.insert(CONTENT_LENGTH, HeaderValue::from(size));
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(response);
        }
        Read::Whole => {
            headers.insert(CONTENT_DIGEST, text(version.digest.to_content_digest()));
            0..size
        }
        Read::Part(range) => {
            let (first, last) = (range.start, range.end - 1);
            headers.insert(CONTENT_RANGE, text(format!("bytes {first}-{last}/{size}")));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            range
        }
    };
    let headers = response.headers_mut();
    let unknown = HeaderValue::from_static("application/octet-stream");
    headers.insert(CONTENT_TYPE, HeaderValue::try_from(version.media_type.as_str()).unwrap_or(unknown));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    headers.insert(CONTENT_DISPOSITION, text(attachment(&content.node().name)));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    if method != Method::HEAD && !range.is_empty() {
        *response.body_mut() = match content.inline() {
            // An inline content's length fits the memory that it is in.
            Some(whole) => Body::from(whole.slice(range.start as usize..range.end as usize)),
            None => Body::from_stream(content.read(range).await?),
        };
    }
    Ok(response)
}

/// Answers with the list of a version's chunks, made as it is sent.
pub(super) async fn chunks(content: &Content) -> Result<Response, Failure> {
    let mut response = Response::new(Body::from_stream(content.chunks().await?));
    let headers = response.headers_mut();
    headers.insert(ETAG, etag(content.version().id));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

fn text(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

/// Returns a `Content-Disposition` that has the browser save under `name` (RFC 6266, RFC 8187).
fn attachment(name: &str) -> String {
    let plain = |character: char| match character {
        ' '..='~' if !"\"\\%".contains(character) => character,
        _ => '_',
    };
    let fallback: String = name.chars().map(plain).collect();
    if fallback == name {
        return format!("attachment; filename=\"{name}\"");
    }
    format!("attachment; filename=\"{fallback}\"; filename*=UTF-8''{}", encode_segment(name))
}

#[cfg(test)]
mod tests {
    use super::attachment;

    #[test]
    fn a_name_survives_its_header() {
        assert_eq!(attachment("q1 report.csv"), "attachment; filename=\"q1 report.csv\"");
        assert_eq!(
            attachment("é\"\\.txt"),
            "attachment; filename=\"___.txt\"; filename*=UTF-8''%C3%A9%22%5C.txt"
        );
        assert_eq!(attachment("%41"), "attachment; filename=\"_41\"; filename*=UTF-8''%2541");
    }
}
