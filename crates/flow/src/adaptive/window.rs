//! The decision alone: what came of requests goes in, how many may run at once comes out. No time, no waiting.

use std::time::Duration;

/// How many successes a span has at least, before its latency is believed.
const SPAN: u32 = 32;
/// How many spans in a row must look like a queue. A server that stalls once delays what is in flight, which is a window and so
/// reaches into two spans at most.
const SPANS: u32 = 3;
/// How far above the lowest the latency must be.
const LEFT: f64 = 2.0;
/// How far above the highest a throughput must be to be more.
const MORE: f64 = 1.05;
/// What part of what the throughput needs is left by a cut for latency: less than all, so that the queue drains, and that a
/// lowest latency learned from a queue makes way for a lower one.
const DRAIN: f64 = 0.75;

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It succeeded; with how long it took, where that can be compared with others.
    Success(Option<Duration>),
    /// The server asked for less.
    Throttled,
    /// It failed, for a reason that is not how many there were.
    Failed,
    /// Nobody knows.
    Unknown,
}

/// A request under way; [`Window::end`] takes it back, once.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    /// How many cuts there had been.
    cuts: u64,
}

/// The state of an adaptive limit; [the rule](super) says how it moves.
#[derive(Clone, Debug)]
pub struct Window {
    floor: usize,
    ceiling: usize,
    limit: usize,
    in_flight: usize,
    cuts: u64,
    /// Successes since the limit last moved.
    successes: usize,
    /// Whether the limit was reached since it last moved.
    was_full: bool,
    span: Span,
    best: Option<Best>,
    /// How many spans in a row looked like a queue.
    suspects: u32,
    /// Whether what was learned about the latency was forgotten, and nothing is known yet.
    is_learning: bool,
}

/// Successes whose latency is looked at together.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    count: u32,
    /// The sum of the latencies, in seconds.
    seconds: f64,
    /// The sum of how many were in flight when each of them ended.
    in_flight: f64,
}

/// The lowest latency (seconds) and the highest throughput (requests per second) of a span since the last cut for latency.
#[derive(Clone, Copy, Debug)]
struct Best {
    latency: f64,
    throughput: f64,
}

impl Window {
    /// Makes the state that [`Limiter::new`](super::Limiter::new) describes.
    #[must_use]
    pub fn new(floor: usize, start: usize, ceiling: usize) -> Self {
        // As many as a semaphore has room for, so that the limit and what is allowed stay one number.
        let floor = floor.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
        let ceiling = ceiling.clamp(floor, tokio::sync::Semaphore::MAX_PERMITS);
        Self {
            floor,
            ceiling,
            limit: start.clamp(floor, ceiling),
            in_flight: 0,
            cuts: 0,
            successes: 0,
            was_full: false,
            span: Span::default(),
            best: None,
            suspects: 0,
            is_learning: false,
        }
    }

    /// Returns how many may be in flight.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Returns how many are in flight.
    #[must_use]
    pub const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Notes that a request begins; the caller has seen that there is room.
    pub const fn begin(&mut self) -> Ticket {
        self.in_flight += 1;
        if self.in_flight >= self.limit {
            self.was_full = true;
        }
        Ticket { cuts: self.cuts }
    }

    /// Notes what came of a request.
    pub fn end(&mut self, ticket: Ticket, outcome: Outcome) {
        let in_flight = self.in_flight;
        self.in_flight = self.in_flight.saturating_sub(1);
        if ticket.cuts != self.cuts {
            return;
        }
        match outcome {
            Outcome::Success(latency) => self.succeeded(latency, in_flight),
            Outcome::Throttled => self.cut_to(self.limit / 2),
            Outcome::Failed => self.successes = self.successes.saturating_sub(1),
            Outcome::Unknown => {}
        }
    }

    fn succeeded(&mut self, latency: Option<Duration>, in_flight: usize) {
        if let Some(latency) = latency {
            self.span.count += 1;
            self.span.seconds += latency.as_secs_f64();
            self.span.in_flight += in_flight as f64;
        }
        self.successes += 1;
        if self.successes < self.limit {
            return;
        }
        if self.span.count >= SPAN
            && let Some(few) = self.draining()
        {
            self.cut_to(few.clamp(self.limit / 4, self.limit / 2));
            self.best = None;
            self.is_learning = true;
            return;
        }
        // Raised while it is being learned, the lowest latency would be that of the queue we make, higher each time.
        let is_held = self.is_learning && latency.is_some();
        if self.was_full && !is_held && self.limit < self.ceiling {
            self.limit += 1;
        }
        self.begin_window();
    }

    /// Closes the span. Where it and those before it show a queue that more requests made, returns how many drain it.
    fn draining(&mut self) -> Option<usize> {
        let span = std::mem::take(&mut self.span);
        self.is_learning = false;
        let count = f64::from(span.count);
        // A latency of nothing would make the throughput infinite, and all that comes later a queue.
        let latency = (span.seconds / count).max(1e-9);
        let throughput = span.in_flight / count / latency;
        let Some(best) = &mut self.best else {
            self.best = Some(Best { latency, throughput });
            return None;
        };
        if latency > LEFT * best.latency && throughput <= MORE * best.throughput {
            self.suspects += 1;
        } else {
            self.suspects = 0;
        }
        best.latency = best.latency.min(latency);
        best.throughput = best.throughput.max(throughput);
        (self.suspects >= SPANS).then_some((DRAIN * throughput * best.latency) as usize)
    }

    fn cut_to(&mut self, limit: usize) {
        self.limit = limit.max(self.floor);
        self.cuts += 1;
        self.span = Span::default();
        self.suspects = 0;
        self.begin_window();
    }

    const fn begin_window(&mut self) {
        self.successes = 0;
        self.was_full = self.in_flight >= self.limit;
    }
}
