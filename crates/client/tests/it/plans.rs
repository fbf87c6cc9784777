//! Many files: which go together, what waits, and what one bad file does to the others.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::net::UnixListener;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use longshore::core::wire::ReadBatch;
use longshore::{
    Control, DownloadItem, DownloadOptions, ErrorKind, ManyOptions, Node, NodeId, Path, Target, Timestamp,
    UploadItem, UploadOptions,
};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::batches::{contents, items};
use crate::fake::{Fake, Reply, json, node, node_id, problem, stored};
use crate::parts::{MIB, names, pattern};

fn path(name: &str) -> Path {
    Path::new(&format!("/{name}")).unwrap()
}

type Given = (Vec<u8>, Path);

/// Returns a stream and what gives it its items.
fn channel() -> (mpsc::UnboundedSender<Given>, impl Stream<Item = Given> + Send) {
    let (give, mut given) = mpsc::unbounded_channel();
    (give, stream::poll_fn(move |cx| given.poll_recv(cx)))
}

fn small(count: usize) -> impl Iterator<Item = (Vec<u8>, Path)> {
    (0..count).map(|place| (format!("content {place}").into_bytes(), path(&place.to_string())))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_files_go_together_and_others_alone() {
    let fake = Fake::start(|_, seen| stored(seen)).await;
    let mut given: Vec<UploadItem> = small(700).map(UploadItem::from).collect();
    given.insert(3, (pattern(MIB), path("large")).into());
    given.insert(5, (b"by name".to_vec(), Target::version(node_id())).into());
    let outcomes = fake.client().files().upload_many(given, ManyOptions::default()).collect_all().await;
    assert_eq!(outcomes.len(), 702);
    assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()), "{outcomes:?}");
    let asked = fake.asked();
    assert_eq!(asked.iter().filter(|asked| asked.ends_with("/batch")).count(), 2, "{asked:?}");
    assert_eq!(asked.len(), 4, "{asked:?}");
}

#[tokio::test]
async fn what_one_file_demands_goes_with_it_in_a_group() {
    let fake = Fake::start(|_, seen| stored(seen)).await;
    let wanted = crate::fake::version();
    let mut given: Vec<UploadItem> = small(3).map(UploadItem::from).collect();
    given[1].if_match = Some(longshore::IfMatch::Version(wanted));
    let outcomes = fake.client().files().upload_many(given, ManyOptions::default()).collect_all().await;
    assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()));
    let seen = fake.seen().pop().unwrap();
    let demands: Vec<_> = items(&seen).into_iter().map(|(item, _)| item.if_match).collect();
    assert_eq!(demands, [None, Some(wanted.to_string()), None]);
}

#[tokio::test]
async fn a_key_of_the_callers_or_a_lock_that_must_cover_all_is_not_spread_over_a_group() {
    let fake = Fake::start(|_, seen| stored(seen)).await;
    let client = fake.client().with_idempotency_key("mine").unwrap();
    let outcomes = client.files().upload_many(small(2), ManyOptions::default()).collect_all().await;
    assert_eq!(
        outcomes.iter().filter(|outcome| outcome.result.is_ok()).count(),
        1,
        "a key goes with one write"
    );
    let upload = UploadOptions { lock: Some(crate::locks::token()), ..UploadOptions::default() };
    let options = ManyOptions { upload, ..ManyOptions::default() };
    fake.client().files().upload_many(small(2), options).collect_all().await;
    assert!(fake.asked().iter().all(|asked| asked.starts_with("PUT ")), "{:?}", fake.asked());
}

#[tokio::test]
async fn a_group_is_under_the_locks_that_its_client_is_under() {
    let fake = Fake::start(|_, seen| stored(seen)).await;
    let token = crate::locks::token();
    let locked = fake.client().under([token.clone()]);
    locked.files().upload_many(small(2), ManyOptions::default()).collect_all().await;
    let seen = fake.seen().pop().unwrap();
    assert!(seen.target.ends_with("/batch"));
    assert_eq!(seen.header("lock-token"), Some(token.reveal()));
}

/// Gives items through a channel, the next only once the one before has its outcome.
#[tokio::test]
async fn who_gives_the_next_item_may_wait_for_the_outcome_of_the_one_before() {
    let fake = Fake::start(|_, seen| stored(seen)).await;
    let (give, given) = channel();
    let mut outcomes = fake.client().files().upload_many_from(given, ManyOptions::default());
    for (index, item) in small(5).enumerate() {
        give.send(item).unwrap();
        let outcome = tokio::time::timeout(Duration::from_secs(20), outcomes.next()).await;
        let outcome = outcome.expect("a small file waits for company that never comes").unwrap();
        assert!(outcome.result.is_ok() && outcome.index == index);
    }
    drop(give);
    assert!(outcomes.next().await.is_none());
    assert_eq!(fake.asked().len(), 5);
}

#[tokio::test]
async fn what_comes_while_a_group_is_under_way_goes_together() {
    let fake = Fake::start(|place, seen| match place {
        1 => Reply::Later(Duration::from_millis(200), json(201, &node("/stored", &seen.body))),
        _ => stored(seen),
    })
    .await;
    let (give, given) = channel();
    let outcomes = fake.client().files().upload_many_from(given, ManyOptions::default());
    let (first, rest): (Vec<_>, Vec<_>) = small(40).partition(|(_, path)| *path == self::path("0"));
    first.into_iter().for_each(|item| give.send(item).unwrap());
    let given_late = async {
        while fake.asked().is_empty() {
            tokio::task::yield_now().await;
        }
        rest.into_iter().for_each(|item| give.send(item).unwrap());
        drop(give);
    };
    let (outcomes, ()) = tokio::join!(outcomes.collect_all(), given_late);
    assert!(outcomes.len() == 40 && outcomes.iter().all(|outcome| outcome.result.is_ok()));
    assert_eq!(fake.asked().len(), 2, "{:?}", fake.asked());
}

#[tokio::test]
async fn a_stream_that_never_ends_does_once_all_is_cancelled() {
    let fake = Fake::start(|_, seen| stored(seen)).await;
    let control = Control::new();
    let options = ManyOptions { control: Some(control.clone()), ..ManyOptions::default() };
    let given = stream::iter(small(1)).chain(stream::pending());
    let mut outcomes = fake.client().files().upload_many_from(given, options);
    assert!(outcomes.next().await.unwrap().result.is_ok());
    control.cancel();
    assert!(outcomes.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_file_is_told_and_the_rest_goes_on() {
    let fake = Fake::start(|_, seen| stored(seen)).await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("folder")).unwrap();
    let _socket = UnixListener::bind(at("socket")).unwrap();
    // Nobody writes to it, and nobody is waited for.
    let made = std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap();
    assert!(made.success());
    std::os::unix::fs::symlink("/nowhere/at/all", at("dangling")).unwrap();
    let mut given = vec!["/dev/zero".into(), "/dev/null".into()];
    given.extend(["folder", "socket", "pipe", "dangling", "vanished"].map(at));
    let bad = given.len();
    for place in 0..5 {
        fs::write(at(&place.to_string()), "content").unwrap();
        given.push(at(&place.to_string()));
    }
    let items = given.into_iter().enumerate().map(|(place, file)| (file, path(&place.to_string())));
    let items: Vec<_> = items.collect();
    let many = fake.client().files().upload_many(items, ManyOptions::default()).collect_all();
    let mut outcomes = tokio::time::timeout(Duration::from_secs(20), many).await.expect("none is waited for");
    outcomes.sort_by_key(|outcome| outcome.index);
    for outcome in outcomes {
        match outcome.result {
            Ok(_) => assert!(outcome.index >= bad),
            Err(error) => {
                assert!(outcome.index < bad && error.is_local(), "{error}");
                let wanted = if outcome.index < bad - 2 { ErrorKind::Invalid } else { ErrorKind::NotFound };
                assert_eq!(error.kind(), wanted, "{error}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_asked_while_the_server_wants_to_be_left_alone_and_nothing_is_lost() {
    const WINDOW: Duration = Duration::from_secs(3);
    let arrivals: std::sync::Arc<Mutex<Vec<Instant>>> = std::sync::Arc::default();
    let noted = std::sync::Arc::clone(&arrivals);
    let fake = Fake::start(move |_, seen| {
        let mut arrivals = noted.lock().unwrap();
        arrivals.push(Instant::now());
        let since = arrivals[0].elapsed();
        if since < WINDOW {
            let rest = (WINDOW - since).as_secs_f64().ceil().to_string();
            return Reply::Answer(problem(429, "rate_limited", &[("retry-after", &rest)]));
        }
        stored(seen)
    })
    .await;
    let mut given: Vec<UploadItem> = small(1_200).map(UploadItem::from).collect();
    given.extend((0..60).map(|place| (pattern(200_000), path(&format!("large {place}"))).into()));
    let outcomes = fake.client().files().upload_many(given, ManyOptions::default()).collect_all().await;
    assert_eq!(outcomes.len(), 1_260);
    assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()));
    let arrivals = arrivals.lock().unwrap();
    // What was on its way when the first refusal left is no disobedience; it was there within moments.
    let inside = arrivals.iter().filter(|at| {
        let since = at.duration_since(arrivals[0]);
        since > WINDOW / 3 && since < WINDOW
    });
    assert_eq!(inside.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_room_is_told_per_file_and_not_pressed() {
    let fake = Fake::start(|_, seen| match seen {
        _ if seen.target.ends_with("/batch") => stored(seen),
        _ if seen.method == "GET" => Reply::Answer(problem(404, "node_not_found", &[])),
        _ => Reply::Answer(problem(507, "storage_full", &[])),
    })
    .await;
    let mut given: Vec<UploadItem> = small(3).map(UploadItem::from).collect();
    given.push((pattern(MIB), path("middle")).into());
    given.push((pattern(33 * MIB), path("large")).into());
    let mut outcomes = fake.client().files().upload_many(given, ManyOptions::default()).collect_all().await;
    outcomes.sort_by_key(|outcome| outcome.index);
    assert!(outcomes[..3].iter().all(|outcome| outcome.result.is_ok()));
    for outcome in &outcomes[3..] {
        assert_eq!(outcome.result.as_ref().unwrap_err().status(), Some(507));
    }
    assert_eq!(fake.asked().iter().filter(|asked| asked.starts_with("PUT ")).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_of_all_files_come_out_of_one_budget() {
    let fake = Fake::start(|_, _| Reply::Answer(problem(503, "overloaded", &[]))).await;
    let items = (0..300).map(|_| (b"x".to_vec(), Target::version(node_id())));
    let outcomes = fake.client().files().upload_many(items, ManyOptions::default()).collect_all().await;
    assert!(outcomes.iter().all(|outcome| outcome.result.is_err()));
    assert_eq!(fake.asked().len(), 300 + 100, "a hundred retries and no more");
}

#[tokio::test]
async fn a_group_that_is_cancelled_ends_at_once() {
    let fake = Fake::start(|_, _| Reply::Hang).await;
    let control = Control::new();
    let options = ManyOptions { control: Some(control.clone()), ..ManyOptions::default() };
    let mut outcomes = fake.client().files().upload_many(small(10), options);
    assert!(tokio::time::timeout(Duration::from_millis(100), outcomes.next()).await.is_err());
    control.cancel();
    let ended = outcomes.collect_all().await;
    assert_eq!(ended.len(), 10);
    assert!(ended.iter().all(|outcome| outcome.result.as_ref().is_err_and(longshore::Error::is_cancelled)));
}

fn known(place: usize, bytes: &[u8]) -> Node {
    Node { id: NodeId::new(Timestamp::from_micros(place as i64)), ..node(&format!("/{place}"), bytes) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_files_that_are_known_come_together_and_those_that_are_here_are_not_asked_for() {
    let bodies: Vec<Bytes> = (0..6).map(|place| Bytes::from(format!("content {place}"))).collect();
    let nodes: Vec<_> = (0..6).map(|place| known(place, &bodies[place])).collect();
    let held: HashMap<_, _> = nodes.iter().map(|node| node.id).zip(bodies.clone()).collect();
    let fake = Fake::start(move |_, seen| {
        let asked: ReadBatch = serde_json::from_slice(&seen.body).unwrap();
        let found: Vec<_> = asked.items.iter().map(|item| (&held[&item.id.unwrap()][..], None)).collect();
        Reply::Answer(contents(&found))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let at = |place: usize| folder.path().join(place.to_string());
    fs::write(at(0), &bodies[0]).unwrap();
    fs::write(at(1), &bodies[1]).unwrap();
    fs::write(at(2), "contents 2").unwrap();
    let given: Vec<_> =
        nodes.into_iter().enumerate().map(|(place, node)| DownloadItem::of(node, at(place))).collect();
    let download = DownloadOptions { skip_same: true, ..DownloadOptions::default() };
    let options = ManyOptions { download, ..ManyOptions::default() };
    let mut outcomes = fake.client().files().download_many(given, options).collect_all().await;
    outcomes.sort_by_key(|outcome| outcome.index);
    for outcome in outcomes {
        let done = outcome.result.unwrap();
        assert_eq!(done.skipped, outcome.index < 2);
        assert!(fs::read(&outcome.path).unwrap() == bodies[outcome.index]);
    }
    assert_eq!(fake.asked().len(), 1, "{:?}", fake.asked());
    assert_eq!(names(folder.path()).len(), 6);
}

#[tokio::test]
async fn a_single_file_that_is_there_is_looked_for_once_and_not_sent() {
    let fake = Fake::start(|_, seen| match seen.method.as_str() {
        "GET" => Reply::Answer(json(200, &node("/f", b"here"))),
        _ => stored(seen),
    })
    .await;
    let options = UploadOptions { skip_same: true, ..UploadOptions::default() };
    let files = fake.client().files();
    files.upload(b"here".to_vec(), path("f"), &options).await.unwrap();
    assert!(fake.asked().iter().all(|asked| asked.starts_with("GET ")));
    let folder = tempfile::tempdir().unwrap();
    let local = folder.path().join("f");
    std::io::Write::write_all(&mut File::create(&local).unwrap(), b"gone").unwrap();
    files.upload(local.clone(), path("f"), &options).await.unwrap();
    // Only to be made, it cannot be there already.
    let new = UploadOptions { if_none_match: true, ..options };
    files.upload(b"here".to_vec(), path("f"), &new).await.unwrap();
    assert_eq!(fake.asked().iter().filter(|asked| asked.starts_with("PUT ")).count(), 2);
}
