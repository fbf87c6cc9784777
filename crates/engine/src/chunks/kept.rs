//! Lists of chunks that were asked for last, so many bytes of them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hashlink::LinkedHashMap;
use longshore_core::VersionId;

/// How many bytes of lists are kept: those of some 16 GiB of content.
const ROOM: usize = 16 * 1_024 * 1_024;

/// Lists by their versions. Clones of a list share its bytes.
#[derive(Debug)]
pub(crate) struct ChunkLists {
    room: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The one asked for last is the last.
    lists: LinkedHashMap<VersionId, Bytes>,
    bytes: usize,
}

impl Default for ChunkLists {
    fn default() -> Self {
        Self::of(ROOM)
    }
}

impl ChunkLists {
    fn of(room: usize) -> Self {
        Self { room, kept: Mutex::default() }
    }

    /// Returns how many bytes a list has at most that is kept: none drives out all the others.
    pub(super) const fn longest(&self) -> usize {
        self.room / 4
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, version: VersionId) -> Option<Bytes> {
        self.kept().lists.to_back(&version).cloned()
    }

    /// Keeps a list, and as many of those that were asked for before as there is room for.
    pub(super) fn put(&self, version: VersionId, list: Bytes) {
        if list.len() > self.longest() {
            return;
        }
        let mut kept = self.kept();
        kept.bytes += list.len();
        if let Some(before) = kept.lists.insert(version, list) {
            kept.bytes -= before.len();
        }
        while kept.bytes > self.room
            && let Some((_, oldest)) = kept.lists.pop_front()
        {
            kept.bytes -= oldest.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use longshore_core::{Timestamp, VersionId};

    use super::ChunkLists;

    #[test]
    fn the_lists_asked_for_last_are_kept_as_far_as_there_is_room() {
        let lists = ChunkLists::of(40);
        let versions: Vec<_> = (0..6).map(|_| VersionId::new(Timestamp::from_micros(1))).collect();
        let list = |number: u8| Bytes::from(vec![number; 10]);
        for (number, version) in (0..4).zip(&versions) {
            lists.put(*version, list(number));
        }
        assert_eq!(lists.get(versions[0]), Some(list(0)));
        // The one that nobody asked for is the one that goes.
        lists.put(versions[4], list(4));
        assert_eq!(lists.get(versions[1]), None);
        for number in [0, 2, 3, 4] {
            assert_eq!(lists.get(versions[number]), Some(list(number as u8)));
        }
        // One that was made twice counts once, and a long one is not kept at all.
        lists.put(versions[4], list(4));
        lists.put(versions[5], vec![5; 11].into());
        assert_eq!(lists.get(versions[5]), None);
        for number in [0, 2, 3, 4] {
            assert_eq!(lists.get(versions[number]), Some(list(number as u8)));
        }
        assert_eq!(lists.kept().bytes, 40);
    }
}
