//! Bytes in: whole or not at all, and verified.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use longshore::{Code, ErrorKind, ManyOptions, Name, Progress, ProgressSink, Source, Target, UploadOptions};

use crate::fake::{Fake, Reply, begun, digest, json, node, node_id, problem, stored};

const MIB: usize = 1024 * 1024;

fn target() -> Target {
    Target::path("/stored").unwrap()
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place % 251) as u8).collect()
}

fn file(content: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file
}

#[tokio::test]
async fn small_content_states_its_length_and_digest() {
    let fake = Fake::start(|_, seen| stored(seen)).await;
    let options = UploadOptions {
        media_type: Some("text/csv".to_owned()),
        if_none_match: true,
        ..UploadOptions::default()
    };
    let file = file(b"hello");
    fake.client().files().upload(file.path(), target(), &options).await.unwrap();
    let seen = fake.seen().pop().unwrap();
    assert_eq!(seen.body, "hello");
    assert_eq!(seen.header("content-length"), Some("5"));
    let field = digest(b"hello").to_content_digest();
    assert_eq!(seen.header("content-digest"), Some(field.as_str()));
    assert_eq!(seen.header("content-type"), Some("text/csv"));
    assert_eq!(seen.header("if-none-match"), Some("*"));
}

#[tokio::test]
async fn empty_content_is_content() {
    let fake = Fake::start(|_, seen| stored(seen)).await;
    let empty = file(b"");
    fake.client().files().upload(empty.path(), target(), &UploadOptions::default()).await.unwrap();
    let seen = fake.seen().pop().unwrap();
    assert_eq!((seen.header("content-length"), seen.body.len()), (Some("0"), 0));
}

#[tokio::test]
async fn large_content_comes_whole_from_a_file_and_from_memory() {
    let fake = Fake::start(|_, seen| stored(seen)).await;
    let client = fake.client();
    for length in [MIB, MIB + 1, 3 * MIB + 12_345] {
        let content = pattern(length);
        let file = file(&content);
        let told = Arc::new(AtomicU64::new(0));
        let counted = told.clone();
        let options = UploadOptions {
            progress: Some(ProgressSink::new(move |progress| {
                if let Progress::Bytes { count, .. } = progress {
                    counted.fetch_add(count, Ordering::Relaxed);
                }
            })),
            ..UploadOptions::default()
        };
        let sources = [Source::from(file.path()), Source::from(content.clone())];
        for source in sources {
            let node = client.files().upload(source, target(), &options).await.unwrap();
            assert_eq!(node.digest, Some(digest(&content)));
            let seen = fake.seen().pop().unwrap();
            assert!(seen.whole && seen.body == content);
            assert_eq!(seen.header("content-length"), Some(length.to_string().as_str()));
        }
        assert_eq!(told.load(Ordering::Relaxed), 2 * length as u64);
    }
}

#[tokio::test]
async fn a_stream_of_unknown_length_is_chunked() {
    let fake = Fake::start(|_, seen| stored(seen)).await;
    let chunks = stream::iter([Ok(Bytes::from("one ")), Ok(Bytes::new()), Ok(Bytes::from("two"))]);
    let source = Source::stream(None, chunks);
    fake.client()
        .files()
        .upload(source, Target::version(node_id()), &UploadOptions::default())
        .await
        .unwrap();
    let seen = fake.seen().pop().unwrap();
    assert_eq!(seen.target, format!("/v1/files/{}/content", node_id()));
    assert_eq!(seen.header("transfer-encoding"), Some("chunked"));
    assert_eq!(seen.body, "one two");
}

#[tokio::test]
async fn a_stream_of_another_length_than_announced_is_refused() {
    for (announced, code) in [(4, "goes on"), (9, "ended after")] {
        let fake = Fake::start(|_, seen| stored(seen)).await;
        let chunks = stream::iter([Ok(Bytes::from("ab")), Ok(Bytes::from("cd")), Ok(Bytes::from("ef"))]);
        let source = Source::stream(Some(announced), chunks);
        let options = UploadOptions::default();
        let error = fake.client().files().upload(source, target(), &options).await.unwrap_err();
        assert!(error.is(Code::LengthMismatch) && error.to_string().contains(code), "{error}");
        assert!(fake.seen().iter().all(|seen| seen.body.is_empty() || !seen.whole));
    }
}

#[tokio::test]
async fn a_stream_that_fails_breaks_the_upload_off() {
    let fake = Fake::start(|_, seen| stored(seen)).await;
    let chunks = stream::iter([Ok(Bytes::from("ab")), Err(io::Error::other("the pipe burst"))]);
    let source = Source::stream(None, chunks);
    let error = fake.client().files().upload(source, target(), &UploadOptions::default()).await.unwrap_err();
    assert!(error.is_local() && error.to_string().contains("the pipe burst"), "{error}");
    assert!(fake.seen().iter().all(|seen| seen.method == "GET" || !seen.whole));
}

#[tokio::test]
async fn a_file_that_changes_its_length_is_never_stored() {
    for grows in [true, false] {
        let fake = Fake::start(|_, seen| stored(seen)).await;
        let client = fake.client();
        let length = 7 * MIB;
        let file = file(&pattern(length));
        let other = file.reopen().unwrap();
        let changed = Mutex::new(Some(other));
        let options = UploadOptions {
            // The first bytes have left, and only a chunk or two beyond them has been read.
            progress: Some(ProgressSink::new(move |progress| {
                if let Progress::Bytes { .. } = progress
                    && let Some(file) = changed.lock().unwrap().take()
                {
                    let now = if grows { length + 1 } else { length / 2 };
                    file.set_len(now as u64).unwrap();
                }
            })),
            ..UploadOptions::default()
        };
        let error = client.files().upload(file.path(), target(), &options).await.unwrap_err();
        assert!(error.is(Code::LengthMismatch), "{error}");
        assert!(fake.seen().iter().all(|seen| seen.body.is_empty() || !seen.whole));
    }
}

#[tokio::test]
async fn another_digest_in_the_answer_is_an_error() {
    for length in [10, 2 * MIB] {
        let fake = Fake::start(|_, seen| {
            let other = node("/stored", b"other");
            Reply::Answer(match seen.method.as_str() {
                "POST" => begun("/v1/uploads/upl_1", seen.body.len(), Some(&other)),
                "DELETE" => http::Response::default(),
                _ => json(200, &other),
            })
        })
        .await;
        let options = UploadOptions::default();
        let error = fake.client().files().upload(pattern(length), target(), &options).await.unwrap_err();
        assert!(error.is(Code::DigestMismatch) && !error.is_retryable(), "{error}");
        let written = fake.asked().into_iter().filter(|asked| !asked.starts_with("DELETE"));
        assert_eq!(written.count(), 1);
    }
}

#[tokio::test]
async fn a_stated_digest_that_is_wrong_is_noticed_before_anything_is_sent() {
    let fake = Fake::start(|_, seen| stored(seen)).await;
    let options = UploadOptions { digest: Some(digest(b"something else")), ..UploadOptions::default() };
    let error = fake.client().files().upload(b"x".to_vec(), target(), &options).await.unwrap_err();
    assert!(error.is(Code::DigestMismatch));
    assert_eq!(fake.asked().len(), 0);
}

#[tokio::test]
async fn what_is_no_file_is_refused_here() {
    let fake = Fake::start(|_, seen| stored(seen)).await;
    let folder = tempfile::tempdir().unwrap();
    let files = fake.client().files();
    let options = UploadOptions::default();
    let error = files.upload(folder.path(), target(), &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let missing = folder.path().join("missing");
    let error = files.upload(missing.as_path(), target(), &options).await.unwrap_err();
    assert!(error.kind() == ErrorKind::NotFound && error.is_local());
    assert!(error.to_string().contains("missing"), "{error}");
    assert_eq!(fake.seen().len(), 0);
}

#[tokio::test]
async fn an_upload_that_is_dropped_stops() {
    let fake = Fake::start(|_, seen| stored(seen)).await;
    let client = fake.client();
    let dropped = Arc::new(());
    let held = dropped.clone();
    let chunks = stream::repeat_with(move || {
        let _held = &held;
        Ok(Bytes::from(vec![7; 1000]))
    })
    .then(|chunk| async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        chunk
    });
    let options = UploadOptions::default();
    let files = client.files();
    let upload = files.upload(Source::stream(None, chunks), target(), &options);
    assert!(tokio::time::timeout(Duration::from_millis(100), upload).await.is_err());
    for _ in 0..100 {
        if Arc::strong_count(&dropped) == 1 && fake.seen().iter().any(|seen| seen.method == "PUT") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(Arc::strong_count(&dropped), 1, "the stream is still read");
    let seen = fake.seen().pop().unwrap();
    assert!(seen.method == "PUT" && !seen.whole);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_item_does_not_hurt_the_others() {
    let fake = Fake::start(|_, seen| {
        if seen.target.contains("name=7") {
            Reply::Answer(problem(403, "forbidden", &[]))
        } else {
            Reply::Later(Duration::from_millis(2), json(201, &node("/stored", &seen.body)))
        }
    })
    .await;
    let steps = Arc::new(Mutex::new((0, 0, 0)));
    let counted = steps.clone();
    let options = ManyOptions {
        concurrency: Some(5),
        progress: Some(ProgressSink::new(move |progress| {
            let mut steps = counted.lock().unwrap();
            match progress {
                Progress::Started { .. } => steps.0 += 1,
                Progress::Done { .. } => steps.1 += 1,
                Progress::Failed { index, .. } => {
                    assert_eq!(index, 7);
                    steps.2 += 1;
                }
                _ => {}
            }
        })),
        ..ManyOptions::default()
    };
    // By folder and name each goes by itself.
    let items = (0..60).map(|place| {
        let name = if place == 7 { "7".to_owned() } else { format!("{place:02}") };
        (format!("content {place}").into_bytes(), Target::child(node_id(), Name::new(name).unwrap()))
    });
    let mut outcomes = fake.client().files().upload_many(items, options).collect_all().await;
    outcomes.sort_by_key(|outcome| outcome.index);
    assert_eq!(outcomes.len(), 60);
    for outcome in &outcomes {
        match &outcome.result {
            Ok(node) => {
                assert_eq!(node.digest, Some(digest(format!("content {}", outcome.index).as_bytes())));
            }
            Err(error) => assert!(outcome.index == 7 && error.is(Code::Forbidden), "{error}"),
        }
    }
    assert_eq!(*steps.lock().unwrap(), (60, 59, 1));
    assert!(fake.connections() <= 5, "{} connections", fake.connections());
    assert!(fake.most_at_once() > 1 && fake.most_at_once() <= 5);
}
