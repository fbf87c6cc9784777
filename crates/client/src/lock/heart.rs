//! What renews the locks of a guard, and gives them back when the guard goes.

use std::sync::Arc;
use std::time::Duration;

use longshore_core::wire::{LockGrant, LockRenewal, RenewLock};
use longshore_core::{Code, LockToken, random};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::lease::{Lease, Loss, held_until};
use crate::api::locks;
use crate::client::Client;
use crate::error::{Error, Result};

/// How long giving locks back is tried for.
const RELEASE: Duration = Duration::from_secs(10);
/// The shortest pause between two attempts to renew.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// Who waits for the locks to be given back; nobody where the guard was dropped.
pub(super) type Waiter = oneshot::Sender<Result<()>>;

/// The locks of one guard, and what renews them.
pub(crate) struct Held {
    pub(super) client: Client,
    pub(super) tokens: Vec<LockToken>,
    lease: Arc<Lease>,
    /// When what is counted from was sent.
    sent: Instant,
    /// How long the shortest lease was then.
    pub(crate) length: Duration,
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
    pub(crate) async fn confirm(&mut self) -> Result<()> {
        let mut tries = self.client.tries();
        loop {
            let sent = Instant::now();
            match self.renew_once().await {
                Ok(length) => {
                    self.lease = Arc::new(Lease::new(held_until(sent, length)));
                    (self.sent, self.length) = (sent, length);
                    return Ok(());
                }
                Err(error) => drop(tries.again(error).await?),
            }
        }
    }

    /// Names the locks no more.
    pub(crate) fn forget(&self) {
        for token in &self.tokens {
            self.client.held().remove(token.id());
        }
    }

    /// Renews the locks until the guard goes, then gives them back.
    pub(super) async fn beat(mut self, mut stop: oneshot::Receiver<Waiter>) {
        let waiter = tokio::select! {
            biased;
            waiter = &mut stop => waiter.ok(),
            () = self.keep() => stop.await.ok(),
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
    async fn keep(&mut self) {
        while self.lease.lost().is_none() {
            sleep_until(self.sent + jittered(self.length / 3)).await;
            self.renew().await;
        }
    }

    /// Renews all, again and again until that succeeds or they are lost.
    async fn renew(&mut self) {
        let (end, length) = (self.lease.until(), self.length);
        while self.lease.lost().is_none() {
            let sent = Instant::now();
            // A connection that stalls must leave time for another one.
            let patience = end.min(sent + length / 5);
            match timeout_at(patience, self.renew_once()).await {
                Ok(Ok(length)) => {
                    let until = held_until(sent, length);
                    if self.lease.prolong(until) {
                        for token in &self.tokens {
                            self.client.held().prolong(token.id(), until);
                        }
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
                Ok(Err(error)) => self.lease.trouble(error.to_string()),
                Err(_) => {}
            }
            let pause = jittered(length / 40).max(SHORTEST_PAUSE);
            sleep_until(end.min(Instant::now() + pause)).await;
        }
    }

    /// Renews each lock; returns the shortest of their leases.
    async fn renew_once(&self) -> Result<Duration> {
        let renewals = self.tokens.iter().map(|token| async move {
            let renewal: LockRenewal =
                self.client.json_once(locks::renewal(token, &RenewLock::default())?).await?;
            Ok::<_, Error>(Duration::from_secs(renewal.expires_in))
        });
        let leases = futures_util::future::try_join_all(renewals).await?;
        Ok(leases.into_iter().min().unwrap_or_default())
    }

    /// Gives all back. A lock that is lost already is as good as given back: that is told to the log alone.
    async fn release(&self) -> Result<()> {
        let releases = self.tokens.iter().map(|token| async move {
            match self.client.done(locks::return_of(token)?).await {
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
