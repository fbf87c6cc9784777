//! What an object service's errors mean.

use std::error::Error as StdError;
use std::fmt;

use http::StatusCode;
use object_store::client::{HttpError, HttpErrorKind};

use crate::error::{Error, ErrorKind};
use crate::http::{PlainHttp, Refused};

/// Translates an error of `object_store` or of our own requests, whose cause lies somewhere below it.
///
/// Nothing of the texts above that cause is kept: `object_store` writes addresses into them.
pub(crate) fn translate(error: &(dyn StdError + 'static)) -> Error {
    if let Some(refused) = find::<Refused>(error) {
        return refusal(refused);
    }
    if let Some(plain) = find::<PlainHttp>(error) {
        return Error::new(ErrorKind::InvalidInput, plain.to_string());
    }
    if let Some(http) = find::<HttpError>(error) {
        return transport(http);
    }
    let kind = find::<object_store::Error>(error).map_or(ErrorKind::Internal, |error| match error {
        object_store::Error::NotFound { .. } => ErrorKind::NotFound,
        object_store::Error::AlreadyExists { .. } => ErrorKind::AlreadyExists,
        object_store::Error::Precondition { .. } => ErrorKind::PreconditionFailed,
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            ErrorKind::PermissionDenied
        }
        object_store::Error::InvalidPath { .. } => ErrorKind::InvalidPath,
        object_store::Error::NotSupported { .. } | object_store::Error::NotImplemented { .. } => {
            ErrorKind::Unsupported
        }
        _ => ErrorKind::Internal,
    });
    Error::new(kind, "the service answered what was not expected")
        .with_source(Cause(deepest(error).to_string()))
}

/// Translates what a service refused, by its status and code.
pub(crate) fn refusal(refused: &Refused) -> Error {
    let (kind, message) = meaning(refused);
    let error = Error::new(kind, message).with_source(refused.clone());
    match refused.retry_after {
        Some(pause) => error.with_retry_after(pause),
        None => error,
    }
}

fn meaning(refused: &Refused) -> (ErrorKind, &'static str) {
    // A code says more than its status: services put some of these under several.
    match refused.code.as_deref() {
        Some("NoSuchBucket" | "ContainerNotFound") => {
            return (ErrorKind::NotFound, "the bucket was not found");
        }
        Some("NoSuchKey" | "BlobNotFound") => return (ErrorKind::NotFound, "not found"),
        Some("PreconditionFailed" | "ConditionNotMet") => {
            return (ErrorKind::PreconditionFailed, "the file has changed");
        }
        Some("AccessDenied") => {
            return (ErrorKind::PermissionDenied, "the service does not let us do this");
        }
        Some("NoSuchUpload" | "RequestTimeout") => {
            return (ErrorKind::Unavailable, "the service gave up the upload");
        }
        Some(
            "ExpiredToken"
            | "InvalidToken"
            | "TokenRefreshRequired"
            | "AuthorizationHeaderMalformed"
            | "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "AuthenticationFailed",
        ) => return (ErrorKind::PermissionDenied, "the service does not accept the credentials"),
        Some("KeyTooLongError" | "InvalidObjectName" | "InvalidURI") => {
            return (ErrorKind::InvalidPath, "the service does not take this name");
        }
        Some("EntityTooLarge" | "QuotaExceeded") => {
            return (ErrorKind::StorageFull, "the service takes no more");
        }
        Some(code) if code.ends_with("AlreadyExists") => {
            return (ErrorKind::AlreadyExists, "the file already exists");
        }
        _ => {}
    }
    match refused.status {
        StatusCode::NOT_FOUND | StatusCode::GONE => (ErrorKind::NotFound, "not found"),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            (ErrorKind::PermissionDenied, "the service does not let us do this")
        }
        StatusCode::PRECONDITION_FAILED => (ErrorKind::PreconditionFailed, "the file has changed"),
        StatusCode::CONFLICT => (ErrorKind::Unavailable, "somebody else changes the same file just now"),
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::INSUFFICIENT_STORAGE => {
            (ErrorKind::StorageFull, "the service takes no more")
        }
        StatusCode::NOT_IMPLEMENTED => (ErrorKind::Unsupported, "the service cannot do this"),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
            (ErrorKind::Unavailable, "the service asks to be left alone for a while")
        }
        status if status.is_server_error() => (ErrorKind::Unavailable, "the service failed"),
        status if status.is_redirection() => {
            (ErrorKind::InvalidInput, "the bucket is elsewhere: check region and endpoint")
        }
        status if status.is_success() => {
            (ErrorKind::Unavailable, "the service failed after it had begun to answer")
        }
        _ => (ErrorKind::Internal, "the service refused the request"),
    }
}

/// Translates what went wrong before there was an answer, or in the middle of one.
fn transport(error: &HttpError) -> Error {
    let (kind, message) = match error.kind() {
        HttpErrorKind::Connect => (ErrorKind::Unavailable, "the service cannot be reached"),
        HttpErrorKind::Timeout => (ErrorKind::Unavailable, "the service did not answer in time"),
        HttpErrorKind::Interrupted | HttpErrorKind::Request => {
            (ErrorKind::Unavailable, "the connection to the service broke")
        }
        _ => (ErrorKind::Internal, "the service answered what was not expected"),
    };
    Error::new(kind, message).with_source(Cause(deepest(error).to_string()))
}

/// Makes an error of an answer that breaks the service's own rules.
pub(crate) fn unexpected(what: impl Into<String>) -> Error {
    let message = "the service answered what was not expected";
    Error::new(ErrorKind::Internal, message).with_source(Cause(what.into()))
}

fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn deepest<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

/// What was at the bottom of it, in words.
#[derive(Debug)]
struct Cause(String);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Cause {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, HeaderValue, StatusCode, header};
    use object_store::client::{HttpError, HttpErrorKind};

    use super::translate;
    use crate::error::ErrorKind;
    use crate::http::Refused;

    fn said(status: u16, body: &str) -> crate::Error {
        let status = StatusCode::from_u16(status).unwrap();
        let refused = Refused::new(status, &HeaderMap::new(), body.as_bytes());
        let http = HttpError::new(HttpErrorKind::Unknown, refused);
        translate(&object_store::Error::Generic { store: "S3", source: Box::new(http) })
    }

    #[test]
    fn a_status_or_its_code_is_a_kind() {
        let code = |code: &str| format!("<Error><Code>{code}</Code><Message>m</Message></Error>");
        for (status, body, kind) in [
            (404, code("NoSuchKey"), ErrorKind::NotFound),
            (404, code("NoSuchBucket"), ErrorKind::NotFound),
            (404, code("NoSuchUpload"), ErrorKind::Unavailable),
            (403, String::new(), ErrorKind::PermissionDenied),
            (401, String::new(), ErrorKind::PermissionDenied),
            (400, code("ExpiredToken"), ErrorKind::PermissionDenied),
            (400, code("RequestTimeout"), ErrorKind::Unavailable),
            (400, code("KeyTooLongError"), ErrorKind::InvalidPath),
            (400, code("MalformedXML"), ErrorKind::Internal),
            (409, code("ConditionalRequestConflict"), ErrorKind::Unavailable),
            (409, code("BlobAlreadyExists"), ErrorKind::AlreadyExists),
            (412, String::new(), ErrorKind::PreconditionFailed),
            (301, code("PermanentRedirect"), ErrorKind::InvalidInput),
            (429, String::new(), ErrorKind::Unavailable),
            (500, String::new(), ErrorKind::Unavailable),
            (503, code("SlowDown"), ErrorKind::Unavailable),
            (501, code("NotImplemented"), ErrorKind::Unsupported),
            (507, String::new(), ErrorKind::StorageFull),
        ] {
            assert_eq!(said(status, &body).kind(), kind, "{status} {body}");
        }
    }

    #[test]
    fn what_was_signed_is_not_told() {
        let body = "<Error><Code>SignatureDoesNotMatch</Code><Message>No &amp; no.\nmore</Message>\
                    <AWSAccessKeyId>AKIA</AWSAccessKeyId><StringToSign>secret</StringToSign></Error>";
        let error = said(403, body);
        let whole = format!("{error} {error:?} {}", std::error::Error::source(&error).unwrap());
        assert!(whole.contains("SignatureDoesNotMatch: No & no."), "{whole}");
        assert!(!whole.contains("AKIA") && !whole.contains("secret"), "{whole}");
    }

    #[test]
    fn a_pause_is_kept_in_both_forms() {
        let mut headers = HeaderMap::new();
        let pause = |headers: &HeaderMap| {
            let refused = Refused::new(StatusCode::SERVICE_UNAVAILABLE, headers, b"");
            super::refusal(&refused).retry_after()
        };
        assert_eq!(pause(&headers), None);
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("7"));
        assert_eq!(pause(&headers), Some(Duration::from_secs(7)));
        // A date is compared with the time of who wrote it.
        headers.insert(header::DATE, HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("Sun, 06 Nov 1994 08:50:07 GMT"));
        assert_eq!(pause(&headers), Some(Duration::from_secs(30)));
    }
}
