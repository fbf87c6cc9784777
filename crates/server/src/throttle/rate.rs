//! One rate: the generic cell rate algorithm. Of somebody who comes it needs one number, the moment at which they will have
//! made up for all that they took.

/// Nanoseconds of a clock.
pub(super) type Moment = i64;

pub(super) const SECOND: Moment = 1_000_000_000;

/// The time for which a rate says how many come in it at most.
const WINDOW: Moment = 60 * SECOND;

/// How far somebody may get into arrears by tries that were let in side by side.
const MOST_ARREARS: Moment = 3_600 * SECOND;

/// So many at once, and then one after the other at a steady pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The time from one to the next.
    interval: Moment,
    burst: u32,
}

impl Rate {
    /// So many in a second, and `burst` (at least 1) at once after a silence; nothing for 0, which is no limit.
    #[must_use]
    pub fn per_second(count: u32, burst: u32) -> Option<Self> {
        Self::every(SECOND, count, burst)
    }

    /// So many in a minute, and `burst` (at least 1) at once after a silence; nothing for 0, which is no limit.
    #[must_use]
    pub fn per_minute(count: u32, burst: u32) -> Option<Self> {
        Self::every(60 * SECOND, count, burst)
    }

    fn every(period: Moment, count: u32, burst: u32) -> Option<Self> {
        let count = Moment::from(count);
        // Rounded up: no more come than was said.
        (count > 0).then(|| Self { interval: (period + count - 1) / count, burst: burst.max(1) })
    }

    /// Returns the rate at which so many times as many come.
    pub(super) fn times(self, count: u32) -> Self {
        let count = count.max(1);
        Self {
            interval: (self.interval / Moment::from(count)).max(1),
            burst: self.burst.saturating_mul(count),
        }
    }

    /// Returns how many come in any [`Rate::window_seconds`] at most.
    pub(crate) fn quota(self) -> u64 {
        u64::from(self.burst) + u64::try_from(WINDOW / self.interval).unwrap_or(0)
    }

    /// Returns the time that [`Rate::quota`] is said of, in seconds.
    pub(crate) const fn window_seconds(self) -> u64 {
        (WINDOW / SECOND).unsigned_abs()
    }

    /// Returns how long all of a burst takes to be made up for.
    fn span(self) -> Moment {
        self.interval.saturating_mul(self.burst.into())
    }

    /// Tells whether one more may come; if not, how long from now that will be.
    pub(super) fn look(self, taken: Moment, now: Moment) -> Result<(), Moment> {
        let ahead = taken.saturating_sub(now) - (self.span() - self.interval);
        if ahead > 0 { Err(ahead) } else { Ok(()) }
    }

    /// Takes one, if it may come.
    pub(super) fn take(self, taken: &mut Moment, now: Moment) -> Result<(), Moment> {
        self.look(*taken, now)?;
        *taken = (*taken).max(now).saturating_add(self.interval);
        Ok(())
    }

    /// Counts one that came already.
    pub(super) fn count(self, taken: &mut Moment, now: Moment) {
        let most = now.saturating_add(self.span()).saturating_add(MOST_ARREARS);
        *taken = (*taken).max(now).saturating_add(self.interval).min(most);
    }
}
