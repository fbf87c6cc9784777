//! Locks for programs without an async runtime.

use std::sync::Arc;
use std::time::Duration;

use longshore_core::wire::{
    AcquireLock, AcquireLocks, LockGrant, LockGrants, LockRenewal, LostReason, NodeLock,
};
use longshore_core::{LockId, LockToken, NodeId, WorkspaceId};
use tokio::runtime::{Handle, Runtime};

use super::Waiting;
use crate::api::locks::LockOwner;
use crate::error::{Error, Result};
use crate::lock::guard::HoldOptions;

/// The blocking verbs on locks.
#[derive(Clone, Debug)]
pub struct Locks {
    pub(super) verbs: crate::Locks,
    pub(super) runtime: Arc<Runtime>,
}

impl Locks {
    verbs! {
        wait wait_for(node: NodeId, options: &HoldOptions) -> Result<LockGrant>;
        wait acquire(node: NodeId, wanted: &AcquireLock) -> Result<LockGrant>;
        wait acquire_many(wanted: &AcquireLocks) -> Result<LockGrants>;
        wait renew(token: &LockToken, ttl_seconds: Option<u32>) -> Result<LockRenewal>;
        wait release(token: &LockToken) -> Result<()>;
        wait break_lock(lock: LockId, reason: &str) -> Result<()>;
        wait get(node: NodeId) -> Result<NodeLock>;
        iterate list(owner: LockOwner, workspace: Option<WorkspaceId>) -> Waiting<crate::Listing<NodeLock>>;
    }

    /// Does what the async `hold` does; the guard gives the lock back, and waits for that, when it is dropped.
    pub fn hold(&self, node: NodeId, options: &HoldOptions) -> Result<LockGuard> {
        let guard = self.runtime.block_on(self.verbs.hold(node, options))?;
        Ok(LockGuard { guard: Some(guard), runtime: self.runtime.clone() })
    }

    /// Does what the async `hold_many` does; the guard gives the locks back, and waits for that, when it is dropped.
    pub fn hold_many(&self, nodes: &[NodeId], options: &HoldOptions) -> Result<LockGuard> {
        let guard = self.runtime.block_on(self.verbs.hold_many(nodes, options))?;
        Ok(LockGuard { guard: Some(guard), runtime: self.runtime.clone() })
    }
}

/// A lock that renews itself in the background, for work without an async runtime.
///
/// Nobody can stop such work from outside: it calls [`LockGuard::ensure_held`] between its steps. What it
/// writes to the locked nodes after a loss the server refuses.
#[derive(Debug)]
#[must_use = "dropping a guard gives its lock back"]
pub struct LockGuard {
    /// There until the lock is given back.
    guard: Option<crate::LockGuard>,
    runtime: Arc<Runtime>,
}

impl LockGuard {
    /// Returns the locks as they were granted, in the order they were asked for.
    #[must_use]
    pub fn locks(&self) -> &[NodeLock] {
        self.guard.as_ref().map_or(&[], crate::LockGuard::locks)
    }

    /// Returns their tokens, for who is to write under them without this client.
    #[must_use]
    pub fn tokens(&self) -> &[LockToken] {
        self.guard.as_ref().map_or(&[], crate::LockGuard::tokens)
    }

    /// Tells whether the lock is lost, or so near its end that it counts as lost.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.guard.as_ref().is_some_and(crate::LockGuard::is_lost)
    }

    /// Gives the error of a lost lock: for work that looks between its steps.
    pub fn ensure_held(&self) -> Result<()> {
        self.guard.as_ref().map_or(Ok(()), crate::LockGuard::ensure_held)
    }

    /// Returns how long nobody else surely has the lock, as far as is known here: for work that takes time to stop.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.guard.as_ref().map_or(Duration::ZERO, crate::LockGuard::time_left)
    }

    /// Waits until the lock is lost, and tells how: for a thread that stops the work of another.
    #[must_use]
    pub fn lost(&self) -> Error {
        let released = || Error::lock_lost(Some(LostReason::Released), "the lock was given back");
        self.guard.as_ref().map_or_else(released, |guard| self.runtime.block_on(guard.lost()))
    }

    /// Does work under the lock, and tells of a loss after it; what is lost already it does not begin.
    ///
    /// The async `run` drops its work when the lock is lost. This cannot: the work goes on to its end, or looks
    /// itself. The error's `may_have_happened` is true where the work was done.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> Result<T> {
        self.ensure_held()?;
        let done = work();
        self.ensure_held().map_err(Error::while_under_way)?;
        Ok(done)
    }

    /// Gives the lock back and waits for that. One that was lost before is as good as given back.
    pub fn release(mut self) -> Result<()> {
        self.guard.take().map_or(Ok(()), |guard| self.runtime.block_on(guard.release()))
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        // Inside an async runtime waiting would panic; there the lock is given back in the background.
        if Handle::try_current().is_err()
            && let Some(guard) = self.guard.take()
        {
            // A drop has nobody else to tell.
            if let Err(error) = self.runtime.block_on(guard.release()) {
                tracing::warn!(%error, "a lock was not given back: it ends with its lease");
            }
        }
    }
}
