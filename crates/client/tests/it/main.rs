//! The client against a server that does what a test tells it to.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking; helpers are no test functions to clippy"
)]

mod archives;
mod audit;
mod batches;
mod blocking;
mod control;
mod cuts;
mod deltas;
mod downloads;
mod events;
mod fake;
mod held;
mod locks;
mod parts;
mod plans;
mod preconditions;
mod requests;
mod resume;
mod retries;
mod same;
mod staged;
mod tls;
mod uploads;
mod visitors;
mod waits;
