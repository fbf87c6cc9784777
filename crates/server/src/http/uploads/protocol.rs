//! The headers of tus 1.0, read and written.

use std::str::FromStr;
use std::time::{Duration, SystemTime};

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use longshore_core::wire::UploadState;
use longshore_core::{Code, Timestamp, UploadId, VersionId, delta};
use longshore_engine::{Idempotency, Staged};

use super::checksum;
use crate::http::outgoing::etag;
use crate::problem::Failure;

const VERSION: &str = "1.0.0";
const EXTENSIONS: &str =
    "creation,creation-with-upload,creation-defer-length,checksum,concatenation,expiration,termination";
const MEDIA_TYPE: &str = "application/offset+octet-stream";

const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_CONCAT: HeaderName = HeaderName::from_static("upload-concat");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const UPLOAD_STATE: HeaderName = HeaderName::from_static("longshore-upload-state");
const NODE: HeaderName = HeaderName::from_static("longshore-node");
const BASE: HeaderName = HeaderName::from_static("longshore-base");
const FILE_VERSION: HeaderName = HeaderName::from_static("longshore-version");

/// The most bytes of metadata: it is told again in every answer to a look.
const METADATA_BYTES: usize = 8 * 1_024;

pub(super) fn malformed(name: &str, rule: &str) -> Failure {
    Failure::new(Code::InvalidHeader, format!("`{name}` {rule}"))
}

fn text(text: impl Into<String>) -> HeaderValue {
    HeaderValue::try_from(text.into()).unwrap_or(HeaderValue::from_static(""))
}

/// Says in an answer which tus it speaks.
pub(super) async fn speak(mut response: Response) -> Response {
    response.headers_mut().insert(TUS_RESUMABLE, HeaderValue::from_static(VERSION));
    response
}

/// Refuses a request that speaks another tus, or, unless it only looks, none.
pub(super) fn check_version(headers: &HeaderMap, looks: bool) -> Result<(), Failure> {
    match headers.get(TUS_RESUMABLE) {
        Some(version) if version.as_bytes() == VERSION.as_bytes() => Ok(()),
        None if looks => Ok(()),
        _ => {
            let failure =
                Failure::new(Code::TusVersionUnsupported, format!("send `Tus-Resumable: {VERSION}`"));
            Err(failure.with_header(TUS_VERSION, HeaderValue::from_static(VERSION)))
        }
    }
}

pub(super) fn check_media_type(headers: &HeaderMap) -> Result<(), Failure> {
    if stated_type(headers).eq_ignore_ascii_case(MEDIA_TYPE) {
        return Ok(());
    }
    Err(Failure::new(Code::MediaTypeUnsupported, format!("the bytes of an upload are `{MEDIA_TYPE}`")))
}

fn stated_type(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().trim()
}

/// Reads of what the ranges are that a delta copies; nothing where what comes is the bytes themselves.
pub(super) fn base(headers: &HeaderMap) -> Result<Option<VersionId>, Failure> {
    let stated = once(headers, &BASE)?;
    if !stated_type(headers).eq_ignore_ascii_case(delta::MEDIA_TYPE) {
        check_media_type(headers)?;
        return match stated {
            None => Ok(None),
            Some(_) => Err(malformed(BASE.as_str(), &format!("goes with `{}`", delta::MEDIA_TYPE))),
        };
    }
    let version = stated.and_then(|text| text.parse().ok());
    version.map(Some).ok_or_else(|| malformed(BASE.as_str(), "names the version that a delta copies of"))
}

/// Reads a header once; nothing where it is not there.
fn once<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Failure> {
    let mut found = headers.get_all(name).iter();
    let Some(value) = found.next() else { return Ok(None) };
    match (value.to_str(), found.next()) {
        (Ok(value), None) => Ok(Some(value.trim())),
        _ => Err(malformed(name.as_str(), "comes once, in ASCII")),
    }
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<Option<u64>, Failure> {
    let read = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // What the database can count.
        let number = u64::from_str(text).ok().filter(|number| digits && i64::try_from(*number).is_ok());
        number.ok_or_else(|| malformed(name.as_str(), "is a number of bytes"))
    };
    once(headers, name)?.map(read).transpose()
}

pub(super) fn offset(headers: &HeaderMap) -> Result<u64, Failure> {
    number(headers, &UPLOAD_OFFSET)?.ok_or_else(|| malformed("upload-offset", "is needed"))
}

/// What is said of an upload's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Bytes(u64),
    Deferred,
}

pub(super) fn length(headers: &HeaderMap) -> Result<Option<Length>, Failure> {
    match (number(headers, &UPLOAD_LENGTH)?, once(headers, &UPLOAD_DEFER_LENGTH)?) {
        (Some(length), None) => Ok(Some(Length::Bytes(length))),
        (None, Some("1")) => Ok(Some(Length::Deferred)),
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(malformed("upload-defer-length", "does not go with `upload-length`")),
        (None, Some(_)) => Err(malformed("upload-defer-length", "is 1")),
    }
}

/// Makes what a creation says count for its idempotency key.
pub(super) fn identify(mut key: Idempotency, headers: &HeaderMap) -> Idempotency {
    for name in [&UPLOAD_LENGTH, &UPLOAD_DEFER_LENGTH, &UPLOAD_METADATA, &UPLOAD_CONCAT] {
        key.mix(headers.get(name).map_or(b"", HeaderValue::as_bytes));
    }
    key
}

/// Tells whether the answer is to have what was made for its body (RFC 7240).
pub(super) fn prefers_representation(headers: &HeaderMap) -> bool {
    let values = headers.get_all("prefer").into_iter().filter_map(|value| value.to_str().ok());
    let preferences = values.flat_map(|value| value.split(','));
    let mut preferences = preferences.map(|one| one.split(';').next().unwrap_or_default());
    preferences.any(|one| one.trim().eq_ignore_ascii_case("return=representation"))
}

pub(super) fn metadata(headers: &HeaderMap) -> Result<String, Failure> {
    let text = once(headers, &UPLOAD_METADATA)?.unwrap_or_default();
    if text.len() > METADATA_BYTES {
        return Err(malformed("upload-metadata", &format!("has at most {METADATA_BYTES} bytes")));
    }
    Ok(text.to_owned())
}

/// What an upload is to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Concat {
    Partial,
    Final(Vec<UploadId>),
}

pub(super) fn concat(headers: &HeaderMap) -> Result<Option<Concat>, Failure> {
    let Some(value) = once(headers, &UPLOAD_CONCAT)? else { return Ok(None) };
    if value == "partial" {
        return Ok(Some(Concat::Partial));
    }
    let urls = value.strip_prefix("final;").map(str::split_ascii_whitespace);
    // Of absolute URLs, and of those below a proxy's own path, the end says which upload it is.
    let id = |url: &str| url.rsplit_once("/uploads/").and_then(|(_, id)| id.parse().ok());
    let parts = urls.and_then(|urls| urls.map(id).collect::<Option<Vec<_>>>());
    let parts = parts.filter(|parts| !parts.is_empty());
    let rule = "is `partial`, or `final;` and the URLs of uploads";
    parts.map(|parts| Some(Concat::Final(parts))).ok_or_else(|| malformed("upload-concat", rule))
}

/// Writes a date as RFC 9110 has it. What lies beyond its years is left out.
fn date(time: Timestamp) -> Option<HeaderValue> {
    /// Of the year 9999, the last that the form has.
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    let since =
        u64::try_from(time.as_micros()).ok().map(Duration::from_micros).filter(|since| *since <= LAST)?;
    SystemTime::UNIX_EPOCH.checked_add(since).map(|time| text(httpdate::fmt_http_date(time)))
}

/// Answers with what the server can.
pub(super) fn capabilities(largest: Option<u64>) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(TUS_VERSION, HeaderValue::from_static(VERSION));
    headers.insert("tus-extension", HeaderValue::from_static(EXTENSIONS));
    headers.insert("tus-checksum-algorithm", HeaderValue::from_static(checksum::ALGORITHMS));
    if let Some(largest) = largest {
        headers.insert("tus-max-size", HeaderValue::from(largest));
    }
    response
}

/// Answers with how far an upload is, and what it became.
pub(super) fn progress(status: StatusCode, staged: &Staged) -> Response {
    let mut response = status.into_response();
    let headers = response.headers_mut();
    headers.insert(UPLOAD_OFFSET, HeaderValue::from(staged.offset));
    headers.insert(UPLOAD_STATE, HeaderValue::from_static(staged.state.as_str()));
    if staged.state != UploadState::Finished
        && let Some(date) = date(staged.expires_at)
    {
        headers.insert(UPLOAD_EXPIRES, date);
    }
    if let Some(written) = &staged.written {
        headers.insert(NODE, text(written.node.id.to_string()));
        if let Some(version) = written.node.version_id {
            headers.insert(FILE_VERSION, text(version.to_string()));
            headers.insert(ETAG, etag(version));
        }
    }
    response
}

/// Answers with all that is known of an upload.
pub(super) fn description(staged: &Staged) -> Response {
    let mut response = progress(StatusCode::OK, staged);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match staged.length {
        Some(length) => headers.insert(UPLOAD_LENGTH, HeaderValue::from(length)),
        None => headers.insert(UPLOAD_DEFER_LENGTH, HeaderValue::from_static("1")),
    };
    if !staged.metadata.is_empty() {
        headers.insert(UPLOAD_METADATA, text(staged.metadata.as_str()));
    }
    if staged.is_part {
        headers.insert(UPLOAD_CONCAT, HeaderValue::from_static("partial"));
    }
    if let Some(parts) = &staged.parts {
        let urls: Vec<_> = parts.iter().map(|id| format!("/v1/uploads/{id}")).collect();
        headers.insert(UPLOAD_CONCAT, text(format!("final;{}", urls.join(" "))));
    }
    response
}
