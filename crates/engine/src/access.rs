//! Keys: the first one, making, listing, revoking, and knowing who asks.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use longshore_core::key::ApiKey;
use longshore_core::wire::{CreateKey, Key, Me, NewKey, Page, Principal, PrincipalKind, Role, Session};
use longshore_core::{Code, KeyId, Name, PrincipalId, Timestamp, WorkspaceId};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use crate::act::{Ask, Premises, Scope};
use crate::actor::{Actor, Credential, Right};
use crate::db::access::KnownKey;
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::idempotency::{Idempotency, once};
use crate::listing::PageRequest;
use crate::workspaces::insert_workspace;
use crate::{members, principals};

/// The workspace that the first start makes.
const FIRST_WORKSPACE: &str = "default";

/// How much is remembered between requests: keys, and the memberships of those who act with them.
const REMEMBERED: usize = 100_000;

/// Keys seen a moment ago, so that a burst of requests asks the database once.
///
/// Revoking a key here, or changing what its principal may do, forgets it at once; another process forgets it when its
/// entry has aged. What writes is not decided by this memory: a key is looked at again in the transaction that it writes in.
#[derive(Debug)]
pub(crate) struct KeyCache {
    age: Duration,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    keys: HashMap<KeyId, (Instant, KnownKey)>,
    weight: usize,
    /// How many times keys were forgotten. Who asked the database before one of them may have an answer that is
    /// no longer true, and must not leave it here.
    changes: u64,
}

fn weight(key: &KnownKey) -> usize {
    1 + key.rights.memberships.len()
}

impl Entries {
    fn remove(&mut self, id: KeyId) {
        if let Some((_, key)) = self.keys.remove(&id) {
            self.weight -= weight(&key);
        }
    }
}

impl KeyCache {
    pub(crate) fn new(age: Duration) -> Self {
        Self { age, entries: Mutex::default() }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, id: KeyId) -> Option<KnownKey> {
        let entries = self.entries();
        let (seen, key) = entries.keys.get(&id)?;
        (seen.elapsed() < self.age).then(|| key.clone())
    }

    fn changes(&self) -> u64 {
        self.entries().changes
    }

    /// Remembers a key that was asked for when there had been so many changes.
    fn put(&self, key: KnownKey, changes: u64) {
        let mut entries = self.entries();
        if entries.changes != changes {
            return;
        }
        let id = key.key.id;
        entries.remove(id);
        if entries.weight + weight(&key) > REMEMBERED {
            entries.keys.clear();
            entries.weight = 0;
        }
        entries.weight += weight(&key);
        entries.keys.insert(id, (Instant::now(), key));
    }

    fn forget(&self, id: KeyId) {
        let mut entries = self.entries();
        entries.changes += 1;
        entries.remove(id);
    }

    /// Forgets all keys of a principal, who may from now on do something else than before.
    pub(crate) fn forget_principal(&self, principal: PrincipalId) {
        let mut entries = self.entries();
        entries.changes += 1;
        let own = |(id, (_, known)): (&KeyId, &(Instant, KnownKey))| {
            (known.key.principal.id == principal).then_some(*id)
        };
        let keys: Vec<KeyId> = entries.keys.iter().filter_map(own).collect();
        keys.into_iter().for_each(|id| entries.remove(id));
    }
}

/// A key's secret has 256 random bits, so a plain hash hides it as well as a slow one would.
pub(crate) fn hash_of(key: &ApiKey) -> Bytes {
    Bytes::copy_from_slice(&Sha256::digest(key.reveal()))
}

fn no_key() -> Error {
    Error::new(Code::KeyUnknown, "no such key")
}

fn not_found(id: KeyId) -> Error {
    Error::new(Code::KeyNotFound, format!("no key {id}"))
}

/// Makes a key, and the agent who is to act with it where one is asked for.
async fn insert_new_key(
    tx: &mut Tx,
    actor: &Actor,
    wanted: CreateKey,
    workspace: Option<WorkspaceId>,
    now: Timestamp,
) -> Result<NewKey> {
    let maker = actor.principal;
    let principal = match wanted.agent {
        None => db::access::principal(tx, maker).await?.ok_or_else(|| principals::not_found(maker))?,
        Some(name) => {
            // Who is a member of one workspace has nothing elsewhere.
            let everywhere = workspace.is_none().then_some(wanted.role);
            let id = PrincipalId::new(now);
            let agent = Principal { id, kind: PrincipalKind::Agent, name, everywhere, deactivated_at: None };
            db::access::insert_principal(tx, &agent, now).await?;
            agent
        }
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
}

/// Refuses a key with a role that its maker has not where it reaches.
fn ensure_not_above(own: Option<Role>, role: Role) -> Result<()> {
    if Some(role) <= own {
        return Ok(());
    }
    Err(Error::new(Code::Forbidden, format!("nobody makes a key with a role above their own: {role}")))
}

/// Refuses who may not revoke a key: their own is theirs, those of a workspace its admins', all the server's admins'.
fn ensure_may_revoke(actor: &Actor, key: &Key) -> Result<()> {
    if actor.role_everywhere() >= Some(Role::Admin) {
        return Ok(());
    }
    let is_within = actor.only().is_none_or(|own| key.workspace_id == Some(own));
    if is_within && key.principal.id == actor.principal {
        return Ok(());
    }
    let own = key.workspace_id.and_then(|workspace| actor.role_in(workspace));
    if own < Some(Role::Admin) {
        return Err(not_found(key.id));
    }
    if own < Some(key.role) {
        return Err(Error::new(Code::Forbidden, "nobody revokes a key with a role above their own"));
    }
    Ok(())
}

impl Engine {
    /// Makes the workspace `default`, its owner and a first key of theirs, unless there is a workspace already.
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
                        everywhere: Some(Role::Admin),
                        deactivated_at: None,
                    };
                    db::access::insert_principal(tx, &owner, now).await?;
                    let secret = ApiKey::generate(now);
                    let key = Key {
                        id: secret.id(),
                        name: "first key".to_owned(),
                        principal: owner,
                        role: Role::Owner,
                        workspace_id: None,
                        created_at: now,
                        expires_at: None,
                        revoked_at: None,
                    };
                    db::access::insert_key(tx, &key, hash_of(&secret)).await?;
                    let known = db::access::known_key(tx, key.id).await?.ok_or_else(no_key)?;
                    insert_workspace(tx, &known.actor(), &Name::new(FIRST_WORKSPACE)?, clock.as_ref())
                        .await?;
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
        let presented: ApiKey =
            text.parse().map_err(|error| Error::new(Code::KeyMalformed, format!("{error}")))?;
        let known = self.find_key(presented.id()).await?;
        if !bool::from(hash_of(&presented).ct_eq(&known.secret_hash)) {
            return Err(no_key());
        }
        known.ensure_valid(self.now())?;
        Ok(known.actor())
    }

    /// Returns what is known of a key, be it revoked or over.
    async fn find_key(&self, id: KeyId) -> Result<KnownKey> {
        if let Some(known) = self.keys().get(id) {
            return Ok(known);
        }
        let changes = self.keys().changes();
        let found = self.db().read(move |tx| Box::pin(async move { db::access::known_key(tx, id).await }));
        let known = found.await?.ok_or_else(no_key)?;
        self.keys().put(known.clone(), changes);
        Ok(known)
    }

    /// Returns who acts with a key, for what was made with it and holds as long as it does.
    pub(crate) async fn actor_of(&self, id: KeyId) -> Result<Actor> {
        let known = self.find_key(id).await?;
        known.ensure_valid(self.now())?;
        Ok(known.actor())
    }

    /// Tells who asks, and by which key or session.
    pub async fn me(&self, actor: &Actor) -> Result<Me> {
        let credential = actor.credential;
        let found = self.db().read(move |tx| {
            Box::pin(async move {
                match credential {
                    Credential::Longshore => Err(Error::new(Code::KeyMissing, "no key asks")),
                    Credential::Key(id) => {
                        let key = db::access::known_key(tx, id).await?.ok_or_else(no_key)?.key;
                        Ok(Me { principal: key.principal.clone(), key: Some(key), session: None })
                    }
                    Credential::Session(id) => {
                        let known = db::sessions::known(tx, id).await?.ok_or_else(db::sessions::ended)?;
                        let session = Session { current: true, ..known.session };
                        Ok(Me { principal: known.principal, key: None, session: Some(session) })
                    }
                }
            })
        });
        found.await
    }

    /// Makes a key for oneself or for a new agent; its secret is in the answer and nowhere else.
    ///
    /// An agent's key of one workspace makes it a member there, with the key's role. Where none is named it has that role
    /// everywhere, and it takes an admin of the server to make it.
    pub async fn create_key(
        &self,
        actor: &Actor,
        wanted: CreateKey,
        idempotency: Option<Idempotency>,
    ) -> Result<NewKey> {
        let workspace = wanted.workspace_id.or(actor.only());
        let right = match workspace {
            Some(workspace) => Right::In(workspace, Role::Admin),
            None if wanted.agent.is_some() => Right::Everywhere(Role::Admin),
            None => Right::Somewhere(Role::Admin),
        };
        actor.may(right)?;
        // Rules for names keep control characters out of terminals and logs here too.
        Name::new(wanted.name.as_str())?;
        if let Some(agent) = &wanted.agent {
            Name::new(agent.as_str())?;
            if wanted.role == Role::Owner {
                let detail = "an agent is not made an owner: its key is an admin's at most";
                return Err(Error::new(Code::OwnerRefused, detail));
            }
        }
        if wanted.expires_at.is_some_and(|end| end <= self.now()) {
            return Err(Error::new(Code::InvalidBody, "expires_at lies in the past"));
        }
        match workspace {
            Some(workspace) => self.create_key_within(actor, workspace, wanted, idempotency).await,
            None => self.create_wide_key(actor, right, wanted, idempotency).await,
        }
    }

    async fn create_key_within(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        wanted: CreateKey,
        idempotency: Option<Idempotency>,
    ) -> Result<NewKey> {
        let premises = Premises { idempotency, ..Premises::default() };
        let ask = Ask { actor, role: Role::Admin, scope: Scope::Workspace(workspace), premises };
        self.act(ask, wanted, move |act, wanted| {
            Box::pin(async move {
                ensure_not_above(act.actor().role_in(workspace), wanted.role)?;
                let (now, role, is_new) = (act.now(), wanted.role, wanted.agent.is_some());
                let made = insert_new_key(act.tx, act.log.actor(), wanted, Some(workspace), now).await?;
                if is_new {
                    members::add(act, &made.key.principal, role).await?;
                }
                Ok(made)
            })
        })
        .await
    }

    /// Makes a key that reaches all that its principal does.
    async fn create_wide_key(
        &self,
        actor: &Actor,
        right: Right,
        wanted: CreateKey,
        idempotency: Option<Idempotency>,
    ) -> Result<NewKey> {
        let (clock, actor) = (self.clock(), actor.clone());
        let made = self.db().write(move |tx| {
            let (clock, wanted) = (clock.clone(), wanted.clone());
            let (actor, idempotency) = (actor.clone(), idempotency.clone());
            Box::pin(async move {
                let now = clock.now();
                once(tx, idempotency, (&actor, right), clock.as_ref(), async |tx, actor| {
                    let own = match right {
                        Right::Everywhere(_) => actor.role_everywhere(),
                        _ => actor.role_somewhere(),
                    };
                    ensure_not_above(own, wanted.role)?;
                    insert_new_key(tx, actor, wanted, None, now).await
                })
                .await
            })
        });
        made.await
    }

    /// Lists keys, oldest first, for who is an admin somewhere: for one of the server all; for another those of the workspaces
    /// that they are an admin of, and their own.
    pub async fn list_keys(&self, actor: &Actor, page: PageRequest) -> Result<Page<Key>> {
        actor.may(Right::Somewhere(Role::Admin))?;
        let (actor, limit, after) = (actor.clone(), page.limit(), page.after()?);
        let items = self
            .db()
            .read(move |tx| {
                let (actor, after) = (actor.clone(), after.clone());
                Box::pin(async move { db::access::keys(tx, &actor, &after, limit).await })
            })
            .await?;
        page.answer(items, |key| key.id.to_string())
    }

    /// Revokes a key; from now on it is refused here.
    pub async fn revoke_key(&self, actor: &Actor, id: KeyId, idempotency: Option<Idempotency>) -> Result<()> {
        if actor.role_somewhere().is_none() {
            return Err(not_found(id));
        }
        let right = Right::Somewhere(Role::Admin);
        actor.may(right)?;
        let (clock, actor) = (self.clock(), actor.clone());
        self.db()
            .write(move |tx| {
                let (clock, actor, idempotency) = (clock.clone(), actor.clone(), idempotency.clone());
                Box::pin(async move {
                    let now = clock.now();
                    once(tx, idempotency, (&actor, right), clock.as_ref(), async |tx, actor| {
                        let known = db::access::known_key(tx, id).await?.ok_or_else(|| not_found(id))?;
                        ensure_may_revoke(actor, &known.key)?;
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
