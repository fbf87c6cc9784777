//! Keys: the first one, making, listing, revoking, and knowing who asks.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use longshore_core::key::ApiKey;
use longshore_core::wire::{CreateKey, Key, Me, NewKey, Page, Principal, PrincipalKind, Role};
use longshore_core::{Code, KeyId, Name, PrincipalId, Timestamp};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use crate::actor::{Actor, ensure_valid};
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::idempotency::{Idempotency, once};
use crate::listing::PageRequest;
use crate::workspaces::insert_workspace;

/// The workspace that the first start makes.
const FIRST_WORKSPACE: &str = "default";

/// The most keys that are remembered between requests.
const REMEMBERED: usize = 10_000;

/// Keys seen a moment ago, so that a burst of requests asks the database once.
///
/// Revoking a key here forgets it at once; another process forgets it when its entry has aged. What writes is not
/// decided by this memory: a key is looked at again in the transaction that it writes in.
#[derive(Debug)]
pub(crate) struct KeyCache {
    age: Duration,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    keys: HashMap<KeyId, (Instant, Key, Bytes)>,
    /// How many revocations there were. Who asked the database before one of them may have an answer that is
    /// no longer true, and must not leave it here.
    revocations: u64,
}

impl KeyCache {
    pub(crate) fn new(age: Duration) -> Self {
        Self { age, entries: Mutex::default() }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, id: KeyId) -> Option<(Key, Bytes)> {
        let entries = self.entries();
        let (seen, key, hash) = entries.keys.get(&id)?;
        (seen.elapsed() < self.age).then(|| (key.clone(), hash.clone()))
    }

    fn revocations(&self) -> u64 {
        self.entries().revocations
    }

    /// Remembers a key that was asked for when there had been so many revocations.
    fn put(&self, key: Key, hash: Bytes, revocations: u64) {
        let mut entries = self.entries();
        if entries.revocations != revocations {
            return;
        }
        if entries.keys.len() >= REMEMBERED {
            entries.keys.clear();
        }
        entries.keys.insert(key.id, (Instant::now(), key, hash));
    }

    fn forget(&self, id: KeyId) {
        let mut entries = self.entries();
        entries.revocations += 1;
        entries.keys.remove(&id);
    }
}

/// A key's secret has 256 random bits, so a plain hash hides it as well as a slow one would.
fn hash_of(key: &ApiKey) -> Bytes {
    Bytes::copy_from_slice(&Sha256::digest(key.reveal()))
}

async fn new_agent(tx: &mut Tx, name: &str, now: Timestamp) -> Result<Principal> {
    let agent = Principal { id: PrincipalId::new(now), kind: PrincipalKind::Agent, name: name.to_owned() };
    db::access::insert_principal(tx, &agent, now).await?;
    Ok(agent)
}

fn no_key() -> Error {
    Error::new(Code::KeyUnknown, "no such key")
}

impl Engine {
    /// Makes the workspace `default`, its owner and a first admin key, unless there is a workspace already.
    pub async fn initialise(&self) -> Result<Option<NewKey>> {
        let clock = self.clock();
        let made = self
            .db()
            .write(move |tx| {
                let clock = clock.clone();
                Box::pin(async move {
                    let now = clock.now();
                    if db::workspaces::oldest(tx).await?.is_some() {
                        return Ok(None);
                    }
                    let owner = Principal {
                        id: PrincipalId::new(now),
                        kind: PrincipalKind::Person,
                        name: "owner".to_owned(),
                    };
                    db::access::insert_principal(tx, &owner, now).await?;
                    let secret = ApiKey::generate(now);
                    let key = Key {
                        id: secret.id(),
                        name: "first key".to_owned(),
                        principal: owner,
                        role: Role::Admin,
                        workspace_id: None,
                        created_at: now,
                        expires_at: None,
                        revoked_at: None,
                    };
                    let actor = Actor::of_key(&key);
                    insert_workspace(tx, &actor, &Name::new(FIRST_WORKSPACE)?, clock.as_ref()).await?;
                    db::access::insert_key(tx, &key, hash_of(&secret)).await?;
                    Ok(Some(NewKey { key, secret: secret.reveal().to_owned() }))
                })
            })
            .await;
        match made {
            // Another process that started at the same moment was first.
            Err(error) if error.code() == Code::WorkspaceExists => Ok(None),
            made => made,
        }
    }

    /// Finds out who a key's text belongs to.
    pub async fn authenticate(&self, text: &str) -> Result<Actor> {
        let key = self.known_key(text).await?;
        Ok(Actor::of_key(&key))
    }

    async fn known_key(&self, text: &str) -> Result<Key> {
        let presented: ApiKey =
            text.parse().map_err(|error| Error::new(Code::KeyMalformed, format!("{error}")))?;
        let (key, hash) = self.find_key(presented.id()).await?;
        if !bool::from(hash_of(&presented).ct_eq(&hash)) {
            return Err(no_key());
        }
        ensure_valid(key.revoked_at, key.expires_at, self.now())?;
        Ok(key)
    }

    /// Returns a key and the hash of its secret, be it revoked or over.
    async fn find_key(&self, id: KeyId) -> Result<(Key, Bytes)> {
        if let Some(known) = self.keys().get(id) {
            return Ok(known);
        }
        let revocations = self.keys().revocations();
        let found =
            self.db().read(move |tx| Box::pin(async move { db::access::key_with_hash(tx, id).await }));
        let (key, hash) = found.await?.ok_or_else(no_key)?;
        self.keys().put(key.clone(), hash.clone(), revocations);
        Ok((key, hash))
    }

    /// Returns who acts with a key, for what was made with it and holds as long as it does.
    pub(crate) async fn actor_of(&self, id: KeyId) -> Result<Actor> {
        let (key, _) = self.find_key(id).await?;
        ensure_valid(key.revoked_at, key.expires_at, self.now())?;
        Ok(Actor::of_key(&key))
    }

    /// Tells which key asks.
    pub async fn me(&self, actor: &Actor) -> Result<Me> {
        let Some(id) = actor.key else {
            return Err(Error::new(Code::KeyMissing, "no key asks"));
        };
        let found =
            self.db().read(move |tx| Box::pin(async move { db::access::key_with_hash(tx, id).await }));
        match found.await? {
            Some((key, _)) => Ok(Me { key }),
            None => Err(Error::new(Code::KeyUnknown, "no such key")),
        }
    }

    /// Makes a key; its secret is in the answer and nowhere else.
    pub async fn create_key(
        &self,
        actor: &Actor,
        wanted: CreateKey,
        idempotency: Option<Idempotency>,
    ) -> Result<NewKey> {
        actor.needs(Role::Admin)?;
        // Rules for names keep control characters out of terminals and logs here too.
        Name::new(wanted.name.as_str())?;
        if let Some(agent) = &wanted.agent {
            Name::new(agent.as_str())?;
        }
        let workspace = wanted.workspace_id.or(actor.workspace);
        if let Some(workspace) = workspace {
            self.workspace(actor, workspace).await?;
        }
        if wanted.expires_at.is_some_and(|end| end <= self.now()) {
            return Err(Error::new(Code::InvalidBody, "expires_at lies in the past"));
        }
        let (clock, actor) = (self.clock(), actor.clone());
        let maker_key = self.me(&actor).await?.key;
        self.db()
            .write(move |tx| {
                let (clock, wanted, maker_key) = (clock.clone(), wanted.clone(), maker_key.clone());
                let (actor, idempotency) = (actor.clone(), idempotency.clone());
                Box::pin(async move {
                    let now = clock.now();
                    once(tx, idempotency, &actor, clock.as_ref(), async |tx| {
                        let principal = match &wanted.agent {
                            None => maker_key.principal,
                            Some(name) => new_agent(tx, name, now).await?,
                        };
                        let secret = ApiKey::generate(now);
                        let key = Key {
                            id: secret.id(),
                            name: wanted.name,
                            principal,
                            role: wanted.role,
                            workspace_id: workspace,
                            created_at: now,
                            expires_at: wanted.expires_at,
                            revoked_at: None,
                        };
                        db::access::insert_key(tx, &key, hash_of(&secret)).await?;
                        Ok(NewKey { key, secret: secret.reveal().to_owned() })
                    })
                    .await
                })
            })
            .await
    }

    /// Lists the keys, oldest first: all, or those of the caller's one workspace.
    pub async fn list_keys(&self, actor: &Actor, page: PageRequest) -> Result<Page<Key>> {
        actor.needs(Role::Admin)?;
        let (workspace, limit, after) = (actor.workspace, page.limit(), page.after()?);
        let items = self
            .db()
            .read(move |tx| {
                let after = after.clone();
                Box::pin(async move { db::access::keys(tx, workspace, &after, limit).await })
            })
            .await?;
        page.answer(items, |key| key.id.to_string())
    }

    /// Revokes a key; from now on it is refused here.
    pub async fn revoke_key(&self, actor: &Actor, id: KeyId, idempotency: Option<Idempotency>) -> Result<()> {
        actor.needs(Role::Admin)?;
        let (clock, actor) = (self.clock(), actor.clone());
        self.db()
            .write(move |tx| {
                let (clock, actor, idempotency) = (clock.clone(), actor.clone(), idempotency.clone());
                Box::pin(async move {
                    let (now, scope) = (clock.now(), actor.workspace);
                    once(tx, idempotency, &actor, clock.as_ref(), async |tx| {
                        let known = db::access::key_with_hash(tx, id).await?;
                        let visible =
                            known.is_some_and(|(key, _)| scope.is_none() || key.workspace_id == scope);
                        if !visible {
                            return Err(Error::new(Code::KeyNotFound, format!("no key {id}")));
                        }
                        db::access::revoke_key(tx, id, now).await
                    })
                    .await
                })
            })
            .await?;
        self.keys().forget(id);
        Ok(())
    }
}
