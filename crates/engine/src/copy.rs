//! Copying: a file, or a folder with all that lives below it. Bytes are shared, not copied.

use longshore_core::wire::{CopyNode, Node, NodeKind, Version};
use longshore_core::{Code, NodeId, VersionId};
use serde_json::json;

use crate::act::{Act, Ask, Premises, Scope};
use crate::actor::Actor;
use crate::db;
use crate::db::events::Change;
use crate::db::nodes::{NodeRow, Place};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::narrowing::Need;
use crate::nodes::{destination, ensure_free, fitting_path, into_itself, live_node, root_refused};

/// Copies a node and all that lives below it: current versions alone, bytes shared.
async fn copy_below(
    act: &mut Act<'_>,
    source: NodeRow,
    parent: NodeId,
    name: String,
    most: usize,
) -> Result<NodeRow> {
    // Asked first: thousands of rows that are written only to be taken back would hold up every other write.
    let (count, more) = db::nodes::count_live(act.tx, source.id, most as u64 + 1).await?;
    if count > most as u64 {
        let detail = format!("one copy has at most {most} nodes: copy the folders below it one by one");
        return Err(Error::new(Code::TooManyNodes, detail));
    }
    act.log.tally().ensure_room(more)?;
    let top = copy_one(act, &source, parent, name).await?;
    let mut folders = vec![(source.id, top.id)];
    while let Some((from, to)) = folders.pop() {
        let mut after = String::new();
        loop {
            let page = db::nodes::children(act.tx, from, &after, 500).await?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.name);
            for child in page {
                let name = child.name.clone();
                let copied = copy_one(act, &child, to, name).await?;
                if child.kind == NodeKind::Folder {
                    folders.push((child.id, copied.id));
                }
            }
        }
    }
    Ok(top)
}

async fn copy_one(act: &mut Act<'_>, source: &NodeRow, parent: NodeId, name: String) -> Result<NodeRow> {
    let by = act.actor().principal;
    let mut copied = NodeRow {
        metadata: source.metadata.clone(),
        labels: source.labels.clone(),
        ..NodeRow::folder(source.workspace, Some(parent), name, by, act.now())
    };
    let Some(version) = source.version else {
        db::nodes::insert(act.tx, &copied).await?;
        return Ok(copied);
    };
    let (version, blob) = db::versions::with_blob(act.tx, source.id, version)
        .await?
        .ok_or_else(|| Error::corrupt(format_args!("{} without its version", source.id)))?;
    copied.kind = NodeKind::File;
    let version = Version {
        id: VersionId::new(act.now()),
        node_id: copied.id,
        number: 1,
        created_at: act.now(),
        created_by: by,
        fence: 0,
        label: None,
        ..version
    };
    copied.set_version(&version);
    db::nodes::insert(act.tx, &copied).await?;
    db::versions::insert(act.tx, &mut act.log, &version, &blob).await?;
    Ok(copied)
}

impl Engine {
    /// Copies a file, or a folder with all that is below it.
    pub async fn copy_node(
        &self,
        actor: &Actor,
        id: NodeId,
        wanted: CopyNode,
        premises: Premises,
    ) -> Result<Node> {
        let ask = Ask { actor, need: Need::COPY, scope: Scope::Node(id), premises };
        let most = self.settings().copied_nodes;
        self.act(ask, wanted, move |act, wanted| {
            Box::pin(async move {
                let (row, place) = live_node(act.tx, act.log.actor(), id).await?;
                act.check_stated(Some(&row)).await?;
                let parent = wanted.parent_id.or(row.parent).ok_or_else(root_refused)?;
                let (_, folder) = destination(act, parent).await?;
                if folder.ids.contains(&id) {
                    return Err(into_itself());
                }
                let name = wanted.name.map_or_else(|| row.name.clone(), |name| name.to_string());
                ensure_free(act.tx, parent, &name).await?;
                let path = fitting_path(act.tx, &row, &place.path, &folder, &name).await?;
                let copied = copy_below(act, row, parent, name, most).await?;
                let change =
                    Change::of("node.copied", &copied, &path).after_nothing().with("from", json!(id));
                act.record(change).await?;
                Ok(copied.into_node(Place { path, ..Place::default() }, act.now()))
            })
        })
        .await
    }
}
