//! Locks.

use std::time::Duration;

use http::Method;
use longshore_core::wire::{
    AcquireLock, AcquireLocks, BreakLock, LONGEST_WAIT, LockGrant, LockGrants, LockRenewal, NodeLock,
    RenewLock,
};
use longshore_core::{Code, LockId, LockToken, NodeId, PrincipalId, WorkspaceId, random};
use tokio::time::{Instant, sleep};

use super::listing::Listing;
use crate::client::{Call, Client};
use crate::error::{Error, Result};
use crate::lock::Named;
use crate::lock::guard::{HoldOptions, LockGuard};
use crate::lock::heart::Held;

/// How long a refused batch waits before it asks again, at most; batches have no place in a queue.
const BATCH_PAUSE: Duration = Duration::from_secs(1);

/// Whose locks are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LockOwner {
    /// Everybody's.
    #[default]
    Anybody,
    /// Those of the principal who asks.
    Me,
    /// Those of this principal.
    Principal(PrincipalId),
}

/// The verbs on locks.
///
/// A client names the locks that it took with its later writes to their nodes, and those on folders with what it
/// writes into these folders by their ids. What it writes by path it cannot know to be under a lock: for that, and
/// for a lock that somebody else took, there are [`UploadOptions::lock`](crate::UploadOptions::lock) and
/// [`Client::under`].
#[derive(Clone, Debug)]
pub struct Locks {
    client: Client,
}

/// Makes the request that renews a lock.
pub(crate) fn renewal(token: &LockToken, wanted: &RenewLock) -> Result<Call> {
    let path = format!("/v1/locks/{}/renew", token.id());
    let call = Call::repeatable(Method::POST, path).json(wanted)?;
    Ok(call.locks(Named::new(vec![token.clone()], &[])))
}

/// Makes the request that gives a lock back.
pub(crate) fn return_of(token: &LockToken) -> Result<Call> {
    let path = format!("/v1/locks/{}", token.id());
    Ok(Call::repeatable(Method::DELETE, path).locks(Named::new(vec![token.clone()], &[])))
}

impl Locks {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Takes the lock of a node and holds it: renewed in the background until the guard is released or dropped.
    ///
    /// Where somebody else holds it this waits as long as `options.wait`, in a queue, and fails with
    /// [`Code::Locked`] after that. Dropping the future while it waits gives up the place in the queue; a lock that
    /// was just granted then ends with its lease.
    pub async fn hold(&self, node: NodeId, options: &HoldOptions) -> Result<LockGuard> {
        let (granted, sent) = self.wait(node, options).await?;
        self.guard(vec![granted], sent).await
    }

    /// Takes the lock of a node, and waits for it as [`Locks::hold`] does; nobody renews it but who calls
    /// [`Locks::renew`].
    pub async fn wait_for(&self, node: NodeId, options: &HoldOptions) -> Result<LockGrant> {
        Ok(self.wait(node, options).await?.0)
    }

    /// Waits for a lock; returns it, and when the request was sent that had it.
    async fn wait(&self, node: NodeId, options: &HoldOptions) -> Result<(LockGrant, Instant)> {
        self.client.ensure_no_own_key()?;
        let deadline = Instant::now() + options.wait;
        let mut wanted = AcquireLock {
            ttl_seconds: seconds(options.ttl),
            purpose: options.purpose.clone(),
            owner_label: options.owner_label.clone(),
            if_version: options.if_version,
            ..AcquireLock::default()
        };
        loop {
            let (begun, left) = (Instant::now(), deadline.saturating_duration_since(Instant::now()));
            wanted.wait_seconds = seconds(left.min(self.longest_wait()));
            match self.acquire(node, &wanted).await {
                Ok(granted) => return Ok((granted, begun)),
                Err(error) if error.is_locked() && begun < deadline => {
                    wanted.wait_ticket = error.facts().queue.and_then(|place| place.ticket);
                    // What is left is less than a second, or the server did not wait as it was asked to.
                    let least = begun + left.min(Duration::from_secs(1));
                    tokio::time::sleep_until(least).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Guards what was granted to a request that was sent at `sent`.
    ///
    /// After a wait nobody here knows when the lease began: it is then renewed, and counted from that.
    async fn guard(&self, granted: Vec<LockGrant>, sent: Instant) -> Result<LockGuard> {
        let tokens = granted.iter().map(LockGrant::lock_token).collect::<Result<Vec<_>, _>>();
        let tokens = tokens.map_err(|error| Error::unreadable(format!("the lock token: {error}"), 201))?;
        let mut held = Held::new(&self.client, tokens, &granted, sent);
        if sent.elapsed() > held.length / 10
            && let Err(error) = held.confirm().await
        {
            held.forget();
            return Err(error);
        }
        let locks = granted.into_iter().map(|granted| granted.lock).collect();
        Ok(LockGuard::new(held, locks))
    }

    /// Takes the locks of many nodes of one workspace, all or none, and holds them as [`Locks::hold`] does one.
    ///
    /// That is the way to hold several without a deadlock. Who waits for a batch has no place in a queue.
    pub async fn hold_many(&self, nodes: &[NodeId], options: &HoldOptions) -> Result<LockGuard> {
        self.client.ensure_no_own_key()?;
        if options.if_version.is_some() {
            return Err(Error::invalid("`if_version` is a premise of a single lock"));
        }
        let deadline = Instant::now() + options.wait;
        let wanted = AcquireLocks {
            files: nodes.to_vec(),
            ttl_seconds: seconds(options.ttl),
            purpose: options.purpose.clone(),
            owner_label: options.owner_label.clone(),
        };
        loop {
            let begun = Instant::now();
            match self.acquire_many(&wanted).await {
                Ok(granted) => return self.guard(granted.locks, begun).await,
                Err(error) if error.is_locked() && Instant::now() < deadline => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    sleep(BATCH_PAUSE.mul_f64(0.5 + 0.5 * random::unit()).min(left)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes the lock of a node. Nobody renews it but who calls [`Locks::renew`].
    ///
    /// A grant whose answer was lost on the way is asked for again, and is the same grant.
    pub async fn acquire(&self, node: NodeId, wanted: &AcquireLock) -> Result<LockGrant> {
        let path = format!("/v1/files/{node}/lock");
        let call = self.client.write(Method::POST, path)?.json(wanted)?;
        let granted: LockGrant = self.ask(call, &[node]).await?;
        self.remember(&granted)?;
        Ok(granted)
    }

    /// Takes the locks of many nodes of one workspace: all of them or none.
    pub async fn acquire_many(&self, wanted: &AcquireLocks) -> Result<LockGrants> {
        let call = self.client.write(Method::POST, "/v1/locks:batch".to_owned())?.json(wanted)?;
        let granted: LockGrants = self.ask(call, &wanted.files).await?;
        granted.locks.iter().try_for_each(|granted| self.remember(granted))?;
        Ok(granted)
    }

    /// Prolongs a lock: its lease begins anew, as long as before unless `ttl_seconds` says otherwise.
    pub async fn renew(&self, token: &LockToken, ttl_seconds: Option<u32>) -> Result<LockRenewal> {
        let renewed: LockRenewal = self.client.json(renewal(token, &RenewLock { ttl_seconds })?).await?;
        self.client.held().prolong(token.id(), Instant::now() + Duration::from_secs(renewed.expires_in));
        Ok(renewed)
    }

    /// Gives a lock back; one that was lost is an error. From then on this client names it no more.
    pub async fn release(&self, token: &LockToken) -> Result<()> {
        let released = self.client.done(return_of(token)?).await;
        self.client.held().remove(token.id());
        released
    }

    /// Takes a lock from its owner, for a stated reason. For administrators.
    pub async fn break_lock(&self, lock: LockId, reason: &str) -> Result<()> {
        let path = format!("/v1/locks/{lock}?force=true");
        let body = BreakLock { reason: reason.to_owned() };
        self.client.done(Call::repeatable(Method::DELETE, path).json(&body)?).await
    }

    /// Returns the lock that covers a node: its own, or that of the nearest folder above it.
    pub async fn get(&self, node: NodeId) -> Result<NodeLock> {
        self.client.json(Call::get(format!("/v1/files/{node}/lock"))).await
    }

    /// Lists the locks of a workspace that hold, oldest first; of the key's current one where none is named.
    pub fn list(&self, owner: LockOwner, workspace: Option<WorkspaceId>) -> Listing<NodeLock> {
        let client = self.client.clone();
        let path = async move {
            let workspace = client.workspace(workspace).await?;
            let owner = match owner {
                LockOwner::Anybody => String::new(),
                LockOwner::Me => "&owner=me".to_owned(),
                LockOwner::Principal(id) => format!("&owner={id}"),
            };
            Ok(format!("/v1/locks?workspace={workspace}{owner}"))
        };
        Listing::new(self.client.clone(), path)
    }

    /// Asks for locks under those that are held, by which the server knows a circle of waiters.
    async fn ask<T: serde::de::DeserializeOwned>(&self, call: Call, wanted: &[NodeId]) -> Result<T> {
        let held = self.client.others_held(wanted);
        match self.client.json(call.clone().locks(held)).await {
            // One of them is another workspace's, or was lost; that is no reason not to have this one.
            Err(error) if error.is_lock_lost() || error.is(Code::LockTokenWrong) => {
                self.client.json(call).await
            }
            result => result,
        }
    }

    fn remember(&self, granted: &LockGrant) -> Result<()> {
        let token = granted.lock_token();
        let token = token.map_err(|error| Error::unreadable(format!("the lock token: {error}"), 201))?;
        let until = Instant::now() + Duration::from_secs(granted.expires_in);
        let (node, workspace) = (granted.lock.node_id, granted.node.workspace_id);
        self.client.held().put(node, workspace, token, until);
        Ok(())
    }

    /// Returns how long one request may wait without being taken for stalled.
    fn longest_wait(&self) -> Duration {
        let idle = self.client.idle_limit();
        let slack = (idle / 2).min(Duration::from_secs(5));
        Duration::from_secs(u64::from(LONGEST_WAIT)).min(idle - slack)
    }
}

/// Returns whole seconds; what is out of range the server refuses.
fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
