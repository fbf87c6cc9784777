//! What is seen from inside alone: notes of orphans that are not what they were.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use longshore_core::{Clock as _, ManualClock, Timestamp};
use longshore_store::{Store, WriteOptions};

use super::Swept;
use crate::Database;
use crate::blob::{Blob, BlobId};
use crate::db::orphans::{self, Orphan};
use crate::db::versions;
use crate::engine::{Engine, Settings};
use crate::{Target, UploadOptions};

const GRACE: Duration = Duration::from_hours(24);

#[tokio::test]
async fn a_note_is_gone_through_with_whatever_became_of_its_blob() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::Sqlite(folder.path().join("longshore.db"));
    let clock = ManualClock::new(Timestamp::from_micros(1_763_613_468_000_000));
    let store = Store::memory();
    let engine = Engine::open(Settings::default(), &database, store.clone(), Arc::new(clock.clone()));
    let engine = engine.await.unwrap();
    let key = engine.initialise().await.unwrap().unwrap().secret;
    let owner = engine.authenticate(&key).await.unwrap();
    let root = engine.current_workspace(&owner).await.unwrap().root_id;

    // One that was noted while its commit was under way, and one that a sweep removed before it was killed.
    let target = Target::Child { parent: root, name: "file".parse().unwrap() };
    let mut upload = engine.begin_upload(&owner, target, UploadOptions::default()).await.unwrap();
    upload.write(Bytes::from(vec![7; 50_000])).await.unwrap();
    let file = upload.finish().await.unwrap().node;
    let found = engine.db().read(move |tx| {
        Box::pin(async move { versions::with_blob(tx, file.id, file.version_id.unwrap()).await })
    });
    let Some((_, Blob::Stored(used))) = found.await.unwrap() else { unreachable!("it is large") };
    let (gone, noted_at) = (BlobId::new(clock.now()), clock.now());
    let noted = engine.db().write(move |tx| {
        Box::pin(async move {
            for blob in [used, gone] {
                orphans::note(tx, Orphan { blob, bytes: 1, noted_at }).await?;
            }
            Ok(())
        })
    });
    noted.await.unwrap();
    let notes = async || {
        let listed = engine.db().read(|tx| Box::pin(async move { orphans::list(tx, "", 10).await }));
        listed.await.unwrap().iter().map(|orphan| orphan.blob).collect::<Vec<_>>()
    };
    assert_eq!(engine.sweep().await.unwrap(), Swept { seen: 1, removed: 0, bytes: 0 });
    assert_eq!(notes().await, [gone], "what a version names is no orphan");
    clock.advance(GRACE + Duration::from_secs(1));
    assert_eq!(engine.sweep().await.unwrap().removed, 1);
    assert_eq!(notes().await, []);
    assert!(store.exists(&used.path()).await.unwrap());

    // A note that stays keeps its time, however often the blob is met again.
    let orphan = BlobId::new(clock.now());
    store.write(&orphan.path(), Bytes::from_static(b"x"), WriteOptions::default()).await.unwrap();
    for hour in 0..=24 {
        let removed = engine.sweep().await.unwrap().removed;
        assert_eq!((hour, removed), (hour, 0));
        clock.advance(Duration::from_hours(1));
    }
    assert_eq!(engine.sweep().await.unwrap(), Swept { seen: 2, removed: 1, bytes: 1 });
    engine.close().await;
}
