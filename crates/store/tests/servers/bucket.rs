//! What the tests do to a bucket past the store.

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::HttpRequestBody;

use crate::s3::{ADMIN_ACCESS_KEY, ADMIN_SECRET_KEY};
use crate::targets::AnyError;

/// One bucket of a server on loopback.
pub(crate) struct Admin {
    port: u16,
    bucket: &'static str,
}

impl Admin {
    pub(crate) const fn new(port: u16, bucket: &'static str) -> Self {
        Self { port, bucket }
    }

    /// Makes the bucket unless it is there, and sees that something can be stored.
    pub(crate) async fn make(&self) -> Result<(), AnyError> {
        // It may be there already; the object tells whether it is.
        self.send(Method::PUT, "", "").await.ok();
        self.put("ready", "x").await?;
        self.send(Method::DELETE, "/ready", "").await.map(drop)
    }

    /// Stores an object under any key.
    pub(crate) async fn put(&self, key: &str, content: &'static str) -> Result<(), AnyError> {
        self.send(Method::PUT, &format!("/{key}"), content).await.map(drop)
    }

    /// Returns the keys of unfinished uploads below a prefix.
    pub(crate) async fn uploads(&self, prefix: &str) -> Result<Vec<String>, AnyError> {
        let text = match self.send(Method::GET, "?uploads=", "").await {
            // So some say that there are none.
            Err(error) if error.to_string().contains("NoSuchUpload") => String::new(),
            text => text?,
        };
        let uploads = text.split("<Upload>").skip(1);
        let keys = uploads.filter_map(|upload| upload.split_once("<Key>")?.1.split_once("</Key>"));
        Ok(keys.map(|(key, _)| key.to_owned()).filter(|key| key.starts_with(&format!("{prefix}/"))).collect())
    }

    /// Returns the keys below a prefix.
    pub(crate) async fn keys(&self, prefix: &str) -> Result<Vec<String>, AnyError> {
        let text = self.send(Method::GET, &format!("?list-type=2&prefix={prefix}%2F"), "").await?;
        let keys = text.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>"));
        Ok(keys.map(|(key, _)| key.to_owned()).collect())
    }

    async fn send(&self, method: Method, place: &str, content: &'static str) -> Result<String, AnyError> {
        let address = format!("http://127.0.0.1:{}/{}{place}", self.port, self.bucket);
        let mut signed = Request::new(HttpRequestBody::from(Bytes::from(content)));
        *signed.method_mut() = method;
        *signed.uri_mut() = address.parse()?;
        let keys = AwsCredential {
            key_id: ADMIN_ACCESS_KEY.to_owned(),
            secret_key: ADMIN_SECRET_KEY.to_owned(),
            token: None,
        };
        AwsAuthorizer::new(&keys, "s3", "us-east-1")
            .with_sign_payload(false)
            .try_authorize(&mut signed, None)?;
        let (head, _) = signed.into_parts();
        let request = Request::from_parts(head, Full::new(Bytes::from(content)));
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let answer = client.request(request).await?;
        let status = answer.status();
        let text = String::from_utf8(answer.into_body().collect().await?.to_bytes().into())?;
        if status.is_success() { Ok(text) } else { Err(format!("{status}: {text}").into()) }
    }
}
