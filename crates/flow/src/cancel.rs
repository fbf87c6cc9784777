//! The word to stop, passed down a tree.

use std::fmt;

use tokio_util::sync::{CancellationToken, DropGuard};

#[cfg(test)]
mod tests;

/// A word to stop that any number of waiters hear. Clones are the same word; a child hears its parent's and has its own.
///
/// ```
/// use longshore_flow::Cancel;
///
/// let transfer = Cancel::new();
/// let part = transfer.child();
/// part.cancel();
/// assert!(!transfer.is_cancelled());
/// transfer.cancel();
/// assert!(transfer.child().is_cancelled());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Cancel(CancellationToken);

impl Cancel {
    /// Makes a word that nobody has said yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a word that is said when this one is, and may be said alone.
    #[must_use]
    pub fn child(&self) -> Self {
        Self(self.0.child_token())
    }

    /// Says it, to all who have this word or a child of it.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Tells whether it was said. What blocks a thread looks here between its pieces.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until it is said.
    pub async fn cancelled(&self) {
        self.0.cancelled().await;
    }

    /// Runs `future` until it ends or the word is said; then it is dropped, with all that runs within it. It is not even
    /// begun when the word was said before.
    ///
    /// # Errors
    /// [`Cancelled`] when the word was said first.
    pub async fn run<F: Future>(&self, future: F) -> Result<F::Output, Cancelled> {
        self.0.run_until_cancelled(future).await.ok_or(Cancelled)
    }

    /// Says it when the guard is dropped: for work that is to end with who asked for it.
    pub fn on_drop(self) -> CancelOnDrop {
        CancelOnDrop { _guard: self.0.drop_guard() }
    }
}

/// Says the word of [`Cancel::on_drop`] when it is dropped.
#[derive(Debug)]
#[must_use = "dropping it cancels at once"]
pub struct CancelOnDrop {
    _guard: DropGuard,
}

/// It was stopped before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it was cancelled")
    }
}

impl std::error::Error for Cancelled {}
