//! What PostgreSQL's own clock decides of what is old, whatever a machine's says.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use longshore_core::{Clock, SystemClock, Timestamp};
use longshore_engine::{Database, Engine, Idempotency, Premises, Settings, Target, UploadOptions};
use longshore_store::{Store, WriteOptions};

use crate::{block_on, postgres};

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
