//! Webhooks: events of a workspace go to URLs that its admins chose.
//!
//! The event log is the outbox. A write that leaves events where somebody wants them enqueues a dispatch
//! ([`announce`]); that reads the log from where each hook stands and makes one delivery per event ([`dispatch`]);
//! each attempt of a delivery is a job in its hook's own lane ([`deliver`]), so that a receiver that is slow or gone
//! holds back nobody else. A delivery is made at least once and carries the same id every time.
//!
//! A hook's secret is in the answer that made it, in its row, and nowhere else: no event, log or error has it.

mod body;
mod deliver;
mod dispatch;
mod filter;
mod housekeeping;
mod pauses;
mod redeliver;
mod verbs;

#[cfg(test)]
mod tests;

pub(crate) use deliver::{DELIVER, URGENT};
pub(crate) use dispatch::{DISPATCH, announce};
pub(crate) use housekeeping::{CATCH_UP, CATCH_UP_EVERY, PRUNE, PRUNE_EVERY};
pub(crate) use redeliver::REDELIVER;

use crate::jobs::Kinds;

/// The kinds of jobs of webhooks, but the deliveries themselves.
pub(crate) fn kinds(kinds: Kinds) -> Kinds {
    kinds
        .with(&DISPATCH, dispatch::run)
        .with(&REDELIVER, redeliver::run)
        .with(&CATCH_UP, housekeeping::catch_up)
        .every(CATCH_UP_EVERY, &CATCH_UP)
        .with(&PRUNE, housekeeping::prune)
        .every(PRUNE_EVERY, &PRUNE)
}

/// The deliveries: they wait for strangers most of the time, so they have workers of their own.
pub(crate) fn delivery_kinds() -> Kinds {
    Kinds::none().with(&DELIVER, deliver::run).with(&URGENT, deliver::run)
}
