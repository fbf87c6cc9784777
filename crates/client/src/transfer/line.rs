//! How fast content goes to the server, as far as this client's uploads have shown, and whether that makes a delta pay.
//!
//! A delta sends little and reads much: the local file is read, cut and hashed to find what it shares, and the server reads
//! and hashes the whole of what it composes. On a slow line that is nothing beside the bytes that need not travel; on one
//! that is about as fast as the hashing, sending all of it is over sooner.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::transport::body::Sending;

#[cfg(test)]
mod tests;

/// Below so many bytes it was mostly round trips, and nothing is known of the line.
pub(crate) const KNOWN: u64 = 4 * 1024 * 1024;
/// Beyond so many bytes what was measured first counts less and less: a line changes.
const KEPT: u64 = 256 * 1024 * 1024;
/// How often the time for comparing a file goes into its delta: here, and at the server, which lists the old content,
/// composes the new one of it, and hashes that. Measured with 1 GiB, on machines that had less and more to do, a delta took
/// 2.3 to 4.6 times as long as the comparing.
const PASSES: f64 = 4.0;

/// What a client has seen of its line. Bytes of requests beside each other count together.
#[derive(Debug)]
pub(crate) struct Line {
    counts: Mutex<Counts>,
    /// The most bytes a second that the client was told to move.
    most: Option<f64>,
    /// Bytes a second that are compared on this machine.
    comparing: OnceLock<f64>,
}

/// Bytes that were sent, and how long that took. Pure: time is what it is told.
#[derive(Debug, Default)]
struct Counts {
    bytes: u64,
    /// For how long something was on its way.
    busy: Duration,
    /// How many bodies are on their way, and since when that has not been counted.
    running: u32,
    since: Option<Instant>,
}

impl Counts {
    fn begin(&mut self, now: Instant) {
        self.settle(now);
        self.running += 1;
    }

    fn end(&mut self, now: Instant, bytes: u64) {
        self.settle(now);
        self.running = self.running.saturating_sub(1);
        self.bytes += bytes;
        if self.bytes > KEPT {
            self.bytes /= 2;
            self.busy /= 2;
        }
    }

    fn settle(&mut self, now: Instant) {
        if let Some(since) = self.since.replace(now).filter(|_| self.running > 0) {
            self.busy += now.saturating_duration_since(since);
        }
    }

    /// Returns how many bytes went in a second; nothing before that can be told.
    fn rate(&self) -> Option<f64> {
        let is_known = self.bytes >= KNOWN && !self.busy.is_zero();
        is_known.then(|| self.bytes as f64 / self.busy.as_secs_f64())
    }
}

/// Counts a body until it is dropped: as many bytes as have been handed over by then.
pub(crate) struct Watched<'a> {
    line: &'a Line,
    sending: Arc<Sending>,
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.line.lock().end(Instant::now(), self.sending.bytes());
    }
}

impl Line {
    /// Knows nothing yet but what the client was told not to exceed.
    pub(crate) fn new(limit_rate: Option<u64>) -> Self {
        let most = limit_rate.map(|rate| rate as f64);
        Self { counts: Mutex::default(), most, comparing: OnceLock::new() }
    }

    /// Watches a body that the server makes durable as it comes, from now until its answer is there.
    pub(crate) fn watch(&self, sending: &Arc<Sending>) -> Watched<'_> {
        self.lock().begin(Instant::now());
        Watched { line: self, sending: Arc::clone(sending) }
    }

    /// Takes note of bytes that were sent to find out how long that takes.
    pub(crate) fn probed(&self, bytes: u64, took: Duration) {
        let mut counts = self.lock();
        counts.bytes += bytes;
        counts.busy += took;
    }

    /// Returns how many bytes this machine compares in a second, which `measure` is asked for until it knows.
    pub(crate) fn comparing(&self, measure: impl FnOnce() -> Option<f64>) -> Option<f64> {
        if let Some(known) = self.comparing.get() {
            return Some(*known);
        }
        let measured = measure()?;
        Some(*self.comparing.get_or_init(|| measured))
    }

    /// Tells whether the bytes that a delta spares take longer than what it costs where so many are compared in a second;
    /// nothing where too little has been sent to know.
    pub(crate) fn pays_to_compare(&self, comparing: f64) -> Option<bool> {
        let pays = |rate: f64| rate * PASSES <= comparing;
        if self.most.is_some_and(pays) { Some(true) } else { self.lock().rate().map(pays) }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Counts are whole after each step, whoever panicked.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
