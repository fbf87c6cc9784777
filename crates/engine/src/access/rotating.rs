//! Rotating keys: a new key for an old one, which goes on for a while.

use std::time::Duration;

use longshore_core::key::ApiKey;
use longshore_core::wire::{Key, LONGEST_GRACE, NewKey, PrincipalKind, Role, RotateKey};
use longshore_core::{Code, KeyId, Timestamp};
use serde_json::json;

use super::{ensure_may_revoke, making, not_found};
use crate::actor::{Actor, Right};
use crate::db::access::KnownKey;
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::idempotency::{Idempotency, once};
use crate::narrowing::Need;

/// Refuses who could not have made such a key: who rotates it has its secret.
fn ensure_may_rotate(actor: &Actor, known: &KnownKey) -> Result<()> {
    let key = &known.key;
    ensure_may_revoke(actor, key)?;
    if key.principal.id != actor.principal && key.principal.kind != PrincipalKind::Agent {
        let detail = "the keys of people are rotated by themselves: revoke it, and they make another";
        return Err(Error::new(Code::Forbidden, detail));
    }
    let own = match key.workspace_id {
        Some(workspace) => actor.role_in(workspace),
        None if key.principal.id != actor.principal => actor.role_everywhere(),
        None => actor.role_somewhere().filter(|_| actor.only().is_none()),
    };
    if own < Some(key.role) || own < Some(Role::Admin) {
        let detail = format!("nobody rotates a key with a role above their own: {}", key.role);
        return Err(Error::new(Code::Forbidden, detail));
    }
    actor.narrowing().ensure_covers(&known.rights.narrowing)
}

/// Makes the new key, and has the old one end.
async fn rotate(tx: &mut Tx, actor: &Actor, id: KeyId, wanted: RotateKey, now: Timestamp) -> Result<NewKey> {
    let known = db::access::known_key(tx, id).await?.ok_or_else(|| not_found(id))?;
    ensure_may_rotate(actor, &known)?;
    let old = known.key;
    if old.revoked_at.is_some() || old.expires_at.is_some_and(|end| end <= now) {
        return Err(Error::new(Code::KeyEnded, format!("{id} has ended: make a new key")));
    }
    match wanted.grace_seconds {
        0 => db::access::revoke_key(tx, id, now).await?,
        grace => db::access::end_key(tx, id, now.plus(Duration::from_secs(grace.into()))).await?,
    }
    let secret = ApiKey::generate(now);
    let key = Key { id: secret.id(), created_at: now, last_used_at: None, last_used_from: None, ..old };
    tx.note(making::entry("key.rotated", actor, &key, now).with("from", json!(id)));
    making::insert(tx, key, &secret).await
}

impl Engine {
    /// Makes a key like another, with its end and all that it is narrowed to; the old one ends at once, or `grace_seconds`
    /// later. It takes who could have made it. `KeyEnded` of a key that is revoked or over.
    ///
    /// Where a key rotates itself without a grace, a repeat of the request has no key to ask with.
    pub async fn rotate_key(
        &self,
        actor: &Actor,
        id: KeyId,
        wanted: RotateKey,
        idempotency: Option<Idempotency>,
    ) -> Result<NewKey> {
        if actor.role_somewhere().is_none() {
            return Err(not_found(id).refusing(None));
        }
        let right = Right::Somewhere(Need::MANAGE);
        actor.may(right)?;
        if wanted.grace_seconds > LONGEST_GRACE {
            let detail = format!("`grace_seconds` is 0 to {LONGEST_GRACE}");
            return Err(Error::new(Code::InvalidBody, detail));
        }
        let (clock, actor) = (self.clock(), actor.clone());
        let rotated = self.db().write(move |tx| {
            let (clock, actor, idempotency) = (clock.clone(), actor.clone(), idempotency.clone());
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                once(tx, idempotency, (&actor, right), clock.as_ref(), async |tx, actor| {
                    rotate(tx, actor, id, wanted, now).await
                })
                .await
            })
        });
        rotated.await
    }
}
