//! Places of the audit log where many write at once, where numbers of transactions begin anew, and where a server stops.

use std::sync::Arc;

use longshore_core::wire::{AuditEntry, Role};
use longshore_engine::{AuditAfter, AuditQuery, Database, Engine, Origin, Premises, Settings};

use crate::world::{World, name};
use crate::{block_on, postgres};

/// Reads on from a place to the end that there is now, and says where that is.
async fn read_on(world: &World, engine: &Engine, after: &mut AuditAfter) -> Vec<AuditEntry> {
    let mut found = Vec::new();
    loop {
        let query = AuditQuery { after: Some(*after), limit: Some(7), ..AuditQuery::default() };
        let page = engine.audit(&world.owner, query).await.unwrap();
        *after = page.reached.parse().unwrap();
        found.extend(page.items);
        if page.next_cursor.is_none() {
            return found;
        }
    }
}

fn beginning() -> AuditAfter {
    "0.0".parse().unwrap()
}

async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "a connection of the test's own")]
    tokio::spawn(connection);
    client
}

#[test]
fn who_has_read_up_to_a_place_has_missed_nothing_on_postgres() {
    let Some(server) = postgres::Server::start() else { return };
    block_on(async {
        let url = server.database();
        let world = World::on_postgres_at(url.clone()).await;
        let mut place = beginning();
        read_on(&world, &world.engine, &mut place).await;
        // A transaction has written its entry and is still running when later ones commit.
        let slow = connect(&url).await;
        slow.batch_execute(
            "BEGIN;
             INSERT INTO audit (tid, at, kind) VALUES
                 ((SELECT audit_base FROM instance) + CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT), 1, 'slow')",
        )
        .await
        .unwrap();
        world.put("/later", b"x").await;
        assert_eq!(
            read_on(&world, &world.engine, &mut place).await,
            [],
            "it is not told past what still runs"
        );
        slow.batch_execute("COMMIT").await.unwrap();
        let told: Vec<_> =
            read_on(&world, &world.engine, &mut place).await.into_iter().map(|entry| entry.kind).collect();
        assert_eq!(told, ["slow", "file.created"]);

        // Many at once in workspaces that do not wait for each other, and one who reads all the while.
        let mut workspaces = vec![world.id()];
        for number in 0..7 {
            let made = world.engine.create_workspace(&world.owner, name(&format!("w{number}")), None).await;
            workspaces.push(made.unwrap().id);
        }
        let from = place;
        let writing = async {
            let each = workspaces.iter().map(async |workspace| {
                for number in 0..40 {
                    let path = format!("/{number}").parse().unwrap();
                    let target = longshore_engine::Target::Path { workspace: *workspace, path };
                    world.put_as(&world.owner, target, b"x", Default::default()).await.unwrap();
                }
            });
            futures_util::future::join_all(each).await;
        };
        let reading = async {
            let mut read = Vec::new();
            while read.len() < 7 + 8 * 40 {
                read.extend(read_on(&world, &world.engine, &mut place).await);
                tokio::task::yield_now().await;
            }
            read
        };
        let (_, read) = tokio::join!(writing, reading);
        let mut again = from;
        assert_eq!(read, read_on(&world, &world.engine, &mut again).await, "what was read is what there is");
        world.engine.close().await;
    });
}

/// Writes a database down, as for a backup.
fn dump(server: &postgres::Server, url: &str) -> Vec<u8> {
    let mut pg_dump = postgres::command(&server.bin.join("pg_dump"));
    let output = pg_dump.arg("--no-owner").arg(url).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Makes a database of what was written down, in one transaction, and returns its address.
fn restore(server: &postgres::Server, dump: &[u8]) -> String {
    let url = server.database();
    let file = server.folder.path().join("dump.sql");
    std::fs::write(&file, dump).unwrap();
    let mut psql = std::process::Command::new(server.bin.join("psql"));
    psql.args(["--single-transaction", "-q", "-v", "ON_ERROR_STOP=1", "-f"]).arg(&file).arg(&url);
    postgres::run(psql);
    url
}

#[test]
fn the_log_of_a_restored_dump_is_read_on_postgres() {
    let (Some(old), Some(new)) = (postgres::Server::start(), postgres::Server::start()) else { return };
    block_on(async {
        let url = old.database();
        // The old server has seen more transactions than the new one will have.
        let burn = "DO $$ BEGIN FOR i IN 1..5000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$";
        connect(&url).await.batch_execute(burn).await.unwrap();
        let world = World::on_postgres_at(url.clone()).await;
        world.put("/before", b"x").await;
        let mut place = beginning();
        let before = read_on(&world, &world.engine, &mut place).await;
        world.engine.close().await;

        let url = restore(&new, &dump(&old, &url));
        for round in 0..2 {
            let database = Database::Postgres { url: url.clone(), connections: 4 };
            let clock = Arc::new(world.clock.clone());
            let engine =
                Engine::open(Settings::default(), &database, world.store.clone(), clock).await.unwrap();
            let mut anew = beginning();
            let found = read_on(&world, &engine, &mut anew).await;
            assert_eq!(found[..before.len()], before, "round {round}");
            engine.create_workspace(&world.owner, name(&format!("after {round}")), None).await.unwrap();
            let told = read_on(&world, &engine, &mut place).await;
            let kinds: Vec<_> = told.iter().map(|entry| entry.kind.as_str()).collect();
            assert_eq!(kinds, ["workspace.created"], "round {round}: who has read so far goes on there");
            engine.close().await;
        }
    });
}

async fn refuse_and_stop(world: World, database: Database) {
    let viewer = world.user(Role::Viewer, Some(world.id())).await;
    let none = Premises::default();
    let refused = world.engine.set_member(&viewer, world.id(), viewer.principal, Role::Admin, none);
    let refused = refused.await.unwrap_err();
    for number in 0..500 {
        let origin = Origin { request_id: Some(number.to_string()), ..Origin::default() };
        world.engine.note_refusal(&refused, Some(&viewer), &Arc::new(origin));
    }
    world.engine.close().await;
    let clock = Arc::new(world.clock.clone());
    let engine = Engine::open(Settings::default(), &database, world.store.clone(), clock).await.unwrap();
    let mut place = beginning();
    let found = read_on(&world, &engine, &mut place).await;
    let refused: Vec<_> = found.iter().filter(|entry| entry.kind == "refused").collect();
    assert_eq!(refused.len(), 61);
    assert_eq!(refused.last().unwrap().facts["more"], 440);
    engine.close().await;
}

#[test]
fn what_waits_is_written_when_the_server_stops() {
    block_on(async {
        let world = World::on_sqlite().await;
        let database = Database::Sqlite(world.database_file().unwrap());
        refuse_and_stop(world, database).await;
    });
}

#[test]
fn what_waits_is_written_when_the_server_stops_on_postgres() {
    let Some(server) = postgres::Server::start() else { return };
    block_on(async {
        let url = server.database();
        let world = World::on_postgres_at(url.clone()).await;
        refuse_and_stop(world, Database::Postgres { url, connections: 4 }).await;
    });
}
