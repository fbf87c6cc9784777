//! A request to the service, with the token of who asks, and its answer.

use std::fmt::{self, Debug};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use object_store::PutPayload;
use object_store::client::{HttpRequestBody, HttpResponse};
use object_store::gcp::GcpCredentialProvider;

use super::options::GcsOptions;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Client, Refused};
use crate::object::answer::whole;
use crate::object::error::{refusal, unexpected};
use crate::object::request::{add_query, encoded, no_credentials, send, value};

/// Sends requests to one bucket.
pub(super) struct Bucket {
    client: Client,
    address: String,
    pub(super) name: String,
    credentials: Option<GcpCredentialProvider>,
}

/// What to ask for, besides the address.
#[derive(Default)]
pub(super) struct Ask<'a> {
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) headers: HeaderMap,
    pub(super) content: Vec<Bytes>,
}

/// Where something is.
pub(super) enum Place<'a> {
    /// What all objects are below.
    Objects,
    /// An object, and what is to be done with it.
    Object(&'a str, &'a str),
    /// The content of an object, in the manner of S3: with all that is said of it.
    Content(&'a str),
    /// Where objects are uploaded to.
    Uploads,
    /// An upload, by the address that the service gave it. It is its own right.
    Session(&'a str),
}

impl Bucket {
    pub(super) fn new(options: &GcsOptions) -> Result<Self> {
        let connector = options.connector();
        Ok(Self {
            client: connector.client(options.allow_http),
            address: options.address(),
            name: options.bucket.clone(),
            credentials: options.provider(&connector)?,
        })
    }

    /// Sends a request; what is no success is an error.
    pub(super) async fn send(&self, method: Method, place: &Place<'_>, ask: Ask<'_>) -> Result<HttpResponse> {
        self.send_or_refused(method, place, ask).await?.map_err(|refused| refusal(&refused))
    }

    /// Sends a request, and gives a refusal as it is.
    pub(super) async fn send_or_refused(
        &self,
        method: Method,
        place: &Place<'_>,
        ask: Ask<'_>,
    ) -> Result<Result<HttpResponse, Refused>> {
        let request = self.request(method, place, ask).await?;
        send(&self.client, request).await
    }

    async fn request(
        &self,
        method: Method,
        place: &Place<'_>,
        ask: Ask<'_>,
    ) -> Result<http::Request<HttpRequestBody>> {
        let (address, bucket) = (&self.address, &self.name);
        let mut url = match place {
            Place::Objects => format!("{address}/storage/v1/b/{bucket}/o"),
            Place::Object(key, verb) => format!("{address}/storage/v1/b/{bucket}/o/{}{verb}", encoded(key)),
            Place::Content(key) => format!("{address}/{bucket}/{}", encoded(key)),
            Place::Uploads => format!("{address}/upload/storage/v1/b/{bucket}/o"),
            Place::Session(session) => (*session).to_owned(),
        };
        add_query(&mut url, ask.query);
        let content: PutPayload = ask.content.into_iter().collect();
        let length = content.content_length();
        let mut request = http::Request::new(HttpRequestBody::from(content));
        let senseless = |_| Error::new(ErrorKind::InvalidInput, "the endpoint is no address");
        *request.uri_mut() = url.parse().map_err(senseless)?;
        if method == Method::PUT || method == Method::POST || method == Method::DELETE {
            request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        *request.method_mut() = method;
        request.headers_mut().extend(ask.headers);
        let credentials = self.credentials.as_ref().filter(|_| !matches!(place, Place::Session(_)));
        if let Some(credentials) = credentials {
            let credential = credentials.get_credential().await.map_err(|error| no_credentials(&error))?;
            let mut token = value(&format!("Bearer {}", credential.bearer))?;
            token.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, token);
        }
        Ok(request)
    }
}

impl Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket")
            .field("address", &self.address)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Reads an answer in JSON.
pub(super) async fn json<T: serde::de::DeserializeOwned>(answer: HttpResponse) -> Result<T> {
    serde_json::from_slice(&whole(answer.into_body()).await?).map_err(|error| unexpected(error.to_string()))
}
