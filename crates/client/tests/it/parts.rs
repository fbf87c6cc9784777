//! Large content: several parts at once, of one version, verified as a whole.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use longshore::{Code, DownloadOptions, ErrorKind};

use crate::fake::{Fake, Reply, Served, digest, node_id};

pub(crate) const MIB: usize = 1024 * 1024;

/// Makes content in which no two mebibytes are the same.
pub(crate) fn pattern(length: usize) -> Bytes {
    let mut bytes = (0..=250).collect::<Vec<u8>>().repeat(length / 251 + 1);
    bytes.truncate(length);
    bytes.into()
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn whole() -> DownloadOptions {
    DownloadOptions::default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_content_comes_in_parts_at_once() {
    let bytes = pattern(35 * MIB + 77);
    let served = Served::new(bytes.clone());
    let fake = Fake::start(move |_, seen| served.reply(seen)).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/f");
    let done = fake.client().files().download_to(node_id(), &path, &whole()).await.unwrap();
    assert_eq!((done.bytes, done.digest, done.reused), (bytes.len() as u64, digest(&bytes), 0));
    assert!(fs::read(&path).unwrap() == bytes);
    assert_eq!(names(path.parent().unwrap()), ["f"]);
    let mut ranges: Vec<_> = fake.seen().iter().filter_map(|seen| seen.range()).collect();
    ranges.sort_by_key(|range| range.start);
    let starts: Vec<_> = ranges.iter().map(|range| range.start / MIB).collect();
    assert_eq!(starts, [0, 8, 16, 24, 32]);
    assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
    assert!(fake.seen()[1..].iter().all(|seen| seen.header("if-range").is_some()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_with_less_room_than_parts_all_come() {
    let served = Served::new(pattern(33 * MIB));
    let fake = Fake::start(move |_, seen| served.reply(seen)).await;
    let folder = tempfile::tempdir().unwrap();
    let client = fake.builder().concurrency(2).build().unwrap();
    let items: Vec<_> = (0..2).map(|place| (node_id(), folder.path().join(place.to_string()))).collect();
    let outcomes = client.files().download_many(items, longshore::ManyOptions::default()).collect_all().await;
    assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()), "{outcomes:?}");
    assert_eq!(names(folder.path()).len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_that_changes_underneath_is_of_one_version_in_the_end() {
    for length in [3 * MIB, 33 * MIB] {
        let (old, new) = (Served::new(pattern(length)), Served::next(pattern(length - 5).slice(3..)));
        let expected = new.clone();
        let fake = Fake::start(move |place, seen| match place {
            // It breaks early, so that the rest is asked for.
            0 if length == 3 * MIB => {
                let whole = old.answer(seen);
                let (head, body) = whole.into_parts();
                Reply::Torn(http::Response::from_parts(head, body.slice(..MIB)), length as u64)
            }
            0..3 if length > 3 * MIB => old.reply(seen),
            _ => new.reply(seen),
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let done = fake.client().files().download_to(node_id(), &path, &whole()).await.unwrap();
        assert_eq!((done.digest, done.version), (expected.digest, Some(expected.version)));
        assert!(fs::read(&path).unwrap() == expected.bytes);
        assert_eq!(names(folder.path()), ["f"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_that_never_stands_still_is_given_up() {
    let bytes = pattern(33 * MIB);
    let fake = Fake::start(move |_, seen| Served::next(bytes.clone()).reply(seen)).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    let error = fake.client().files().download_to(node_id(), &path, &whole()).await.unwrap_err();
    assert!(error.is(Code::PreconditionFailed), "{error}");
    assert!(names(folder.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_digest_of_parts_leaves_nothing() {
    let mut served = Served::new(pattern(33 * MIB));
    served.digest = digest(b"something else");
    let fake = Fake::start(move |_, seen| served.reply(seen)).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    let error = fake.client().files().download_to(node_id(), &path, &whole()).await.unwrap_err();
    assert!(error.is(Code::DigestMismatch), "{error}");
    assert!(names(folder.path()).is_empty());
    assert_eq!(fake.seen().len(), 6, "asked for once: nothing of it was here before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_answers_another_range_is_not_believed() {
    type Lie = fn(&mut http::Response<Bytes>);
    let lies: [Lie; 3] = [
        |answer| {
            answer.headers_mut().insert("content-range", "bytes 0-8388607/99999999".parse().unwrap());
        },
        |answer| {
            answer.headers_mut().remove("content-range");
        },
        |answer| *answer.body_mut() = answer.body().slice(1..),
    ];
    for lie in lies {
        let served = Served::new(pattern(33 * MIB));
        let fake = Fake::start(move |_, seen| {
            let mut answer = served.answer(seen);
            if answer.status() == 206 {
                lie(&mut answer);
            }
            Reply::Answer(answer)
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let error = fake.client().files().download_to(node_id(), &path, &whole()).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Internal, Some(206)), "{error}");
        assert!(!path.exists());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_ranges_is_read_again_up_to_where_it_broke() {
    let bytes = pattern(35 * MIB);
    let served = Served::new(bytes.clone());
    let fake = Fake::start(move |place, seen| {
        let mut asked = seen.clone();
        asked.headers.remove("range");
        let (mut head, body) = served.answer(&asked).into_parts();
        head.headers.remove("accept-ranges");
        if place == 0 {
            let length = body.len() as u64;
            return Reply::Torn(http::Response::from_parts(head, body.slice(..20 * MIB)), length);
        }
        Reply::Answer(http::Response::from_parts(head, body))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    fake.client().files().download_to(node_id(), &path, &whole()).await.unwrap();
    assert!(fs::read(&path).unwrap() == bytes);
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_that_must_not_be_replaced_is_not_even_fetched() {
    let served = Served::new(pattern(33 * MIB));
    let fake = Fake::start(move |_, seen| served.reply(seen)).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    fs::write(&path, "mine").unwrap();
    let keep = DownloadOptions { replace: false, ..whole() };
    let error = fake.client().files().download_to(node_id(), &path, &keep).await.unwrap_err();
    assert!(error.is_local() && error.kind() == ErrorKind::Conflict, "{error}");
    assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"mine".to_vec(), vec!["f".to_owned()]));
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_is_refused_now_and_then_is_asked_for_again() {
    let bytes = pattern(33 * MIB);
    let served = Served::new(bytes.clone());
    let refused = AtomicUsize::new(0);
    let fake = Fake::start(move |place, seen| {
        if place % 2 == 1 && refused.fetch_add(1, Ordering::SeqCst) < 3 {
            return Reply::Close;
        }
        served.reply(seen)
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    fake.client().files().download_to(node_id(), &path, &whole()).await.unwrap();
    assert!(fs::read(&path).unwrap() == bytes);
}

#[test]
fn parts_that_wait_for_room_keep_no_thread_from_those_that_have_it() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).max_blocking_threads(2).enable_all().build().unwrap();
    let bytes = pattern(33 * MIB);
    let served = Served::new(bytes.clone());
    let torn = Mutex::new(HashSet::new());
    runtime.block_on(async {
        // Each part breaks once, and then waits for room again.
        let fake = Fake::start(move |_, seen| match seen.range() {
            Some(range) if torn.lock().unwrap().insert(range.start) && range.start % (8 * MIB) == 0 => {
                let (head, body) = served.answer(seen).into_parts();
                let whole = body.len() as u64;
                Reply::Torn(http::Response::from_parts(head, body.slice(..body.len() / 2)), whole)
            }
            _ => served.reply(seen),
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let client = fake.builder().concurrency(1).build().unwrap();
        let (files, whole) = (client.files(), whole());
        let downloading = files.download_to(node_id(), &path, &whole);
        let done = tokio::time::timeout(Duration::from_secs(20), downloading).await;
        done.expect("parts wait for each other").unwrap();
        assert!(fs::read(&path).unwrap() == bytes);
    });
}
