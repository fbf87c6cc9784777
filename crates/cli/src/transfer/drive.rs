//! Runs a transfer to its end, or to where it is stopped.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use futures_util::{Stream, StreamExt};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval_at};

use super::progress::{Counters, Display};
use super::summary::{Outcome, Stopped, Summary};
use crate::failure::Exit;
use crate::output::Output;

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

/// Listens from now on, and not only once it is waited for, for Ctrl-C and for the signal that asks a program to
/// end: until somebody listens, either ends the program on the spot.
pub(crate) fn interrupted() -> impl Future<Output = ()> {
    let mut signals = listen();
    async move { first(&mut signals).await }
}

/// Does the same for who then puts away what is under way. Another one ends the program at once, whatever it waits for: a
/// disk that hangs, or who should read what it prints.
pub(crate) fn interrupted_once() -> impl Future<Output = ()> {
    let mut signals = listen();
    async move {
        first(&mut signals).await;
        // The thread ends with the program. Without one more the program ends as soon as all is put away.
        let waiting = std::thread::Builder::new().name("interrupts".to_owned());
        let _unwatched = waiting.spawn(move || {
            // Who cannot listen lets it end in order alone.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(first(&mut signals));
            #[expect(clippy::exit, clippy::disallowed_methods, reason = "main may be waiting for ever")]
            std::process::exit(Exit::Interrupted.number().into());
        });
    }
}

type Signals = [io::Result<Signal>; 2];

fn listen() -> Signals {
    [SignalKind::interrupt(), SignalKind::terminate()].map(signal)
}

async fn first([ctrl_c, terminate]: &mut Signals) {
    tokio::select! {
        () = received(ctrl_c) => {}
        () = received(terminate) => {}
    }
}

async fn received(signal: &mut io::Result<Signal>) {
    match signal {
        Ok(signal) => {
            signal.recv().await;
        }
        Err(_) => std::future::pending().await,
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
