//! Google Cloud Storage: on the emulator that PyPI has, and on our own server, which keeps conditions.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::Trial;
use longshore_store::{
    BoxFuture, Capability, ErrorKind, GcsCredential, GcsOptions, List, ReadOptions, Store, WriteOptions,
};
use tokio::sync::OnceCell;

use crate::gcs_server::{GcsServer, TOKEN};
use crate::giving_up::write_given_up;
use crate::process::{Server, accepts};
use crate::targets::{AnyError, Opened, Target};
use crate::tools;

const BUCKET: &str = "longshore";

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "gcs-own",
        lacks: &[Capability::Hierarchy, Capability::AtomicMove],
        excused: &[],
        open: || Box::pin(open_own()),
    },
    Target {
        name: "gcs-emulator",
        lacks: &[Capability::Hierarchy, Capability::AtomicMove, Capability::AtomicCreate],
        excused: &[
            ("ranges_are_cut_to_the_file", "it ignores a range from the end"),
            ("an_aborted_writer_leaves_nothing", "it cannot give up an upload (501)"),
        ],
        open: || Box::pin(open_emulator()),
    },
];

/// More than a file has that goes in one request.
const IN_PARTS: usize = 3 * 1024 * 1024;

fn options_of(server: &GcsServer, bucket: &str) -> GcsOptions {
    server.add_bucket(bucket);
    GcsOptions {
        bucket: bucket.to_owned(),
        credential: GcsCredential::Token(TOKEN.into()),
        endpoint: Some(server.endpoint()),
        allow_http: true,
        part_size: 1024 * 1024,
        ..GcsOptions::default()
    }
}

/// Returns the one server of our own of this program.
fn own() -> Result<Arc<GcsServer>, AnyError> {
    static STARTED: Mutex<Option<Arc<GcsServer>>> = Mutex::new(None);
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = &*started {
        return Ok(Arc::clone(server));
    }
    Ok(Arc::clone(started.insert(Arc::new(GcsServer::start()?))))
}

fn number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

async fn open_own() -> Result<Opened, AnyError> {
    let server = own()?;
    let bucket = format!("suite-{}", number());
    let parent = Store::gcs(options_of(&server, &bucket))?;
    // It finds out whether conditions are kept.
    parent.ping().await?;
    let store = parent.child("case")?;
    let leftovers = Box::pin(async move { nothing_open(&server, &bucket).map_err(Into::into) });
    Ok(Opened { parent, store, leftovers })
}

/// Fails if an upload was left open, or what was tried out.
fn nothing_open(server: &GcsServer, bucket: &str) -> Result<(), String> {
    let mut left = server.uploads(bucket);
    left.extend(server.objects(bucket).into_iter().filter(|name| name.starts_with(".longshore-tmp")));
    if left.is_empty() { Ok(()) } else { Err(format!("left over: {left:?}")) }
}

/// Returns the port of the one emulator of this program.
async fn emulator() -> Result<u16, AnyError> {
    static STARTED: OnceCell<(u16, Arc<Server>)> = OnceCell::const_new();
    let start = || async {
        let program = tools::python("gcp-storage-emulator")?;
        let command = |port: u16, _: &std::path::Path| {
            let mut command = Command::new(program);
            command.args(["start", "--host=127.0.0.1", "--in-memory"]);
            command.args([format!("--port={port}"), format!("--default-bucket={BUCKET}")]);
            Ok(command)
        };
        let server = Server::start("gcp-storage-emulator", command, accepts)?;
        Ok::<_, AnyError>((one_by_one(server.port)?, server))
    };
    STARTED.get_or_try_init(start).await.map(|(port, _)| *port)
}

/// Listens in front of a server that waits for one connection at a time, and for ever if no request comes on it: gives it one
/// after the other, each when its request has begun. Returns the port; the thread ends with this program.
fn one_by_one(server: u16) -> std::io::Result<u16> {
    static TURN: Mutex<()> = Mutex::new(());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    let forward = move |client: TcpStream| -> std::io::Result<()> {
        if client.peek(&mut [0])? == 0 {
            return Ok(());
        }
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, server))?;
        let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
        let request = std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        // It closes the connection after each answer, which is kept here: whoever reads it slowly makes nobody else wait.
        let mut answer = Vec::new();
        server.read_to_end(&mut answer)?;
        drop(turn);
        (&client).write_all(&answer)?;
        client.shutdown(Shutdown::Both)?;
        server.shutdown(Shutdown::Both).ok();
        request.join().ok();
        Ok(())
    };
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            std::thread::spawn(move || forward(client));
        }
    });
    Ok(port)
}

async fn open_emulator() -> Result<Opened, AnyError> {
    let port = emulator().await?;
    let parent = Store::gcs(GcsOptions {
        bucket: BUCKET.to_owned(),
        credential: GcsCredential::Anonymous,
        endpoint: Some(format!("http://127.0.0.1:{port}")),
        allow_http: true,
        part_size: 1024 * 1024,
        ..GcsOptions::default()
    })?;
    parent.ping().await?;
    let store = parent.child(&format!("case-{}", number()))?;
    // It does not list uploads that were begun.
    let leftovers = Box::pin(async { Ok(()) });
    Ok(Opened { parent, store, leftovers })
}

type Done = Result<(), AnyError>;
type Test = fn() -> BoxFuture<'static, Done>;

/// What is tried besides the suite.
const FURTHER: &[(&str, Test)] = &[
    ("gcs-own::a_missing_bucket_is_a_missing_path", || Box::pin(missing())),
    ("gcs-own::wrong_credentials_are_refused", || Box::pin(wrong_credentials())),
    ("gcs-own::a_server_that_dies_leaves_nothing_seen", || Box::pin(dies())),
    ("gcs-own::writers_given_up_at_any_point_leave_no_upload", || Box::pin(given_up())),
    ("gcs-own::a_file_stored_meanwhile_is_not_replaced", || Box::pin(stored_meanwhile())),
];

pub(crate) fn trials() -> Vec<Trial> {
    let missing = tools::missing();
    let trial = |(name, test): &(&str, Test)| {
        let test = *test;
        let run = move || crate::block_on(test()).map_err(|error| format!("{error:?}").into());
        let why = missing.clone().unwrap_or_default();
        Trial::test(*name, run).with_ignored_flag(!why.is_empty()).with_kind(why)
    };
    FURTHER.iter().map(trial).collect()
}

const WRONG_TOKEN: &str = "somebody-else-s-token";

/// Fails unless the result is an error of this kind, in which no token is told.
#[track_caller]
fn fails<T: std::fmt::Debug>(result: longshore_store::Result<T>, kind: ErrorKind) -> Done {
    let place = std::panic::Location::caller();
    match result {
        Err(error) if error.kind() == kind => {
            let told = format!("{error} {error:?}");
            if told.contains(WRONG_TOKEN) { Err(format!("{place}: a token is told").into()) } else { Ok(()) }
        }
        found => Err(format!("{place}: found {found:?}, wanted {kind:?}").into()),
    }
}

async fn missing() -> Done {
    let server = GcsServer::start()?;
    let store =
        Store::gcs(GcsOptions { bucket: "nobody-made-me".to_owned(), ..options_of(&server, "made") })?;
    fails(store.read("file", ReadOptions::default()).await, ErrorKind::NotFound)?;
    fails(store.file_info("file").await, ErrorKind::NotFound)?;
    store.delete("file", true).await?;
    fails(store.delete_folder("folder", true, false).await, ErrorKind::NotFound)?;
    assert!(!store.exists("file").await?);
    let mut listing = store.list_files("", &List::ALL)?;
    assert!(listing.next_entry().await?.is_none());
    fails(store.ping().await, ErrorKind::NotFound)?;
    for options in [WriteOptions::default(), WriteOptions::OVERWRITE] {
        fails(store.write("file", "x", options.clone()).await, ErrorKind::NotFound)?;
        fails(store.write("file", vec![0; IN_PARTS], options).await, ErrorKind::NotFound)?;
    }
    store.close().await?;
    Ok(())
}

async fn wrong_credentials() -> Done {
    let server = GcsServer::start()?;
    let right = options_of(&server, "made");
    for credential in [GcsCredential::Token(WRONG_TOKEN.into()), GcsCredential::Anonymous] {
        let store = Store::gcs(GcsOptions { credential, ..right.clone() })?;
        fails(store.read("file", ReadOptions::default()).await, ErrorKind::PermissionDenied)?;
        fails(store.exists("file").await, ErrorKind::PermissionDenied)?;
        fails(store.delete("file", true).await, ErrorKind::PermissionDenied)?;
        fails(store.write("file", "x", WriteOptions::default()).await, ErrorKind::PermissionDenied)?;
        let large = store.write("file", vec![0; IN_PARTS], WriteOptions::OVERWRITE).await;
        fails(large, ErrorKind::PermissionDenied)?;
        fails(store.ping().await, ErrorKind::PermissionDenied)?;
        assert!(!format!("{store:?}").contains(WRONG_TOKEN));
        store.close().await?;
    }
    Ok(())
}

async fn dies() -> Done {
    let server = GcsServer::start()?;
    let store = Store::gcs(options_of(&server, "made"))?;
    store.write("old", "old", WriteOptions::default()).await?;
    let mut writer = store.open_write("new", WriteOptions::default()).await?;
    writer.write(vec![1; IN_PARTS]).await?;
    server.stop();
    let written = match writer.write(vec![1; IN_PARTS]).await {
        Ok(()) => writer.finish().await.map(drop),
        Err(error) => {
            drop(writer);
            Err(error)
        }
    };
    fails(written, ErrorKind::Unavailable)?;
    fails(store.read("old", ReadOptions::default()).await, ErrorKind::Unavailable)?;
    store.close().await?;
    assert_eq!(server.objects("made"), ["old"]);
    Ok(())
}

/// Drops a write after each of many waits, from the first request to the last.
async fn given_up() -> Done {
    let server = GcsServer::start()?;
    let store = Store::gcs(options_of(&server, "made"))?;
    store.ping().await?;
    let content = bytes::Bytes::from(vec![7; IN_PARTS]);
    for polls in 0..30 {
        let path = format!("folder/file-{polls}");
        write_given_up(&store, &store, &path, &content, polls).await?;
        nothing_open(&server, "made")?;
    }
    Ok(())
}

async fn stored_meanwhile() -> Done {
    let server = GcsServer::start()?;
    let store = Store::gcs(options_of(&server, "made"))?;
    let mut writer = store.open_write("file", WriteOptions::default()).await?;
    writer.write(vec![1; IN_PARTS]).await?;
    store.write("file", "first", WriteOptions::default()).await?;
    fails(writer.finish().await, ErrorKind::AlreadyExists)?;
    assert_eq!(&store.read_bytes("file").await?[..], b"first");
    store.close().await?;
    nothing_open(&server, "made")?;
    Ok(())
}
