//! Azure: the Data Lake on our own server, and the Blob service on Azurite.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use longshore_store::testing::conformance::Outcome;
use longshore_store::{AzureCredential, AzureOptions, Capability, Store};
use tokio::sync::OnceCell;

use crate::dfs::{self, DfsServer};
use crate::http_server::{self, Request};
use crate::process::{Server, accepts};
use crate::shared_key::authorization;
use crate::targets::{AnyError, Opened, Target};
use crate::tools;

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "adls-own",
        lacks: &[Capability::SnapshotRead],
        excused: &[],
        open: || Box::pin(open_adls()),
    },
    Target {
        name: "azure-azurite",
        lacks: &[Capability::Hierarchy, Capability::AtomicMove, Capability::SnapshotRead],
        excused: &[],
        open: || Box::pin(open_azurite()),
    },
];

/// More than a file has that goes in one request.
pub(crate) const IN_PARTS: usize = 3 * 1024 * 1024;

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
        allow_http: true,
        part_size: 1024 * 1024,
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

/// Starts Azurite, whose account and key are always the same.
pub(crate) fn start_azurite() -> Result<Arc<Server>, AnyError> {
    let program = tools::npm("azurite-blob")?;
    let start = |port: u16, folder: &std::path::Path| {
        let mut command = Command::new(program);
        command.args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string(), "--inMemoryPersistence"]);
        command.args(["--silent", "--skipApiVersionCheck", "--disableTelemetry"]).env("HOME", folder);
        Ok(command)
    };
    Ok(Server::start("azurite", start, accepts)?)
}

/// Returns the one Azurite of this program.
pub(crate) async fn azurite() -> Result<Arc<Server>, AnyError> {
    static STARTED: OnceCell<Arc<Server>> = OnceCell::const_new();
    STARTED.get_or_try_init(|| async { start_azurite() }).await.cloned()
}

/// Returns options for a container of Azurite that is made now.
pub(crate) fn azurite_options(server: &Server) -> Result<AzureOptions, AnyError> {
    let options =
        AzureOptions { part_size: 1024 * 1024, ..AzureOptions::emulator(server.port, new_container()) };
    let AzureCredential::Key(key) = &options.credential else {
        return Err("an emulator has a key".into());
    };
    let mut request = Request {
        method: "PUT".to_owned(),
        raw_path: format!("/{}/{}", options.account, options.container),
        query: vec![("restype".to_owned(), "container".to_owned())],
        ..Request::default()
    };
    #[expect(clippy::disallowed_methods, reason = "a signed request says when it was made")]
    let date = httpdate::fmt_http_date(SystemTime::now());
    for (name, value) in [("x-ms-date", &*date), ("x-ms-version", "2023-11-03"), ("content-length", "0")] {
        request.headers.insert(name.to_owned(), value.to_owned());
    }
    let signed = authorization(&request, &options.account, key.expose());
    request.headers.insert("authorization".to_owned(), signed);
    match http_server::send(server.port, &request)? {
        201 => Ok(options),
        status => Err(format!("a container was not made: {status}").into()),
    }
}

async fn open_azurite() -> Result<Opened, AnyError> {
    let parent = Store::azure(azurite_options(&*azurite().await?)?)?;
    let store = parent.child("case")?;
    // Blocks that were never stored the service forgets by itself, and lists nowhere.
    let leftovers = Box::pin(async { Ok(()) });
    Ok(Opened { parent, store, leftovers })
}
