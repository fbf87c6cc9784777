//! Azure: the Data Lake on our own server, and the Blob service on Azurite.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use longshore_store::testing::conformance::Outcome;
use longshore_store::{AzureCredential, AzureOptions, Capability, Store};

use crate::dfs::{self, DfsServer};
use crate::targets::{AnyError, Opened, Target};

pub(crate) const TARGETS: &[Target] =
    &[Target { name: "adls-own", lacks: &[Capability::SnapshotRead], open: || Box::pin(open_adls()) }];

/// Returns the one Data Lake of this program.
fn data_lake() -> Result<Arc<DfsServer>, AnyError> {
    static STARTED: Mutex<Option<Arc<DfsServer>>> = Mutex::new(None);
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = &*started {
        return Ok(Arc::clone(server));
    }
    Ok(Arc::clone(started.insert(Arc::new(DfsServer::start()?))))
}

/// Returns a name that no container of this program has yet.
pub(crate) fn new_container() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("suite-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Returns options for a filesystem of a server.
pub(crate) fn options_of(server: &DfsServer, filesystem: &str) -> AzureOptions {
    AzureOptions {
        account: dfs::ACCOUNT.to_owned(),
        container: filesystem.to_owned(),
        credential: AzureCredential::Key(dfs::KEY.into()),
        endpoint: Some(server.endpoint()),
        dfs_endpoint: Some(server.endpoint()),
        ..AzureOptions::default()
    }
}

async fn open_adls() -> Result<Opened, AnyError> {
    let server = data_lake()?;
    let filesystem = new_container();
    server.add_filesystem(&filesystem, true);
    let parent = Store::azure(options_of(&server, &filesystem))?;
    // It finds out what the namespace is, and what can be done there.
    parent.ping().await?;
    let store = parent.child("case")?;
    let leftovers = Box::pin(async move { nothing_hidden(&server.paths(&filesystem)) });
    Ok(Opened { parent, store, leftovers })
}

/// Fails if a file in the making was left.
pub(crate) fn nothing_hidden(paths: &[String]) -> Outcome {
    let hidden: Vec<_> = paths.iter().filter(|path| path.starts_with(".longshore-tmp/")).collect();
    if hidden.is_empty() { Ok(()) } else { Err(format!("left over: {hidden:?}").into()) }
}
