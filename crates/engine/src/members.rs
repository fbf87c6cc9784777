//! Members: who may do what in a workspace.
//!
//! A workspace has one owner, whose role is neither given nor taken here. Nobody gives or takes a role above their own.

use longshore_core::wire::{Member, Page, Principal, Role};
use longshore_core::{Code, PrincipalId, WorkspaceId};
use serde_json::json;

use crate::act::{Act, Ask, Premises, Scope};
use crate::actor::Actor;
use crate::db::events::{Change, Log};
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::listing::PageRequest;
use crate::narrowing::Need;
use crate::{locks, principals};

/// The most members of a workspace, and the most workspaces that a principal is a member of: each key brings its principal's
/// roles along.
const MOST: u32 = 10_000;

fn too_many(detail: &str) -> Error {
    Error::new(Code::TooManyMembers, format!("{detail}: at most {MOST}"))
}

pub(crate) fn not_found(id: PrincipalId) -> Error {
    Error::new(Code::MemberNotFound, format!("{id} is no member of this workspace"))
}

/// Refuses one workspace more of a principal that is a member of as many as may be.
pub(crate) async fn ensure_room(tx: &mut Tx, principal: PrincipalId) -> Result<()> {
    if db::members::count_of_principal(tx, principal, MOST).await? < u64::from(MOST) {
        return Ok(());
    }
    Err(too_many("the principal is a member of as many workspaces as may be"))
}

/// Refuses one member more of a workspace that has as many as may be.
pub(crate) async fn ensure_room_for_member(tx: &mut Tx, workspace: WorkspaceId) -> Result<()> {
    if db::members::count_of_workspace(tx, workspace, MOST).await? < u64::from(MOST) {
        return Ok(());
    }
    Err(too_many("the workspace has as many members as may be"))
}

/// Says in an event what somebody's role is.
pub(crate) fn change(kind: &'static str, principal: PrincipalId, role: Role) -> Change {
    Change::of_workspace(kind).with("principal_id", json!(principal)).with("role", json!(role))
}

/// Makes a principal a member of the act's workspace.
pub(crate) async fn add(act: &mut Act<'_>, principal: &Principal, role: Role) -> Result<Member> {
    let by = act.actor().principal;
    add_by(act.tx, &mut act.log, (principal, role), by).await
}

/// Makes a principal a member of a log's workspace, as somebody who may has wanted it.
pub(crate) async fn add_by(
    tx: &mut Tx,
    log: &mut Log,
    (principal, role): (&Principal, Role),
    added_by: PrincipalId,
) -> Result<Member> {
    let workspace_id = log.workspace();
    ensure_room_for_member(tx, workspace_id).await?;
    ensure_room(tx, principal.id).await?;
    let added_at = log.now();
    db::members::insert(tx, (workspace_id, principal.id), role, added_by, added_at).await?;
    log.append(tx, change("member.added", principal.id, role)).await?;
    Ok(Member { workspace_id, principal: principal.clone(), role, added_at, added_by })
}

/// Gives a principal a role in a log's workspace as somebody who may has wanted it; who has a greater one there keeps it.
pub(crate) async fn raise_by(
    tx: &mut Tx,
    log: &mut Log,
    (principal, role): (&Principal, Role),
    by: PrincipalId,
) -> Result<Member> {
    let workspace = log.workspace();
    let Some(member) = db::members::get(tx, workspace, principal.id).await? else {
        return add_by(tx, log, (principal, role), by).await;
    };
    if member.role >= role {
        return Ok(member);
    }
    db::members::set_role(tx, workspace, principal.id, role).await?;
    log.append(tx, change("member.changed", principal.id, role).with("from", json!(member.role))).await?;
    Ok(Member { role, ..member })
}

/// Refuses a role that is the owner's, or above that of who gives or takes it.
pub(crate) fn ensure_may_give(actor: &Actor, workspace: WorkspaceId, role: Role) -> Result<()> {
    if role == Role::Owner {
        let detail = "a workspace has one owner, whose role is neither given nor taken";
        return Err(Error::new(Code::OwnerRefused, detail));
    }
    if actor.role_in(workspace) < Some(role) {
        let detail = format!("nobody gives or takes a role above their own: {role}");
        return Err(Error::new(Code::Forbidden, detail));
    }
    Ok(())
}

async fn set(act: &mut Act<'_>, principal: PrincipalId, role: Role) -> Result<(Member, bool)> {
    let workspace = act.log.workspace();
    ensure_may_give(act.actor(), workspace, role)?;
    act.actor().narrowing().ensure_may_give(role)?;
    let Some(member) = db::members::get(act.tx, workspace, principal).await? else {
        let known = db::access::principal(act.tx, principal).await?;
        let known = known.ok_or_else(|| principals::not_found(principal))?;
        return Ok((add(act, &known, role).await?, true));
    };
    ensure_may_give(act.actor(), workspace, member.role)?;
    if member.role != role {
        db::members::set_role(act.tx, workspace, principal, role).await?;
        act.record(change("member.changed", principal, role).with("from", json!(member.role))).await?;
    }
    Ok((Member { role, ..member }, false))
}

async fn remove(act: &mut Act<'_>, principal: PrincipalId) -> Result<()> {
    let workspace = act.log.workspace();
    let member = db::members::get(act.tx, workspace, principal).await?;
    let member = member.ok_or_else(|| not_found(principal))?;
    let by = act.actor();
    if by.principal == principal {
        // Whatever a key of theirs may do less, one may go.
        if member.role == Role::Owner {
            return Err(Error::new(Code::OwnerRefused, "the owner of a workspace is not removed"));
        }
    } else {
        by.needs(workspace, Need::MANAGE)?;
        ensure_may_give(by, workspace, member.role)?;
    }
    db::members::delete(act.tx, workspace, principal).await?;
    act.record(change("member.removed", principal, member.role)).await?;
    if member.principal.everywhere.is_some() {
        return Ok(());
    }
    // Nobody here could remove what it has staged, and the quota is to be free again.
    db::uploads::expire_all_of(act.tx, workspace, principal, act.now()).await?;
    locks::end_all_of(act, principal, "its owner was removed from the workspace").await
}

impl Engine {
    /// Lists the members of a workspace by their ids.
    pub async fn list_members(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        page: PageRequest,
    ) -> Result<Page<Member>> {
        actor.needs(workspace, Need::READ_WHOLE)?;
        self.workspace(actor, workspace).await?;
        let (limit, after) = (page.limit(), self.after(&page)?);
        let items = self.db().read(move |tx| {
            let after = after.clone();
            Box::pin(async move { db::members::list(tx, workspace, &after, limit).await })
        });
        self.page_by(&page, items.await?, |member| member.principal.id.to_string())
    }

    /// Returns a member of a workspace.
    pub async fn workspace_member(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        principal: PrincipalId,
    ) -> Result<Member> {
        actor.needs(workspace, Need::READ_WHOLE)?;
        self.workspace(actor, workspace).await?;
        let found = self
            .db()
            .read(move |tx| Box::pin(async move { db::members::get(tx, workspace, principal).await }));
        found.await?.ok_or_else(|| not_found(principal))
    }

    /// Gives a principal a role in a workspace; tells whether it is a new member. It takes an admin, and nobody gives or
    /// takes a role above their own.
    pub async fn set_member(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        principal: PrincipalId,
        role: Role,
        premises: Premises,
    ) -> Result<(Member, bool)> {
        let ask = Ask { actor, need: Need::MANAGE, scope: Scope::Workspace(workspace), premises };
        let done = self.act(ask, (), move |act, ()| Box::pin(set(act, principal, role))).await?;
        Ok(done)
    }

    /// Takes a principal out of a workspace, and ends the locks and the uploads that it has there. It takes an admin, or the
    /// principal itself; the owner stays.
    pub async fn remove_member(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        principal: PrincipalId,
        premises: Premises,
    ) -> Result<()> {
        let role = if actor.principal == principal { Role::Viewer } else { Role::Admin };
        let ask = Ask { actor, need: Need::manage(role), scope: Scope::Workspace(workspace), premises };
        self.act(ask, (), move |act, ()| Box::pin(remove(act, principal))).await?;
        self.lock_signals().raise_all();
        Ok(())
    }
}
