//! Locks.

use std::time::Duration;

use http::Method;
use longshore_core::wire::{
    AcquireLock, AcquireLocks, BreakLock, LockGrant, LockGrants, LockRenewal, NodeLock, RenewLock,
};
use longshore_core::{Code, LockId, LockToken, NodeId, PrincipalId, WorkspaceId, random};
use longshore_flow::moment::after;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

use super::listing::Listing;
use super::turns::Turns;
use crate::client::{Call, Client, Lane};
use crate::error::{Error, Result};
use crate::lock::guard::{HoldOptions, LockGuard};
use crate::lock::heart::Held;
use crate::lock::{Named, leave_out_meant};

/// How long a refused batch waits before it asks again, at most; batches have no place in a queue.
const BATCH_PAUSE: Duration = Duration::from_secs(1);

/// For how long a server keeps the place of one who does not ask again.
const PLACE_KEPT: Duration = Duration::from_secs(10);

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
/// A client names the locks that it took with its later writes to their nodes, those on folders with what it writes
/// into these folders by their ids, and all of a workspace where it undoes acts or empties the trash. It does so until
/// they are given back, also when they are lost: such a write is then refused. What it writes by path it cannot know
/// to be under a lock: for that, and for a lock that somebody else took, there are
/// [`UploadOptions::lock`](crate::UploadOptions::lock) and [`Client::under`].
#[derive(Clone, Debug)]
pub struct Locks {
    client: Client,
}

/// Makes the request that renews a lock, which is tried again before `until` whatever pause is asked for.
pub(crate) fn renewal(token: &LockToken, wanted: &RenewLock, until: Option<Instant>) -> Result<Call> {
    let path = format!("/v1/locks/{}/renew", token.id());
    let call = Call::repeatable(Method::POST, path).json(wanted)?;
    Ok(call.locks(Named::new(vec![token.clone()], &[])).lane(Lane::Urgent(until)))
}

/// Makes the request that gives a lock back, which is tried again before `until` whatever pause is asked for.
pub(crate) fn return_of(token: &LockToken, until: Option<Instant>) -> Call {
    let call = Call::repeatable(Method::DELETE, format!("/v1/locks/{}", token.id()));
    call.locks(Named::new(vec![token.clone()], &[])).lane(Lane::Urgent(until))
}

impl Locks {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Takes the lock of a node and holds it: renewed in the background until the guard is released or dropped.
    ///
    /// Where somebody else holds it this waits as long as `options.wait`, in a queue, and fails with
    /// [`Code::Locked`] after that. A server that shuts down meanwhile costs no place in the queue. Dropping the
    /// future while it waits gives the place up; a lock whose grant was on its way then ends with its lease.
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
        let mut turns = Turns::new(&self.client, Some(options.wait));
        let mut wanted = AcquireLock {
            ttl_seconds: seconds(options.ttl),
            purpose: options.purpose.clone(),
            owner_label: options.owner_label.clone(),
            if_version: options.if_version,
            ..AcquireLock::default()
        };
        // When the server was last heard of, by who has a place there.
        let mut heard = None;
        loop {
            wanted.wait_seconds = turns.begin();
            let error = match self.acquire(node, &wanted).await {
                Ok(granted) => return Ok((granted, turns.begun())),
                Err(error) => error,
            };
            let place = error.facts().queue;
            let is_kept = heard.is_some_and(|heard: Instant| heard.elapsed() < PLACE_KEPT);
            // A server that shuts down tells the place too, and the one that comes after it knows it: until it is there,
            // nobody answers, and the place is kept for a while.
            if turns.is_over() || !(error.is_locked() || error.is_retryable() && (place.is_some() || is_kept))
            {
                return Err(error);
            }
            if let Some(place) = place {
                wanted.wait_ticket = place.ticket;
                heard = Some(Instant::now());
            }
            turns.pause().await;
        }
    }

    /// Guards what was granted to a request that was sent at `sent`.
    async fn guard(&self, granted: Vec<LockGrant>, sent: Instant) -> Result<LockGuard> {
        let tokens = granted.iter().map(LockGrant::lock_token).collect::<Result<Vec<_>, _>>();
        let tokens = tokens.map_err(|error| Error::unreadable(format!("the lock token: {error}"), 201))?;
        let held = Held::new(&self.client, tokens, &granted, sent);
        let locks = granted.into_iter().map(|granted| granted.lock).collect();
        LockGuard::begin(held, locks).await
    }

    /// Takes the locks of many nodes of one workspace, all or none, and holds them as [`Locks::hold`] does one.
    ///
    /// That is the way to hold several without a deadlock. Who waits for a batch has no place in a queue.
    pub async fn hold_many(&self, nodes: &[NodeId], options: &HoldOptions) -> Result<LockGuard> {
        self.client.ensure_no_own_key()?;
        if options.if_version.is_some() {
            return Err(Error::invalid("`if_version` is a premise of a single lock"));
        }
        let deadline = after(Instant::now(), options.wait);
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

    /// Takes the lock of a node. Nobody renews it but who calls [`Locks::renew`], and who is done with it, or has lost
    /// it, calls [`Locks::release`].
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
        let held = self.client.held();
        let call = renewal(token, &RenewLock { ttl_seconds }, held.until(token.id()))?;
        let renewed: LockRenewal = self.client.json(call).await?;
        held.prolong(token.id(), after(Instant::now(), Duration::from_secs(renewed.expires_in)));
        Ok(renewed)
    }

    /// Gives a lock back; one that was lost is an error. From then on this client names it no more.
    pub async fn release(&self, token: &LockToken) -> Result<()> {
        let released = self.client.done(return_of(token, self.client.held().until(token.id()))).await;
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

    /// Asks for locks under those that are held in the same workspace, by which the server knows a circle of waiters.
    ///
    /// One that was lost is no reason not to have these, and is left out; but no other is, or who waits for itself
    /// would not be told.
    async fn ask<T: DeserializeOwned>(&self, call: Call, wanted: &[NodeId]) -> Result<T> {
        let mut held = self.client.others_held(wanted);
        let of = |lock: &LockToken| self.client.held().workspace_of(lock.id());
        let mut workspaces = held.iter().filter_map(of);
        let first = workspaces.next();
        if let Some(node) = wanted.first()
            && workspaces.any(|workspace| Some(workspace) != first)
        {
            let here = self.client.files().get(*node).await?.workspace_id;
            held.retain(|lock| of(lock).is_none_or(|workspace| workspace == here));
        }
        loop {
            let error = match self.client.json(call.clone().locks(Named::new(Vec::new(), &held))).await {
                Err(error) if error.is_lock_lost() || error.is(Code::LockTokenWrong) => error,
                result => return result,
            };
            let is_left_out = match error.locks_meant().next() {
                Some(_) => leave_out_meant(&mut held, &error),
                // It says not which: then that which is least sure.
                None => held.pop().is_some(),
            };
            if !is_left_out {
                return Err(error);
            }
        }
    }

    fn remember(&self, granted: &LockGrant) -> Result<()> {
        let token = granted.lock_token();
        let token = token.map_err(|error| Error::unreadable(format!("the lock token: {error}"), 201))?;
        let until = after(Instant::now(), Duration::from_secs(granted.expires_in));
        let (node, workspace) = (granted.lock.node_id, granted.node.workspace_id);
        self.client.held().put(node, workspace, token, until);
        Ok(())
    }
}

/// Returns whole seconds; what is out of range the server refuses.
fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
