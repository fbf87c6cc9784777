//! Leases by PostgreSQL's own clock: a commit that waits until its lease is over, servers whose clocks differ.

use std::sync::Arc;
use std::time::Duration;

use longshore_core::wire::{AcquireLock, LostReason, RenewLock, SHORTEST_LEASE};
use longshore_core::{Clock, Code, LockToken, ManualClock, SystemClock, Timestamp};
use longshore_engine::{
    Database, Depth, Engine, Idempotency, PageRequest, Premises, Settings, Target, UploadOptions,
};
use longshore_store::Store;
use tokio_postgres::NoTls;

use crate::{block_on, postgres};

#[test]
fn a_commit_on_postgres_that_waits_past_its_lease_is_refused() {
    let Some(server) = postgres::Server::start() else { return };
    block_on(async {
        let url = server.database();
        let database = Database::Postgres { url: url.clone(), connections: 8 };
        let opened = Engine::open(Settings::default(), &database, Store::memory(), Arc::new(SystemClock));
        let engine = opened.await.unwrap();
        let key = engine.initialise().await.unwrap().unwrap().secret;
        let owner = engine.authenticate(&key).await.unwrap();
        let workspace = engine.current_workspace(&owner).await.unwrap();
        let root = workspace.root_id;
        // Whoever holds the row may change it or not, and end well or not: three ways to be woken.
        let holds = [
            ("SELECT seq FROM workspaces FOR UPDATE", "COMMIT"),
            ("UPDATE workspaces SET seq = seq", "COMMIT"),
            ("UPDATE workspaces SET seq = seq", "ROLLBACK"),
        ];
        let cases = holds.into_iter().enumerate().map(|(number, (take, end))| {
            let (engine, owner, url) = (engine.clone(), owner.clone(), url.clone());
            async move {
                let target = Target::Child { parent: root, name: format!("{number}").parse().unwrap() };
                let write = async |options: UploadOptions, content: &'static [u8]| {
                    let mut upload = engine.begin_upload(&owner, target.clone(), options).await?;
                    upload.write(content.into()).await?;
                    upload.finish().await
                };
                let file = write(UploadOptions::default(), b"old").await.unwrap().node;
                let wanted = AcquireLock { ttl_seconds: SHORTEST_LEASE, ..AcquireLock::default() };
                let held = engine.lock_node(&owner, file.id, wanted, Premises::default()).await.unwrap().0;
                let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
                let holder = async {
                    client.batch_execute("BEGIN").await.unwrap();
                    client.batch_execute(take).await.unwrap();
                    tokio::time::sleep(Duration::from_secs(SHORTEST_LEASE.into())).await;
                    client.batch_execute(end).await.unwrap();
                    drop(client);
                };
                let late = async {
                    // The holder is there first, and the lease still holds when the commit begins to wait.
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    let premises =
                        Premises { locks: vec![held.token.parse().unwrap()], ..Premises::default() };
                    write(UploadOptions { premises, ..UploadOptions::default() }, b"late").await
                };
                let (late, (), connection) = futures_util::join!(late, holder, connection);
                connection.unwrap();
                let error = late.expect_err("the lease was over when the row was free");
                let reason = error.facts().unwrap().reason;
                assert_eq!(
                    (error.code(), reason),
                    (Code::LockLost, Some(LostReason::Expired)),
                    "{take} {end}"
                );
                let stands = engine.node(&owner, file.id).await.unwrap();
                assert_eq!(stands.version_id, file.version_id, "{take} {end}");
            }
        });
        for case in cases {
            Box::pin(case).await;
        }
        engine.close().await;
    });
}

/// The clock of a machine on which nobody has set it: two minutes before or behind.
#[derive(Debug)]
struct Wrong {
    is_ahead: bool,
}

impl Clock for Wrong {
    fn now(&self) -> Timestamp {
        let off = Duration::from_mins(2);
        let now = SystemClock.now();
        if self.is_ahead { now.plus(off) } else { now.minus(off) }
    }

    fn is_wall(&self) -> bool {
        true
    }
}

#[test]
fn a_server_whose_clock_is_wrong_sees_locks_as_all_others_do() {
    let Some(server) = postgres::Server::start() else { return };
    for is_ahead in [true, false] {
        block_on(async {
            let url = server.database();
            let database = Database::Postgres { url: url.clone(), connections: 8 };
            let clock = Arc::new(Wrong { is_ahead });
            let opened = Engine::open(Settings::default(), &database, Store::memory(), clock);
            let engine = opened.await.unwrap();
            let key = engine.initialise().await.unwrap().unwrap().secret;
            let owner = engine.authenticate(&key).await.unwrap();
            let workspace = engine.current_workspace(&owner).await.unwrap();
            let target = Target::Child { parent: workspace.root_id, name: "file".parse().unwrap() };
            // Content of a length that nobody announced is checked early.
            let write = async |locks: Vec<_>| {
                let premises = Premises { locks, ..Premises::default() };
                let options = UploadOptions { premises, ..UploadOptions::default() };
                let mut upload = engine.begin_upload(&owner, target.clone(), options).await?;
                upload.write(b"content"[..].into()).await?;
                upload.finish().await
            };
            let file = write(Vec::new()).await.unwrap().node.id;
            let keyed =
                || Premises { idempotency: Some(Idempotency::new("x").unwrap()), ..Premises::default() };
            let lock = async || engine.lock_node(&owner, file, AcquireLock::default(), keyed()).await;
            let held = lock().await.unwrap().0;
            // What everybody else sees: whether the node is shown as locked, by whom, in which list.
            let seen = async || {
                let page = || PageRequest::new(None, None);
                let node = engine.node(&owner, file).await.unwrap().lock.is_some();
                let at = engine.node_at(&owner, workspace.id, "/file".parse().unwrap()).await;
                let tree = engine.tree(&owner, workspace.root_id, Depth::All, page()).await.unwrap();
                let content = engine.open_content(&owner, file, None).await.unwrap();
                let of = engine.lock_of(&owner, file).await.is_ok();
                let all =
                    engine.list_locks(&owner, workspace.id, None, page()).await.unwrap().items.len() == 1;
                [
                    node,
                    at.unwrap().lock.is_some(),
                    tree.items[0].lock.is_some(),
                    content.node().lock.is_some(),
                    of,
                    all,
                ]
            };
            assert_eq!(seen().await, [true; 6]);
            write(vec![held.token.parse().unwrap()]).await.expect("the lease holds by the clock that counts");
            assert_eq!(write(Vec::new()).await.unwrap_err().code(), Code::Locked);
            let (again, is_replay) = lock().await.expect("the grant that was given before");
            assert!(is_replay && (50..=60).contains(&again.expires_in), "{} s", again.expires_in);
            let waiting = AcquireLock { wait_seconds: 1, ..AcquireLock::default() };
            let refusal = engine.lock_node(&owner, file, waiting, Premises::default()).await.unwrap_err();
            let left = refusal.facts().unwrap().expires_in.unwrap();
            assert!((50..=60).contains(&left), "{left} s");
            // Half a minute after its end.
            let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
            let lapse = async {
                let sql = "UPDATE locks SET expires_at = expires_at - 90000000;
                           UPDATE nodes SET lock_until = lock_until - 90000000";
                client.batch_execute(sql).await.unwrap();
                drop(client);
            };
            let (connection, ()) = futures_util::join!(connection, lapse);
            connection.unwrap();
            assert_eq!(seen().await, [false; 6]);
            let late = write(vec![held.token.parse().unwrap()]).await.unwrap_err();
            assert_eq!(late.code(), Code::LockLost);
            assert_eq!(lock().await.unwrap_err().code(), Code::LockLost);
            write(Vec::new()).await.expect("nobody holds it");
            engine.close().await;
        });
    }
}

#[test]
fn what_one_server_called_lost_is_lost_to_all_when_the_clock_steps_back() {
    let Some(server) = postgres::Server::start() else { return };
    block_on(async {
        // The clock of each stands for the database's at some moment: the second asks after it was set back.
        let database = Database::Postgres { url: server.database(), connections: 4 };
        let start = Timestamp::from_micros(1_763_613_468_000_000);
        let (clocks, store) = ([ManualClock::new(start), ManualClock::new(start)], Store::memory());
        let open = async |clock: &ManualClock| {
            let clock = Arc::new(clock.clone());
            Engine::open(Settings::default(), &database, store.clone(), clock).await.unwrap()
        };
        let engines = [open(&clocks[0]).await, open(&clocks[1]).await];
        let key = engines[0].initialise().await.unwrap().unwrap().secret;
        let owner = engines[0].authenticate(&key).await.unwrap();
        let workspace = engines[0].current_workspace(&owner).await.unwrap();
        let write = async |engine: &Engine, name: &str, locks: &[LockToken]| {
            let target = Target::Child { parent: workspace.root_id, name: name.parse().unwrap() };
            let premises = Premises { locks: locks.to_vec(), ..Premises::default() };
            let options = UploadOptions { premises, ..UploadOptions::default() };
            let mut upload = engine.begin_upload(&owner, target, options).await?;
            upload.write(b"content"[..].into()).await?;
            upload.finish().await
        };
        for told_by in ["renewal", "early check", "repeat"] {
            let file = write(&engines[0], told_by, &[]).await.unwrap().node.id;
            let lock = async |engine: &Engine| {
                let premises =
                    Premises { idempotency: Some(Idempotency::new(told_by).unwrap()), ..Premises::default() };
                Ok::<_, longshore_engine::Error>(
                    engine.lock_node(&owner, file, AcquireLock::default(), premises).await?.0,
                )
            };
            let held = lock(&engines[0]).await.unwrap();
            let token: LockToken = held.token.parse().unwrap();
            let renew = async |engine: &Engine| {
                engine.renew_lock(&owner, held.lock.id, token.clone(), RenewLock::default()).await
            };
            let before = clocks[0].now();
            clocks[0].advance(Duration::from_secs(60));
            let told = match told_by {
                "renewal" => renew(&engines[0]).await.map(drop),
                "early check" => write(&engines[0], told_by, std::slice::from_ref(&token)).await.map(drop),
                _ => lock(&engines[0]).await.map(drop),
            };
            assert_eq!(told.unwrap_err().code(), Code::LockLost, "{told_by}");
            clocks[1].set(before);
            assert_eq!(renew(&engines[1]).await.unwrap_err().code(), Code::LockLost, "{told_by}");
            let late = write(&engines[1], told_by, std::slice::from_ref(&token)).await;
            assert_eq!(late.unwrap_err().code(), Code::LockLost, "{told_by}");
        }
        // No refusal has taken a place in the log: three files, three locks, and the workspace.
        assert_eq!(engines[0].workspace(&owner, workspace.id).await.unwrap().seq, 7);
        for engine in engines {
            engine.close().await;
        }
    });
}
