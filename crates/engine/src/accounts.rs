//! Accounts: how people set their passwords, by the one they have or by a token that an admin of the server gave them.

use std::sync::Arc;
use std::time::Duration;

use longshore_core::wire::{
    ChangePassword, HiddenText, NewReset, Principal, PrincipalKind, ResetPassword, Role,
};
use longshore_core::{Code, PrincipalId, ResetToken, SessionId, SignInName, Timestamp};

use crate::actor::{Actor, Origin, Right};
use crate::audit::Entry;
use crate::db::passwords::Reset;
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::idempotency::{Idempotency, once};
use crate::narrowing::Need;
use crate::passwords::{ensure_acceptable, sign_in_name};
use crate::principals;

/// How long a token for a new password lasts.
const RESET: Duration = Duration::from_hours(24);

fn wrong() -> Error {
    Error::new(Code::PasswordWrong, "the present password is another")
}

fn no_reset() -> Error {
    Error::new(
        Code::ResetNotFound,
        "this sets no password: it is none of ours, was used, or its time is over",
    )
}

/// Has a principal sign in by a name and a password from now on, and by nothing they had before: all sessions end but
/// `kept`. The transaction has taken the principals.
pub(crate) async fn set_password(
    tx: &mut Tx,
    principal: PrincipalId,
    (name, hash): (&SignInName, &str),
    kept: Option<SessionId>,
    now: Timestamp,
) -> Result<()> {
    if !db::passwords::set(tx, principal, (name, hash), now).await? {
        return Err(Error::new(Code::SignInNameTaken, "somebody has this sign-in name"));
    }
    db::passwords::delete_reset(tx, principal).await?;
    db::sessions::end_all(tx, principal, kept).await
}

/// Refuses who would be let in by a new password to more than they may now: as themselves, or as whom they set it for.
fn ensure_may_let_in(actor: &Actor, person: &Principal) -> Result<()> {
    if person.id == actor.principal {
        return actor.ensure_whole();
    }
    if !actor.narrowing().is_none() {
        let detail = "this takes a session, or a key that has no end and is not narrowed";
        return Err(Error::new(Code::AccountNeeded, detail));
    }
    Ok(())
}

/// Finds what a token lets set, as a transaction sees it; nothing holds whose maker administers the server no more.
async fn open_reset(tx: &mut Tx, token: &ResetToken, now: Timestamp) -> Result<Reset> {
    let reset = db::passwords::reset(tx, token.id()).await?.ok_or_else(|| no_reset().refusing(None))?;
    let is_right = token.has_hash(&reset.token_hash);
    let maker = db::access::principal(tx, reset.created_by).await?;
    let may =
        maker.is_some_and(|maker| maker.everywhere >= Some(Role::Admin) && maker.deactivated_at.is_none());
    let person = db::access::principal(tx, reset.principal).await?;
    let is_active = person.is_some_and(|person| person.deactivated_at.is_none());
    if is_right && may && is_active && reset.expires_at > now {
        return Ok(reset);
    }
    let refused = no_reset().refusing(None);
    Err(if is_right { refused.of(reset.principal, None) } else { refused })
}

impl Engine {
    /// Sets another password for who knows the present one, and ends all their other sessions.
    pub async fn change_password(&self, actor: &Actor, wanted: ChangePassword) -> Result<()> {
        actor.ensure_whole()?;
        let id = actor.principal;
        let found = self.db().read(move |tx| Box::pin(async move { db::passwords::of(tx, id).await }));
        let account = found.await?;
        let hash = account.as_ref().map(|account| account.hash.clone());
        let is_right = self.passwords().verify(wanted.current, hash).await?;
        let account = account.filter(|_| is_right).ok_or_else(wrong)?;
        let name = sign_in_name(&account.sign_in_name)?;
        ensure_acceptable(&wanted.new, &name)?;
        let hash = self.passwords().hash(wanted.new).await?;
        let (clock, actor) = (self.clock(), actor.clone());
        let done = self.db().write(move |tx| {
            let (clock, actor, name, hash) = (clock.clone(), actor.clone(), name.clone(), hash.clone());
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                db::access::take_principals(tx).await?;
                db::access::actor_now(tx, &actor, now).await?.ensure_whole()?;
                let found = db::passwords::of(tx, id).await?;
                if found.is_none_or(|found| found.changes != account.changes) {
                    return Err(wrong());
                }
                tx.note(Entry::done("password.changed", &actor, now).about(id));
                set_password(tx, id, (&name, &hash), actor.session(), now).await
            })
        });
        done.await
    }

    /// Makes a token by which a person sets a new password, once and within a day; one made before is good no more. It takes
    /// an admin of the server, who learns no password by it.
    pub async fn create_reset(
        &self,
        actor: &Actor,
        person: PrincipalId,
        idempotency: Option<Idempotency>,
    ) -> Result<NewReset> {
        const RIGHT: Right = Right::Everywhere(Need::MANAGE);
        actor.may(RIGHT)?;
        let (clock, actor) = (self.clock(), actor.clone());
        let made = self.db().write(move |tx| {
            let (clock, actor, idempotency) = (clock.clone(), actor.clone(), idempotency.clone());
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                once(tx, idempotency, (&actor, RIGHT), clock.as_ref(), async |tx, actor| {
                    db::access::take_principals(tx).await?;
                    let found = db::access::principal(tx, person).await?;
                    let found = found.ok_or_else(|| principals::not_found(person))?;
                    if found.kind != PrincipalKind::Person {
                        return Err(Error::new(
                            Code::PersonNeeded,
                            "an agent has no password: make it a key",
                        ));
                    }
                    ensure_may_let_in(actor, &found)?;
                    let (token, expires_at) = (ResetToken::generate(now), now.plus(RESET));
                    let reset = Reset {
                        id: token.id(),
                        principal: person,
                        token_hash: token.hash(),
                        created_by: actor.principal,
                        expires_at,
                    };
                    tx.note(Entry::done("password.reset_offered", actor, now).about(person));
                    db::passwords::insert_reset(tx, &reset).await?;
                    Ok(NewReset { token: HiddenText::new(token.reveal()), expires_at })
                })
                .await
            })
        });
        made.await
    }

    /// Sets a new password for whom a token was made, and ends all their sessions. The token is good no more.
    pub async fn reset_password(&self, wanted: ResetPassword, origin: Option<Arc<Origin>>) -> Result<()> {
        let token: ResetToken = wanted.token.reveal().parse().map_err(|_| no_reset().refusing(None))?;
        let named = wanted.sign_in_name.as_deref().map(sign_in_name).transpose()?;
        let (looked, now) = (token.clone(), self.now());
        let found = self.db().read(move |tx| {
            let token = looked.clone();
            Box::pin(async move {
                let reset = open_reset(tx, &token, now).await?;
                db::passwords::of(tx, reset.principal).await
            })
        });
        let own = found.await?.map(|account| sign_in_name(&account.sign_in_name)).transpose()?;
        let needed =
            || Error::new(Code::InvalidSignInName, "`sign_in_name` is needed: this person has none yet");
        let name = named.or(own).ok_or_else(needed)?;
        ensure_acceptable(&wanted.password, &name)?;
        let hash = self.passwords().hash(wanted.password).await?;
        let clock = self.clock();
        let done = self.db().write(move |tx| {
            let (clock, token, name, hash) = (clock.clone(), token.clone(), name.clone(), hash.clone());
            let origin = origin.clone();
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                db::access::take_principals(tx).await?;
                let reset = open_reset(tx, &token, now).await?;
                let person = reset.principal;
                tx.note(Entry::done_by("password.reset", person, origin, now).about(person));
                set_password(tx, reset.principal, (&name, &hash), None, now).await
            })
        });
        done.await
    }
}
