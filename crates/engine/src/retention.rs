//! What workspaces' own rules remove by the clock, and purges that are too much for one request: jobs.
//!
//! A job of the server looks which workspaces have something to remove and makes one of each of those, so that a
//! large one holds back no other.

use std::sync::Arc;
use std::time::Duration;

use longshore_core::wire::{Purged, Role, Workspace};
use longshore_core::{Code, KeyId, NodeId, PrincipalId, SessionId, Timestamp, WorkspaceId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::act::Act;
use crate::actor::{Actor, Credential, Origin};
use crate::audit::Entry;
use crate::db;
use crate::db::nodes::Place;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::jobs::{Handled, JobContext, JobFailure, JobKind, NewJob, Outcome, enqueue};
use crate::purge::{END, Meant, TrashPurged, days};

/// Removes from the trash of a workspace what is older than its rules keep it.
pub(crate) static TRASH: JobKind = JobKind::new("trash.purge").steered_by(Role::Admin);

/// Removes the old versions that the rules of a workspace keep no longer.
pub(crate) static VERSIONS: JobKind = JobKind::new("versions.retain").steered_by(Role::Admin);

/// Removes for good, step by step, what somebody asked for: a node of the trash, or all of it. Admins alone may
/// ask for that, so they alone may have it done again.
pub(crate) static PURGE: JobKind = JobKind::new("nodes.purge").steered_by(Role::Admin);

/// How often rules are looked at.
pub(crate) const INTERVAL: Duration = Duration::from_hours(1);

/// What a purge was asked for, and by whom: it acts in that one's name.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Purge {
    /// The node; nothing for the whole trash.
    node: Option<NodeId>,
    /// What came to the trash later stays.
    asked_at: i64,
    principal: PrincipalId,
    /// With `session` that of who asked for it; neither is there for Longshore itself.
    key: Option<KeyId>,
    session: Option<SessionId>,
    #[serde(flatten)]
    origin: Origin,
}

/// Leaves a purge to a job, in the act that was to do it: that of a node, which is in the trash there, or of all.
///
/// Who asks again has the same job, unless something came to the trash since: that one does not mean it.
pub(crate) async fn purge_later(act: &mut Act<'_>, node: Option<(NodeId, &Place)>) -> Result<Purged> {
    let (actor, now, workspace) = (act.actor().clone(), act.now(), act.log.workspace());
    let (what, came) = match node {
        Some((id, place)) => (id.to_string(), place.trashed_at),
        None => {
            let newest = db::nodes::trash(act.tx, workspace, (END, ""), 1).await?;
            (workspace.to_string(), newest.first().and_then(|row| row.trashed_at))
        }
    };
    let key = format!("{what} {}", came.unwrap_or(now).as_micros());
    let payload = Purge {
        node: node.map(|(id, _)| id),
        asked_at: now.as_micros(),
        principal: actor.principal,
        key: actor.key(),
        session: actor.session(),
        origin: actor.origin.as_deref().cloned().unwrap_or_default(),
    };
    let job = NewJob::new(&PURGE, json!(payload)).in_workspace(workspace).by(payload.principal).unique(key);
    let job_id = enqueue(act.tx, &job, now).await?;
    let entry = Entry::done("purge.asked", act.log.actor(), now).within(workspace).about(what);
    act.tx.note(entry.with("job_id", json!(job_id)));
    Ok(Purged { job_id: Some(job_id), ..Purged::default() })
}

/// Why a job's handler has ended before its work did.
fn given_up() -> Error {
    Error::new(Code::ShuttingDown, "the job was asked to end")
}

/// Counts what a purge removes, and gives it up once its job is to end.
fn counter(context: &JobContext) -> impl FnMut(Purged) -> Result<()> + Send {
    let (context, mut done) = (context.clone(), 0);
    move |purged| {
        done += purged.nodes;
        context.progress(done, None, "nodes");
        if context.is_cancelled() { Err(given_up()) } else { Ok(()) }
    }
}

fn told(TrashPurged { purged, locked }: TrashPurged) -> Value {
    json!({ "nodes": purged.nodes, "versions": purged.versions, "bytes": purged.bytes, "locked": locked })
}

/// A lock in the way goes by itself; what else the workspace refuses it refuses again.
fn failure(error: Error) -> JobFailure {
    if error.is_retryable() || error.code() == Code::Locked || error.code() == Code::Internal {
        error.into()
    } else {
        JobFailure::permanent(error)
    }
}

fn workspace_of(context: &JobContext) -> std::result::Result<WorkspaceId, JobFailure> {
    let none = || JobFailure::permanent(Error::corrupt("a job that needs a workspace and has none"));
    context.workspace().ok_or_else(none)
}

pub(crate) async fn purge(context: JobContext) -> Handled {
    let (workspace, wanted) = (workspace_of(&context)?, context.payload::<Purge>()?);
    let credential = match (wanted.key, wanted.session) {
        (Some(key), _) => Credential::Key(key),
        (None, Some(session)) => Credential::Session(session),
        (None, None) => Credential::Longshore,
    };
    let actor = Actor::admin_of(workspace, wanted.principal, credential).in_request(Arc::new(wanted.origin));
    let (engine, mut said) = (context.engine(), counter(&context));
    let before = Timestamp::from_micros(wanted.asked_at.saturating_add(1));
    let done = match wanted.node {
        Some(node) => match engine.purge_step_by_step(&actor, node, before, &mut said).await {
            Ok(purged) => TrashPurged { purged, locked: 0 },
            // An attempt before this one was through with it.
            Err(error) if error.code() == Code::NodeNotFound && context.attempt() > 1 => {
                TrashPurged::default()
            }
            Err(error) => return Err(failure(error)),
        },
        None => engine.purge_trash_before(&actor, workspace, before, &mut said).await.map_err(failure)?,
    };
    Ok(Outcome::of(told(done)))
}

pub(crate) async fn trash(context: JobContext) -> Handled {
    let Some(workspace) = context.workspace() else {
        return Ok(for_each_workspace(&context, &TRASH, trash_is_due).await?);
    };
    let done = context.engine().purge_trash(workspace, &mut counter(&context)).await.map_err(failure)?;
    Ok(Outcome::of(told(done)))
}

pub(crate) async fn versions(context: JobContext) -> Handled {
    let Some(workspace) = context.workspace() else {
        return Ok(for_each_workspace(&context, &VERSIONS, versions_are_due).await?);
    };
    let engine = context.engine();
    let mut said = |done: &crate::versions::Retained| {
        context.progress(done.removed, None, "versions");
        if context.is_cancelled() { Err(given_up()) } else { Ok(()) }
    };
    let done = engine.retain_versions_with(workspace, &mut said).await.map_err(failure)?;
    Ok(Outcome::of(json!({ "versions": done.removed, "bytes": done.bytes, "locked": done.locked })))
}

fn trash_is_due(workspace: &Workspace) -> bool {
    workspace.settings.trash_days.is_some()
}

fn versions_are_due(workspace: &Workspace) -> bool {
    workspace.settings.versions_kept.is_some() || workspace.settings.versions_days.is_some()
}

/// Makes a job of each workspace that has such rules.
async fn for_each_workspace(
    context: &JobContext,
    kind: &'static JobKind,
    is_due: fn(&Workspace) -> bool,
) -> Result<Outcome> {
    let (mut after, mut made) = (String::new(), 0_u64);
    loop {
        let from = after.clone();
        let engine = context.engine();
        let page = engine.db().read(move |tx| {
            let from = from.clone();
            Box::pin(async move { db::workspaces::list(tx, &from, 500).await })
        });
        let page = page.await?;
        let Some(last) = page.last() else { break };
        after = last.id.to_string();
        let jobs: Vec<_> = page
            .iter()
            .filter(|workspace| is_due(workspace))
            .map(|workspace| {
                NewJob::new(kind, Value::Null).in_workspace(workspace.id).unique(workspace.id.to_string())
            })
            .collect();
        made += jobs.len() as u64;
        let clock = engine.clock();
        let enqueued = context.write(move |tx| {
            let (clock, jobs) = (clock.clone(), jobs.clone());
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                for job in &jobs {
                    enqueue(tx, job, now).await?;
                }
                Ok(())
            })
        });
        enqueued.await?;
    }
    Ok(Outcome::of(json!({ "workspaces": made })))
}

impl Engine {
    /// Removes for good what has been in a workspace's trash for longer than its rules keep it.
    ///
    /// `said` is told after each step what that has removed, and gives the purge up by an error.
    pub async fn purge_trash(
        &self,
        workspace: WorkspaceId,
        said: &mut (dyn FnMut(Purged) -> Result<()> + Send),
    ) -> Result<TrashPurged> {
        let actor = Actor::longshore(workspace);
        let Some(kept) = self.workspace(&actor, workspace).await?.settings.trash_days else {
            return Ok(TrashPurged::default());
        };
        // By this process's clock and the rules of now: enough to look, as each act decides for itself.
        let before = self.now().minus(days(kept));
        self.purge_each(&actor, workspace, before, Meant::Outdated, said).await
    }
}
