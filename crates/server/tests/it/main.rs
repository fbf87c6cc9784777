//! The front door, tried from outside: in process where that suffices, over sockets where it does not.

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails the test that called it")]

mod access;
mod archives;
mod batch;
mod bytes;
mod deltas;
mod describe;
mod direct;
mod document;
mod downloads;
mod events;
mod exports;
mod faults;
mod hooks;
mod idempotency;
mod immunity;
mod jobs;
mod limits;
mod links;
mod names;
mod narrowed_keys;
mod open_uploads;
mod origins;
mod problems;
mod quotas;
mod ranges;
mod repeats;
mod rights;
mod routes;
mod sessions;
mod shutdown;
mod sockets;
mod stores;
mod tls;
mod transfers;
mod undo;
mod upload_locks;
mod upload_repeats;
mod uploads;
mod uploads_cut;
mod wire;
mod world;
