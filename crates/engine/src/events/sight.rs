//! What a key that is narrowed to a folder sees of the log: what happened to that folder and in it.
//!
//! The folders that a node was in decide, by their ids and by where those folders are now. Of a node that came from outside or
//! went there it is told that it did, and not where: a path that lies not below the folder as it is called now is left out, and
//! so is the id of a node outside, in whatever an event says of a second place.

use std::collections::HashMap;

use longshore_core::wire::Event;
use longshore_core::{NodeId, WorkspaceId, WorkspacePath};
use serde_json::{Value, json};

use crate::actor::Actor;
use crate::db::events::Found;
use crate::db::{self, Tx};
use crate::error::Result;
use crate::narrowing::Narrowing;
use crate::{nodes, workspaces};

/// What of an event's data tells where something is, was or came from.
const PLACES: [&str; 3] = ["path", "from", "parent_id"];

struct Sight<'a> {
    narrowing: &'a Narrowing,
    /// Where the folder is now.
    path: WorkspacePath,
    /// Folders that were asked about before: many events are of one.
    known: HashMap<NodeId, bool>,
}

impl Sight<'_> {
    async fn has(&mut self, tx: &mut Tx, node: NodeId) -> Result<bool> {
        if let Some(known) = self.known.get(&node) {
            return Ok(*known);
        }
        let has = self.narrowing.has_node(tx, node).await?;
        self.known.insert(node, has);
        Ok(has)
    }

    /// Returns what is seen of an event, if anything is.
    async fn see(&mut self, tx: &mut Tx, found: Found) -> Result<Option<Event>> {
        let Found { mut event, parent, parent_before } = found;
        if event.node_id.is_some() && event.node_id == self.narrowing.folder {
            return self.without_outside(tx, event).await.map(Some);
        }
        let Some(parent) = parent else { return Ok(None) };
        let after = self.has(tx, parent).await?;
        let before = match parent_before {
            Some(parent) => self.has(tx, parent).await?,
            None => after,
        };
        match (before, after) {
            (_, true) => {}
            (true, false) => event.data = json!({ "from": event.data["from"] }),
            (false, false) => return Ok(None),
        }
        self.without_outside(tx, event).await.map(Some)
    }

    /// Takes out the places that lie outside, whether they are told by a path or by an id.
    async fn without_outside(&mut self, tx: &mut Tx, mut event: Event) -> Result<Event> {
        for key in PLACES {
            let Some(text) = event.data[key].as_str() else { continue };
            let path = text.parse::<WorkspacePath>().ok();
            let node = text.parse::<NodeId>().ok();
            let is_seen = match (path, node) {
                (Some(path), _) => path.names().starts_with(self.path.names()),
                (None, Some(node)) => self.has(tx, node).await?,
                (None, None) => true,
            };
            if !is_seen {
                remove(&mut event.data, key);
            }
        }
        Ok(event)
    }
}

fn remove(data: &mut Value, key: &str) {
    if let Some(object) = data.as_object_mut() {
        object.remove(key);
    }
}

/// Refuses to pick events by a path outside, by which a key of a folder could find out where something came from or went.
pub(super) async fn ensure_reached(
    tx: &mut Tx,
    actor: &Actor,
    workspace: WorkspaceId,
    path: Option<&WorkspacePath>,
) -> Result<()> {
    let Some(path) = path.filter(|_| actor.narrowing().folder.is_some()) else { return Ok(()) };
    let known = db::workspaces::get(tx, workspace).await?.ok_or_else(|| workspaces::not_found(workspace))?;
    nodes::ensure_reached(tx, actor, known.root_id, path).await
}

/// Returns what an actor sees of events.
pub(super) async fn of(tx: &mut Tx, actor: &Actor, found: Vec<Found>) -> Result<Vec<Event>> {
    let narrowing = actor.narrowing();
    let Some(folder) = narrowing.folder else {
        return Ok(found.into_iter().map(|found| found.event).collect());
    };
    let place = db::nodes::place(tx, folder).await?;
    if place.ids.is_empty() {
        // Gone for good, and with it all that the key reaches.
        return Ok(Vec::new());
    }
    let mut sight = Sight { narrowing, path: place.path, known: HashMap::new() };
    let mut seen = Vec::new();
    for one in found {
        seen.extend(sight.see(tx, one).await?);
    }
    Ok(seen)
}
