//! A lock that renews itself, and stops its user's work in time.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use longshore_core::wire::{DEFAULT_LEASE, NodeLock};
use longshore_core::{LockToken, VersionId};
use tokio::sync::oneshot;

use super::heart::{Held, Waiter};
use super::lease::{Lease, reserve};
use crate::error::{Error, Result};

/// How a lock is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldOptions {
    /// How long the lease is, in whole seconds: after a holder's death others wait as long. 5 s to an hour; 60 s.
    pub ttl: Duration,
    /// How long to wait for a lock that somebody else holds, in whole seconds, rounded up: not at all unless set.
    pub wait: Duration,
    /// What the lock is for, for people who meet it.
    pub purpose: Option<String>,
    /// What the holder calls itself, such as the name of a run.
    pub owner_label: Option<String>,
    /// The version that must be current: otherwise nothing is locked. For a single node.
    pub if_version: Option<VersionId>,
}

impl Default for HoldOptions {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(u64::from(DEFAULT_LEASE)),
            wait: Duration::ZERO,
            purpose: None,
            owner_label: None,
            if_version: None,
        }
    }
}

/// A lock, or several that were taken together, held until it is released or dropped.
///
/// It is renewed in the background at a third of its lease. The guard counts from when the last good renewal was
/// sent, and a tenth before the lease could have ended takes the lock for lost: [`LockGuard::run`] then drops its
/// work. What of that was on its way the server refuses, because the guard's client names the lock with every write
/// to the locked nodes, also after the loss, until the guard is gone.
///
/// Dropping the guard gives the lock back in the background; [`LockGuard::release`] waits for that.
#[must_use = "dropping a guard gives its lock back"]
pub struct LockGuard {
    locks: Vec<NodeLock>,
    tokens: Vec<LockToken>,
    lease: Arc<Lease>,
    /// What of the lease is kept to stop in.
    reserve: Duration,
    /// Dropped, it ends the heart, which then gives the locks back.
    stop: Option<oneshot::Sender<Waiter>>,
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockGuard").field("locks", &self.locks).finish_non_exhaustive()
    }
}

impl LockGuard {
    /// Keeps what is held: one lock at least.
    ///
    /// The guard is there from the beginning, so that who drops this future, or meets an error, gives the locks back.
    pub(crate) async fn begin(held: Held, locks: Vec<NodeLock>) -> Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (begins, begun) = oneshot::channel();
        let (tokens, lease, tasks) = (held.tokens.clone(), held.lease(), held.client.tasks().clone());
        let late = held.is_late();
        let reserve = reserve(held.length);
        tasks.spawn(held.beat(late, begins, stopped));
        let guard = Self { locks, tokens, lease, reserve, stop: Some(stop) };
        begun.await.map_err(Error::lost)??;
        Ok(guard)
    }

    /// Returns the locks as they were granted, in the order they were asked for.
    #[must_use]
    pub fn locks(&self) -> &[NodeLock] {
        &self.locks
    }

    /// Returns their tokens, for who is to write under them without this client.
    #[must_use]
    pub fn tokens(&self) -> &[LockToken] {
        &self.tokens
    }

    /// Tells whether the lock is lost, or so near its end that it counts as lost.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lease.lost().is_some()
    }

    /// Gives the error of a lost lock: for work that looks between its steps.
    pub fn ensure_held(&self) -> Result<()> {
        self.lease.lost().map_or(Ok(()), Err)
    }

    /// Waits until the lock is lost, and tells how.
    pub async fn lost(&self) -> Error {
        self.lease.loss().await
    }

    /// Returns how long nobody else surely has the lock, as far as is known here: for work that takes time to stop.
    ///
    /// When the guard takes a lock for lost because its lease runs out this is a tenth of the lease; nothing once the
    /// server has said that it is lost.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.lease.left(self.reserve)
    }

    /// Does work under the lock, and drops it unfinished when the lock is lost.
    ///
    /// The error is then [`Code::LockLost`](crate::Code::LockLost) with its reason, and its `may_have_happened` is
    /// true: what of the work was done before stands.
    pub async fn run<F: Future>(&self, work: F) -> Result<F::Output> {
        let (mut work, mut lost) = (pin!(work), pin!(self.lost()));
        poll_fn(|cx| {
            // The loss first: after a pause of the whole process both may be ready.
            if let Poll::Ready(error) = lost.as_mut().poll(cx) {
                return Poll::Ready(Err(error.while_under_way()));
            }
            if let Err(error) = self.ensure_held() {
                return Poll::Ready(Err(error.while_under_way()));
            }
            work.as_mut().poll(cx).map(Ok)
        })
        .await
    }

    /// Gives the lock back and waits for that. One that was lost before is as good as given back.
    pub async fn release(mut self) -> Result<()> {
        let (waiter, released) = oneshot::channel();
        if let Some(stop) = self.stop.take() {
            // Where the heart is gone, so is the waiter, and the line below says so.
            drop(stop.send(waiter));
        }
        released.await.map_err(Error::lost)?
    }
}
