//! The engine, tried from outside: one suite, run on SQLite and on PostgreSQL.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and talk")]

mod clocks;
mod faults;
mod feeds;
mod job_faults;
mod postgres;
mod processes;
mod suite;
mod waits;
mod workers;
mod world;

use world::World;

/// Runs a future to its end on a runtime of its own.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

fn on_sqlite(cases: &[(&str, suite::Case)]) {
    block_on(async {
        for (name, case) in cases {
            println!("sqlite: {name}");
            let world = World::on_sqlite().await;
            case(&world).await;
            world.engine.close().await;
        }
    });
}

fn on_postgres(cases: &[(&str, suite::Case)]) {
    let Some(server) = postgres::Server::start() else { return };
    block_on(async {
        for (name, case) in cases {
            println!("postgres: {name}");
            let world = World::on_postgres(&server).await;
            case(&world).await;
            world.engine.close().await;
        }
    });
}

#[test]
fn suite_on_sqlite() {
    on_sqlite(suite::CASES);
}

#[test]
fn suite_on_postgres() {
    on_postgres(suite::CASES);
}

#[test]
fn hooks_on_sqlite() {
    on_sqlite(suite::HOOKS);
}

#[test]
fn hooks_on_postgres() {
    on_postgres(suite::HOOKS);
}

#[test]
fn events_on_sqlite() {
    on_sqlite(suite::EVENTS);
}

#[test]
fn events_on_postgres() {
    on_postgres(suite::EVENTS);
}
