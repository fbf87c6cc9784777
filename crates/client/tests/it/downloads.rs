//! Bytes out: verified, and in a file only when whole.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use longshore::{ByteRange, Code, Content, Destination, DownloadOptions, ErrorKind, ManyOptions};

use crate::fake::{Fake, Reply, content, digest, node_id, problem, version};

const MIB: usize = 1024 * 1024;

fn pattern(length: usize) -> Bytes {
    (0..length).map(|place| (place % 251) as u8).collect()
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn whole() -> DownloadOptions {
    DownloadOptions::default()
}

#[tokio::test]
async fn content_comes_whole_into_memory_a_stream_and_a_file() {
    for length in [0, 5, 100_000, MIB, 5 * MIB + 77] {
        let bytes = pattern(length);
        let served = bytes.clone();
        let fake = Fake::start(move |_, _| Reply::Answer(content(served.clone()))).await;
        let files = fake.client().files();
        assert_eq!(files.download(node_id()).await.unwrap(), bytes);

        let mut stream = files.stream(node_id(), &whole()).await.unwrap();
        assert_eq!(stream.length(), Some(length as u64));
        assert_eq!(stream.version(), Some(version()));
        assert_eq!(stream.digest(), Some(digest(&bytes)));
        let mut streamed = Vec::new();
        while let Some(chunk) = stream.next().await {
            streamed.extend_from_slice(&chunk.unwrap());
        }
        assert!(streamed == bytes);

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/for/it.bin");
        let done = files.download_to(node_id(), &path, &whole()).await.unwrap();
        assert_eq!((done.bytes, done.digest), (length as u64, digest(&bytes)));
        assert!(fs::read(&path).unwrap() == bytes);
        assert_eq!(names(path.parent().unwrap()), ["it.bin"]);
        assert_eq!(fake.connections(), 1);
    }
}

#[tokio::test]
async fn a_truncated_body_leaves_no_file() {
    for length in [10, 3 * MIB] {
        let fake = Fake::start(move |_, _| {
            let announced = 2 * length as u64;
            Reply::Torn(content(pattern(length)), announced)
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "old").unwrap();
        let files = fake.client().files();
        let error = files.download_to(node_id(), &path, &whole()).await.unwrap_err();
        assert!(error.is_network() && error.is_retryable(), "{error}");
        assert_eq!(names(folder.path()), ["a"]);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fake.seen().len(), 5, "reading is tried again");
        assert!(files.download(node_id()).await.unwrap_err().is_network());
        let mut stream = files.stream(node_id(), &whole()).await.unwrap();
        let last = async {
            loop {
                match stream.chunk().await {
                    Ok(Some(_)) => {}
                    end => break end,
                }
            }
        };
        assert!(last.await.is_err());
    }
}

#[tokio::test]
async fn a_wrong_digest_leaves_the_old_file() {
    for length in [10, 3 * MIB] {
        let fake = Fake::start(move |_, _| {
            let mut answer = content(pattern(length));
            let wrong = digest(b"something else").to_content_digest();
            answer.headers_mut().insert("content-digest", wrong.parse().unwrap());
            Reply::Answer(answer)
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "old").unwrap();
        let files = fake.client().files();
        let error = files.download_to(node_id(), &path, &whole()).await.unwrap_err();
        assert!(error.is(Code::DigestMismatch), "{error}");
        assert_eq!(names(folder.path()), ["a"]);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert!(files.download(node_id()).await.unwrap_err().is(Code::DigestMismatch));
    }
}

#[tokio::test]
async fn a_dropped_download_leaves_nothing() {
    let fake = Fake::start(|_, _| Reply::Hang).await;
    let slow = Fake::start(|_, _| {
        // More is announced than comes, and the connection stays.
        Reply::Answer(content(pattern(64 * MIB)))
    })
    .await;
    for fake in [fake, slow] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let files = fake.client().files();
        let options = whole();
        let download = files.download_to(node_id(), &path, &options);
        assert!(tokio::time::timeout(Duration::from_millis(30), download).await.is_err());
        for _ in 0..100 {
            if names(folder.path()).is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(names(folder.path()).is_empty());
    }
}

#[tokio::test]
async fn a_range_is_a_part() {
    let fake = Fake::start(|_, _| {
        let answer = http::Response::builder().status(206).body(Bytes::from("cde"));
        Reply::Answer(answer.unwrap())
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part");
    let files = fake.client().files();
    for (range, header) in [(ByteRange::from(2..5), "bytes=2-4"), (ByteRange::from(2..), "bytes=2-")] {
        let options = DownloadOptions { range: Some(range), ..DownloadOptions::default() };
        files.download_to(node_id(), &path, &options).await.unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"cde");
        assert_eq!(fake.seen().pop().unwrap().header("range"), Some(header));
    }
    let options = DownloadOptions { range: Some(ByteRange::from(5..5)), ..DownloadOptions::default() };
    let error = files.stream(node_id(), &options).await.unwrap_err();
    assert!(error.is(Code::RangeNotSatisfiable));
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_told() {
    let fake = Fake::start(|_, _| Reply::Answer(content("abc"))).await;
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("file");
    fs::write(&in_the_way, "").unwrap();
    let files = fake.client().files();
    let error = files.download_to(node_id(), in_the_way.join("a"), &whole()).await.unwrap_err();
    assert!(error.is_local(), "{error}");
    let error = files.download_to(node_id(), folder.path(), &whole()).await.unwrap_err();
    assert!(error.is_local(), "{error}");
    assert_eq!(names(folder.path()), ["file"]);
    let long = folder.path().join("é".repeat(127));
    files.download_to(node_id(), &long, &whole()).await.unwrap();
    assert_eq!(fs::read(&long).unwrap(), b"abc");
}

#[tokio::test]
async fn a_file_that_appears_meanwhile_is_not_replaced_unless_that_is_asked_for() {
    for length in [10, 3 * MIB] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let appears = path.clone();
        let fake = Fake::start(move |_, _| {
            fs::write(&appears, "mine").unwrap();
            Reply::Answer(content(pattern(length)))
        })
        .await;
        let files = fake.client().files();
        let keep = DownloadOptions { replace: false, ..DownloadOptions::default() };
        let error = files.download_to(node_id(), &path, &keep).await.unwrap_err();
        assert!(error.is_local() && error.kind() == ErrorKind::Conflict, "{error}");
        let many = ManyOptions { download: keep, ..ManyOptions::default() };
        let outcomes = files.download_many([(node_id(), path.clone())], many).collect_all().await;
        assert_eq!(outcomes[0].result.as_ref().unwrap_err().kind(), ErrorKind::Conflict);
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        assert_eq!(names(folder.path()), ["a"]);
        files.download_to(node_id(), &path, &whole()).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), length as u64);
    }
}

#[tokio::test]
async fn an_open_folder_is_where_a_file_lands_whatever_takes_its_path() {
    for length in [10, 3 * MIB] {
        let all = tempfile::tempdir().unwrap();
        let path = |name: &str| all.path().join(name);
        fs::create_dir(path("sub")).unwrap();
        fs::create_dir(path("outside")).unwrap();
        let folder: Arc<OwnedFd> = Arc::new(fs::File::open(path("sub")).unwrap().into());
        let (sub, aside, outside) = (path("sub"), path("aside"), path("outside"));
        let fake = Fake::start(move |place, _| {
            if place == 0 {
                fs::rename(&sub, &aside).unwrap();
                std::os::unix::fs::symlink(&outside, &sub).unwrap();
            }
            Reply::Answer(content(pattern(length)))
        })
        .await;
        let files = fake.client().files();
        let to = |name: &str| Destination::In { folder: Arc::clone(&folder), name: name.into() };
        files.download_to(node_id(), to("f"), &whole()).await.unwrap();
        assert_eq!(names(&path("aside")), ["f"]);
        assert!(names(&path("outside")).is_empty());
        for name in ["../f", "sub/f", "f/", "..", ".", ""] {
            let error = files.download_to(node_id(), to(name), &whole()).await.unwrap_err();
            assert!(error.is_local() && error.kind() == ErrorKind::Invalid, "{name}: {error}");
        }
        assert_eq!(names(&path("aside")), ["f"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_downloads_keep_their_failures_apart() {
    let fake = Fake::start(|_, seen| {
        if seen.target.ends_with("/13?content=1") {
            Reply::Answer(problem(404, "node_not_found", &[]))
        } else {
            Reply::Answer(content(seen.target.clone()))
        }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let items: Vec<_> = (0..40)
        .map(|place| {
            let path = longshore::Path::new(&format!("/{place}")).unwrap();
            (Content::from(path), folder.path().join(place.to_string()))
        })
        .collect();
    let options = ManyOptions { concurrency: Some(4), ..ManyOptions::default() };
    let outcomes = fake.client().files().download_many(items, options).collect_all().await;
    assert_eq!(outcomes.len(), 40);
    for outcome in outcomes {
        match outcome.result {
            Ok(done) => assert_eq!(fs::metadata(outcome.path).unwrap().len(), done.bytes),
            Err(error) => {
                assert_eq!((outcome.index, error.kind()), (13, ErrorKind::NotFound));
                assert!(!outcome.path.exists());
            }
        }
    }
    assert_eq!(names(folder.path()).len(), 39);
    assert!(fake.connections() <= 4);
}
