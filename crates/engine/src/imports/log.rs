//! The log of an import: what it tells of nodes, people and keys must be of the archive, or of nobody here.
//!
//! Events name nodes and versions that were purged since, and people and keys that are not in the archive, so not all that they
//! name can be looked up in it. But what this server has under such an id is somebody else's: no event of an archive is about
//! another workspace's node, and none is credited to a key or a person of this server whom the archive does not have.

use std::collections::BTreeSet;

use longshore_core::export::{EventLine, Section};
use longshore_core::{PrincipalId, WorkspaceId, random};
use serde_json::Value;

use super::malformed;
use super::renaming::{Renaming, Strangers, is_id};
use super::settle::Settling;
use crate::db::{self, Tx};
use crate::error::Result;

/// Returns what an undo or a reader would go by: these ids have the columns of an event's row.
fn own_ids(event: &EventLine) -> impl Iterator<Item = String> {
    let nodes = [event.node_id, event.parent_id, event.parent_before].into_iter().flatten();
    let versions = [event.version_id, event.previous_version_id].into_iter().flatten();
    let before = event.before.iter().flat_map(|before| {
        let ids = [&before["parent_id"], &before["version_id"]];
        ids.into_iter().filter_map(Value::as_str).map(str::to_owned)
    });
    nodes.map(|id| id.to_string()).chain(versions.map(|id| id.to_string())).chain(before)
}

/// Collects whatever is an id in a value.
fn collect(value: &Value, ids: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if is_id(text) => drop(ids.insert(text.clone())),
        Value::Array(items) => items.iter().for_each(|item| collect(item, ids)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, ids)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl Settling {
    pub(super) async fn events(
        &self,
        tx: &mut Tx,
        workspace: WorkspaceId,
        renaming: &mut Renaming,
    ) -> Result<()> {
        let mut seed = [0; 32];
        random::fill(&mut seed);
        let mut pages = self.pages(Section::Events);
        loop {
            let page: Vec<EventLine> = pages.page(tx).await?;
            if page.is_empty() {
                return Ok(());
            }
            let ids = db::imports::of_others(tx, workspace, &named(&page, renaming)).await?;
            renaming.strangers = Strangers { seed, ids };
            for mut event in page {
                if let Some(id) = own_ids(&event).find(|id| renaming.strangers.ids.contains(id)) {
                    let why = format!("the event {} is about {id}, which is another workspace's", event.seq);
                    return Err(malformed(Section::Events.file(), why));
                }
                rename(&mut event, renaming);
                db::imports::insert_event(tx, workspace, &event).await?;
            }
        }
    }
}

/// Returns the ids in some events that may be somebody else's here.
fn named(page: &[EventLine], renaming: &Renaming) -> Vec<String> {
    let mut ids = BTreeSet::new();
    for event in page {
        ids.extend(own_ids(event));
        ids.extend(event.key_id.map(|id| id.to_string()));
        collect(&event.data, &mut ids);
    }
    // Who is in the archive has an id here already, and where all others are new none of them is anybody's.
    let is_open = |id: &String| match id.parse::<PrincipalId>() {
        Ok(id) => id != PrincipalId::LONGSHORE && !renaming.principals.contains_key(&id),
        Err(_) => renaming.seed.is_none() || id.starts_with(longshore_core::KeyId::PREFIX),
    };
    ids.into_iter().filter(is_open).collect()
}

fn rename(event: &mut EventLine, renaming: &Renaming) {
    event.actor = renaming.principal(event.actor);
    event.key_id = event.key_id.map(|id| renaming.key(id));
    for id in [&mut event.node_id, &mut event.parent_id, &mut event.parent_before] {
        *id = id.map(|id| renaming.node(id));
    }
    for id in [&mut event.version_id, &mut event.previous_version_id] {
        *id = id.map(|id| renaming.version(id));
    }
    event.before.iter_mut().for_each(|before| renaming.value(before));
    renaming.value(&mut event.data);
}
