//! Uploads over a bad network, to a server that dies, and after a run that died: whole, once, and little sent twice.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path as LocalPath, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use longshore::{
    Client, Code, Control, Digest, ErrorKind, Known, ManyOptions, Node, Path, Progress, ProgressSink,
    RetryPolicy, Source, UploadItem, UploadOptions,
};
use longshore_core::Algorithm;
use longshore_link::{Conditions, CutWay, Cuts, Dice, Link};

use crate::run::{Server, end, longshore, write};

const MIB: u64 = 1024 * 1024;
const SEEDS: u64 = 200;
/// How many connections of one upload are cut at most.
const MOST: u64 = 8;
/// Content up to this length goes in one request, which is sent again as a whole.
const WHOLE: u64 = MIB;
/// Content from this length on goes in shares.
const STAGED: u64 = 8 * MIB;
/// What a cut may cost an upload that goes on: what had crossed the link, and was dropped with the sockets' buffers before the
/// server read it. It is the same for any length.
const BUFFERS: u64 = MIB;
/// How many bytes a second the link carries. Faster than a busy machine reads them, the sockets' buffers would hold the whole
/// content, and a cut drops what they hold.
const RATE: u64 = 32 * MIB;
/// What each request has beside its content.
const HEADS: u64 = 4_000;

fn pattern(length: u64, seed: u64) -> Bytes {
    let mut dice = Dice::new(seed);
    let block: Vec<u8> = (0..4099).map(|_| dice.roll() as u8).collect();
    let mut bytes = block.repeat(usize::try_from(length).unwrap() / block.len() + 1);
    bytes.truncate(usize::try_from(length).unwrap());
    bytes.into()
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::new(Algorithm::Blake3, *blake3::hash(bytes).as_bytes())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn address(server: &Server) -> SocketAddr {
    server.url.trim_start_matches("http://").parse().unwrap()
}

/// A client that tries more often than connections are cut.
fn client(url: &str, key: &str) -> Client {
    let retry = RetryPolicy {
        base: Duration::from_millis(1),
        max_attempts: MOST as u32 + 2,
        ..RetryPolicy::default()
    };
    Client::builder().url(url).api_key(key).retry(retry).build().unwrap()
}

async fn is_the_only_version(direct: &Client, node: &Node, seed: u64) {
    let mut versions = direct.files().versions(node.id);
    let mut count = 0;
    while let Some(version) = futures_util::StreamExt::next(&mut versions).await {
        assert_eq!(Some(version.unwrap().digest), node.digest, "seed {seed}");
        count += 1;
    }
    assert_eq!(count, 1, "seed {seed}: stored more than once");
}

/// Draws a length: one in ten is sent in shares, two in one, three as one upload that goes on, the others at once.
fn length(seed: u64, dice: &mut Dice) -> u64 {
    match seed % 10 {
        0 => dice.within(&(32 * MIB..40 * MIB)),
        1 | 2 => dice.within(&(STAGED..14 * MIB)),
        3 => [0, 1, MIB, MIB + 1][(dice.roll() % 4) as usize],
        4..=6 => dice.within(&(MIB..STAGED)),
        _ => dice.within(&(0..MIB)),
    }
}

async fn one(server: &Server, direct: &Client, seed: u64) -> (u64, u64) {
    let mut dice = Dice::new(seed);
    let length = length(seed, &mut dice);
    let bytes = pattern(length, seed);
    let cuts = Cuts { after: 0..length / 2 + 2_000, way: CutWay::Either, most: dice.within(&(1..MOST)) };
    let conditions = Conditions { seed, rate: Some(RATE), cuts: Some(cuts), ..Conditions::default() };
    let link = Link::start(address(server), conditions).await.unwrap();
    let client = client(&format!("http://{}", link.address()), &server.key);
    let source = if seed.is_multiple_of(2) {
        Source::from(bytes.clone())
    } else {
        write(server.path("f"), &bytes);
        Source::from(server.path("f"))
    };
    let path = Path::new(&format!("/{seed}")).unwrap();
    let node = client.files().upload(source, path, &UploadOptions::default()).await;
    let node = node.unwrap_or_else(|error| panic!("seed {seed}, {length} bytes: {error}"));
    assert_eq!((node.size, node.digest), (length, Some(digest(&bytes))), "seed {seed}");
    is_the_only_version(direct, &node, seed).await;
    let counts = link.counts();
    let tries = 1 + counts.cuts;
    let most = if length <= WHOLE {
        (length + HEADS) * tries
    } else {
        length + length / 10 + BUFFERS * tries + HEADS * 8
    };
    assert!(counts.up <= most, "seed {seed}: {counts:?} for {length} bytes");
    (length, counts.up)
}

#[test]
fn cut_at_random_bytes_every_upload_ends_whole_and_once_with_little_sent_twice() {
    let server = Server::start();
    let direct = client(&server.url, &server.key);
    runtime().block_on(async {
        for seed in 0..SEEDS {
            one(&server, &direct, seed).await;
        }
    });
}

#[test]
fn cut_at_random_bytes_small_files_in_groups_end_whole_and_once() {
    let server = Server::start();
    let direct = client(&server.url, &server.key);
    runtime().block_on(async {
        for seed in 0..SEEDS / 4 {
            let mut dice = Dice::new(seed);
            let files: Vec<_> =
                (0..40).map(|number| pattern(dice.within(&(0..60_000)), seed * 1_000 + number)).collect();
            let sum: u64 = files.iter().map(|bytes| bytes.len() as u64).sum();
            let cuts = Cuts { after: 0..sum, way: CutWay::Either, most: dice.within(&(1..4)) };
            let conditions = Conditions { seed, cuts: Some(cuts), ..Conditions::default() };
            let link = Link::start(address(&server), conditions).await.unwrap();
            let client = client(&format!("http://{}", link.address()), &server.key);
            let items: Vec<_> = files
                .iter()
                .enumerate()
                .map(|(place, bytes)| (bytes.clone(), Path::new(&format!("/group {seed}/{place}")).unwrap()))
                .collect();
            let outcomes = client.files().upload_many(items, ManyOptions::default()).collect_all().await;
            assert_eq!(outcomes.len(), files.len());
            for outcome in outcomes {
                let node = outcome.result.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
                assert_eq!(node.digest, Some(digest(&files[outcome.index])), "seed {seed}");
                is_the_only_version(&direct, &node, seed).await;
            }
            let counts = link.counts();
            // One of the server's groups, which holds all of these, is what an answer may be missing for.
            let most = (sum + 40 * 600 + HEADS) * (1 + counts.cuts);
            assert!(counts.up <= most, "seed {seed}: {counts:?} for {sum} bytes");
        }
    });
}

/// Starts the server of a data folder where it was before.
fn start(server: &Server) -> Child {
    longshore(&server.path("config"))
        .args(["serve", "--listen", &address(server).to_string(), "--data"])
        .arg(server.path("data"))
        .stdout(Stdio::null())
        .stderr(File::create(server.path("log again")).unwrap())
        .spawn()
        .unwrap()
}

#[test]
fn a_hundred_files_arrive_though_the_server_is_killed_meanwhile() {
    let server = Server::start();
    let mut files: Vec<(PathBuf, Bytes)> = Vec::new();
    for number in 0..100 {
        let length = match number {
            0..2 => 40 * MIB,
            2..12 => 2 * MIB + number,
            _ => number * 300,
        };
        let path = server.path(&format!("from/{number}"));
        let bytes = pattern(length, number);
        write(&path, &bytes);
        files.push((path, bytes));
    }
    let moved = Arc::new(AtomicU64::new(0));
    let killed = Arc::new(AtomicBool::new(false));
    let count = Arc::clone(&moved);
    let sink = ProgressSink::new(move |progress| {
        if let Progress::Bytes { count: bytes, .. } = progress {
            count.fetch_add(bytes, Ordering::SeqCst);
        }
    });
    let retry = RetryPolicy { max_attempts: 30, ..RetryPolicy::default() };
    let client = Client::builder().url(&server.url).api_key(&server.key).retry(retry).build().unwrap();
    let again = std::thread::scope(|scope| {
        let killing = scope.spawn(|| {
            while moved.load(Ordering::SeqCst) < 20 * MIB {
                std::thread::sleep(Duration::from_millis(1));
            }
            server.signal("KILL");
            killed.store(true, Ordering::SeqCst);
            start(&server)
        });
        let items: Vec<_> = files
            .iter()
            .enumerate()
            .map(|(place, (path, _))| (path.clone(), Path::new(&format!("/to/{place}")).unwrap()))
            .collect();
        let options = ManyOptions { progress: Some(sink), ..ManyOptions::default() };
        runtime().block_on(async {
            let outcomes = client.files().upload_many(items, options).collect_all().await;
            assert_eq!(outcomes.len(), files.len());
            for outcome in outcomes {
                let node = outcome.result.unwrap_or_else(|error| panic!("{}: {error}", outcome.index));
                assert_eq!(node.digest, Some(digest(&files[outcome.index].1)));
                is_the_only_version(&client, &node, outcome.index as u64).await;
            }
        });
        killing.join().unwrap()
    });
    let mut again = again;
    assert!(killed.load(Ordering::SeqCst));
    end(&mut again);
}

/// Counts bytes that moved and those that need not, and does something when bytes have moved.
fn counting(
    moves: impl Fn() + Send + Sync + 'static,
) -> (ProgressSink, Arc<Mutex<HashMap<&'static str, u64>>>) {
    let counts: Arc<Mutex<HashMap<&'static str, u64>>> = Arc::default();
    let shared = Arc::clone(&counts);
    let sink = ProgressSink::new(move |progress| {
        let (name, count) = match progress {
            Progress::Bytes { count, .. } => ("moved", count),
            Progress::Reused { count, .. } => ("reused", count),
            Progress::Retried { discarded, .. } => ("discarded", discarded),
            _ => return,
        };
        if name == "moved" {
            moves();
        }
        *shared.lock().unwrap().entry(name).or_default() += count;
    });
    (sink, counts)
}

fn states(folder: &LocalPath) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_later_run_sends_only_the_rest_and_writes_one_version() {
    let server = Server::start();
    let (length, folder) = (48 * MIB, server.path("state"));
    let bytes = pattern(length, 7);
    write(server.path("f"), &bytes);
    let client = client(&server.url, &server.key);
    let runtime = runtime();
    let target = || Path::new("/f").unwrap();
    let control = Control::new();
    let (hand, moved) = (control.clone(), Arc::new(AtomicU64::new(0)));
    let sink = ProgressSink::new(move |progress| {
        if let Progress::Bytes { count, .. } = progress
            && moved.fetch_add(count, Ordering::SeqCst) > 24 * MIB
        {
            hand.cancel();
        }
    });
    let options = UploadOptions {
        resume: Some(folder.clone()),
        progress: Some(sink),
        control: Some(control),
        ..UploadOptions::default()
    };
    let error = runtime.block_on(client.files().upload(server.path("f"), target(), &options)).unwrap_err();
    assert!(error.is_cancelled(), "{error}");
    assert_eq!(states(&folder).len(), 1);
    assert!(
        runtime.block_on(client.files().by_path(target())).is_err(),
        "nothing appears before it is whole"
    );
    let open = || runtime.block_on(client.files().open_uploads().collect_all()).unwrap();
    assert!(!open().is_empty() && open().iter().all(|upload| upload.is_part && upload.path.is_none()));

    let kept = Arc::new(Mutex::new(None));
    let (copy, within) = (Arc::clone(&kept), folder.clone());
    let (sink, counts) = counting(move || {
        if let Some(state) = states(&within).pop() {
            *copy.lock().unwrap() = Some((state.clone(), fs::read(&state).unwrap()));
        }
    });
    let options =
        UploadOptions { resume: Some(folder.clone()), progress: Some(sink), ..UploadOptions::default() };
    let node = runtime.block_on(client.files().upload(server.path("f"), target(), &options)).unwrap();
    assert_eq!(node.digest, Some(digest(&bytes)));
    let now = counts.lock().unwrap().clone();
    let (moved, reused) = (now["moved"], now["reused"]);
    assert_eq!(moved + reused - now.get("discarded").unwrap_or(&0), length);
    assert!(reused >= 16 * MIB, "{now:?}");
    assert!(states(&folder).is_empty() && open().is_empty());

    // A run that died after the server had joined the parts: the state is there, and the parts are gone.
    let (state, text) = kept.lock().unwrap().take().unwrap();
    fs::write(&state, text).unwrap();
    let (sink, counts) = counting(|| {});
    let options =
        UploadOptions { resume: Some(folder.clone()), progress: Some(sink), ..UploadOptions::default() };
    let same = runtime.block_on(client.files().upload(server.path("f"), target(), &options)).unwrap();
    assert_eq!(same.version_id, node.version_id);
    assert_eq!(counts.lock().unwrap().get("moved"), None);
    runtime.block_on(is_the_only_version(&client, &node, 0));
    assert!(states(&folder).is_empty());
}

#[test]
fn a_file_that_changes_meanwhile_is_told_and_nothing_appears() {
    let server = Server::start();
    let client = client(&server.url, &server.key);
    let path = server.path("f");
    for grows in [false, true] {
        write(&path, pattern(40 * MIB, 1));
        let (changing, done) = (path.clone(), AtomicBool::new(false));
        let sink = ProgressSink::new(move |progress| {
            if let Progress::Bytes { index: 0, .. } = progress
                && !done.swap(true, Ordering::SeqCst)
            {
                let mut file = File::options().write(true).open(&changing).unwrap();
                if grows {
                    let length = file.metadata().unwrap().len();
                    file.set_len(length + 1).unwrap();
                } else {
                    file.write_all(b"other").unwrap();
                }
            }
        });
        let target = Path::new("/f").unwrap();
        let other = (b"small".to_vec(), Path::new("/other").unwrap());
        let items = vec![UploadItem::from((path.clone(), target.clone())), UploadItem::from(other)];
        let options = ManyOptions { progress: Some(sink), ..ManyOptions::default() };
        let runtime = runtime();
        let mut outcomes = runtime.block_on(client.files().upload_many(items, options).collect_all());
        outcomes.sort_by_key(|outcome| outcome.index);
        let error = outcomes[0].result.as_ref().unwrap_err();
        assert!(error.is(Code::LengthMismatch) && error.message().contains("changed"), "{error}");
        assert!(outcomes[1].result.is_ok());
        let found = runtime.block_on(client.files().by_path(target));
        assert_eq!(found.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[test]
fn what_is_there_already_is_not_sent_and_premises_hold_for_large_files_too() {
    let server = Server::start();
    let client = client(&server.url, &server.key);
    let runtime = runtime();
    let files = client.files();
    let contents = [pattern(5, 1), pattern(3 * MIB, 2), pattern(33 * MIB, 3)];
    let items = |known: Vec<Known>| {
        let given = contents.iter().zip(known).enumerate();
        let items = given.map(|(place, (bytes, known))| {
            UploadItem::new(bytes.clone(), Path::new(&format!("/{place}")).unwrap(), known)
        });
        items.collect::<Vec<_>>()
    };
    let unknown = || (0..3).map(|_| Known::Unknown).collect();
    let options = || {
        let upload = UploadOptions { skip_same: true, ..UploadOptions::default() };
        ManyOptions { upload, ..ManyOptions::default() }
    };
    let mut first = runtime.block_on(files.upload_many(items(unknown()), options()).collect_all());
    first.sort_by_key(|outcome| outcome.index);
    assert!(first.iter().all(|outcome| outcome.result.is_ok() && !outcome.skipped), "{first:?}");
    let nodes: Vec<_> = first.into_iter().map(|outcome| outcome.result.unwrap()).collect();
    let known = || nodes.iter().cloned().map(Known::from).collect();
    for known in [unknown(), known()] {
        let outcomes = runtime.block_on(files.upload_many(items(known), options()).collect_all());
        assert!(outcomes.iter().all(|outcome| outcome.skipped), "{outcomes:?}");
        for outcome in outcomes {
            assert_eq!(outcome.result.unwrap().version_id, nodes[outcome.index].version_id);
        }
    }
    // Another content of the same length is sent.
    let other = pattern(33 * MIB, 4);
    let large = nodes[2].path.clone();
    let skip = UploadOptions { skip_same: true, ..UploadOptions::default() };
    let node = runtime.block_on(files.upload(other.clone(), large.clone(), &skip)).unwrap();
    assert_eq!(node.digest, Some(digest(&other)));

    // The old version does not stand any more, which is told before all is sent.
    let (sink, counts) = counting(|| {});
    let stale = UploadOptions {
        if_match: nodes[2].version_id.map(longshore::IfMatch::Version),
        progress: Some(sink),
        ..UploadOptions::default()
    };
    let error = runtime.block_on(files.upload(pattern(39 * MIB, 5), large.clone(), &stale)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition, "{error}");
    assert!(counts.lock().unwrap().get("moved").is_none_or(|moved| *moved < 39 * MIB));
    let new = UploadOptions { if_none_match: true, ..UploadOptions::default() };
    let error = runtime.block_on(files.upload(pattern(33 * MIB, 5), large.clone(), &new)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Precondition, "{error}");
    let right = UploadOptions {
        if_match: node.version_id.map(longshore::IfMatch::Version),
        media_type: Some("text/csv".to_owned()),
        digest: Some(digest(&pattern(33 * MIB, 5))),
        ..UploadOptions::default()
    };
    let third = runtime.block_on(files.upload(pattern(33 * MIB, 5), large.clone(), &right)).unwrap();
    assert_eq!(third.id, node.id);
    let wrong = UploadOptions { digest: Some(digest(b"else")), ..UploadOptions::default() };
    let error = runtime.block_on(files.upload(pattern(33 * MIB, 6), large, &wrong)).unwrap_err();
    assert!(error.is(Code::DigestMismatch), "{error}");
    let child =
        longshore::Target::child(longshore::Folder::Root(None), longshore::Name::new("child").unwrap());
    let rename = UploadOptions { on_conflict: longshore::OnConflict::Rename, ..UploadOptions::default() };
    let large = pattern(9 * MIB, 6);
    let one = runtime.block_on(files.upload(large.clone(), child.clone(), &rename)).unwrap();
    let two = runtime.block_on(files.upload(large.clone(), child, &rename)).unwrap();
    assert_ne!(one.path, two.path);
    let next = longshore::Target::version(one.id);
    let guard = runtime.block_on(client.locks().hold(one.id, &longshore::HoldOptions::default())).unwrap();
    let written =
        runtime.block_on(files.upload(pattern(9 * MIB, 9), next.clone(), &UploadOptions::default()));
    assert_eq!(written.unwrap().id, one.id);
    let stranger = self::client(&server.url, &server.key);
    let refused = runtime.block_on(stranger.files().upload(large, next, &UploadOptions::default()));
    assert!(refused.unwrap_err().is_locked());
    runtime.block_on(guard.release()).unwrap();
}
