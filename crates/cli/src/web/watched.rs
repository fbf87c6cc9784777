//! A file of somebody else's server as its progress is shown: how long it is comes with the answer, if at all.

use std::sync::Arc;

use longshore::Progress;

use crate::transfer::progress::Counters;

/// Counts one file among all that move, until it is dropped.
pub(crate) struct Watched {
    counters: Arc<Counters>,
    place: usize,
    moved: u64,
    reused: u64,
    /// Whether its length is among those of all.
    is_sized: bool,
}

impl Watched {
    /// Takes note of a file that is asked for; `place` is its own among all.
    pub(crate) fn new(counters: Arc<Counters>, place: usize) -> Self {
        counters.expects();
        Self { counters, place, moved: 0, reused: 0, is_sized: false }
    }

    /// Takes note of an answer: what it is the content of, how long that is where it says so, and from which byte on it
    /// comes.
    pub(crate) fn answered(&mut self, name: &str, length: Option<u64>, offset: u64) {
        if let Some(length) = length.filter(|_| !self.is_sized) {
            self.is_sized = true;
            self.counters.learned(length);
            self.counters.will_move(self.place, name, length);
            self.counters.note(&Progress::Started { index: self.place, length: Some(length) });
        }
        let reused = offset.saturating_sub(self.moved + self.reused);
        self.reused += reused;
        self.counters.note(&Progress::Reused { index: self.place, count: reused });
    }

    pub(crate) fn moved(&mut self, count: u64) {
        self.moved += count;
        self.counters.note(&Progress::Bytes { index: self.place, count });
    }

    /// Takes note that what has come is of no use.
    pub(crate) fn discarded(&mut self) {
        let (moved, reused) = (std::mem::take(&mut self.moved), std::mem::take(&mut self.reused));
        self.counters.take_back(self.place, moved, reused);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let bytes = self.moved + self.reused;
        if !self.is_sized {
            self.counters.learned(bytes);
        }
        self.counters.note(&Progress::Done { index: self.place, bytes });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Watched;
    use crate::transfer::progress::{Counters, Shown};

    const MIB: u64 = 1_024 * 1_024;

    fn shown(counters: &Counters) -> (u64, Option<(u64, u64)>, usize) {
        let Shown { moved, all, largest, .. } = counters.shown();
        (moved, all, largest.len())
    }

    #[test]
    fn the_whole_is_told_once_every_answer_has_told_its_part() {
        let counters = Arc::new(Counters::default());
        let mut large = Watched::new(Arc::clone(&counters), 0);
        let mut other = Watched::new(Arc::clone(&counters), 1);
        counters.found_all();
        assert_eq!(shown(&counters), (0, None, 0));
        // Gone on with; then the server begins anew.
        large.answered("large", Some(40 * MIB), 10 * MIB);
        large.moved(5 * MIB);
        assert_eq!(shown(&counters), (5 * MIB, None, 1));
        large.answered("large", Some(40 * MIB), 15 * MIB);
        assert_eq!(shown(&counters), (5 * MIB, None, 1), "what is told is not told again");
        other.answered("other", Some(MIB), 0);
        assert_eq!(shown(&counters), (5 * MIB, Some((2, 31 * MIB)), 1));
        large.discarded();
        large.answered("large", Some(40 * MIB), 0);
        large.moved(40 * MIB);
        assert_eq!(shown(&counters), (40 * MIB, Some((2, 41 * MIB)), 1));
        drop((large, other));
        assert_eq!(shown(&counters), (40 * MIB, Some((2, 41 * MIB)), 0));
    }

    #[test]
    fn a_length_that_is_never_told_is_known_at_the_end() {
        let counters = Arc::new(Counters::default());
        counters.found_all();
        let mut endless = Watched::new(Arc::clone(&counters), 0);
        endless.answered("endless", None, 0);
        endless.moved(7);
        assert_eq!(shown(&counters), (7, None, 0));
        drop(endless);
        drop(Watched::new(Arc::clone(&counters), 1));
        assert_eq!(shown(&counters), (7, Some((2, 7)), 0));
    }
}
