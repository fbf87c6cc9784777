//! Recovery: letting an administrator in again, for who works on the machine itself and so has the database anyway.
//!
//! No actor asks for it, so no front door offers it.

use longshore_core::key::ApiKey;
use longshore_core::wire::{HiddenText, Key, NewKey, Principal, PrincipalKind, Role};
use longshore_core::{Code, PrincipalId};

use crate::accounts::set_password;
use crate::audit::Entry;
use crate::db;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::passwords::{ensure_acceptable, sign_in_name};
use crate::principals;

/// An admin of the server, and how they sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Administrator {
    /// Who it is.
    pub principal: Principal,
    /// The name they sign in by; nothing where they have no password.
    pub sign_in_name: Option<String>,
}

/// What an administrator is to be let in by again.
#[derive(Clone, Debug)]
pub enum WayIn {
    /// A new key of theirs, which is not narrowed.
    Key,
    /// A password, and a sign-in name where they have none or are to have another.
    Password {
        /// The new sign-in name.
        sign_in_name: Option<String>,
        /// The new password.
        password: HiddenText,
    },
}

/// Refuses a sign-in name or a password that breaks a rule: for who asks for them before there is an engine.
pub fn ensure_sign_in(name: &str, password: &HiddenText) -> Result<()> {
    ensure_acceptable(password, &sign_in_name(name)?)
}

impl Engine {
    /// Lists the admins of the server, the oldest first: at most 1,000.
    pub async fn administrators(&self) -> Result<Vec<Administrator>> {
        let found = self.db().read(|tx| {
            Box::pin(async move {
                let mut found = Vec::new();
                for principal in db::access::administrators(tx).await? {
                    let account = db::passwords::of(tx, principal.id).await?;
                    found.push(Administrator {
                        principal,
                        sign_in_name: account.map(|account| account.sign_in_name),
                    });
                }
                Ok(found)
            })
        });
        found.await
    }

    /// Lets an admin of the server in again, and reactivates them; returns them, and the key where it is one. With a new
    /// password all their sessions end.
    pub async fn recover(&self, id: PrincipalId, way: WayIn) -> Result<(Administrator, Option<NewKey>)> {
        let password = match way {
            WayIn::Key => None,
            WayIn::Password { sign_in_name: named, password } => {
                let own = self.administrators().await?.into_iter().find(|one| one.principal.id == id);
                let text = named.or(own.and_then(|own| own.sign_in_name));
                let needed =
                    || Error::new(Code::InvalidSignInName, "they have no sign-in name yet: name one");
                let name = sign_in_name(&text.ok_or_else(needed)?)?;
                ensure_acceptable(&password, &name)?;
                Some((name, self.passwords().hash(password).await?))
            }
        };
        let clock = self.clock();
        let done = self.db().write(move |tx| {
            let (clock, password) = (clock.clone(), password.clone());
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                db::access::take_principals(tx).await?;
                let found = db::access::principal(tx, id).await?.ok_or_else(|| principals::not_found(id))?;
                if found.everywhere < Some(Role::Admin) {
                    return Err(Error::new(Code::Forbidden, format!("{id} is no admin of the server")));
                }
                db::access::set_deactivated(tx, id, None).await?;
                let principal = Principal { deactivated_at: None, ..found };
                let key = match password {
                    Some((name, hash)) => {
                        if principal.kind != PrincipalKind::Person {
                            return Err(Error::new(
                                Code::PersonNeeded,
                                "an agent has no password: make it a key",
                            ));
                        }
                        set_password(tx, id, (&name, &hash), None, now).await?;
                        None
                    }
                    None => {
                        let secret = ApiKey::generate(now);
                        let is_agent = principal.kind == PrincipalKind::Agent;
                        let key = Key {
                            id: secret.id(),
                            name: "recovery".to_owned(),
                            principal: principal.clone(),
                            role: if is_agent { Role::Admin } else { Role::Owner },
                            workspace_id: None,
                            created_at: now,
                            expires_at: None,
                            revoked_at: None,
                            verbs: None,
                            folder_id: None,
                            addresses: None,
                            last_used_at: None,
                            last_used_from: None,
                        };
                        db::access::insert_key(tx, &key, secret.hash()).await?;
                        Some(NewKey { key, secret: secret.reveal().to_owned() })
                    }
                };
                let by = if key.is_some() { "recovery.key" } else { "recovery.password" };
                tx.note(Entry::done_by(by, PrincipalId::LONGSHORE, None, now).about(id));
                let account = db::passwords::of(tx, id).await?;
                let sign_in_name = account.map(|account| account.sign_in_name);
                Ok((Administrator { principal, sign_in_name }, key))
            })
        });
        let (administrator, key) = done.await?;
        let by = if key.is_some() { "a new key" } else { "a new password" };
        tracing::warn!(principal = %id, by, "an administrator was let in again from the machine itself");
        Ok((administrator, key))
    }
}
