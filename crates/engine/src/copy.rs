//! Copying: a file, or a folder with all that lives below it. Bytes are shared, not copied.

use longshore_core::wire::{CopyNode, Node, NodeKind, Role, Version};
use longshore_core::{Code, NodeId, VersionId};
use serde_json::json;

use crate::actor::Actor;
use crate::db::events::{Change, Log};
use crate::db::nodes::{NodeRow, Place};
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::nodes::{
    destination, ensure_free, fitting_path, into_itself, live_node, open_for_write, root_refused,
};
use crate::upload::Preconditions;

/// Copies a node and all that lives below it: current versions alone, bytes shared.
async fn copy_below(
    tx: &mut Tx,
    log: &Log<'_>,
    source: NodeRow,
    parent: NodeId,
    name: String,
    most: usize,
) -> Result<NodeRow> {
    let top = copy_one(tx, log, &source, parent, name).await?;
    let mut copied_nodes = 1;
    let mut folders = vec![(source.id, top.id)];
    while let Some((from, to)) = folders.pop() {
        let mut after = String::new();
        loop {
            let page = db::nodes::children(tx, from, &after, 500).await?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.name);
            copied_nodes += page.len();
            if copied_nodes > most {
                let detail =
                    format!("one copy has at most {most} nodes: copy the folders below it one by one");
                return Err(Error::new(Code::TooManyNodes, detail));
            }
            for child in page {
                let name = child.name.clone();
                let copied = copy_one(tx, log, &child, to, name).await?;
                if child.kind == NodeKind::Folder {
                    folders.push((child.id, copied.id));
                }
            }
        }
    }
    Ok(top)
}

async fn copy_one(
    tx: &mut Tx,
    log: &Log<'_>,
    source: &NodeRow,
    parent: NodeId,
    name: String,
) -> Result<NodeRow> {
    let by = log.actor().principal;
    let mut copied = NodeRow {
        metadata: source.metadata.clone(),
        ..NodeRow::folder(source.workspace, Some(parent), name, by, log.now())
    };
    let Some(version) = source.version else {
        db::nodes::insert(tx, &copied).await?;
        return Ok(copied);
    };
    let (version, blob) = db::versions::with_blob(tx, source.id, version)
        .await?
        .ok_or_else(|| Error::corrupt(format_args!("{} without its version", source.id)))?;
    copied.kind = NodeKind::File;
    let version = Version {
        id: VersionId::new(log.now()),
        node_id: copied.id,
        number: 1,
        created_at: log.now(),
        created_by: by,
        ..version
    };
    copied.set_version(&version);
    db::nodes::insert(tx, &copied).await?;
    db::versions::insert(tx, &version, &blob).await?;
    Ok(copied)
}
impl Engine {
    /// Copies a file, or a folder with all that is below it.
    pub async fn copy_node(
        &self,
        actor: &Actor,
        id: NodeId,
        wanted: CopyNode,
        preconditions: Preconditions,
    ) -> Result<Node> {
        actor.needs(Role::Editor)?;
        let (clock, actor, most) = (self.clock(), actor.clone(), self.settings().copied_nodes);
        self.db()
            .write(move |tx| {
                let (now, actor) = (clock.now(), actor.clone());
                let (wanted, preconditions) = (wanted.clone(), preconditions.clone());
                Box::pin(async move {
                    let mut log = open_for_write(tx, &actor, id, now).await?;
                    let (row, _) = live_node(tx, &actor, id).await?;
                    preconditions.check(Some(&row))?;
                    let parent = wanted.parent_id.or(row.parent).ok_or_else(root_refused)?;
                    let (_, folder) = destination(tx, &log, parent).await?;
                    if folder.ids.contains(&id) {
                        return Err(into_itself());
                    }
                    let name = wanted.name.map_or_else(|| row.name.clone(), |name| name.to_string());
                    ensure_free(tx, parent, &name).await?;
                    let path = fitting_path(tx, &row, &folder, &name).await?;
                    let copied = copy_below(tx, &log, row, parent, name, most).await?;
                    let data = json!({ "from": id, "path": path });
                    let change =
                        Change { kind: "node.copied", node: Some(copied.id), version: copied.version, data };
                    log.append(tx, change).await?;
                    Ok(copied.into_node(Place { path, ..Place::default() }))
                })
            })
            .await
    }
}
