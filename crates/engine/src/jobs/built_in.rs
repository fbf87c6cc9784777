//! Longshore's own kinds of jobs: a line each, and another one for what runs by the clock.

use std::time::Duration;

use serde_json::json;

use super::context::{Handled, JobContext, Outcome};
use super::kind::{JobKind, Kinds};
use crate::db::jobs as rows;
use crate::engine::Engine;
use crate::{hooks, locks, retention, sweep, uploads};

/// Removes the rows of jobs that ended long ago.
static PRUNE: JobKind = JobKind::new("jobs.prune");

/// Forgets the answers of requests that nobody repeats any more.
static IDEMPOTENCY: JobKind = JobKind::new("idempotency.prune");

/// Ends leases that ran out, and forgets locks that ended long ago.
static LOCKS: JobKind = JobKind::new("locks.prune");

/// Removes the events that their workspaces keep no longer.
static EVENTS: JobKind = JobKind::new("events.prune").timeout(Duration::from_hours(1));

/// Removes the entries of the audit log that are kept no longer.
static AUDIT: JobKind = JobKind::new("audit.prune").timeout(Duration::from_hours(1));

/// Tells whether a kind's jobs are steps of a work that has its own way to end: cancelled by hand, one would leave
/// what it was to do undone.
pub(super) fn is_step(kind: &str) -> bool {
    [&hooks::DELIVER, &hooks::URGENT, &hooks::DISPATCH].iter().any(|step| step.name() == kind)
}

/// How long the row of a job that ended stays.
const KEPT: Duration = Duration::from_hours(7 * 24);
/// How many rows one transaction removes: on SQLite every other write waits for it.
const PRUNED_AT_ONCE: u32 = 500;

impl Engine {
    /// Returns Longshore's own kinds of jobs, with what runs by the clock.
    #[must_use]
    pub fn job_kinds(&self) -> Kinds {
        let settings = self.settings();
        let kinds = Kinds::none()
            .with(&sweep::BLOBS, sweep::run)
            .every(settings.sweep_interval, &sweep::BLOBS)
            .with(&PRUNE, prune)
            .every(Duration::from_hours(1), &PRUNE)
            .with(&IDEMPOTENCY, prune_idempotency)
            .every(Duration::from_hours(1), &IDEMPOTENCY)
            .with(&uploads::EXPIRED, uploads::prune)
            .every(uploads::INTERVAL, &uploads::EXPIRED)
            .with(&LOCKS, prune_locks)
            .every(locks::INTERVAL, &LOCKS)
            .with(&retention::TRASH, retention::trash)
            .every(retention::INTERVAL, &retention::TRASH)
            .with(&retention::VERSIONS, retention::versions)
            .every(retention::INTERVAL, &retention::VERSIONS)
            .with(&retention::PURGE, retention::purge)
            .with(&EVENTS, prune_events)
            .every(Duration::from_hours(1), &EVENTS)
            .with(&AUDIT, prune_audit)
            .every(Duration::from_hours(1), &AUDIT);
        hooks::kinds(kinds)
    }

    /// Returns the kinds of jobs that wait for strangers most of the time: they need many workers, and must not
    /// take those of the others.
    #[must_use]
    pub fn delivery_kinds(&self) -> Kinds {
        hooks::delivery_kinds()
    }
}

async fn prune(context: JobContext) -> Handled {
    let said = |removed| context.progress(removed, None, "jobs");
    let removed = context
        .engine()
        .remove_by_steps(
            PRUNED_AT_ONCE,
            |tx, now| Box::pin(async move { rows::prune(tx, now.minus(KEPT), PRUNED_AT_ONCE).await }),
            said,
        )
        .await?;
    Ok(Outcome::of(json!({ "removed": removed })))
}

async fn prune_idempotency(context: JobContext) -> Handled {
    let removed = context.engine().prune_idempotency().await?;
    Ok(Outcome::of(json!({ "removed": removed })))
}

async fn prune_locks(context: JobContext) -> Handled {
    let pruned = context.engine().prune_locks().await?;
    Ok(Outcome::of(json!({ "expired": pruned.expired, "removed": pruned.removed })))
}

async fn prune_events(context: JobContext) -> Handled {
    let removed = context.engine().prune_events().await?;
    Ok(Outcome::of(json!({ "removed": removed })))
}

async fn prune_audit(context: JobContext) -> Handled {
    let removed = context.engine().prune_audit(|removed| context.progress(removed, None, "entries")).await?;
    Ok(Outcome::of(json!({ "removed": removed })))
}
