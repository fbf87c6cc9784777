//! A time that never goes back, made from a clock that may be set back: whoever waits for a moment of it waits no longer than
//! they were told.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use longshore_core::Timestamp;

/// Those who read a clock side by side come here in any order: what is behind by no more was not set back.
const DISORDER: Duration = Duration::from_secs(1);

/// What the clock said last, and for how long it was ever set back in all.
#[derive(Debug, Default)]
pub(crate) struct Steady(Mutex<(Option<Timestamp>, Duration)>);

impl Steady {
    /// Returns the moment at which the clock says this.
    pub(crate) fn at(&self, clock: Timestamp) -> Timestamp {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, set_back) = &mut *known;
        match *last {
            Some(before) if before.since(clock) > DISORDER => {
                *set_back = set_back.saturating_add(before.since(clock));
                *last = Some(clock);
            }
            Some(before) if before >= clock => {}
            _ => *last = Some(clock),
        }
        last.unwrap_or(clock).plus(*set_back)
    }
}
