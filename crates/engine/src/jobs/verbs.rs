//! Jobs as people and programs see them: looking, waiting, cancelling, trying again.

use std::time::Duration;

use longshore_core::wire::{Job, JobState, Page, Role};
use longshore_core::{Code, JobId, Timestamp, WorkspaceId};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::built_in::is_step;
use super::enqueue::{NewJob, enqueue};
use super::kind::is_kind;
use super::state::{JobBacklog, JobCount};
use crate::actor::{Actor, Right};
use crate::audit::Entry;
use crate::db::jobs::{self as rows, Wanted};
use crate::db::{self, Tx};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::idempotency::{Idempotency, once};
use crate::listing::PageRequest;
use crate::narrowing::Need;

/// How often one who waits looks for itself: a job that another process runs ends without a word here.
const LOOK: Duration = Duration::from_secs(1);

/// Which jobs a list is about; what is left out is no matter.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Those of a workspace.
    pub workspace: Option<WorkspaceId>,
    /// Those that stand there.
    pub state: Option<JobState>,
    /// Those of a kind.
    pub kind: Option<String>,
}

fn not_found(id: JobId) -> Error {
    Error::new(Code::JobNotFound, format!("no job {id}"))
}

/// Tells whether an actor sees the jobs of the server itself.
fn sees_system(actor: &Actor) -> bool {
    actor.role_everywhere() >= Some(Role::Admin)
}

/// Tells whether an actor sees a job. A key of a folder sees none: a job is about the workspace, or says not what it is about.
fn sees(actor: &Actor, job: &Job) -> bool {
    if actor.narrowing().folder.is_some() {
        return false;
    }
    job.workspace_id.map_or_else(|| sees_system(actor), |workspace| actor.reaches(workspace))
}

/// Returns a job that the actor sees as the transaction finds them, with its fence and that actor; a key that was revoked
/// meanwhile sees none.
async fn seen(tx: &mut Tx, actor: &Actor, id: JobId, now: Timestamp) -> Result<(Job, u64, Actor)> {
    let found = rows::get(tx, id).await?;
    let actor = match found.as_ref().and_then(|(job, _)| job.workspace_id) {
        Some(workspace) => db::access::actor_in(tx, actor, workspace, now).await?,
        None => db::access::actor_now(tx, actor, now).await?,
    };
    let (job, fence) = found.ok_or_else(|| not_found(id))?;
    if !sees(&actor, &job) {
        return Err(not_found(id).refusing(job.workspace_id));
    }
    Ok((job, fence, actor))
}

/// Returns a job that the actor may steer, with its fence and the right that this takes. Who makes a job acts by it in their
/// own name, so it takes what its kind asks for, not just any role that writes.
async fn steered(tx: &mut Tx, actor: &Actor, id: JobId, now: Timestamp) -> Result<(Job, u64, Right)> {
    let (job, fence, actor) = seen(tx, actor, id, now).await?;
    let role = rows::steered_by(tx, id).await?.ok_or_else(|| not_found(id))?;
    let right = match job.workspace_id {
        Some(workspace) => Right::In(workspace, Need::manage(role)),
        None => Right::Everywhere(Need::manage(role.max(Role::Admin))),
    };
    actor.may(right)?;
    Ok((job, fence, right))
}

async fn cancel(tx: &mut Tx, actor: &Actor, id: JobId, now: Timestamp) -> Result<Job> {
    // Its state may change between the two statements; on PostgreSQL nothing holds the row yet.
    loop {
        let (job, fence, _) = steered(tx, actor, id, now).await?;
        if is_step(&job.kind) {
            let detail = format!(
                "`{}` is a step of delivering: switch the webhook off, or delete it, to have it end",
                job.kind
            );
            return Err(Error::new(Code::JobNotCancellable, detail));
        }
        let changed = match job.state {
            JobState::Queued => rows::cancel_queued(tx, (id, fence), now).await?,
            JobState::Running => rows::request_cancel(tx, (id, fence), now).await?,
            JobState::Cancelled => return Ok(job),
            JobState::Succeeded | JobState::Failed => {
                let detail = format!("the job has {} already", job.state.as_str());
                return Err(Error::new(Code::JobFinished, detail));
            }
        };
        if changed {
            let (job, _) = rows::get(tx, id).await?.ok_or_else(|| not_found(id))?;
            return Ok(job);
        }
    }
}

async fn retry(tx: &mut Tx, actor: &Actor, id: JobId, now: Timestamp) -> Result<Job> {
    let (job, fence, _) = steered(tx, actor, id, now).await?;
    // The database alone can tell whether another job has taken its key meanwhile.
    let retried = rows::retry(tx, (id, fence), now).await.map_err(|error| match error.code() {
        Code::NameTaken => Error::new(Code::JobDuplicate, "another job does this already"),
        _ => error,
    })?;
    if !retried {
        let state = job.state.as_str();
        let detail = format!("only a job that failed or was cancelled can be retried; this one is {state}");
        return Err(Error::new(Code::JobNotFailed, detail));
    }
    tx.wake_workers();
    let (job, _) = rows::get(tx, id).await?.ok_or_else(|| not_found(id))?;
    Ok(job)
}

/// Returns what the audit log says of who steers a job.
fn steering(kind: &'static str, actor: &Actor, job: &Job, now: Timestamp) -> Entry {
    Entry::done(kind, actor, now).within(job.workspace_id).about(job.id).with("kind", json!(job.kind))
}

impl Engine {
    /// Enqueues a job, in a transaction of its own.
    pub async fn enqueue_job(&self, job: NewJob) -> Result<JobId> {
        let clock = self.clock();
        self.db()
            .write(move |tx| {
                let (clock, job) = (clock.clone(), job.clone());
                Box::pin(async move {
                    let now = tx.now(clock.as_ref()).await?;
                    enqueue(tx, &job, now).await
                })
            })
            .await
    }

    /// Returns a job.
    pub async fn job(&self, actor: &Actor, id: JobId) -> Result<Job> {
        let (actor, now) = (actor.clone(), self.now());
        let found = self.db().read(move |tx| {
            let actor = actor.clone();
            Box::pin(async move {
                let (job, _, actor) = seen(tx, &actor, id, now).await?;
                actor.narrowing().allow(Need::READ)?;
                Ok(job)
            })
        });
        found.await
    }

    /// Returns a job once it has ended, or as it stands when `wait` is over. There is room for so many who wait, those
    /// who follow events among them ([`Settings::followers`](crate::Settings::followers)).
    pub async fn job_when_ended(&self, actor: &Actor, id: JobId, wait: Duration) -> Result<Job> {
        let end = Instant::now() + wait;
        let state = self.jobs();
        let waiter = state.await_end(id);
        let mut place = None;
        loop {
            let mut ended = std::pin::pin!(waiter.ended.notified());
            // Joined before the look, so that an end after it is heard of.
            ended.as_mut().enable();
            let job = self.job(actor, id).await?;
            if job.state.is_finished() || Instant::now() >= end {
                return Ok(job);
            }
            // Who need not wait takes nobody's place.
            if place.is_none() {
                place = Some(self.feeds().place(actor.principal)?);
            }
            let _heard_or_time_to_look = timeout_at(end.min(Instant::now() + LOOK), ended).await;
        }
    }

    /// Lists jobs, newest first: those of the workspaces that the actor reaches, and for an admin of all of them those
    /// of the server too.
    pub async fn list_jobs(&self, actor: &Actor, filter: JobFilter, page: PageRequest) -> Result<Page<Job>> {
        actor.narrowing().allow(Need::READ)?;
        if actor.narrowing().folder.is_some() {
            return Ok(Page { items: Vec::new(), next_cursor: None });
        }
        if let Some(workspace) = filter.workspace {
            self.workspace(actor, workspace).await?;
        }
        if filter.kind.as_deref().is_some_and(|kind| !is_kind(kind)) {
            return Err(Error::new(
                Code::InvalidQuery,
                "a kind is 1 to 64 lower-case letters, digits and dots",
            ));
        }
        let wanted = Wanted {
            workspace: filter.workspace.or(actor.only()),
            member: actor.role_everywhere().is_none().then_some(actor.principal),
            system: sees_system(actor),
            state: filter.state,
            kind: filter.kind,
        };
        let (limit, before) = (page.limit(), self.after(&page)?);
        let items = self
            .db()
            .read(move |tx| {
                let (wanted, before) = (wanted.clone(), before.clone());
                Box::pin(async move { rows::list(tx, &wanted, &before, limit).await })
            })
            .await?;
        self.page_by(&page, items, |job| job.id.to_string())
    }

    /// Ends a job: at once where it waits, else as soon as its worker has heard of it. Doing it twice changes nothing.
    pub async fn cancel_job(
        &self,
        actor: &Actor,
        id: JobId,
        idempotency: Option<Idempotency>,
    ) -> Result<Job> {
        let (clock, actor) = (self.clock(), actor.clone());
        let cancelled = self.db().write(move |tx| {
            let (clock, actor, idempotency) = (clock.clone(), actor.clone(), idempotency.clone());
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                let (_, _, right) = steered(tx, &actor, id, now).await?;
                let cancel = async |tx: &mut Tx, actor: &Actor| {
                    let job = cancel(tx, actor, id, now).await?;
                    tx.note(steering("job.cancelled", actor, &job, now));
                    Ok(job)
                };
                once(tx, idempotency, (&actor, right), clock.as_ref(), cancel).await
            })
        });
        let job = cancelled.await?;
        self.jobs().cancel(id);
        self.jobs().ended(id);
        Ok(job)
    }

    /// Queues a job that failed or was cancelled once more, with all its attempts before it.
    pub async fn retry_job(&self, actor: &Actor, id: JobId, idempotency: Option<Idempotency>) -> Result<Job> {
        let (clock, actor) = (self.clock(), actor.clone());
        let retried = self.db().write(move |tx| {
            let (clock, actor, idempotency) = (clock.clone(), actor.clone(), idempotency.clone());
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                let (_, _, right) = steered(tx, &actor, id, now).await?;
                let retry = async |tx: &mut Tx, actor: &Actor| {
                    let job = retry(tx, actor, id, now).await?;
                    tx.note(steering("job.retried", actor, &job, now));
                    Ok(job)
                };
                once(tx, idempotency, (&actor, right), clock.as_ref(), retry).await
            })
        });
        retried.await
    }

    /// Returns how this process's attempts ended, since it started.
    #[must_use]
    pub fn job_counts(&self) -> Vec<JobCount> {
        self.jobs().counts()
    }

    /// Returns how much work waits for workers.
    pub async fn job_backlog(&self) -> Result<JobBacklog> {
        let clock = self.clock();
        let found = self.db().read(move |tx| {
            let clock = clock.clone();
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                Ok((now, rows::backlog(tx, now).await?))
            })
        });
        let (now, (queued, oldest)) = found.await?;
        Ok(JobBacklog { queued, oldest: oldest.map(|oldest| now.since(oldest)).unwrap_or_default() })
    }
}
