//! What runs by the clock: hooks that stand still are looked at again, and old deliveries go away.

use std::time::Duration;

use longshore_core::wire::Role;
use serde_json::json;

use super::deliver::{Attempt, DELIVER, URGENT};
use super::dispatch::{self, DISPATCH};
use crate::db::deliveries;
use crate::db::hooks as rows;
use crate::db::jobs as job_rows;
use crate::error::Result;
use crate::jobs::{self, Handled, JobContext, JobKind, Outcome};

/// Looks for hooks that have not read the log to its end: those that had too many deliveries under way, and those of
/// whom a write did not tell.
pub(crate) static CATCH_UP: JobKind = JobKind::new("hooks.catchup").steered_by(Role::Admin);
pub(crate) const CATCH_UP_EVERY: Duration = Duration::from_mins(1);

/// Removes what became of old deliveries, and of hooks that were deleted; goes on with deliveries that wait for no job.
pub(crate) static PRUNE: JobKind = JobKind::new("hooks.prune").steered_by(Role::Admin);
pub(crate) const PRUNE_EVERY: Duration = Duration::from_mins(10);

/// How long a delivery stays after its end.
const KEPT: Duration = Duration::from_hours(30 * 24);
/// How long the rows of jobs stay that made attempts: the deliveries say what became of them.
const JOBS_KEPT: Duration = Duration::from_hours(1);
/// How long after its time a delivery without a job for its next attempt is given another one: the job was removed, or
/// given up because it took its workers down.
const STRANDED: Duration = Duration::from_mins(10);
/// How many rows one transaction removes: on SQLite every other write waits for it.
const AT_ONCE: u32 = 500;

pub(super) async fn catch_up(context: JobContext) -> Handled {
    let engine = context.engine();
    let mut after = String::new();
    loop {
        let (clock, from) = (engine.clock(), after.clone());
        let found = context.write(move |tx| {
            let (clock, from) = (clock.clone(), from.clone());
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                let found = rows::workspaces_behind(tx, &from, AT_ONCE).await?;
                for workspace in &found {
                    jobs::enqueue(tx, &dispatch::job(*workspace), now).await?;
                }
                Ok(found)
            })
        });
        match found.await?.last() {
            Some(last) => after = last.to_string(),
            None => return Ok(Outcome::done()),
        }
    }
}

pub(super) async fn prune(context: JobContext) -> Handled {
    let clock = context.engine().clock();
    let now = context.engine().db().read(move |tx| {
        let clock = clock.clone();
        Box::pin(async move { tx.now(clock.as_ref()).await })
    });
    let now = now.await?;
    let old = until_none(&context, move |tx| {
        Box::pin(async move { deliveries::prune(tx, now.minus(KEPT), AT_ONCE).await })
    });
    let old = old.await?;
    let made = until_none(&context, move |tx| {
        Box::pin(async move {
            let before = now.minus(JOBS_KEPT);
            let mut made = 0;
            for kind in [&DELIVER, &URGENT, &DISPATCH] {
                made += job_rows::prune_kind(tx, kind.name(), before, AT_ONCE).await?;
            }
            Ok(made + job_rows::prune_rests(tx, before, AT_ONCE).await?)
        })
    });
    let made = made.await?;
    let deleted = until_none(&context, move |tx| {
        Box::pin(async move {
            let Some(hook) = rows::next_deleted(tx).await? else { return Ok(0) };
            let removed = deliveries::remove(tx, hook, AT_ONCE).await?;
            if removed == 0 {
                rows::remove(tx, hook).await?;
                return Ok(1);
            }
            Ok(removed)
        })
    });
    let deleted = deleted.await?;
    let stranded = until_none(&context, move |tx| {
        Box::pin(async move {
            let stranded = deliveries::stranded(tx, now.minus(STRANDED), AT_ONCE).await?;
            for row in &stranded {
                let (hook, delivery) = (row.delivery.hook_id, row.delivery.id);
                // In a new round, so that no job which is still there after all makes the attempt as well.
                if let Some(round) = deliveries::go_on(tx, (delivery, row.round), now).await? {
                    dispatch::attempt(tx, Attempt { hook, delivery, round }, &DELIVER, now, now).await?;
                }
            }
            Ok(stranded.len() as u64)
        })
    });
    let stranded = stranded.await?;
    Ok(Outcome::of(json!({ "deliveries": old, "jobs": made, "deleted": deleted, "resumed": stranded })))
}

/// Runs a removal in one transaction after the other until it removes nothing.
async fn until_none(
    context: &JobContext,
    removal: impl for<'t> Fn(&'t mut crate::db::Tx) -> crate::db::Working<'t, u64> + Copy + Send + Sync + 'static,
) -> Result<u64> {
    let mut all = 0;
    loop {
        let removed = context.write(removal).await?;
        all += removed;
        if removed == 0 || context.is_cancelled() {
            return Ok(all);
        }
    }
}
