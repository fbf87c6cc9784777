//! How far a transfer is: bars for people who watch, a line now and then for those who read later.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use longshore::{Progress, ProgressSink};

use crate::output::{Output, count, size};
use crate::text::flat;

/// How often the bars are drawn. Files only count; nothing is drawn per file.
const BAR: Duration = Duration::from_millis(100);
/// How often a line is written where nobody watches.
const LINES: Duration = Duration::from_secs(10);
/// How many files have a line of their own: the largest of those that are moving.
const OWN_LINES: usize = 4;
/// A file that is smaller is done before its line could be read.
const OWN_LINE: u64 = 8 * 1_024 * 1_024;
/// The most of a name that is shown, in characters.
const NAME: usize = 40;

/// What has moved so far, and how much there is.
#[derive(Default)]
pub(crate) struct Counters {
    /// Bytes on the way, those of unfinished files among them.
    moved: AtomicU64,
    /// Bytes that need not move.
    spared: AtomicU64,
    files: AtomicU64,
    retries: AtomicU64,
    all_bytes: AtomicU64,
    all_files: AtomicU64,
    all_known: AtomicBool,
    /// The large files that are moving, by when they began.
    running: Mutex<BTreeMap<u64, Arc<Running>>>,
    next: AtomicU64,
}

/// A file that is moving.
#[derive(Debug)]
struct Running {
    name: String,
    size: u64,
    moved: AtomicU64,
}

/// Takes a file out of those that are moving when it is dropped.
pub(crate) struct Watched {
    counters: Arc<Counters>,
    file: Option<u64>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(file) = self.file {
            self.counters.running().remove(&file);
        }
    }
}

fn take(from: &AtomicU64, bytes: u64) {
    // What is told again after a failure was told before, so this does not go below nothing but for a slip.
    let _updated = from.fetch_update(Relaxed, Relaxed, |now| Some(now.saturating_sub(bytes)));
}

impl Counters {
    /// Returns what the SDK tells of the bytes of many files.
    pub(crate) fn sink(self: &Arc<Self>) -> ProgressSink {
        self.sink_of(None)
    }

    /// Returns what the SDK tells of one file, which is shown by itself if it is large while the other is held.
    pub(crate) fn watch(self: &Arc<Self>, name: &str, size: u64) -> (ProgressSink, Watched) {
        if size < OWN_LINE {
            return (self.sink(), Watched { counters: Arc::clone(self), file: None });
        }
        let running = Arc::new(Running { name: shortened(name), size, moved: AtomicU64::new(0) });
        let file = self.next.fetch_add(1, Relaxed);
        self.running().insert(file, Arc::clone(&running));
        (self.sink_of(Some(running)), Watched { counters: Arc::clone(self), file: Some(file) })
    }

    fn sink_of(self: &Arc<Self>, file: Option<Arc<Running>>) -> ProgressSink {
        let counters = Arc::clone(self);
        ProgressSink::new(move |progress| {
            let own = file.as_ref().map(|file| &file.moved);
            match progress {
                Progress::Bytes { count, .. } => {
                    counters.moved.fetch_add(count, Relaxed);
                    own.map(|own| own.fetch_add(count, Relaxed));
                }
                Progress::Reused { count, .. } => {
                    counters.spared.fetch_add(count, Relaxed);
                    own.map(|own| own.fetch_add(count, Relaxed));
                }
                Progress::Retried { discarded, .. } => {
                    counters.retries.fetch_add(1, Relaxed);
                    take(&counters.moved, discarded);
                    if let Some(own) = own {
                        take(own, discarded);
                    }
                }
                _ => {}
            }
        })
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Running>>> {
        // It is whole after each step, whoever panicked.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the largest files that are moving.
    fn largest(&self) -> Vec<(u64, Arc<Running>)> {
        let mut all: Vec<_> =
            self.running().iter().map(|(file, running)| (*file, Arc::clone(running))).collect();
        all.sort_by_key(|(file, running)| (std::cmp::Reverse(running.size), *file));
        all.truncate(OWN_LINES);
        all
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

    /// Takes note of a file that was there already.
    pub(crate) fn file_spared(&self, bytes: u64) {
        self.files.fetch_add(1, Relaxed);
        self.spared.fetch_add(bytes, Relaxed);
    }
}

/// Returns the end of a name, which tells files of one folder apart.
fn shortened(name: &str) -> String {
    let name = flat(name);
    match name.char_indices().rev().nth(NAME - 1) {
        Some((start, _)) if start > 0 => format!("…{}", &name[start..]),
        _ => name,
    }
}

/// Shows counters.
pub(crate) struct Display {
    counters: Arc<Counters>,
    bars: Option<Bars>,
    output: Output,
    start: Instant,
    total_shown: bool,
}

/// The line of all files, and above it those of the largest.
struct Bars {
    all: MultiProgress,
    total: ProgressBar,
    files: BTreeMap<u64, ProgressBar>,
}

impl Display {
    pub(crate) fn new(counters: Arc<Counters>, output: Output) -> Self {
        let bars = output.is_watched().then(|| {
            let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
            let total = all.add(ProgressBar::no_length());
            total.set_style(style("{spinner} {bytes} · {bytes_per_sec} · {msg}"));
            Bars { all, total, files: BTreeMap::new() }
        });
        Self { counters, bars, output, start: Instant::now(), total_shown: false }
    }

    /// Returns how often [`Display::show`] is to be called.
    pub(crate) fn interval(&self) -> Duration {
        if self.bars.is_some() { BAR } else { LINES }
    }

    /// Shows how far it is.
    pub(crate) fn show(&mut self) {
        let counters = &*self.counters;
        let (moved, files) = (counters.moved.load(Relaxed), counters.files.load(Relaxed));
        let known = counters.all_known.load(Relaxed);
        let of = |text: String| if known { format!(" of {text}") } else { String::new() };
        let mut files = format!("{}{} files", count(files), of(count(counters.all_files.load(Relaxed))));
        let retries = counters.retries.load(Relaxed);
        if retries > 0 {
            files.push_str(&format!(" · {} tried again", count(retries)));
        }
        let Some(bars) = &mut self.bars else {
            let seconds = self.start.elapsed().as_secs();
            self.output.note(&format!("{seconds} s: {files}, {}", size(moved)));
            return;
        };
        if known {
            let all = counters.all_bytes.load(Relaxed).saturating_sub(counters.spared.load(Relaxed));
            bars.total.set_length(all.max(moved));
            if !std::mem::replace(&mut self.total_shown, true) {
                bars.total.set_style(style(
                    "{bar:24} {bytes} of {total_bytes} · {bytes_per_sec} · {eta} left · {msg}",
                ));
            }
        }
        bars.total.set_position(moved);
        bars.total.set_message(files);
        bars.show_files(&counters.largest());
    }

    /// Takes the bars away.
    pub(crate) fn end(self) {
        if let Some(bars) = self.bars {
            bars.files.values().for_each(ProgressBar::finish_and_clear);
            bars.total.finish_and_clear();
        }
    }
}

impl Bars {
    fn show_files(&mut self, largest: &[(u64, Arc<Running>)]) {
        let all = &self.all;
        self.files.retain(|file, bar| {
            let stays = largest.iter().any(|(shown, _)| shown == file);
            if !stays {
                bar.finish_and_clear();
                all.remove(bar);
            }
            stays
        });
        for (file, running) in largest {
            let bar = self.files.entry(*file).or_insert_with(|| {
                let bar = all.insert_before(&self.total, ProgressBar::new(running.size));
                bar.set_style(style(
                    "{bar:24} {bytes} of {total_bytes} · {bytes_per_sec} · {eta} left · {msg}",
                ));
                bar.set_message(running.name.clone());
                bar
            });
            bar.set_position(running.moved.load(Relaxed));
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Counters, OWN_LINE, OWN_LINES, shortened};

    #[test]
    fn the_largest_that_move_are_shown() {
        let counters = Arc::new(Counters::default());
        let held: Vec<_> = (0..8).map(|more| counters.watch(&format!("f{more}"), OWN_LINE + more)).collect();
        let small = counters.watch("small", OWN_LINE - 1);
        let names = |counters: &Counters| -> Vec<_> {
            counters.largest().iter().map(|(_, running)| running.name.clone()).collect()
        };
        assert_eq!(names(&counters), ["f7", "f6", "f5", "f4"]);
        assert_eq!(names(&counters).len(), OWN_LINES);
        drop(held.into_iter().skip(2).collect::<Vec<_>>());
        assert!(names(&counters).is_empty(), "those that were skipped are dropped as well");
        drop(small);
    }

    #[test]
    fn long_names_keep_their_end() {
        assert_eq!(shortened("/a/b.txt"), "/a/b.txt");
        let long = format!("/{}/ไทย.txt", "日本".repeat(40));
        let shown = shortened(&long);
        assert!(shown.starts_with('…') && shown.ends_with("/ไทย.txt"), "{shown}");
        assert_eq!(shown.chars().count(), 41);
    }
}
