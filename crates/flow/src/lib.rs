//! How Longshore does many things at once: retry, pauses, budgets, rates, a limit that adapts, bounded fan-out, owned tasks.
//!
//! This crate knows nothing of Longshore: no ids, no HTTP types, no clock and no source of randomness of its
//! own. The time and a random number are passed in, so that what it decides can be tested by property.

#![warn(missing_docs)]

pub mod adaptive;
pub mod blocking;
pub mod budget;
pub mod cancel;
pub mod fan_out;
pub mod gate;
pub mod idle;
pub mod moment;
pub mod pages;
pub mod queue;
pub mod rate;
pub mod retry;
pub mod tasks;
pub mod timeout;

pub use adaptive::Limiter;
pub use blocking::Blocking;
pub use budget::{Budget, BudgetPolicy};
pub use cancel::{Cancel, CancelOnDrop};
pub use fan_out::{fan_out, fan_out_stream};
pub use gate::Gate;
pub use idle::{Idle, Moved};
pub use pages::{PageError, pages};
pub use queue::Queue;
pub use rate::Rate;
pub use retry::RetryPolicy;
pub use tasks::Tasks;
pub use timeout::with_timeout;
