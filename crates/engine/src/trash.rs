//! The trash: what is put there keeps its id, place and versions until it is restored or purged.

use longshore_core::wire::{Node, Page, RestoreNode};
use longshore_core::{Code, NodeId, Timestamp, WorkspaceId};

use crate::act::{Ask, Premises, Scope};
use crate::actor::Actor;
use crate::db;
use crate::db::events::Change;
use crate::db::nodes::Place;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::listing::PageRequest;
use crate::narrowing::Need;
use crate::nodes::{destination, ensure_free, fitting_path, root_refused, visible_node};

impl Engine {
    /// Puts a node into the trash, with all that is below it. What is there already stays as it is.
    pub async fn trash_node(&self, actor: &Actor, id: NodeId, premises: Premises) -> Result<Node> {
        let ask = Ask { actor, need: Need::DELETE, scope: Scope::Node(id), premises };
        self.act(ask, (), move |act, ()| {
            Box::pin(async move {
                let mut row = visible_node(act.tx, act.log.actor(), id).await?;
                let mut place = db::nodes::place(act.tx, id).await?;
                act.check(Some(&row)).await?;
                if row.parent.is_none() {
                    return Err(root_refused());
                }
                act.actor().narrowing().ensure_not_its_folder(id)?;
                act.permit_whole(&row, &place).await?;
                if place.trashed_at.is_some() {
                    return Ok(row.into_node(place, act.now()));
                }
                let before = row.clone();
                row.touch(&act.log);
                row.trashed_at = Some(act.now());
                place.trashed_at = row.trashed_at;
                db::nodes::update(act.tx, &row).await?;
                act.record(Change::of("node.trashed", &row, &place.path).after(&before)).await?;
                Ok(row.into_node(place, act.now()))
            })
        })
        .await
    }

    /// Brings a node back from the trash, to where it was or to a stated place.
    pub async fn restore_node(
        &self,
        actor: &Actor,
        id: NodeId,
        wanted: RestoreNode,
        premises: Premises,
    ) -> Result<Node> {
        let ask = Ask { actor, need: Need::WRITE, scope: Scope::Node(id), premises };
        self.act(ask, wanted, move |act, wanted| {
            Box::pin(async move {
                let mut row = visible_node(act.tx, act.log.actor(), id).await?;
                act.check_stated(Some(&row)).await?;
                let at = db::nodes::place(act.tx, id).await?;
                if row.trashed_at.is_none() {
                    let detail = match at.trashed_at {
                        Some(_) => "a folder above it is in the trash: restore that folder",
                        None => "it is not in the trash",
                    };
                    return Err(Error::new(Code::NotInTrash, detail));
                }
                act.actor().narrowing().ensure_not_its_folder(id)?;
                let from = at.path.clone();
                // A lock that was taken before it went to the trash still holds, and that of a folder keeps what is
                // in its trash.
                act.permit_whole(&row, &at).await?;
                let before = row.clone();
                let parent = wanted.parent_id.or(row.parent).ok_or_else(root_refused)?;
                let (_, folder) = destination(act, parent).await?;
                if let Some(name) = wanted.name {
                    row.name = name.to_string();
                }
                ensure_free(act.tx, parent, &row.name).await?;
                let path = fitting_path(act.tx, &row, &from, &folder, &row.name).await?;
                row.touch(&act.log);
                row.trashed_at = None;
                row.parent = Some(parent);
                db::nodes::update(act.tx, &row).await?;
                act.record(Change::of("node.restored", &row, &path).after(&before)).await?;
                Ok(row.into_node(Place { path, ..Place::default() }, act.now()))
            })
        })
        .await
    }

    /// Lists what was trashed in a workspace, newest first. A page of a key that reaches a folder alone may come with few items
    /// or none and still lead to a next one.
    pub async fn trash(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        page: PageRequest,
    ) -> Result<Page<Node>> {
        actor.needs(workspace, Need::READ)?;
        self.workspace(actor, workspace).await?;
        let (limit, clock, actor) = (page.limit(), self.read_clock(), actor.clone());
        let start = (Timestamp::from_micros(i64::MAX), String::new());
        let place: Option<(i64, String)> = self.place_of(&page)?;
        let before = place.map_or(start, |(micros, id)| (Timestamp::from_micros(micros), id));
        let (items, next) = self
            .db()
            .read(move |tx| {
                let (actor, before, mut clock) = (actor.clone(), before.clone(), clock.clone());
                Box::pin(async move {
                    let rows = db::nodes::trash(tx, workspace, (before.0, &before.1), limit).await?;
                    let last = rows.last().filter(|_| rows.len() == limit as usize);
                    let next = last.and_then(|row| Some((row.trashed_at?.as_micros(), row.id.to_string())));
                    let mut items = Vec::with_capacity(rows.len());
                    for row in rows {
                        let place = db::nodes::place(tx, row.id).await?;
                        if !actor.narrowing().has_place(&place) {
                            continue;
                        }
                        items.push(clock.node(tx, row, place).await?);
                    }
                    Ok((items, next))
                })
            })
            .await?;
        self.page(items, next)
    }
}
