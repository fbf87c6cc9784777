//! Answers: JSON with what goes beside it, and bytes out.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LOCATION,
    REFERRER_POLICY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use longshore_core::chunks::MEDIA_TYPE;
use longshore_core::export::MEDIA_TYPE as EXPORT_MEDIA_TYPE;
use longshore_core::wire::{BATCH_MEDIA_TYPE, Node};
use longshore_core::{Code, VersionId};
use longshore_engine::{Archive, Content, Engine, Export, Written};

use super::guise::{Guise, Recipient};
use super::multipart::Multipart;
use super::premise::{Read, decide};
use crate::problem::Failure;

const LOCK_FENCE: HeaderName = HeaderName::from_static("lock-fence");
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

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
    recipient: Recipient,
    direct: bool,
) -> Result<Response, Failure> {
    let version = content.version();
    let size = version.size;
    let read = decide(method, asked, version.id, size).map_err(|failure| match failure.code() {
        Code::RangeNotSatisfiable => failure.with_header(CONTENT_RANGE, text(format!("bytes */{size}"))),
        Code::PreconditionFailed => failure.at_version(version.id),
        _ => failure,
    })?;
    let guise = Guise::of(&content, recipient).await?;
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(ETAG, etag(version.id));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let parts = match read {
        Read::NotModified => {
            // The length is that of the content which is not sent; left out, it would be told as 0.
            headers.insert(CONTENT_LENGTH, HeaderValue::from(size));
            guise.put_on_unchanged(headers);
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
    // A URL is signed for GET alone.
    if direct
        && method == Method::GET
        && let Some(url) =
            content.direct_url(guise.media_type().to_owned(), guise.disposition().to_owned()).await
        && let Ok(mut url) = HeaderValue::try_from(url)
    {
        // Its query is as good as a key for as long as it holds.
        url.set_sensitive(true);
        let mut response = StatusCode::TEMPORARY_REDIRECT.into_response();
        let headers = response.headers_mut();
        headers.insert(ETAG, etag(version.id));
        headers.insert(LOCATION, url);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        return Ok(response);
    }
    let headers = response.headers_mut();
    guise.put_on(headers);
    if parts.len() > 1 {
        let frame = Multipart::new(parts, guise.media_type(), size);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, text(frame.media_type()));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(frame.length()));
        *response.body_mut() = frame.body(Arc::new(content)).await?;
        return Ok(response);
    }
    let range = parts.into_iter().next().unwrap_or_default();
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
    Guise::made(MEDIA_TYPE, None).put_on(headers);
    Ok(response)
}

/// Answers with an archive.
pub(super) fn archive(method: &Method, archive: Archive) -> Response {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    Guise::made("application/zip", Some(archive.name())).put_on(headers);
    // It is made anew each time, so there is no going on with one.
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("none"));
    if let Some(length) = archive.length() {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    if method != Method::HEAD {
        *response.body_mut() = Body::from_stream(archive.into_bytes());
    }
    response
}

/// Answers with a whole workspace.
pub(super) fn export(export: Export) -> Response {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    Guise::made(EXPORT_MEDIA_TYPE, Some(export.name())).put_on(headers);
    // It is of the moment at which it was asked for: the next one is another.
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("none"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(export.length()));
    *response.body_mut() = Body::from_stream(export.into_bytes());
    response
}

/// Answers who asks for no more than the head of an archive, which nobody makes for them: without a length.
pub(super) fn export_unmade() -> Response {
    let mut response = Response::new(Body::from_stream(stream::empty::<Result<Bytes, Infallible>>()));
    Guise::made(EXPORT_MEDIA_TYPE, None).put_on(response.headers_mut());
    response.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("none"));
    response
}

/// Answers with the items of a batch, each with its content.
pub(super) fn batch(items: Body) -> Response {
    let mut response = Response::new(items);
    Guise::made(BATCH_MEDIA_TYPE, None).put_on(response.headers_mut());
    response
}

fn text(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}
