//! Waiting for a lock: first come, first served.
//!
//! Who has to wait has a ticket, and keeps its place as long as it asks again within [`PATIENCE`]. A waiter of
//! this process is woken when the lock ends; for those of other processes, and for leases that just run out, it
//! looks once a second. What it sees then decides nothing: only the next attempt, a transaction, does.

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use longshore_core::wire::{Facts, LockGrant, NodeLock, QueuePlace};
use longshore_core::{Code, LockId, NodeId, Timestamp, VersionId, WaitTicket};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::{Terms, ensure_room, grant, ids, in_the_way, still_waiting_since};
use crate::act::{Act, Ask, Preconditions, Premises, Scope, locked, name_event};
use crate::actor::Actor;
use crate::db;
use crate::db::waiters::Waiter;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::narrowing::Need;
use crate::nodes::live_node;

/// How long a place in the queue is kept for somebody who does not ask.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How long a waiter sleeps at most before it looks.
const LOOK: Duration = Duration::from_secs(1);

/// How long a waiter goes without asking in a transaction, which keeps its place.
const ASK_AGAIN: Duration = Duration::from_secs(3);

/// The shortest time from one attempt to the next.
const APART: Duration = Duration::from_millis(20);

/// The most waiters of a workspace.
const MOST_WAITERS: u64 = 10_000;

/// How many waiters with locks of their own are looked at for a circle, and how many locks below what one waits for.
const CIRCLE: usize = 1_000;

/// How many nodes that somebody waits for are looked round: each may be a folder with all the workspace's locks below.
const NODES_OF_CIRCLE: usize = 50;

/// One who asks for a lock.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) node: NodeId,
    pub(super) terms: Terms,
    pub(super) if_version: Option<VersionId>,
    pub(super) ticket: Option<WaitTicket>,
    /// The ticket of the place that it is to have in the queue, unless it has one; nothing for who does not wait.
    pub(super) fresh: Option<WaitTicket>,
}

/// How an attempt ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Attempt {
    Granted(Box<LockGrant>),
    Queued {
        /// The lock that is in the way; nothing where only others are ahead in the queue.
        lock: Option<NodeLock>,
        place: QueuePlace,
        /// When it was so.
        at: Timestamp,
    },
}

/// Returns the caller's own place in the queue of a node, if it still has one.
async fn own_place(act: &mut Act<'_>, request: &Request) -> Result<Option<Waiter>> {
    let Some(ticket) = request.ticket else { return Ok(None) };
    let (principal, now) = (act.actor().principal, act.now());
    let found = db::waiters::get(act.tx, ticket).await?;
    Ok(found.filter(|waiter| {
        waiter.node == request.node
            && waiter.principal == principal
            && waiter.polled_at >= still_waiting_since(now)
    }))
}

async fn attempt(act: &mut Act<'_>, request: Request) -> Result<Attempt> {
    let held = ids(&act.take_held());
    let (row, place) = live_node(act.tx, act.log.actor(), request.node).await?;
    let wanted = request.if_version.map(|version| Some(vec![version]));
    act.check_stated(Some(&row)).await?;
    let held_still = Preconditions { if_match: wanted, ..Preconditions::default() }
        .check(request.if_version.and(Some(&row)));
    name_event(act.tx, Some(&row), held_still).await?;
    let since = still_waiting_since(act.now());
    db::waiters::forget(act.tx, act.log.workspace(), since).await?;
    let own = own_place(act, &request).await?;
    let ahead = db::waiters::ahead(act.tx, request.node, own.as_ref(), since).await?;
    let asked = [(row, place)];
    let in_the_way = in_the_way(act, &asked, &held, CIRCLE).await?;
    if in_the_way.is_empty() && ahead == 0 {
        let [(row, place)] = asked;
        ensure_room(act).await?;
        if let Some(own) = own {
            db::waiters::delete(act.tx, own.ticket).await?;
        }
        return Ok(Attempt::Granted(Box::new(grant(act, row, place, &request.terms).await?)));
    }
    act.is_provisional();
    let ticket = match own {
        Some(own) => {
            db::waiters::poll(act.tx, own.ticket, act.now()).await?;
            Some(own.ticket)
        }
        None => {
            if let Some(fresh) = request.fresh {
                ensure_no_circle(act, &in_the_way, &held).await?;
                queue_up(act, request.node, fresh, held).await?;
            }
            request.fresh
        }
    };
    let place = QueuePlace { position: ahead + 1, ticket };
    Ok(Attempt::Queued { lock: in_the_way.into_iter().next(), place, at: act.now() })
}

async fn queue_up(act: &mut Act<'_>, node: NodeId, ticket: WaitTicket, holds: Vec<LockId>) -> Result<()> {
    if db::waiters::count(act.tx, act.log.workspace()).await? >= MOST_WAITERS {
        return Err(Error::new(Code::TooManyLocks, "the workspace has as many waiters as it may have"));
    }
    let now = act.now();
    let waiter = Waiter {
        ticket,
        workspace: act.log.workspace(),
        node,
        principal: act.actor().principal,
        holds,
        queued_at: now,
        polled_at: now,
    };
    db::waiters::insert(act.tx, &waiter).await
}

/// Refuses to wait for somebody who, over whatever corners, waits for a lock that the caller holds.
async fn ensure_no_circle(act: &mut Act<'_>, blockers: &[NodeLock], held: &[LockId]) -> Result<()> {
    if held.is_empty() {
        return Ok(());
    }
    let mut waiters = db::waiters::holders(act.tx, act.log.workspace(), CIRCLE).await?;
    let mut open: Vec<LockId> = blockers.iter().map(|lock| lock.id).collect();
    // Many wait for one node, and what is on, above and below it is looked for once.
    let mut around: HashMap<NodeId, Vec<NodeLock>> = HashMap::new();
    while let Some(lock) = open.pop() {
        if held.contains(&lock) {
            let detail =
                "who holds the lock waits for one that you hold: release yours, then take all in one batch";
            return Err(Error::new(Code::Deadlock, detail));
        }
        // A waiter is followed once, so the walk ends.
        let (waiting, others): (Vec<_>, _) =
            waiters.into_iter().partition(|waiter| waiter.holds.contains(&lock));
        waiters = others;
        for waiter in waiting {
            if !around.contains_key(&waiter.node) {
                if around.len() >= NODES_OF_CIRCLE {
                    continue;
                }
                // What was purged meanwhile is in nobody's way.
                let found = match db::nodes::get(act.tx, waiter.node).await? {
                    None => Vec::new(),
                    Some(row) => {
                        let place = db::nodes::place(act.tx, waiter.node).await?;
                        in_the_way(act, &[(row, place)], &[], CIRCLE).await?
                    }
                };
                around.insert(waiter.node, found);
            }
            let blocks = |lock: &&NodeLock| lock.node_id == waiter.node || !waiter.holds.contains(&lock.id);
            open.extend(around[&waiter.node].iter().filter(blocks).map(|lock| lock.id));
        }
    }
    Ok(())
}

fn refused(lock: Option<&NodeLock>, place: QueuePlace, at: Timestamp, node: NodeId) -> Error {
    let facts = Facts { queue: Some(place), ..Facts::default() };
    match lock {
        Some(lock) => locked(lock, at).adding(facts),
        None => {
            let ahead = place.position - 1;
            let detail = format!("{node} is free, and {ahead} who came earlier wait for it");
            Error::new(Code::Locked, detail).with_facts(Facts { expires_in: Some(1), ..facts })
        }
    }
}

/// A place in a queue of which only the request knows that has it: when who asked goes away nobody can come for it any
/// more, and it is given up.
struct Untold<'a> {
    engine: &'a Engine,
    /// The place, and the node whose lock it waits for.
    place: Option<(WaitTicket, NodeId)>,
}

impl Drop for Untold<'_> {
    fn drop(&mut self) {
        let Some((ticket, watched)) = self.place.take() else { return };
        if Handle::try_current().is_err() {
            // Nobody else waits in a process without a runtime.
            return;
        }
        let engine = self.engine.clone();
        self.engine.lock_tasks().spawn(async move {
            let given_up = engine.db().write(move |tx| {
                Box::pin(async move { db::waiters::delete(tx, ticket).await })
            });
            if let Err(error) = given_up.await {
                tracing::debug!(%error, "a waiter who is gone keeps its place for as long as any who does not ask");
            }
            engine.lock_signals().raise(watched);
        });
    }
}

/// The error of who waits in a process that is about to end.
fn closed(place: QueuePlace) -> Error {
    let detail = "the server is about to stop: ask again with the ticket, which keeps your place for 10 s";
    let facts = Facts { queue: Some(place), ..Facts::default() };
    Error::new(Code::ShuttingDown, detail).with_facts(facts)
}

impl Engine {
    pub(super) async fn wait_for_lock(
        &self,
        actor: &Actor,
        mut request: Request,
        wait: Duration,
        premises: Premises,
        closing: impl Future<Output = ()> + Send,
    ) -> Result<(LockGrant, bool)> {
        let deadline = Instant::now() + wait;
        let mut closing = pin!(closing);
        let known = request.ticket;
        // From before the first attempt, whose end who goes away does not see.
        let mut untold = Untold { engine: self, place: request.fresh.map(|fresh| (fresh, request.node)) };
        loop {
            let begun = Instant::now();
            let (node, premises) = (request.node, premises.clone());
            let ask = Ask { actor, need: Need::WRITE, scope: Scope::Node(node), premises };
            let run =
                self.act_or_replay(ask, request.clone(), |act, request| Box::pin(attempt(act, request)));
            let (lock, place, at) = match run.await {
                Ok((Attempt::Granted(granted), is_replay)) => {
                    untold.place = None;
                    return Ok((*granted, is_replay));
                }
                Ok((Attempt::Queued { lock, place, at }, _)) => (lock, place, at),
                Err(error) => {
                    if request.ticket == known {
                        // Nothing was written.
                        untold.place = None;
                    }
                    return Err(error);
                }
            };
            request.ticket = place.ticket;
            let watched = lock.as_ref().map_or(node, |lock| lock.node_id);
            untold.place = place.ticket.filter(|_| place.ticket != known).map(|ticket| (ticket, watched));
            if Instant::now() >= deadline {
                untold.place = None;
                return Err(refused(lock.as_ref(), place, at, node));
            }
            tokio::select! {
                biased;
                () = &mut closing => {
                    untold.place = None;
                    return Err(closed(place));
                }
                free = self.sleep_until_free(node, lock.as_ref(), place, deadline) => free?,
            }
            // Where clocks disagree on whether a lease is over, this is all that keeps attempts apart.
            tokio::time::sleep_until(begun + APART).await;
        }
    }

    /// Sleeps until it is worth an attempt: the lock has ended and nobody is ahead, or time has passed.
    async fn sleep_until_free(
        &self,
        node: NodeId,
        lock: Option<&NodeLock>,
        place: QueuePlace,
        deadline: Instant,
    ) -> Result<()> {
        let ask_again = deadline.min(Instant::now() + ASK_AGAIN);
        let listener = self.lock_signals().listen(lock.map_or(node, |lock| lock.node_id));
        while Instant::now() < ask_again {
            let mut woken = std::pin::pin!(listener.notify().notified());
            woken.as_mut().enable();
            // Looked at after the ear is open, so that no release falls between.
            if self.seems_free(node, lock.map(|lock| lock.id), place).await? {
                return Ok(());
            }
            let until = ask_again.min(Instant::now() + LOOK);
            // Who is woken and who slept long enough do the same: look.
            drop(tokio::time::timeout_at(until, woken).await);
        }
        Ok(())
    }

    /// Tells whether the lock that was in the way has ended, and nobody is ahead any more.
    async fn seems_free(&self, node: NodeId, lock: Option<LockId>, place: QueuePlace) -> Result<bool> {
        let clock = self.read_clock();
        let read = self.db().read(move |tx| {
            let mut clock = clock.clone();
            Box::pin(async move {
                // The next attempt says what has become of a node that is gone.
                let Some(row) = db::nodes::get(tx, node).await? else { return Ok(true) };
                let now = clock.now(tx, row.workspace).await?;
                let own = match place.ticket {
                    Some(ticket) => db::waiters::get(tx, ticket).await?,
                    None => None,
                };
                let grant = match lock {
                    Some(lock) => db::locks::get(tx, lock).await?,
                    None => None,
                };
                let is_locked = grant.is_some_and(|grant| grant.lost(now).is_none());
                let ahead = db::waiters::ahead(tx, node, own.as_ref(), still_waiting_since(now)).await?;
                Ok(!is_locked && ahead == 0)
            })
        });
        read.await
    }
}
