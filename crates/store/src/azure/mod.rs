//! A store on Azure: one type in front of the Data Lake endpoint and the Blob endpoint.
//!
//! An account has a hierarchical namespace or it has not, for good; the two want different requests. Which it is, is asked at the
//! first use and kept for this store (`namespace`). A failure to find out is not kept.

mod blob;
mod config;
pub(crate) mod endpoint;
mod namespace;
mod options;
mod signature;

use std::fmt::{self, Debug};
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder, split_sas};
use object_store::{ClientOptions, RetryConfig};
use tokio::sync::OnceCell;

use self::blob::Blob;
use self::endpoint::{Endpoint, SharedEndpoint};
pub use self::options::{AzureCredential, AzureOptions};
use self::signature::Signer;
use crate::adls::Adls;
use crate::backend::{Backend, BoxFuture, BoxStream, WriteSink};
use crate::capability::CapabilitySet;
use crate::error::{Error, ErrorKind, Result};
use crate::http::{Connector, HttpOptions};
use crate::info::{Entry, FileInfo, ListOptions, ReadOptions, WriteOptions};
use crate::object::Objects;
use crate::object::request::encoded_path;
use crate::path::StorePath;
use crate::presign::PresignOptions;
use crate::read::Read;
use crate::secret::Secret;
use crate::store::Store;

/// The backend on Azure.
#[derive(Clone)]
pub(crate) struct Azure(Arc<Shared>);

struct Shared {
    container: String,
    blob: SharedEndpoint,
    /// None where an endpoint was named that tells nothing of the Data Lake.
    dfs: Option<SharedEndpoint>,
    flat: Arc<dyn Backend>,
    deep: Option<Arc<dyn Backend>>,
    /// Who signs addresses, where there is a key.
    signer: Option<Signer>,
    /// Whether the namespace is hierarchical, once it is known.
    hierarchical: OnceCell<bool>,
}

impl Store {
    /// Opens a container of Azure Blob Storage, or a filesystem of Azure Data Lake Storage Gen2. This does no I/O.
    ///
    /// Which of both it is, is asked at the first use, and kept for this store. Until then the store has the capabilities that
    /// both have ([`Store::ping`] finds out). Where it cannot be found out every verb fails, and asks anew the next time;
    /// [`AzureOptions::hierarchical`] says it once for all.
    pub fn azure(options: AzureOptions) -> Result<Self> {
        Azure::open(options).map(Self::new).map_err(|error| error.located("", Azure::NAME))
    }
}

impl Azure {
    pub(crate) const NAME: &str = "azure";

    fn open(options: AzureOptions) -> Result<Self> {
        let blob_url = options.blob_url()?;
        let dfs_url = options.dfs_url()?;
        let connector = Connector::new(HttpOptions {
            connect_timeout: options.connect_timeout,
            idle_timeout: options.idle_timeout,
            ca_file: options.ca_file.clone(),
        });
        let store = builder(&options, &blob_url)?.with_http_connector(connector.clone()).build();
        let store = store.map_err(|error| {
            Error::new(ErrorKind::InvalidInput, "these options open no container of Azure").with_source(error)
        })?;
        let endpoint = |url: String| {
            let http = connector.client(is_plain(&url));
            let (account, credentials) = (options.account.clone(), Arc::clone(store.credentials()));
            Arc::new(Endpoint { url, account, credentials, http })
        };
        let (blob, dfs) = (endpoint(blob_url), dfs_url.map(endpoint));
        if dfs.is_none() && options.hierarchical == Some(true) {
            return Err(no_data_lake());
        }
        let signer = match &options.credential {
            AzureCredential::Key(key) => Some(Signer::new(&options.account, key)?),
            _ => None,
        };
        let limits = options.limits();
        let deep = dfs.clone().map(|dfs| {
            let deep: Arc<dyn Backend> = Arc::new(Adls::new(dfs, options.container.clone(), limits));
            deep
        });
        let flat = Arc::new(Objects::new(Blob::new(Arc::clone(&blob), options.container.clone(), limits)));
        Ok(Self(Arc::new(Shared {
            container: options.container,
            blob,
            dfs,
            flat,
            deep,
            signer,
            hierarchical: OnceCell::new_with(options.hierarchical),
        })))
    }

    /// Returns the backend of this kind of namespace, having found out which it is.
    async fn chosen(&self) -> Result<&Arc<dyn Backend>> {
        let shared = &*self.0;
        let ask = || namespace::is_hierarchical(shared.dfs.as_deref(), &shared.blob, &shared.container);
        match (*shared.hierarchical.get_or_try_init(ask).await?, &shared.deep) {
            (false, _) => Ok(&shared.flat),
            (true, Some(deep)) => Ok(deep),
            (true, None) => Err(no_data_lake()),
        }
    }

    /// Returns the backend, if it is known.
    fn known(&self) -> Option<&Arc<dyn Backend>> {
        match (self.0.hierarchical.get()?, &self.0.deep) {
            (true, deep) => deep.as_ref(),
            (false, _) => Some(&self.0.flat),
        }
    }
}

fn no_data_lake() -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        "the namespace is hierarchical, and the option `dfs_endpoint` must say where its endpoint is",
    )
}

fn is_plain(url: &str) -> bool {
    url.starts_with("http://")
}

/// Hands the options to `object_store`, which must look at nothing else: neither at the environment nor for redirects.
fn builder(options: &AzureOptions, blob_url: &str) -> Result<MicrosoftAzureBuilder> {
    let builder = MicrosoftAzureBuilder::new()
        .with_account(&options.account)
        .with_container_name(&options.container)
        .with_endpoint(blob_url.to_owned())
        .with_client_options(ClientOptions::new().with_allow_http(is_plain(blob_url)))
        // The store's own wrapper tries again, of what can be.
        .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() });
    Ok(match &options.credential {
        AzureCredential::Key(key) => builder.with_access_key(key.expose()),
        AzureCredential::Signature(signature) => {
            let pairs = split_sas(signature.expose()).map_err(|_| {
                // What is wrong with it would repeat it.
                Error::new(ErrorKind::InvalidInput, "the shared access signature is none")
            })?;
            builder.with_sas_authorization(pairs)
        }
        AzureCredential::Token(token) => builder.with_bearer_token_authorization(token.expose()),
        AzureCredential::ClientSecret { tenant, client, secret } => {
            builder.with_client_secret_authorization(client, secret.expose(), tenant)
        }
        AzureCredential::WorkloadIdentity { tenant, client, token_file } => builder
            .with_tenant_id(tenant)
            .with_client_id(client)
            .with_federated_token_file(token_file.to_string_lossy()),
        AzureCredential::ManagedIdentity { client } => match client {
            Some(client) => builder.with_client_id(client),
            None => builder,
        }
        .with_config(AzureConfigKey::CredentialType, "managed_identity"),
    })
}

impl Backend for Azure {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn capabilities(&self) -> CapabilitySet {
        match self.known() {
            Some(backend) => backend.capabilities(),
            None => {
                let flat = self.0.flat.capabilities();
                flat.iter()
                    .filter(|has| !Adls::CAPABILITIES.contains(*has))
                    .fold(flat, CapabilitySet::without)
            }
        }
    }

    fn read<'a>(&'a self, path: &'a StorePath, options: &'a ReadOptions) -> BoxFuture<'a, Result<Read>> {
        Box::pin(async move { self.chosen().await?.read(path, options).await })
    }

    fn open_write<'a>(
        &'a self,
        path: &'a StorePath,
        options: &'a WriteOptions,
    ) -> BoxFuture<'a, Result<Box<dyn WriteSink>>> {
        Box::pin(async move { self.chosen().await?.open_write(path, options).await })
    }

    fn stat<'a>(&'a self, path: &'a StorePath) -> BoxFuture<'a, Result<Entry>> {
        Box::pin(async move { self.chosen().await?.stat(path).await })
    }

    fn list(&self, path: &StorePath, options: ListOptions) -> BoxStream<'static, Result<Vec<Entry>>> {
        if let Some(known) = self.known() {
            return known.list(path, options);
        }
        let (azure, path) = (self.clone(), path.clone());
        let begun = stream::once(async move {
            match azure.chosen().await {
                Ok(chosen) => chosen.list(&path, options),
                Err(error) => stream::iter([Err(error)]).boxed(),
            }
        });
        Box::pin(begun.flatten())
    }

    fn delete<'a>(&'a self, path: &'a StorePath) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.chosen().await?.delete(path).await })
    }

    fn delete_folder<'a>(&'a self, path: &'a StorePath, recursive: bool) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.chosen().await?.delete_folder(path, recursive).await })
    }

    fn copy_file<'a>(
        &'a self,
        from: &'a StorePath,
        to: &'a StorePath,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        Box::pin(async move { self.chosen().await?.copy_file(from, to, overwrite).await })
    }

    fn move_file<'a>(
        &'a self,
        from: &'a StorePath,
        to: &'a StorePath,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.chosen().await?.move_file(from, to, overwrite).await })
    }

    fn presign_read<'a>(
        &'a self,
        path: &'a StorePath,
        options: &'a PresignOptions,
    ) -> BoxFuture<'a, Result<Option<Secret>>> {
        let Shared { signer, blob, container, .. } = &*self.0;
        let signed = signer.as_ref().map(|signer| signer.address(&blob.url, container, path, options));
        Box::pin(std::future::ready(signed.transpose()))
    }

    fn inner(&self) -> Option<&dyn Backend> {
        self.known().map(|known| &**known)
    }

    /// Every file has its address at the Blob service, whatever the namespace is.
    fn native_path(&self, path: &StorePath) -> String {
        format!("{}/{}/{}", self.0.blob.url, self.0.container, encoded_path(path))
    }

    fn path_of_native(&self, native: &str) -> Option<StorePath> {
        let below = native.strip_prefix(&self.0.blob.url)?.strip_prefix('/')?;
        let encoded = below.strip_prefix(&self.0.container)?.strip_prefix('/')?;
        let decoded = percent_encoding::percent_decode_str(encoded).decode_utf8().ok()?;
        StorePath::parse(&decoded).ok()
    }

    fn ping(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.chosen().await?.ping().await })
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            match self.known() {
                Some(known) => known.close().await,
                // Nothing was ever begun.
                None => Ok(()),
            }
        })
    }
}

impl Debug for Azure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Azure")
            .field("container", &format_args!("{}/{}", self.0.blob.url, self.0.container))
            .field("hierarchical", &self.0.hierarchical.get())
            .finish_non_exhaustive()
    }
}
