//! The native half of the Python package `longshore`: the Rust client, waited for from asyncio and from threads.
//!
//! Python sees few, plain things here: `Pending` work, streams of it, and verbs that take and give
//! dictionaries. What people use is written in Python, over these.

mod client;
mod failure;
mod feed;
mod handoff;
mod pending;
mod queue;
mod runtime;
mod source;
mod store;
mod stream;
mod transfers;
mod web;

use pyo3::prelude::*;

#[pymodule]
mod _longshore {
    #[pymodule_export]
    use super::client::{Client, Guard};
    #[pymodule_export]
    use super::feed::Feed;
    #[pymodule_export]
    use super::pending::Pending;
    #[pymodule_export]
    use super::store::Store;
    #[pymodule_export]
    use super::stream::Stream;
    #[pymodule_export]
    use super::transfers::Hand;
    #[pymodule_export]
    use super::web::Agent;

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "it is a name of Python's")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
