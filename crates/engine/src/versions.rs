//! Old versions: what they are called, how they differ, and how they go.

use futures_util::TryStreamExt;
use longshore_core::wire::{Comparison, NoText, Node, TextDiff, UpdateVersion, Version};
use longshore_core::{Code, NodeId, Timestamp, VersionId, WorkspaceId, WorkspacePath};
use serde_json::json;
use similar::{ChangeTag, TextDiff as Lines};

use crate::act::{Act, Ask, Premises, Scope};
use crate::actor::Actor;
use crate::db;
use crate::db::events::Change;
use crate::db::nodes::{NodeRow, Place};
use crate::db::versions::Dispensable;
use crate::download::Content;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::narrowing::Need;
use crate::nodes::check_label;
use crate::purge::{END, days};
use crate::upload::live_file;

/// The most characters of a version's label.
pub(crate) const LABEL: usize = 200;

/// The largest content that is looked at as text, to compare or to count it, and the longest difference that is told, in bytes.
const TEXT: usize = 1024 * 1024;

/// How long two texts are compared exactly; what is left then is told as removed and added.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(1);

/// How many versions one act of a workspace's rules removes.
const PURGED: u32 = 200;

/// How many files the rules look at at once.
const FILES: u32 = 200;

/// What a workspace's rules did to its old versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// How many versions were removed.
    pub removed: u64,
    /// How many bytes they had.
    pub bytes: u64,
    /// How many files were left alone because a lock covers them.
    pub locked: u64,
}

/// Finds a version of a live file for a change.
async fn version_of(act: &mut Act<'_>, file: NodeId, id: VersionId) -> Result<(NodeRow, Place, Version)> {
    let (row, place) = live_file(act.tx, act.log.actor(), file).await?;
    act.check(Some(&row)).await?;
    act.permit(&place)?;
    let version = db::versions::get(act.tx, file, id).await?.ok_or_else(|| no_version(id))?;
    Ok((row, place, version))
}

impl Engine {
    /// Makes an old version's content the current one, as a new version.
    pub async fn restore_version(
        &self,
        actor: &Actor,
        file: NodeId,
        version: VersionId,
        premises: Premises,
    ) -> Result<Node> {
        let ask = Ask { actor, need: Need::WRITE, scope: Scope::Node(file), premises };
        self.act(ask, (), move |act, ()| {
            Box::pin(async move {
                let (mut row, place) = live_file(act.tx, act.log.actor(), file).await?;
                act.check(Some(&row)).await?;
                act.permit(&place)?;
                let change = bring_back_content(act, &mut row, version, &place.path).await?;
                row.touch(&act.log);
                db::nodes::update(act.tx, &row).await?;
                act.record(change).await?;
                Ok(row.into_node(place, act.now()))
            })
        })
        .await
    }

    /// Says what a version is called from now on, or that it is called nothing.
    pub async fn update_version(
        &self,
        actor: &Actor,
        file: NodeId,
        id: VersionId,
        wanted: UpdateVersion,
        premises: Premises,
    ) -> Result<Version> {
        if let Some(label) = &wanted.label {
            check_label(label, LABEL)?;
        }
        let ask = Ask { actor, need: Need::WRITE, scope: Scope::Node(file), premises };
        self.act(ask, wanted.label, move |act, label| {
            Box::pin(async move {
                let (row, place, version) = version_of(act, file, id).await?;
                if version.label == label {
                    return Ok(version);
                }
                db::versions::set_label(act.tx, id, label.as_deref()).await?;
                let change = Change::of("version.labelled", &row, &place.path)
                    .with("version", json!({ "id": id, "number": version.number }))
                    .with("from", json!(version.label))
                    .with("label", json!(label));
                act.record(change).await?;
                Ok(Version { label, ..version })
            })
        })
        .await
    }

    /// Removes an old version for good; the current one stays.
    pub async fn delete_version(
        &self,
        actor: &Actor,
        file: NodeId,
        id: VersionId,
        premises: Premises,
    ) -> Result<()> {
        let ask = Ask { actor, need: Need::PURGE, scope: Scope::Node(file), premises };
        self.act(ask, (), move |act, ()| {
            Box::pin(async move {
                let (row, place, version) = version_of(act, file, id).await?;
                if row.version == Some(id) {
                    let detail = format!("{id} is the current version of {}", place.path);
                    return Err(Error::new(Code::VersionInUse, detail));
                }
                db::versions::delete(act.tx, &mut act.log, &version).await?;
                let change = Change::of("version.deleted", &row, &place.path)
                    .with("version", json!({ "id": id, "number": version.number, "size": version.size }))
                    .with("label", json!(version.label));
                act.record(change).await?;
                Ok(())
            })
        })
        .await
    }

    /// Compares two versions of a file, line by line where both are text.
    pub async fn compare_versions(
        &self,
        actor: &Actor,
        file: NodeId,
        from: VersionId,
        to: VersionId,
    ) -> Result<Comparison> {
        let from = self.open_content(actor, file, Some(from)).await?;
        let to = self.open_content(actor, file, Some(to)).await?;
        let (one, other) = (from.version().clone(), to.version().clone());
        let same_content = one.digest == other.digest;
        let compared = match (text_of(&from).await?, text_of(&to).await?) {
            (Ok(before), Ok(after)) => {
                let heads =
                    [&one, &other].map(|version| format!("version {} {}", version.number, version.id));
                let compared =
                    tokio::task::spawn_blocking(move || compare_lines(&before, &after, &heads, TEXT));
                Ok(compared.await.map_err(|_| Error::new(Code::Internal, "a comparison was torn down"))?)
            }
            (Err(NoText::TooLarge), _) | (_, Err(NoText::TooLarge)) => Err(NoText::TooLarge),
            _ => Err(NoText::Binary),
        };
        let (text, no_text) = match compared {
            Ok(text) => (Some(text), None),
            Err(why) => (None, Some(why)),
        };
        Ok(Comparison { from: one, to: other, same_content, text, no_text })
    }

    /// Removes the old versions that a workspace's rules keep no longer. Files that are locked or in the trash are
    /// left alone.
    pub async fn retain_versions(&self, workspace: WorkspaceId) -> Result<Retained> {
        self.retain_versions_with(workspace, &mut |_| Ok(())).await
    }

    /// The same; `said` is told after each file what has been done, and gives it up by an error.
    pub(crate) async fn retain_versions_with(
        &self,
        workspace: WorkspaceId,
        said: &mut (dyn FnMut(&Retained) -> Result<()> + Send),
    ) -> Result<Retained> {
        let actor = Actor::longshore(workspace);
        let mut done = Retained::default();
        let mut after = String::new();
        loop {
            let Some(what) = self.dispensable(&actor, workspace).await? else {
                return Ok(done);
            };
            let from = after.clone();
            let files = self.db().read(move |tx| {
                let from = from.clone();
                Box::pin(async move {
                    let files = db::versions::files_with_history(tx, workspace, &from, FILES).await?;
                    let last = files.last().copied();
                    let mut due = Vec::new();
                    for file in files {
                        if !db::versions::dispensable(tx, file, what, 1).await?.is_empty() {
                            due.push(file);
                        }
                    }
                    Ok((due, last))
                })
            });
            let (due, last) = files.await?;
            for file in due {
                self.retain_versions_of(&actor, file, &mut done).await?;
                said(&done)?;
            }
            match last {
                Some(last) => after = last.to_string(),
                None => return Ok(done),
            }
        }
    }

    /// Says what a workspace's rules keep no longer; nothing where they keep all.
    async fn dispensable(&self, actor: &Actor, workspace: WorkspaceId) -> Result<Option<Dispensable>> {
        let settings = self.workspace(actor, workspace).await?.settings;
        Ok(dispensable(settings.versions_kept, settings.versions_days, self.now()))
    }

    async fn retain_versions_of(&self, actor: &Actor, file: NodeId, done: &mut Retained) -> Result<()> {
        loop {
            let ask =
                Ask { actor, need: Need::PURGE, scope: Scope::Node(file), premises: Premises::of_a_rule() };
            let step = self.act(ask, (), move |act, ()| Box::pin(retain_some(act, file)));
            match step.await {
                Ok((removed, bytes)) => {
                    done.removed += removed;
                    done.bytes += bytes;
                    if removed < u64::from(PURGED) {
                        return Ok(());
                    }
                }
                Err(error) if error.code() == Code::Locked => {
                    done.locked += 1;
                    return Ok(());
                }
                Err(error) if matches!(error.code(), Code::NodeNotFound | Code::InTrash) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

fn dispensable(kept: Option<u32>, kept_days: Option<u32>, now: Timestamp) -> Option<Dispensable> {
    if kept.is_none() && kept_days.is_none() {
        return None;
    }
    Some(Dispensable {
        kept: kept.unwrap_or(1),
        before: kept_days.map_or(END, |number| now.minus(days(number))),
    })
}

/// Removes, as one act, some of what a file's workspace keeps no longer: by its rules as they are in that act.
async fn retain_some(act: &mut Act<'_>, file: NodeId) -> Result<(u64, u64)> {
    let (row, place) = live_file(act.tx, act.log.actor(), file).await?;
    act.permit(&place)?;
    let settings = act.log.settings();
    let Some(what) = dispensable(settings.versions_kept, settings.versions_days, act.now()) else {
        return Ok((0, 0));
    };
    let old = db::versions::dispensable(act.tx, file, what, PURGED).await?;
    let Some((first, last)) = old.first().zip(old.last()) else { return Ok((0, 0)) };
    let bytes = old.iter().map(|version| version.size).sum();
    let gone: Vec<_> =
        old.iter().map(|version| json!({ "id": version.id, "number": version.number })).collect();
    let change = Change::of("version.purged", &row, &place.path)
        .with("versions", json!(gone))
        .with("numbers", json!([first.number, last.number]))
        .with("bytes", json!(bytes));
    for version in &old {
        db::versions::delete(act.tx, &mut act.log, version).await?;
    }
    act.record(change).await?;
    Ok((old.len() as u64, bytes))
}

/// Returns a content as text, or why it is none.
async fn text_of(content: &Content) -> Result<std::result::Result<String, NoText>> {
    let size = content.version().size;
    if size > TEXT as u64 {
        return Ok(Err(NoText::TooLarge));
    }
    let mut bytes = Vec::with_capacity(TEXT.min(usize::try_from(size).unwrap_or(TEXT)));
    if size > 0 {
        let mut pieces = content.read(0..size).await?;
        while let Some(piece) = pieces.try_next().await? {
            bytes.extend_from_slice(&piece);
        }
    }
    // A NUL is valid UTF-8, and in no text that people read.
    Ok(match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err(NoText::Binary),
    })
}

fn compare_lines(before: &str, after: &str, heads: &[String; 2], most: usize) -> TextDiff {
    let lines = Lines::configure().timeout(PATIENCE).diff_lines(before, after);
    let (mut added, mut removed) = (0, 0);
    for change in lines.iter_all_changes() {
        match change.tag() {
            ChangeTag::Insert => added += 1,
            ChangeTag::Delete => removed += 1,
            ChangeTag::Equal => {}
        }
    }
    let mut unified = lines.unified_diff().header(&heads[0], &heads[1]).to_string();
    let truncated = unified.len() > most;
    if truncated {
        // Whole lines, where there is more than one.
        let end = unified.floor_char_boundary(most);
        let end = unified[..end].rfind('\n').map_or(end, |place| place + 1);
        unified.truncate(end);
    }
    TextDiff { unified, truncated, added, removed }
}

/// Counts the characters of a content: what a note points at must be there.
pub(crate) async fn characters(content: &Content) -> Result<std::result::Result<u64, NoText>> {
    Ok(text_of(content).await?.map(|text| text.chars().count() as u64))
}

/// Makes a new version of a file with the content of an old one, whose bytes it shares; returns what is to be said.
pub(crate) async fn bring_back_content(
    act: &mut Act<'_>,
    row: &mut NodeRow,
    version: VersionId,
    path: &WorkspacePath,
) -> Result<Change> {
    let before = row.clone();
    let old = db::versions::with_blob(act.tx, row.id, version).await?;
    let (old, blob) = old.ok_or_else(|| no_version(version))?;
    let restored = Version {
        id: VersionId::new(act.now()),
        number: row.version_number + 1,
        created_at: act.now(),
        created_by: act.actor().principal,
        fence: row.fence,
        label: None,
        ..old
    };
    row.set_version(&restored);
    db::versions::insert(act.tx, &mut act.log, &restored, &blob).await?;
    Ok(Change::of("version.restored", row, path)
        .after(&before)
        .with("restored_from", json!(version))
        .with("previous_version_id", json!(before.version)))
}

pub(crate) fn no_version(id: VersionId) -> Error {
    Error::new(Code::VersionNotFound, format!("the file has no version {id}"))
}

#[cfg(test)]
mod tests;
