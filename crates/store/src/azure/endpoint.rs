//! Signed requests to an account's endpoints, of Blobs and of the Data Lake, and what their answers mean.

use std::fmt::{self, Debug};
use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use object_store::PutPayload;
use object_store::azure::{AzureAuthorizer, AzureCredential, AzureCredentialProvider};
use object_store::client::{HttpError, HttpRequest, HttpRequestBody, HttpResponse};

use crate::error::{Error, ErrorKind, Result};
use crate::http::{Client, Refused};
use crate::object::error::{refusal, translate};
use crate::object::request::{add_query, encoded_path, no_credentials};

/// Where a filesystem is, and how to speak with it.
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
    /// Headers whose names were made.
    pub(crate) named: Vec<(String, String)>,
    pub(crate) body: PutPayload,
}

/// A request that brought no success.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The service said no.
    Refused(Refused),
    /// No answer came, or none that could be read: what was asked for may have been done.
    Lost(HttpError),
    /// What went wrong was on this side.
    Ours(Error),
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
            Self::Lost(_) | Self::Ours(_) => None,
        }
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        match Refused::of(&error) {
            Some(refused) => Self::Refused(refused.clone()),
            None => Self::Lost(error),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refused) => of_refusal(&refused),
            Failure::Lost(error) => translate(&error),
            Failure::Ours(error) => error,
        }
    }
}

/// Tells what a refusal means that is of this service alone; the rest is as everywhere.
fn of_refusal(refused: &Refused) -> Error {
    let (kind, message) = match refused.code.as_deref() {
        Some("DirectoryNotEmpty") => (ErrorKind::DirectoryNotEmpty, "the folder is not empty"),
        Some(
            "PathConflict"
            | "InvalidSourceOrDestinationResourceType"
            | "ResourceTypeMismatch"
            | "InvalidDestinationPath",
        ) => (
            ErrorKind::InvalidPath,
            "a file stands where the path needs a folder, or a folder where it needs a file",
        ),
        Some("InvalidUri" | "InvalidResourceName" | "OutOfRangeInput") => {
            (ErrorKind::InvalidPath, "the service does not take this name")
        }
        _ => return refusal(refused),
    };
    Error::new(kind, message).with_source(refused.clone())
}

impl Endpoint {
    /// Sends a request for a path, whose segments are not encoded yet.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        ask: Ask<'_>,
    ) -> std::result::Result<HttpResponse, Failure> {
        let request = self.request(method, path, ask).await.map_err(Failure::Ours)?;
        Ok(self.http.send(request).await?)
    }

    /// Returns an address that the service itself may read from, as it names the source of a copy.
    pub(crate) async fn source(&self, path: &str) -> Result<String> {
        let mut url = format!("{}/{}", self.url, encoded_path(path));
        // A signature goes with each address; a key or a token goes for the whole request.
        if let AzureCredential::SASToken(pairs) = &*self.credential().await? {
            add_query(&mut url, pairs);
        }
        Ok(url)
    }

    async fn credential(&self) -> Result<Arc<AzureCredential>> {
        self.credentials.get_credential().await.map_err(|error| no_credentials(&error))
    }

    async fn request(&self, method: Method, path: &str, ask: Ask<'_>) -> Result<HttpRequest> {
        let mut url = format!("{}/{}", self.url, encoded_path(path));
        add_query(&mut url, ask.query);
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
        for (name, value) in ask.named {
            let name = HeaderName::try_from(name).map_err(|error| malformed(error.into()))?;
            let value = HeaderValue::try_from(value).map_err(|error| malformed(error.into()))?;
            request.headers_mut().insert(name, value);
        }
        let credential = self.credential().await?;
        AzureAuthorizer::new(&credential, &self.account)
            .try_authorize(&mut request)
            .map_err(|error| no_credentials(&error))?;
        Ok(request)
    }
}

/// One endpoint, for all who speak with it.
pub(crate) type SharedEndpoint = Arc<Endpoint>;

impl Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("url", &self.url).finish_non_exhaustive()
    }
}
