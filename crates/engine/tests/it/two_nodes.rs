//! Two nodes over one database and one store: the newest request for an upload wins, wherever it came in.

use std::sync::Arc;

use bytes::Bytes;
use longshore_core::wire::UploadState;
use longshore_core::{Code, UploadId};
use longshore_engine::{
    AppendOptions, Appending, Database, Engine, Made, NewUpload, Premises, Result, Settings, Staged,
};

use crate::world::{World, noise, refused};
use crate::{block_on, postgres};

/// Opens two nodes, and begins an upload of so many bytes.
async fn begin(server: &postgres::Server, length: usize) -> (World, Engine, UploadId) {
    let address = server.database();
    let world = World::on_postgres_at(address.clone()).await;
    let database = Database::Postgres { url: address, connections: 8 };
    let clock = Arc::new(world.clock.clone());
    let other = Engine::open(Settings::default(), &database, world.store.clone(), clock).await.unwrap();
    let made = Made::File(world.at("/file"), Box::default());
    let id = world.engine.upload_id();
    let new = NewUpload { id, made, length: Some(length as u64), metadata: String::new() };
    world.engine.create_upload(&world.owner, new).await.unwrap();
    (world, other, id)
}

async fn open(engine: &Engine, world: &World, id: UploadId, offset: usize) -> Result<Appending> {
    let options = AppendOptions { offset: offset as u64, ..AppendOptions::default() };
    engine.append_upload(&world.owner, id, options).await
}

async fn write(appending: &mut Appending, content: &[u8]) -> Result<()> {
    for bytes in content.chunks(50_000) {
        appending.write(Bytes::copy_from_slice(bytes)).await?;
    }
    Ok(())
}

async fn send(engine: &Engine, world: &World, id: UploadId, offset: usize, content: &[u8]) -> Result<Staged> {
    let mut appending = open(engine, world, id, offset).await?;
    write(&mut appending, content).await?;
    appending.finish().await
}

async fn end(world: World, other: Engine, id: UploadId, content: &[u8]) {
    let done = other.staged_upload(&world.owner, id).await.unwrap();
    assert_eq!(done.state, UploadState::Finished);
    assert!(world.read(done.written.unwrap().node.id).await.unwrap() == content);
    other.close().await;
    world.engine.close().await;
}

#[test]
fn an_older_request_on_another_node_loses_and_its_bytes_are_nowhere_on_postgres() {
    let Some(server) = postgres::Server::start() else { return };
    block_on(async {
        let (content, wrong) = (noise(1_000_000, 1), noise(1_000_000, 2));
        let (world, other, id) = begin(&server, content.len()).await;
        let one = &world.engine;
        // The older request is in the middle of its bytes when the newer takes over, which hears of no more than is durable.
        let mut older = open(one, &world, id, 0).await.unwrap();
        write(&mut older, &wrong[..400_000]).await.unwrap();
        let found = other.resume_upload(&world.owner, id, Premises::default()).await.unwrap();
        assert_eq!(found.offset, 0);
        let staged = send(&other, &world, id, 0, &content[..300_000]).await.unwrap();
        assert_eq!(staged.offset, 300_000);
        // It goes on as if nothing were, and ends: nothing of it is taken.
        write(&mut older, &wrong[400_000..600_000]).await.unwrap();
        refused(older.finish().await, Code::UploadTakenOver);
        assert_eq!(world.blobs().await, 1, "what the older one wrote is gone");
        // The other way round, where the newer has not sent a byte yet, and the older breaks off.
        let mut older = open(&other, &world, id, 300_000).await.unwrap();
        write(&mut older, &wrong[300_000..500_000]).await.unwrap();
        let mut newer = open(one, &world, id, 300_000).await.unwrap();
        refused(older.break_off().await, Code::UploadTakenOver);
        write(&mut newer, &content[300_000..700_000]).await.unwrap();
        assert_eq!(newer.finish().await.unwrap().offset, 700_000);
        // An older one with the very last bytes finishes nothing.
        let mut older = open(one, &world, id, 700_000).await.unwrap();
        write(&mut older, &wrong[700_000..]).await.unwrap();
        let mut newer = open(&other, &world, id, 700_000).await.unwrap();
        refused(older.finish().await, Code::UploadTakenOver);
        assert!(world.paths().await.is_empty());
        write(&mut newer, &content[700_000..]).await.unwrap();
        assert_eq!(newer.finish().await.unwrap().state, UploadState::Finished);
        end(world, other, id, &content).await;
    });
}

#[test]
fn of_two_nodes_that_race_one_moves_the_upload_on_by_its_own_bytes_on_postgres() {
    const ROUNDS: usize = 20;
    const STEP: usize = 60_000;
    let Some(server) = postgres::Server::start() else { return };
    block_on(async {
        let (world, other, id) = begin(&server, ROUNDS * STEP).await;
        let mut content = Vec::new();
        for round in 0..ROUNDS {
            let at = content.len();
            let bytes = [noise(STEP, 2 * round as u64), noise(STEP, 2 * round as u64 + 1)];
            let (first, second) = tokio::join!(
                send(&world.engine, &world, id, at, &bytes[0]),
                send(&other, &world, id, at, &bytes[1]),
            );
            let mut winners = 0;
            for (result, bytes) in [first, second].into_iter().zip(&bytes) {
                match result {
                    Ok(staged) => {
                        assert_eq!(staged.offset as usize, at + STEP);
                        content.extend_from_slice(bytes);
                        winners += 1;
                    }
                    Err(error) => {
                        let lost = [Code::UploadTakenOver, Code::OffsetMismatch];
                        assert!(lost.contains(&error.code()), "round {round}: {error}");
                    }
                }
            }
            assert_eq!(winners, 1, "round {round}");
        }
        end(world, other, id, &content).await;
    });
}
