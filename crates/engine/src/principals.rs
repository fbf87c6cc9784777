//! People and agents, for who administers the server.

use longshore_core::wire::{CreatePrincipal, Page, Principal, UpdatePrincipal};
use longshore_core::{Code, Name, PrincipalId, Timestamp, WorkspaceId};

use crate::act::{Ask, Premises, Scope};
use crate::actor::{Actor, Right};
use crate::audit::Entry;
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::idempotency::{Idempotency, once};
use crate::listing::PageRequest;
use crate::locks;
use crate::narrowing::Need;

/// What all of this takes.
const RIGHT: Right = Right::Everywhere(Need::MANAGE);

pub(crate) fn not_found(id: PrincipalId) -> Error {
    Error::new(Code::PrincipalNotFound, format!("no person or agent {id}"))
}

async fn known(tx: &mut Tx, id: PrincipalId) -> Result<Principal> {
    db::access::principal(tx, id).await?.ok_or_else(|| not_found(id))
}

/// What is to be done with a principal.
#[derive(Clone, Debug)]
enum Change {
    Rename(String),
    Deactivate,
    Reactivate,
}

impl Change {
    /// What the audit log calls it.
    const fn kind(&self) -> &'static str {
        match self {
            Self::Rename(_) => "principal.renamed",
            Self::Deactivate => "principal.deactivated",
            Self::Reactivate => "principal.reactivated",
        }
    }
}

async fn change(
    tx: &mut Tx,
    actor: &Actor,
    id: PrincipalId,
    wanted: Change,
    now: Timestamp,
) -> Result<Principal> {
    db::access::take_principals(tx).await?;
    // Of two who deactivate each other one has waited here until the other was done with it.
    db::access::actor_now(tx, actor, now).await?.may(RIGHT)?;
    let principal = known(tx, id).await?;
    tx.note(Entry::done(wanted.kind(), actor, now).about(id));
    match wanted {
        Change::Rename(name) => db::access::rename(tx, id, &name).await?,
        Change::Deactivate if id == actor.principal => {
            let detail = "nobody deactivates themselves: another admin of the server may";
            return Err(Error::new(Code::Forbidden, detail));
        }
        Change::Deactivate => {
            let at = principal.deactivated_at.unwrap_or(now);
            db::access::set_deactivated(tx, id, Some(at)).await?;
            // What would let them in again once they are back, they had before.
            db::sessions::end_all(tx, id, None).await?;
            db::passwords::delete_reset(tx, id).await?;
        }
        Change::Reactivate => db::access::set_deactivated(tx, id, None).await?,
    }
    known(tx, id).await
}

impl Engine {
    /// Makes a person or an agent, who may do nothing yet.
    pub async fn create_principal(
        &self,
        actor: &Actor,
        wanted: CreatePrincipal,
        idempotency: Option<Idempotency>,
    ) -> Result<Principal> {
        actor.may(RIGHT)?;
        Name::new(wanted.name.as_str())?;
        let (clock, actor) = (self.clock(), actor.clone());
        let made = self.db().write(move |tx| {
            let (clock, actor, wanted) = (clock.clone(), actor.clone(), wanted.clone());
            let idempotency = idempotency.clone();
            Box::pin(async move {
                let now = clock.now();
                once(tx, idempotency, (&actor, RIGHT), clock.as_ref(), async |tx, actor| {
                    let principal = Principal {
                        id: PrincipalId::new(now),
                        kind: wanted.kind,
                        name: wanted.name,
                        everywhere: None,
                        deactivated_at: None,
                    };
                    tx.note(Entry::done("principal.created", actor, now).about(principal.id));
                    db::access::insert_principal(tx, &principal, now).await?;
                    Ok(principal)
                })
                .await
            })
        });
        made.await
    }

    /// Lists people and agents, the oldest first.
    pub async fn list_principals(&self, actor: &Actor, page: PageRequest) -> Result<Page<Principal>> {
        actor.may(RIGHT)?;
        let (limit, after) = (page.limit(), self.after(&page)?);
        let items = self.db().read(move |tx| {
            let after = after.clone();
            Box::pin(async move { db::access::principals(tx, &after, limit).await })
        });
        self.page_by(&page, items.await?, |principal| principal.id.to_string())
    }

    /// Returns a person or an agent.
    pub async fn principal(&self, actor: &Actor, id: PrincipalId) -> Result<Principal> {
        actor.may(RIGHT)?;
        self.db().read(move |tx| Box::pin(async move { known(tx, id).await })).await
    }

    /// Gives a person or an agent another name.
    pub async fn rename_principal(
        &self,
        actor: &Actor,
        id: PrincipalId,
        wanted: UpdatePrincipal,
        idempotency: Option<Idempotency>,
    ) -> Result<Principal> {
        actor.may(RIGHT)?;
        Name::new(wanted.name.as_str())?;
        self.change_principal(actor, id, Change::Rename(wanted.name), idempotency).await
    }

    /// Ends what a person or an agent may do: its keys are refused from now on, also in the transactions of what is under way,
    /// and its sessions and locks end.
    pub async fn deactivate_principal(
        &self,
        actor: &Actor,
        id: PrincipalId,
        idempotency: Option<Idempotency>,
    ) -> Result<Principal> {
        actor.may(RIGHT)?;
        let principal = self.change_principal(actor, id, Change::Deactivate, idempotency).await?;
        self.end_locks_of(actor, id).await?;
        Ok(principal)
    }

    /// Lets a person or an agent do again what they may; the locks that they had are gone.
    pub async fn reactivate_principal(
        &self,
        actor: &Actor,
        id: PrincipalId,
        idempotency: Option<Idempotency>,
    ) -> Result<Principal> {
        actor.may(RIGHT)?;
        self.change_principal(actor, id, Change::Reactivate, idempotency).await
    }

    async fn change_principal(
        &self,
        actor: &Actor,
        id: PrincipalId,
        wanted: Change,
        idempotency: Option<Idempotency>,
    ) -> Result<Principal> {
        let (clock, actor) = (self.clock(), actor.clone());
        let changed = self.db().write(move |tx| {
            let (clock, actor, wanted) = (clock.clone(), actor.clone(), wanted.clone());
            let idempotency = idempotency.clone();
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                once(tx, idempotency, (&actor, RIGHT), clock.as_ref(), async |tx, actor| {
                    change(tx, actor, id, wanted, now).await
                })
                .await
            })
        });
        let principal = changed.await?;
        Ok(principal)
    }

    /// Ends the locks of who gets no more of them, workspace by workspace. Where this stops, doing it again goes on; and what
    /// nobody renews runs out.
    async fn end_locks_of(&self, actor: &Actor, id: PrincipalId) -> Result<()> {
        let mut after = String::new();
        loop {
            let from = after.clone();
            let next = self.db().read(move |tx| {
                let from = from.clone();
                Box::pin(async move { db::locks::next_of(tx, id, &from).await })
            });
            let Some(workspace) = next.await? else { return Ok(()) };
            after = workspace.to_string();
            self.end_locks_in(actor, workspace, id).await?;
        }
    }

    async fn end_locks_in(&self, actor: &Actor, workspace: WorkspaceId, id: PrincipalId) -> Result<()> {
        let (scope, premises) = (Scope::Workspace(workspace), Premises::default());
        let ask = Ask { actor, need: Need::MANAGE, scope, premises };
        let why = "its owner was deactivated";
        self.act(ask, (), move |act, ()| Box::pin(locks::end_all_of(act, id, why))).await?;
        self.lock_signals().raise_all();
        Ok(())
    }
}
