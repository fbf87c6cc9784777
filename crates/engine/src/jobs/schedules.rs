//! Jobs that run by the clock.
//!
//! When the next one is due stands in the database, so that it is enqueued once, whatever number of workers there
//! is and however often they start.

use longshore_core::Timestamp;
use serde_json::Value;

use super::enqueue::{NewJob, enqueue};
use super::kind::Schedule;
use crate::db::jobs as rows;
use crate::engine::Engine;
use crate::error::Result;

/// The schedules of a worker.
pub(super) struct Timetable(Vec<Schedule>);

impl Timetable {
    pub(super) fn new(schedules: Vec<Schedule>) -> Self {
        Self(schedules)
    }

    /// Enqueues what is due. Most of the time nothing is, and nothing is written.
    pub(super) async fn enqueue_due(&mut self, engine: &Engine) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let clock = engine.clock();
        let found = engine.db().read(move |tx| {
            let clock = clock.clone();
            Box::pin(async move { Ok((tx.now(clock.as_ref()).await?, rows::schedules(tx).await?)) })
        });
        let (now, known) = found.await?;
        for schedule in &self.0 {
            let next = known.iter().find(|(kind, _)| kind == schedule.kind.name).map(|(_, next)| *next);
            if is_due(*schedule, next, now) {
                enqueue_once(engine, *schedule).await?;
            }
        }
        Ok(())
    }
}

/// The same rule as [`rows::advance_schedule`] has.
fn is_due(schedule: Schedule, next: Option<Timestamp>, now: Timestamp) -> bool {
    next.is_none_or(|next| next <= now || next > far(schedule, now))
}

/// What is due only after this was written by a clock that has been set back since, or for a longer interval. Not
/// before: one clock that is a little behind another must not take what that one wrote for such a time.
fn far(schedule: Schedule, now: Timestamp) -> Timestamp {
    now.plus(schedule.every * 2)
}

async fn enqueue_once(engine: &Engine, schedule: Schedule) -> Result<()> {
    let (clock, Schedule { kind, every }) = (engine.clock(), schedule);
    engine
        .db()
        .write(move |tx| {
            let clock = clock.clone();
            Box::pin(async move {
                let now = tx.now(clock.as_ref()).await?;
                if rows::advance_schedule(tx, kind.name, (now, far(schedule, now)), now.plus(every)).await? {
                    // One that has not ended by the time the next is due stands for it.
                    enqueue(tx, &NewJob::new(kind, Value::Null).unique(""), now).await?;
                }
                Ok(())
            })
        })
        .await
}
