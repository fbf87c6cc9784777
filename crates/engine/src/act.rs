//! The one way a workspace is written to.
//!
//! Every write verb runs as an [`Act`]: one transaction that takes the workspace, checks the key, finds an earlier
//! answer of the same request, looks at the locks that the request names, and ends with events. What a verb
//! touches it must first [`permit`](Act::permit): that is where a lock of somebody else stops it. What it changes
//! it must first [`check`](Act::check): that is where a stale premise stops it.

mod group;
mod scope;

use std::collections::HashMap;
use std::future::ready;

use futures_util::future::BoxFuture;
use longshore_core::wire::{Facts, LostReason, NodeKind, NodeLock, WorkspaceSettings};
use longshore_core::{
    Code, ErrorKind, LockId, LockToken, NodeId, Timestamp, VersionId, WorkspaceId, WorkspacePath,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::actor::{Actor, Right};
use crate::db::events::{Change, Cover, Log};
use crate::db::locks::Grant;
use crate::db::nodes::{NodeRow, Place, is_live};
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::hooks;
use crate::idempotency::{self, Idempotency, Turn};
use crate::narrowing::Need;
use crate::read_clock::ReadClock;

pub(crate) use group::{GroupAsk, Member};
pub(crate) use scope::{Scope, no_lock};

/// What a write asks of the node it finds.
#[derive(Clone, Debug, Default)]
pub struct Preconditions {
    /// `If-Match`: the version that must stand; `Some(None)` is `*`, any.
    pub if_match: Option<Option<Vec<VersionId>>>,
    /// `If-None-Match: *`: nothing may be there.
    pub if_none_match: bool,
}

impl Preconditions {
    /// Tells whether nothing is asked.
    pub(crate) const fn is_empty(&self) -> bool {
        self.if_match.is_none() && !self.if_none_match
    }

    /// Checks what is asked against the node that was found.
    pub(crate) fn check(&self, found: Option<&NodeRow>) -> Result<()> {
        let current = found.and_then(|row| row.version);
        if self.if_none_match && found.is_some() {
            return Err(Error::stale("something is there already", current));
        }
        match (&self.if_match, found) {
            (None, _) | (Some(None), Some(_)) => Ok(()),
            (Some(_), None) => Err(Error::stale("nothing is there", None)),
            (Some(Some(wanted)), Some(_)) => match current {
                Some(version) if wanted.contains(&version) => Ok(()),
                Some(version) => Err(Error::stale(format!("the current version is {version}"), current)),
                None => Err(Error::stale("a folder has no version", None)),
            },
        }
    }

    /// Checks what is asked of a node that is to change, and that something is, where the workspace takes no other change of
    /// a file.
    pub(crate) fn check_change(&self, found: Option<&NodeRow>, rules: &WorkspaceSettings) -> Result<()> {
        self.check(found)?;
        match found {
            Some(row) if self.is_empty() && row.kind == NodeKind::File && rules.require_preconditions => {
                let facts = Facts { current_version: row.version, ..Facts::default() };
                let detail = "this workspace takes no change of a file without `If-Match`";
                Err(Error::new(Code::PreconditionRequired, detail).with_facts(facts))
            }
            _ => Ok(()),
        }
    }
}

/// What a caller brings to a write besides the write itself.
#[derive(Clone, Debug, Default)]
pub struct Premises {
    /// What must hold of the node that is found.
    pub preconditions: Preconditions,
    /// The tokens of the locks under which the caller writes.
    pub locks: Vec<LockToken>,
    /// What makes a repeat of the request give the first answer again.
    pub idempotency: Option<Idempotency>,
}

impl Premises {
    /// What a rule or a job does is not asked for by a caller who has seen a version: any will do.
    pub(crate) fn of_a_rule() -> Self {
        Preconditions { if_match: Some(None), if_none_match: false }.into()
    }
}

impl From<Preconditions> for Premises {
    fn from(preconditions: Preconditions) -> Self {
        Self { preconditions, ..Self::default() }
    }
}

/// Who asks for an act, what that needs of them, on which workspace, with which premises.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) actor: &'a Actor,
    pub(crate) need: Need,
    pub(crate) scope: Scope,
    pub(crate) premises: Premises,
}

/// What an act's own part gives back while it runs.
pub(crate) type Acting<'t, T> = BoxFuture<'t, Result<T>>;

/// A write under way: its transaction, its workspace's log, and what its caller brought.
pub(crate) struct Act<'x> {
    pub(crate) tx: &'x mut Tx,
    pub(crate) log: Log,
    preconditions: Preconditions,
    held: Vec<HeldLock>,
    /// Under which of them each place is written to: the nearest.
    covers: HashMap<NodeId, Cover>,
    /// The folder that a path last led to: files that are written together mostly share it.
    pub(crate) folder: Option<(WorkspacePath, NodeRow, Place)>,
    is_provisional: bool,
}

/// A lock that the request has named and that holds.
#[derive(Debug)]
struct HeldLock {
    grant: Grant,
    /// Whether it covers something that the act touches.
    used: bool,
}

/// Says in the refusal of a stale premise which event made the version that stands: who reads on from it sees why.
pub(crate) async fn name_event(tx: &mut Tx, found: Option<&NodeRow>, held: Result<()>) -> Result<()> {
    let (Err(error), Some(row)) = (&held, found) else { return held };
    let Some(facts) = error.facts() else { return held };
    let Some(version) = facts.current_version else { return held };
    let current_event = db::history::made(tx, row.workspace, (row.id, version)).await?;
    let facts = Facts { current_event, ..facts.clone() };
    Err(error.clone().with_facts(facts))
}

/// The error of who comes with a token that is not what it is given for.
pub(crate) fn token_wrong(lock: LockId, detail: &str) -> Error {
    let facts = Facts { lock_ids: vec![lock], ..Facts::default() };
    Error::new(Code::LockTokenWrong, detail).with_facts(facts)
}

/// Finds the grant that a token belongs to.
pub(crate) async fn grant_of(tx: &mut Tx, workspace: WorkspaceId, token: &LockToken) -> Result<Grant> {
    let wrong = || token_wrong(token.id(), "the lock token belongs to no lock of this workspace");
    let grant = db::locks::get(tx, token.id()).await?.filter(|grant| grant.workspace == workspace);
    let grant = grant.ok_or_else(wrong)?;
    if token.has_hash(&grant.token_hash) { Ok(grant) } else { Err(wrong()) }
}

async fn grants_of(tx: &mut Tx, workspace: WorkspaceId, tokens: &[LockToken]) -> Result<Vec<Grant>> {
    let mut grants = Vec::with_capacity(tokens.len());
    for token in tokens {
        grants.push(grant_of(tx, workspace, token).await?);
    }
    Ok(grants)
}

impl Grant {
    /// Tells why the grant holds no longer, or nothing while it does.
    pub(crate) fn lost(&self, now: Timestamp) -> Option<LostReason> {
        self.ended.or_else(|| (!is_live(self.expires_at, now)).then_some(LostReason::Expired))
    }

    /// The error of who comes with a grant that holds no longer.
    pub(crate) fn lost_error(&self, reason: LostReason) -> Error {
        let how = match reason {
            LostReason::Expired => "its time was over",
            LostReason::Broken => "it was broken",
            LostReason::Released => "it was released",
            LostReason::Superseded => "its time was over and another holds the node",
        };
        let facts = Facts { reason: Some(reason), lock_ids: vec![self.id], ..Facts::default() };
        Error::new(Code::LockLost, format!("{} holds no longer: {how}", self.id)).with_facts(facts)
    }
}

/// Refuses who comes with grants of which any holds no longer; says which.
fn ensure_hold(grants: &[Grant], now: Timestamp) -> Result<()> {
    let lost: Vec<_> = grants.iter().filter_map(|grant| Some((grant, grant.lost(now)?))).collect();
    let Some((first, reason)) = lost.first() else { return Ok(()) };
    let lock_ids = lost.iter().map(|(grant, _)| grant.id).collect();
    Err(first.lost_error(*reason).adding(Facts { lock_ids, ..Facts::default() }))
}

/// The error of who meets somebody else's lock.
pub(crate) fn locked(lock: &NodeLock, now: Timestamp) -> Error {
    let who = lock.owner_label.clone().unwrap_or_else(|| lock.owner.to_string());
    let left = lock.expires_at.since(now).as_secs().max(1);
    let detail = format!("{} is locked by {who} for {left} s more unless renewed", lock.node_id);
    Error::new(Code::Locked, detail).with_facts(Facts {
        lock: Some(lock.clone()),
        expires_in: Some(left),
        ..Facts::default()
    })
}

/// How many locks an error tells of, and of how many bytes: who meets one must be able to read it.
pub(crate) const TOLD_LOCKS: usize = 100;
const TOLD_BYTES: usize = 24 * 1_024;
/// How many bytes a lock has besides what its owner says.
const LOCK_BYTES: usize = 240;

/// Returns the first of some locks: as many as an error tells of.
pub(crate) fn told(locks: Vec<NodeLock>) -> Vec<NodeLock> {
    let mut left = TOLD_BYTES;
    let fits = |lock: &NodeLock| {
        let words = [&lock.purpose, &lock.owner_label].into_iter().flatten().map(String::len);
        let before = left;
        left = left.saturating_sub(LOCK_BYTES + words.sum::<usize>());
        before > 0
    };
    locks.into_iter().take(TOLD_LOCKS).take_while(fits).collect()
}

/// Refuses early what [`Act::permit`] will refuse later: before a gigabyte has come for nothing.
pub(crate) async fn permit_early(
    tx: &mut Tx,
    row: &NodeRow,
    tokens: &[LockToken],
    mut clock: ReadClock,
) -> Result<()> {
    let now = clock.now(tx, row.workspace).await?;
    let grants = grants_of(tx, row.workspace, tokens).await?;
    ensure_hold(&grants, now)?;
    let place = db::nodes::place(tx, row.id).await?;
    let foreign =
        |lock: &&NodeLock| is_live(lock.expires_at, now) && !tokens.iter().any(|token| token.id() == lock.id);
    place.locks.iter().find(foreign).map_or(Ok(()), |lock| Err(locked(lock, now)))
}

impl Act<'_> {
    pub(crate) const fn now(&self) -> Timestamp {
        self.log.now()
    }

    pub(crate) const fn actor(&self) -> &Actor {
        self.log.actor()
    }

    /// Checks the caller's premises against the node that was found, be it none.
    pub(crate) async fn check(&mut self, found: Option<&NodeRow>) -> Result<()> {
        let settings = self.log.settings();
        let held = self.preconditions.check_change(found, settings);
        name_event(self.tx, found, held).await
    }

    /// Checks the caller's premises where no file that is there will change.
    pub(crate) async fn check_stated(&mut self, found: Option<&NodeRow>) -> Result<()> {
        let held = self.preconditions.check(found);
        name_event(self.tx, found, held).await
    }

    /// Whether the caller demands that a certain version stands.
    pub(crate) const fn demands_a_version(&self) -> bool {
        self.preconditions.if_match.is_some()
    }

    /// Notes which of the locks that the request names cover a place.
    pub(crate) fn use_locks(&mut self, place: &Place) {
        for held in &mut self.held {
            held.used |= place.ids.contains(&held.grant.node);
        }
        let on = |id| self.held.iter().find(|held| held.grant.node == id);
        if let Some(nearest) = place.ids.iter().find_map(|id| on(*id)) {
            let cover = Cover { lock: nearest.grant.id, fence: nearest.grant.fence };
            self.covers.entry(place.ids[0]).or_insert(cover);
        }
    }

    /// Asks whether the caller may write at a place: refused where somebody else's lock is on it or above it.
    pub(crate) fn permit(&mut self, place: &Place) -> Result<()> {
        self.use_locks(place);
        let now = self.now();
        let held = &self.held;
        let in_the_way = place
            .locks
            .iter()
            .filter(|lock| is_live(lock.expires_at, now))
            .find(|lock| !held.iter().any(|held| held.grant.id == lock.id));
        in_the_way.map_or(Ok(()), |lock| Err(locked(lock, now)))
    }

    /// The same for a node with all that is below it: what is to be moved or to disappear.
    pub(crate) async fn permit_whole(&mut self, row: &NodeRow, place: &Place) -> Result<()> {
        self.permit(place)?;
        if row.kind == NodeKind::File || !self.log.may_be_locked() {
            return Ok(());
        }
        // One more than the caller can have named: where there is one of somebody else, it is seen.
        let (now, most) = (self.now(), self.held.len() + 1);
        for lock in db::locks::below(self.tx, self.log.workspace(), &[row.id], now, most).await? {
            match self.held.iter_mut().find(|held| held.grant.id == lock.id) {
                Some(held) => held.used = true,
                None => return Err(locked(&lock, now)),
            }
        }
        Ok(())
    }

    /// Returns the locks that the request has named, all of which hold; naming them was then not in vain.
    pub(crate) fn take_held(&mut self) -> Vec<Grant> {
        self.held.iter_mut().for_each(|held| held.used = true);
        self.held.iter().map(|held| held.grant.clone()).collect()
    }

    /// Says that this answer is not the last one: a repeat of the request is not to have it again.
    pub(crate) const fn is_provisional(&mut self) {
        self.is_provisional = true;
    }

    /// Appends an event; returns its place.
    pub(crate) async fn record(&mut self, change: Change) -> Result<u64> {
        self.log.append(self.tx, change.covered(&self.covers)).await
    }

    /// Looks at the locks that the request names: each must hold now.
    async fn take_up(&mut self, tokens: &[LockToken]) -> Result<()> {
        let grants = grants_of(self.tx, self.log.workspace(), tokens).await?;
        ensure_hold(&grants, self.now())?;
        self.held = grants.into_iter().map(|grant| HeldLock { grant, used: false }).collect();
        Ok(())
    }

    /// Refuses a lock that was named in vain: its owner believes to be safe and is not.
    fn ensure_locks_used(&self) -> Result<()> {
        let vain: Vec<NodeLock> =
            self.held.iter().filter(|held| !held.used).map(|held| held.grant.lock()).collect();
        let Some(first) = vain.first() else { return Ok(()) };
        let detail = format!("{} is on {}, which this does not touch", first.id, first.node_id);
        let lock_ids = vain.iter().map(|lock| lock.id).collect();
        let facts = Facts { locks: told(vain), lock_ids, ..Facts::default() };
        Err(Error::new(Code::LockElsewhere, detail).with_facts(facts))
    }
}

impl Engine {
    /// Runs a write verb: `run` is its own part, given its input anew at each attempt of the transaction.
    pub(crate) async fn act<I, T, F>(&self, ask: Ask<'_>, input: I, run: F) -> Result<T>
    where
        I: Clone + Send + 'static,
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
        F: for<'t, 'x> Fn(&'t mut Act<'x>, I) -> Acting<'t, T> + Copy + Send + 'static,
    {
        Ok(self.act_or_replay(ask, input, run).await?.0)
    }

    /// Runs a write verb, and tells whether its answer is that of an earlier request with the same key.
    pub(crate) async fn act_or_replay<I, T, F>(&self, ask: Ask<'_>, input: I, run: F) -> Result<(T, bool)>
    where
        I: Clone + Send + 'static,
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
        F: for<'t, 'x> Fn(&'t mut Act<'x>, I) -> Acting<'t, T> + Copy + Send + 'static,
    {
        self.refuse_early(&ask).await?;
        let Ask { actor, need, scope, premises } = ask;
        let (actor, clock) = (actor.clone(), self.clock());
        let done = self
            .db()
            .write(move |tx| {
                let (actor, premises, clock, input) =
                    (actor.clone(), premises.clone(), clock.clone(), input.clone());
                Box::pin(async move {
                    let principal = actor.principal;
                    let idempotency = premises.idempotency.map(|key| key.within(&actor));
                    let workspace = match (scope.workspace(tx, &actor).await, &idempotency) {
                        // What this very request has removed is not there for its repeat.
                        (Err(gone), Some(key)) if gone.kind() == ErrorKind::NotFound => {
                            let now = tx.now(clock.as_ref()).await?;
                            let done = idempotency::done(tx, key, (&actor, need), now).await?;
                            return done.map(|answer| Ok((answer, true))).ok_or(gone);
                        }
                        (found, _) => found?,
                    };
                    let log = Log::open(tx, workspace, actor, clock.as_ref()).await?;
                    if let Err(refused) = scope.ensure_may(log.actor(), workspace, need) {
                        let key = idempotency.filter(|_| refused.kind() == ErrorKind::NotFound);
                        let Some(key) = key else { return Err(refused) };
                        let done = idempotency::done(tx, &key, (log.actor(), need), log.now()).await?;
                        log.close(tx).await?;
                        return done.map(|answer| Ok((answer, true))).ok_or(refused);
                    }
                    let open = match idempotency {
                        None => None,
                        Some(idempotency) => {
                            let whose = (principal, Some(workspace));
                            match idempotency::begin(tx, idempotency, whose, log.now()).await? {
                                Turn::Open(open) => Some(open),
                                Turn::Done(answer) => {
                                    log.close(tx).await?;
                                    return Ok(Ok((answer, true)));
                                }
                            }
                        }
                    };
                    let mut act = Act {
                        tx,
                        log,
                        preconditions: premises.preconditions,
                        held: Vec::new(),
                        covers: HashMap::new(),
                        folder: None,
                        is_provisional: false,
                    };
                    let answer = match act.take_up(&premises.locks).await {
                        Ok(()) => run(&mut act, input).await,
                        Err(refused) => Err(refused),
                    };
                    let answer = match answer.map_err(|error| error.within(workspace)) {
                        // What is told as lost must stay lost when the clock steps back: the mark of this time is
                        // committed. Locks are looked at before anything is written, so it goes alone.
                        Err(lost) if lost.code() == Code::LockLost && !act.log.has_news() => {
                            let Act { tx, log, .. } = act;
                            log.close(tx).await?;
                            if let Some(open) = open {
                                open.give_back(tx).await?;
                            }
                            return Ok(Err(lost));
                        }
                        answer => answer?,
                    };
                    act.ensure_locks_used()?;
                    let Act { tx, log, is_provisional, .. } = act;
                    hooks::announce(tx, &log).await?;
                    log.close(tx).await?;
                    match open {
                        Some(open) if is_provisional => open.give_back(tx).await?,
                        Some(open) => open.keep(tx, &answer).await?,
                        None => {}
                    }
                    Ok(Ok((answer, false)))
                })
            })
            .await;
        done?
    }

    /// Refuses whoever will be refused for their role, as the act itself would: they take no place among the writes.
    async fn refuse_early(&self, ask: &Ask<'_>) -> Result<()> {
        let Ask { actor, need, scope, .. } = *ask;
        let found = match scope {
            Scope::Workspace(id) => Ok(id),
            _ if actor.may(Right::Somewhere(need)).is_ok() => return Ok(()),
            _ => {
                let actor = actor.clone();
                let found = self.db().read(move |tx| {
                    let actor = actor.clone();
                    Box::pin(async move { scope.workspace(tx, &actor).await })
                });
                found.await
            }
        };
        match found.and_then(|workspace| scope.ensure_may(actor, workspace, need)) {
            // It may have an answer from before.
            Err(gone) if gone.kind() == ErrorKind::NotFound && ask.premises.idempotency.is_some() => Ok(()),
            refused => refused,
        }
    }

    /// Looks at locks as a write does, for who has read that they are lost: a read leaves no mark of its time.
    pub(crate) async fn ensure_held(&self, actor: &Actor, scope: Scope, locks: Vec<LockToken>) -> Result<()> {
        let ask =
            Ask { actor, need: Need::UPLOAD, scope, premises: Premises { locks, ..Premises::default() } };
        self.act(ask, (), |act, ()| {
            act.take_held();
            Box::pin(ready(Ok(())))
        })
        .await
    }
}
