//! How far a transfer is: bars for people who watch, a line now and then for those who read later.

use std::collections::BTreeMap;
use std::fmt::Display as Text;
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
    /// How many files are to be moved whose length is not known yet.
    unsized_files: AtomicU64,
    /// The large files that have not ended, by their place among those that are moved.
    large: Mutex<BTreeMap<usize, Large>>,
}

/// What counters say at a moment.
pub(crate) struct Shown {
    /// Bytes that have moved.
    pub(crate) moved: u64,
    /// Files that are done.
    files: u64,
    retries: u64,
    /// How many files there are, and how many bytes move in all; nothing while that is not known.
    pub(crate) all: Option<(u64, u64)>,
    /// The largest files that are moving, by their place.
    pub(crate) largest: Vec<(usize, Large)>,
}

/// A large file.
#[derive(Clone, Debug)]
pub(crate) struct Large {
    name: String,
    size: u64,
    moved: u64,
    /// Whether it has begun to move.
    moves: bool,
}

fn take(from: &AtomicU64, bytes: u64) {
    // What is told again after a failure was told before, so this does not go below nothing but for a slip.
    let _updated = from.fetch_update(Relaxed, Relaxed, |now| Some(now.saturating_sub(bytes)));
}

impl Counters {
    /// Returns what is told of the progress of many files.
    pub(crate) fn sink(self: &Arc<Self>) -> ProgressSink {
        let counters = Arc::clone(self);
        ProgressSink::new(move |progress| counters.note(&progress))
    }

    /// Takes note of the name of a file that will move, which is shown by itself if it is large.
    pub(crate) fn will_move(&self, place: usize, name: impl Text, size: u64) {
        if size >= OWN_LINE {
            let name = shortened(&name.to_string());
            self.large().insert(place, Large { name, size, moved: 0, moves: false });
        }
    }

    /// Takes note of a step.
    pub(crate) fn note(&self, progress: &Progress<'_>) {
        match *progress {
            Progress::Started { index, .. } => self.change(index, |file| file.moves = true),
            Progress::Bytes { index, count } => {
                self.moved(count);
                self.change(index, |file| file.moved += count);
            }
            Progress::Reused { index, count } => {
                self.spared.fetch_add(count, Relaxed);
                self.change(index, |file| file.moved += count);
            }
            Progress::Retried { index, discarded, .. } => {
                self.tried_again();
                self.take_back(index, discarded, 0);
            }
            Progress::Done { index, .. } | Progress::Failed { index, .. } => {
                self.large().remove(&index);
            }
            _ => {}
        }
    }

    /// Takes note of bytes that have moved, of a file that is not shown by itself.
    pub(crate) fn moved(&self, bytes: u64) {
        self.moved.fetch_add(bytes, Relaxed);
    }

    /// Takes note that bytes which were told of a file move, or are read, anew.
    pub(crate) fn take_back(&self, place: usize, moved: u64, spared: u64) {
        take(&self.moved, moved);
        take(&self.spared, spared);
        self.change(place, |file| file.moved = file.moved.saturating_sub(moved + spared));
    }

    /// Takes note of an attempt that follows a failure.
    pub(crate) fn tried_again(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    fn change(&self, place: usize, change: impl FnOnce(&mut Large)) {
        if let Some(file) = self.large().get_mut(&place) {
            change(file);
        }
    }

    fn large(&self) -> MutexGuard<'_, BTreeMap<usize, Large>> {
        // It is whole after each step, whoever panicked.
        self.large.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what there is to show.
    pub(crate) fn shown(&self) -> Shown {
        let is_known = self.all_known.load(Relaxed) && self.unsized_files.load(Relaxed) == 0;
        let moved = self.moved.load(Relaxed);
        let bytes = self.all_bytes.load(Relaxed).saturating_sub(self.spared.load(Relaxed)).max(moved);
        Shown {
            moved,
            files: self.files.load(Relaxed),
            retries: self.retries.load(Relaxed),
            all: is_known.then(|| (self.all_files.load(Relaxed), bytes)),
            largest: self.largest(),
        }
    }

    /// Returns the largest files that are moving.
    fn largest(&self) -> Vec<(usize, Large)> {
        let mut all: Vec<_> = self.large().iter().map(|(place, file)| (*place, file.clone())).collect();
        all.retain(|(_, file)| file.moves);
        all.sort_by_key(|(place, file)| (std::cmp::Reverse(file.size), *place));
        all.truncate(OWN_LINES);
        all
    }

    /// Takes note of a file that is to be moved.
    pub(crate) fn found(&self, bytes: u64) {
        self.all_files.fetch_add(1, Relaxed);
        self.all_bytes.fetch_add(bytes, Relaxed);
    }

    /// Takes note of a file that is to be moved and whose length is yet to be [`Self::learned`].
    pub(crate) fn expects(&self) {
        self.all_files.fetch_add(1, Relaxed);
        self.unsized_files.fetch_add(1, Relaxed);
    }

    pub(crate) fn learned(&self, bytes: u64) {
        self.all_bytes.fetch_add(bytes, Relaxed);
        take(&self.unsized_files, 1);
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
    files: BTreeMap<usize, ProgressBar>,
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
        let Shown { moved, files, retries, all, largest } = self.counters.shown();
        let of = all.map_or_else(String::new, |(all, _)| format!(" of {}", count(all)));
        let mut files = format!("{}{of} files", count(files));
        if retries > 0 {
            files.push_str(&format!(" · {} tried again", count(retries)));
        }
        let Some(bars) = &mut self.bars else {
            let seconds = self.start.elapsed().as_secs();
            self.output.note(&format!("{seconds} s: {files}, {}", size(moved)));
            return;
        };
        if let Some((_, bytes)) = all {
            bars.total.set_length(bytes);
            if !std::mem::replace(&mut self.total_shown, true) {
                bars.total.set_style(style(
                    "{bar:24} {bytes} of {total_bytes} · {bytes_per_sec} · {eta} left · {msg}",
                ));
            }
        }
        bars.total.set_position(moved);
        bars.total.set_message(files);
        bars.show_files(&largest);
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
    fn show_files(&mut self, largest: &[(usize, Large)]) {
        let all = &self.all;
        self.files.retain(|place, bar| {
            let stays = largest.iter().any(|(shown, _)| shown == place);
            if !stays {
                bar.finish_and_clear();
                all.remove(bar);
            }
            stays
        });
        for (place, file) in largest {
            let bar = self.files.entry(*place).or_insert_with(|| {
                let bar = all.insert_before(&self.total, ProgressBar::new(file.size));
                bar.set_style(style(
                    "{bar:24} {bytes} of {total_bytes} · {bytes_per_sec} · {eta} left · {msg}",
                ));
                bar.set_message(file.name.clone());
                bar
            });
            bar.set_position(file.moved);
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use longshore::Progress;

    use super::{Counters, OWN_LINE, OWN_LINES, shortened};

    #[test]
    fn the_largest_that_move_are_shown() {
        let counters = Counters::default();
        for place in 0..9 {
            counters.will_move(place, format!("f{place}"), OWN_LINE + place as u64 - 1);
        }
        let names = || -> Vec<_> { counters.largest().into_iter().map(|(_, file)| file.name).collect() };
        assert!(names().is_empty(), "none has begun");
        (0..8).for_each(|index| counters.note(&Progress::Started { index, length: None }));
        assert_eq!(names(), ["f7", "f6", "f5", "f4"]);
        assert_eq!(names().len(), OWN_LINES);
        (3..8).for_each(|index| counters.note(&Progress::Done { index, bytes: 1 }));
        assert_eq!(names(), ["f2", "f1"], "what is small has no line, and f8 has not begun");
        counters.note(&Progress::Bytes { index: 1, count: 70 });
        counters.note(&Progress::Bytes { index: 0, count: 5 });
        let error = longshore::Client::builder().url("").build().unwrap_err();
        let delay = std::time::Duration::ZERO;
        counters.note(&Progress::Retried { index: 1, attempt: 2, delay, discarded: 60, error: &error });
        let moved: Vec<_> = counters.largest().into_iter().map(|(_, file)| file.moved).collect();
        assert_eq!(moved, [0, 10]);
        assert_eq!(counters.moved.load(Relaxed), 15);
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
