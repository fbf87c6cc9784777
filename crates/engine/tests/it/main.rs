//! The engine, tried from outside: one suite, run on SQLite and on PostgreSQL.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and talk")]

mod faults;
mod job_faults;
mod postgres;
mod processes;
mod suite;
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

#[test]
fn suite_on_sqlite() {
    block_on(async {
        for (name, case) in suite::CASES {
            println!("sqlite: {name}");
            let world = World::on_sqlite().await;
            case(&world).await;
            world.engine.close().await;
        }
    });
}

#[test]
fn suite_on_postgres() {
    let Some(server) = postgres::Server::start() else { return };
    block_on(async {
        for (name, case) in suite::CASES {
            println!("postgres: {name}");
            let world = World::on_postgres(&server).await;
            case(&world).await;
            world.engine.close().await;
        }
    });
}
