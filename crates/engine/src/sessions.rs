//! Sessions: signing in, knowing who is signed in, and signing out.
//!
//! A session has all the rights of its person. Only the hash of its secret is kept; one that has ended is not kept at all.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use longshore_core::wire::{HiddenText, Page, Principal, Session, SignIn, SignedIn};
use longshore_core::{Code, PrincipalId, SessionId, SessionToken, SignInName, Timestamp};

use crate::actor::{Actor, Credential, Origin};
use crate::audit::Entry;
use crate::db::sessions::{KnownSession, ended};
use crate::db::{self, Tx};
use crate::engine::{Engine, Settings};
use crate::error::{Error, Result};

/// The most sessions of one person: the oldest ends for one more.
const MOST: u32 = 100;
/// How exactly it is known when a session was last used: not each request is a write.
const SEEN_EVERY: Duration = Duration::from_mins(5);
/// The most characters that are kept of what a browser calls itself.
const USER_AGENT: usize = 200;

/// Where somebody signs in, for the list of their sessions.
#[derive(Clone, Debug, Default)]
pub struct Browser {
    address: Option<String>,
    user_agent: Option<String>,
    origin: Option<Arc<Origin>>,
}

impl Browser {
    /// Takes what is known of a browser: of what it calls itself the first 200 characters.
    #[must_use]
    pub fn new(address: Option<IpAddr>, user_agent: Option<&str>) -> Self {
        let cut = |text: &str| text.chars().filter(|one| !one.is_control()).take(USER_AGENT).collect();
        Self {
            address: address.map(|address| address.to_canonical().to_string()),
            user_agent: user_agent.map(cut),
            origin: None,
        }
    }

    pub(crate) fn origin(&self) -> Option<Arc<Origin>> {
        self.origin.clone()
    }

    /// Returns this browser, sending a request.
    #[must_use]
    pub fn in_request(self, origin: Arc<Origin>) -> Self {
        Self { origin: Some(origin), ..self }
    }
}

/// How long sessions last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    idle: Duration,
    length: Duration,
}

impl Terms {
    pub(crate) const fn of(settings: &Settings) -> Self {
        Self { idle: settings.session_idle, length: settings.session_length }
    }
}

/// Who was let in, and what their browser is to show from now on.
pub(crate) type LetIn = (SignedIn, SessionToken);

/// Begins a session of a person, as a transaction has found that they may.
pub(crate) async fn begin(
    tx: &mut Tx,
    principal: Principal,
    browser: Browser,
    terms: Terms,
    now: Timestamp,
) -> Result<LetIn> {
    db::sessions::make_room(tx, principal.id, now, MOST).await?;
    let token = SessionToken::generate(now);
    let session = Session {
        id: token.id(),
        created_at: now,
        seen_at: now,
        idle_ends_at: now.plus(terms.idle),
        ends_at: now.plus(terms.length),
        address: browser.address,
        user_agent: browser.user_agent,
        current: true,
    };
    let entry = Entry::done_by("session.began", principal.id, browser.origin, now);
    tx.note(entry.in_session(session.id).about(session.id));
    db::sessions::insert(tx, &session, principal.id, token.hash()).await?;
    let csrf_token = HiddenText::new(token.csrf_token());
    Ok((SignedIn { principal, session, csrf_token }, token))
}

fn failed() -> Error {
    Error::new(Code::SignInFailed, "the name or the password is wrong")
}

fn failed_as(principal: PrincipalId) -> Error {
    failed().of(principal, None)
}

fn not_found() -> Error {
    Error::new(Code::SessionNotFound, "there is no such session among your own")
}

/// For a key there is no session to be found.
fn no_session() -> Error {
    not_found().refusing(None)
}

impl Engine {
    /// Begins a session for who knows a name and its password. Of the secret that it returns, only the hash is kept.
    ///
    /// `SignInFailed` for a name that nobody has, a wrong password and a deactivated person alike, after the same work.
    pub async fn sign_in(&self, wanted: SignIn, browser: Browser) -> Result<(SignedIn, SessionToken)> {
        let name = SignInName::new(&wanted.name).ok();
        let account = match name.clone() {
            None => None,
            Some(name) => {
                let found = self.db().read(move |tx| {
                    let name = name.clone();
                    Box::pin(async move { db::passwords::named(tx, &name).await })
                });
                found.await?
            }
        };
        // Whom somebody tried to sign in as is for the audit log alone; a name that nobody has is not for any log: it may be a
        // password.
        let meant = account.as_ref().map(|account| account.principal.id);
        let failed = || meant.map_or_else(failed, failed_as);
        let account = account.filter(|account| account.principal.deactivated_at.is_none());
        let hash = account.as_ref().map(|account| account.hash.clone());
        let is_right = self.passwords().verify(wanted.password.clone(), hash).await?;
        let account = account.filter(|_| is_right).ok_or_else(failed)?;
        let fresh = match self.passwords().is_outdated(&account.hash) {
            true => Some(self.passwords().hash(wanted.password).await?),
            false => None,
        };
        let (clock, terms) = (self.clock(), Terms::of(self.settings()));
        let begun = self.db().write(move |tx| {
            let (clock, browser) = (clock.clone(), browser.clone());
            let (account, fresh) = (account.clone(), fresh.clone());
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                // Who is deactivated, or gets another password, meanwhile has no session afterwards.
                db::access::take_principals(tx).await?;
                let id = account.principal.id;
                let found = db::passwords::of(tx, id).await?.filter(|found| {
                    found.changes == account.changes && found.principal.deactivated_at.is_none()
                });
                let found = found.ok_or_else(|| failed_as(id))?;
                if let Some(fresh) = &fresh {
                    db::passwords::rehash(tx, id, &account.hash, fresh).await?;
                }
                begin(tx, found.principal, browser, terms, now).await
            })
        });
        begun.await
    }

    /// Finds out who is signed in with a session's secret; notes that the session was used.
    pub async fn authenticate_session(&self, token: &SessionToken) -> Result<Actor> {
        let known = self.find_session(token.id()).await?;
        if !token.has_hash(&known.secret_hash) {
            return Err(ended());
        }
        let now = self.now();
        let whose = (known.principal.id, Credential::Session(token.id()));
        known.ensure_valid(now).map_err(|error| error.of(whose.0, whose.1))?;
        if now.since(known.session.seen_at) >= SEEN_EVERY {
            let (id, idle) = (token.id(), Terms::of(self.settings()).idle);
            let noted = self.db().write(move |tx| {
                Box::pin(async move { db::sessions::touch(tx, id, now, now.plus(idle)).await })
            });
            // Who only reads is not refused because nothing can be written just now.
            if let Err(error) = noted.await {
                tracing::warn!(%error, "the use of a session was not noted");
            }
        }
        Ok(known.actor())
    }

    /// Returns who acts in a session, for what was made in it and holds as long as it does.
    pub(crate) async fn actor_in_session(&self, id: SessionId) -> Result<Actor> {
        let known = self.find_session(id).await?;
        known.ensure_valid(self.now())?;
        Ok(known.actor())
    }

    /// Sessions are asked for anew each time: one that has ended, here or elsewhere, has ended for all at once.
    async fn find_session(&self, id: SessionId) -> Result<KnownSession> {
        let found = self.db().read(move |tx| Box::pin(async move { db::sessions::known(tx, id).await }));
        found.await?.ok_or_else(ended)
    }

    /// Tells who is signed in; `SessionNotFound` for who acts with a key.
    pub async fn signed_in(&self, actor: &Actor) -> Result<(Principal, Session)> {
        let id = actor.session().ok_or_else(no_session)?;
        let known = self.find_session(id).await?;
        Ok((known.principal, Session { current: true, ..known.session }))
    }

    /// Lists one's own sessions, the newest first: there are never more than 100.
    pub async fn list_sessions(&self, actor: &Actor) -> Result<Page<Session>> {
        actor.ensure_whole()?;
        let (principal, own, now) = (actor.principal, actor.session(), self.now());
        let found = self
            .db()
            .read(move |tx| Box::pin(async move { db::sessions::list(tx, principal, now, MOST).await }));
        let mut items = found.await?;
        items.iter_mut().for_each(|session| session.current = own == Some(session.id));
        Ok(Page { items, next_cursor: None })
    }

    /// Ends the session that asks.
    pub async fn sign_out(&self, actor: &Actor) -> Result<()> {
        let id = actor.session().ok_or_else(no_session)?;
        self.end_session(actor, id).await
    }

    /// Ends one of one's own sessions: from now on it is refused, also in the transactions of what is under way in it.
    pub async fn end_session(&self, actor: &Actor, id: SessionId) -> Result<()> {
        actor.ensure_whole()?;
        let ended = self.as_oneself(actor, move |tx, actor, now| {
            Box::pin(async move {
                let ended = db::sessions::end(tx, actor.principal, id).await?;
                if ended {
                    tx.note(Entry::done("session.ended", actor, now).about(id));
                }
                Ok(ended)
            })
        });
        // It may be somebody else's.
        if ended.await? { Ok(()) } else { Err(no_session()) }
    }

    /// Ends all of one's own sessions but the one that asks.
    pub async fn end_other_sessions(&self, actor: &Actor) -> Result<()> {
        actor.ensure_whole()?;
        let own = actor.session();
        self.as_oneself(actor, move |tx, actor, now| {
            Box::pin(async move {
                tx.note(Entry::done("session.others_ended", actor, now).about(actor.principal));
                db::sessions::end_all(tx, actor.principal, own).await
            })
        })
        .await
    }

    /// Runs a write that is about who acts themselves, if they still may.
    async fn as_oneself<T: Send + 'static>(
        &self,
        actor: &Actor,
        work: impl for<'t> Fn(&'t mut Tx, &'t Actor, Timestamp) -> db::Working<'t, T> + Copy + Send + 'static,
    ) -> Result<T> {
        let (clock, actor) = (self.clock(), actor.clone());
        let done = self.db().write(move |tx| {
            let (clock, actor) = (clock.clone(), actor.clone());
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                db::access::actor_now(tx, &actor, now).await?.ensure_whole()?;
                work(tx, &actor, now).await
            })
        });
        done.await
    }
}
