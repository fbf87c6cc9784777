//! What transfers have come to, how fast they go, and how long they will still take.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::progress::{Progress, ProgressSink};

#[cfg(test)]
mod tests;

/// What happened this long ago counts a third of what happens now.
const SMOOTHING: Duration = Duration::from_secs(5);
/// The rate is not measured over less than this: one chunk would be all of it.
const SPAN: Duration = Duration::from_millis(200);

/// Counts what a [`ProgressSink`] is told. Clones count together.
///
/// ```
/// let meter = longshore::Meter::new();
/// let options = longshore::ManyOptions { progress: Some(meter.sink()), ..Default::default() };
/// // … and now and then, while it runs:
/// let now = meter.read();
/// println!("{} files, {} bytes, {} bytes/s", now.done, now.bytes, now.rate);
/// # drop(options);
/// ```
#[derive(Clone, Debug)]
pub struct Meter {
    start: Instant,
    counts: Arc<Mutex<Counts>>,
}

/// What a [`Meter`] shows at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Reading {
    /// Files that have begun, those that ended among them.
    pub started: u64,
    /// Files that are done.
    pub done: u64,
    /// Files that failed for good.
    pub failed: u64,
    /// Bytes that count as moved: less those that have to move again, and with those that were here already.
    pub bytes: u64,
    /// How many of them were here already.
    pub reused: u64,
    /// Attempts that followed a failure.
    pub retries: u64,
    /// Bytes a second, smoothed over some seconds.
    pub rate: f64,
    /// How long the rest takes at that rate; nothing while that is not known, see [`Meter::expect`].
    pub left: Option<Duration>,
}

#[derive(Debug, Default)]
struct Counts {
    reading: Reading,
    /// All bytes there are to move.
    expected: Option<u64>,
    speed: Speed,
}

/// The rate of a count that grows, by what it was at some moments. Pure: time is what it is told.
#[derive(Clone, Copy, Debug, Default)]
struct Speed {
    at: Duration,
    count: u64,
    rate: Option<f64>,
}

impl Speed {
    /// Takes note of the count at a moment, and returns the rate per second.
    fn note(&mut self, now: Duration, count: u64) -> f64 {
        let span = now.saturating_sub(self.at);
        if span < SPAN {
            return self.rate.unwrap_or(0.0);
        }
        // A count that fell stood still.
        let measured = count.saturating_sub(self.count) as f64 / span.as_secs_f64();
        // The longer ago the last moment, the less it says.
        let old = (-span.as_secs_f64() / SMOOTHING.as_secs_f64()).exp();
        let rate = self.rate.map_or(measured, |rate| rate * old + measured * (1.0 - old));
        *self = Self { at: now, count, rate: Some(rate) };
        rate
    }
}

/// Returns how long some bytes take at a rate; nothing if that is not in this world.
fn time_left(bytes: u64, rate: f64) -> Option<Duration> {
    if bytes == 0 {
        return Some(Duration::ZERO);
    }
    Duration::try_from_secs_f64(bytes as f64 / rate).ok().filter(|_| rate > 0.0)
}

impl Default for Meter {
    fn default() -> Self {
        Self::new()
    }
}

impl Meter {
    /// Makes a meter that has counted nothing.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now(), counts: Arc::default() }
    }

    /// Returns a sink that counts here.
    #[must_use]
    pub fn sink(&self) -> ProgressSink {
        let meter = self.clone();
        ProgressSink::new(move |progress| meter.lock().count(&progress))
    }

    /// Takes note of bytes that are to be moved, beside those of earlier calls, so that the time left can be told. Call it
    /// for all of them, or the time left is that of those it was called for.
    pub fn expect(&self, bytes: u64) {
        let mut counts = self.lock();
        counts.expected = Some(counts.expected.unwrap_or(0).saturating_add(bytes));
    }

    /// Returns what there is to show now. The rate is that since it was last asked for, and some of what it was before.
    #[must_use]
    pub fn read(&self) -> Reading {
        self.lock().read(self.start.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Counts are whole after each step, whoever panicked.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn count(&mut self, progress: &Progress<'_>) {
        let reading = &mut self.reading;
        match progress {
            Progress::Started { .. } => reading.started += 1,
            Progress::Bytes { count, .. } => reading.bytes += count,
            Progress::Reused { count, .. } => {
                reading.bytes += count;
                reading.reused += count;
            }
            Progress::Retried { discarded, .. } => {
                reading.retries += 1;
                reading.bytes = reading.bytes.saturating_sub(*discarded);
                reading.reused = reading.reused.min(reading.bytes);
            }
            Progress::Done { .. } => reading.done += 1,
            Progress::Failed { .. } => reading.failed += 1,
        }
    }

    fn read(&mut self, now: Duration) -> Reading {
        let reading = self.reading;
        // What was here already did not move.
        let rate = self.speed.note(now, reading.bytes - reading.reused);
        let left = self.expected.and_then(|all| time_left(all.saturating_sub(reading.bytes), rate));
        Reading { rate, left, ..reading }
    }
}
