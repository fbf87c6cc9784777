//! Durable background work.
//!
//! A job is a row, written in the transaction of the change that wants it ([`enqueue`]): where that is rolled back
//! there is no job. A worker claims it with a lease and a fence ([`runner`]), runs the handler of its kind ([`run`]),
//! and every effect commits together with a check of the fence, so that a worker that was taken for dead can do no
//! harm when it comes back. What a handler does outside the database it may do twice.
//!
//! To add a kind: a `static` [`JobKind`], a handler, and a line in [`built_in`]; one that runs by the clock has a
//! second line there.

mod built_in;
mod context;
mod enqueue;
mod kind;
mod run;
mod runner;
mod schedules;
mod state;
mod verbs;

#[cfg(test)]
pub(crate) mod tests;

pub use context::{Handled, JobContext, JobFailure, Outcome};
pub use enqueue::NewJob;
pub(crate) use enqueue::enqueue;
pub use kind::{JobKind, Kinds};
pub use runner::WorkerSettings;
pub(crate) use state::JobsState;
pub use state::{JobBacklog, JobCount};
pub use verbs::JobFilter;
