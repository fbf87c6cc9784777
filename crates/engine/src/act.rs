//! The one way a workspace is written to.
//!
//! Every write verb runs as an [`Act`]: one transaction that takes the workspace, checks the key, finds an earlier
//! answer of the same request, looks at the locks that the request names, and ends with events. What a verb
//! touches it must first [`permit`](Act::permit): that is where a lock of somebody else stops it. What it changes
//! it must first [`check`](Act::check): that is where a stale premise stops it.

use futures_util::future::BoxFuture;
use longshore_core::wire::{Facts, LostReason, NodeKind, NodeLock, Role};
use longshore_core::{Code, ErrorKind, LockId, LockToken, NodeId, NoteId, Timestamp, VersionId, WorkspaceId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use crate::actor::Actor;
use crate::db::events::{Change, Log};
use crate::db::locks::Grant;
use crate::db::nodes::{NodeRow, Place, is_live};
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::hooks;
use crate::idempotency::{self, Idempotency, Turn};
use crate::nodes::visible_node;
use crate::{notes, workspaces};

/// What a write asks of the node it finds.
#[derive(Clone, Debug, Default)]
pub struct Preconditions {
    /// `If-Match`: the version that must stand; `Some(None)` is `*`, any.
    pub if_match: Option<Option<Vec<VersionId>>>,
    /// `If-None-Match: *`: nothing may be there.
    pub if_none_match: bool,
}

impl Preconditions {
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

impl From<Preconditions> for Premises {
    fn from(preconditions: Preconditions) -> Self {
        Self { preconditions, ..Self::default() }
    }
}

/// Which workspace an act writes to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scope {
    Workspace(WorkspaceId),
    /// The workspace of a node, which never changes.
    Node(NodeId),
    /// The workspace of a lock's node.
    Lock(LockId),
    /// The workspace of the node that a note is on.
    Note(NoteId),
}

impl Scope {
    async fn workspace(self, tx: &mut Tx, actor: &Actor) -> Result<WorkspaceId> {
        match self {
            Self::Workspace(id) if actor.reaches(id) => Ok(id),
            Self::Workspace(id) => Err(workspaces::not_found(id)),
            Self::Node(id) => Ok(visible_node(tx, actor, id).await?.workspace),
            Self::Lock(id) => {
                let grant = db::locks::get(tx, id).await?.filter(|grant| actor.reaches(grant.workspace));
                grant.map(|grant| grant.workspace).ok_or_else(|| no_lock(id))
            }
            Self::Note(id) => {
                let note = db::notes::get(tx, id).await?.filter(|note| actor.reaches(note.workspace_id));
                note.map(|note| note.workspace_id).ok_or_else(|| notes::not_found(id))
            }
        }
    }
}

pub(crate) fn no_lock(id: LockId) -> Error {
    Error::new(Code::LockNotFound, format!("no lock {id}"))
}

/// Who asks for an act, in which role, on which workspace, with which premises.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) actor: &'a Actor,
    pub(crate) role: Role,
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
    let facts = Facts { current_event: db::history::made(tx, row.id, version).await?, ..facts.clone() };
    Err(error.clone().with_facts(facts))
}

/// Returns what is kept of a token.
pub(crate) fn hash_of(token: &LockToken) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(&Sha256::digest(token.reveal()))
}

/// Finds the grant that a token belongs to.
pub(crate) async fn grant_of(tx: &mut Tx, workspace: WorkspaceId, token: &LockToken) -> Result<Grant> {
    let wrong = || Error::new(Code::LockTokenWrong, "the lock token belongs to no lock of this workspace");
    let grant = db::locks::get(tx, token.id()).await?.filter(|grant| grant.workspace == workspace);
    let grant = grant.ok_or_else(wrong)?;
    if bool::from(hash_of(token).ct_eq(&grant.token_hash)) { Ok(grant) } else { Err(wrong()) }
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
        let facts = Facts { reason: Some(reason), ..Facts::default() };
        Error::new(Code::LockLost, format!("{} holds no longer: {how}", self.id)).with_facts(facts)
    }
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

/// Refuses early what [`Act::permit`] will refuse later: before a gigabyte has come for nothing.
pub(crate) async fn permit_early(
    tx: &mut Tx,
    row: &NodeRow,
    tokens: &[LockToken],
    now: Timestamp,
) -> Result<()> {
    for token in tokens {
        let grant = grant_of(tx, row.workspace, token).await?;
        if let Some(reason) = grant.lost(now) {
            return Err(grant.lost_error(reason));
        }
    }
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
        let held = self.preconditions.check(found).and_then(|()| self.ensure_conditional(found));
        name_event(self.tx, found, held).await
    }

    /// Refuses a change of a file without a premise, where the workspace takes none.
    fn ensure_conditional(&self, found: Option<&NodeRow>) -> Result<()> {
        let unconditional = self.preconditions.if_match.is_none() && !self.preconditions.if_none_match;
        match found {
            Some(row)
                if unconditional
                    && row.kind == NodeKind::File
                    && self.log.settings().require_preconditions =>
            {
                let facts = Facts { current_version: row.version, ..Facts::default() };
                let detail = "this workspace takes no change of a file without `If-Match`";
                Err(Error::new(Code::PreconditionRequired, detail).with_facts(facts))
            }
            _ => Ok(()),
        }
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
        let now = self.now();
        for id in db::locks::below(self.tx, self.log.workspace(), row.id, now).await? {
            let Some(lock) = db::nodes::get(self.tx, id).await?.and_then(|row| row.lock) else {
                continue;
            };
            match self.held.iter_mut().find(|held| held.grant.id == lock.id) {
                Some(held) => held.used = true,
                None => return Err(locked(&lock, now)),
            }
        }
        Ok(())
    }

    /// Returns the locks that the request has named, all of which hold; naming them was then not in vain.
    pub(crate) fn take_held(&mut self) -> Vec<LockId> {
        self.held.iter_mut().for_each(|held| held.used = true);
        self.held.iter().map(|held| held.grant.id).collect()
    }

    /// Says that this answer is not the last one: a repeat of the request is not to have it again.
    pub(crate) const fn is_provisional(&mut self) {
        self.is_provisional = true;
    }

    /// Appends an event; returns its place.
    pub(crate) async fn record(&mut self, change: Change) -> Result<u64> {
        self.log.append(self.tx, change).await
    }

    /// Looks at the locks that the request names: each must hold now.
    async fn take_up(&mut self, tokens: &[LockToken]) -> Result<()> {
        for token in tokens {
            let grant = grant_of(self.tx, self.log.workspace(), token).await?;
            if let Some(reason) = grant.lost(self.now()) {
                return Err(grant.lost_error(reason));
            }
            self.log.lock.get_or_insert(grant.id);
            self.held.push(HeldLock { grant, used: false });
        }
        Ok(())
    }

    /// Refuses a lock that was named in vain: its owner believes to be safe and is not.
    fn ensure_locks_used(&self) -> Result<()> {
        let vain: Vec<NodeLock> =
            self.held.iter().filter(|held| !held.used).map(|held| held.grant.lock()).collect();
        let Some(first) = vain.first() else { return Ok(()) };
        let detail = format!("{} is on {}, which this does not touch", first.id, first.node_id);
        let facts = Facts { locks: vain, ..Facts::default() };
        Err(Error::new(Code::LockElsewhere, detail).with_facts(facts))
    }
}

impl Engine {
    /// Returns the answer that a write verb gave to this very request before. For verbs that look at something outside
    /// the database first: what has changed there since is no reason to refuse a repeat.
    pub(crate) async fn answered<T>(&self, actor: &Actor, premises: &Premises) -> Result<Option<T>>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let Some(idempotency) = premises.idempotency.clone() else { return Ok(None) };
        let (actor, now) = (actor.clone(), self.now());
        let idempotency = idempotency.within(actor.workspace);
        let found = self.db().read(move |tx| {
            let (actor, idempotency) = (actor.clone(), idempotency.clone());
            Box::pin(async move {
                if let Some(key) = actor.key {
                    db::access::ensure_valid_now(tx, key, now).await?;
                }
                idempotency::done(tx, &idempotency, actor.principal).await
            })
        });
        found.await
    }

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
        ask.actor.needs(ask.role)?;
        let (actor, scope, premises, clock) = (ask.actor.clone(), ask.scope, ask.premises, self.clock());
        self.db()
            .write(move |tx| {
                let (actor, premises, clock, input) =
                    (actor.clone(), premises.clone(), clock.clone(), input.clone());
                Box::pin(async move {
                    let principal = actor.principal;
                    let idempotency = premises.idempotency.map(|key| key.within(actor.workspace));
                    let workspace = match (scope.workspace(tx, &actor).await, &idempotency) {
                        // What this very request has removed is not there for its repeat.
                        (Err(gone), Some(key)) if gone.kind() == ErrorKind::NotFound => {
                            let done = idempotency::done(tx, key, principal).await?;
                            return done.map(|answer| (answer, true)).ok_or(gone);
                        }
                        (found, _) => found?,
                    };
                    let log = Log::open(tx, workspace, actor, clock.as_ref()).await?;
                    let open = match idempotency {
                        None => None,
                        Some(idempotency) => {
                            match idempotency::begin(tx, idempotency, principal, log.now()).await? {
                                Turn::Open(open) => Some(open),
                                Turn::Done(answer) => {
                                    log.close(tx).await?;
                                    return Ok((answer, true));
                                }
                            }
                        }
                    };
                    let mut act = Act {
                        tx,
                        log,
                        preconditions: premises.preconditions,
                        held: Vec::new(),
                        is_provisional: false,
                    };
                    act.take_up(&premises.locks).await?;
                    let answer = run(&mut act, input).await?;
                    act.ensure_locks_used()?;
                    let Act { tx, log, is_provisional, .. } = act;
                    hooks::announce(tx, &log).await?;
                    log.close(tx).await?;
                    match open {
                        Some(open) if is_provisional => open.give_back(tx).await?,
                        Some(open) => open.keep(tx, &answer).await?,
                        None => {}
                    }
                    Ok((answer, false))
                })
            })
            .await
    }
}
