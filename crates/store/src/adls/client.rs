//! Signed requests to the Data Lake endpoint, and what their answers mean.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use object_store::PutPayload;
use object_store::azure::{AzureAuthorizer, AzureCredentialProvider};
use object_store::client::{HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::{Error, ErrorKind, Result};
use crate::http::{Client, Refused};

/// What stands in a URL as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Where a filesystem is, and how to speak with it.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// The endpoint of the account, without a slash at its end.
    pub(crate) url: String,
    pub(crate) account: String,
    pub(crate) credentials: AzureCredentialProvider,
    pub(crate) http: Client,
}

/// What a request has besides its address.
#[derive(Debug, Default)]
pub(crate) struct Ask<'a> {
    pub(crate) query: &'a [(&'a str, &'a str)],
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: PutPayload,
}

/// A request that brought no success.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The service said no.
    Refused(Refused),
    /// No answer came, or none that could be read: what was asked for may have been done.
    Lost(HttpError),
    /// Nothing was sent.
    Unsent(Error),
}

impl Failure {
    /// Returns whether the service's code is this.
    pub(crate) fn is(&self, code: &str) -> bool {
        matches!(self, Self::Refused(refused) if refused.is(code))
    }

    /// Returns the status, where one came.
    pub(crate) const fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused(refused) => Some(refused.status),
            Self::Lost(_) | Self::Unsent(_) => None,
        }
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        let refused = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<Refused>());
        match refused {
            Some(refused) => Self::Refused(refused.clone()),
            None => Self::Lost(error),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refused) => of_refusal(refused),
            Failure::Lost(error) => of_loss(error),
            Failure::Unsent(error) => error,
        }
    }
}

fn of_refusal(refused: Refused) -> Error {
    let (kind, message) = match refused.status.as_u16() {
        404 => (ErrorKind::NotFound, "not found"),
        401 | 403 => (ErrorKind::PermissionDenied, "the service refuses the credentials"),
        409 if refused.is("PathAlreadyExists") => (ErrorKind::AlreadyExists, "the file already exists"),
        409 if refused.is("DirectoryNotEmpty") => (ErrorKind::DirectoryNotEmpty, "the folder is not empty"),
        409 if is_of_type(&refused) => (
            ErrorKind::InvalidPath,
            "a file stands where the path needs a folder, or a folder where it needs a file",
        ),
        // Another change of the same path is under way, or a lease.
        409 => (ErrorKind::Unavailable, "the path is in use"),
        412 => (ErrorKind::PreconditionFailed, "the file has changed"),
        400 if refused.is("InvalidUri")
            || refused.is("InvalidResourceName")
            || refused.is("OutOfRangeInput") =>
        {
            (ErrorKind::InvalidPath, "the service cannot have a file of this name")
        }
        408 | 429 | 500 | 502 | 503 | 504 => (ErrorKind::Unavailable, "the service is not available"),
        _ => (ErrorKind::Internal, "the service refused the request"),
    };
    let retry_after = refused.retry_after;
    let error = Error::new(kind, format!("{message}: {refused}")).with_source(refused);
    match retry_after {
        Some(pause) => error.with_retry_after(pause),
        None => error,
    }
}

fn is_of_type(refused: &Refused) -> bool {
    [
        "PathConflict",
        "InvalidSourceOrDestinationResourceType",
        "ResourceTypeMismatch",
        "InvalidDestinationPath",
    ]
    .iter()
    .any(|code| refused.is(code))
}

fn of_loss(error: HttpError) -> Error {
    let (kind, message) = match error.kind() {
        HttpErrorKind::Decode => (ErrorKind::Internal, "the service's answer makes no sense"),
        HttpErrorKind::Connect => (ErrorKind::Unavailable, "the service cannot be reached"),
        _ => (ErrorKind::Unavailable, "the service did not answer to the end"),
    };
    Error::new(kind, message).with_source(error)
}

impl Endpoint {
    /// Sends a request for a path, whose segments are not encoded yet.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        ask: Ask<'_>,
    ) -> std::result::Result<HttpResponse, Failure> {
        let request = self.request(method, path, ask).await.map_err(Failure::Unsent)?;
        Ok(self.http.send(request).await?)
    }

    async fn request(&self, method: Method, path: &str, ask: Ask<'_>) -> Result<HttpRequest> {
        let mut url = format!("{}/{}", self.url, encoded(path));
        for (number, (name, value)) in ask.query.iter().enumerate() {
            let mark = if number == 0 { '?' } else { '&' };
            // Writing into text cannot fail.
            write!(url, "{mark}{name}={}", utf8_percent_encode(value, PLAIN)).ok();
        }
        let malformed = |error: http::Error| {
            Error::new(ErrorKind::Internal, "the request cannot be made").with_source(error)
        };
        let length = ask.body.content_length();
        let mut request = http::Request::builder()
            .method(method)
            .uri(url)
            .body(HttpRequestBody::from(ask.body))
            .map_err(malformed)?;
        // It is part of what is signed.
        request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        for (name, value) in ask.headers {
            let value = HeaderValue::try_from(value).map_err(|error| malformed(error.into()))?;
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
        let denied = |error: object_store::Error| {
            let kind = match &error {
                object_store::Error::Unauthenticated { .. }
                | object_store::Error::PermissionDenied { .. } => ErrorKind::PermissionDenied,
                _ => ErrorKind::Unavailable,
            };
            Error::new(kind, "no credentials for the service can be had").with_source(error)
        };
        let credential = self.credentials.get_credential().await.map_err(denied)?;
        AzureAuthorizer::new(&credential, &self.account).try_authorize(&mut request).map_err(denied)?;
        Ok(request)
    }
}

/// Encodes each segment of a path.
pub(crate) fn encoded(path: &str) -> String {
    let segments: Vec<_> =
        path.split('/').map(|segment| utf8_percent_encode(segment, PLAIN).to_string()).collect();
    segments.join("/")
}

/// Returns a header as text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Reads an answer's body whole. For what is small.
pub(crate) async fn whole(response: HttpResponse) -> std::result::Result<Bytes, Failure> {
    Ok(response.into_body().bytes().await?)
}

/// Makes one [`Endpoint`] many can hold.
pub(crate) type SharedEndpoint = Arc<Endpoint>;
