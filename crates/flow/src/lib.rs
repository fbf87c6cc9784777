//! How Longshore does many things at once: retry, pauses, budgets, rates, a limit that adapts, bounded fan-out, queues, pages,
//! pipelines, owned tasks.
//!
//! This crate knows nothing of Longshore: no ids, no HTTP types, no clock and no source of randomness of its
//! own. The time (tokio's, which a test can stop, or one that is passed in) and random numbers come from outside, so that
//! what it decides can be tested by property.
//!
//! | for | there is |
//! |---|---|
//! | trying again | [`RetryPolicy`], [`retry::parse_retry_after`], [`Budget`], [`Gate`] |
//! | so many at once | [`fan_out`](fan_out()), [`Limiter`] (adapts itself), [`Blocking`] (threads), [`Queue`] (workers) |
//! | so much in a second | [`Rate`], [`Rates`] |
//! | much in a row | [`pages`](pages()), [`Pipeline`] |
//! | an end | [`with_timeout`], [`Idle`], [`Cancel`], [`Tasks`] |
//!
//! A hundred requests, no more at once than the server takes, and tried again where that may help:
//!
//! ```
//! # use std::time::{Duration, Instant};
//! # enum Answer { Fine, Busy }
//! # async fn send(number: u32, attempt: u32) -> Answer {
//! #     if number % 10 == 0 && attempt == 1 { Answer::Busy } else { Answer::Fine }
//! # }
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! use futures_util::StreamExt;
//! use longshore_flow::{Budget, Limiter, RetryPolicy, fan_out};
//!
//! let (limiter, budget, policy) = (Limiter::new(1, 8, 64), Budget::default(), RetryPolicy::default());
//! let outcomes = fan_out(1..=100, 64, async |number| {
//!     let mut attempt = 1;
//!     loop {
//!         let permit = limiter.acquire().await;
//!         let start = Instant::now();
//!         match send(number, attempt).await {
//!             Answer::Fine => {
//!                 permit.success(start.elapsed());
//!                 budget.succeeded();
//!                 return Ok(number);
//!             }
//!             Answer::Busy => permit.throttled(),
//!         }
//!         // A half stands for a random number here.
//!         match policy.delay(attempt, 0.5, None) {
//!             Some(pause) if budget.try_retry() => tokio::time::sleep(pause).await,
//!             _ => return Err(number),
//!         }
//!         attempt += 1;
//!     }
//! });
//! assert_eq!(outcomes.filter(|outcome| std::future::ready(outcome.is_ok())).count().await, 100);
//! # }
//! ```

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
pub mod pipeline;
pub mod queue;
pub mod rate;
pub mod retry;
pub mod tasks;
pub mod timeout;

pub use adaptive::Limiter;
pub use blocking::Blocking;
pub use budget::{Budget, BudgetPolicy};
pub use cancel::{Cancel, CancelOnDrop};
pub use fan_out::{fan_out, fan_out_ordered, fan_out_stream};
pub use gate::Gate;
pub use idle::{Idle, Moved};
pub use pages::{PageError, pages};
pub use pipeline::{Checkpoint, Outcome, Pipeline};
pub use queue::Queue;
pub use rate::{Rate, Rates};
pub use retry::RetryPolicy;
pub use tasks::Tasks;
pub use timeout::with_timeout;

/// The examples of the page about this crate, which are tests too.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/flow.md")]
struct Page;
