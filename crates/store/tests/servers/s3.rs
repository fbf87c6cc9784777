//! S3 on servers that keep conditions (SeaweedFS, moto) and on one that answers 200 and replaces (rclone).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use longshore_store::{
    BoxFuture, Capability, Config, ErrorKind, List, ReadOptions, RetryPolicy, S3Credentials, S3Options,
    Store, WriteOptions,
};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::bucket::Admin;
use crate::giving_up::write_given_up;
use crate::process::{Server, accepts, free_port};
use crate::targets::{AnyError, Opened, Target};
use crate::tools;

pub(crate) const ACCESS_KEY: &str = "longshore-access";
pub(crate) const SECRET_KEY: &str = "longshore-secret-key";
/// Who makes the bucket. SeaweedFS makes every bucket that such a one names.
pub(crate) const ADMIN_ACCESS_KEY: &str = "longshore-admin";
pub(crate) const ADMIN_SECRET_KEY: &str = "longshore-admin-key";
const BUCKET: &str = "trials";

/// More than a request has: three parts and a bit.
const IN_PARTS: usize = 16 * 1024 * 1024 + 1;

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "s3-seaweedfs",
        lacks: &[Capability::Hierarchy, Capability::AtomicMove],
        excused: &[("metadata_comes_back_as_it_was", "the server forgets what is empty")],
        open: || Box::pin(open(&SEAWEEDFS)),
    },
    Target {
        name: "s3-moto",
        lacks: &[Capability::Hierarchy, Capability::AtomicMove],
        excused: &[
            ("names_of_many_scripts_come_back", "the server knows no key with a line break"),
            // Its check and its write are two steps; on a busy machine others come in between.
            ("one_of_many_creators_wins", "the server's own condition is a race"),
        ],
        open: || Box::pin(open(&MOTO)),
    },
    Target {
        name: "s3-rclone",
        lacks: &[Capability::Hierarchy, Capability::AtomicMove, Capability::AtomicCreate],
        excused: &[("metadata_comes_back_as_it_was", "the server adds `mtime`")],
        open: || Box::pin(open(&RCLONE)),
    },
];

static SEAWEEDFS: Kind =
    Kind { name: "seaweedfs", program: "weed", arguments: seaweedfs, running: OnceCell::const_new() };
static MOTO: Kind =
    Kind { name: "moto", program: "moto_server", arguments: moto, running: OnceCell::const_new() };
static RCLONE: Kind =
    Kind { name: "rclone", program: "rclone", arguments: rclone, running: OnceCell::const_new() };

/// What SeaweedFS leaves outside of its folder, and has no option for.
static SOCKETS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Takes away what servers that were ended have left.
pub(crate) fn sweep() {
    for socket in SOCKETS.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        std::fs::remove_file(socket).ok();
    }
}

/// A server that speaks S3.
struct Kind {
    name: &'static str,
    program: &'static str,
    /// Gives its arguments, for a port and a folder for its data.
    arguments: fn(u16, &Path) -> std::io::Result<Vec<String>>,
    running: OnceCell<Arc<Server>>,
}

fn seaweedfs(port: u16, data: &Path) -> std::io::Result<Vec<String>> {
    let identity = |access_key: &str, secret_key: &str, actions: &str| {
        format!(
            r#"{{"name":"{access_key}","credentials":[{{"accessKey":"{access_key}","secretKey":"{secret_key}"}}],"actions":[{actions}]}}"#
        )
    };
    let user = identity(ACCESS_KEY, SECRET_KEY, r#""Read","Write","List","Tagging""#);
    let admin = identity(ADMIN_ACCESS_KEY, ADMIN_SECRET_KEY, r#""Admin""#);
    let keys = format!(r#"{{"identities":[{user},{admin}]}}"#);
    let config = data.join("s3.json");
    std::fs::write(&config, keys)?;
    let data = data.display();
    let mut arguments: Vec<String> = [
        "server",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-volume.max=60",
        "-master.volumeSizeLimitMB=128",
        "-master.telemetry=false",
        "-filer",
        "-s3",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
    ]
    .map(str::to_owned)
    .into();
    arguments.push(format!("-dir={data}"));
    arguments.push(format!("-s3.port={port}"));
    arguments.push(format!("-s3.config={}", config.display()));
    for name in ["s3", "filer"] {
        arguments.push(format!("-{name}.localSocket={data}/{name}.sock"));
    }
    for name in ["master", "volume", "filer", "s3"] {
        if name != "s3" {
            arguments.push(format!("-{name}.port={}", free_port()?));
        }
        let port = free_port()?;
        arguments.push(format!("-{name}.port.grpc={port}"));
        let socket = PathBuf::from(format!("/tmp/seaweedfs-{name}-grpc-{port}.sock"));
        SOCKETS.lock().unwrap_or_else(PoisonError::into_inner).push(socket);
    }
    Ok(arguments)
}

fn moto(port: u16, _: &Path) -> std::io::Result<Vec<String>> {
    Ok(["-H", "127.0.0.1", "-p", &port.to_string()].map(str::to_owned).into())
}

fn rclone(port: u16, data: &Path) -> std::io::Result<Vec<String>> {
    let served = data.join("served");
    std::fs::create_dir_all(&served)?;
    let keys = [(ACCESS_KEY, SECRET_KEY), (ADMIN_ACCESS_KEY, ADMIN_SECRET_KEY)];
    let mut arguments: Vec<String> = ["serve", "s3", "--no-unicode-normalization"].map(str::to_owned).into();
    for (access_key, secret_key) in keys {
        arguments.extend(["--auth-key".to_owned(), format!("{access_key},{secret_key}")]);
    }
    arguments.extend(["--config".to_owned(), data.join("rclone.conf").display().to_string()]);
    arguments.extend(["--addr".to_owned(), format!("127.0.0.1:{port}"), served.display().to_string()]);
    Ok(arguments)
}

impl Kind {
    /// Starts a server on data of its own, or on those of another, and makes the bucket unless it is there.
    async fn start(&self, data: Option<&Path>) -> Result<Arc<Server>, AnyError> {
        let program = tools::python(self.program)?;
        let server = Server::start(
            self.name,
            |port, own| {
                let data = data.unwrap_or(own);
                let mut command = Command::new(program);
                command.args((self.arguments)(port, data)?).env("HOME", own);
                Ok(command)
            },
            accepts,
        )?;
        // Some take connections long before they can store anything.
        let begun = Instant::now();
        let ready = Admin::new(server.port, BUCKET);
        while let Err(error) = ready.make().await {
            if begun.elapsed() > Duration::from_secs(90) {
                return Err(format!("{} stores nothing after 90 s: {error}", self.name).into());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(server)
    }

    async fn port(&self) -> Result<u16, AnyError> {
        Ok(self.running.get_or_try_init(|| self.start(None)).await?.port)
    }
}

fn options(port: u16) -> S3Options {
    S3Options {
        bucket: BUCKET.to_owned(),
        endpoint: Some(format!("http://127.0.0.1:{port}")),
        allow_http: true,
        credentials: S3Credentials::keys(ACCESS_KEY, SECRET_KEY),
        part_size: 5 * 1024 * 1024,
        ..S3Options::default()
    }
}

async fn open(kind: &'static Kind) -> Result<Opened, AnyError> {
    static TRIALS: AtomicU64 = AtomicU64::new(0);
    let port = kind.port().await?;
    let mut parent = Store::s3(options(port))?;
    if kind.name != "seaweedfs" {
        // They fail now and then while others change something, and do not when they are asked again.
        parent = parent.with_retry(RetryPolicy::default());
    }
    // Tries out what it is.
    parent.ping().await?;
    let prefix = format!("trial-{}", TRIALS.fetch_add(1, Ordering::Relaxed));
    let store = parent.child(&prefix)?;
    let leftovers = Box::pin(async move {
        let left = Admin::new(port, BUCKET).uploads(&prefix).await?;
        if left.is_empty() { Ok(()) } else { Err(format!("uploads are left over: {left:?}").into()) }
    });
    Ok(Opened { parent, store, leftovers })
}

type Test = fn(&'static Kind) -> BoxFuture<'static, Result<(), AnyError>>;

/// What is tried besides the suite, and on which servers.
const FURTHER: &[(&str, &[&Kind], Test)] = &[
    ("a_missing_bucket_is_a_missing_path", &[&SEAWEEDFS, &MOTO, &RCLONE], |kind| {
        Box::pin(missing_bucket(kind))
    }),
    ("wrong_credentials_are_refused", &[&SEAWEEDFS, &RCLONE], |kind| Box::pin(wrong_credentials(kind))),
    ("a_server_that_dies_leaves_nothing_seen", &[&SEAWEEDFS, &RCLONE], |kind| Box::pin(dying_server(kind))),
    ("a_probe_is_made_once_and_leaves_nothing", &[&SEAWEEDFS, &MOTO, &RCLONE], |kind| {
        Box::pin(one_probe(kind))
    }),
    ("a_url_opens_a_folder_of_a_bucket", &[&SEAWEEDFS, &MOTO, &RCLONE], |kind| Box::pin(by_url(kind))),
    ("markers_are_folders", &[&SEAWEEDFS, &MOTO], |kind| Box::pin(markers(kind))),
    ("writers_given_up_at_any_point_leave_no_parts", &[&SEAWEEDFS, &MOTO], |kind| Box::pin(given_up(kind))),
];

pub(crate) fn trials() -> Vec<Trial> {
    let missing = tools::missing();
    let mut trials = Vec::new();
    for (name, kinds, test) in FURTHER {
        for kind in *kinds {
            let test = *test;
            let kind: &'static Kind = kind;
            let trial = Trial::test(format!("s3-{}::{name}", kind.name), move || {
                crate::block_on(test(kind)).map_err(|error| format!("{error:?}").into())
            });
            let why = missing.clone().unwrap_or_default();
            trials.push(trial.with_ignored_flag(!why.is_empty()).with_kind(why));
        }
    }
    trials
}

/// Fails unless the result is an error of this kind.
#[track_caller]
fn fails<T: std::fmt::Debug>(result: longshore_store::Result<T>, kind: ErrorKind) -> Result<(), AnyError> {
    let place = std::panic::Location::caller();
    match result {
        Err(error) if error.kind() == kind => {
            let told = format!("{error:?}");
            if told.contains(SECRET_KEY) { Err(format!("{place}: a secret is told").into()) } else { Ok(()) }
        }
        found => Err(format!("{place}: found {found:?}, wanted {kind:?}").into()),
    }
}

async fn missing_bucket(kind: &Kind) -> Result<(), AnyError> {
    let store = Store::s3(S3Options { bucket: "nobody-made-me".to_owned(), ..options(kind.port().await?) })?;
    fails(store.read("file", ReadOptions::default()).await, ErrorKind::NotFound)?;
    fails(store.file_info("file").await, ErrorKind::NotFound)?;
    fails(store.delete("file", false).await, ErrorKind::NotFound)?;
    store.delete("file", true).await?;
    fails(store.delete_folder("folder", true, false).await, ErrorKind::NotFound)?;
    assert!(!store.exists("file").await?);
    let mut listing = store.list_files("", &List::ALL)?;
    assert!(listing.next_entry().await?.is_none());
    fails(store.ping().await, ErrorKind::NotFound)?;
    // Who may not make buckets is told there that it may not write.
    let written = if kind.name == "seaweedfs" { ErrorKind::PermissionDenied } else { ErrorKind::NotFound };
    fails(store.write("file", "x", WriteOptions::OVERWRITE).await, written)?;
    fails(store.write("file", "x", WriteOptions::default()).await, written)?;
    fails(store.write("file", vec![0; IN_PARTS], WriteOptions::OVERWRITE).await, written)?;
    store.close().await?;
    Ok(())
}

async fn wrong_credentials(kind: &Kind) -> Result<(), AnyError> {
    let port = kind.port().await?;
    for credentials in [
        S3Credentials::keys(ACCESS_KEY, format!("not-{SECRET_KEY}")),
        S3Credentials::keys("nobody-i-know", SECRET_KEY),
    ] {
        let store = Store::s3(S3Options { credentials, ..options(port) })?;
        fails(store.read("file", ReadOptions::default()).await, ErrorKind::PermissionDenied)?;
        fails(store.exists("file").await, ErrorKind::PermissionDenied)?;
        fails(store.delete("file", true).await, ErrorKind::PermissionDenied)?;
        fails(store.write("file", "x", WriteOptions::OVERWRITE).await, ErrorKind::PermissionDenied)?;
        fails(
            store.write("file", vec![0; IN_PARTS], WriteOptions::OVERWRITE).await,
            ErrorKind::PermissionDenied,
        )?;
        let mut listing = store.list_files("", &List::ALL)?;
        fails(listing.next_entry().await, ErrorKind::PermissionDenied)?;
        fails(store.ping().await, ErrorKind::PermissionDenied)?;
        store.close().await?;
    }
    Ok(())
}

async fn dying_server(kind: &Kind) -> Result<(), AnyError> {
    let data = TempDir::new()?;
    let server = kind.start(Some(data.path())).await?;
    let short = S3Options {
        connect_timeout: Duration::from_secs(2),
        idle_timeout: Duration::from_secs(5),
        ..options(server.port)
    };
    let store = Store::s3(short)?;
    store.write("old", "old", WriteOptions::default()).await?;
    let mut writer = store.open_write("new", WriteOptions::default()).await?;
    let mut replacer = store.open_write("old", WriteOptions::OVERWRITE).await?;
    writer.write(vec![1; IN_PARTS]).await?;
    replacer.write(vec![1; IN_PARTS]).await?;
    server.stop();
    let written = match writer.write(vec![1; IN_PARTS]).await {
        Ok(()) => writer.finish().await.map(drop),
        Err(error) => {
            drop(writer);
            Err(error)
        }
    };
    fails(written, ErrorKind::Unavailable)?;
    fails(replacer.finish().await, ErrorKind::Unavailable)?;
    fails(store.read("old", ReadOptions::default()).await, ErrorKind::Unavailable)?;
    fails(store.ping().await, ErrorKind::Unavailable)?;
    store.close().await?;
    let again = kind.start(Some(data.path())).await?;
    let store = Store::s3(options(again.port))?;
    assert!(!store.exists("new").await?);
    assert_eq!(&store.read_bytes("old").await?[..], b"old");
    again.stop();
    Ok(())
}

async fn one_probe(kind: &Kind) -> Result<(), AnyError> {
    let port = kind.port().await?;
    // A bucket of its own, where nobody else tries anything out.
    let admin = Admin::new(port, "probed");
    admin.make().await?;
    let options = S3Options { bucket: "probed".to_owned(), ..options(port) };
    let store = Store::s3(options.clone())?;
    assert!(!store.supports(Capability::AtomicCreate), "claimed before anybody knows");
    let honest = kind.name != "rclone";
    // What replaces needs no answer, and asks for none.
    store.write("probe/replaced", "x", WriteOptions::OVERWRITE).await?;
    assert!(!store.supports(Capability::AtomicCreate));
    let writes = (0..8).map(|number| {
        let store = store.clone();
        async move { store.write(&format!("probe/{number}"), "x", WriteOptions::OVERWRITE).await }
    });
    futures_util::future::try_join_all(writes).await?;
    store.delete("probe/new", true).await?;
    store.write("probe/new", "x", WriteOptions::default()).await?;
    fails(store.write("probe/new", "y", WriteOptions::default()).await, ErrorKind::AlreadyExists)?;
    assert_eq!(store.supports(Capability::AtomicCreate), honest);
    assert_eq!(admin.keys(".longshore-tmp").await?, Vec::<String>::new());
    let told = Store::s3(S3Options { conditional_writes: Some(false), ..options })?;
    told.ping().await?;
    assert!(!told.supports(Capability::AtomicCreate));
    fails(told.write("probe/new", "y", WriteOptions::default()).await, ErrorKind::AlreadyExists)?;
    store.delete_folder("probe", true, false).await?;
    Ok(())
}

async fn by_url(kind: &Kind) -> Result<(), AnyError> {
    let port = kind.port().await?;
    let url = format!(
        "s3://{BUCKET}/by/url?endpoint=http://127.0.0.1:{port}&allow_http=true&secret_access_key=${{KEY}}"
    );
    let config = Config::parse(&url)?
        .with_option("access_key_id", ACCESS_KEY)
        .with_environment([("KEY".to_owned(), SECRET_KEY.to_owned())]);
    let store = Store::open(config)?;
    store.write("file", "content", WriteOptions::OVERWRITE).await?;
    assert_eq!(store.native_path("file")?, format!("s3://{BUCKET}/by/url/file"));
    let whole = Store::s3(options(port))?;
    assert_eq!(&whole.read_bytes("by/url/file").await?[..], b"content");
    whole.delete_folder("by", true, false).await?;
    Ok(())
}

async fn markers(kind: &Kind) -> Result<(), AnyError> {
    let port = kind.port().await?;
    let admin = Admin::new(port, BUCKET);
    for key in ["marked/", "marked/inner/", "marked/empty/"] {
        admin.put(key, "").await?;
    }
    admin.put("marked/inner/file", "x").await?;
    let store = Store::s3(options(port))?.child("marked")?;
    for depth in [List::ALL, List { max_depth: Some(3), pattern: None }] {
        let mut found = Vec::new();
        let mut listing = store.list_files("", &depth)?;
        while let Some(file) = listing.next_entry().await? {
            found.push(file.path.to_string());
        }
        assert_eq!(found, ["inner/file"]);
        let mut found = Vec::new();
        let mut listing = store.list_folders("", &depth)?;
        while let Some(folder) = listing.next_entry().await? {
            found.push(folder.path.to_string());
        }
        found.sort();
        assert_eq!(found, ["empty", "inner"]);
    }
    assert!(store.is_folder("empty").await?);
    fails(store.read("empty", ReadOptions::default()).await, ErrorKind::InvalidPath)?;
    fails(store.delete("empty", true).await, ErrorKind::InvalidPath)?;
    fails(store.delete_folder("inner", false, false).await, ErrorKind::DirectoryNotEmpty)?;
    store.delete_folder("empty", false, false).await?;
    assert!(!store.exists("empty").await?);
    store.delete_folder("inner", true, false).await?;
    assert!(!store.exists("inner").await?);
    Ok(())
}

/// Drops a write after each of many waits, from the first request to the last.
async fn given_up(kind: &Kind) -> Result<(), AnyError> {
    let port = kind.port().await?;
    let parent = Store::s3(options(port))?;
    parent.ping().await?;
    let store = parent.child("given-up")?;
    let content = bytes::Bytes::from(vec![7; IN_PARTS]);
    for polls in 0..40 {
        let path = format!("file-{polls}");
        write_given_up(&store, &parent, &path, &content, polls).await?;
    }
    let left = Admin::new(port, BUCKET).uploads("given-up").await?;
    assert!(left.is_empty(), "uploads are left over: {left:?}");
    store.delete_folder("", true, true).await.ok();
    parent.delete_folder("given-up", true, true).await?;
    Ok(())
}
