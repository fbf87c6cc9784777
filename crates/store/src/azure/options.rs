//! How a container of Azure is opened.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::object::Limits;
use crate::secret::Secret;

/// Who speaks to Azure.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AzureCredential {
    /// A key of the storage account, in base64.
    Key(Secret),
    /// A shared access signature: the text after the question mark.
    Signature(Secret),
    /// A token of Entra that somebody else renews.
    Token(Secret),
    /// An application with a password, which Entra gives tokens for.
    ClientSecret {
        /// The tenant's id.
        tenant: String,
        /// The application's id.
        client: String,
        /// The password.
        secret: Secret,
    },
    /// An identity of the machine or pod that a token in a file stands for.
    WorkloadIdentity {
        /// The tenant's id.
        tenant: String,
        /// The application's id.
        client: String,
        /// The file, which somebody else renews.
        token_file: PathBuf,
    },
    /// The identity that Azure gives to the machine this runs on.
    ManagedIdentity {
        /// Which one, where the machine has several.
        client: Option<String>,
    },
}

/// How a container of Azure Blob Storage, or a filesystem of Azure Data Lake Storage Gen2, is used as a store.
#[derive(Clone, Debug)]
pub struct AzureOptions {
    /// The name of the storage account.
    pub account: String,
    /// The container, which the Data Lake calls a filesystem. It must be there.
    pub container: String,
    /// Who speaks. Default: the identity of this machine.
    pub credential: AzureCredential,
    /// The endpoint of the Blob service. Default: `https://ACCOUNT.blob.core.windows.net`.
    pub endpoint: Option<String>,
    /// The endpoint of the Data Lake service. Default: the Blob endpoint with `.dfs.` for `.blob.`, where it has that.
    pub dfs_endpoint: Option<String>,
    /// Whether the account has a hierarchical namespace. Default: it is asked at the first use, and the answer is kept.
    pub hierarchical: Option<bool>,
    /// Whether an endpoint may be plain `http`. Who listens there reads and changes everything. Default: no.
    pub allow_http: bool,
    /// How many bytes a file has at most that goes in one request, and each part of a longer one: 64 KiB to 100 MiB. Parts of what is
    /// longer than 16 GiB grow. Default: 8 MiB.
    pub part_size: usize,
    /// How many parts of one file are on their way at once; each is in memory, and one more. Default: 4.
    pub parts_in_flight: usize,
    /// A file of further root certificates (PEM), for an endpoint that has its own authority.
    pub ca_file: Option<PathBuf>,
    /// How long a connection may take to be made. Default: 10 s.
    pub connect_timeout: Duration,
    /// How long nothing may move before a request is given up. Default: 30 s.
    pub idle_timeout: Duration,
}

impl Default for AzureOptions {
    fn default() -> Self {
        let http = crate::http::HttpOptions::default();
        Self {
            account: String::new(),
            container: String::new(),
            credential: AzureCredential::ManagedIdentity { client: None },
            endpoint: None,
            dfs_endpoint: None,
            hierarchical: None,
            allow_http: false,
            part_size: 8 * 1024 * 1024,
            parts_in_flight: 4,
            ca_file: None,
            connect_timeout: http.connect_timeout,
            idle_timeout: http.idle_timeout,
        }
    }
}

/// The account that every emulator of Azure's storage has, and its published key.
const EMULATOR: (&str, &str) = (
    "devstoreaccount1",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
);

/// The least size of a part, and the largest that the Data Lake takes.
const PART_SIZES: (usize, usize) = (64 * 1024, 100 * 1024 * 1024);

impl AzureOptions {
    /// Returns options for an emulator of the Blob service (Azurite), which has no Data Lake.
    #[must_use]
    pub fn emulator(port: u16, container: impl Into<String>) -> Self {
        let (account, key) = EMULATOR;
        Self {
            account: account.to_owned(),
            container: container.into(),
            credential: AzureCredential::Key(key.into()),
            endpoint: Some(format!("http://127.0.0.1:{port}/{account}")),
            hierarchical: Some(false),
            allow_http: true,
            ..Self::default()
        }
    }

    /// Returns the endpoint of the Blob service, without a slash at its end.
    pub(super) fn blob_url(&self) -> Result<String> {
        self.check()?;
        match &self.endpoint {
            Some(endpoint) => checked(endpoint, self.allow_http),
            None => Ok(format!("https://{}.blob.core.windows.net", self.account)),
        }
    }

    /// Returns the endpoint of the Data Lake service, if it can be known.
    pub(super) fn dfs_url(&self) -> Result<Option<String>> {
        if let Some(endpoint) = &self.dfs_endpoint {
            return checked(endpoint, self.allow_http).map(Some);
        }
        let blob = self.blob_url()?;
        let dfs = blob.replacen(".blob.", ".dfs.", 1);
        Ok((dfs != blob).then_some(dfs))
    }

    fn check(&self) -> Result<()> {
        for (name, value) in [("account", &self.account), ("container", &self.container)] {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'$' | b'_');
            if value.is_empty() || !value.bytes().all(is_plain) {
                return Err(Error::new(ErrorKind::InvalidInput, format!("{value:?} is no {name} of Azure")));
            }
        }
        if self.part_size < PART_SIZES.0 || self.part_size > PART_SIZES.1 || self.parts_in_flight == 0 {
            let message = "a part has 64 KiB to 100 MiB, and at least one is on its way";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(())
    }

    /// Returns how much goes at once. A copy is one request, however long the file is.
    pub(super) const fn limits(&self) -> Limits {
        Limits {
            part_size: self.part_size,
            parts_in_flight: self.parts_in_flight,
            copy_part: u64::MAX,
            delete_batch: 256,
        }
    }
}

/// Returns an endpoint as requests are made of it.
fn checked(endpoint: &str, allow_http: bool) -> Result<String> {
    let url = endpoint.trim_end_matches('/');
    let uri: Result<http::Uri, _> = url.parse();
    match uri {
        Ok(uri) if uri.scheme_str() == Some("http") && !allow_http => Err(Error::new(
            ErrorKind::InvalidInput,
            "the endpoint is not https, and plain http is not allowed",
        )),
        Ok(uri) if matches!(uri.scheme_str(), Some("http" | "https")) && uri.query().is_none() => {
            Ok(url.to_owned())
        }
        // It is not repeated: a password may be in it.
        _ => Err(Error::new(
            ErrorKind::InvalidInput,
            "an endpoint is a URL with http or https, a host and no query",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::AzureOptions;
    use crate::error::ErrorKind;

    fn named(endpoint: Option<&str>) -> AzureOptions {
        AzureOptions {
            account: "acme".to_owned(),
            container: "data".to_owned(),
            endpoint: endpoint.map(str::to_owned),
            allow_http: true,
            ..AzureOptions::default()
        }
    }

    #[test]
    fn the_data_lake_is_beside_the_blob_service() {
        assert_eq!(named(None).blob_url().unwrap(), "https://acme.blob.core.windows.net");
        assert_eq!(named(None).dfs_url().unwrap().unwrap(), "https://acme.dfs.core.windows.net");
        let china = named(Some("https://acme.blob.core.chinacloudapi.cn/"));
        assert_eq!(china.dfs_url().unwrap().unwrap(), "https://acme.dfs.core.chinacloudapi.cn");
        assert_eq!(named(Some("http://127.0.0.1:10000/acme")).dfs_url().unwrap(), None);
    }

    #[test]
    fn what_cannot_be_an_address_is_refused() {
        for endpoint in ["", "acme", "ftp://acme", "https://", "https://acme/?sig=x"] {
            let error = named(Some(endpoint)).blob_url().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{endpoint:?}");
        }
        let plain = AzureOptions { allow_http: false, ..named(Some("http://h")) };
        assert_eq!(plain.blob_url().unwrap_err().kind(), ErrorKind::InvalidInput);
        for account in ["", "a.b", "a/b", "a@b"] {
            let options = AzureOptions { account: account.to_owned(), ..named(None) };
            assert_eq!(options.blob_url().unwrap_err().kind(), ErrorKind::InvalidInput, "{account:?}");
        }
    }
}
