//! A request to the service, with the token of who asks, and its answer.

use std::fmt::{self, Debug};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use object_store::PutPayload;
use object_store::client::{HttpRequestBody, HttpResponse};
use object_store::gcp::{GcpCredentialProvider, GoogleCloudStorage};
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer as _};

use super::options::GcsOptions;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Client, Refused};
use crate::object::answer::whole;
use crate::object::error::{refusal, unexpected};
use crate::object::request::{add_query, encoded, encoded_path, no_credentials, send, value};
use crate::presign::PresignOptions;
use crate::secret::Secret;

/// Sends requests to one bucket.
pub(super) struct Bucket {
    client: Client,
    address: String,
    pub(super) name: String,
    credentials: Option<GcpCredentialProvider>,
    /// Who signs addresses, where a service account's key is at hand.
    signer: Option<GoogleCloudStorage>,
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
            signer: options.signer(&connector)?,
            client: connector.client(options.allow_http),
            address: options.address(),
            name: options.bucket.clone(),
            credentials: options.provider(&connector)?,
        })
    }

    /// Returns an address at which an object can be read, where there is somebody to sign it.
    pub(super) async fn presign(&self, key: &str, options: &PresignOptions) -> Result<Option<Secret>> {
        // What must be encoded is read through this process: the signer would take it for a query, or an end.
        let is_plain = encoded_path(key).to_string() == key;
        let (Some(signer), true, Ok(path)) = (&self.signer, is_plain, Path::parse(key)) else {
            return Ok(None);
        };
        let with = SignedUrlOptions::new().with_query(options.query());
        let url = signer.signed_url_opts(Method::GET, &path, options.expires_in, &with).await;
        Ok(Some(Secret::new(url.map_err(|error| no_credentials(&error))?.to_string())))
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
    use sha2::{Digest as _, Sha256};

    use super::Bucket;
    use crate::gcs::{GcsCredential, GcsOptions};
    use crate::presign::PresignOptions;

    /// A key that nothing anywhere knows.
    const KEY: &str = include_str!("../../tests/signing/key.pem");

    fn options(credential: GcsCredential) -> GcsOptions {
        GcsOptions { bucket: "data".to_owned(), credential, ..GcsOptions::default() }
    }

    fn account() -> GcsCredential {
        let account = serde_json::json!({
            "type": "service_account",
            "client_email": "me@example.org",
            "private_key_id": "1",
            "private_key": KEY,
        });
        GcsCredential::ServiceAccount(account.to_string().into())
    }

    fn wanted() -> PresignOptions {
        PresignOptions {
            expires_in: Duration::from_secs(300),
            media_type: Some("text/csv".to_owned()),
            disposition: Some("attachment; filename=\"a b.csv\"".to_owned()),
        }
    }

    fn public_key() -> UnparsedPublicKey<Vec<u8>> {
        let text: String = KEY.lines().filter(|line| !line.starts_with('-')).collect();
        let pair = RsaKeyPair::from_pkcs8(&BASE64_STANDARD.decode(text).unwrap()).unwrap();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref().to_vec())
    }

    fn bytes_of_hex(text: &str) -> Vec<u8> {
        let digits = text.as_bytes().chunks(2);
        digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    /// Follows "Canonical requests" and "V4 signing process" of the service's reference.
    fn is_signed(address: &str) -> bool {
        let (place, query) = address.split_once('?').unwrap();
        let path = place.strip_prefix("https://storage.googleapis.com").unwrap();
        let (query, signature) = query.split_once("&X-Goog-Signature=").unwrap();
        let mut pairs: Vec<_> = query.split('&').collect();
        pairs.sort_unstable();
        let request = format!(
            "GET\n{path}\n{}\nhost:storage.googleapis.com\n\nhost\nUNSIGNED-PAYLOAD",
            pairs.join("&")
        );
        let said = |name: &str| pairs.iter().find_map(|pair| pair.strip_prefix(name)).unwrap();
        let credential = said("X-Goog-Credential=").replace("%2F", "/");
        let (_, scope) = credential.split_once('/').unwrap();
        let digest = Sha256::digest(request.as_bytes()).into_iter().map(|byte| format!("{byte:02x}"));
        let digest: String = digest.collect();
        let text = format!("GOOG4-RSA-SHA256\n{}\n{scope}\n{digest}", said("X-Goog-Date="));
        public_key().verify(text.as_bytes(), &bytes_of_hex(signature)).is_ok()
    }

    #[tokio::test]
    async fn an_address_is_signed_with_what_is_to_be_said() {
        let bucket = Bucket::new(&options(account())).unwrap();
        let address = bucket.presign("x/y-1.csv", &wanted()).await.unwrap().unwrap();
        let address = address.expose();
        assert!(address.starts_with("https://storage.googleapis.com/data/x/y-1.csv?"), "{address}");
        for part in [
            "X-Goog-Expires=300",
            "response-content-type=text%2Fcsv",
            "response-content-disposition=attachment%3B%20filename%3D%22a%20b.csv%22",
        ] {
            assert!(address.contains(part), "{part} in {address}");
        }
        assert!(is_signed(address), "{address}");
        assert!(!is_signed(&address.replace("Expires=300", "Expires=301")));
        // An address that could be read in two ways is not given.
        assert!(bucket.presign("x?y", &wanted()).await.unwrap().is_none());
        let file = tempfile::NamedTempFile::new().unwrap();
        let GcsCredential::ServiceAccount(text) = account() else { unreachable!() };
        std::fs::write(file.path(), text.expose()).unwrap();
        let bucket = Bucket::new(&options(GcsCredential::File(file.path().to_owned()))).unwrap();
        assert!(is_signed(bucket.presign("x", &wanted()).await.unwrap().unwrap().expose()));
    }

    #[tokio::test]
    async fn who_has_no_key_signs_nothing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let user = r#"{"type":"authorized_user","client_id":"i","client_secret":"s","refresh_token":"t"}"#;
        std::fs::write(file.path(), user).unwrap();
        let elsewhere = GcsOptions { endpoint: Some("https://h".to_owned()), ..options(account()) };
        for options in [
            options(GcsCredential::Token("hunter2".into())),
            options(GcsCredential::Anonymous),
            options(GcsCredential::File(file.path().to_owned())),
            elsewhere,
        ] {
            let bucket = Bucket::new(&options).unwrap();
            assert!(bucket.presign("x", &wanted()).await.unwrap().is_none(), "{options:?}");
        }
    }
}
