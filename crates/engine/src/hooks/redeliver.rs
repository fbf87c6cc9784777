//! Sending again: all that was given up, or all that happened since a place or a time.

use std::time::Duration;

use longshore_core::wire::{Job, Redeliver, Role};
use longshore_core::{Code, ErrorKind, HookId, Timestamp, WorkspaceId};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::deliver::DELIVER;
use super::{dispatch, verbs};
use crate::act::Premises;
use crate::actor::Actor;
use crate::db::Tx;
use crate::db::deliveries;
use crate::db::events;
use crate::db::jobs as job_rows;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::jobs::{self, Handled, JobContext, JobFailure, JobKind, NewJob, Outcome};

/// Sends many deliveries of a hook again.
pub(crate) static REDELIVER: JobKind =
    JobKind::new("hooks.redeliver").timeout(Duration::from_hours(6)).steered_by(Role::Admin);

/// How many deliveries one transaction begins anew: on SQLite every other write waits for it.
const BATCH: u32 = 50;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Payload {
    workspace: WorkspaceId,
    hook: HookId,
    what: What,
}

/// What is sent again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    /// All that was given up.
    Failed,
    /// All events after a place and up to another one, from a time on.
    Events { after: u64, until: u64, since: Option<Timestamp> },
}

fn what(wanted: &Redeliver, end: u64) -> Result<What> {
    let Redeliver { failed, since_seq, since, until_seq } = wanted;
    match (failed, since_seq, since) {
        (true, None, None) if until_seq.is_none() => Ok(What::Failed),
        (false, after, since) if after.is_some() != since.is_some() => Ok(What::Events {
            after: after.unwrap_or(0),
            // What comes after this is delivered anyway.
            until: until_seq.unwrap_or(end).min(end),
            since: *since,
        }),
        _ => Err(Error::new(
            Code::InvalidBody,
            "say one of `failed`, `since_seq` and `since`; `until_seq` goes with the last two",
        )),
    }
}

impl Engine {
    /// Sends many deliveries of a hook again, by a job.
    pub async fn redeliver(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        hook: HookId,
        wanted: Redeliver,
        premises: Premises,
    ) -> Result<Job> {
        self.admits(actor, workspace).await?;
        let ask = Self::hook_ask(actor, workspace, premises);
        self.act(ask, wanted, move |act, wanted| {
            Box::pin(async move {
                verbs::ensure_on(&verbs::hook_of(act.tx, workspace, hook).await?.hook)?;
                let now = act.now();
                let end = crate::db::hooks::end_of_log(act.tx, workspace).await?;
                let payload = Payload { workspace, hook, what: what(&wanted, end)? };
                let job =
                    NewJob::new(&REDELIVER, json!(payload)).in_workspace(workspace).by(act.actor().principal);
                let id = jobs::enqueue(act.tx, &job.in_lane(hook.to_string()), now).await?;
                let job = job_rows::get(act.tx, id).await?.map(|(job, _)| job);
                job.ok_or_else(|| Error::corrupt("a job that was just written is not there"))
            })
        })
        .await
    }
}

pub(super) async fn run(context: JobContext) -> Handled {
    let Payload { workspace, hook, what } = context.payload()?;
    let sent = match what {
        What::Failed => failed(&context, workspace, hook).await,
        What::Events { after, until, since } => {
            events(&context, workspace, hook, (after, until), since).await
        }
    };
    let sent = sent.map_err(|error| match error.kind() {
        // The hook was deleted or switched off meanwhile: nothing is left to do.
        ErrorKind::NotFound | ErrorKind::Conflict => JobFailure::permanent(error),
        _ => error.into(),
    })?;
    Ok(Outcome::of(json!({ "deliveries": sent })))
}

async fn failed(context: &JobContext, workspace: WorkspaceId, hook: HookId) -> Result<u64> {
    let (mut sent, mut after) = (0, String::new());
    loop {
        let (clock, from) = (context.engine().clock(), after.clone());
        let batch = context.write(move |tx| {
            let (now, from) = (clock.now(), from.clone());
            Box::pin(async move {
                verbs::ensure_on(&verbs::hook_of(tx, workspace, hook).await?.hook)?;
                let batch = deliveries::failed_after(tx, hook, &from, BATCH).await?;
                for row in &batch {
                    dispatch::again(tx, hook, row.delivery.id, &DELIVER, now).await?;
                }
                Ok(batch.into_iter().map(|row| row.delivery.id).collect::<Vec<_>>())
            })
        });
        let batch = batch.await?;
        sent += batch.len() as u64;
        context.progress(sent, None, "deliveries");
        match batch.last() {
            Some(last) if batch.len() == BATCH as usize && !context.is_cancelled() => {
                after = last.to_string();
            }
            _ => return Ok(sent),
        }
    }
}

async fn events(
    context: &JobContext,
    workspace: WorkspaceId,
    hook: HookId,
    (mut after, until): (u64, u64),
    since: Option<Timestamp>,
) -> Result<u64> {
    let mut sent = 0;
    while after < until && !context.is_cancelled() {
        let (clock, from) = (context.engine().clock(), after);
        let batch = context.write(move |tx| {
            let now = clock.now();
            Box::pin(async move { send_events(tx, workspace, hook, (from, until), since, now).await })
        });
        let (begun, last) = batch.await?;
        sent += begun;
        after = last;
        context.progress(after.min(until), Some(until), "events");
    }
    Ok(sent)
}

/// Sends the next batch of events; returns how many deliveries that made and how far it came.
async fn send_events(
    tx: &mut Tx,
    workspace: WorkspaceId,
    hook: HookId,
    (after, until): (u64, u64),
    since: Option<Timestamp>,
    now: Timestamp,
) -> Result<(u64, u64)> {
    let row = verbs::hook_of(tx, workspace, hook).await?;
    verbs::ensure_on(&row.hook)?;
    let batch = events::placed(tx, workspace, after, BATCH).await?;
    let mut begun = 0;
    for placed in batch.iter().filter(|placed| placed.event.seq <= until) {
        if since.is_some_and(|since| placed.event.at < since) {
            continue;
        }
        let Some(new) = dispatch::delivery(&row, placed, now)? else { continue };
        begun += 1;
        if dispatch::insert(tx, &new, now).await? {
            continue;
        }
        if let Some(known) = deliveries::of_event(tx, hook, new.event).await? {
            dispatch::again(tx, hook, known.delivery.id, &DELIVER, now).await?;
        }
    }
    let last = batch.last().map_or(until, |placed| placed.event.seq);
    Ok((begun, last))
}

#[cfg(test)]
mod tests {
    use longshore_core::Timestamp;
    use longshore_core::wire::Redeliver;

    use super::{What, what};

    #[test]
    fn just_one_thing_is_asked_for() {
        let now = Timestamp::from_micros(7);
        let none = Redeliver::default();
        let failed = Redeliver { failed: true, ..none.clone() };
        let since = Redeliver { since: Some(now), ..none.clone() };
        let after = Redeliver { since_seq: Some(3), ..none.clone() };
        assert!(matches!(what(&failed, 9), Ok(What::Failed)));
        assert!(matches!(what(&since, 9), Ok(What::Events { after: 0, until: 9, since: Some(_) })));
        assert!(matches!(what(&after, 9), Ok(What::Events { after: 3, until: 9, since: None })));
        let until = Redeliver { until_seq: Some(5), ..after.clone() };
        assert!(matches!(what(&until, 9), Ok(What::Events { after: 3, until: 5, .. })));
        assert!(matches!(what(&until, 4), Ok(What::Events { until: 4, .. })));
        for bad in [
            none.clone(),
            Redeliver { until_seq: Some(5), ..none },
            Redeliver { until_seq: Some(5), ..failed.clone() },
            Redeliver { since_seq: Some(1), ..failed },
            Redeliver { since: Some(now), ..after },
        ] {
            assert!(what(&bad, 9).is_err(), "{bad:?}");
        }
    }
}
