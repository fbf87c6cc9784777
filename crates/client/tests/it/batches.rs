//! Many files in one request: what breaks is sent, or asked for, again, and nothing else is.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use longshore::core::wire::{BatchContent, BatchItem, BatchResult, Problem};
use longshore::{Code, DownloadItem, ManyOptions, Node, NodeId, Path, Target, Timestamp, UploadOutcome};

use crate::fake::{Fake, Reply, Seen, digest, json, node, node_id, problem, version};

/// Takes a request apart.
pub(crate) fn items(seen: &Seen) -> Vec<(BatchItem, Bytes)> {
    let (mut body, mut found) = (seen.body.clone(), Vec::new());
    while !body.is_empty() {
        let end = body.iter().position(|byte| *byte == b'\n').unwrap();
        let line = body.split_to(end + 1);
        let item: BatchItem = serde_json::from_slice(&line).unwrap();
        let content = body.split_to(usize::try_from(item.size).unwrap());
        found.push((item, content));
    }
    found
}

fn told(index: usize, result: Result<Node, Problem>) -> BatchResult {
    let (node, problem) = result.map_or_else(|problem| (None, Some(problem)), |node| (Some(node), None));
    let status = problem.as_ref().map_or(201, |problem| problem.status);
    BatchResult { index: Some(index as u64), path: None, status, node, replayed: false, problem }
}

fn stored(index: usize, (item, content): &(BatchItem, Bytes)) -> BatchResult {
    told(index, Ok(node(&item.path, content)))
}

fn refused(status: u16, code: &str) -> Problem {
    serde_json::from_slice(problem(status, code, &[]).body()).unwrap()
}

fn lines(results: &[BatchResult]) -> Response<Bytes> {
    let lines: String = results.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect();
    Response::new(lines.into())
}

/// Answers a batch as the server does.
pub(crate) fn stored_all(seen: &Seen) -> Response<Bytes> {
    let results: Vec<_> = items(seen).iter().enumerate().map(|(index, item)| stored(index, item)).collect();
    lines(&results)
}

fn files(count: usize) -> Vec<(Bytes, Path)> {
    (0..count)
        .map(|number| (Bytes::from(format!("content {number}")), Path::new(&format!("/f/{number}")).unwrap()))
        .collect()
}

async fn upload(fake: &Fake, count: usize) -> Vec<UploadOutcome> {
    let outcomes = fake.client().files().upload_many(files(count), ManyOptions::default());
    let mut outcomes = outcomes.collect_all().await;
    outcomes.sort_by_key(|outcome| outcome.index);
    assert_eq!(
        outcomes.iter().map(|outcome| outcome.index).collect::<Vec<_>>(),
        (0..count).collect::<Vec<_>>()
    );
    outcomes
}

/// Returns the requests but the one that asks for the workspace.
fn sent(fake: &Fake) -> Vec<Seen> {
    fake.seen().into_iter().filter(|seen| seen.target.contains("/batch")).collect()
}

#[tokio::test]
async fn what_had_no_answer_is_sent_again_under_its_key() {
    // The first answer breaks after three of five, the second tells of one that the server could not do just then.
    let fake = Fake::start(|place, seen| {
        let items = items(seen);
        match place {
            1 => {
                let results: Vec<_> =
                    items[..3].iter().enumerate().map(|(index, item)| stored(index, item)).collect();
                Reply::Torn(lines(&results), 100_000)
            }
            2 => Reply::Answer(lines(&[stored(0, &items[0]), told(1, Err(refused(503, "overloaded")))])),
            _ => Reply::Answer(lines(&[stored(0, &items[0])])),
        }
    })
    .await;
    let outcomes = upload(&fake, 5).await;
    assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()), "{outcomes:?}");
    let sent: Vec<_> = sent(&fake).iter().map(items).collect();
    assert_eq!(sent.iter().map(Vec::len).collect::<Vec<_>>(), [5, 2, 1]);
    let mut keys = HashMap::new();
    for (item, content) in sent.iter().flatten() {
        assert_eq!(item.digest, Some(digest(content)));
        let key = item.idempotency_key.clone().unwrap();
        assert_eq!(*keys.entry(item.path.clone()).or_insert_with(|| key.clone()), key);
    }
    let mut different: Vec<_> = keys.into_values().collect();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), 5);
}

#[tokio::test]
async fn one_failure_is_one_value() {
    let fake = Fake::start(|_, seen| {
        let items = items(seen);
        let mut results: Vec<_> = items.iter().enumerate().map(|(index, item)| stored(index, item)).collect();
        results[1] = told(1, Err(refused(423, "locked")));
        results[2] = told(2, Ok(node("/f/2", b"something else")));
        results[3] = told(3, Err(refused(507, "storage_full")));
        Reply::Answer(lines(&results))
    })
    .await;
    let outcomes = upload(&fake, 5).await;
    let failed = |place: usize, code| outcomes[place].result.as_ref().is_err_and(|error| error.is(code));
    assert!(failed(1, Code::Locked) && failed(2, Code::DigestMismatch) && failed(3, Code::StorageFull));
    assert!(outcomes[0].result.is_ok() && outcomes[4].result.is_ok());
    assert_eq!(sent(&fake).len(), 1);
}

#[tokio::test]
async fn a_batch_waits_as_it_is_told() {
    let fake = Fake::start(|place, seen| match place {
        1 => Reply::Answer(problem(429, "rate_limited", &[("retry-after", "0")])),
        2 => Reply::Close,
        _ => Reply::Answer(lines(&[stored(0, &items(seen)[0]), stored(1, &items(seen)[1])])),
    })
    .await;
    assert!(upload(&fake, 2).await.iter().all(|outcome| outcome.result.is_ok()));
    assert_eq!(sent(&fake).len(), 3);
}

#[tokio::test]
async fn what_ends_a_batch_is_told_of_each_item_that_is_left() {
    // A malformed line cannot be mended by sending it again; an answer that breaks the contract neither.
    let end = BatchResult { index: None, ..told(0, Err(refused(400, "invalid_body"))) };
    let strange = told(7, Err(refused(423, "locked")));
    for last in [end, strange] {
        let fake =
            Fake::start(move |_, seen| Reply::Answer(lines(&[stored(0, &items(seen)[0]), last.clone()])))
                .await;
        let outcomes = upload(&fake, 3).await;
        assert_eq!(
            outcomes.iter().map(|outcome| outcome.result.is_ok()).collect::<Vec<_>>(),
            [true, false, false]
        );
        assert_eq!(sent(&fake).len(), 1);
    }
    let fake = Fake::start(|_, _| Reply::Answer(problem(404, "route_not_found", &[]))).await;
    let outcomes = upload(&fake, 2).await;
    assert!(outcomes.iter().all(|outcome| outcome.result.as_ref().unwrap_err().is(Code::RouteNotFound)));
    // An answer that never gets anywhere is given up at last.
    let fake = Fake::start(|_, _| Reply::Answer(lines(&[]))).await;
    assert!(upload(&fake, 2).await.iter().all(|outcome| outcome.result.is_err()));
    assert_eq!(sent(&fake).len(), 5);
}

#[tokio::test]
async fn what_ends_a_batch_is_told_though_an_item_may_do_better() {
    let end = BatchResult { index: None, ..told(0, Err(refused(400, "invalid_body"))) };
    let fake = Fake::start(move |_, _| {
        Reply::Answer(lines(&[told(0, Err(refused(503, "overloaded"))), end.clone()]))
    })
    .await;
    let outcomes = upload(&fake, 2).await;
    assert!(outcomes.iter().all(|outcome| outcome.result.as_ref().unwrap_err().is(Code::InvalidBody)));
    assert_eq!(sent(&fake).len(), 1);
    let fake = Fake::start(|_, _| {
        let mut answer = contents(&[(b"", Some(refused(503, "overloaded")))]).into_body().to_vec();
        answer.extend_from_slice(b"this is no line\n");
        Reply::Answer(Response::new(answer.into()))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let outcomes = fake.client().files().download_many(wanted(2, folder.path()), ManyOptions::default());
    for outcome in outcomes.collect_all().await {
        assert!(!outcome.result.unwrap_err().is_retryable());
    }
    assert_eq!(sent(&fake).len(), 1);
}

#[tokio::test]
async fn a_server_that_refuses_an_item_gets_fewer_requests() {
    let refusing = AtomicUsize::new(0);
    let fake = Fake::start(move |_, seen| {
        if !seen.target.contains("/batch") {
            return Reply::Later(Duration::from_millis(50), json(201, &node("/stored", &seen.body)));
        }
        let items = items(seen);
        match refusing.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::Answer(lines(&[stored(0, &items[0]), told(1, Err(refused(429, "rate_limited")))])),
            _ => Reply::Answer(lines(&[stored(0, &items[0])])),
        }
    })
    .await;
    let client = fake.builder().concurrency(4).build().unwrap();
    let batch = client.files().upload_many(files(2), ManyOptions::default()).collect_all().await;
    assert!(batch.iter().all(|outcome| outcome.result.is_ok()), "{batch:?}");
    // By folder and name each goes by itself.
    let items = ["1", "2", "3"]
        .map(|name| (name.as_bytes().to_vec(), Target::child(node_id(), name.parse().unwrap())));
    let outcomes = client.files().upload_many(items, ManyOptions::default()).collect_all().await;
    assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()), "{outcomes:?}");
    assert_eq!(fake.most_at_once(), 2);
}

#[tokio::test]
async fn a_dropped_batch_stops() {
    let fake = Fake::start(|_, _| Reply::Hang).await;
    let mut outcomes = fake.client().files().upload_many(files(3), ManyOptions::default());
    assert!(tokio::time::timeout(Duration::from_millis(100), outcomes.next()).await.is_err());
    drop(outcomes);
}

/// Answers a reading with these contents, from the first that was asked for.
pub(crate) fn contents(found: &[(&[u8], Option<Problem>)]) -> Response<Bytes> {
    let mut answer = Vec::new();
    for (index, (content, problem)) in found.iter().enumerate() {
        let head = BatchContent {
            index: index as u64,
            size: content.len() as u64,
            path: None,
            digest: Some(digest(content)),
            node_id: Some(node_id()),
            version_id: Some(version()),
            problem: problem.clone(),
        };
        answer.extend_from_slice(&serde_json::to_vec(&head).unwrap());
        answer.push(b'\n');
        answer.extend_from_slice(content);
    }
    Response::new(answer.into())
}

/// Returns items of small files that are known, each of its own id.
fn wanted(count: usize, folder: &std::path::Path) -> Vec<DownloadItem> {
    let wanted = |number: usize| {
        let id = NodeId::new(Timestamp::from_micros(number as i64));
        let node = Node { id, ..node(&format!("/f/{number}"), b"small") };
        DownloadItem::of(node, folder.join(number.to_string()))
    };
    (0..count).map(wanted).collect()
}

#[tokio::test]
async fn what_had_not_come_is_asked_for_again() {
    let fake = Fake::start(|place, _| match place {
        0 => {
            let whole = contents(&[(b"zero", None), (b"", None), (b"the third", None)]);
            // Cut in the middle of the third.
            let cut = whole.map(|body| body.slice(..body.len() - 3));
            Reply::Torn(cut, 100_000)
        }
        1 => Reply::Answer(contents(&[(b"the third", None), (b"", Some(refused(404, "node_not_found")))])),
        _ => Reply::Close,
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let given = wanted(4, folder.path());
    let ids: Vec<_> = given.iter().map(|item| item.known.as_ref().unwrap().id).collect();
    let outcomes = fake.client().files().download_many(given, ManyOptions::default());
    let mut outcomes = outcomes.collect_all().await;
    outcomes.sort_by_key(|outcome| outcome.index);
    assert_eq!(
        outcomes.iter().map(|outcome| outcome.result.is_ok()).collect::<Vec<_>>(),
        [true, true, true, false]
    );
    let asked: Vec<serde_json::Value> =
        sent(&fake).iter().map(|seen| serde_json::from_slice(&seen.body).unwrap()).collect();
    assert_eq!(asked[1], serde_json::json!({"items": [{"id": ids[2]}, {"id": ids[3]}]}));
    assert_eq!(std::fs::read(folder.path().join("2")).unwrap(), b"the third");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "no part is left");
}

#[tokio::test]
async fn content_that_is_not_what_it_should_be_leaves_no_file() {
    let fake = Fake::start(|_, _| {
        let whole = contents(&[(b"right", None), (b"wrong", None), (b"right", None)]);
        Reply::Answer(whole.map(|body| {
            let mut body = body.to_vec();
            let place = body.windows(5).position(|bytes| bytes == b"wrong").unwrap();
            body[place] = b'W';
            body.into()
        }))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let mut items = wanted(3, folder.path());
    // And one that cannot be written: a file stands where a folder should.
    items[2].destination = folder.path().join("0/below").into();
    let outcomes = fake.client().files().download_many(items, ManyOptions::default()).collect_all().await;
    let mut failed: Vec<_> =
        outcomes.iter().filter(|outcome| outcome.result.is_err()).map(|outcome| outcome.index).collect();
    failed.sort_unstable();
    assert_eq!(failed, [1, 2]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(sent(&fake).len(), 1);
}
