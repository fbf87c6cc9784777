//! Locks: what is asked for, what goes with writes, and when a guard lets go. Short leases, which a server never
//! grants, keep these tests short.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response};
use longshore::core::LockToken;
use longshore::core::wire::{BreakLock, Problem, UndoActs};
use longshore::{
    AcquireLock, Client, Code, CopyNode, HoldOptions, LockGrant, LockOwner, LostReason, Name, NodeId,
    NodeLock, Path, RestoreNode, Source, Target, UpdateNode, UploadOptions,
};
use tokio::time::Instant;

use crate::fake::{Fake, NOW, Reply, Seen, json, node, node_id, problem, version, workspace_id};

pub(crate) fn other_node(number: i64) -> NodeId {
    NodeId::new(longshore::Timestamp::from_micros(number * 1_000_000))
}

pub(crate) fn lock_on(node_id: NodeId, token: &LockToken) -> NodeLock {
    NodeLock {
        id: token.id(),
        node_id,
        owner: "usr_01k9x3m7q2e8rj5v4n6t0p1s2d".parse().unwrap(),
        owner_label: None,
        purpose: None,
        fence: 1,
        expires_at: NOW,
    }
}

pub(crate) fn grant(node_id: NodeId, token: &LockToken, seconds: u64) -> LockGrant {
    LockGrant {
        lock: lock_on(node_id, token),
        token: token.reveal().to_owned(),
        ttl_seconds: 60,
        expires_in: seconds,
        max_until: NOW,
        node: node("/locked", b""),
    }
}

pub(crate) fn renewal(token: &LockToken, seconds: u64) -> Response<Bytes> {
    let mut body = serde_json::to_value(lock_on(node_id(), token)).unwrap();
    body["ttl_seconds"] = 60.into();
    body["expires_in"] = seconds.into();
    body["max_until"] = serde_json::to_value(NOW).unwrap();
    json(200, &body)
}

/// A refusal with what it says for a program.
pub(crate) fn refusal(status: u16, code: &str, facts: &serde_json::Value) -> Response<Bytes> {
    let refused = problem(status, code, &[("retry-after", "1")]);
    let mut body: serde_json::Value = serde_json::from_slice(refused.body()).unwrap();
    body.as_object_mut().unwrap().extend(facts.as_object().unwrap().clone());
    serde_json::from_value::<Problem>(body.clone()).unwrap();
    let (head, _) = refused.into_parts();
    Response::from_parts(head, serde_json::to_vec(&body).unwrap().into())
}

pub(crate) fn is_acquire(seen: &Seen) -> bool {
    seen.method == Method::POST && seen.target.ends_with("/lock")
}

pub(crate) fn is_renewal(seen: &Seen) -> bool {
    seen.target.ends_with("/renew")
}

pub(crate) fn is_release(seen: &Seen) -> bool {
    seen.method == Method::DELETE && seen.target.starts_with("/v1/locks/")
}

pub(crate) fn no_content() -> Reply {
    Reply::Answer(Response::builder().status(204).body(Bytes::new()).unwrap())
}

pub(crate) fn token() -> LockToken {
    LockToken::generate(NOW)
}

/// A server that grants one lock for `seconds` and does with renewals what `renew` says, given their number.
pub(crate) async fn granting(
    token: &LockToken,
    seconds: u64,
    renew: impl Fn(usize) -> Reply + Send + Sync + 'static,
) -> Fake {
    let (token, renewals) = (token.clone(), AtomicUsize::new(0));
    Fake::start(move |_, seen| match seen {
        seen if is_acquire(seen) => Reply::Answer(json(201, &grant(node_id(), &token, seconds))),
        seen if is_renewal(seen) => renew(renewals.fetch_add(1, Ordering::SeqCst)),
        seen if is_release(seen) => no_content(),
        _ => Reply::Answer(json(200, &node("/locked", &seen.body))),
    })
    .await
}

#[tokio::test]
async fn a_guard_renews_and_gives_back() {
    let token = token();
    let again = token.clone();
    let fake = granting(&token, 1, move |_| Reply::Answer(renewal(&again, 1))).await;
    let client = fake.client();
    let guard = client.locks().hold(node_id(), &HoldOptions::default()).await.unwrap();
    guard
        .run(tokio::time::sleep(Duration::from_millis(2_500)))
        .await
        .expect("held for two and a half leases");
    assert!(!guard.is_lost());
    assert!(!format!("{guard:?} {client:?}").contains(&token.reveal()[33..]), "a token shows nowhere");
    guard.release().await.unwrap();
    let seen = fake.seen();
    assert!((5..=12).contains(&seen.iter().filter(|seen| is_renewal(seen)).count()), "{:?}", fake.asked());
    assert_eq!(seen.iter().filter(|seen| is_release(seen)).count(), 1);
    let named = |seen: &Seen| seen.header("lock-token") == Some(token.reveal());
    assert!(seen.iter().filter(|seen| is_renewal(seen) || is_release(seen)).all(named));
}

#[tokio::test]
async fn a_dropped_guard_gives_back_in_the_background() {
    let token = token();
    let fake = granting(&token, 60, |_| Reply::Hang).await;
    drop(fake.client().locks().hold(node_id(), &HoldOptions::default()).await.unwrap());
    while !fake.seen().iter().any(is_release) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Holds a lock whose renewals all go wrong, and checks that its work is dropped before the lease could have ended.
async fn work_ends_in_time(token: &LockToken, fake: &Fake) -> longshore::Error {
    let client = fake.client();
    let asked = Instant::now();
    let guard = client.locks().hold(node_id(), &HoldOptions::default()).await.unwrap();
    let error = guard.run(std::future::pending::<()>()).await.expect_err("the lock cannot be kept");
    assert!(asked.elapsed() < Duration::from_secs(2), "the lease of 2 s was over");
    assert!(error.is_lock_lost() && error.may_have_happened(), "{error:?}");
    assert!(guard.is_lost() && guard.lost().await.is_lock_lost());
    // Who goes on regardless is refused by the server, as the lock still goes with what it writes.
    let (files, write) = (client.files(), UploadOptions::default());
    files.upload(Bytes::new(), Target::version(node_id()), &write).await.unwrap();
    assert_eq!(fake.seen().last().unwrap().header("lock-token"), Some(token.reveal()));
    guard.release().await.unwrap();
    files.upload(Bytes::new(), Target::version(node_id()), &write).await.unwrap();
    assert_eq!(fake.seen().last().unwrap().header("lock-token"), None, "nobody holds it now");
    error
}

#[tokio::test]
async fn work_ends_before_a_lease_that_a_cut_line_lets_end() {
    let token = token();
    let fake = granting(&token, 2, |_| Reply::Close).await;
    let error = work_ends_in_time(&token, &fake).await;
    assert_eq!(error.facts().reason, Some(LostReason::Expired));
    assert!(error.message().contains("the connection broke"), "{error}");
}

#[tokio::test]
async fn work_ends_before_a_lease_whose_renewals_are_not_answered() {
    let token = token();
    let fake = granting(&token, 2, |_| Reply::Hang).await;
    work_ends_in_time(&token, &fake).await;
    assert!(fake.seen().iter().filter(|seen| is_renewal(seen)).count() > 1, "it tries another connection");
}

#[tokio::test]
async fn work_ends_before_a_lease_whose_renewals_fail() {
    let token = token();
    let fake = granting(&token, 2, |_| Reply::Answer(problem(503, "overloaded", &[]))).await;
    work_ends_in_time(&token, &fake).await;
}

#[tokio::test]
async fn a_renewal_that_fails_is_tried_again() {
    let token = token();
    let again = token.clone();
    let fake = granting(&token, 1, move |number| match number % 3 {
        0 => Reply::Close,
        1 => Reply::Answer(problem(502, "", &[])),
        _ => Reply::Answer(renewal(&again, 1)),
    });
    let fake = fake.await;
    let guard = fake.client().locks().hold(node_id(), &HoldOptions::default()).await.unwrap();
    guard.run(tokio::time::sleep(Duration::from_millis(2_200))).await.expect("each third attempt suffices");
}

#[tokio::test]
async fn a_broken_lock_ends_the_work_at_once() {
    let token = token();
    let facts = serde_json::json!({ "reason": "broken" });
    let fake = granting(&token, 3, move |_| Reply::Answer(refusal(410, "lock_lost", &facts))).await;
    let start = Instant::now();
    let guard = fake.client().locks().hold(node_id(), &HoldOptions::default()).await.unwrap();
    let error = guard.lost().await;
    assert_eq!(error.facts().reason, Some(LostReason::Broken));
    assert!(
        start.elapsed() < Duration::from_millis(2_000),
        "at the first renewal, not at the end of the lease"
    );
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_lock_that_was_lost_before_it_is_given_back_is_only_logged() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let token = token();
    let granted = token.clone();
    let fake = Fake::start(move |_, seen| {
        Reply::Answer(if is_acquire(seen) {
            json(201, &grant(node_id(), &granted, 60))
        } else {
            refusal(410, "lock_lost", &serde_json::json!({ "reason": "expired" }))
        })
    });
    let fake = fake.await;
    let client = fake.client();
    let guard = client.locks().hold(node_id(), &HoldOptions::default()).await.unwrap();
    guard.release().await.expect("a lock that is gone is as good as given back");
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("a lock was lost before it was given back"), "{text}");
    assert!(!text.contains(&token.reveal()[33..]), "{text}");
    // Who gives a lock back by hand is told.
    assert!(client.locks().release(&token).await.unwrap_err().is_lock_lost());
}

#[tokio::test]
async fn a_grant_whose_answer_was_lost_is_asked_for_with_the_same_key() {
    let token = token();
    let fake = Fake::start(move |place, _| match place {
        0 => Reply::Close,
        _ => Reply::Answer(json(200, &grant(node_id(), &token, 60))),
    });
    let fake = fake.await;
    fake.client().locks().acquire(node_id(), &AcquireLock::default()).await.unwrap();
    fake.client().locks().acquire(node_id(), &AcquireLock::default()).await.unwrap();
    let keys: Vec<_> =
        fake.seen().iter().map(|seen| seen.header("idempotency-key").unwrap().to_owned()).collect();
    assert_eq!(keys[0], keys[1]);
    assert_ne!(keys[1], keys[2], "another attempt is another grant");
}

#[tokio::test]
async fn who_waits_keeps_its_place_until_its_own_deadline() {
    let ticket = "lw_01k9x3m7q2e8rj5v4n6t0p1s2d";
    let fake = Fake::start(move |_, _| {
        let facts = serde_json::json!({ "expires_in": 9, "queue": { "position": 2, "ticket": ticket } });
        Reply::Answer(refusal(423, "locked", &facts))
    });
    let fake = fake.await;
    let options = HoldOptions { wait: Duration::from_millis(2_300), ..HoldOptions::default() };
    let start = Instant::now();
    let error = fake.client().locks().hold(node_id(), &options).await.unwrap_err();
    assert!(error.is_locked() && start.elapsed() >= options.wait, "{error:?}");
    let place = error.facts().queue.unwrap();
    assert_eq!((place.position, place.ticket.map(|ticket| ticket.to_string()).as_deref()), (2, Some(ticket)));
    let asked: Vec<AcquireLock> =
        fake.seen().iter().map(|seen| serde_json::from_slice(&seen.body).unwrap()).collect();
    // The connection would count as dead after 5 s, so no request waits for longer than half of that.
    assert_eq!((asked[0].wait_seconds, asked[0].wait_ticket), (2, None));
    assert!(asked.len() <= 5, "a server that does not wait is not asked in a loop: {asked:?}");
    assert!(asked[1..].iter().all(|asked| asked.wait_ticket.is_some()), "{asked:?}");
}

#[tokio::test]
async fn writes_name_the_locks_that_the_client_took() {
    let (file, folder) = (other_node(1), other_node(2));
    let (on_file, on_folder) = (token(), token());
    let (one, two) = (on_file.clone(), on_folder.clone());
    let fake = Fake::start(move |_, seen| {
        if is_release(seen) {
            return no_content();
        }
        if !is_acquire(seen) {
            return Reply::Answer(json(200, &node("/x", &seen.body)));
        }
        let (id, token) = if seen.target.contains(&file.to_string()) { (file, &one) } else { (folder, &two) };
        Reply::Answer(json(201, &grant(id, token, 60)))
    });
    let fake = fake.await;
    let client = fake.client();
    let named = || fake.seen().last().unwrap().header("lock-token").unwrap_or_default().to_owned();
    client.locks().acquire(file, &AcquireLock::default()).await.unwrap();
    assert_eq!(named(), "");
    client.locks().acquire(folder, &AcquireLock::default()).await.unwrap();
    assert_eq!(named(), on_file.reveal(), "so that the server sees a circle of waiters");
    let (both, files) = (format!("{}, {}", on_file.reveal(), on_folder.reveal()), client.files());
    let name = || Name::new("x").unwrap();
    let into = UpdateNode { parent_id: Some(folder), ..UpdateNode::default() };
    files.update(file, &UpdateNode::default(), None).await.unwrap();
    assert_eq!(named(), on_file.reveal());
    files.update(file, &into, None).await.unwrap();
    assert_eq!(named(), both);
    files.trash(file, None).await.unwrap();
    assert_eq!(named(), on_file.reveal());
    files.restore(file, &RestoreNode { parent_id: Some(folder), name: None }, None).await.unwrap();
    assert_eq!(named(), both);
    files.restore_version(file, version(), None).await.unwrap();
    assert_eq!(named(), on_file.reveal());
    files.purge(file, None).await.unwrap_err(); // the answer of this server is none of a purge
    assert_eq!(named(), on_file.reveal());
    files.label_version(file, version(), None, None).await.unwrap_err();
    assert_eq!(named(), on_file.reveal());
    files.delete_version(file, version(), None).await.unwrap();
    assert_eq!(named(), on_file.reveal());
    // Nobody knows what lies in the trash: what turns out not to be in it is left out.
    files.empty_trash(None).await.unwrap_err();
    assert!(named().contains(on_file.reveal()) && named().contains(on_folder.reveal()));
    let undo = |preview| UndoActs { act: Some(1), preview, ..UndoActs::default() };
    client.undo(None, &undo(false)).await.unwrap_err();
    assert!(named().contains(on_file.reveal()) && named().contains(on_folder.reveal()));
    client.undo(None, &undo(true)).await.unwrap_err();
    assert_eq!(named(), "");
    // Copying from a locked file changes nothing of it; a lock named in vain is refused.
    files.copy(file, &CopyNode { parent_id: Some(folder), name: None }, None).await.unwrap();
    assert_eq!(named(), on_folder.reveal());
    files.create_folder(folder, name()).await.unwrap();
    assert_eq!(named(), on_folder.reveal());
    let options = UploadOptions::default();
    files.upload(Bytes::new(), Target::version(file), &options).await.unwrap();
    assert_eq!(named(), on_file.reveal());
    files.upload(Bytes::new(), Target::child(folder, name()), &options).await.unwrap();
    assert_eq!(named(), on_folder.reveal());
    files.upload(Bytes::new(), Path::new("/x").unwrap(), &options).await.unwrap();
    assert_eq!(named(), "", "nobody knows what a path leads to");
    let explicit = UploadOptions { lock: Some(on_folder.clone()), ..options };
    files.upload(Bytes::new(), Target::version(file), &explicit).await.unwrap();
    assert_eq!(named(), on_folder.reveal(), "what is said comes before what is known");
    client.locks().release(&on_file).await.unwrap();
    files.trash(file, None).await.unwrap();
    assert_eq!(named(), "");
}

#[tokio::test]
async fn a_lock_that_covers_nothing_of_a_write_is_left_out() {
    let (covering, vain) = (token(), token());
    let unused = lock_on(other_node(9), &vain);
    let refused = vain.clone();
    let fake = Fake::start(move |_, seen| {
        let names =
            |token: &LockToken| seen.header("lock-token").is_some_and(|text| text.contains(token.reveal()));
        if names(&refused) {
            return Reply::Answer(refusal(412, "lock_elsewhere", &serde_json::json!({ "locks": [unused] })));
        }
        Reply::Answer(json(200, &node("/x", &seen.body)))
    });
    let fake = fake.await;
    let client: Client = fake.client().under([covering.clone(), vain.clone()]).under([covering.clone()]);
    let last = || fake.seen().last().unwrap().header("lock-token").map(str::to_owned);
    client.files().mkdir(Path::new("/x").unwrap()).await.unwrap();
    assert_eq!(last().as_deref(), Some(covering.reveal()));
    client
        .files()
        .upload(Bytes::from_static(b"x"), Path::new("/x").unwrap(), &UploadOptions::default())
        .await
        .unwrap();
    assert_eq!(last().as_deref(), Some(covering.reveal()));
    assert_eq!(fake.asked().len(), 4, "each is sent twice");
    // A stream is gone once it was sent, and a lock that was named for this very write stays named.
    let stream =
        || Source::stream(Some(1), futures_util::stream::once(async { Ok(Bytes::from_static(b"x")) }));
    let streamed = client.files().upload(stream(), Path::new("/x").unwrap(), &UploadOptions::default()).await;
    assert!(streamed.unwrap_err().is(Code::LockElsewhere));
    let strict = UploadOptions { lock: Some(vain), ..UploadOptions::default() };
    let refused = fake.client().files().upload(Bytes::new(), Path::new("/x").unwrap(), &strict).await;
    assert!(refused.unwrap_err().is(Code::LockElsewhere));
}

#[tokio::test]
async fn the_other_verbs_ask_for_what_they_say() {
    let token = token();
    let answer = token.clone();
    let fake = Fake::start(move |_, seen| match seen.method {
        Method::DELETE => no_content(),
        _ if seen.target.contains("/v1/locks?") => {
            Reply::Answer(json(200, &serde_json::json!({ "items": [], "next_cursor": null })))
        }
        _ => Reply::Answer(json(200, &lock_on(node_id(), &answer))),
    });
    let fake = fake.await;
    let locks = fake.client().locks();
    assert_eq!(locks.get(node_id()).await.unwrap().id, token.id());
    locks.break_lock(token.id(), "its owner is gone").await.unwrap();
    let sent: BreakLock = serde_json::from_slice(&fake.seen().last().unwrap().body).unwrap();
    assert_eq!(sent.reason, "its owner is gone");
    for owner in [LockOwner::Anybody, LockOwner::Me] {
        assert!(locks.list(owner, None).collect_all().await.unwrap().is_empty());
    }
    let (id, lock, workspace) = (node_id(), token.id(), workspace_id());
    assert_eq!(
        fake.asked(),
        [
            format!("GET /v1/files/{id}/lock"),
            format!("DELETE /v1/locks/{lock}?force=true"),
            format!("GET /v1/locks?workspace={workspace}&limit=1000"),
            format!("GET /v1/locks?workspace={workspace}&owner=me&limit=1000"),
        ]
    );
}

#[tokio::test]
async fn a_lease_that_began_at_an_unknown_time_is_counted_from_a_renewal() {
    let token = token();
    let (granted, again) = (token.clone(), token.clone());
    let fake = Fake::start(move |_, seen| match seen {
        seen if is_acquire(seen) => {
            Reply::Later(Duration::from_millis(1_100), json(201, &grant(node_id(), &granted, 1)))
        }
        seen if is_release(seen) => no_content(),
        _ => Reply::Answer(renewal(&again, 1)),
    });
    let fake = fake.await;
    let options = HoldOptions { wait: Duration::from_secs(4), ..HoldOptions::default() };
    let guard = fake.client().locks().hold(node_id(), &options).await.unwrap();
    guard.ensure_held().expect("counted from when it was asked for, the lease would be over");
    assert!(fake.seen().iter().any(is_renewal));
}
