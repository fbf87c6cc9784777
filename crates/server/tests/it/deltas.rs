//! New versions of which only what changed is sent: by hand, and with the SDK over a network whose bytes are counted.

use std::io::{Seek, SeekFrom, Write};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::TryStreamExt;
use longshore::{
    Client, Code, Delta, IfMatch, ManyOptions, Node, Path, Progress, ProgressSink, RetryPolicy, Target,
    UploadItem, UploadOptions,
};
use longshore_core::delta;
use longshore_link::{Conditions, CutWay, Cuts, Link};

use crate::wire::Served;
use crate::world::{User, World};

const MIB: usize = 1024 * 1024;

/// Bytes that no compressor and no accident makes.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut content = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut content);
    content
}

/// This machine's line is a fast one.
fn always() -> UploadOptions {
    UploadOptions { delta: Delta::Always, ..UploadOptions::default() }
}

/// A server, and a client that reaches it over a link.
struct Line {
    served: Served,
    link: Link,
    client: Client,
    file: tempfile::NamedTempFile,
}

impl Line {
    async fn over(conditions: Conditions) -> Self {
        let served = Served::start().await;
        let link = Link::start(served.address, conditions).await.unwrap();
        let retry =
            RetryPolicy { base: Duration::from_millis(1), max_attempts: 20, ..RetryPolicy::default() };
        let client = Client::builder().url(format!("http://{}", link.address())).retry(retry);
        let client = client.api_key(served.key.reveal()).build().unwrap();
        Self { served, link, client, file: tempfile::NamedTempFile::new().unwrap() }
    }

    async fn new() -> Self {
        Self::over(Conditions::default()).await
    }

    fn write(&mut self, content: &[u8]) {
        let file = self.file.as_file_mut();
        file.set_len(0).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.write_all(content).unwrap();
    }

    /// Uploads content to a path by a client, and returns the file and how many bytes went over the link, both ways.
    async fn upload_as(&mut self, content: &[u8], options: &UploadOptions) -> (longshore::Result<Node>, u64) {
        self.write(content);
        let before = self.link.counts();
        let target = Path::new("/folder/file").unwrap();
        let result = self.client.files().upload(self.file.path(), target, options).await;
        let after = self.link.counts();
        (result, after.up + after.down - before.up - before.down)
    }

    async fn upload(&mut self, content: &[u8]) -> (Node, u64) {
        let (result, moved) = self.upload_as(content, &always()).await;
        let node = result.unwrap();
        assert!(self.client.files().download(node.id).await.unwrap() == content);
        (node, moved)
    }

    async fn versions(&self, node: &Node) -> usize {
        let versions: Vec<_> = self.client.files().versions(node.id).try_collect().await.unwrap();
        versions.len()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_changed_crosses_the_wire() {
    let mut line = Line::new().await;
    let mut content = noise(12 * MIB, 1);
    let (first, moved) = line.upload(&content).await;
    assert!(moved > 12 * MIB as u64);
    // Inserted, overwritten, cut out and appended.
    content.splice(MIB..MIB, noise(20_000, 2));
    content[5 * MIB..5 * MIB + 9].copy_from_slice(b"overwrite");
    content.drain(9 * MIB..9 * MIB + 70_000);
    content.extend(noise(1_000, 3));
    let (node, moved) = line.upload(&content).await;
    assert_eq!((node.id, line.versions(&node).await), (first.id, 2));
    assert!(20_000 < moved && moved < content.len() as u64 / 20, "{moved}");
    // What was composed is the base of the next, and what is moved within the file is found.
    content.rotate_left(4 * MIB);
    let (node, moved) = line.upload(&content).await;
    assert!(moved < content.len() as u64 / 20, "{moved}");
    // A new version of a known file, and of one in a known folder, and among many.
    let parent = node.parent_id.unwrap();
    let targets = [
        Target::version(node.id),
        Target::child(parent, "file".parse().unwrap()),
        Target::path("/folder/file").unwrap(),
    ];
    for (number, target) in targets.into_iter().enumerate() {
        content[number] ^= 1;
        line.write(&content);
        let before = line.link.counts().up;
        let item = UploadItem::new(line.file.path(), target, node.clone());
        let options = UploadOptions { skip_same: true, ..always() };
        let options = ManyOptions { upload: options, ..ManyOptions::default() };
        let mut outcomes = line.client.files().upload_many([item], options).collect_all().await;
        let made = outcomes.pop().unwrap().result.unwrap();
        assert_eq!(made.digest, Some(digest(&content)));
        // The node that was known is not the newest any more: it serves as well.
        assert!(line.link.counts().up - before < MIB as u64, "{number}");
    }
    assert_eq!(line.versions(&node).await, 6);
    drop(line.served);
}

fn digest(content: &[u8]) -> longshore::Digest {
    longshore::Digest::new(longshore_core::Algorithm::Blake3, *blake3::hash(content).as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_it_does_not_pay_all_is_sent() {
    let mut line = Line::new().await;
    let old = noise(5 * MIB, 4);
    let (node, _) = line.upload(&old).await;
    let mut compressed = old.clone();
    compressed[..3].copy_from_slice(b"\x1f\x8b\x08");
    let half = [&old[..MIB], &noise(4 * MIB, 5)].concat();
    for content in [noise(5 * MIB, 6), compressed, half, noise(3 * MIB, 7)] {
        let (_, moved) = line.upload(&content).await;
        assert!(moved > content.len() as u64, "{moved}");
        line.upload(&old).await;
    }
    let options = UploadOptions { delta: Delta::Never, ..UploadOptions::default() };
    let (never, moved) = line.upload_as(&old, &options).await;
    never.unwrap();
    assert!(moved > old.len() as u64);
    assert_eq!(line.versions(&node).await, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_repeats_the_old_version_too_often_is_sent_whole() {
    let mut line = Line::new().await;
    let old = noise(4 * MIB, 14);
    let (node, _) = line.upload(&old).await;
    // All of it is there, nine times over: a delta would be short, and is refused as one that could have no end.
    let content = old.repeat(9);
    let (made, moved) = line.upload(&content).await;
    assert_eq!(made.digest, Some(digest(&content)));
    assert!(moved > content.len() as u64, "{moved}");
    assert_eq!(line.versions(&node).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_slow_line_little_is_sent_to_find_out_that_a_delta_pays() {
    const LENGTH: usize = 128 * MIB;
    let rate = Some(2 * MIB as u64);
    let mut line = Line::over(Conditions { rate, ..Conditions::default() }).await;
    let mut content = noise(LENGTH, 11);
    let target = || Target::path("/folder/file").unwrap();
    line.write(&content);
    let direct = Client::builder().url(&line.served.url).api_key(line.served.key.reveal()).build().unwrap();
    let first = direct.files().upload(line.file.path(), target(), &UploadOptions::default()).await.unwrap();
    content[77 * MIB] ^= 1;
    let (made, moved) = line.upload_as(&content, &UploadOptions::default()).await;
    assert_eq!(made.unwrap().digest, Some(digest(&content)));
    let few = 4 * MIB as u64..6 * MIB as u64;
    assert!(few.contains(&moved), "a piece, the list and what changed: {moved}");
    // What is known by now need not be found out.
    content[78 * MIB] ^= 1;
    let (made, moved) = line.upload_as(&content, &UploadOptions::default()).await;
    assert_eq!(made.unwrap().digest, Some(digest(&content)));
    assert!(moved < few.start, "{moved}");
    assert_eq!(line.versions(&first).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_demanded_holds_as_for_any_write() {
    let mut line = Line::new().await;
    let mut content = noise(5 * MIB, 8);
    let (first, _) = line.upload(&content).await;
    content[100] ^= 1;
    let stale = line.upload(&content).await.0;
    content[200] ^= 1;
    let if_match = |node: &Node| UploadOptions {
        if_match: Some(IfMatch::Version(node.version_id.unwrap())),
        media_type: Some("text/x-own".to_owned()),
        ..always()
    };
    let (refused, moved) = line.upload_as(&content, &if_match(&first)).await;
    assert!(refused.unwrap_err().is(Code::PreconditionFailed));
    assert!(moved < MIB as u64, "{moved}");
    let (made, _) = line.upload_as(&content, &if_match(&stale)).await;
    let version = made.unwrap().version_id.unwrap();
    let version = line.client.files().version(first.id, version).await.unwrap();
    assert_eq!(version.stated_media_type.as_deref(), Some("text/x-own"));
    let wrong = UploadOptions { digest: Some(digest(b"other")), ..always() };
    content[300] ^= 1;
    assert!(line.upload_as(&content, &wrong).await.0.unwrap_err().is(Code::DigestMismatch));
    let lock = line.client.locks().acquire(first.id, &longshore::AcquireLock::default()).await.unwrap();
    let (locked, _) = line.upload_as(&content, &always()).await;
    locked.expect_err("no lock is named");
    let options = UploadOptions { lock: Some(lock.token.parse().unwrap()), ..always() };
    line.upload_as(&content, &options).await.0.unwrap();
    assert_eq!(line.versions(&first).await, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_at_random_bytes_it_makes_one_version() {
    for seed in 0..12 {
        let served = Served::start().await;
        let direct = Client::builder().url(&served.url).api_key(served.key.reveal()).build().unwrap();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut content = noise(6 * MIB, seed);
        file.write_all(&content).unwrap();
        let path = Path::new("/file").unwrap();
        let never = UploadOptions { delta: Delta::Never, ..UploadOptions::default() };
        let first = direct.files().upload(file.path(), path.clone(), &never).await.unwrap();
        for number in 0..20 {
            let at = number * 300_000 + seed as usize * 1_000;
            content[at..at + 20_000].copy_from_slice(&noise(20_000, seed * 100 + number as u64));
        }
        file.as_file_mut().seek(SeekFrom::Start(0)).unwrap();
        file.write_all(&content).unwrap();
        let cuts = Cuts { after: 0..400_000, way: CutWay::Either, most: 6 };
        let conditions = Conditions { seed, cuts: Some(cuts), ..Conditions::default() };
        let link = Link::start(served.address, conditions).await.unwrap();
        let retry =
            RetryPolicy { base: Duration::from_millis(1), max_attempts: 20, ..RetryPolicy::default() };
        let client = Client::builder().url(format!("http://{}", link.address())).retry(retry);
        let client = client.api_key(served.key.reveal()).build().unwrap();
        let made = client.files().upload(file.path(), path, &always()).await;
        let made = made.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!((made.id, made.digest), (first.id, Some(digest(&content))), "seed {seed}");
        assert!(direct.files().download(made.id).await.unwrap() == content, "seed {seed}");
        let versions: Vec<_> = direct.files().versions(made.id).try_collect().await.unwrap();
        assert_eq!(versions.len(), 2, "seed {seed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_changes_meanwhile_makes_no_version() {
    let mut line = Line::new().await;
    let mut content = noise(5 * MIB, 9);
    let (first, _) = line.upload(&content).await;
    content[2 * MIB..2 * MIB + 100].fill(7);
    let path = line.file.path().to_owned();
    // What is shared is known by now, and what is not was not read for the second time.
    let sink = ProgressSink::new(move |progress| {
        if let Progress::Reused { .. } = progress {
            let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.seek(SeekFrom::Start(2 * MIB as u64)).unwrap();
            file.write_all(&[8; 100]).unwrap();
        }
    });
    let options = UploadOptions { progress: Some(sink), ..always() };
    let (changed, _) = line.upload_as(&content, &options).await;
    assert!(changed.unwrap_err().is(Code::LengthMismatch));
    assert_eq!(line.versions(&first).await, 1);
    content[2 * MIB..2 * MIB + 100].fill(8);
    line.upload(&content).await;
    assert_eq!(line.versions(&first).await, 2);
}

/// Begins an upload of a new version that states its digest, and returns its URL.
async fn begin(world: &World, node: &Node, content: &[u8]) -> String {
    let pair = |key: &str, value: &str| format!("{key} {}", STANDARD.encode(value));
    let metadata =
        format!("{},{}", pair("node_id", &node.id.to_string()), pair("digest", &digest(content).to_string()));
    let length = content.len().to_string();
    let headers = [
        ("tus-resumable", "1.0.0"),
        ("upload-length", length.as_str()),
        ("upload-metadata", metadata.as_str()),
    ];
    let answer = world.call(User::Editor, "POST /v1/uploads", &headers, "").await;
    assert_eq!(answer.outcome(), "201");
    answer.header("location").to_owned()
}

#[tokio::test]
async fn a_delta_by_hand() {
    let world = World::new().await;
    let put = format!("PUT {}", world.at("file"));
    let base = world.call(User::Editor, &put, &[], "0123456789").await.node();
    let version = base.version_id.unwrap().to_string();
    let based = ("longshore-base", version.as_str());
    let typed = ("content-type", delta::MEDIA_TYPE);
    let octets = ("content-type", "application/offset+octet-stream");
    let content = b"34-01";
    let good = [&delta::copy(3..5)[..], &delta::data(1), b"-", &delta::copy(0..2)].concat();
    let past = delta::copy(9..11).to_vec();
    for (headers, body, outcome) in [
        (vec![typed], &good, "400 invalid_header"),
        (vec![typed, ("longshore-base", "x")], &good, "400 invalid_header"),
        (vec![octets, based], &good, "400 invalid_header"),
        (vec![("content-type", "text/plain"), based], &good, "415 media_type_unsupported"),
        (vec![typed, based], &past, "400 invalid_delta"),
        (vec![typed, based], &good, "204"),
    ] {
        let url = begin(&world, &base, content).await;
        let mut all = vec![("tus-resumable", "1.0.0"), ("upload-offset", "0")];
        all.extend(headers.iter().copied());
        let answer = world.call(User::Editor, &format!("PATCH {url}"), &all, body.clone()).await;
        assert_eq!(answer.outcome(), outcome, "{headers:?}");
    }
    let read = world.get(&format!("{}?content=1", world.at("file"))).await;
    assert_eq!(read.body, &content[..]);
    // What is small has no list.
    let list = format!("/v1/files/{}/versions/{version}/chunks", base.id);
    assert_eq!(world.get(&list).await.outcome(), "409 not_chunked");
    assert_eq!(
        world.call(User::Foreign, &format!("GET {list}"), &[], "").await.outcome(),
        "404 node_not_found"
    );
}

#[tokio::test]
async fn who_may_read_chunks() {
    let world = World::new().await;
    let node = world.put("f", "too small to have any").await;
    let chunks = format!("GET /v1/files/{}/versions/{}/chunks", node.id, node.version_id.unwrap());
    for (user, outcome) in [
        (User::Anonymous, "401 key_missing"),
        (User::Foreign, "404 node_not_found"),
        (User::Viewer, "409 not_chunked"),
    ] {
        assert_eq!(world.call(user, &chunks, &[], "").await.outcome(), outcome, "{user:?}");
    }
}
