//! What renews the locks of a guard, and gives them back when the guard goes.

use std::sync::Arc;
use std::time::Duration;

use longshore_core::wire::{LockGrant, LockRenewal, RenewLock};
use longshore_core::{Code, LockToken, random};
use longshore_flow::moment::after;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::lease::{Lease, Loss, held_until};
use crate::api::locks;
use crate::client::{Client, half_left};
use crate::error::{Error, Result};

/// How long giving locks back is tried for.
const RELEASE: Duration = Duration::from_secs(10);
/// The shortest pause between two attempts to renew.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// Who waits for the locks to be taken up, or given back; nobody where the guard was dropped.
pub(super) type Waiter = oneshot::Sender<Result<()>>;

/// The locks of one guard, and what renews them.
pub(crate) struct Held {
    pub(super) client: Client,
    pub(super) tokens: Vec<LockToken>,
    lease: Arc<Lease>,
    /// When what is counted from was sent.
    sent: Instant,
    /// How long the shortest lease was then.
    pub(super) length: Duration,
}

/// Spreads a pause over nine to eleven tenths, so that holders do not renew in step.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.9 + 0.2 * random::unit())
}

impl Held {
    /// Takes up what was granted to a request that was sent at `sent`.
    pub(crate) fn new(client: &Client, tokens: Vec<LockToken>, granted: &[LockGrant], sent: Instant) -> Self {
        let seconds = granted.iter().map(|granted| granted.expires_in).min().unwrap_or_default();
        let length = Duration::from_secs(seconds);
        let lease = Arc::new(Lease::new(held_until(sent, length)));
        Self { client: client.clone(), tokens, lease, sent, length }
    }

    pub(super) fn lease(&self) -> Arc<Lease> {
        self.lease.clone()
    }

    /// Renews the locks once, and counts from now on, whatever was counted before.
    async fn confirm(&mut self) -> Result<()> {
        // A connection that stalls must leave time for another one, before the lease is surely over.
        let (end, patience) = (after(Instant::now(), self.length), self.length / 5);
        let mut tries = self.client.tries_until(Some(end));
        loop {
            let sent = Instant::now();
            let renewed = timeout_at(end.min(after(sent, patience)), self.renew_once()).await;
            match renewed.unwrap_or_else(|_| Err(Error::stalled(patience))) {
                Ok(length) => {
                    let until = held_until(sent, length);
                    self.lease.restart(until);
                    self.prolong_named(until);
                    (self.sent, self.length) = (sent, length);
                    return Ok(());
                }
                Err(error) if Instant::now() >= end => return Err(error),
                Err(error) => drop(tries.again(error).await?),
            }
        }
    }

    /// Tells whether it may have taken so long to hear of the grant that nobody here knows when the lease began.
    pub(super) fn is_late(&self) -> bool {
        self.sent.elapsed() > self.length / 10
    }

    /// Says until when the locks are named where another one is asked for.
    fn prolong_named(&self, until: Instant) {
        for token in &self.tokens {
            self.client.held().prolong(token.id(), until);
        }
    }

    /// Names the locks no more.
    fn forget(&self) {
        for token in &self.tokens {
            self.client.held().remove(token.id());
        }
    }

    /// Renews the locks until the guard goes, then gives them back. `begun` hears that it is known until when they
    /// are held, or why not; where it is `late` to count from the grant, they are renewed first.
    pub(super) async fn beat(mut self, late: bool, begun: Waiter, mut stop: oneshot::Receiver<Waiter>) {
        let waiter = tokio::select! {
            biased;
            waiter = &mut stop => waiter.ok(),
            () = self.keep(late, begun) => stop.await.ok(),
        };
        let released = timeout(RELEASE, self.release()).await;
        let released = released.unwrap_or_else(|_| Err(Error::stalled(RELEASE)));
        self.forget();
        match waiter {
            // Who waited may have gone; then there is nobody to be told.
            Some(waiter) => drop(waiter.send(released)),
            None => {
                if let Err(error) = released {
                    tracing::warn!(%error, "a lock was not given back: it ends with its lease");
                }
            }
        }
    }

    /// Renews as long as that goes well; ends when the locks are lost.
    async fn keep(&mut self, late: bool, begun: Waiter) {
        let confirmed = if late { self.confirm().await } else { Ok(()) };
        let failed = confirmed.is_err();
        // Who takes the guard up may have gone; then it is dropped, and that ends all this.
        drop(begun.send(confirmed));
        if failed {
            return;
        }
        while self.lease.lost().is_none() {
            sleep_until(after(self.sent, jittered(self.length / 3))).await;
            self.renew().await;
        }
    }

    /// Renews all, again and again until that succeeds or they are lost.
    async fn renew(&mut self) {
        let (end, length) = (self.lease.until(), self.length);
        while self.lease.lost().is_none() {
            let sent = Instant::now();
            // A connection that stalls must leave time for another one.
            let patience = end.min(after(sent, length / 5));
            let mut asked = Duration::ZERO;
            match timeout_at(patience, self.renew_once()).await {
                Ok(Ok(length)) => {
                    let until = held_until(sent, length);
                    if self.lease.prolong(until) {
                        self.prolong_named(until);
                        (self.sent, self.length) = (sent, length);
                    }
                    return;
                }
                // Only a refusal that Longshore itself has worded is one: what stands between may say anything.
                Ok(Err(error)) if !error.is_retryable() && error.code().is_some() => {
                    let reason = error.facts().reason;
                    self.lease.lose(Loss { reason, message: error.to_string() });
                    return;
                }
                Ok(Err(error)) => {
                    asked = error.retry_after().unwrap_or_default();
                    self.lease.trouble(error.to_string());
                }
                Err(_) => {}
            }
            // What the server asks for is kept as far as it does not cost the lock.
            let pause = jittered(length / 40).max(asked.min(half_left(end))).max(SHORTEST_PAUSE);
            sleep_until(end.min(after(Instant::now(), pause))).await;
        }
    }

    /// Renews each lock; returns the shortest of their leases.
    async fn renew_once(&self) -> Result<Duration> {
        let renewals = self.tokens.iter().map(|token| async move {
            let renewal: LockRenewal =
                self.client.json_once(locks::renewal(token, &RenewLock::default(), None)?).await?;
            Ok::<_, Error>(Duration::from_secs(renewal.expires_in))
        });
        let leases = futures_util::future::try_join_all(renewals).await?;
        Ok(leases.into_iter().min().unwrap_or_default())
    }

    /// Gives all back. A lock that is lost already is as good as given back: that is told to the log alone.
    async fn release(&self) -> Result<()> {
        let until = Instant::now() + RELEASE;
        let releases = self.tokens.iter().map(|token| async move {
            match self.client.done(locks::return_of(token, Some(until))).await {
                // A node that was purged took its lock along.
                Err(error) if error.is_lock_lost() || error.is(Code::LockNotFound) => {
                    tracing::warn!(lock = %token.id(), %error, "a lock was lost before it was given back");
                    Ok(())
                }
                result => result,
            }
        });
        let released = futures_util::future::join_all(releases).await;
        released.into_iter().collect()
    }
}
