//! Quotas: what a workspace keeps is counted in its own row, in the transaction of every change, and never passes what it may.
//!
//! A version counts in full as long as it is kept, live or in the trash, whoever else shares its bytes. An upload sets aside,
//! when it begins, all that it has announced: a thousand open uploads fill the disk as well as a thousand files do, and who
//! was let begin finds room at the end. Where it announces nothing, what has come is set aside piece by piece.
//!
//! A limit refuses what adds to what it counts, and nothing else: below a quota that was lowered one may still rename, trash
//! and purge.

use longshore_core::wire::{Facts, Quota, QuotaExceeded, QuotaLimit, UpdateQuota, Usage, Workspace};
use longshore_core::{Code, WorkspaceId};
use serde_json::json;

use crate::act::{Act, Ask, Premises, Scope};
use crate::actor::{Actor, Right};
use crate::db::events::Change;
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::narrowing::Need;
use crate::workspaces;

/// How many bytes of a content whose length is not known come before the quota is looked at again.
const LOOK: u64 = 64 * 1_024 * 1_024;

/// What a workspace may keep, and what it keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) quota: Quota,
    pub(crate) usage: Usage,
}

/// What something adds to what a workspace keeps.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct More {
    pub(crate) bytes: u64,
    pub(crate) files: u64,
    /// The bytes of its largest version.
    pub(crate) largest: u64,
}

impl More {
    /// One version, which makes a file unless it is there.
    pub(crate) const fn version(size: u64, is_new: bool) -> Self {
        Self { bytes: size, files: is_new as u64, largest: size }
    }
}

fn exceeded(of: QuotaLimit, limit: u64, used: u64, asked: u64) -> Error {
    let detail = match of {
        QuotaLimit::Bytes => {
            format!("the workspace may keep {limit} bytes, has {used}, and {asked} more were asked for")
        }
        QuotaLimit::Files => {
            format!("the workspace may keep {limit} files, has {used}, and {asked} more were asked for")
        }
        QuotaLimit::LargestFile => {
            format!("a file of this workspace has at most {limit} bytes, and {asked} were asked for")
        }
    };
    let quota = Some(QuotaExceeded { of, limit, used, asked });
    Error::new(Code::QuotaExceeded, detail).with_facts(Facts { quota, ..Facts::default() })
}

impl Tally {
    /// Refuses what would pass a limit.
    pub(crate) fn ensure_room(&self, more: More) -> Result<()> {
        let Quota { bytes, files, largest_file } = self.quota;
        let used = self.usage.bytes.saturating_add(self.usage.staged_bytes);
        for (of, limit, used, asked) in [
            (QuotaLimit::LargestFile, largest_file, 0, more.largest),
            (QuotaLimit::Bytes, bytes, used, more.bytes),
            (QuotaLimit::Files, files, self.usage.files, more.files),
        ] {
            match limit {
                Some(limit) if asked > 0 && used.saturating_add(asked) > limit => {
                    return Err(exceeded(of, limit, used, asked));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Counts what is added, where there is room for it.
    pub(crate) fn add(&mut self, more: More) -> Result<()> {
        self.ensure_room(more)?;
        self.usage.bytes = self.usage.bytes.saturating_add(more.bytes);
        self.usage.files = self.usage.files.saturating_add(more.files);
        Ok(())
    }

    /// Counts what is gone.
    pub(crate) const fn remove(&mut self, bytes: u64, files: u64) {
        self.usage.bytes = self.usage.bytes.saturating_sub(bytes);
        self.usage.files = self.usage.files.saturating_sub(files);
    }

    /// Gives back what was set aside for an upload.
    pub(crate) const fn unstage(&mut self, bytes: u64) {
        self.usage.staged_bytes = self.usage.staged_bytes.saturating_sub(bytes);
    }

    /// Returns how large a content may become that has set aside so much of its bytes already.
    fn reach(&self, set_aside: u64) -> u64 {
        let others = self.usage.bytes.saturating_add(self.usage.staged_bytes.saturating_sub(set_aside));
        let free = self.quota.bytes.map_or(u64::MAX, |limit| limit.saturating_sub(others));
        free.min(self.quota.largest_file.unwrap_or(u64::MAX))
    }
}

/// Sets bytes aside for an upload whose content will have, or has so far, `size` of them in all.
pub(crate) async fn set_aside(tx: &mut Tx, workspace: WorkspaceId, more: u64, size: u64) -> Result<()> {
    let mut tally = db::quotas::stage(tx, workspace, more.cast_signed()).await?;
    tally.unstage(more);
    tally.ensure_room(More { bytes: more, files: 0, largest: size })
}

/// Gives back what was set aside.
pub(crate) async fn give_back(tx: &mut Tx, workspace: Option<WorkspaceId>, bytes: u64) -> Result<()> {
    match workspace {
        Some(workspace) if bytes > 0 => {
            db::quotas::stage(tx, workspace, -bytes.cast_signed()).await?;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Returns where a part of an upload sets its bytes aside of whose file nobody has said where it is to be: in the workspace that the key is
/// narrowed to, or else in the one with the most room, so that no member stages more than any of them lets in. Nothing where
/// one of them has no limit.
pub(crate) async fn place_of_part(tx: &mut Tx, actor: &Actor) -> Result<Option<WorkspaceId>> {
    let found = db::quotas::roomiest(tx, actor).await?;
    let is_limited = |tally: &Tally| tally.quota.bytes.is_some();
    Ok(found.filter(|(_, tally)| actor.only().is_some() || is_limited(tally)).map(|(workspace, _)| workspace))
}

/// Watches a content whose bytes come: it is stopped where it passes what is free, or what a file may have.
#[derive(Clone, Debug)]
pub(crate) struct Gauge {
    workspace: WorkspaceId,
    /// How many bytes the content may have before the quota is looked at again.
    known: u64,
}

impl Gauge {
    /// Makes one for content of which so many bytes were let in.
    pub(crate) const fn new(workspace: WorkspaceId, known: u64) -> Self {
        Self { workspace, known }
    }

    /// Refuses a content of this size, as the workspace is now; so much of it is set aside already.
    pub(crate) async fn check(&mut self, engine: &Engine, size: u64, set_aside: u64) -> Result<()> {
        if size <= self.known {
            return Ok(());
        }
        let workspace = self.workspace;
        let tally = engine.db().read(move |tx| Box::pin(db::quotas::get(tx, workspace))).await;
        // What cannot be asked now is asked with the next bytes, and by the commit at the latest.
        let Ok(Some(mut tally)) = tally else { return Ok(()) };
        let reach = tally.reach(set_aside);
        if size > reach {
            tally.unstage(set_aside);
            tally.ensure_room(More::version(size, false))?;
        }
        self.known = reach.min(size.saturating_add(LOOK));
        Ok(())
    }
}

/// Refuses a limit that is no number of every reader's.
pub(crate) fn check(wanted: UpdateQuota) -> Result<()> {
    let limits = [wanted.bytes, wanted.files, wanted.largest_file];
    if limits.into_iter().flatten().flatten().any(|limit| limit > UpdateQuota::MOST) {
        let detail = format!("a limit is a number up to {}, or `null`", UpdateQuota::MOST);
        return Err(Error::new(Code::InvalidBody, detail));
    }
    Ok(())
}

async fn set(act: &mut Act<'_>, wanted: UpdateQuota) -> Result<Workspace> {
    act.actor().may(RIGHT)?;
    let mut workspace = workspaces::of_act(act).await?;
    let before = workspace.quota;
    workspace.quota = wanted.apply(&before);
    if workspace.quota != before {
        db::quotas::set(act.tx, workspace.id, workspace.quota).await?;
        let change = Change::of_workspace("workspace.quota_changed")
            .with("from", json!(before))
            .with("quota", json!(workspace.quota));
        workspace.seq = act.record(change).await?;
    }
    Ok(workspace)
}

/// What setting a quota takes: those who administer a workspace do not set their own.
const RIGHT: Right = Right::Everywhere(Need::MANAGE);

impl Engine {
    /// Says how much a workspace may keep. It takes an admin of the server. Where it keeps more already, all of it stays, and
    /// nothing that adds to it goes in.
    pub async fn set_quota(
        &self,
        actor: &Actor,
        id: WorkspaceId,
        wanted: UpdateQuota,
        premises: Premises,
    ) -> Result<Workspace> {
        actor.may(RIGHT)?;
        check(wanted)?;
        let ask = Ask { actor, need: Need::MANAGE, scope: Scope::Workspace(id), premises };
        self.act(ask, wanted, |act, wanted| Box::pin(set(act, wanted))).await
    }
}
