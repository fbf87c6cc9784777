//! Runs a transfer to its end, or to where it is stopped.

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use futures_util::{Stream, StreamExt};
use tokio::time::{MissedTickBehavior, interval_at};

use super::progress::{Counters, Display};
use super::summary::{Outcome, Stopped, Summary};
use crate::failure::Exit;
use crate::output::Output;
use crate::signals::interrupted_once;

/// Takes outcomes until there are no more, the user interrupts, or `limit` in a row fail in a way that the
/// next would too.
///
/// Stopping drops what is in flight; the SDK sees to it that nothing of that becomes visible in half.
pub(crate) async fn drive(
    outcomes: impl Stream<Item = Outcome>,
    counters: Arc<Counters>,
    limit: usize,
    output: Output,
) -> Summary {
    let start = Instant::now();
    let mut display = Display::new(Arc::clone(&counters), output);
    let mut ticks = interval_at(tokio::time::Instant::now() + display.interval(), display.interval());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut summary = Summary::default();
    let mut hopeless = 0;
    let mut outcomes = pin!(outcomes);
    let mut interrupt = pin!(interrupted_once());
    let stopped = loop {
        tokio::select! {
            biased;
            () = &mut interrupt => break Some(Stopped::Interrupted),
            _ = ticks.tick() => display.show(),
            outcome = outcomes.next() => match outcome {
                None => break None,
                Some(outcome) => {
                    match outcome {
                        Outcome::File(_) => counters.file_done(),
                        Outcome::Same(bytes) => counters.file_spared(bytes),
                        _ => {}
                    }
                    let exit = hopeless_exit(&outcome);
                    hopeless = if exit.is_some() { hopeless + 1 } else { 0 };
                    summary.add(outcome);
                    if let Some(exit) = exit.filter(|_| hopeless >= limit) {
                        break Some(Stopped::GaveUp(exit));
                    }
                }
            },
        }
    };
    display.end();
    summary.end(start.elapsed(), stopped);
    summary
}

/// Returns the exit code of a failure that the next item would meet too.
fn hopeless_exit(outcome: &Outcome) -> Option<Exit> {
    match outcome {
        Outcome::Failed(_, failure) => failure.is_hopeless().then_some(failure.exit),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::hopeless_exit;
    use crate::failure::{Exit, Failure};
    use crate::transfer::summary::Outcome;

    #[test]
    fn what_the_next_would_meet_too_is_hopeless() {
        let exit = |code| {
            hopeless_exit(&Outcome::Failed("/x".to_owned(), Failure::new(Exit::Unavailable, code, "no")))
        };
        for code in ["network", "storage_full", "key_revoked"] {
            assert_eq!(exit(code), Some(Exit::Unavailable), "{code}");
        }
        for code in ["name_taken", "locked", "body_too_large"] {
            assert_eq!(exit(code), None, "{code}");
        }
    }
}
