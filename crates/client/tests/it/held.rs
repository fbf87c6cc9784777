//! Locks that are held: what a guard owes when its taker goes, and what is named beside what is asked for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use longshore::core::LockToken;
use longshore::{
    AcquireLock, AcquireLocks, Client, HoldOptions, LostReason, NodeId, Timestamp, UndoActs, WorkspaceId,
    blocking,
};
use tokio::time::{Instant, sleep, timeout};

use crate::fake::{Fake, Reply, Seen, json, node, node_id, problem};
use crate::locks::{
    grant, granting, is_acquire, is_release, is_renewal, no_content, other_node, refusal, renewal, token,
};

/// Longer than anything here takes.
const SOON: Duration = Duration::from_secs(20);

/// A server that grants a lease of a second after more than that, and does with renewals what `renew` says.
async fn granting_late(token: &LockToken, renew: impl Fn() -> Reply + Send + Sync + 'static) -> Fake {
    let token = token.clone();
    Fake::start(move |_, seen| match seen {
        seen if is_acquire(seen) => {
            Reply::Later(Duration::from_millis(1_100), json(201, &grant(node_id(), &token, 1)))
        }
        seen if is_renewal(seen) => renew(),
        seen if is_release(seen) => no_content(),
        _ => Reply::Answer(json(200, &node("/locked", &seen.body))),
    })
    .await
}

/// Waits until a server has seen something.
async fn until(fake: &Fake, what: impl Fn(&Seen) -> bool) {
    let seen = async {
        while !fake.seen().iter().any(&what) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, seen).await.expect("it is never asked for");
}

/// Waits until the client's writes to the locked node name no lock.
async fn until_forgotten(fake: &Fake, client: &Client) {
    let forgotten = async {
        loop {
            client.files().trash(node_id(), None).await.unwrap();
            if fake.seen().last().unwrap().header("lock-token").is_none() {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, forgotten).await.expect("the lock is named for ever");
}

#[tokio::test]
async fn who_stops_waiting_for_a_guard_gives_its_lock_back() {
    let token = token();
    let fake = granting_late(&token, || Reply::Hang).await;
    let client = fake.client();
    let (locks, options) = (client.locks(), HoldOptions::default());
    tokio::select! {
        _ = locks.hold(node_id(), &options) => panic!("no renewal is answered"),
        () = until(&fake, is_renewal) => {}
    }
    until(&fake, is_release).await;
    until_forgotten(&fake, &client).await;
}

#[tokio::test]
async fn a_guard_that_does_not_come_about_gives_its_lock_back() {
    let token = token();
    let lost = || Reply::Answer(refusal(410, "lock_lost", &serde_json::json!({ "reason": "broken" })));
    let fake = granting_late(&token, lost).await;
    let client = fake.client();
    let error = client.locks().hold(node_id(), &HoldOptions::default()).await.unwrap_err();
    assert_eq!(error.facts().reason, Some(LostReason::Broken));
    until(&fake, is_release).await;
    until_forgotten(&fake, &client).await;
}

#[tokio::test]
async fn a_guard_is_counted_from_another_renewal_where_one_stalls() {
    let (token, renewals) = (token(), AtomicUsize::new(0));
    let again = token.clone();
    let fake = granting_late(&token, move || match renewals.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::Hang,
        _ => Reply::Answer(renewal(&again, 60)),
    })
    .await;
    let begun = Instant::now();
    let guard = fake.client().locks().hold(node_id(), &HoldOptions::default()).await.unwrap();
    guard.ensure_held().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "a line counts as dead much later than a lease ends");
}

#[tokio::test]
async fn a_lock_whose_lease_lapsed_goes_with_what_may_touch_its_node() {
    let token = token();
    let fake = granting(&token, 3, |_| Reply::Hang).await;
    let client = fake.client();
    let guard = client.locks().hold(node_id(), &HoldOptions::default()).await.unwrap();
    assert!(guard.lost().await.is_lock_lost());
    // Now the lease is over too, and not just nearly.
    sleep(Duration::from_secs(1)).await;
    let undo = UndoActs { act: Some(1), ..UndoActs::default() };
    client.undo(None, &undo).await.unwrap_err();
    let named = || fake.seen().last().unwrap().header("lock-token").map(str::to_owned);
    assert_eq!(named().as_deref(), Some(token.reveal()));
    client.files().empty_trash(None).await.unwrap_err();
    assert_eq!(named().as_deref(), Some(token.reveal()));
    guard.release().await.unwrap();
    client.files().empty_trash(None).await.unwrap_err();
    assert_eq!(named(), None);
}

#[tokio::test]
async fn as_many_locks_are_named_as_a_request_may_name() {
    let fake = Fake::start(|_, seen| match seen {
        seen if is_acquire(seen) => {
            let id = seen.target.split('/').nth(3).unwrap().parse().unwrap();
            Reply::Answer(json(201, &grant(id, &token(), 60)))
        }
        _ => Reply::Answer(json(200, &serde_json::json!({ "nodes": 0, "versions": 0, "bytes": 0 }))),
    })
    .await;
    let client = fake.client();
    for number in 1..=101 {
        client.locks().acquire(other_node(number), &AcquireLock::default()).await.unwrap();
    }
    let named = || fake.seen().last().unwrap().header("lock-token").unwrap().split(", ").count();
    client.files().empty_trash(None).await.unwrap();
    assert_eq!(named(), 100);
    let mine = token();
    client.under([mine.clone()]).files().empty_trash(None).await.unwrap();
    assert_eq!(named(), 100);
    assert!(fake.seen().last().unwrap().header("lock-token").unwrap().contains(mine.reveal()));
}

/// Three nodes with a lock each.
fn lockable() -> [(NodeId, LockToken); 3] {
    [1, 2, 3].map(|number| (other_node(number), token()))
}

/// Returns which of the nodes a request is about.
fn place(lockable: &[(NodeId, LockToken)], seen: &Seen) -> usize {
    lockable.iter().position(|(node, _)| seen.target.contains(&node.to_string())).unwrap()
}

/// Grants what is asked for; but the third lock only where the first, which ends soonest, is not named.
async fn losing(locks: [(NodeId, LockToken); 3], facts: serde_json::Value) -> Fake {
    Fake::start(move |_, seen| {
        let place = place(&locks, seen);
        let names_lost = seen.header("lock-token").is_some_and(|named| named.contains(locks[0].1.reveal()));
        if place == 2 && names_lost {
            return Reply::Answer(refusal(412, "lock_lost", &facts));
        }
        let (node, token) = &locks[place];
        Reply::Answer(json(201, &grant(*node, token, if place == 0 { 30 } else { 60 })))
    })
    .await
}

#[tokio::test]
async fn asking_for_a_lock_leaves_out_only_one_that_is_lost() {
    let lockable = lockable();
    let meant = serde_json::json!({ "reason": "broken", "lock_ids": [lockable[0].1.id()] });
    // A refusal that does not say which is meant costs the one that ends first.
    for facts in [meant, serde_json::json!({ "reason": "broken" })] {
        let fake = losing(lockable.clone(), facts).await;
        let locks = fake.client().locks();
        for (node, _) in &lockable {
            locks.acquire(*node, &AcquireLock::default()).await.unwrap();
        }
        let last = fake.seen().pop().unwrap();
        assert_eq!(last.header("lock-token"), Some(lockable[1].1.reveal()), "a circle is still seen");
        assert_eq!(fake.seen().len(), 4);
    }
    // A refusal that is about none of those that were named is told.
    let another = serde_json::json!({ "reason": "broken", "lock_ids": [token().id()] });
    let fake = losing(lockable.clone(), another).await;
    let locks = fake.client().locks();
    locks.acquire(lockable[0].0, &AcquireLock::default()).await.unwrap();
    assert!(locks.acquire(lockable[2].0, &AcquireLock::default()).await.unwrap_err().is_lock_lost());
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test]
async fn locks_of_other_workspaces_are_not_named() {
    let lockable = lockable();
    let known = lockable.clone();
    let workspaces = [1, 2].map(|number| WorkspaceId::new(Timestamp::from_micros(number)));
    let fake = Fake::start(move |_, seen| {
        let place = place(&known, seen);
        let (node, token) = &known[place];
        let mut granted = grant(*node, token, 60);
        granted.node.workspace_id = workspaces[place % 2];
        Reply::Answer(if is_acquire(seen) { json(201, &granted) } else { json(200, &granted.node) })
    })
    .await;
    let locks = fake.client().locks();
    for (node, _) in &lockable {
        locks.acquire(*node, &AcquireLock::default()).await.unwrap();
    }
    let last = fake.seen().pop().unwrap();
    let named = last.header("lock-token");
    assert!(is_acquire(&last) && named == Some(lockable[0].1.reveal()), "{:?}", fake.asked());
}

#[tokio::test]
async fn a_server_that_shuts_down_costs_no_place() {
    let (token, ticket) = (token(), "lw_01k9x3m7q2e8rj5v4n6t0p1s2d");
    let fake = Fake::start(move |_, seen| {
        let asked: AcquireLock = serde_json::from_slice(&seen.body).unwrap();
        Reply::Answer(match asked.wait_ticket {
            Some(own) if own.to_string() == ticket => json(201, &grant(node_id(), &token, 60)),
            _ => {
                let place = serde_json::json!({ "queue": { "position": 3, "ticket": ticket } });
                refusal(503, "shutting_down", &place)
            }
        })
    })
    .await;
    let options = HoldOptions { wait: Duration::from_secs(30), ..HoldOptions::default() };
    fake.client().locks().wait_for(node_id(), &options).await.unwrap();
    let keys: Vec<_> =
        fake.seen().iter().map(|seen| seen.header("idempotency-key").unwrap().to_owned()).collect();
    assert!(keys.len() == 2 && keys[0] != keys[1], "it is another request now");
    // Who asks once is told the place.
    let error = fake.client().locks().acquire(node_id(), &AcquireLock::default()).await.unwrap_err();
    assert!(error.facts().queue.is_some_and(|place| place.ticket.is_some()));
}

#[tokio::test]
async fn a_pause_that_the_client_is_asked_for_costs_no_lock() {
    let (token, renewals) = (token(), AtomicUsize::new(0));
    let granted = token.clone();
    let busy = || Reply::Answer(problem(429, "rate_limited", &[("retry-after", "60")]));
    let fake = Fake::start(move |_, seen| match seen {
        seen if is_acquire(seen) => Reply::Answer(json(201, &grant(node_id(), &granted, 3))),
        // What a renewal itself is asked for is cut too.
        seen if is_renewal(seen) => match renewals.fetch_add(1, Ordering::SeqCst) {
            1 => busy(),
            _ => Reply::Answer(renewal(&granted, 3)),
        },
        seen if is_release(seen) => no_content(),
        _ => busy(),
    })
    .await;
    let client = fake.builder().retry(longshore::RetryPolicy::never()).build().unwrap();
    let guard = client.locks().hold(node_id(), &HoldOptions::default()).await.unwrap();
    client.files().get(node_id()).await.unwrap_err();
    guard.run(sleep(Duration::from_secs(5))).await.expect("renewals keep no pause of others");
    timeout(SOON, guard.release()).await.expect("nor does giving it back").unwrap();
}

#[tokio::test]
async fn a_lock_is_given_back_before_its_lease_ends() {
    let token = token();
    let granted = token.clone();
    let fake = Fake::start(move |place, seen| match seen {
        seen if is_acquire(seen) => Reply::Answer(json(201, &grant(node_id(), &granted, 2))),
        _ if place == 1 => Reply::Answer(problem(503, "overloaded", &[("retry-after", "60")])),
        _ => no_content(),
    })
    .await;
    let locks = fake.client().locks();
    locks.acquire(node_id(), &AcquireLock::default()).await.unwrap();
    timeout(SOON, locks.release(&token)).await.expect("its own pause is cut").unwrap();
    assert_eq!(fake.seen().len(), 3);
}

#[tokio::test]
async fn a_wait_or_a_lease_may_be_as_long_as_time() {
    let token = token();
    let (one, many) = (token.clone(), token.clone());
    let fake = Fake::start(move |_, seen| match seen {
        seen if is_release(seen) => no_content(),
        seen if seen.target.ends_with("/locks:batch") => {
            Reply::Answer(json(201, &serde_json::json!({ "locks": [grant(node_id(), &many, u64::MAX)] })))
        }
        seen if is_renewal(seen) => Reply::Answer(renewal(&one, u64::MAX)),
        _ => Reply::Answer(json(201, &grant(node_id(), &one, u64::MAX))),
    })
    .await;
    let timeouts = longshore::Timeouts { connect: Duration::MAX, idle: Duration::MAX };
    let client = fake.builder().timeouts(timeouts).build().unwrap();
    let (locks, options) = (client.locks(), HoldOptions { wait: Duration::MAX, ..HoldOptions::default() });
    let guard = locks.hold(node_id(), &options).await.unwrap();
    guard.ensure_held().unwrap();
    guard.release().await.unwrap();
    locks.hold_many(&[node_id()], &options).await.unwrap().release().await.unwrap();
    locks.wait_for(node_id(), &options).await.unwrap();
    locks.renew(&token, None).await.unwrap();
    let asked: AcquireLock = serde_json::from_slice(&fake.seen()[0].body).unwrap();
    assert_eq!(asked.wait_seconds, 55);
}

fn of_lease(fake: &Fake) -> blocking::Client {
    blocking::Client::new(fake.builder()).unwrap()
}

#[test]
fn a_guard_has_a_blocking_twin() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let token = token();
    let broken = || Reply::Answer(refusal(410, "lock_lost", &serde_json::json!({ "reason": "broken" })));
    let fake = runtime.block_on(granting(&token, 6, move |_| broken()));
    let client = of_lease(&fake);
    let granted = client.locks().wait_for(node_id(), &HoldOptions::default()).unwrap();
    assert_eq!(granted.token, token.reveal());
    let guard = client.locks().hold(node_id(), &HoldOptions::default()).unwrap();
    assert_eq!((guard.locks().len(), guard.tokens()), (1, std::slice::from_ref(&token)));
    assert_eq!(guard.run(|| 7).unwrap(), 7);
    let lost_while = guard.run(|| assert_eq!(guard.lost().facts().reason, Some(LostReason::Broken)));
    assert!(lost_while.unwrap_err().may_have_happened());
    assert!(guard.is_lost() && guard.ensure_held().is_err());
    let begun = guard.run(|| panic!("what is lost already is not worked under")).unwrap_err();
    assert!(!begun.may_have_happened());
    guard.release().unwrap();
}

#[test]
fn a_batch_is_asked_for_with_what_is_held() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let held = token();
    let fake = runtime.block_on(granting(&held, 60, |_| Reply::Hang));
    let client = of_lease(&fake);
    client.locks().acquire(node_id(), &AcquireLock::default()).unwrap();
    let wanted: Vec<NodeId> = [1, 2].map(other_node).into();
    let asked = AcquireLocks { files: wanted, ttl_seconds: 60, purpose: None, owner_label: None };
    // This server knows no batches.
    client.locks().acquire_many(&asked).unwrap_err();
    assert_eq!(fake.seen().last().unwrap().header("lock-token"), Some(held.reveal()));
}
