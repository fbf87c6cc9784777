//! The front door, tried from outside: in process where that suffices, over sockets where it does not.

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails the test that called it")]

mod access;
mod bytes;
mod document;
mod events;
mod faults;
mod immunity;
mod names;
mod problems;
mod routes;
mod shutdown;
mod sockets;
mod tls;
mod wire;
mod world;
