//! Transfers: the owner of a workspace, or an admin of the server, offers it; whoever brings the token becomes its owner.
//!
//! Of the token a hash alone is kept, and it travels in bodies alone. A workspace has one open offer; a new one takes the
//! place of the last. An offer holds while who made it may still make it: it is dead once they are deactivated, once the
//! workspace has another owner, and once its time is over.

use longshore_core::key::ClaimToken;
use longshore_core::wire::{
    LONGEST_OFFER, NewTransfer, OfferTransfer, Role, Transfer, TransferManifest, TransferState,
};
use longshore_core::{Code, PrincipalId, Timestamp, WorkspaceId};
use serde_json::json;

use crate::act::{Act, Ask, Premises, Scope};
use crate::actor::{Actor, Right};
use crate::db::events::{Change, Log};
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::hooks;
use crate::idempotency::{self, Idempotency, Turn};
use crate::members::{self, ensure_room};
use crate::narrowing::Need;
use crate::purge::days;
use crate::{principals, words, workspaces};

/// The most characters of what is said with an offer.
const NOTE: usize = 500;

/// How many of a kind a manifest counts.
const COUNTED: u32 = 100_000;

/// For how many days an offer that has ended is told as one that has.
const REMEMBERED: u32 = 30;

fn not_found(detail: impl Into<String>) -> Error {
    Error::new(Code::TransferNotFound, detail)
}

fn ended(why: &str) -> Error {
    Error::new(Code::TransferEnded, format!("the offer holds no longer: {why}"))
}

fn check(wanted: &OfferTransfer) -> Result<()> {
    if !(1..=LONGEST_OFFER).contains(&wanted.expires_in) {
        let detail = format!("`expires_in` is 1 to {LONGEST_OFFER} seconds");
        return Err(Error::new(Code::InvalidBody, detail));
    }
    if wanted.note.as_ref().is_some_and(|note| !words::says(note, NOTE)) {
        let detail = format!("`note` has 1 to {NOTE} characters, not only blanks and no control characters");
        return Err(Error::new(Code::InvalidBody, detail));
    }
    Ok(())
}

/// Refuses who neither owns the workspace nor administers the server.
fn ensure_may_offer(actor: &Actor, workspace: WorkspaceId) -> Result<()> {
    if actor.role_in(workspace) == Some(Role::Owner) {
        return Ok(());
    }
    actor.may(Right::Everywhere(Need::MANAGE)).map_err(|_| {
        Error::new(Code::Forbidden, "this takes the owner of the workspace, or an admin of the server")
    })
}

/// Says how an offer stands at a time.
fn as_of(transfer: Transfer, now: Timestamp) -> Transfer {
    let is_over = transfer.state == TransferState::Open && transfer.expires_at <= now;
    let state = if is_over { TransferState::Expired } else { transfer.state };
    Transfer { state, ..transfer }
}

fn change(kind: &'static str, transfer: &Transfer) -> Change {
    Change::of_workspace(kind).with("transfer_id", json!(transfer.id)).with("giver", json!(transfer.giver))
}

/// Takes an open offer back, where there is one; tells whether.
async fn revoke(act: &mut Act<'_>) -> Result<bool> {
    let last = db::transfers::last(act.tx, act.log.workspace()).await?;
    let Some(open) = last.filter(|last| last.state == TransferState::Open) else { return Ok(false) };
    let (by, now) = (act.actor().principal, act.now());
    db::transfers::end(act.tx, open.id, TransferState::Revoked, (by, now)).await?;
    act.record(change("transfer.revoked", &open)).await?;
    Ok(true)
}

async fn offer(act: &mut Act<'_>, wanted: OfferTransfer) -> Result<NewTransfer> {
    let (workspace, now, by) = (act.log.workspace(), act.now(), act.actor().principal);
    ensure_may_offer(act.actor(), workspace)?;
    act.actor().narrowing().ensure_may_give(Role::Owner)?;
    db::transfers::forget(act.tx, workspace, now.minus(days(REMEMBERED))).await?;
    revoke(act).await?;
    let giver = db::members::owner(act.tx, workspace).await?;
    let token = ClaimToken::generate(now);
    let transfer = Transfer {
        id: token.id(),
        workspace_id: workspace,
        giver: giver.ok_or_else(|| Error::corrupt("a workspace without an owner"))?,
        offered_by: by,
        note: wanted.note,
        offered_at: now,
        expires_at: now.plus(std::time::Duration::from_secs(wanted.expires_in)),
        state: TransferState::Open,
        ended_at: None,
        ended_by: None,
    };
    db::transfers::insert(act.tx, &transfer, token.hash()).await?;
    let change = change("transfer.offered", &transfer)
        .with("expires_at", json!(transfer.expires_at))
        .with("note", json!(transfer.note));
    act.record(change).await?;
    Ok(NewTransfer { transfer, token: token.reveal().to_owned() })
}

/// What is done with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Accept,
    Decline,
}

/// Finds the offer that a token belongs to, for who may do something about its workspace with their key.
async fn find(tx: &mut Tx, actor: &Actor, token: &ClaimToken) -> Result<Transfer> {
    let unknown = || not_found("the token belongs to no offer").refusing(None);
    let row = db::transfers::get(tx, token.id()).await?.ok_or_else(unknown)?;
    if !token.has_hash(&row.token_hash) {
        return Err(unknown());
    }
    if actor.only().is_some_and(|own| own != row.transfer.workspace_id) {
        let detail = "the key is narrowed to another workspace than the one that is offered";
        return Err(Error::new(Code::Forbidden, detail).refusing(row.transfer.workspace_id));
    }
    let workspace = row.transfer.workspace_id;
    actor.narrowing().allow(Need::MANAGE).map_err(|error| error.within(workspace))?;
    // It makes an owner: a key that only reads is for no such thing.
    if actor.cap() < Role::Editor {
        let detail = "a key that only reads answers no offer";
        return Err(Error::new(Code::Forbidden, detail).refusing(workspace));
    }
    Ok(row.transfer)
}

/// Refuses an offer that has ended, or that its maker could make no more.
async fn ensure_holds(tx: &mut Tx, transfer: &Transfer, now: Timestamp) -> Result<()> {
    match as_of(transfer.clone(), now).state {
        TransferState::Open => {}
        TransferState::Accepted => return Err(ended("it was accepted")),
        TransferState::Declined => return Err(ended("it was declined")),
        TransferState::Revoked => return Err(ended("it was revoked")),
        TransferState::Expired => return Err(ended("its time is over")),
    }
    if db::members::owner(tx, transfer.workspace_id).await? != Some(transfer.giver) {
        return Err(ended("who gives the workspace away owns it no longer"));
    }
    let maker = db::access::principal(tx, transfer.offered_by).await?;
    let maker = maker.ok_or_else(|| principals::not_found(transfer.offered_by))?;
    if maker.deactivated_at.is_some() {
        return Err(ended("who made it was deactivated"));
    }
    if maker.id != transfer.giver && maker.everywhere < Some(Role::Admin) {
        return Err(ended("who made it administers the server no longer"));
    }
    Ok(())
}

/// Makes a principal the owner; the giver stays as an admin.
async fn hand_over(tx: &mut Tx, log: &mut Log, transfer: &Transfer, to: PrincipalId) -> Result<()> {
    let (workspace, now) = (log.workspace(), log.now());
    // There is one owner at every moment: first nobody is.
    db::members::set_role(tx, workspace, transfer.giver, Role::Admin).await?;
    let before = db::members::get(tx, workspace, to).await?.map(|member| member.role);
    match before {
        Some(_) => db::members::set_role(tx, workspace, to, Role::Owner).await?,
        None => {
            members::ensure_room_for_member(tx, workspace).await?;
            ensure_room(tx, to).await?;
            db::members::insert(tx, (workspace, to), Role::Owner, transfer.offered_by, now).await?;
        }
    }
    let accepted = change("transfer.accepted", transfer).with("owner", json!(to));
    log.append(tx, accepted).await?;
    let giver = members::change("member.changed", transfer.giver, Role::Admin);
    log.append(tx, giver.with("from", json!(Role::Owner))).await?;
    let owner = match before {
        Some(role) => members::change("member.changed", to, Role::Owner).with("from", json!(role)),
        None => members::change("member.added", to, Role::Owner),
    };
    log.append(tx, owner).await.map(drop)
}

async fn answer(
    tx: &mut Tx,
    actor: &Actor,
    token: &ClaimToken,
    wanted: Answer,
    clock: &dyn longshore_core::Clock,
) -> Result<Transfer> {
    let seen = find(tx, actor, token).await?;
    let mut log = Log::open(tx, seen.workspace_id, actor.clone(), clock).await?;
    // As it is now that nobody else writes to the workspace: of many who come at once one finds it open.
    let transfer = find(tx, actor, token).await?;
    let (now, by) = (log.now(), actor.principal);
    ensure_holds(tx, &transfer, now).await?;
    if by == transfer.giver {
        let detail = "the workspace is yours: another is to answer, and who offers takes back by revoking";
        return Err(Error::new(Code::TransferToSelf, detail));
    }
    let state = match wanted {
        Answer::Accept => TransferState::Accepted,
        Answer::Decline => TransferState::Declined,
    };
    db::transfers::end(tx, transfer.id, state, (by, now)).await?;
    match wanted {
        Answer::Accept => hand_over(tx, &mut log, &transfer, by).await?,
        Answer::Decline => log.append(tx, change("transfer.declined", &transfer)).await.map(drop)?,
    }
    hooks::announce(tx, &log).await?;
    log.close(tx).await?;
    Ok(Transfer { state, ended_at: Some(now), ended_by: Some(by), ..transfer })
}

fn parse(token: &str) -> Result<ClaimToken> {
    token.trim().parse().map_err(|error| Error::new(Code::InvalidBody, format!("the claim token: {error}")))
}

impl Engine {
    /// Offers a workspace to whoever gets the token that is in the answer and nowhere else. It takes the owner, or an admin
    /// of the server. An offer that is open is revoked.
    pub async fn offer_transfer(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        wanted: OfferTransfer,
        premises: Premises,
    ) -> Result<NewTransfer> {
        check(&wanted)?;
        let ask = Ask { actor, need: Need::MANAGE, scope: Scope::Workspace(workspace), premises };
        self.act(ask, wanted, |act, wanted| Box::pin(offer(act, wanted))).await
    }

    /// Returns the open offer of a workspace, or the last one that was.
    pub async fn transfer(&self, actor: &Actor, workspace: WorkspaceId) -> Result<Transfer> {
        actor.needs(workspace, Need::MANAGE)?;
        let clock = self.clock();
        let found = self.db().read(move |tx| {
            let clock = clock.clone();
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                Ok(db::transfers::last(tx, workspace).await?.map(|last| as_of(last, now)))
            })
        });
        found.await?.ok_or_else(|| not_found("the workspace was not offered to anybody"))
    }

    /// Takes the open offer of a workspace back: its token is of no use from then on.
    pub async fn revoke_transfer(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        premises: Premises,
    ) -> Result<()> {
        let ask = Ask { actor, need: Need::MANAGE, scope: Scope::Workspace(workspace), premises };
        self.act(ask, (), move |act, ()| {
            Box::pin(async move {
                ensure_may_offer(act.actor(), workspace)?;
                if revoke(act).await? { Ok(()) } else { Err(not_found("no offer of the workspace is open")) }
            })
        })
        .await
    }

    /// Tells who has a token what they would be given.
    pub async fn look_at_transfer(&self, actor: &Actor, token: &str) -> Result<TransferManifest> {
        let (actor, token, clock) = (actor.clone(), parse(token)?, self.clock());
        let found = self.db().read(move |tx| {
            let (actor, token, clock) = (actor.clone(), token.clone(), clock.clone());
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                let transfer = find(tx, &actor, &token).await?;
                ensure_holds(tx, &transfer, now).await?;
                let id = transfer.workspace_id;
                let workspace =
                    db::workspaces::get(tx, id).await?.ok_or_else(|| workspaces::not_found(id))?;
                let owner = db::access::principal(tx, transfer.giver).await?;
                let has = db::transfers::belongings(tx, id, now, COUNTED).await?;
                Ok(TransferManifest {
                    workspace_name: workspace.name,
                    owner: owner.ok_or_else(|| principals::not_found(transfer.giver))?,
                    usage: workspace.usage,
                    versions: has.versions,
                    members: has.members,
                    hooks: has.hooks,
                    locks: has.locks,
                    keys: has.keys,
                    transfer,
                })
            })
        });
        found.await
    }

    /// Makes who brings a token the owner of its workspace, once; the owner before stays as an admin.
    pub async fn accept_transfer(
        &self,
        actor: &Actor,
        token: &str,
        idempotency: Option<Idempotency>,
    ) -> Result<Transfer> {
        self.answer_transfer(actor, token, Answer::Accept, idempotency).await
    }

    /// Ends an offer for who does not want it: the token is of no use from then on.
    pub async fn decline_transfer(
        &self,
        actor: &Actor,
        token: &str,
        idempotency: Option<Idempotency>,
    ) -> Result<Transfer> {
        self.answer_transfer(actor, token, Answer::Decline, idempotency).await
    }

    async fn answer_transfer(
        &self,
        actor: &Actor,
        token: &str,
        wanted: Answer,
        idempotency: Option<Idempotency>,
    ) -> Result<Transfer> {
        let (actor, token, clock) = (actor.clone(), parse(token)?, self.clock());
        let answered = self.db().write(move |tx| {
            let (actor, token, clock) = (actor.clone(), token.clone(), clock.clone());
            let idempotency = idempotency.clone();
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                // Who answers need be no member, so it is no act of the workspace's.
                let actor = db::access::actor_now(tx, &actor, now).await?;
                let open = match idempotency.map(|key| key.within(&actor)) {
                    None => None,
                    Some(key) => match idempotency::begin(tx, key, (actor.principal, None), now).await? {
                        Turn::Done(answer) => return Ok(answer),
                        Turn::Open(open) => Some(open),
                    },
                };
                let done = answer(tx, &actor, &token, wanted, clock.as_ref()).await?;
                if let Some(open) = open {
                    open.keep(tx, &done).await?;
                }
                Ok(done)
            })
        });
        answered.await
    }
}
