//! How far a transfer is: a bar for people who watch, a line now and then for those who read later.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use longshore::{Progress, ProgressSink};

use crate::output::{Output, count, size};

/// How often the bar is drawn. Files only count; nothing is drawn per file.
const BAR: Duration = Duration::from_millis(100);
/// How often a line is written where nobody watches.
const LINES: Duration = Duration::from_secs(10);

/// What has moved so far, and how much there is.
#[derive(Default)]
pub(crate) struct Counters {
    /// Bytes on the way, those of unfinished files among them.
    moved: AtomicU64,
    files: AtomicU64,
    all_bytes: AtomicU64,
    all_files: AtomicU64,
    all_known: AtomicBool,
}

impl Counters {
    /// Returns what the SDK tells of bytes.
    pub(crate) fn sink(self: &Arc<Self>) -> ProgressSink {
        let counters = Arc::clone(self);
        ProgressSink::new(move |progress| match progress {
            Progress::Bytes { count, .. } | Progress::Reused { count, .. } => {
                counters.moved.fetch_add(count, Relaxed);
            }
            Progress::Retried { discarded, .. } => {
                counters.moved.fetch_sub(discarded, Relaxed);
            }
            _ => {}
        })
    }

    /// Takes note of bytes that are on the way.
    pub(crate) fn moved(&self, bytes: u64) {
        self.moved.fetch_add(bytes, Relaxed);
    }

    /// Takes note of a file that is to be moved.
    pub(crate) fn found(&self, bytes: u64) {
        self.all_files.fetch_add(1, Relaxed);
        self.all_bytes.fetch_add(bytes, Relaxed);
    }

    /// Takes note that all files have been found, so that the time left can be told.
    pub(crate) fn found_all(&self) {
        self.all_known.store(true, Relaxed);
    }

    /// Takes note of a file that is done.
    pub(crate) fn file_done(&self) {
        self.files.fetch_add(1, Relaxed);
    }
}

/// Shows counters.
pub(crate) struct Display {
    counters: Arc<Counters>,
    bar: Option<ProgressBar>,
    output: Output,
    start: Instant,
    total_shown: bool,
}

impl Display {
    pub(crate) fn new(counters: Arc<Counters>, output: Output) -> Self {
        let bar = output.is_watched().then(|| {
            let target = ProgressDrawTarget::stderr_with_hz(10);
            ProgressBar::with_draw_target(None, target)
                .with_style(style("{spinner} {bytes} · {bytes_per_sec} · {msg}"))
        });
        Self { counters, bar, output, start: Instant::now(), total_shown: false }
    }

    /// Returns how often [`Display::show`] is to be called.
    pub(crate) fn interval(&self) -> Duration {
        if self.bar.is_some() { BAR } else { LINES }
    }

    /// Shows how far it is.
    pub(crate) fn show(&mut self) {
        let counters = &*self.counters;
        let (moved, files) = (counters.moved.load(Relaxed), counters.files.load(Relaxed));
        let known = counters.all_known.load(Relaxed);
        let of = |text: String| if known { format!(" of {text}") } else { String::new() };
        let files = format!("{}{} files", count(files), of(count(counters.all_files.load(Relaxed))));
        let Some(bar) = &self.bar else {
            let seconds = self.start.elapsed().as_secs();
            self.output.note(&format!("{seconds} s: {files}, {}", size(moved)));
            return;
        };
        if known && !self.total_shown {
            self.total_shown = true;
            bar.set_length(counters.all_bytes.load(Relaxed));
            bar.set_style(style("{bar:24} {bytes} of {total_bytes} · {bytes_per_sec} · {eta} left · {msg}"));
        }
        bar.set_position(moved);
        bar.set_message(files);
    }

    /// Takes the bar away.
    pub(crate) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
