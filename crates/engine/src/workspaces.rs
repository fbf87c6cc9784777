//! Workspaces: making, naming, finding.

use std::num::NonZeroU32;

use longshore_core::wire::{
    Page, Quota, Role, UpdateSettings, UpdateWorkspace, Usage, Workspace, WorkspaceSettings,
};
use longshore_core::{Clock, Code, Name, WorkspaceId, WorkspacePath};
use serde_json::json;

use crate::act::{Act, Ask, Premises, Scope};
use crate::actor::{Actor, Right};
use crate::db::events::{Change, Log};
use crate::db::nodes::NodeRow;
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::idempotency::{Idempotency, once};
use crate::listing::PageRequest;
use crate::members::ensure_room;
use crate::narrowing::Need;

pub(crate) fn not_found(id: WorkspaceId) -> Error {
    Error::new(Code::WorkspaceNotFound, format!("no workspace {id}"))
}

pub(crate) fn exists(name: &Name) -> Error {
    Error::new(Code::WorkspaceExists, format!("there is a workspace {name:?} already"))
}

/// The most versions that a rule of a workspace may name.
const MOST_KEPT: u32 = 1_000_000;

/// The most days that a rule of a workspace may name: a hundred years.
const MOST_DAYS: u32 = 36_500;

pub(crate) fn check_settings(settings: &UpdateSettings) -> Result<()> {
    let refuse = |detail: &str| Err(Error::new(Code::InvalidBody, detail));
    if settings.versions_kept.flatten().is_some_and(|kept| kept == 0 || kept > MOST_KEPT) {
        return refuse("`versions_kept` is 1 to 1,000,000: the current version always stays");
    }
    let events_days = settings.events_days.map(|days| days.map(NonZeroU32::get));
    let days = [settings.versions_days, settings.trash_days, events_days];
    if days.into_iter().flatten().flatten().any(|days| days == 0 || days > MOST_DAYS) {
        return refuse("a rule names 1 to 36,500 days, or `null`");
    }
    Ok(())
}

/// Writes a workspace, its owner, its root folder and its first event.
pub(crate) async fn insert_workspace(
    tx: &mut Tx,
    actor: &Actor,
    name: &Name,
    clock: &dyn Clock,
) -> Result<Workspace> {
    let now = clock.now();
    let id = WorkspaceId::new(now);
    let root = NodeRow::folder(id, None, String::new(), actor.principal, now);
    let workspace = Workspace {
        id,
        name: name.to_string(),
        root_id: root.id,
        seq: 0,
        created_at: now,
        created_by: actor.principal,
        settings: WorkspaceSettings::default(),
        quota: Quota::default(),
        usage: Usage::default(),
    };
    db::workspaces::insert(tx, &workspace).await?;
    db::members::insert(tx, (id, actor.principal), Role::Owner, actor.principal, now).await?;
    db::nodes::insert(tx, &root).await?;
    let mut log = Log::open(tx, id, actor.clone(), clock).await?;
    let change = Change::of("workspace.created", &root, &WorkspacePath::default()).with("name", json!(name));
    log.append(tx, change).await?;
    Ok(Workspace { seq: 1, ..workspace })
}

/// Returns the act's workspace as it is: a place of its log that is only reserved is none.
pub(crate) async fn of_act(act: &mut Act<'_>) -> Result<Workspace> {
    let id = act.log.workspace();
    let workspace = db::workspaces::get(act.tx, id).await?.ok_or_else(|| not_found(id))?;
    Ok(Workspace { seq: workspace.seq - act.log.unused(), ..workspace })
}

impl Engine {
    /// Makes a workspace; its maker owns it.
    pub async fn create_workspace(
        &self,
        actor: &Actor,
        name: Name,
        idempotency: Option<Idempotency>,
    ) -> Result<Workspace> {
        let right = Right::Everywhere(Need::MANAGE);
        actor.may(right)?;
        let (clock, actor) = (self.clock(), actor.clone());
        let made = self
            .db()
            .write(move |tx| {
                let (clock, actor, name) = (clock.clone(), actor.clone(), name.clone());
                let idempotency = idempotency.clone();
                Box::pin(async move {
                    let clock = clock.as_ref();
                    once(tx, idempotency, (&actor, right), clock, async |tx, actor| {
                        ensure_room(tx, actor.principal).await?;
                        if db::workspaces::by_name(tx, name.as_str()).await?.is_some() {
                            return Err(exists(&name));
                        }
                        insert_workspace(tx, actor, &name, clock).await
                    })
                    .await
                })
            })
            .await?;
        Ok(made)
    }

    /// Returns a workspace that the actor reaches.
    pub async fn workspace(&self, actor: &Actor, id: WorkspaceId) -> Result<Workspace> {
        actor.needs(id, Need::KNOW)?;
        let found = self.db().read(move |tx| Box::pin(async move { db::workspaces::get(tx, id).await }));
        found.await?.ok_or_else(|| not_found(id))
    }

    /// Returns the key's own workspace, or the only one that is reached.
    ///
    /// Of several none is guessed: a key that reaches all would write into another one than before as soon as
    /// somebody makes a second.
    pub async fn current_workspace(&self, actor: &Actor) -> Result<Workspace> {
        if let Some(own) = actor.only() {
            return self.workspace(actor, own).await;
        }
        let mut some = self.reached(actor, String::new(), 2).await?.into_iter();
        let none = |detail| Error::new(Code::WorkspaceNotFound, detail);
        match (some.next(), some.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => Err(none("the key reaches several workspaces: name one of them")),
            (None, _) => Err(none("the key reaches no workspace")),
        }
    }

    /// Lists the workspaces that the actor reaches, oldest first.
    pub async fn list_workspaces(&self, actor: &Actor, page: PageRequest) -> Result<Page<Workspace>> {
        let after = self.after(&page)?;
        if let Some(own) = actor.only() {
            let items = if actor.reaches(own) { vec![self.workspace(actor, own).await?] } else { Vec::new() };
            return Ok(Page { items, next_cursor: None });
        }
        let items = self.reached(actor, after, page.limit()).await?;
        self.page_by(&page, items, |workspace| workspace.id.to_string())
    }

    /// Lists what a key reaches that is not narrowed to one workspace.
    async fn reached(&self, actor: &Actor, after: String, limit: u32) -> Result<Vec<Workspace>> {
        let member = actor.role_everywhere().is_none().then_some(actor.principal);
        let found = self.db().read(move |tx| {
            let after = after.clone();
            Box::pin(async move {
                match member {
                    Some(principal) => db::workspaces::of_member(tx, principal, &after, limit).await,
                    None => db::workspaces::list(tx, &after, limit).await,
                }
            })
        });
        found.await
    }

    /// Renames a workspace, or changes its rules, as one act.
    pub async fn update_workspace(
        &self,
        actor: &Actor,
        id: WorkspaceId,
        wanted: UpdateWorkspace,
        premises: Premises,
    ) -> Result<Workspace> {
        wanted.settings.as_ref().map_or(Ok(()), check_settings)?;
        let ask = Ask { actor, need: Need::MANAGE, scope: Scope::Workspace(id), premises };
        self.act(ask, wanted, move |act, wanted| {
            Box::pin(async move {
                let before = of_act(act).await?;
                let mut workspace = before.clone();
                if let Some(name) = wanted.name {
                    let taken = db::workspaces::by_name(act.tx, name.as_str()).await?;
                    if taken.is_some_and(|other| other.id != id) {
                        return Err(exists(&name));
                    }
                    workspace.name = name.to_string();
                }
                if let Some(settings) = wanted.settings {
                    workspace.settings = settings.apply(&before.settings);
                }
                db::workspaces::update(act.tx, &workspace).await?;
                if workspace.name != before.name {
                    let change = Change::of_workspace("workspace.renamed").with("from", json!(before.name));
                    workspace.seq = act.record(change.with("name", json!(workspace.name))).await?;
                }
                if workspace.settings != before.settings {
                    let change = Change::of_workspace("workspace.settings_changed")
                        .with("from", json!(before.settings))
                        .with("settings", json!(workspace.settings));
                    workspace.seq = act.record(change).await?;
                }
                Ok(workspace)
            })
        })
        .await
    }
}
