//! The trash: what is put there keeps its id, place and versions until it is restored or purged.

use longshore_core::wire::{Node, Page, RestoreNode, Role};
use longshore_core::{Code, NodeId, Timestamp, WorkspaceId};
use serde_json::json;

use crate::actor::Actor;
use crate::cursor;
use crate::db;
use crate::db::events::Change;
use crate::db::nodes::Place;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::listing::PageRequest;
use crate::nodes::{destination, ensure_free, fitting_path, open_for_write, root_refused, visible_node};
use crate::upload::Preconditions;

impl Engine {
    /// Puts a node into the trash, with all that is below it. What is there already stays as it is.
    pub async fn trash_node(&self, actor: &Actor, id: NodeId, preconditions: Preconditions) -> Result<Node> {
        actor.needs(Role::Editor)?;
        let (clock, actor) = (self.clock(), actor.clone());
        self.db()
            .write(move |tx| {
                let (now, actor, preconditions) = (clock.now(), actor.clone(), preconditions.clone());
                Box::pin(async move {
                    let mut log = open_for_write(tx, &actor, id, now).await?;
                    let mut row = visible_node(tx, &actor, id).await?;
                    let mut place = db::nodes::place(tx, id).await?;
                    preconditions.check(Some(&row))?;
                    if row.parent.is_none() {
                        return Err(root_refused());
                    }
                    if place.trashed_at.is_some() {
                        log.close_unused(tx).await?;
                        return Ok(row.into_node(place));
                    }
                    row.touch(&log);
                    row.trashed_at = Some(now);
                    place.trashed_at = Some(now);
                    db::nodes::update(tx, &row).await?;
                    let data = json!({ "path": place.path });
                    let change = Change { kind: "node.trashed", node: Some(id), version: row.version, data };
                    log.append(tx, change).await?;
                    Ok(row.into_node(place))
                })
            })
            .await
    }

    /// Brings a node back from the trash, to where it was or to a stated place.
    pub async fn restore_node(&self, actor: &Actor, id: NodeId, wanted: RestoreNode) -> Result<Node> {
        actor.needs(Role::Editor)?;
        let (clock, actor) = (self.clock(), actor.clone());
        self.db()
            .write(move |tx| {
                let (now, actor, wanted) = (clock.now(), actor.clone(), wanted.clone());
                Box::pin(async move {
                    let mut log = open_for_write(tx, &actor, id, now).await?;
                    let mut row = visible_node(tx, &actor, id).await?;
                    if row.trashed_at.is_none() {
                        let detail = match db::nodes::place(tx, id).await?.trashed_at {
                            Some(_) => "a folder above it is in the trash: restore that folder",
                            None => "it is not in the trash",
                        };
                        return Err(Error::new(Code::NotInTrash, detail));
                    }
                    let parent = wanted.parent_id.or(row.parent).ok_or_else(root_refused)?;
                    let (_, folder) = destination(tx, &log, parent).await?;
                    if let Some(name) = wanted.name {
                        row.name = name.to_string();
                    }
                    ensure_free(tx, parent, &row.name).await?;
                    let path = fitting_path(tx, &row, &folder, &row.name).await?;
                    row.touch(&log);
                    row.trashed_at = None;
                    row.parent = Some(parent);
                    db::nodes::update(tx, &row).await?;
                    let data = json!({ "path": path });
                    let change = Change { kind: "node.restored", node: Some(id), version: row.version, data };
                    log.append(tx, change).await?;
                    Ok(row.into_node(Place { path, ..Place::default() }))
                })
            })
            .await
    }

    /// Lists what was trashed in a workspace, newest first.
    pub async fn trash(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        page: PageRequest,
    ) -> Result<Page<Node>> {
        self.workspace(actor, workspace).await?;
        let limit = page.limit();
        let start = (Timestamp::from_micros(i64::MAX), String::new());
        let before: (Timestamp, String) = match page.cursor() {
            Some(text) => {
                let (micros, id) = cursor::decode::<(i64, String)>(text)?;
                (Timestamp::from_micros(micros), id)
            }
            None => start,
        };
        self.db()
            .read(move |tx| {
                let before = before.clone();
                Box::pin(async move {
                    let rows = db::nodes::trash(tx, workspace, (before.0, &before.1), limit).await?;
                    let last = rows.last().filter(|_| rows.len() == limit as usize);
                    let next_cursor = last
                        .and_then(|row| Some((row.trashed_at?.as_micros(), row.id.to_string())))
                        .map(|place| cursor::encode(&place))
                        .transpose()?;
                    let mut items = Vec::with_capacity(rows.len());
                    for row in rows {
                        let place = db::nodes::place(tx, row.id).await?;
                        items.push(row.into_node(place));
                    }
                    Ok(Page { items, next_cursor })
                })
            })
            .await
    }
}
