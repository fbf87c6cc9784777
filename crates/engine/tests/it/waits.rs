//! What PostgreSQL's own clock decides: of a commit that waits until its lease is over, and of what is old.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use longshore_core::wire::{AcquireLock, LostReason, SHORTEST_LEASE};
use longshore_core::{Clock, Code, SystemClock, Timestamp};
use longshore_engine::{Database, Engine, Idempotency, Premises, Settings, Target, UploadOptions};
use longshore_store::{Store, WriteOptions};
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

/// The clock of a machine that is years ahead.
#[derive(Debug)]
struct Ahead;

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(Duration::from_hours(24 * 1_000))
    }

    fn is_wall(&self) -> bool {
        true
    }
}

#[test]
fn a_machine_whose_clock_is_ahead_takes_nothing_for_old() {
    let Some(server) = postgres::Server::start() else { return };
    block_on(async {
        let database = Database::Postgres { url: server.database(), connections: 4 };
        let store = Store::memory();
        let open = |clock| Engine::open(Settings::default(), &database, store.clone(), clock);
        let engine = open(Arc::new(SystemClock)).await.unwrap();
        let ahead = open(Arc::new(Ahead)).await.unwrap();
        let key = engine.initialise().await.unwrap().unwrap().secret;
        let owner = engine.authenticate(&key).await.unwrap();
        let workspace = engine.current_workspace(&owner).await.unwrap();
        let target = Target::Path { workspace: workspace.id, path: "/file".parse().unwrap() };
        let mut upload = engine.begin_upload(&owner, target, UploadOptions::default()).await.unwrap();
        upload.write(Bytes::from_static(b"fresh")).await.unwrap();
        let file = upload.finish().await.unwrap().node;
        let once = Some(Idempotency::new("once").unwrap());
        let once = Premises { idempotency: once, ..Premises::default() };
        engine.trash_node(&owner, file.id, once).await.unwrap();
        // As a blob stands before its version is committed.
        let blob = "blobs/01k9x3/blob_01k9x3m7q2e8rj5v4n6t0p1s2d";
        store.write(blob, Bytes::from_static(b"fresh"), WriteOptions::default()).await.unwrap();

        let purged = ahead.purge_trash(workspace.id, &mut |_| Ok(())).await.unwrap();
        assert_eq!(purged.purged.nodes, 0);
        assert_eq!(ahead.prune_events().await.unwrap(), 0);
        assert_eq!(ahead.prune_idempotency().await.unwrap(), 0);
        engine.sweep().await.unwrap();
        assert_eq!(ahead.sweep().await.unwrap().removed, 0);
        assert!(store.exists(blob).await.unwrap());
        assert!(engine.node(&owner, file.id).await.unwrap().trashed_at.is_some());
        engine.close().await;
        ahead.close().await;
    });
}
