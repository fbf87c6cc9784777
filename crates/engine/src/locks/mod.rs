//! Locks: leases on nodes that hold on every write path.
//!
//! A lock is a row of the database that the writes of its workspace look at in their own transaction
//! ([`Act::permit`]), with the clock that all of them share, so a holder that lost its lease cannot write, even
//! late. Who has the secret token owns the lock. Each grant and each break raises the node's fence by one.

mod owner;
mod prune;
mod queue;
mod signals;

use std::collections::BTreeMap;
use std::future;
use std::time::Duration;

use longshore_core::wire::{
    AcquireLock, AcquireLocks, Facts, LONGEST_LEASE, LONGEST_WAIT, LockGrant, LockGrants, LockRenewal,
    LostReason, MOST_LOCKS, NodeKind, NodeLock, Page, RenewLock, SHORTEST_LEASE,
};
use longshore_core::{Code, LockId, LockToken, NodeId, PrincipalId, Timestamp, WaitTicket, WorkspaceId};
use serde_json::json;

pub(crate) use self::owner::end_all_of;
pub(crate) use self::prune::INTERVAL;
pub use self::prune::PrunedLocks;
pub(crate) use self::signals::Signals;
use crate::act::{Act, Ask, Premises, Scope, TOLD_LOCKS, grant_of, locked, no_lock, token_wrong, told};
use crate::actor::Actor;
use crate::db;
use crate::db::events::Change;
use crate::db::locks::Grant;
use crate::db::nodes::{NodeRow, Place, is_live};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::listing::PageRequest;
use crate::narrowing::Need;
use crate::nodes::{live_node, readable_node};
use crate::words;

/// How long renewing may prolong a lock after its grant: ends the heartbeat of who forgot that it has one.
const MAX_LIFE: Duration = Duration::from_hours(24);

/// The most characters of a purpose, a label or a reason.
const WORDS: usize = 200;

/// The most locks that a workspace has at a time.
const MOST_OF_WORKSPACE: u32 = 10_000;

fn check_lease(ttl: u32) -> Result<()> {
    if (SHORTEST_LEASE..=LONGEST_LEASE).contains(&ttl) {
        return Ok(());
    }
    let detail = format!("`ttl_seconds` is {SHORTEST_LEASE} to {LONGEST_LEASE}");
    Err(Error::new(Code::InvalidBody, detail))
}

/// What is asked of a grant, be it one or many.
#[derive(Clone, Debug)]
struct Terms {
    ttl: u32,
    purpose: Option<String>,
    owner_label: Option<String>,
}

impl Terms {
    fn check(&self) -> Result<()> {
        check_lease(self.ttl)?;
        words::check("purpose", self.purpose.as_deref(), WORDS)?;
        words::check("owner_label", self.owner_label.as_deref(), WORDS)
    }
}

/// Returns the locks that keep nodes from being locked: those on them and above them, and so many of those below.
async fn in_the_way(
    act: &mut Act<'_>,
    nodes: &[(NodeRow, Place)],
    held: &[LockId],
    most: usize,
) -> Result<Vec<NodeLock>> {
    if !act.log.may_be_locked() {
        return Ok(Vec::new());
    }
    let now = act.now();
    let mut found = BTreeMap::new();
    for (row, place) in nodes {
        // Who holds a folder may lock what is in it; who holds a node may not lock it once more.
        let blocks = |lock: &&NodeLock| {
            is_live(lock.expires_at, now) && (lock.node_id == row.id || !held.contains(&lock.id))
        };
        found.extend(place.locks.iter().filter(blocks).map(|lock| (lock.id, lock.clone())));
    }
    let folders: Vec<NodeId> =
        nodes.iter().filter(|(row, _)| row.kind == NodeKind::Folder).map(|(row, _)| row.id).collect();
    if !folders.is_empty() {
        let most = most + held.len();
        let below = db::locks::below(act.tx, act.log.workspace(), &folders, now, most).await?;
        found.extend(below.into_iter().filter(|lock| !held.contains(&lock.id)).map(|lock| (lock.id, lock)));
    }
    Ok(found.into_values().collect())
}

/// Ends a lease that has run out, with its event: once somebody notices.
async fn lapse(
    act: &mut Act<'_>,
    old: &Grant,
    reason: LostReason,
    row: &NodeRow,
    place: &Place,
) -> Result<()> {
    db::locks::end(act.tx, old.id, reason, act.now()).await?;
    let change = Change::of("lock.expired", row, &place.path).under(old.id, old.fence);
    act.record(change.with("lock", json!(old.lock()))).await?;
    Ok(())
}

/// Grants the lock of a node that nothing keeps from being locked.
async fn grant(act: &mut Act<'_>, mut row: NodeRow, place: Place, terms: &Terms) -> Result<LockGrant> {
    let now = act.now();
    match db::locks::standing(act.tx, row.id).await? {
        Some(old) => lapse(act, &old, LostReason::Superseded, &row, &place).await?,
        // It may have been noticed by the clock.
        None => db::locks::supersede(act.tx, row.id, row.fence).await?,
    }
    let token = LockToken::generate(now);
    let ttl = Duration::from_secs(u64::from(terms.ttl));
    row.fence += 1;
    let granted = Grant {
        id: token.id(),
        workspace: row.workspace,
        node: row.id,
        fence: row.fence,
        token_hash: token.hash(),
        owner: act.actor().principal,
        owner_label: terms.owner_label.clone(),
        purpose: terms.purpose.clone(),
        granted_at: now,
        ttl: ttl.as_secs(),
        expires_at: now.plus(ttl),
        max_until: now.plus(MAX_LIFE),
        ended: None,
    };
    row.lock = Some(granted.lock());
    db::locks::insert(act.tx, &granted).await?;
    db::nodes::set_lock(act.tx, &row).await?;
    let change = Change::of("lock.acquired", &row, &place.path).under(granted.id, granted.fence);
    act.record(change.with("lock", json!(granted.lock()))).await?;
    Ok(LockGrant {
        lock: granted.lock(),
        token: token.reveal().to_owned(),
        ttl_seconds: terms.ttl,
        expires_in: ttl.as_secs(),
        max_until: granted.max_until,
        node: row.into_node(place, now),
    })
}

async fn ensure_room(act: &mut Act<'_>) -> Result<()> {
    let now = act.now();
    let held = db::locks::count(act.tx, act.log.workspace(), now, MOST_OF_WORKSPACE).await?;
    if held < u64::from(MOST_OF_WORKSPACE) {
        return Ok(());
    }
    Err(Error::new(Code::TooManyLocks, format!("the workspace has {MOST_OF_WORKSPACE} locks")))
}

fn ids(grants: &[Grant]) -> Vec<LockId> {
    grants.iter().map(|grant| grant.id).collect()
}

/// Takes all locks of a batch, in the order of their ids, or none.
async fn grant_all(act: &mut Act<'_>, files: Vec<NodeId>, terms: Terms) -> Result<LockGrants> {
    let held = ids(&act.take_held());
    ensure_room(act).await?;
    let mut sorted = files.clone();
    sorted.sort_unstable();
    let mut nodes = Vec::with_capacity(sorted.len());
    for id in sorted {
        let (row, place) = live_node(act.tx, act.log.actor(), id).await?;
        if row.workspace != act.log.workspace() {
            return Err(Error::new(Code::NodeNotFound, format!("no folder or file {id} in this workspace")));
        }
        nodes.push((row, place));
    }
    let blockers = in_the_way(act, &nodes, &held, TOLD_LOCKS).await?;
    if let Some(first) = blockers.first() {
        let refusal = locked(first, act.now());
        return Err(refusal.adding(Facts { locks: told(blockers), ..Facts::default() }));
    }
    let mut locks = Vec::with_capacity(nodes.len());
    for (row, place) in nodes {
        locks.push(grant(act, row, place, &terms).await?);
    }
    locks.sort_by_key(|granted| files.iter().position(|id| *id == granted.lock.node_id));
    Ok(LockGrants { locks })
}

/// Finds the grant that a token makes the caller's own.
async fn own(act: &mut Act<'_>, id: LockId, token: &LockToken) -> Result<Grant> {
    let grant = grant_of(act.tx, act.log.workspace(), token).await?;
    if grant.id == id { Ok(grant) } else { Err(token_wrong(grant.id, "the token is another lock's")) }
}

/// The length of a lease as an answer has it.
fn seconds(ttl: u64) -> u32 {
    u32::try_from(ttl).unwrap_or(LONGEST_LEASE)
}

/// Prolongs a lock that holds.
async fn prolong(act: &mut Act<'_>, mut grant: Grant, ttl: Option<u32>) -> Result<LockRenewal> {
    let now = act.now();
    if let Some(reason) = grant.lost(now) {
        return Err(grant.lost_error(reason));
    }
    grant.ttl = ttl.map_or(grant.ttl, u64::from);
    grant.expires_at = now.plus(Duration::from_secs(grant.ttl)).min(grant.max_until);
    let row = db::nodes::get(act.tx, grant.node).await?;
    let mut row = row.ok_or_else(|| no_lock(grant.id))?;
    row.lock = Some(grant.lock());
    db::nodes::set_lock(act.tx, &row).await?;
    db::locks::renew(act.tx, &grant).await?;
    Ok(LockRenewal {
        lock: grant.lock(),
        ttl_seconds: seconds(grant.ttl),
        expires_in: grant.expires_at.since(now).as_secs(),
        max_until: grant.max_until,
    })
}

/// Returns grants that the act names, as they are now.
fn renewed(act: &mut Act<'_>, granted: Vec<LockGrant>) -> Vec<LockGrant> {
    let now = act.now();
    let current = act.take_held().into_iter();
    let renewed = granted.into_iter().zip(current).map(|(granted, grant)| LockGrant {
        lock: grant.lock(),
        ttl_seconds: seconds(grant.ttl),
        expires_in: grant.expires_at.since(now).as_secs(),
        ..granted
    });
    renewed.collect()
}

/// Ends a lock that stands, with its event.
async fn end(act: &mut Act<'_>, grant: &Grant, reason: LostReason, why: Option<&str>) -> Result<()> {
    let row = db::nodes::get(act.tx, grant.node).await?;
    let mut row = row.ok_or_else(|| no_lock(grant.id))?;
    let place = db::nodes::place(act.tx, grant.node).await?;
    db::locks::end(act.tx, grant.id, reason, act.now()).await?;
    row.lock = None;
    let kind = match reason {
        LostReason::Broken => {
            row.fence += 1;
            "lock.broken"
        }
        _ => "lock.released",
    };
    db::nodes::set_lock(act.tx, &row).await?;
    let change = Change::of(kind, &row, &place.path).under(grant.id, row.fence);
    let mut change = change.with("lock", json!(grant.lock()));
    if let Some(why) = why {
        change = change.with("reason", json!(why));
    }
    act.record(change).await?;
    Ok(())
}

impl Engine {
    /// Takes the lock of a node, waiting in a queue as long as is asked for.
    ///
    /// Tells whether the answer is that of an earlier request with the same idempotency key.
    pub async fn lock_node(
        &self,
        actor: &Actor,
        node: NodeId,
        wanted: AcquireLock,
        premises: Premises,
    ) -> Result<(LockGrant, bool)> {
        self.lock_node_until(actor, node, wanted, premises, future::pending()).await
    }

    /// The same, but waiting no longer than until `closing` is done: who waits then is told to come again, with its
    /// ticket. What is under way is ended, so that nobody is given a lock without knowing.
    pub async fn lock_node_until(
        &self,
        actor: &Actor,
        node: NodeId,
        wanted: AcquireLock,
        premises: Premises,
        closing: impl Future<Output = ()> + Send,
    ) -> Result<(LockGrant, bool)> {
        let terms =
            Terms { ttl: wanted.ttl_seconds, purpose: wanted.purpose, owner_label: wanted.owner_label };
        terms.check()?;
        if wanted.wait_seconds > LONGEST_WAIT {
            return Err(Error::new(Code::InvalidBody, format!("`wait_seconds` is 0 to {LONGEST_WAIT}")));
        }
        let request = queue::Request {
            node,
            terms,
            if_version: wanted.if_version,
            ticket: wanted.wait_ticket,
            fresh: (wanted.wait_seconds > 0 || wanted.wait_ticket.is_some())
                .then(|| WaitTicket::new(self.now())),
        };
        let wait = Duration::from_secs(u64::from(wanted.wait_seconds));
        let (granted, is_replay) = self.wait_for_lock(actor, request, wait, premises, closing).await?;
        let granted =
            if is_replay { self.granted_before(actor, vec![granted]).await?.remove(0) } else { granted };
        Ok((granted, is_replay))
    }

    /// Brings the answer of an earlier request up to date: a lock may have been renewed since, or lost.
    async fn granted_before(&self, actor: &Actor, granted: Vec<LockGrant>) -> Result<Vec<LockGrant>> {
        // The locks of one answer are of one workspace.
        let Some(workspace) = granted.first().map(|granted| granted.node.workspace_id) else {
            return Ok(granted);
        };
        let locks = granted.iter().map(LockGrant::lock_token).collect::<std::result::Result<_, _>>();
        let premises = Premises { locks: locks.map_err(Error::corrupt)?, ..Premises::default() };
        let ask = Ask { actor, need: Need::WRITE, scope: Scope::Workspace(workspace), premises };
        self.act(ask, granted, |act, granted| Box::pin(async move { Ok(renewed(act, granted)) })).await
    }

    /// Takes the locks of many nodes of one workspace: all of them or none.
    pub async fn lock_nodes(
        &self,
        actor: &Actor,
        wanted: AcquireLocks,
        premises: Premises,
    ) -> Result<LockGrants> {
        let terms =
            Terms { ttl: wanted.ttl_seconds, purpose: wanted.purpose, owner_label: wanted.owner_label };
        terms.check()?;
        let files = wanted.files;
        let Some(first) = files.first().copied().filter(|_| files.len() <= MOST_LOCKS) else {
            return Err(Error::new(Code::InvalidBody, format!("`files` has 1 to {MOST_LOCKS} ids")));
        };
        let mut sorted = files.clone();
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Error::new(Code::InvalidBody, "`files` names a node twice"));
        }
        if !premises.preconditions.is_empty() {
            let detail = "`If-Match` and `If-None-Match` are about one node, and this takes many locks";
            return Err(Error::new(Code::InvalidHeader, detail));
        }
        let ask = Ask { actor, need: Need::WRITE, scope: Scope::Node(first), premises };
        let run = self
            .act_or_replay(ask, (files, terms), |act, (files, terms)| Box::pin(grant_all(act, files, terms)));
        let (LockGrants { locks }, is_replay) = run.await?;
        Ok(LockGrants { locks: if is_replay { self.granted_before(actor, locks).await? } else { locks } })
    }

    /// Prolongs a lock; its fence stays.
    pub async fn renew_lock(
        &self,
        actor: &Actor,
        id: LockId,
        token: LockToken,
        wanted: RenewLock,
    ) -> Result<LockRenewal> {
        if let Some(ttl) = wanted.ttl_seconds {
            check_lease(ttl)?;
        }
        let ask = Ask { actor, need: Need::WRITE, scope: Scope::Lock(id), premises: Premises::default() };
        self.act(ask, (token, wanted), move |act, (token, wanted)| {
            Box::pin(async move {
                let grant = own(act, id, &token).await?;
                prolong(act, grant, wanted.ttl_seconds).await
            })
        })
        .await
    }

    /// Gives a lock back. Doing so again changes nothing.
    pub async fn release_lock(&self, actor: &Actor, id: LockId, token: LockToken) -> Result<()> {
        let ask = Ask { actor, need: Need::WRITE, scope: Scope::Lock(id), premises: Premises::default() };
        let node = self
            .act(ask, token, move |act, token| {
                Box::pin(async move {
                    let grant = own(act, id, &token).await?;
                    match grant.lost(act.now()) {
                        None => end(act, &grant, LostReason::Released, None).await?,
                        Some(LostReason::Released) => {}
                        Some(reason) => return Err(grant.lost_error(reason)),
                    }
                    Ok(grant.node)
                })
            })
            .await?;
        self.lock_signals().raise(node);
        Ok(())
    }

    /// Takes a lock from its owner, whose late writes the raised fence keeps out.
    pub async fn break_lock(&self, actor: &Actor, id: LockId, reason: &str) -> Result<()> {
        words::check("reason", Some(reason), WORDS)?;
        if reason.trim().is_empty() {
            return Err(Error::new(Code::InvalidBody, "a lock is broken for a stated `reason`"));
        }
        let ask = Ask { actor, need: Need::BREAK, scope: Scope::Lock(id), premises: Premises::default() };
        let node = self
            .act(ask, reason.to_owned(), move |act, reason| {
                Box::pin(async move {
                    let grant = db::locks::get(act.tx, id).await?.ok_or_else(|| no_lock(id))?;
                    match grant.ended {
                        None => end(act, &grant, LostReason::Broken, Some(&reason)).await?,
                        Some(LostReason::Broken) => {}
                        Some(reason) => return Err(grant.lost_error(reason)),
                    }
                    Ok(grant.node)
                })
            })
            .await?;
        self.lock_signals().raise(node);
        Ok(())
    }

    /// Returns the lock that covers a node: its own, or that of the nearest folder above it.
    pub async fn lock_of(&self, actor: &Actor, node: NodeId) -> Result<NodeLock> {
        let (actor, clock) = (actor.clone(), self.read_clock());
        let found = self.db().read(move |tx| {
            let (actor, mut clock) = (actor.clone(), clock.clone());
            Box::pin(async move {
                let row = readable_node(tx, &actor, node).await?;
                let now = clock.now(tx, row.workspace).await?;
                let place = db::nodes::place(tx, node).await?;
                Ok(place.locks.into_iter().find(|lock| is_live(lock.expires_at, now)))
            })
        });
        found.await?.ok_or_else(|| Error::new(Code::LockNotFound, format!("{node} is not locked")))
    }

    /// Lists the locks of a workspace that hold, oldest first: all, or those of one owner.
    pub async fn list_locks(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        owner: Option<PrincipalId>,
        page: PageRequest,
    ) -> Result<Page<NodeLock>> {
        actor.needs(workspace, Need::READ)?;
        self.workspace(actor, workspace).await?;
        let (limit, after, clock) = (page.limit(), self.after(&page)?, self.read_clock());
        let actor = actor.clone();
        let (listed, reached) = self
            .db()
            .read(move |tx| {
                let (actor, after, mut clock) = (actor.clone(), after.clone(), clock.clone());
                Box::pin(async move {
                    let now = clock.now(tx, workspace).await?;
                    let grants = db::locks::live(tx, workspace, owner, now, &after, limit).await?;
                    let mut reached = Vec::with_capacity(grants.len());
                    for grant in &grants {
                        if actor.narrowing().has_node(tx, grant.node).await? {
                            reached.push(grant.lock());
                        }
                    }
                    Ok((grants, reached))
                })
            })
            .await?;
        let Page { next_cursor, .. } = self.page_by(&page, listed, |grant| grant.id.to_string())?;
        Ok(Page { items: reached, next_cursor })
    }

    /// Renews the locks under which bytes come in: traffic is a heartbeat too. Returns the shortest of their
    /// leases in seconds.
    pub(crate) async fn renew_by_traffic(&self, actor: &Actor, tokens: &[LockToken]) -> Result<u32> {
        let mut shortest = LONGEST_LEASE;
        for token in tokens {
            let renewed = self.renew_lock(actor, token.id(), token.clone(), RenewLock::default()).await?;
            shortest = shortest.min(renewed.ttl_seconds);
        }
        Ok(shortest)
    }
}

/// The time from which on somebody must have asked to keep a place in a queue.
fn still_waiting_since(now: Timestamp) -> Timestamp {
    now.minus(queue::PATIENCE)
}
