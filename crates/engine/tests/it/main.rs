//! The engine, tried from outside: one suite, run on SQLite and on PostgreSQL.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and talk")]

mod audit_places;
mod clocks;
mod costs;
mod faults;
mod feeds;
mod finishes;
mod job_faults;
mod keys_of_two_nodes;
mod migration;
mod postgres;
mod processes;
mod suite;
mod tarball;
mod two_nodes;
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

/// Runs each list of cases on both databases.
macro_rules! suites {
    ($($list:ident: $on_sqlite:ident, $on_postgres:ident;)+) => {$(
        #[test]
        fn $on_sqlite() {
            on_sqlite(suite::$list);
        }

        #[test]
        fn $on_postgres() {
            on_postgres(suite::$list);
        }
    )+};
}

suites! {
    FILES: files_on_sqlite, files_on_postgres;
    PEOPLE: people_on_sqlite, people_on_postgres;
    KEYS: keys_on_sqlite, keys_on_postgres;
    SIGN_IN: sign_in_on_sqlite, sign_in_on_postgres;
    BYTES_OUT: bytes_out_on_sqlite, bytes_out_on_postgres;
    HISTORY: history_on_sqlite, history_on_postgres;
    LOCKS: locks_on_sqlite, locks_on_postgres;
    JOBS: jobs_on_sqlite, jobs_on_postgres;
    HOOKS: hooks_on_sqlite, hooks_on_postgres;
    EVENTS: events_on_sqlite, events_on_postgres;
    UPLOADS: uploads_on_sqlite, uploads_on_postgres;
    AUDIT: audit_on_sqlite, audit_on_postgres;
    SHARES: shares_on_sqlite, shares_on_postgres;
    TRANSFERS: transfers_on_sqlite, transfers_on_postgres;
    QUOTAS: quotas_on_sqlite, quotas_on_postgres;
    DELTAS: deltas_on_sqlite, deltas_on_postgres;
    EXPORTS: exports_on_sqlite, exports_on_postgres;
}
