//! Identities: people who sign in by what a provider of OpenID Connect says of them.
//!
//! Whether a provider's word is good is found out by who hands it in. Here it is decided whom it lets in: who has the identity,
//! and a new person where something else speaks for them. Nobody is ever found by an e-mail address or a name, which
//! providers let people choose.

use std::fmt::{self, Debug};
use std::sync::Arc;

use longshore_core::wire::{HiddenText, Identity, Page, Principal, PrincipalKind, SignedIn};
use longshore_core::{Code, IdentityId, InvitationToken, Name, PrincipalId, SessionToken, Timestamp};
use serde_json::json;

use crate::actor::{Actor, Origin, Right};
use crate::audit::Entry;
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::idempotency::{Idempotency, once};
use crate::invitations::{join_signed_in, parse};
use crate::narrowing::Need;
use crate::principals;
use crate::sessions::{Browser, Terms, begin};
use crate::words;

/// The most identities of one person.
const MOST: u32 = 20;
/// The most characters of what a provider calls somebody: OpenID Connect has no more.
const SUBJECT: usize = 255;
/// The most characters of an e-mail address.
const EMAIL: usize = 254;
/// What people are called of whom nothing else is known.
const NAMELESS: &str = "somebody";

/// Whom a provider has vouched for, once its word was found to be good. It prints nothing of the person.
#[derive(Clone, PartialEq, Eq)]
pub struct Vouched {
    /// The provider's issuer.
    pub issuer: String,
    /// What it calls the person, which never changes.
    pub subject: String,
    /// The person's e-mail address, for lists alone.
    pub email: Option<String>,
    /// What a new person is to be called: the first of these that can be a name.
    pub names: Vec<String>,
}

impl Debug for Vouched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vouched({})", self.issuer)
    }
}

/// Who is let in by an identity that nobody has yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Welcome {
    /// Nobody.
    Nobody,
    /// Whoever the provider vouches for, as a new person without any role.
    Newcomers,
    /// Who has this token of an invitation, as a new person. Who has the identity accepts by it too.
    Invited(HiddenText),
}

impl Vouched {
    /// Refuses what no identity can be made of.
    fn checked(self) -> Result<Self> {
        if !words::says(&self.subject, SUBJECT) {
            return Err(Error::new(Code::OidcRefused, "the provider names nobody that could be known again"));
        }
        let email = self.email.filter(|email| words::says(email, EMAIL));
        Ok(Self { email, ..self })
    }

    fn identity(&self, last_used_at: Option<Timestamp>, now: Timestamp) -> Identity {
        Identity {
            id: IdentityId::new(now),
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            email: self.email.clone(),
            created_at: now,
            last_used_at,
        }
    }

    fn newcomer(&self, now: Timestamp) -> Principal {
        let name = self.names.iter().find(|name| Name::new(name.as_str()).is_ok() && !name.trim().is_empty());
        Principal {
            id: PrincipalId::new(now),
            kind: PrincipalKind::Person,
            name: name.map_or(NAMELESS, String::as_str).to_owned(),
            everywhere: None,
            deactivated_at: None,
        }
    }
}

/// Of who was deactivated a stranger is told nothing.
fn unknown() -> Error {
    Error::new(Code::IdentityUnknown, "nobody here signs in by this identity: ask for an invitation")
}

fn not_found() -> Error {
    Error::new(Code::IdentityNotFound, "there is no such identity among those of this person")
}

/// Finds who signs in by an identity; where nobody does, makes a new person if there is to be one.
async fn let_in(
    tx: &mut Tx,
    vouched: &Vouched,
    is_welcome: bool,
    origin: Option<Arc<Origin>>,
    now: Timestamp,
) -> Result<Principal> {
    // Of two who come by one identity at once, the second finds what the first has made.
    db::access::take_principals(tx).await?;
    if let Some((identity, principal)) = db::identities::known(tx, &vouched.issuer, &vouched.subject).await? {
        if principal.deactivated_at.is_some() {
            return Err(unknown());
        }
        db::identities::used(tx, identity.id, vouched.email.as_deref(), now).await?;
        return Ok(principal);
    }
    if !is_welcome {
        return Err(unknown());
    }
    let newcomer = vouched.newcomer(now);
    db::access::insert_principal(tx, &newcomer, now).await?;
    db::identities::insert(tx, &vouched.identity(Some(now), now), newcomer.id).await?;
    let made = Entry::done_by("principal.created", newcomer.id, origin, now).about(newcomer.id);
    tx.note(made.with("kind", json!(newcomer.kind)));
    Ok(newcomer)
}

/// Removes a way in, and ends the sessions that may have begun by it.
async fn remove(
    tx: &mut Tx,
    principal: PrincipalId,
    id: IdentityId,
    actor: &Actor,
    now: Timestamp,
) -> Result<()> {
    if !db::identities::delete(tx, principal, id).await? {
        // Among one's own there is none that is somebody else's; to an admin nothing is withheld.
        let missing = not_found();
        return Err(if actor.principal == principal { missing.refusing(None) } else { missing });
    }
    let removed = Entry::done("identity.removed", actor, now).about(principal);
    tx.note(removed.with("identity_id", json!(id)));
    let own = actor.session().filter(|_| actor.principal == principal);
    db::sessions::end_all(tx, principal, own).await
}

impl Engine {
    /// Begins a session for whom a provider has vouched for. Of the secret that it returns, only the hash is kept.
    ///
    /// `IdentityUnknown` for an identity that nobody has and of a deactivated person alike.
    pub async fn sign_in_by_identity(
        &self,
        vouched: Vouched,
        welcome: Welcome,
        browser: Browser,
    ) -> Result<(SignedIn, SessionToken)> {
        let vouched = vouched.checked()?;
        let invitation: Option<InvitationToken> = match &welcome {
            Welcome::Invited(token) => Some(parse(token)?),
            Welcome::Nobody | Welcome::Newcomers => None,
        };
        let is_welcome = welcome != Welcome::Nobody;
        let (clock, terms) = (self.clock(), Terms::of(self.settings()));
        let begun = self.db().write(move |tx| {
            let (clock, browser) = (clock.clone(), browser.clone());
            let (vouched, invitation) = (vouched.clone(), invitation.clone());
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                let origin = browser.origin();
                let principal = let_in(tx, &vouched, is_welcome, origin.clone(), now).await?;
                let begun = begin(tx, principal, browser, terms, now).await?;
                match invitation {
                    Some(token) => Ok(join_signed_in(tx, &token, begun, origin, clock.as_ref()).await?.1),
                    None => Ok(begun),
                }
            })
        });
        begun.await
    }

    /// Lets who is signed in sign in by an identity from now on. One that they have already is as it was.
    pub async fn link_identity(&self, actor: &Actor, vouched: Vouched) -> Result<Identity> {
        actor.ensure_whole()?;
        let vouched = vouched.checked()?;
        let (clock, actor) = (self.clock(), actor.clone());
        let linked = self.db().write(move |tx| {
            let (clock, actor, vouched) = (clock.clone(), actor.clone(), vouched.clone());
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                db::access::take_principals(tx).await?;
                db::access::actor_now(tx, &actor, now).await?.ensure_whole()?;
                match db::identities::known(tx, &vouched.issuer, &vouched.subject).await? {
                    Some((identity, owner)) if owner.id == actor.principal => return Ok(identity),
                    Some(_) => {
                        let detail = "somebody else signs in by this identity: they must remove it first";
                        return Err(Error::new(Code::IdentityTaken, detail));
                    }
                    None => {}
                }
                if db::identities::list(tx, actor.principal, MOST).await?.len() >= MOST as usize {
                    let detail = format!("a person has at most {MOST} identities: remove one first");
                    return Err(Error::new(Code::TooManyIdentities, detail));
                }
                let identity = vouched.identity(None, now);
                db::identities::insert(tx, &identity, actor.principal).await?;
                let linked = Entry::done("identity.linked", &actor, now).about(actor.principal);
                tx.note(linked.with("identity_id", json!(identity.id)));
                Ok(identity)
            })
        });
        linked.await
    }

    /// Lists one's own identities, the oldest first: there are never more than 20.
    pub async fn list_identities(&self, actor: &Actor) -> Result<Page<Identity>> {
        actor.ensure_whole()?;
        self.identities_of(actor.principal).await
    }

    /// Lists the identities of a person, for an admin of the server.
    pub async fn list_identities_of(&self, actor: &Actor, person: PrincipalId) -> Result<Page<Identity>> {
        self.principal(actor, person).await?;
        self.identities_of(person).await
    }

    async fn identities_of(&self, person: PrincipalId) -> Result<Page<Identity>> {
        let found =
            self.db().read(move |tx| Box::pin(async move { db::identities::list(tx, person, MOST).await }));
        Ok(Page { items: found.await?, next_cursor: None })
    }

    /// Removes one of one's own identities, and ends all one's sessions but the one that asks. The last way in of who has no
    /// password stays.
    pub async fn remove_identity(&self, actor: &Actor, id: IdentityId) -> Result<()> {
        actor.ensure_whole()?;
        let (clock, actor) = (self.clock(), actor.clone());
        let removed = self.db().write(move |tx| {
            let (clock, actor) = (clock.clone(), actor.clone());
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                // Of two who each remove another of the last two, one has waited here.
                db::access::take_principals(tx).await?;
                db::access::actor_now(tx, &actor, now).await?.ensure_whole()?;
                let own = actor.principal;
                remove(tx, own, id, &actor, now).await?;
                let has_other = db::passwords::of(tx, own).await?.is_some()
                    || !db::identities::list(tx, own, 1).await?.is_empty();
                if has_other {
                    return Ok(());
                }
                let detail = "there is no password and no other identity to sign in by: add one first";
                Err(Error::new(Code::LastWayIn, detail))
            })
        });
        removed.await
    }

    /// Removes an identity of a person, and ends all their sessions, for an admin of the server: the last one too, as a new
    /// password lets them in again.
    pub async fn remove_identity_of(
        &self,
        actor: &Actor,
        person: PrincipalId,
        id: IdentityId,
        idempotency: Option<Idempotency>,
    ) -> Result<()> {
        const RIGHT: Right = Right::Everywhere(Need::MANAGE);
        actor.may(RIGHT)?;
        let (clock, actor) = (self.clock(), actor.clone());
        let removed = self.db().write(move |tx| {
            let (clock, actor, idempotency) = (clock.clone(), actor.clone(), idempotency.clone());
            Box::pin(async move {
                once(tx, idempotency, (&actor, RIGHT), clock.as_ref(), async |tx, actor| {
                    // Who is just being let in by it has a session by then, which ends.
                    db::access::take_principals(tx).await?;
                    let found = db::access::principal(tx, person).await?;
                    found.ok_or_else(|| principals::not_found(person))?;
                    let now = tx.now(clock.as_ref()).await?;
                    remove(tx, person, id, actor, now).await
                })
                .await
            })
        });
        removed.await
    }
}
