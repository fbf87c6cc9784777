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
use crate::audit::Entry;
use crate::db::Tx;
use crate::db::deliveries;
use crate::db::events::{self, Placed};
use crate::db::hooks::HookRow;
use crate::db::jobs as job_rows;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::jobs::{self, Handled, JobContext, JobFailure, JobKind, NewJob, Outcome};

/// Sends many deliveries of a hook again.
pub(crate) static REDELIVER: JobKind =
    JobKind::new("hooks.redeliver").timeout(Duration::from_hours(1)).steered_by(Role::Admin);

/// How many deliveries one transaction begins anew: on SQLite every other write waits for it.
const BATCH: u32 = 50;
/// After so many batches the place that was reached is written down: an attempt that fails begins anew from there.
const BATCHES: u32 = 20;
/// How long a hook with too many deliveries under way is left to get on with them.
const FULL: Duration = Duration::from_mins(1);

/// What is left to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Payload {
    workspace: WorkspaceId,
    hook: HookId,
    what: What,
    /// How many deliveries were begun so far.
    sent: u64,
}

/// What is sent again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    /// All that was given up, after the delivery of an id.
    Failed { after: String },
    /// All events after a place and up to another one, from a time on.
    Events { after: u64, until: u64, since: Option<Timestamp> },
}

fn what(wanted: &Redeliver, end: u64) -> Result<What> {
    let Redeliver { failed, since_seq, since, until_seq } = wanted;
    if [since_seq, until_seq].into_iter().flatten().any(|seq| i64::try_from(*seq).is_err()) {
        return Err(Error::new(Code::InvalidBody, "a place in the log is less than 2^63"));
    }
    match (failed, since_seq, since) {
        (true, None, None) if until_seq.is_none() => Ok(What::Failed { after: String::new() }),
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
                let payload = Payload { workspace, hook, what: what(&wanted, end)?, sent: 0 };
                let job =
                    NewJob::new(&REDELIVER, json!(payload)).in_workspace(workspace).by(act.actor().principal);
                let id = jobs::enqueue(act.tx, &job.in_lane(hook.to_string()), now).await?;
                let entry = Entry::done("hook.redelivered", act.log.actor(), now).within(workspace);
                act.tx.note(entry.about(hook).with("job_id", json!(id)));
                let job = job_rows::get(act.tx, id).await?.map(|(job, _)| job);
                job.ok_or_else(|| Error::corrupt("a job that was just written is not there"))
            })
        })
        .await
    }
}

pub(super) async fn run(context: JobContext) -> Handled {
    let mut payload: Payload = context.payload()?;
    let backlog = context.engine().settings().hook_backlog;
    for _ in 0..BATCHES {
        let (clock, left) = (context.engine().clock(), payload.clone());
        let batch = context.write(move |tx| {
            let (clock, left) = (clock.clone(), left.clone());
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                send_batch(tx, left, backlog, now).await
            })
        });
        let sent = batch.await.map_err(|error| match error.kind() {
            // The hook was deleted or switched off meanwhile: nothing is left to do.
            ErrorKind::NotFound | ErrorKind::Conflict => JobFailure::permanent(error),
            _ => error.into(),
        })?;
        payload = match sent {
            Sent::All(count) => return Ok(Outcome::of(json!({ "deliveries": count }))),
            Sent::Some(left) => left,
            Sent::Full => return Ok(Outcome::part(json!(payload), FULL)),
        };
        match payload.what {
            What::Failed { .. } => context.progress(payload.sent, None, "deliveries"),
            What::Events { after, until, .. } => context.progress(after, Some(until), "events"),
        }
        if context.is_cancelled() {
            break;
        }
    }
    Ok(Outcome::part(json!(payload), Duration::ZERO))
}

/// How far a batch came.
enum Sent {
    /// To the end, with so many deliveries in all.
    All(u64),
    /// This is left.
    Some(Payload),
    /// Nowhere: the hook has as many deliveries under way as it may have.
    Full,
}

/// Begins the next batch of deliveries.
async fn send_batch(tx: &mut Tx, mut left: Payload, backlog: u32, now: Timestamp) -> Result<Sent> {
    let row = verbs::hook_of(tx, left.workspace, left.hook).await?;
    verbs::ensure_on(&row.hook)?;
    if deliveries::is_full(tx, left.hook, backlog).await? {
        return Ok(Sent::Full);
    }
    let is_over = match &mut left.what {
        What::Failed { after } => {
            let batch = deliveries::failed_after(tx, left.hook, after, BATCH).await?;
            for row in &batch {
                dispatch::again(tx, left.hook, row.delivery.id, &DELIVER, now).await?;
                left.sent += 1;
                *after = row.delivery.id.to_string();
            }
            batch.len() < BATCH as usize
        }
        What::Events { after, until, since } => {
            let batch = events::placed(tx, left.workspace, *after, BATCH).await?;
            for placed in batch.iter().filter(|placed| placed.event.seq <= *until) {
                if since.is_none_or(|since| placed.event.at >= since)
                    && send_event(tx, &row, placed, now).await?
                {
                    left.sent += 1;
                }
            }
            *after = batch.last().map_or(*until, |placed| placed.event.seq.min(*until));
            *after >= *until
        }
    };
    Ok(if is_over { Sent::All(left.sent) } else { Sent::Some(left) })
}

/// Begins the delivery of an event, for the first time or anew; false where the hook's filter does not want it.
async fn send_event(tx: &mut Tx, row: &HookRow, placed: &Placed, now: Timestamp) -> Result<bool> {
    let Some(new) = dispatch::delivery(row, placed, now)? else { return Ok(false) };
    if !dispatch::insert(tx, &new, now).await?
        && let Some(known) = deliveries::of_event(tx, new.hook, new.event).await?
    {
        dispatch::again(tx, new.hook, known.delivery.id, &DELIVER, now).await?;
    }
    Ok(true)
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
        assert!(matches!(what(&failed, 9), Ok(What::Failed { .. })));
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
            Redeliver { since_seq: Some(1 << 63), ..after.clone() },
            Redeliver { since: Some(now), ..after },
        ] {
            assert!(what(&bad, 9).is_err(), "{bad:?}");
        }
    }
}
