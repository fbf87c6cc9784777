//! Following a log that another process writes to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use longshore_core::wire::After;
use longshore_core::{ManualClock, Timestamp};
use longshore_engine::{Database, Engine, EventQuery, Settings, Target, UploadOptions};
use longshore_store::Store;

use crate::world::path;
use crate::{block_on, postgres};

/// Two engines on one database share nothing in memory, as two processes would.
#[test]
fn a_follower_hears_of_what_another_process_writes() {
    let Some(server) = postgres::Server::start() else { return };
    block_on(async {
        let database = Database::Postgres { url: server.database(), connections: 4 };
        let store = Store::memory();
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_763_613_468_000_000)));
        let open = || Engine::open(Settings::default(), &database, store.clone(), clock.clone());
        let (here, there) = (open().await.unwrap(), open().await.unwrap());
        let key = here.initialise().await.unwrap().unwrap().secret;
        let (reader, writer) =
            (here.authenticate(&key).await.unwrap(), there.authenticate(&key).await.unwrap());
        let workspace = here.current_workspace(&reader).await.unwrap().id;
        let query = EventQuery { after: Some(After::Now), ..EventQuery::default() };
        let wait = || here.await_events(&reader, workspace, query.clone(), Duration::from_secs(30));
        let started = Instant::now();
        let (first, second, ()) = tokio::join!(wait(), wait(), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let target = Target::Path { workspace, path: path("/from-there") };
            let upload = there.begin_upload(&writer, target, UploadOptions::default()).await.unwrap();
            upload.finish().await.unwrap();
        });
        for page in [first, second] {
            assert_eq!(page.unwrap().items[0].data["path"], "/from-there");
        }
        assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
        here.close().await;
        there.close().await;
    });
}
