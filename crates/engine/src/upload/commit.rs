//! The act that makes content visible: where it goes, and what becomes of content that was refused.

use longshore_core::wire::{NodeKind, OnConflict, Version};
use longshore_core::{Code, Name, NodeId, VersionId, WorkspacePath};
use serde_json::json;

use super::{Input, Received, Written, live_file};
use crate::act::{Act, Ask};
use crate::actor::Actor;
use crate::blob::BlobId;
use crate::db::events::Change;
use crate::db::nodes::{NodeRow, Place};
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::narrowing::Need;
use crate::nodes::{
    Target, check_metadata, ensure_reached, follow, live_node, make_folders, name_taken, root,
};

/// How many numbers `on_conflict=rename` tries.
const RENAMES: u64 = 1_000;

/// Where content goes: a file that is there, or a free name in a folder.
enum Spot {
    Existing(Box<NodeRow>, WorkspacePath),
    Free(NodeId, WorkspacePath),
}

async fn find_spot(act: &mut Act<'_>, target: &Target, on_conflict: OnConflict) -> Result<Spot> {
    let (name, place, folder) = match target {
        Target::Node(id) => {
            let (row, place) = live_file(act.tx, act.log.actor(), *id).await?;
            act.actor().needs(row.workspace, Need::WRITE)?;
            act.check(Some(&row)).await?;
            act.permit(&place)?;
            return Ok(Spot::Existing(Box::new(row), place.path));
        }
        Target::Child { parent, name } => {
            let (row, place) = live_node(act.tx, act.log.actor(), *parent).await?;
            ensure_parent(&row, &place)?;
            (name, place, row.id)
        }
        Target::Path { path, .. } => {
            let (parents, name) =
                path.split_last().ok_or_else(|| Error::new(Code::NotAFile, "the root is a folder"))?;
            let root = root(act).await?.id;
            ensure_reached(act.tx, act.log.actor(), root, path).await?;
            if act.demands_a_version() {
                // Folders must not be made for a write that asks for a file that is there.
                let found = follow(act.tx, root, path).await?;
                act.check(found.as_ref()).await?;
            }
            let (row, place, _) = make_folders(act, &parents).await?;
            (name, place, row.id)
        }
    };
    let found = db::nodes::child(act.tx, folder, name.as_str()).await?;
    act.actor().needs(act.log.workspace(), written_to(found.is_some(), on_conflict))?;
    match on_conflict {
        OnConflict::Version => act.check(found.as_ref()).await?,
        OnConflict::Error | OnConflict::Rename => act.check_stated(found.as_ref()).await?,
    }
    let Some(row) = found else {
        act.permit(&place)?;
        return Ok(Spot::Free(folder, place.path.join(name.clone())?));
    };
    ensure_free_to_write(&row, on_conflict, act.actor())?;
    match on_conflict {
        // With `Error` nothing that is there gets so far.
        OnConflict::Version | OnConflict::Error => {
            let place = place.below(&row)?;
            act.permit(&place)?;
            Ok(Spot::Existing(Box::new(row), place.path))
        }
        OnConflict::Rename => {
            act.permit(&place)?;
            let name = free_name(act.tx, folder, name).await?;
            Ok(Spot::Free(folder, place.path.join(name)?))
        }
    }
}

/// Returns what it takes to bring content to a name that something has, or nothing.
pub(super) const fn written_to(is_taken: bool, on_conflict: OnConflict) -> Need {
    match on_conflict {
        OnConflict::Version if is_taken => Need::WRITE,
        // What is there stays as it is.
        OnConflict::Version | OnConflict::Error | OnConflict::Rename => Need::CREATE,
    }
}

/// Refuses to write into what is no folder.
pub(super) fn ensure_parent(row: &NodeRow, place: &Place) -> Result<()> {
    if row.kind == NodeKind::Folder {
        return Ok(());
    }
    Err(Error::new(Code::NotAFolder, format!("{} is a file", place.path)))
}

/// Refuses a name that something has which this write may not touch.
pub(super) fn ensure_free_to_write(row: &NodeRow, on_conflict: OnConflict, actor: &Actor) -> Result<()> {
    if actor.share().is_some() && on_conflict == OnConflict::Rename {
        // Who puts something into a drop box learns nothing of what is there, be it a folder.
        return Ok(());
    }
    if row.kind == NodeKind::Folder {
        return Err(Error::new(Code::NotAFile, format!("{:?} is a folder", row.name)));
    }
    match on_conflict {
        OnConflict::Error => Err(name_taken(&row.name)),
        OnConflict::Version | OnConflict::Rename => Ok(()),
    }
}

async fn free_name(tx: &mut Tx, folder: NodeId, name: &Name) -> Result<Name> {
    for number in 2..=RENAMES {
        let numbered = name.numbered(number);
        if db::nodes::child(tx, folder, numbered.as_str()).await?.is_none() {
            return Ok(numbered);
        }
    }
    Err(name_taken(name.as_str()))
}

/// The act that makes content visible.
pub(crate) async fn commit(act: &mut Act<'_>, input: Input, received: Received) -> Result<Written> {
    let (now, by) = (act.now(), act.actor().principal);
    let spot = find_spot(act, &input.target, input.options.on_conflict).await?;
    let (mut row, path, before) = match spot {
        Spot::Existing(row, path) => (*row.clone(), path, Some(row)),
        Spot::Free(folder, path) => {
            let name = path.names().last().map(Name::to_string).unwrap_or_default();
            let row = NodeRow::folder(act.log.workspace(), Some(folder), name, by, now);
            (NodeRow { kind: NodeKind::File, ..row }, path, None)
        }
    };
    let version = Version {
        id: VersionId::new(now),
        node_id: row.id,
        number: row.version_number + 1,
        size: received.size,
        media_type: received.media_type,
        stated_media_type: input.options.media_type,
        digest: received.digest,
        sha256: received.sha256,
        created_at: now,
        created_by: by,
        fence: row.fence,
        label: None,
    };
    row.set_version(&version);
    let described = input.options.metadata.is_some();
    if let Some(metadata) = input.options.metadata {
        check_metadata(&metadata)?;
        row.metadata = metadata;
    }
    row.touch(&act.log);
    let mut change = match &before {
        None => {
            db::nodes::insert(act.tx, &row).await?;
            Change::of("file.created", &row, &path).after_nothing()
        }
        Some(before) => {
            db::nodes::update(act.tx, &row).await?;
            Change::of("version.created", &row, &path)
                .after(before)
                .with("previous_version_id", json!(before.version))
        }
    };
    db::versions::insert(act.tx, &mut act.log, &version, &received.blob).await?;
    if let Some(id) = received.blob.lies_in() {
        // A sweep may have come between content and version: what it noted is none of a later purge's grace.
        db::orphans::forget(act.tx, id).await?;
    }
    if described {
        change = change.with("metadata", json!(row.metadata));
    }
    act.record(change.with("size", json!(version.size)).with("digest", json!(version.digest))).await?;
    let node = row.into_node(Place { path, ..Place::default() }, now);
    Ok(Written { node, created: before.is_none() })
}

impl Engine {
    pub(super) async fn commit_upload(&self, mut input: Input, received: Received) -> Result<Written> {
        let blob = received.blob.lies_in();
        let premises = input.take_premises(&received);
        let scope = input.scope();
        let actor = input.actor.clone();
        let ask = Ask { actor: &actor, need: Need::UPLOAD, scope, premises };
        let written = self
            .act_or_replay(ask, (input, received), |act, (input, received)| {
                Box::pin(commit(act, input, received))
            })
            .await;
        if let Some(id) = blob.filter(|_| came_for_nothing(&written)) {
            self.discard(id).await;
        }
        Ok(written?.0)
    }

    /// Removes the blob that was written for what was refused.
    pub(crate) async fn discard_refused<T>(&self, blob: Option<BlobId>, outcome: &Result<T>) {
        if let Some(id) = blob.filter(|_| outcome.as_ref().is_err_and(Error::is_refusal)) {
            self.discard(id).await;
        }
    }

    /// Removes a blob that nothing names. One that stays all the same is an orphan, and the sweeper's.
    pub(crate) async fn discard(&self, id: BlobId) {
        if let Err(error) = self.store().delete(&id.path(), true).await {
            tracing::warn!(%error, blob = %id, "a refused write's blob stays until it is swept");
        }
    }
}

/// Tells whether the bytes that were written for an act are of no use after it: it was refused, or the bytes of the first
/// time are the version's. After a fault nobody knows whether the commit held.
pub(crate) fn came_for_nothing(outcome: &Result<(Written, bool)>) -> bool {
    match outcome {
        Ok((_, is_replayed)) => *is_replayed,
        Err(error) => error.is_refusal(),
    }
}
