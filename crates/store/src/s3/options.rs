//! Which bucket, and how to reach it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::RetryConfig;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, AwsCredentialProvider};

use crate::error::{Error, ErrorKind, Result};
use crate::http::{Connector, HttpOptions};
use crate::object::error::translate;
use crate::object::request::is_bucket_name;
use crate::secret::Secret;

/// Whose rights are used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum S3Credentials {
    /// Nobody's: requests are not signed. For public buckets.
    Anonymous,
    /// These keys.
    Keys {
        /// The access key.
        access_key: String,
        /// The secret key.
        secret_key: Secret,
        /// The session token of temporary keys.
        token: Option<Secret>,
    },
    /// Those of a role, for a token that something else keeps in a file (EKS service accounts).
    WebIdentity {
        /// The file.
        token_file: PathBuf,
        /// The role.
        role_arn: String,
        /// A name for the session, for logs of the service.
        session_name: Option<String>,
    },
    /// Those of the container, on ECS: the path of the credentials at its own address.
    Container {
        /// The path, beginning with `/`.
        relative_uri: String,
    },
    /// Those of the pod, on EKS.
    Pod {
        /// The address.
        full_uri: String,
        /// The file with the token to show there.
        token_file: PathBuf,
    },
    /// Those of the machine, on EC2.
    #[default]
    Instance,
}

impl S3Credentials {
    /// Takes keys that do not expire.
    #[must_use]
    pub fn keys(access_key: impl Into<String>, secret_key: impl Into<Secret>) -> Self {
        Self::Keys { access_key: access_key.into(), secret_key: secret_key.into(), token: None }
    }
}

/// Which bucket, and how to reach it. For a folder in it take [`Store::child`](crate::Store::child).
#[derive(Clone, Debug)]
pub struct S3Options {
    /// The bucket, which must be there.
    pub bucket: String,
    /// The region it is in. Default: `us-east-1`.
    pub region: String,
    /// The service's address, such as `https://s3.example.org`; nothing for that of AWS.
    pub endpoint: Option<String>,
    /// Whether the bucket's name goes into the path rather than before the host's. Default: into the path if there is an `endpoint`,
    /// or the name has a dot in it, which certificates do not match.
    pub path_style: Option<bool>,
    /// Whose rights are used. Default: the machine's.
    pub credentials: S3Credentials,
    /// Whether the `endpoint` may be plain `http`. Who listens there reads and changes everything. Default: no.
    pub allow_http: bool,
    /// A file of root certificates (PEM) to trust besides the machine's.
    pub ca_file: Option<PathBuf>,
    /// How many bytes a file has at most that goes in one request, and each of the first 2,000 parts of a longer one: at least 5
    /// MiB. Later parts grow. Default: 8 MiB.
    pub part_size: usize,
    /// How many parts of one file are on their way at once; each is in memory, and one more. Default: 4.
    pub parts_in_flight: usize,
    /// Whether the signature covers the content. TLS protects it already, and without TLS what comes back is not protected either;
    /// it costs a SHA-256 of all that is written. Default: no.
    pub sign_payload: bool,
    /// Whether writes without `overwrite` may rely on the service: nothing to try it out, which is the default.
    pub conditional_writes: Option<bool>,
    /// How long a connection may take to be made. Default: 10 s.
    pub connect_timeout: Duration,
    /// How long nothing may move before a request is given up. Default: 30 s.
    pub idle_timeout: Duration,
}

impl Default for S3Options {
    fn default() -> Self {
        let HttpOptions { connect_timeout, idle_timeout, ca_file } = HttpOptions::default();
        Self {
            bucket: String::new(),
            region: "us-east-1".to_owned(),
            endpoint: None,
            path_style: None,
            credentials: S3Credentials::default(),
            allow_http: false,
            ca_file,
            part_size: 8 * 1024 * 1024,
            parts_in_flight: 4,
            sign_payload: false,
            conditional_writes: None,
            connect_timeout,
            idle_timeout,
        }
    }
}

/// The least size of a part, and the largest that can be sent.
const PART_SIZES: (usize, usize) = (5 * 1024 * 1024, 1024 * 1024 * 1024);

impl S3Options {
    /// Tells what is wrong with these.
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |message: String| Err(Error::new(ErrorKind::InvalidInput, message));
        if !is_bucket_name(&self.bucket) {
            return refuse(format!("{:?} is no bucket's name", self.bucket));
        }
        // A region goes into a host's name as a bucket's name does.
        if !is_bucket_name(&self.region) {
            return refuse(format!("{:?} is no region", self.region));
        }
        if self.part_size < PART_SIZES.0 || self.part_size > PART_SIZES.1 {
            return refuse("a part has 5 MiB to 1 GiB".to_owned());
        }
        if self.parts_in_flight == 0 {
            return refuse("at least one part is on its way".to_owned());
        }
        let is_plain = self.endpoint.as_ref().is_some_and(|endpoint| !endpoint.starts_with("https://"));
        if is_plain && !self.allow_http {
            return refuse("the endpoint is not https, and plain http is not allowed".to_owned());
        }
        Ok(())
    }

    pub(super) fn connector(&self) -> Connector {
        Connector::new(HttpOptions {
            connect_timeout: self.connect_timeout,
            idle_timeout: self.idle_timeout,
            ca_file: self.ca_file.clone(),
        })
    }

    /// Returns where the bucket is, without a `/` at the end.
    pub(super) fn address(&self) -> String {
        let in_path = self.path_style.unwrap_or(self.endpoint.is_some() || self.bucket.contains('.'));
        let aws = || format!("https://s3.{}.amazonaws.com", self.region);
        let endpoint = self.endpoint.clone().unwrap_or_else(aws);
        let endpoint = endpoint.trim_end_matches('/');
        match endpoint.split_once("://") {
            Some((scheme, host)) if !in_path => format!("{scheme}://{}.{host}", self.bucket),
            _ => format!("{endpoint}/{}", self.bucket),
        }
    }

    /// Returns who signs URLs, with keys that were found before.
    pub(super) fn signer(&self, connector: &Connector, keys: AwsCredentialProvider) -> Result<AmazonS3> {
        let builder = AmazonS3Builder::new()
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_http_connector(connector.clone())
            .with_allow_http(self.allow_http)
            // The address has the bucket in it, wherever that stands.
            .with_endpoint(self.address())
            .with_virtual_hosted_style_request(true)
            .with_credentials(keys);
        builder.build().map_err(|error| translate(&error))
    }

    /// Returns who gives the keys; nobody, if nothing is signed.
    pub(super) fn provider(&self, connector: &Connector) -> Result<Option<AwsCredentialProvider>> {
        let builder = AmazonS3Builder::new()
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_http_connector(connector.clone())
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() });
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        let builder = match &self.credentials {
            S3Credentials::Anonymous => return Ok(None),
            S3Credentials::Keys { access_key, secret_key, token } => {
                let builder =
                    builder.with_access_key_id(access_key).with_secret_access_key(secret_key.expose());
                match token {
                    Some(token) => builder.with_token(token.expose()),
                    None => builder,
                }
            }
            S3Credentials::WebIdentity { token_file, role_arn, session_name } => {
                let name = session_name.as_deref().unwrap_or("longshore");
                builder
                    .with_config(AmazonS3ConfigKey::WebIdentityTokenFile, path(token_file))
                    .with_config(AmazonS3ConfigKey::RoleArn, role_arn)
                    .with_config(AmazonS3ConfigKey::RoleSessionName, name)
            }
            S3Credentials::Container { relative_uri } => {
                builder.with_config(AmazonS3ConfigKey::ContainerCredentialsRelativeUri, relative_uri)
            }
            S3Credentials::Pod { full_uri, token_file } => builder
                .with_config(AmazonS3ConfigKey::ContainerCredentialsFullUri, full_uri)
                .with_config(AmazonS3ConfigKey::ContainerAuthorizationTokenFile, path(token_file)),
            S3Credentials::Instance => builder,
        };
        let built = builder.build().map_err(|error| translate(&error))?;
        Ok(Some(Arc::clone(built.credentials())))
    }
}

#[cfg(test)]
mod tests {
    use super::{S3Credentials, S3Options};

    fn at(endpoint: Option<&str>, bucket: &str, path_style: Option<bool>) -> String {
        let endpoint = endpoint.map(str::to_owned);
        S3Options { bucket: bucket.to_owned(), endpoint, path_style, ..S3Options::default() }.address()
    }

    #[test]
    fn a_bucket_is_where_its_service_is() {
        assert_eq!(at(None, "b", None), "https://b.s3.us-east-1.amazonaws.com");
        assert_eq!(at(None, "b.c", None), "https://s3.us-east-1.amazonaws.com/b.c");
        assert_eq!(at(Some("http://h:1/"), "b", None), "http://h:1/b");
        assert_eq!(at(Some("http://h:1"), "b", Some(false)), "http://b.h:1");
    }

    #[test]
    fn wrong_options_are_refused_and_secrets_not_printed() {
        let right = S3Options {
            bucket: "b".to_owned(),
            credentials: S3Credentials::keys("ak", "hunter2"),
            ..S3Options::default()
        };
        right.check().unwrap();
        assert!(!format!("{right:?}").contains("hunter2"));
        for wrong in [
            S3Options { bucket: String::new(), ..right.clone() },
            S3Options { bucket: "a/b".to_owned(), ..right.clone() },
            S3Options { region: String::new(), ..right.clone() },
            S3Options { endpoint: Some("http://h".to_owned()), ..right.clone() },
            S3Options { part_size: 1024, ..right.clone() },
            S3Options { parts_in_flight: 0, ..right.clone() },
        ] {
            wrong.check().unwrap_err();
        }
        S3Options { endpoint: Some("http://h".to_owned()), allow_http: true, ..right }.check().unwrap();
    }
}
