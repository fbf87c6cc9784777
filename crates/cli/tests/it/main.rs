//! The real binary, as people and scripts meet it.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking; helpers are no test functions to clippy"
)]

mod errors;
mod files;
mod folders;
mod generated;
mod help;
mod keys;
mod kill;
mod power;
mod run;
mod serving;
mod transfers;
