//! Which bucket of Google Cloud Storage, and how to reach it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::gcp::{GcpCredentialProvider, GoogleCloudStorage, GoogleCloudStorageBuilder};
use object_store::{ClientOptions, RetryConfig};

use crate::error::{Error, ErrorKind, Result};
use crate::http::{Connector, HttpOptions};
use crate::object::request::is_bucket_name;
use crate::secret::Secret;

/// Who speaks to Google Cloud Storage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum GcsCredential {
    /// Nobody: for public buckets, and emulators.
    Anonymous,
    /// A token that somebody else renews.
    Token(Secret),
    /// A service account: its key, in JSON.
    ServiceAccount(Secret),
    /// A file with credentials: a service account's key, or those of a user (`gcloud auth application-default login`).
    File(PathBuf),
    /// The user's application default credentials, where this user has some; else those of the machine.
    #[default]
    Machine,
}

/// Which bucket, and how to reach it. For a folder in it take [`Store::child`](crate::Store::child).
#[derive(Clone, Debug)]
pub struct GcsOptions {
    /// The bucket, which must be there.
    pub bucket: String,
    /// Who speaks. Default: the machine.
    pub credential: GcsCredential,
    /// The service's address. Default: `https://storage.googleapis.com`.
    pub endpoint: Option<String>,
    /// Whether the `endpoint` may be plain `http`. Who listens there reads and changes everything. Default: no.
    pub allow_http: bool,
    /// Whether writes without `overwrite` may rely on the service. Default: yes at Google's own address, elsewhere it is tried out.
    pub conditional_writes: Option<bool>,
    /// How many bytes a file has at most that goes in one request, and each part of a longer one: a multiple of 256 KiB, at most 1
    /// GiB. Parts go one after the other, and up to three are in memory. Default: 8 MiB.
    pub part_size: usize,
    /// A file of further root certificates (PEM), for an endpoint that has its own authority.
    pub ca_file: Option<PathBuf>,
    /// How long a connection may take to be made. Default: 10 s.
    pub connect_timeout: Duration,
    /// How long nothing may move before a request is given up. Default: 30 s.
    pub idle_timeout: Duration,
}

impl Default for GcsOptions {
    fn default() -> Self {
        let HttpOptions { connect_timeout, idle_timeout, ca_file } = HttpOptions::default();
        Self {
            bucket: String::new(),
            credential: GcsCredential::default(),
            endpoint: None,
            allow_http: false,
            conditional_writes: None,
            part_size: 8 * 1024 * 1024,
            ca_file,
            connect_timeout,
            idle_timeout,
        }
    }
}

/// What parts of an upload are multiples of, and how large they may be.
const PARTS: (usize, usize) = (256 * 1024, 1024 * 1024 * 1024);

impl GcsOptions {
    /// Tells what is wrong with these.
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |message: String| Err(Error::new(ErrorKind::InvalidInput, message));
        if !is_bucket_name(&self.bucket) {
            return refuse(format!("{:?} is no bucket's name", self.bucket));
        }
        if self.part_size == 0 || !self.part_size.is_multiple_of(PARTS.0) || self.part_size > PARTS.1 {
            return refuse("a part has a multiple of 256 KiB, at most 1 GiB".to_owned());
        }
        let is_address = |endpoint: &String| {
            endpoint.starts_with("https://") || (self.allow_http && endpoint.starts_with("http://"))
        };
        if !self.endpoint.as_ref().is_none_or(is_address) {
            return refuse("the endpoint is not https, and plain http is not allowed".to_owned());
        }
        Ok(())
    }

    /// Returns the service's address, without a slash at its end.
    pub(super) fn address(&self) -> String {
        let endpoint = self.endpoint.as_deref().unwrap_or("https://storage.googleapis.com");
        endpoint.trim_end_matches('/').to_owned()
    }

    pub(super) fn connector(&self) -> Connector {
        Connector::new(HttpOptions {
            connect_timeout: self.connect_timeout,
            idle_timeout: self.idle_timeout,
            ca_file: self.ca_file.clone(),
        })
    }

    /// Returns who signs addresses with a service account's key; nobody without one, for who has no key must ask Google to sign.
    /// Signatures are for Google's own address, and mean nothing at another.
    pub(super) fn signer(&self, connector: &Connector) -> Result<Option<GoogleCloudStorage>> {
        if self.endpoint.is_some() {
            return Ok(None);
        }
        let read;
        let key = match &self.credential {
            GcsCredential::ServiceAccount(key) => key.expose(),
            GcsCredential::File(path) => {
                read = Secret::new(std::fs::read_to_string(path).map_err(|_| no_credentials())?);
                read.expose()
            }
            GcsCredential::Anonymous | GcsCredential::Token(_) | GcsCredential::Machine => return Ok(None),
        };
        // Of a user there are other fields.
        let fields: serde_json::Value = serde_json::from_str(key).map_err(|_| no_credentials())?;
        if fields.get("private_key").is_none() {
            return Ok(None);
        }
        let built =
            self.builder(connector).with_service_account_key(key).with_base_url(&self.address()).build();
        built.map(Some).map_err(|_| no_credentials())
    }

    fn builder(&self, connector: &Connector) -> GoogleCloudStorageBuilder {
        GoogleCloudStorageBuilder::new()
            .with_bucket_name(&self.bucket)
            .with_client_options(ClientOptions::new())
            .with_http_connector(connector.clone())
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
    }

    /// Returns who gives tokens; nobody, if none are sent.
    pub(super) fn provider(&self, connector: &Connector) -> Result<Option<GcpCredentialProvider>> {
        let builder = self.builder(connector);
        let builder = match &self.credential {
            GcsCredential::Anonymous => return Ok(None),
            GcsCredential::Token(token) => builder.with_bearer_token(token.expose()),
            GcsCredential::ServiceAccount(key) => builder.with_service_account_key(key.expose()),
            GcsCredential::File(path) => builder.with_application_credentials(path.to_string_lossy()),
            GcsCredential::Machine => builder,
        };
        let built = builder.build().map_err(|_| no_credentials())?;
        Ok(Some(Arc::clone(built.credentials())))
    }
}

/// What is wrong with them would repeat them.
fn no_credentials() -> Error {
    Error::new(ErrorKind::InvalidInput, "the credentials are none, or their file cannot be read")
}

#[cfg(test)]
mod tests {
    use super::{GcsCredential, GcsOptions};

    #[test]
    fn wrong_options_are_refused_and_secrets_not_printed() {
        let right = GcsOptions {
            bucket: "b".to_owned(),
            credential: GcsCredential::Token("hunter2".into()),
            ..GcsOptions::default()
        };
        right.check().unwrap();
        assert!(!format!("{right:?}").contains("hunter2"));
        assert_eq!(right.address(), "https://storage.googleapis.com");
        for wrong in [
            GcsOptions { bucket: String::new(), ..right.clone() },
            GcsOptions { bucket: "a/b".to_owned(), ..right.clone() },
            GcsOptions { part_size: 0, ..right.clone() },
            GcsOptions { part_size: 1000, ..right.clone() },
            GcsOptions { endpoint: Some("ftp://h".to_owned()), allow_http: true, ..right.clone() },
            GcsOptions { endpoint: Some("http://h".to_owned()), ..right.clone() },
        ] {
            wrong.check().unwrap_err();
        }
        let key = GcsCredential::ServiceAccount("{\"private_key\": \"hunter2\"".into());
        let broken = GcsOptions { credential: key, ..right };
        let error = broken.provider(&broken.connector()).unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
