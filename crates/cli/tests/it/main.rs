//! The real binary, as people and scripts meet it.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking; helpers are no test functions to clippy"
)]

mod audit;
mod cluster;
mod describe;
mod dice;
mod enrich;
mod errors;
mod exports;
mod fetch;
mod fetch_again;
mod files;
mod folders;
mod full_disk;
mod generated;
mod guards;
mod handover;
mod help;
mod histories;
mod hooks;
mod job;
mod jobs;
mod keys;
mod kill;
mod links;
mod lock_faults;
mod locks;
mod main_job;
mod people;
#[expect(clippy::print_stdout, reason = "it says that it was skipped")]
#[path = "../../../engine/tests/it/postgres.rs"]
mod postgres;
mod power;
mod premises;
mod quotas;
mod resumed;
mod run;
mod secrets;
mod serving;
mod shares;
mod store;
mod supervised;
mod sync;
mod terminal_text;
mod transfers;
mod undo;
mod uploads;
mod uploads_killed;
mod visits;
mod web_server;
mod wire;
