//! Workspaces: making, naming, finding.

use longshore_core::wire::{Event, Page, Role, Workspace};
use longshore_core::{Code, Name, Timestamp, WorkspaceId};
use serde_json::json;

use crate::actor::Actor;
use crate::db::events::{Change, Log};
use crate::db::nodes::NodeRow;
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::listing::PageRequest;

pub(crate) fn not_found(id: WorkspaceId) -> Error {
    Error::new(Code::WorkspaceNotFound, format!("no workspace {id}"))
}

fn exists(name: &Name) -> Error {
    Error::new(Code::WorkspaceExists, format!("there is a workspace {name:?} already"))
}

/// Writes a workspace, its root folder and its first event.
pub(crate) async fn insert_workspace(
    tx: &mut Tx,
    actor: &Actor,
    name: &Name,
    now: Timestamp,
) -> Result<Workspace> {
    let id = WorkspaceId::new(now);
    let root = NodeRow::folder(id, None, String::new(), actor.principal, now);
    let workspace = Workspace {
        id,
        name: name.to_string(),
        root_id: root.id,
        seq: 0,
        created_at: now,
        created_by: actor.principal,
    };
    db::workspaces::insert(tx, &workspace).await?;
    db::nodes::insert(tx, &root).await?;
    let mut log = Log::open(tx, id, actor, now).await?;
    let data = json!({ "name": name });
    log.append(tx, Change { kind: "workspace.created", node: Some(root.id), version: None, data }).await?;
    Ok(Workspace { seq: 1, ..workspace })
}

impl Engine {
    /// Makes a workspace.
    pub async fn create_workspace(&self, actor: &Actor, name: Name) -> Result<Workspace> {
        actor.needs(Role::Admin)?;
        if actor.workspace.is_some() {
            return Err(Error::new(Code::Forbidden, "this key reaches one workspace and makes no others"));
        }
        let (clock, actor) = (self.clock(), actor.clone());
        self.db()
            .write(move |tx| {
                let (now, actor, name) = (clock.now(), actor.clone(), name.clone());
                Box::pin(async move {
                    if db::workspaces::by_name(tx, name.as_str()).await?.is_some() {
                        return Err(exists(&name));
                    }
                    insert_workspace(tx, &actor, &name, now).await
                })
            })
            .await
    }

    /// Returns a workspace that the actor reaches.
    pub async fn workspace(&self, actor: &Actor, id: WorkspaceId) -> Result<Workspace> {
        if !actor.reaches(id) {
            return Err(not_found(id));
        }
        let found = self.db().read(move |tx| Box::pin(async move { db::workspaces::get(tx, id).await }));
        found.await?.ok_or_else(|| not_found(id))
    }

    /// Returns the key's own workspace, or the oldest that it reaches.
    pub async fn current_workspace(&self, actor: &Actor) -> Result<Workspace> {
        if let Some(own) = actor.workspace {
            return self.workspace(actor, own).await;
        }
        let oldest = self.db().read(move |tx| Box::pin(async move { db::workspaces::list(tx, "", 1).await }));
        let none = || Error::new(Code::WorkspaceNotFound, "there is no workspace yet");
        oldest.await?.into_iter().next().ok_or_else(none)
    }

    /// Lists the workspaces that the actor reaches, oldest first.
    pub async fn list_workspaces(&self, actor: &Actor, page: PageRequest) -> Result<Page<Workspace>> {
        if let Some(own) = actor.workspace {
            return Ok(Page { items: vec![self.workspace(actor, own).await?], next_cursor: None });
        }
        let (limit, after) = (page.limit(), page.after()?);
        let items = self
            .db()
            .read(move |tx| {
                let after = after.clone();
                Box::pin(async move { db::workspaces::list(tx, &after, limit).await })
            })
            .await?;
        page.answer(items, |workspace| workspace.id.to_string())
    }

    /// Renames a workspace.
    pub async fn rename_workspace(&self, actor: &Actor, id: WorkspaceId, name: Name) -> Result<Workspace> {
        actor.needs(Role::Admin)?;
        if !actor.reaches(id) {
            return Err(not_found(id));
        }
        let (clock, actor) = (self.clock(), actor.clone());
        self.db()
            .write(move |tx| {
                let (now, actor, name) = (clock.now(), actor.clone(), name.clone());
                Box::pin(async move {
                    let mut log = Log::open(tx, id, &actor, now).await?;
                    let taken = db::workspaces::by_name(tx, name.as_str()).await?;
                    if taken.is_some_and(|other| other.id != id) {
                        return Err(exists(&name));
                    }
                    let before = db::workspaces::get(tx, id).await?.ok_or_else(|| not_found(id))?;
                    db::workspaces::rename(tx, id, name.as_str()).await?;
                    let data = json!({ "name": name, "from": before.name });
                    let change = Change { kind: "workspace.renamed", node: None, version: None, data };
                    log.append(tx, change).await?;
                    Ok(Workspace { name: name.to_string(), ..before })
                })
            })
            .await
    }

    /// Lists the events after a place in the log, oldest first; the cursor is the place of the last one.
    pub async fn list_events(
        &self,
        actor: &Actor,
        id: WorkspaceId,
        after: u64,
        limit: u32,
    ) -> Result<Page<Event>> {
        self.workspace(actor, id).await?;
        let limit = PageRequest::new(Some(limit), None).limit();
        let items = self
            .db()
            .read(move |tx| Box::pin(async move { db::events::list(tx, id, after, limit).await }))
            .await?;
        let full = items.len() == limit as usize;
        let next_cursor = items.last().filter(|_| full).map(|event| event.seq.to_string());
        Ok(Page { items, next_cursor })
    }
}
