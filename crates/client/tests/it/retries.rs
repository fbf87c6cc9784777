//! What is sent again, when, and what is not.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_util::stream;
use longshore::{
    CopyNode, ErrorKind, HoldOptions, IfMatch, ManyOptions, OnConflict, RetryPolicy, Source, Target,
    Timeouts, UploadOptions, VersionId,
};

use crate::fake::{Fake, NOW, Reply, content, json, node, node_id, problem, stored};

fn target() -> Target {
    Target::path("/stored").unwrap()
}

fn good() -> Reply {
    Reply::Answer(json(200, &node("/stored", b"new")))
}

fn new() -> Bytes {
    Bytes::from_static(b"new")
}

#[tokio::test]
async fn a_busy_server_is_asked_again_after_the_seconds_it_names() {
    let fake = Fake::start(|place, _| match place {
        0 => Reply::Answer(problem(503, "overloaded", &[("retry-after", "1")])),
        _ => good(),
    })
    .await;
    let start = Instant::now();
    // A copy is not safe to repeat by itself, but a 503 says that nothing happened.
    let copy = fake.client().files().copy(node_id(), &CopyNode::default(), None).await;
    assert!(copy.is_ok() && start.elapsed() >= Duration::from_secs(1));
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test]
async fn a_retry_after_may_be_a_date() {
    #[expect(clippy::disallowed_methods, reason = "a date is compared with the real time")]
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(2));
    let fake = Fake::start(move |place, _| match place {
        0 => Reply::Answer(problem(429, "rate_limited", &[("retry-after", &date)])),
        _ => good(),
    })
    .await;
    let start = Instant::now();
    fake.client().files().get(node_id()).await.unwrap();
    // The date has whole seconds, so up to one is lost.
    assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_pause_holds_all_tasks_of_the_client() {
    let fake = Fake::start(|place, _| match place {
        0 => Reply::Answer(problem(429, "rate_limited", &[("retry-after", "1")])),
        _ => good(),
    })
    .await;
    let client = fake.client();
    let first = async { client.files().get(node_id()).await.unwrap() };
    let second = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let start = Instant::now();
        client.clone().files().get(node_id()).await.unwrap();
        start.elapsed()
    };
    let (_, waited) = tokio::join!(first, second);
    assert!(waited >= Duration::from_millis(600), "{waited:?}");
}

#[tokio::test]
async fn a_server_that_wants_to_be_left_alone_for_long_is() {
    let fake =
        Fake::start(|_, _| Reply::Answer(problem(429, "rate_limited", &[("retry-after", "120")]))).await;
    let client = fake.client();
    let error = client.files().get(node_id()).await.unwrap_err();
    assert_eq!((error.status(), error.retry_after()), (Some(429), Some(Duration::from_secs(120))));
    // All of the client keeps to it, and is told at once.
    let error = client.files().trash(node_id(), None).await.unwrap_err();
    assert!(error.kind() == ErrorKind::RateLimited && !error.may_have_happened(), "{error}");
    assert!(error.retry_after().unwrap() > Duration::from_secs(60), "{error}");
    let error = client.files().upload(new(), target(), &UploadOptions::default()).await.unwrap_err();
    assert!(error.to_string().contains("left alone"), "{error}");
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn only_a_retry_is_paid_for() {
    let fake = Fake::start(|_, _| Reply::Answer(problem(503, "overloaded", &[]))).await;
    let retry = RetryPolicy { base: Duration::from_millis(1), max_attempts: 2, ..RetryPolicy::default() };
    let client = fake.builder().retry(retry).build().unwrap();
    // There are a hundred retries to spend.
    for _ in 0..90 {
        client.files().get(node_id()).await.unwrap_err();
    }
    assert_eq!(fake.seen().len(), 180);
}

#[tokio::test]
async fn attempts_end_and_the_last_error_is_told() {
    let fake = Fake::start(|_, _| Reply::Answer(problem(503, "overloaded", &[]))).await;
    let retry = RetryPolicy { base: Duration::from_millis(1), max_attempts: 3, ..RetryPolicy::default() };
    let client = fake.builder().retry(retry).build().unwrap();
    let error = client.files().get(node_id()).await.unwrap_err();
    assert!(error.is_retryable() && !error.is_network());
    assert_eq!(fake.seen().len(), 3);
}

#[tokio::test]
async fn reading_is_repeated_when_the_connection_breaks() {
    let fake = Fake::start(|place, _| match place {
        0 => Reply::Close,
        1 => Reply::Torn(json(200, &node("/stored", b"new")), 9_999),
        _ => good(),
    })
    .await;
    fake.client().files().get(node_id()).await.unwrap();
    assert_eq!(fake.seen().len(), 3);
}

#[tokio::test]
async fn what_may_have_happened_is_repeated_under_the_same_key() {
    for lost in [|| Reply::Close, || Reply::Answer(problem(500, "outcome_unknown", &[]))] {
        let fake = Fake::start(move |place, _| if place < 2 { lost() } else { good() }).await;
        fake.client().files().copy(node_id(), &CopyNode::default(), None).await.unwrap();
        fake.client().files().trash(node_id(), None).await.unwrap();
        let keys: Vec<_> =
            fake.seen().iter().map(|seen| seen.header("idempotency-key").unwrap().to_owned()).collect();
        assert_eq!(keys.len(), 4);
        assert!(keys[0] == keys[1] && keys[1] == keys[2], "one request, one key");
        assert_ne!(keys[2], keys[3], "another request, another key");
    }
    // What a fault did nobody knows, and asking again is of no use.
    let fault = Fake::start(|_, _| Reply::Answer(problem(500, "internal", &[]))).await;
    let error = fault.client().files().copy(node_id(), &CopyNode::default(), None).await.unwrap_err();
    assert!(error.may_have_happened() && error.kind() == ErrorKind::Internal);
    assert_eq!(fault.seen().len(), 1);
}

#[tokio::test]
async fn what_is_read_has_no_key() {
    let fake = Fake::start(|_, _| good()).await;
    fake.client().files().get(node_id()).await.unwrap();
    fake.client().files().by_path(longshore::Path::new("/stored").unwrap()).await.unwrap();
    assert!(fake.seen().iter().all(|seen| seen.header("idempotency-key").is_none()));
}

#[tokio::test]
async fn a_callers_own_key_goes_with_one_write() {
    let fake = Fake::start(|place, seen| match place {
        0 => Reply::Close,
        _ => stored(seen),
    })
    .await;
    let keys = || fake.seen().iter().map(|seen| seen.header("idempotency-key").map(str::to_owned)).collect();
    let client = fake.client();
    let own = client.with_idempotency_key("run 7, step 2").unwrap();
    // Reading takes no key, so it leaves the caller's alone.
    own.files().get(node_id()).await.unwrap();
    let options = UploadOptions::default();
    own.files().upload(new(), Target::version(node_id()), &options).await.unwrap();
    let second = own.clone().files().trash(node_id(), None).await.unwrap_err();
    assert_eq!(second.kind(), ErrorKind::Invalid);
    assert!(own.files().upload(new(), Target::version(node_id()), &options).await.is_err());
    let named = Some("run 7, step 2".to_owned());
    // The first reading lost its answer.
    assert_eq!(Vec::<Option<String>>::from_iter(keys()), [None, None, named.clone()], "no other was sent");
    assert!(!format!("{own:?}").contains("step 2"));

    // A program that was started anew sends it again.
    let again = client.with_idempotency_key("run 7, step 2").unwrap();
    again.under([]).files().trash(node_id(), None).await.unwrap();
    client.files().trash(node_id(), None).await.unwrap();
    let keys: Vec<_> = keys();
    assert_eq!(keys[3], named);
    assert!(keys[4].is_some() && keys[4] != named, "the client itself is as it was");
    // What takes many writes cannot be sent again under one key.
    let own = client.with_idempotency_key("k").unwrap();
    let hold = HoldOptions::default();
    assert_eq!(own.locks().hold(node_id(), &hold).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(own.locks().wait_for(node_id(), &hold).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(own.locks().hold_many(&[node_id()], &hold).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(fake.seen().len(), 5);
    for malformed in ["", "é", "a\nb", &"x".repeat(256)] {
        assert!(client.with_idempotency_key(malformed).is_err(), "{malformed:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_tried_again_and_named() {
    let fake = Fake::start(|_, _| good()).await;
    let client = fake.builder().url("http://127.0.0.1:1").build().unwrap();
    let error = client.files().trash(node_id(), None).await.unwrap_err();
    assert!(error.is_network() && !error.may_have_happened());
    assert!(error.to_string().contains("cannot connect to 127.0.0.1:1"), "{error}");
}

#[tokio::test]
async fn many_uploads_to_a_server_that_is_gone_fail_soon() {
    let fake = Fake::start(|_, _| good()).await;
    let retry = RetryPolicy { base: Duration::from_millis(200), ..RetryPolicy::default() };
    let client = fake.builder().url("http://127.0.0.1:1").retry(retry).build().unwrap();
    let items = (0..1_000).map(|_| (new(), target()));
    let start = Instant::now();
    let outcomes = client.files().upload_many(items, ManyOptions::default()).collect_all().await;
    assert!(outcomes.iter().all(|outcome| outcome.result.as_ref().unwrap_err().is_network()));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_connection_on_which_nothing_moves_is_given_up() {
    let fake = Fake::start(|place, _| match place {
        0 => Reply::Hang,
        _ => good(),
    })
    .await;
    let idle = Duration::from_millis(300);
    let timeouts = Timeouts { idle, ..Timeouts::default() };
    let client = fake.builder().timeouts(timeouts).build().unwrap();
    let start = Instant::now();
    client.files().get(node_id()).await.unwrap();
    assert!(start.elapsed() >= idle && start.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn a_connection_the_server_closed_meanwhile_costs_nothing() {
    let fake = Fake::start(|_, _| {
        let mut answer = json(200, &node("/stored", b"new"));
        answer.headers_mut().insert("connection", "close".parse().unwrap());
        Reply::Answer(answer)
    })
    .await;
    let client = fake.builder().retry(RetryPolicy::never()).build().unwrap();
    for _ in 0..5 {
        client.files().trash(node_id(), None).await.unwrap();
    }
    assert_eq!((fake.connections(), fake.seen().len()), (5, 5));
}

/// Uploads to a server that has read all and then does not say how it ended, in each way that can be; it shows
/// `found` there.
async fn ambiguous(
    options: UploadOptions,
    found: Option<&'static [u8]>,
) -> [(Vec<String>, longshore::Result<longshore::Node>); 2] {
    let broken = || Reply::Close;
    let unseen = || Reply::Answer(problem(500, "outcome_unknown", &[]));
    [unanswered(&options, found, broken).await, unanswered(&options, found, unseen).await]
}

async fn unanswered(
    options: &UploadOptions,
    found: Option<&'static [u8]>,
    reply: fn() -> Reply,
) -> (Vec<String>, longshore::Result<longshore::Node>) {
    let fake = Fake::start(move |place, seen| match (seen.method.as_str(), found) {
        ("GET", Some(found)) => Reply::Answer(json(200, &node("/stored", found))),
        ("GET", None) => Reply::Answer(problem(404, "node_not_found", &[])),
        _ if place <= 1 => reply(),
        _ => stored(seen),
    })
    .await;
    let result = fake.client().files().upload(new(), target(), options).await;
    let methods = fake.asked().iter().map(|asked| asked.split(' ').next().unwrap().to_owned()).collect();
    (methods, result)
}

#[tokio::test]
async fn an_upload_that_landed_unheard_is_not_written_again() {
    for (methods, result) in ambiguous(UploadOptions::default(), Some(b"new")).await {
        assert_eq!(result.unwrap().size, 3);
        assert_eq!(methods, ["PUT", "GET"]);
    }
}

#[tokio::test]
async fn an_upload_that_did_not_land_is_written_again() {
    let guarded =
        UploadOptions { if_match: Some(IfMatch::Version(VersionId::new(NOW))), ..UploadOptions::default() };
    for (options, found) in [(UploadOptions::default(), None), (guarded, Some(&b"old"[..]))] {
        for (methods, result) in ambiguous(options, found).await {
            assert!(result.is_ok());
            assert_eq!(methods, ["PUT", "GET", "PUT"]);
        }
    }
}

#[tokio::test]
async fn an_upload_that_must_create_does_not_take_its_equal_for_itself() {
    let create = UploadOptions { if_none_match: true, ..UploadOptions::default() };
    let rename = UploadOptions { on_conflict: OnConflict::Rename, ..UploadOptions::default() };
    for (options, found) in [(create.clone(), Some(&b"new"[..])), (create, None), (rename, None)] {
        for (methods, result) in ambiguous(options.clone(), found).await {
            // Not what stands there says how it ended, but the server, by the key.
            assert!(result.is_ok());
            assert_eq!(methods, ["PUT", "PUT"]);
        }
    }
}

#[tokio::test]
async fn a_full_disk_is_told_at_once() {
    // What stands between may know no codes.
    for code in ["storage_full", ""] {
        let fake = Fake::start(move |_, _| Reply::Answer(problem(507, code, &[]))).await;
        let error =
            fake.client().files().upload(new(), target(), &UploadOptions::default()).await.unwrap_err();
        assert_eq!((error.status(), error.kind()), (Some(507), ErrorKind::Unavailable));
        assert_eq!(fake.asked().len(), 1, "{code:?}");
    }
}

#[tokio::test]
async fn a_stream_is_sent_once() {
    let fake = Fake::start(|_, _| Reply::Answer(problem(503, "overloaded", &[]))).await;
    let chunks = stream::iter([Ok(new())]);
    let source = Source::stream(None, chunks);
    let options = UploadOptions::default();
    let error = fake.client().files().upload(source, target(), &options).await.unwrap_err();
    assert!(error.is_retryable());
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test]
async fn a_stream_that_landed_unheard_is_recognised() {
    let broken: fn() -> Reply = || Reply::Close;
    for reply in [broken, || Reply::Answer(problem(500, "outcome_unknown", &[]))] {
        let fake = Fake::start(move |_, seen| match seen.method.as_str() {
            "PUT" => reply(),
            _ => good(),
        })
        .await;
        let source = Source::stream(Some(3), stream::iter([Ok(new())]));
        let options = UploadOptions::default();
        let node = fake.client().files().upload(source, target(), &options).await.unwrap();
        assert_eq!(node.size, 3);
        assert_eq!(fake.asked().len(), 2);
    }
}

#[tokio::test]
async fn a_download_that_breaks_begins_again() {
    let fake = Fake::start(|place, _| match place {
        0 => Reply::Torn(content("abc"), 6),
        _ => Reply::Answer(content("abcdef")),
    })
    .await;
    let bytes = fake.client().files().download(node_id()).await.unwrap();
    assert_eq!(bytes, "abcdef");
}
