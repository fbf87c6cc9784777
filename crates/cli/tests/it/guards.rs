//! The SDK's guards against a real server, which is paused and whose locks are broken and waited for.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use longshore::{
    Client, Code, HoldOptions, LostReason, Node, Path, Result, RetryPolicy, Target, UploadOptions,
};

use crate::run::Server;

/// The shortest lease that a server grants.
const LEASE: Duration = Duration::from_secs(5);

fn client(server: &Server) -> Client {
    let client = Client::builder().url(server.url.as_str()).api_key(server.key.as_str());
    client.retry(RetryPolicy::never()).build().unwrap()
}

fn short() -> HoldOptions {
    HoldOptions { ttl: LEASE, ..HoldOptions::default() }
}

fn waiting() -> HoldOptions {
    HoldOptions { wait: Duration::from_secs(100), ..HoldOptions::default() }
}

async fn write(client: &Client, target: impl Into<Target>, content: &str) -> Result<Node> {
    let options = UploadOptions::default();
    Box::pin(client.files().upload(content.as_bytes().to_vec(), target, &options)).await
}

async fn file(client: &Client, content: &str) -> Node {
    write(client, Path::new("/folder/file").unwrap(), content).await.unwrap()
}

#[tokio::test]
async fn a_guard_keeps_a_lock_of_five_seconds_for_twelve() {
    let server = Server::start();
    let (holder, other) = (client(&server), client(&server));
    let file = file(&holder, "old").await;
    let guard = holder.locks().hold(file.id, &short()).await.unwrap();
    let refused = guard.run(async {
        tokio::time::sleep(Duration::from_secs(12)).await;
        (
            write(&other, Target::version(file.id), "other").await,
            write(&holder, Target::version(file.id), "new").await,
        )
    });
    let (refused, written) = refused.await.unwrap();
    let error = refused.unwrap_err();
    assert!(error.is_locked() && error.facts().lock.as_ref().unwrap().id == guard.locks()[0].id, "{error:?}");
    assert_eq!(written.unwrap().fence, guard.locks()[0].fence, "renewed, and never granted anew");
    guard.release().await.unwrap();
    write(&other, Target::version(file.id), "other").await.unwrap();
    assert!(other.locks().get(file.id).await.unwrap_err().is(Code::LockNotFound));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_paused_for_longer_than_a_lease_costs_the_lock_in_time() {
    let server = Server::start();
    let holder = client(&server);
    let file = file(&holder, "old").await;
    let guard = holder.locks().hold(file.id, &short()).await.unwrap();
    server.signal("STOP");
    let stopped = Instant::now();
    let late = write(&holder, Target::version(file.id), "late");
    let work = guard.run(std::future::pending::<()>());
    let resumed = async {
        tokio::time::sleep(LEASE + Duration::from_secs(1)).await;
        server.signal("CONT");
    };
    // The late write is under way all the time, and no guard is around it.
    let ((lost, after), late, ()) = tokio::join!(async { (work.await, stopped.elapsed()) }, late, resumed);
    let lost = lost.unwrap_err();
    assert!(lost.is_lock_lost() && lost.may_have_happened(), "{lost:?}");
    assert!(after < LEASE, "the lease was over for {:?}", after - LEASE);
    let late = late.unwrap_err();
    assert!(late.is_lock_lost(), "{late:?}");
    assert_eq!(late.facts().reason, Some(LostReason::Expired));
    assert!(write(&holder, Target::version(file.id), "later").await.unwrap_err().is_lock_lost());
    assert_eq!(holder.files().download(file.id).await.unwrap(), "old");
    guard.release().await.expect("a lock that is gone is as good as given back");
    // Nobody holds it any more, so now who wants may write.
    write(&holder, Target::version(file.id), "free").await.unwrap();
}

#[tokio::test]
async fn a_broken_lock_ends_its_holders_work() {
    let server = Server::start();
    let (holder, admin) = (client(&server), client(&server));
    let file = file(&holder, "old").await;
    let guard = holder.locks().hold(file.id, &short()).await.unwrap();
    let locks = admin.locks();
    let breaking = locks.break_lock(guard.locks()[0].id, "its owner is not to be reached");
    let (lost, broken) = tokio::join!(guard.run(std::future::pending::<()>()), breaking);
    broken.unwrap();
    assert_eq!(lost.unwrap_err().facts().reason, Some(LostReason::Broken));
    let again = admin.locks().hold(file.id, &short()).await.unwrap();
    assert_eq!(again.locks()[0].fence, guard.locks()[0].fence + 2, "one for the break, one for the grant");
    assert!(write(&holder, Target::version(file.id), "late").await.unwrap_err().is_lock_lost());
}

#[tokio::test]
async fn who_waits_is_woken_when_the_lock_is_given_back() {
    let server = Server::start();
    let (holder, waiter) = (client(&server), client(&server));
    let file = file(&holder, "old").await;
    let guard = holder.locks().hold(file.id, &waiting()).await.unwrap();
    let (locks, options) = (waiter.locks(), waiting());
    let mut waits = std::pin::pin!(locks.hold(file.id, &options));
    tokio::time::timeout(Duration::from_secs(2), &mut waits).await.expect_err("somebody holds it");
    let (first, released) = (guard.locks()[0].fence, guard.release());
    let (next, released) = tokio::join!(tokio::time::timeout(Duration::from_secs(30), waits), released);
    released.unwrap();
    assert_eq!(next.expect("long before its time is over").unwrap().locks()[0].fence, first + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_guards_never_overlap() {
    const TASKS: usize = 16;
    const TURNS: usize = 3;
    let server = Server::start();
    let file = file(&client(&server), "0").await;
    let tasks = (0..TASKS).map(|_| async {
        // Each is a process of its own as far as the server can tell.
        let client = client(&server);
        for _ in 0..TURNS {
            let guard = client.locks().hold(file.id, &waiting()).await?;
            guard
                .run(async {
                    let number: usize =
                        String::from_utf8_lossy(&client.files().download(file.id).await?).parse().unwrap();
                    tokio::task::yield_now().await;
                    write(&client, Target::version(file.id), &(number + 1).to_string()).await
                })
                .await??;
            guard.release().await?;
        }
        Ok::<_, longshore::Error>(())
    });
    try_join_all(tasks).await.unwrap();
    let reader = client(&server);
    let number = reader.files().download(file.id).await.unwrap();
    assert_eq!(number, (TASKS * TURNS).to_string(), "no increment was lost");
    let versions = reader.files().versions(file.id).collect_all().await.unwrap();
    let fences: Vec<_> = versions.iter().rev().map(|version| version.fence).collect();
    assert!(fences.is_sorted() && fences.last() == Some(&((TASKS * TURNS) as u64)), "{fences:?}");
}

#[tokio::test]
async fn many_locks_are_held_together_or_not_at_all() {
    let server = Server::start();
    let (holder, other) = (client(&server), client(&server));
    let one = write(&holder, Path::new("/one").unwrap(), "1").await.unwrap();
    let two = write(&holder, Path::new("/two").unwrap(), "2").await.unwrap();
    let guard = holder.locks().hold(two.id, &short()).await.unwrap();
    let error = other.locks().hold_many(&[one.id, two.id], &short()).await.unwrap_err();
    assert!(error.is_locked() && error.facts().locks.len() == 1, "{error:?}");
    other.locks().get(one.id).await.expect_err("none is held");
    drop(guard);
    // What a dropped guard gives back in the background is waited for.
    let both = other.locks().hold_many(&[two.id, one.id], &waiting()).await.unwrap();
    assert_eq!(both.locks().iter().map(|lock| lock.node_id).collect::<Vec<_>>(), [two.id, one.id]);
    write(&other, Target::version(one.id), "x").await.unwrap();
    write(&other, Target::version(two.id), "x").await.unwrap();
    assert!(write(&holder, Target::version(one.id), "y").await.unwrap_err().is_locked());
    both.release().await.unwrap();
    write(&holder, Target::version(one.id), "y").await.unwrap();
}

#[tokio::test]
async fn a_circle_of_holders_who_wait_is_refused() {
    let server = Server::start();
    let (left, right) = (client(&server), client(&server));
    let one = write(&left, Path::new("/one").unwrap(), "1").await.unwrap();
    let two = write(&left, Path::new("/two").unwrap(), "2").await.unwrap();
    let first = left.locks().hold(one.id, &waiting()).await.unwrap();
    let second = right.locks().hold(two.id, &waiting()).await.unwrap();
    let (locks, options) = (left.locks(), waiting());
    let mut waits = std::pin::pin!(locks.hold(two.id, &options));
    tokio::time::timeout(Duration::from_secs(1), &mut waits).await.expect_err("somebody holds it");
    // The clients say what they hold, without being told to.
    assert!(right.locks().hold(one.id, &waiting()).await.unwrap_err().is(Code::Deadlock));
    second.release().await.unwrap();
    waits.await.unwrap().release().await.unwrap();
    first.release().await.unwrap();
}

#[tokio::test]
async fn a_lock_on_a_folder_goes_with_what_is_written_into_it() {
    let server = Server::start();
    let (holder, other) = (client(&server), client(&server));
    let file = file(&holder, "old").await;
    let folder = holder.files().by_path(Path::new("/folder").unwrap()).await.unwrap();
    let guard = holder.locks().hold(folder.id, &short()).await.unwrap();
    let below = || Path::new("/folder/a/b").unwrap();
    let child = |name: &str| Target::child(folder.id, longshore::Name::new(name).unwrap());
    write(&holder, child("new"), "x").await.expect("the client knows the folder");
    assert!(write(&holder, below(), "x").await.unwrap_err().is_locked(), "and not what a path leads to");
    let under = holder.under(guard.tokens().to_vec());
    write(&under, below(), "x").await.unwrap();
    write(&under, Target::version(file.id), "x").await.unwrap();
    write(&under, Path::new("/elsewhere").unwrap(), "x")
        .await
        .expect("a lock that covers nothing is left out");
    under.files().mkdir(Path::new("/folder/a").unwrap()).await.expect("it is there, so nothing is written");
    assert!(write(&other, child("other"), "x").await.unwrap_err().is_locked());
    // A file in the folder is locked by who holds the folder, and then both go with its writes.
    let inner = under.locks().hold(file.id, &short()).await.unwrap();
    write(&under, Target::version(file.id), "y").await.unwrap();
    inner.release().await.unwrap();
    guard.release().await.unwrap();
}

#[test]
fn a_blocking_guard_gives_its_lock_back_when_it_is_dropped() {
    let server = Server::start();
    let builder = Client::builder().url(server.url.as_str()).api_key(server.key.as_str());
    let client = longshore::blocking::Client::new(builder).unwrap();
    let options = UploadOptions::default();
    let file = client.files().upload(b"x".to_vec(), Path::new("/x").unwrap(), &options).unwrap();
    let guard = client.locks().hold(file.id, &short()).unwrap();
    guard.ensure_held().unwrap();
    assert_eq!(client.locks().get(file.id).unwrap().id, guard.locks()[0].id);
    drop(guard);
    assert!(client.locks().get(file.id).unwrap_err().is(Code::LockNotFound));
    client.locks().hold_many(&[file.id], &short()).unwrap().release().unwrap();
}
