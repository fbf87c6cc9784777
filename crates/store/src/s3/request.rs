//! A signed request, and its answer.

use std::fmt::{self, Debug, Write as _};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use object_store::PutPayload;
use object_store::aws::{AmazonS3, AwsCredentialProvider};
use object_store::client::{HttpRequestBody, HttpResponse};
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer as _};
use sha2::{Digest as _, Sha256};

use super::options::S3Options;
use super::signature::Signer;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Client, Refused};
use crate::object::answer::whole;
use crate::object::error::{refusal, unexpected};
use crate::object::request::{add_query, encoded_path, no_credentials, send};
use crate::presign::PresignOptions;
use crate::secret::Secret;

/// Sends requests to one bucket.
pub(super) struct Bucket {
    client: Client,
    /// Where it is, without a `/` at the end.
    address: String,
    name: String,
    credentials: Option<AwsCredentialProvider>,
    /// Who signs URLs, where there are credentials.
    url_signer: Option<AmazonS3>,
    /// Who signs requests.
    signer: Signer,
    sign_payload: bool,
}

/// What to ask for.
#[derive(Default)]
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    /// The key, empty for the bucket itself.
    pub(super) key: &'a str,
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) headers: HeaderMap,
    pub(super) content: Vec<Bytes>,
}

impl Bucket {
    pub(super) fn new(options: &S3Options) -> Result<Self> {
        let connector = options.connector();
        let credentials = options.provider(&connector)?;
        let url_signer = credentials.clone().map(|keys| options.signer(&connector, keys)).transpose()?;
        Ok(Self {
            url_signer,
            signer: Signer::new(&options.region),
            client: connector.client(options.allow_http),
            address: options.address(),
            name: options.bucket.clone(),
            credentials,
            sign_payload: options.sign_payload,
        })
    }

    /// Returns what names an object of this bucket as the source of a copy.
    pub(super) fn copy_source(&self, key: &str) -> Result<HeaderValue> {
        let source = format!("{}/{}", self.name, encoded_path(key));
        HeaderValue::try_from(source).map_err(|error| unexpected(error.to_string()))
    }

    /// Returns a URL at which an object can be read, where there is somebody to sign it.
    pub(super) async fn presign(&self, key: &str, options: &PresignOptions) -> Result<Option<Secret>> {
        // Keys that its paths cannot have are read through this process.
        let (Some(signer), Ok(path)) = (&self.url_signer, Path::parse(key)) else { return Ok(None) };
        let with = SignedUrlOptions::new().with_query(options.query());
        let url = signer.signed_url_opts(Method::GET, &path, options.expires_in, &with).await;
        Ok(Some(Secret::new(url.map_err(|error| no_credentials(&error))?.to_string())))
    }

    /// Sends a request; what is no success is an error, and so is a refusal whose status alone cannot tell what it means here:
    /// [`send_or_refused`](Self::send_or_refused) gives that.
    pub(super) async fn send(&self, ask: Ask<'_>) -> Result<HttpResponse> {
        self.send_or_refused(ask).await?.map_err(|refused| refusal(&refused))
    }

    /// Sends a request, and gives a refusal as it is.
    pub(super) async fn send_or_refused(&self, ask: Ask<'_>) -> Result<Result<HttpResponse, Refused>> {
        let request = self.request(ask).await?;
        send(&self.client, request).await
    }

    /// Sends a request whose answer is a text. Some begin with a success and are an error in the end.
    pub(super) async fn send_for_text(&self, ask: Ask<'_>) -> Result<Result<(HeaderMap, String), Refused>> {
        let answer = match self.send_or_refused(ask).await? {
            Ok(answer) => answer,
            Err(refused) => return Ok(Err(refused)),
        };
        let (head, body) = answer.into_parts();
        let text = String::from_utf8(whole(body).await?.into());
        let text = text.map_err(|_| unexpected("an answer that is not UTF-8"))?;
        if text.contains("<Error>") && !text.contains("<DeleteResult") {
            return Ok(Err(Refused::new(head.status, &head.headers, text.as_bytes())));
        }
        Ok(Ok((head.headers, text)))
    }

    async fn request(&self, ask: Ask<'_>) -> Result<Request<HttpRequestBody>> {
        let mut address = String::with_capacity(self.address.len() + 2 * ask.key.len() + 64);
        address.push_str(&self.address);
        let _infallible = write!(address, "/{}", encoded_path(ask.key));
        add_query(&mut address, ask.query);
        let digest = self.sign_payload.then(|| {
            let mut hasher = Sha256::new();
            ask.content.iter().for_each(|chunk| hasher.update(chunk));
            hasher.finalize()
        });
        let length: usize = ask.content.iter().map(Bytes::len).sum();
        let body = match length {
            0 => HttpRequestBody::empty(),
            _ => HttpRequestBody::from(ask.content.into_iter().collect::<PutPayload>()),
        };
        let mut request = Request::new(body);
        *request.uri_mut() = address.parse().map_err(|_| bad_address())?;
        if ask.method == Method::PUT || ask.method == Method::POST {
            request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        *request.method_mut() = ask.method;
        request.headers_mut().extend(ask.headers);
        if let Some(provider) = &self.credentials {
            let credential = provider.get_credential().await.map_err(|error| no_credentials(&error))?;
            self.signer.sign(&mut request, &credential, digest.as_ref().map(|digest| &digest[..]))?;
        }
        Ok(request)
    }
}

impl Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("address", &self.address).finish_non_exhaustive()
    }
}

fn bad_address() -> Error {
    Error::new(ErrorKind::InvalidInput, "the endpoint is no address")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Bucket;
    use crate::presign::PresignOptions;
    use crate::s3::options::{S3Credentials, S3Options};

    fn options(endpoint: Option<&str>, credentials: S3Credentials) -> S3Options {
        let endpoint = endpoint.map(str::to_owned);
        S3Options { bucket: "b".to_owned(), endpoint, allow_http: true, credentials, ..S3Options::default() }
    }

    #[tokio::test]
    async fn a_url_is_signed_with_what_is_to_be_said() {
        let wanted = PresignOptions {
            expires_in: Duration::from_secs(300),
            media_type: Some("text/csv".to_owned()),
            disposition: Some("attachment; filename=\"a b.csv\"".to_owned()),
        };
        for (endpoint, begins) in
            [(Some("http://h:1/"), "http://h:1/b/x/y?"), (None, "https://b.s3.us-east-1.amazonaws.com/x/y?")]
        {
            let bucket = Bucket::new(&options(endpoint, S3Credentials::keys("ak", "hunter2"))).unwrap();
            let url = bucket.presign("x/y", &wanted).await.unwrap().unwrap();
            let url = url.expose();
            assert!(url.starts_with(begins), "{url}");
            for part in [
                "X-Amz-Expires=300",
                "X-Amz-Signature=",
                "response-content-type=text%2Fcsv",
                "response-content-disposition=attachment%3B%20filename%3D%22a%20b.csv%22",
            ] {
                assert!(url.contains(part), "{part} in {url}");
            }
            assert!(!url.contains("hunter2"));
        }
        let open = Bucket::new(&options(None, S3Credentials::Anonymous)).unwrap();
        assert!(open.presign("x/y", &wanted).await.unwrap().is_none());
    }
}
