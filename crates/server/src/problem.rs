//! The one map from error codes to HTTP answers: a status, and a body of RFC 9457.
//!
//! A handler fails with a [`Failure`]. It travels as an extension of an empty response, because only the
//! outermost layer knows the request's id; there [`render`] writes the body and the log line. What is wrong
//! inside the server is logged and never sent.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use longshore_core::wire::{Facts, Problem};
use longshore_core::{Code, ErrorKind, IdError, PathError, VersionId};

use crate::error::chain;

/// Why a request is refused. It is boxed, so that what succeeds does not pay for it.
#[derive(Clone, Debug)]
pub(crate) struct Failure(Box<Refusal>);

#[derive(Clone, Debug)]
struct Refusal {
    error: longshore_engine::Error,
    facts: Facts,
    /// Whether what the URL names is what is gone, and not a premise of the request.
    is_gone: bool,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Failure {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        longshore_engine::Error::new(code, detail).into()
    }

    /// Adds a header that goes with this refusal.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Says which version stands.
    pub(crate) fn at_version(mut self, version: VersionId) -> Self {
        self.0.facts.current_version = Some(version);
        self
    }

    /// Says that the lost lock is the very thing the URL names: 410, not 412.
    pub(crate) fn of_lock(mut self) -> Self {
        self.0.is_gone = self.code() == Code::LockLost;
        self
    }

    fn status(&self) -> StatusCode {
        if self.0.is_gone { StatusCode::GONE } else { status(self.code()) }
    }

    pub(crate) const fn error(&self) -> &longshore_engine::Error {
        &self.0.error
    }

    pub(crate) fn code(&self) -> Code {
        self.0.error.code()
    }

    /// Returns what is wrong in this very case, for who says more about it.
    pub(crate) fn detail(&self) -> &str {
        self.0.error.detail()
    }

    /// Logs the refusal, and returns what the caller is told of it.
    pub(crate) fn tell(self, request_id: &str) -> Problem {
        log(&self, request_id);
        let code = self.code();
        Problem {
            r#type: format!("urn:longshore:error:{code}"),
            title: code.title().to_owned(),
            status: self.status().as_u16(),
            detail: public_detail(&self).to_owned(),
            code: code.to_string(),
            request_id: request_id.to_owned(),
            facts: self.0.facts,
        }
    }
}

impl From<longshore_engine::Error> for Failure {
    fn from(error: longshore_engine::Error) -> Self {
        let facts = error.facts().cloned().unwrap_or_default();
        Self(Box::new(Refusal { error, facts, is_gone: false, headers: Vec::new() }))
    }
}

impl From<PathError> for Failure {
    fn from(error: PathError) -> Self {
        longshore_engine::Error::from(error).into()
    }
}

impl From<IdError> for Failure {
    fn from(error: IdError) -> Self {
        Self::new(Code::InvalidId, error.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// What tus has for bytes that do not match their checksum. HTTP itself knows no such status.
const CHECKSUM_MISMATCH: StatusCode = match StatusCode::from_u16(460) {
    Ok(status) => status,
    Err(_) => StatusCode::BAD_REQUEST,
};

/// Returns the HTTP status of a code.
pub(crate) const fn status(code: Code) -> StatusCode {
    match code {
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::RangeNotSatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
        Code::HeaderTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Code::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        Code::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
        Code::EventsGone
        | Code::UploadExpired
        | Code::LinkExpired
        | Code::TransferEnded
        | Code::InvitationEnded => StatusCode::GONE,
        Code::MediaTypeUnsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::ChecksumMismatch => CHECKSUM_MISMATCH,
        Code::Locked => StatusCode::LOCKED,
        Code::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
        Code::IdempotencyMismatch | Code::ExportMalformed => StatusCode::UNPROCESSABLE_ENTITY,
        _ => match code.kind() {
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Conflict => StatusCode::CONFLICT,
            ErrorKind::Precondition => StatusCode::PRECONDITION_FAILED,
            ErrorKind::Invalid => StatusCode::BAD_REQUEST,
            ErrorKind::Denied => StatusCode::FORBIDDEN,
            ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
            ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        },
    }
}

/// Returns what the caller is told. What a fault is made of (paths, addresses, statements) is for the log. Of an
/// outcome that is unknown the caller is told all: only who knows what was tried can look whether it happened.
fn public_detail(failure: &Failure) -> &str {
    match failure.code() {
        Code::Internal => "internal error; the log has it under this request id",
        Code::StorageFull => "the storage is full; nothing was stored",
        Code::StorageUnavailable => "the storage does not answer; the log has it under this request id",
        _ => failure.0.error.detail(),
    }
}

fn log(failure: &Failure, request_id: &str) {
    let error = &failure.0.error;
    match error.code() {
        code if code.kind() == ErrorKind::Internal => {
            tracing::error!(request_id, error = chain(error), "a request met a fault");
        }
        Code::StorageFull | Code::StorageUnavailable => {
            tracing::warn!(request_id, error = chain(error), "a request could not be served");
        }
        code => tracing::debug!(request_id, %code, detail = error.detail(), "a request was refused"),
    }
}

/// Writes the body of an answer that a [`Failure`] made, or that the router made by itself.
pub(crate) fn render(mut response: Response, request_id: &str) -> Response {
    let Some(failure) = response.extensions_mut().remove::<Failure>() else {
        return response;
    };
    let (status, added) = (failure.status(), failure.0.headers.clone());
    let problem = failure.tell(request_id);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        StatusCode::UNAUTHORIZED => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        StatusCode::LOCKED => {
            headers.insert(RETRY_AFTER, HeaderValue::from(problem.facts.expires_in.unwrap_or(1)));
        }
        _ => {}
    }
    for (name, value) in added {
        // A browser may have to forget more than one thing.
        if name == SET_COOKIE {
            headers.append(name, value);
        } else {
            headers.insert(name, value);
        }
    }
    *response.body_mut() = Body::from(serde_json::to_vec(&problem).unwrap_or_default());
    response
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use axum::response::{IntoResponse, Response};
    use http_body_util::BodyExt;
    use longshore_core::Code;
    use longshore_core::wire::Problem;

    use super::{Failure, render, status};

    async fn told(code: Code, detail: &str) -> (u16, HeaderMap, Problem) {
        let response: Response = render(Failure::new(code, detail).into_response(), "req-1");
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status.as_u16(), head.headers, serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn every_code_has_an_error_status() {
        for code in Code::ALL {
            let status = status(*code);
            assert!(status.is_client_error() || status.is_server_error(), "{code}");
        }
        assert_eq!(status(Code::StorageFull).as_u16(), 507);
        assert_eq!(status(Code::RequestTimeout).as_u16(), 408);
        assert_eq!(status(Code::TooManyNodes).as_u16(), 413);
        assert_eq!(status(Code::EventsGone).as_u16(), 410);
    }

    #[tokio::test]
    async fn an_unknown_outcome_is_told_as_what_it_is() {
        let detail = "the database failed while it committed: the change may have happened";
        let (status, headers, problem) = told(Code::OutcomeUnknown, detail).await;
        assert_eq!(
            (status, problem.code.as_str(), problem.detail.as_str()),
            (500, "outcome_unknown", detail)
        );
        // Nobody is invited to do it once more, blindly.
        assert!(!headers.contains_key("retry-after"));
        let (_, _, fault) = told(Code::Internal, "a secret").await;
        assert!(!fault.detail.contains("secret"));
    }
}
