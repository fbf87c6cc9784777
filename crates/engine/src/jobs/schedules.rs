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
        let known = engine.db().read(|tx| Box::pin(async move { rows::schedules(tx).await })).await?;
        let now = engine.now();
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
    next.is_none_or(|next| next <= now || next > now.plus(schedule.every))
}

async fn enqueue_once(engine: &Engine, Schedule { kind, every }: Schedule) -> Result<()> {
    let clock = engine.clock();
    engine
        .db()
        .write(move |tx| {
            let now = clock.now();
            Box::pin(async move {
                if rows::advance_schedule(tx, kind.name, now, now.plus(every)).await? {
                    // One that has not ended by the time the next is due stands for it.
                    enqueue(tx, &NewJob::new(kind, Value::Null).unique(""), now).await?;
                }
                Ok(())
            })
        })
        .await
}
