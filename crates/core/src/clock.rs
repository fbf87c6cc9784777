//! Where time comes from: the machine, or a test.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use crate::time::Timestamp;

/// A source of the present time.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Returns the present time.
    fn now(&self) -> Timestamp;

    /// Tells whether this is the machine's own time, so that a database's clock may stand in for it.
    fn is_wall(&self) -> bool {
        false
    }
}

/// The machine's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the door the rule speaks of")]
        let now = SystemTime::now();
        now.into()
    }

    fn is_wall(&self) -> bool {
        true
    }
}

/// A clock that stands still until a test moves it. Clones share their time.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// Makes a clock that stands at `start`.
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(start.as_micros())))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.0.fetch_add(micros, Ordering::SeqCst);
    }

    /// Puts the clock at `to`, which may lie before its present time.
    pub fn set(&self, to: Timestamp) {
        self.0.store(to.as_micros(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// A clock that does not go back when the one below it is set back by up to an hour: it stands still until that
/// one has caught up, so that what was over once stays over. A larger step back is believed.
#[derive(Debug)]
pub struct SteadyClock {
    below: Arc<dyn Clock>,
    latest: AtomicI64,
}

/// The largest step back that is not believed; the database's rows keep to the same.
const STEP: Duration = Duration::from_hours(1);

impl SteadyClock {
    /// Wraps a clock.
    #[must_use]
    pub fn new(below: Arc<dyn Clock>) -> Self {
        Self { below, latest: AtomicI64::new(i64::MIN) }
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        let now = self.below.now();
        let latest = Timestamp::from_micros(self.latest.fetch_max(now.as_micros(), Ordering::SeqCst));
        if latest > now.plus(STEP) {
            self.latest.store(now.as_micros(), Ordering::SeqCst);
            return now;
        }
        now.max(latest)
    }

    fn is_wall(&self) -> bool {
        self.below.is_wall()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::{Clock, ManualClock, SteadyClock};
    use crate::time::Timestamp;

    #[test]
    fn a_small_step_back_is_not_believed() {
        let start = Timestamp::from_micros(1_000_000_000_000_000);
        let below = ManualClock::new(start);
        let steady = SteadyClock::new(Arc::new(below.clone()));
        assert_eq!(steady.now(), start);
        for back in [1, 60, 3_600] {
            below.set(start.minus(Duration::from_secs(back)));
            assert_eq!(steady.now(), start, "{back} s");
        }
        below.set(start.plus(Duration::from_secs(1)));
        assert_eq!(steady.now(), below.now());
        below.set(start.minus(Duration::from_secs(3_600)));
        assert_eq!(steady.now(), below.now(), "more than an hour");
        below.advance(Duration::from_secs(5));
        assert_eq!(steady.now(), below.now());
    }
}
