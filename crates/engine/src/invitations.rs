//! Invitations: who is an admin of a workspace has others join it, be they known here or new.
//!
//! An invitation is good once. Whether who made it may still invite is asked again when it is looked at and accepted.

use std::sync::Arc;
use std::time::Duration;

use longshore_core::wire::{
    AcceptInvitation, CreateInvitation, HiddenText, Invitation, InvitationState, LONGEST_INVITATION,
    LookedAt, Member, NewInvitation, Page, Principal, PrincipalKind, Role, SignedIn,
};
use longshore_core::{
    Clock, Code, InvitationId, InvitationToken, Name, PrincipalId, SessionToken, SignInName, Timestamp,
    WorkspaceId,
};
use serde_json::json;

use crate::accounts::set_password;
use crate::act::{Act, Ask, Premises, Scope};
use crate::actor::{Actor, Credential, Origin};
use crate::db::events::{Change, Log};
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::hooks;
use crate::listing::PageRequest;
use crate::members::{ensure_may_give, raise_by};
use crate::narrowing::Need;
use crate::passwords::{ensure_acceptable, sign_in_name};
use crate::sessions::{Browser, LetIn, Terms, begin};
use crate::words;

/// The most invitations into one workspace that are kept.
const MOST: u32 = 1_000;
/// How long an invitation is listed after its time was over.
const LISTED: Duration = Duration::from_hours(30 * 24);
/// The most characters of a note.
const NOTE: usize = 200;

fn not_found() -> Error {
    Error::new(Code::InvitationNotFound, "no such invitation")
}

/// A token that is none.
fn unknown() -> Error {
    not_found().refusing(None)
}

/// Of what has ended an invitation nobody is told.
fn ended() -> Error {
    Error::new(Code::InvitationEnded, "the invitation has ended: ask for a new one")
}

fn change(kind: &'static str, invitation: &Invitation) -> Change {
    let Invitation { id, role, .. } = invitation;
    Change::of_workspace(kind).with("invitation_id", json!(id)).with("role", json!(role))
}

/// Finds the invitation of a token, whatever has become of it.
async fn of_token(tx: &mut Tx, token: &InvitationToken, now: Timestamp) -> Result<Invitation> {
    let known = db::invitations::known(tx, token.id(), now).await?.ok_or_else(unknown)?;
    if token.has_hash(&known.token_hash) { Ok(known.invitation) } else { Err(unknown()) }
}

/// Refuses an invitation that is not open, or whose maker may invite no more with this role; returns the maker's name.
async fn ensure_open(tx: &mut Tx, invitation: &Invitation) -> Result<String> {
    if invitation.state != InvitationState::Open {
        return Err(ended());
    }
    let maker = db::invitations::standing(tx, invitation.created_by, invitation.workspace_id).await?;
    let (name, _) = maker.filter(|(_, role)| *role >= Role::Admin.max(invitation.role)).ok_or_else(ended)?;
    Ok(name)
}

async fn create(act: &mut Act<'_>, wanted: CreateInvitation) -> Result<NewInvitation> {
    let (workspace_id, now) = (act.log.workspace(), act.now());
    ensure_may_give(act.actor(), workspace_id, wanted.role)?;
    act.actor().narrowing().ensure_may_give(wanted.role)?;
    let before = now.minus(LISTED);
    if db::invitations::count(act.tx, workspace_id, before, MOST).await? >= u64::from(MOST) {
        let detail = format!("the workspace has as many invitations as may be: {MOST}");
        return Err(Error::new(Code::TooManyInvitations, detail));
    }
    let token = InvitationToken::generate(now);
    let invitation = Invitation {
        id: token.id(),
        workspace_id,
        role: wanted.role,
        note: wanted.note,
        created_by: act.actor().principal,
        created_at: now,
        expires_at: now.plus(Duration::from_secs(wanted.expires_in)),
        state: InvitationState::Open,
        accepted_by: None,
    };
    db::invitations::insert(act.tx, &invitation, token.hash()).await?;
    act.record(change("invitation.created", &invitation)).await?;
    Ok(NewInvitation { invitation, token: HiddenText::new(token.reveal()) })
}

/// Accepts in the name of somebody who is known; returns the member that they are now.
async fn join(
    tx: &mut Tx,
    invitation: Invitation,
    (log, principal): (&mut Log, &Principal),
) -> Result<Member> {
    let added = (principal, invitation.role);
    let member = raise_by(tx, log, added, invitation.created_by).await?;
    let (id, now) = (invitation.id, log.now());
    db::invitations::end(tx, id, InvitationState::Accepted, Some(principal.id), now).await?;
    log.append(tx, change("invitation.accepted", &invitation).with("principal_id", json!(principal.id)))
        .await?;
    Ok(member)
}

/// Opens the log of the workspace that a token leads to, which makes all who accept it follow each other, and finds the
/// invitation as it is then.
async fn open(
    tx: &mut Tx,
    token: &InvitationToken,
    actor: impl FnOnce(WorkspaceId) -> Actor,
    clock: &dyn Clock,
) -> Result<(Log, Invitation)> {
    let now = tx.now(clock).await?;
    let workspace = of_token(tx, token, now).await?.workspace_id;
    let log = Log::open(tx, workspace, actor(workspace), clock).await?;
    let invitation = of_token(tx, token, log.now()).await?;
    ensure_open(tx, &invitation).await?;
    Ok((log, invitation))
}

async fn finish(tx: &mut Tx, log: Log) -> Result<()> {
    hooks::announce(tx, &log).await?;
    log.close(tx).await
}

/// Accepts in the name of who has just been let in, in the transaction that let them in: where the invitation is good no
/// more, they are not.
pub(crate) async fn join_signed_in(
    tx: &mut Tx,
    token: &InvitationToken,
    begun: LetIn,
    origin: Option<Arc<Origin>>,
    clock: &dyn Clock,
) -> Result<(Member, LetIn)> {
    let (SignedIn { principal, session, .. }, _) = &begun;
    let by = Credential::Session(session.id);
    let actor = |workspace| Actor::admin_of(workspace, principal.id, by).in_request(origin);
    let (mut log, invitation) = open(tx, token, actor, clock).await?;
    let member = join(tx, invitation, (&mut log, principal)).await?;
    finish(tx, log).await?;
    Ok((member, begun))
}

/// Somebody new, as they want to be known.
#[derive(Clone, Debug)]
struct Newcomer {
    name: String,
    sign_in_name: SignInName,
    password: HiddenText,
}

impl Newcomer {
    fn of(wanted: AcceptInvitation) -> Result<Self> {
        let needed = "who shows neither key nor session needs `sign_in_name` and `password`";
        let (Some(name), Some(password)) = (wanted.sign_in_name, wanted.password) else {
            return Err(Error::new(Code::InvalidBody, needed));
        };
        let sign_in_name = sign_in_name(&name)?;
        ensure_acceptable(&password, &sign_in_name)?;
        let name = match wanted.name {
            Some(name) => Name::new(name)?.as_str().to_owned(),
            None => sign_in_name.as_str().to_owned(),
        };
        Ok(Self { name, sign_in_name, password })
    }
}

pub(crate) fn parse(token: &HiddenText) -> Result<InvitationToken> {
    token.reveal().parse().map_err(|_| unknown())
}

impl Engine {
    /// Invites into a workspace; the token is in the answer and nowhere else. It takes an admin, and nobody invites with a role
    /// above their own or the owner's.
    pub async fn create_invitation(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        wanted: CreateInvitation,
        premises: Premises,
    ) -> Result<NewInvitation> {
        let ask = Ask { actor, need: Need::MANAGE, scope: Scope::Workspace(workspace), premises };
        actor.needs(workspace, Need::MANAGE)?;
        if wanted.expires_in == 0 || wanted.expires_in > LONGEST_INVITATION {
            let detail = format!("`expires_in` is 1 to {LONGEST_INVITATION} seconds");
            return Err(Error::new(Code::InvalidBody, detail));
        }
        words::check("note", wanted.note.as_deref(), NOTE)?;
        self.act(ask, wanted, |act, wanted| Box::pin(create(act, wanted))).await
    }

    /// Lists the invitations into a workspace, the oldest first, for its admins: those that have ended too, until 30 days after
    /// their time.
    pub async fn list_invitations(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        page: PageRequest,
    ) -> Result<Page<Invitation>> {
        actor.needs(workspace, Need::MANAGE)?;
        let (limit, after, now) = (page.limit(), self.after(&page)?, self.now());
        let items = self.db().read(move |tx| {
            let after = after.clone();
            Box::pin(async move { db::invitations::list(tx, workspace, &after, limit, now).await })
        });
        self.page_by(&page, items.await?, |invitation| invitation.id.to_string())
    }

    /// Revokes an invitation, for an admin of its workspace; one that has ended already stays as it is.
    pub async fn revoke_invitation(&self, actor: &Actor, id: InvitationId, premises: Premises) -> Result<()> {
        let now = self.now();
        let found =
            self.db().read(move |tx| Box::pin(async move { db::invitations::known(tx, id, now).await }));
        let workspace = found.await?.ok_or_else(not_found)?.invitation.workspace_id;
        if !actor.reaches(workspace) {
            return Err(not_found().refusing(workspace));
        }
        let ask = Ask { actor, need: Need::MANAGE, scope: Scope::Workspace(workspace), premises };
        self.act(ask, (), move |act, ()| {
            Box::pin(async move {
                let now = act.now();
                let known = db::invitations::known(act.tx, id, now).await?.ok_or_else(not_found)?;
                if known.invitation.state == InvitationState::Open {
                    db::invitations::end(act.tx, id, InvitationState::Revoked, None, now).await?;
                    act.record(change("invitation.revoked", &known.invitation)).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Tells who has a token what it invites to.
    ///
    /// `InvitationNotFound` for what is no token of an invitation, `InvitationEnded` where it is good no more, whatever ended it.
    pub async fn look_at_invitation(&self, token: &HiddenText) -> Result<LookedAt> {
        let (token, now) = (parse(token)?, self.now());
        let found = self.db().read(move |tx| {
            let token = token.clone();
            Box::pin(async move {
                let invitation = of_token(tx, &token, now).await?;
                let invited_by = ensure_open(tx, &invitation).await?;
                let workspace = db::workspaces::get(tx, invitation.workspace_id).await?.ok_or_else(ended)?;
                let Invitation { role, expires_at, .. } = invitation;
                Ok(LookedAt { workspace: workspace.name, role, invited_by, expires_at })
            })
        });
        found.await
    }

    /// Declines an invitation, for who has its token.
    pub async fn decline_invitation(&self, token: &HiddenText, origin: Option<Arc<Origin>>) -> Result<()> {
        let (token, clock) = (parse(token)?, self.clock());
        let done = self.db().write(move |tx| {
            let (token, clock, origin) = (token.clone(), clock.clone(), origin.clone());
            Box::pin(async move {
                let nobody = |workspace| Actor::longshore(workspace).in_request(origin);
                let (mut log, invitation) = open(tx, &token, nobody, clock.as_ref()).await?;
                let now = log.now();
                db::invitations::end(tx, invitation.id, InvitationState::Declined, None, now).await?;
                log.append(tx, change("invitation.declined", &invitation)).await?;
                finish(tx, log).await
            })
        });
        done.await
    }

    /// Makes who acts a member of the workspace that an invitation is to; who has a greater role there keeps it.
    pub async fn accept_invitation(&self, actor: &Actor, wanted: AcceptInvitation) -> Result<Member> {
        if wanted.name.is_some() || wanted.sign_in_name.is_some() || wanted.password.is_some() {
            let detail = "who shows a key or a session has a name already: `token` is all that is needed";
            return Err(Error::new(Code::InvalidBody, detail));
        }
        let (token, clock, by) = (parse(&wanted.token)?, self.clock(), actor.clone());
        let joined = self.db().write(move |tx| {
            let (token, clock, actor) = (token.clone(), clock.clone(), by.clone());
            Box::pin(async move {
                let id = actor.principal;
                let (mut log, invitation) = open(tx, &token, |_| actor, clock.as_ref()).await?;
                log.actor().ensure_may_join(invitation.role)?;
                let principal = db::access::principal(tx, id).await?;
                let principal = principal.ok_or_else(|| crate::principals::not_found(id))?;
                let member = join(tx, invitation, (&mut log, &principal)).await?;
                finish(tx, log).await?;
                Ok(member)
            })
        });
        joined.await
    }

    /// Makes a new person a member of the workspace that an invitation is to, and signs them in.
    pub async fn accept_as_newcomer(
        &self,
        wanted: AcceptInvitation,
        browser: Browser,
    ) -> Result<(Member, SignedIn, SessionToken)> {
        let token = parse(&wanted.token)?;
        // Nobody has passwords hashed who was not invited.
        self.look_at_invitation(&wanted.token).await?;
        let newcomer = Newcomer::of(wanted)?;
        let hash = self.passwords().hash(newcomer.password.clone()).await?;
        let (clock, terms) = (self.clock(), Terms::of(self.settings()));
        let joined = self.db().write(move |tx| {
            let (clock, token, newcomer) = (clock.clone(), token.clone(), newcomer.clone());
            let (hash, browser) = (hash.clone(), browser.clone());
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                db::access::take_principals(tx).await?;
                let principal = Principal {
                    id: PrincipalId::new(now),
                    kind: PrincipalKind::Person,
                    name: newcomer.name,
                    everywhere: None,
                    deactivated_at: None,
                };
                db::access::insert_principal(tx, &principal, now).await?;
                let origin = browser.origin();
                set_password(tx, principal.id, (&newcomer.sign_in_name, &hash), None, now).await?;
                let begun = begin(tx, principal, browser, terms, now).await?;
                let (member, (signed_in, secret)) =
                    join_signed_in(tx, &token, begun, origin, clock.as_ref()).await?;
                Ok((member, signed_in, secret))
            })
        });
        joined.await
    }
}
