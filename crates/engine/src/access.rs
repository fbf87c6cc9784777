//! Keys: the first one, making, rotating, listing, revoking, and knowing who asks.

mod making;
mod rotating;

use std::net::IpAddr;

use longshore_core::key::ApiKey;
use longshore_core::wire::{Key, Me, NewKey, Page, Principal, PrincipalKind, Role, Session};
use longshore_core::{Code, KeyId, Name, PrincipalId};

use crate::actor::{Actor, Credential, Right};
use crate::audit::Entry;
use crate::db;
use crate::db::access::KnownKey;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::idempotency::{Idempotency, once};
use crate::listing::PageRequest;
use crate::narrowing::Need;
use crate::workspaces::insert_workspace;

/// The workspace that the first start makes.
const FIRST_WORKSPACE: &str = "default";

fn no_key() -> Error {
    Error::new(Code::KeyUnknown, "no such key")
}

fn not_found(id: KeyId) -> Error {
    Error::new(Code::KeyNotFound, format!("no key {id}"))
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
        return Err(not_found(key.id).refusing(key.workspace_id));
    }
    if own < Some(key.role) {
        let detail = "nobody revokes a key with a role above their own";
        return Err(Error::new(Code::Forbidden, detail).refusing(key.workspace_id));
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
                        verbs: None,
                        folder_id: None,
                        addresses: None,
                        created_at: now,
                        expires_at: None,
                        revoked_at: None,
                        last_used_at: None,
                        last_used_from: None,
                    };
                    db::access::insert_key(tx, &key, secret.hash()).await?;
                    let known = db::access::known_key(tx, key.id).await?.ok_or_else(no_key)?;
                    let actor = known.actor();
                    tx.note(making::entry("key.created", &actor, &key, now));
                    insert_workspace(tx, &actor, &Name::new(FIRST_WORKSPACE)?, clock.as_ref()).await?;
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

    /// Finds out who a key's text belongs to, of a caller from nowhere: a key that is good from certain addresses is not good
    /// from there.
    pub async fn authenticate(&self, text: &str) -> Result<Actor> {
        self.authenticate_from(text, None).await
    }

    /// Finds out who a key's text belongs to, of a caller from an address, and notes the use.
    ///
    /// Who has the whole text and comes from elsewhere than it is good from hears just that, whatever else is wrong with it.
    pub async fn authenticate_from(&self, text: &str, address: Option<IpAddr>) -> Result<Actor> {
        let presented: ApiKey =
            text.parse().map_err(|error| Error::new(Code::KeyMalformed, format!("{error}")))?;
        let wrong = |error: Error| error.claiming(presented.id());
        let known = self.find_key(presented.id()).await.map_err(wrong)?;
        if !presented.has_hash(&known.secret_hash) {
            return Err(wrong(no_key()));
        }
        let good = known.rights.narrowing.ensure_good_from(address);
        good.and_then(|()| known.ensure_valid(self.now())).map_err(|error| {
            let key = &known.key;
            error.of(key.principal.id, Credential::Key(key.id)).refusing(key.workspace_id)
        })?;
        self.note_use(known.key.id, address);
        Ok(known.actor())
    }

    /// Returns what is known of a key, be it revoked or over.
    async fn find_key(&self, id: KeyId) -> Result<KnownKey> {
        self.keys().find(self.db(), id).await?.ok_or_else(no_key)
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
                    Credential::Share(_) | Credential::Longshore => {
                        Err(Error::new(Code::KeyMissing, "no key asks"))
                    }
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

    /// Lists keys, oldest first, for who is an admin somewhere: for one of the server all; for another those of the workspaces
    /// that they are an admin of, and their own.
    pub async fn list_keys(&self, actor: &Actor, page: PageRequest) -> Result<Page<Key>> {
        actor.may(Right::Somewhere(Need::MANAGE))?;
        let (actor, limit, after) = (actor.clone(), page.limit(), self.after(&page)?);
        let items = self
            .db()
            .read(move |tx| {
                let (actor, after) = (actor.clone(), after.clone());
                Box::pin(async move { db::access::keys(tx, &actor, &after, limit).await })
            })
            .await?;
        self.page_by(&page, items, |key| key.id.to_string())
    }

    /// Revokes a key; from now on it is refused here.
    pub async fn revoke_key(&self, actor: &Actor, id: KeyId, idempotency: Option<Idempotency>) -> Result<()> {
        if actor.role_somewhere().is_none() {
            return Err(not_found(id).refusing(None));
        }
        let right = Right::Somewhere(Need::MANAGE);
        actor.may(right)?;
        let (clock, actor) = (self.clock(), actor.clone());
        let revoked = self.db().write(move |tx| {
            let (clock, actor, idempotency) = (clock.clone(), actor.clone(), idempotency.clone());
            Box::pin(async move {
                let now = clock.now();
                once(tx, idempotency, (&actor, right), clock.as_ref(), async |tx, actor| {
                    let known = db::access::known_key(tx, id).await?.ok_or_else(|| not_found(id))?;
                    ensure_may_revoke(actor, &known.key)?;
                    tx.note(Entry::done("key.revoked", actor, now).within(known.key.workspace_id).about(id));
                    db::access::revoke_key(tx, id, now).await
                })
                .await
            })
        });
        revoked.await
    }
}
