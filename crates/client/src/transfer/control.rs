//! A hand on transfers that are under way.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt};
use tokio::sync::watch;

use crate::error::{Error, Result};
use crate::transport::body::Chunks;

#[cfg(test)]
mod tests;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Running,
    Paused,
    Cancelled,
}

/// Pauses, resumes and cancels the transfers it was given to. Clones are the same hand.
///
/// A pause lets no request start and reads no more of those that run: what waits is held back by the network, not in
/// memory. A server that gives up on one meanwhile is asked again afterwards. What was held keeps its room among the
/// client's requests, so pause all that a client moves, or give the rest another client. Cancelling ends all soon, with an error
/// that [`Error::is_cancelled`] knows; large transfers keep what they have for the next time, as their options say, and
/// what an upload has sent that nobody will go on with is removed from the server, in at most some seconds.
#[derive(Clone, Debug, Default)]
pub struct Control(Arc<watch::Sender<Mode>>);

impl Control {
    /// Makes a hand on nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Holds all transfers until [`Control::resume`]. What was cancelled stays so.
    pub fn pause(&self) {
        self.change(Mode::Running, Mode::Paused);
    }

    /// Lets transfers go on.
    pub fn resume(&self) {
        self.change(Mode::Paused, Mode::Running);
    }

    /// Ends all transfers, also those that start later.
    pub fn cancel(&self) {
        self.0.send_replace(Mode::Cancelled);
    }

    /// Tells whether transfers are held.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        *self.0.borrow() == Mode::Paused
    }

    /// Tells whether transfers were cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow() == Mode::Cancelled
    }

    fn change(&self, from: Mode, to: Mode) {
        self.0.send_if_modified(|mode| {
            let changes = *mode == from;
            if changes {
                *mode = to;
            }
            changes
        });
    }

    async fn wait_for(&self, wanted: impl FnMut(&Mode) -> bool) {
        // It fails only without a sender, and this is one.
        drop(self.0.subscribe().wait_for(wanted).await);
    }

    /// Waits out a pause; fails once all is cancelled.
    pub(crate) async fn pass(&self) -> Result<()> {
        if self.is_paused() {
            self.wait_for(|mode| *mode != Mode::Paused).await;
        }
        if self.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }

    /// Holds chunks back while all is paused.
    pub(crate) fn hold(&self, chunks: Chunks) -> Chunks {
        let held = stream::unfold((chunks, self.clone()), async |(mut chunks, control)| {
            let chunk = chunks.next().await?;
            let chunk = control.pass().await.and(chunk);
            Some((chunk, (chunks, control)))
        });
        Box::pin(held)
    }

    /// Runs a future, which is dropped when all is cancelled before it ends.
    pub(crate) async fn guard<T>(&self, future: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.wait_for(|mode| *mode == Mode::Cancelled) => Err(Error::cancelled()),
            ended = future => ended,
        }
    }
}
