//! From the log to deliveries: each hook reads on from where it stands.

use std::time::Duration;

use longshore_core::wire::Role;
use longshore_core::{DeliveryId, HookId, Timestamp, WorkspaceId};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::deliver::{Attempt, DELIVER, URGENT};
use super::{body, filter};
use crate::db::Tx;
use crate::db::deliveries::{self, NewDelivery};
use crate::db::events::{self, Log, Placed};
use crate::db::hooks::{self as rows, HookRow};
use crate::error::Result;
use crate::jobs::{self, Handled, JobContext, JobKind, NewJob, Outcome};

/// Reads the log of a workspace for its hooks.
pub(crate) static DISPATCH: JobKind =
    JobKind::new("hooks.dispatch").timeout(Duration::from_mins(10)).steered_by(Role::Admin);

/// How many events one transaction reads: on SQLite every other write waits for it.
const BATCH: u32 = 50;

#[derive(Debug, Serialize, Deserialize)]
struct Payload {
    workspace: WorkspaceId,
}

/// The job that reads a workspace's log.
pub(super) fn job(workspace: WorkspaceId) -> NewJob {
    let id = workspace.to_string();
    NewJob::new(&DISPATCH, json!(Payload { workspace })).in_lane(id.clone()).unique_or_again(id)
}

/// Has the events that a write has appended read by the workspace's hooks, if it has any.
pub(crate) async fn announce(tx: &mut Tx, log: &Log) -> Result<()> {
    if log.has_news() && log.has_hooks() {
        jobs::enqueue(tx, &job(log.workspace()), log.now()).await?;
    }
    Ok(())
}

pub(super) async fn run(context: JobContext) -> Handled {
    let Payload { workspace } = context.payload()?;
    let (clock, backlog) = (context.engine().clock(), context.engine().settings().hook_backlog);
    let mut after = String::new();
    // One hook after the other; each gets the whole of what it has not read.
    loop {
        let (clock, from) = (clock.clone(), after.clone());
        let read = context.write(move |tx| {
            let (clock, from) = (clock.clone(), from.clone());
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                read_on(tx, workspace, &from, backlog, now).await
            })
        });
        match read.await? {
            Read::All => return Ok(Outcome::done()),
            Read::More => {}
            Read::Next(hook) => after = hook.to_string(),
        }
        if context.is_cancelled() {
            return Ok(Outcome::done());
        }
    }
}

enum Read {
    /// No hook after the one that was asked for has anything left.
    All,
    /// The hook has more to read.
    More,
    /// This hook is done; the ones after it come next.
    Next(HookId),
}

/// Takes a hook after `after` one batch further.
async fn read_on(
    tx: &mut Tx,
    workspace: WorkspaceId,
    after: &str,
    backlog: u32,
    now: Timestamp,
) -> Result<Read> {
    let Some(row) = rows::next_behind(tx, workspace, after).await? else { return Ok(Read::All) };
    let (hook, from) = (row.hook.id, row.hook.seq);
    if deliveries::is_full(tx, hook, backlog).await? {
        return Ok(Read::Next(hook));
    }
    let batch = events::placed(tx, workspace, from, BATCH).await?;
    // Events before the oldest that is kept are gone: the place moves past them with the first that is there.
    let Some(last) = batch.last().map(|placed| placed.event.seq) else { return Ok(Read::Next(hook)) };
    // First of all, so that who loses the race has done nothing.
    if !rows::advance(tx, hook, from, last).await? {
        return Ok(Read::Next(hook));
    }
    for (micros, placed) in (0..).zip(&batch) {
        if let Some(new) = delivery(&row, placed, now)? {
            // One after the other, so that a receiver that keeps up sees them in the order of the log.
            let at = now.minus(Duration::from_micros(u64::from(BATCH).saturating_sub(micros)));
            insert(tx, &new, at).await?;
        }
    }
    Ok(if batch.len() == BATCH as usize { Read::More } else { Read::Next(hook) })
}

/// Makes the delivery of an event, where the hook's filter lets it through.
pub(super) fn delivery(row: &HookRow, placed: &Placed, now: Timestamp) -> Result<Option<NewDelivery>> {
    let (hook, event) = (&row.hook, &placed.event);
    if !filter::passes(&hook.types, &hook.path, &event.r#type, placed.places()) {
        return Ok(None);
    }
    Ok(Some(NewDelivery {
        id: DeliveryId::new(now),
        hook: hook.id,
        event: event.id,
        kind: event.r#type.clone(),
        seq: Some(event.seq),
        body: body::of_event(hook.workspace_id, hook.id, event)?,
        now,
    }))
}

/// Writes a delivery and has it attempted at a time; false where the hook has one of this event.
pub(super) async fn insert(tx: &mut Tx, new: &NewDelivery, at: Timestamp) -> Result<bool> {
    let written = deliveries::insert(tx, new).await?;
    if written {
        let kind = if new.seq.is_none() { &URGENT } else { &DELIVER };
        attempt(tx, Attempt { hook: new.hook, delivery: new.id, round: 0 }, kind, at, new.now).await?;
    }
    Ok(written)
}

/// Begins a new round of attempts for a delivery.
pub(super) async fn again(
    tx: &mut Tx,
    hook: HookId,
    delivery: DeliveryId,
    kind: &'static JobKind,
    now: Timestamp,
) -> Result<()> {
    let round = deliveries::restart(tx, delivery, now).await?;
    attempt(tx, Attempt { hook, delivery, round }, kind, now, now).await
}

/// Has an attempt made at a time.
pub(super) async fn attempt(
    tx: &mut Tx,
    attempt: Attempt,
    kind: &'static JobKind,
    at: Timestamp,
    now: Timestamp,
) -> Result<()> {
    let job = jobs::enqueue(tx, &attempt.job(kind, at), now).await?;
    deliveries::awaits(tx, attempt.delivery, job).await
}
