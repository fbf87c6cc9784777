//! The same request again: one effect, one answer.
//!
//! A write that names an `Idempotency-Key` keeps its answer in its own transaction, for a day. An answer may hold
//! a secret that is shown once (a lock's token, a key), so it is kept sealed (ChaCha20-Poly1305) with a key made
//! of the idempotency key's text and a salt; the text itself is not kept, only its hash.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use longshore_core::wire::Role;
use longshore_core::{Clock, Code, ErrorKind, PrincipalId, Timestamp, VisitId, WorkspaceId, random};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::act::Premises;
use crate::actor::{Actor, Right};
use crate::db::idempotency::Done;
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::narrowing::Need;

/// How long an answer is kept.
pub(crate) const KEPT: Duration = Duration::from_hours(24);

/// How many old answers one transaction forgets.
const PRUNED: u32 = 1_000;

/// What separates this use of BLAKE3 from every other.
const CONTEXT: &str = "longshore 2026-11-20 sealed idempotent answer";

/// Tells whether a request got the answer of an earlier one. Clones tell the same.
#[derive(Clone, Debug, Default)]
pub struct Replayed(Arc<AtomicBool>);

impl Replayed {
    /// Tells it, once the request is answered.
    #[must_use]
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// An `Idempotency-Key`, and what tells the request from another one with the same key.
#[derive(Clone)]
pub struct Idempotency {
    key: String,
    fingerprint: [u8; 32],
    replayed: Replayed,
}

impl std::fmt::Debug for Idempotency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The text opens the sealed answer.
        f.write_str("Idempotency")
    }
}

impl Idempotency {
    /// Makes one of a key: 1 to 255 visible ASCII characters.
    pub fn new(key: &str) -> Result<Self> {
        if key.is_empty()
            || key.len() > 255
            || !key.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
        {
            let detail = "`Idempotency-Key` has 1 to 255 visible ASCII characters";
            return Err(Error::new(Code::InvalidHeader, detail));
        }
        Ok(Self { key: key.to_owned(), fingerprint: [0; 32], replayed: Replayed::default() })
    }

    /// Has `replayed` tell whether the request was done before.
    #[must_use]
    pub fn telling(self, replayed: Replayed) -> Self {
        Self { replayed, ..self }
    }

    /// Makes a part of the request count: a repeat has the same parts in the same order.
    pub fn mix(&mut self, part: &[u8]) {
        let mut hash = Sha256::new();
        hash.update(self.fingerprint);
        hash.update(part);
        self.fingerprint = hash.finalize().into();
    }

    /// Returns the key of one item of a request that has this one for all. No request's own key is like it: those have no
    /// line break.
    #[must_use]
    pub fn of_item(&self, place: u64) -> Self {
        let key = format!("{place}\n{}", self.key);
        Self { key, fingerprint: self.fingerprint, replayed: Replayed::default() }
    }

    /// Returns the key of a visit of a share link, by which it meets no other's: least of all one of the link's maker, in whose
    /// name it acts.
    pub(crate) fn of_visit(self, visit: VisitId) -> Self {
        Self { key: format!("{visit}\n{}", self.key), ..self }
    }

    /// Makes what the asking key reaches and may count: an answer about one workspace is not for a key of another, and one
    /// about what lies outside a folder not for a key of that folder.
    pub(crate) fn within(mut self, actor: &Actor) -> Self {
        if let Some(workspace) = actor.only() {
            self.mix(workspace.to_string().as_bytes());
        }
        let narrowing = actor.narrowing();
        if let Some(folder) = narrowing.folder {
            self.mix(folder.to_string().as_bytes());
        }
        for verb in narrowing.verbs.iter().flatten() {
            self.mix(verb.as_str().as_bytes());
        }
        for network in narrowing.networks.iter().flatten() {
            self.mix(network.to_string().as_bytes());
        }
        // An answer may hold what takes its role to get.
        if actor.cap() < Role::Owner {
            self.mix(actor.cap().as_str().as_bytes());
        }
        self
    }

    fn hash(&self) -> Bytes {
        Bytes::copy_from_slice(&Sha256::digest(&self.key))
    }

    /// Each salt makes a key that seals one answer, so the nonce need not vary.
    fn cipher(&self, salt: &[u8]) -> Result<LessSafeKey> {
        let mut material = Vec::with_capacity(salt.len() + self.key.len());
        material.extend_from_slice(salt);
        material.extend_from_slice(self.key.as_bytes());
        let key = blake3::derive_key(CONTEXT, &material);
        UnboundKey::new(&CHACHA20_POLY1305, &key).map(LessSafeKey::new).map_err(|_| unreadable())
    }

    /// Opens the answer of the request that had the key before, if that was the same request.
    fn answer<T: DeserializeOwned>(&self, done: &Done) -> Result<T> {
        if done.fingerprint != self.fingerprint.as_slice() {
            return Err(mismatch());
        }
        let answer = self.opened(done)?;
        self.replayed.0.store(true, Ordering::Relaxed);
        serde_json::from_slice(&answer).map_err(Error::corrupt)
    }

    fn opened(&self, done: &Done) -> Result<Vec<u8>> {
        self.unseal(&done.salt, done.sealed.as_ref().ok_or_else(unreadable)?)
    }

    fn seal(&self, salt: &[u8], answer: Vec<u8>) -> Result<Bytes> {
        let mut sealed = answer;
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        self.cipher(salt)?
            .seal_in_place_append_tag(nonce, Aad::empty(), &mut sealed)
            .map_err(|_| unreadable())?;
        Ok(sealed.into())
    }

    fn unseal(&self, salt: &[u8], sealed: &[u8]) -> Result<Vec<u8>> {
        let mut text = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let open = self.cipher(salt)?;
        let answer = open.open_in_place(nonce, Aad::empty(), &mut text).map_err(|_| unreadable())?;
        Ok(answer.to_vec())
    }
}

/// The error of who shows a key again for something else.
pub(crate) fn mismatch() -> Error {
    let detail = "this `Idempotency-Key` came before with another request: use a new one";
    Error::new(Code::IdempotencyMismatch, detail)
}

fn unreadable() -> Error {
    Error::corrupt("an idempotent answer that cannot be opened")
}

/// Where a write with a key stands.
pub(crate) enum Turn<T> {
    /// It was done before, with this answer.
    Done(T),
    /// It is to be done now; its answer is to be kept by [`Open::keep`].
    Open(Open),
}

/// A write's claim on its key.
pub(crate) struct Open {
    idempotency: Idempotency,
    principal: PrincipalId,
    salt: Bytes,
}

/// Takes the key for a write in a workspace, or in none, in its transaction, or finds the answer of the write that had it before.
pub(crate) async fn begin<T: DeserializeOwned>(
    tx: &mut Tx,
    idempotency: Idempotency,
    (principal, workspace): (PrincipalId, Option<WorkspaceId>),
    now: Timestamp,
) -> Result<Turn<T>> {
    let mut salt = [0; 32];
    random::fill(&mut salt);
    let salt = Bytes::copy_from_slice(&salt);
    let fingerprint = Bytes::copy_from_slice(&idempotency.fingerprint);
    let whose = (principal, idempotency.hash());
    let taken = db::idempotency::take(tx, whose, workspace, fingerprint, salt.clone(), now);
    let Some(done) = taken.await? else {
        // A transaction may run more than once: its last run decides.
        idempotency.replayed.0.store(false, Ordering::Relaxed);
        return Ok(Turn::Open(Open { idempotency, principal, salt }));
    };
    idempotency.answer(&done).map(Turn::Done)
}

/// Finds the answer that was given under a key, without taking it. Who lacks by now what it needs in the workspace that it is
/// about gets none, unless it says nothing: who has left a workspace may hear again that they have.
pub(crate) async fn done<T: DeserializeOwned>(
    tx: &mut Tx,
    idempotency: &Idempotency,
    (actor, need): (&Actor, Need),
    now: Timestamp,
) -> Result<Option<T>> {
    let right = async |tx: &mut Tx, workspace| match workspace {
        Some(workspace) => db::access::actor_in(tx, actor, workspace, now).await?.needs(workspace, need),
        None => db::access::actor_now(tx, actor, now).await.map(drop),
    };
    let Some(done) = db::idempotency::get(tx, actor.principal, idempotency.hash()).await? else {
        db::access::actor_now(tx, actor, now).await?;
        return Ok(None);
    };
    match right(tx, done.workspace).await {
        Ok(()) => idempotency.answer(&done).map(Some),
        Err(refused) if matches!(refused.kind(), ErrorKind::NotFound | ErrorKind::Denied) => {
            let answer: serde_json::Value = idempotency.answer(&done)?;
            if !answer.is_null() {
                return Ok(None);
            }
            serde_json::from_value(answer).map(Some).map_err(Error::corrupt)
        }
        Err(fault) => Err(fault),
    }
}

/// Tells whether a key was taken by a write that is done.
pub(crate) async fn is_taken(
    tx: &mut Tx,
    idempotency: Option<&Idempotency>,
    principal: PrincipalId,
) -> Result<bool> {
    match idempotency {
        None => Ok(false),
        Some(key) => Ok(db::idempotency::get(tx, principal, key.hash()).await?.is_some()),
    }
}

/// Returns the answer under a key that was taken, to judge by and not to give: whether this is the same request is known only
/// once it has come whole. Refuses it where the answer is to another verb.
pub(crate) async fn earlier<T: DeserializeOwned>(
    tx: &mut Tx,
    idempotency: Option<&Idempotency>,
    principal: PrincipalId,
) -> Result<Option<T>> {
    let Some(key) = idempotency else { return Ok(None) };
    let Some(done) = db::idempotency::get(tx, principal, key.hash()).await? else { return Ok(None) };
    serde_json::from_slice(&key.opened(&done)?).map(Some).map_err(|_| mismatch())
}

impl Open {
    /// Leaves the key to the next request: this one has not done what was asked yet.
    pub(crate) async fn give_back(self, tx: &mut Tx) -> Result<()> {
        db::idempotency::give_back(tx, self.principal, self.idempotency.hash()).await
    }

    pub(crate) async fn keep<T: Serialize>(self, tx: &mut Tx, answer: &T) -> Result<()> {
        let answer = serde_json::to_vec(answer).map_err(Error::corrupt)?;
        let sealed = self.idempotency.seal(&self.salt, answer)?;
        db::idempotency::keep(tx, self.principal, self.idempotency.hash(), sealed).await
    }
}

/// Does `work` once for its key, where it has one: for writes that are no acts of a workspace. Whoever lacks the right, as
/// the transaction sees it, gets no answer of an earlier request either; `work` has the actor as they are then.
pub(crate) async fn once<T, F>(
    tx: &mut Tx,
    idempotency: Option<Idempotency>,
    (actor, right): (&Actor, Right),
    clock: &dyn Clock,
    work: F,
) -> Result<T>
where
    T: Serialize + DeserializeOwned,
    F: AsyncFnOnce(&mut Tx, &Actor) -> Result<T>,
{
    let now = tx.now(clock).await?;
    let actor = db::access::actor_now(tx, actor, now).await?;
    actor.may(right)?;
    let open = match idempotency.map(|key| key.within(&actor)) {
        None => None,
        Some(idempotency) => match begin(tx, idempotency, (actor.principal, right.workspace()), now).await? {
            Turn::Done(answer) => return Ok(answer),
            Turn::Open(open) => Some(open),
        },
    };
    let answer = work(tx, &actor).await?;
    if let Some(open) = open {
        open.keep(tx, &answer).await?;
    }
    Ok(answer)
}

impl Engine {
    /// Returns the answer that was given to this very request before, to who may still. For verbs that look at something before their act:
    /// what has changed there since is no reason to refuse a repeat.
    pub(crate) async fn answered<T>(
        &self,
        actor: &Actor,
        premises: &Premises,
        need: Need,
    ) -> Result<Option<T>>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let Some(idempotency) = premises.idempotency.clone() else { return Ok(None) };
        let (actor, now) = (actor.clone(), self.now());
        let idempotency = idempotency.within(&actor);
        let found = self.db().read(move |tx| {
            let (actor, idempotency) = (actor.clone(), idempotency.clone());
            Box::pin(async move { done(tx, &idempotency, (&actor, need), now).await })
        });
        found.await
    }

    /// Forgets the answers that are older than a day; returns how many.
    pub async fn prune_idempotency(&self) -> Result<u64> {
        self.remove_by_steps(
            PRUNED,
            |tx, now| Box::pin(async move { db::idempotency::prune(tx, now.minus(KEPT), PRUNED).await }),
            |_| {},
        )
        .await
    }
}
