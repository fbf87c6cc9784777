//! Who came a while ago: a map in shards, each with a lock of its own, of so many entries at most.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::rate::Moment;

const SHARDS: usize = 64;
/// How many a shard remembers.
const ROOM: usize = 1_024;
/// How many are forgotten at once where nobody has been silent: looking for them is a walk over the shard.
const FORGOTTEN: usize = ROOM / 8;

/// How many are remembered in all.
#[cfg(test)]
pub(super) const MOST: usize = SHARDS * ROOM;

/// What is known of somebody. When both moments are past it says no more than nothing does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Entry {
    /// When all that they took is made up for.
    pub(super) taken: Moment,
    /// Until when they are known.
    pub(super) known_until: Moment,
}

impl Entry {
    fn until(self) -> Moment {
        self.taken.max(self.known_until)
    }
}

#[derive(Debug)]
pub(super) struct Table<K> {
    shards: Box<[Mutex<HashMap<K, Entry>>]>,
    hashes: RandomState,
}

impl<K: Copy + Eq + Hash> Table<K> {
    pub(super) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), hashes: RandomState::new() }
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, HashMap<K, Entry>> {
        let place = self.hashes.hash_one(key) % self.shards.len() as u64;
        self.shards[place as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Visits what is known of somebody, which is nothing at first.
    pub(super) fn with<R>(&self, key: K, now: Moment, visit: impl FnOnce(&mut Entry) -> R) -> R {
        let mut shard = self.shard(&key);
        if shard.len() >= ROOM && !shard.contains_key(&key) {
            make_room(&mut shard, now);
        }
        visit(shard.entry(key).or_default())
    }

    /// Visits what is known of somebody, if anything is.
    pub(super) fn with_known<R>(&self, key: &K, visit: impl FnOnce(&mut Entry) -> R) -> Option<R> {
        self.shard(key).get_mut(key).map(visit)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }
}

/// Forgets those of whom nothing need be known, or else those who took least: they lose nothing, the others gain least.
fn make_room<K: Copy + Eq + Hash>(shard: &mut HashMap<K, Entry>, now: Moment) {
    shard.retain(|_, entry| entry.until() > now);
    if shard.len() <= ROOM - FORGOTTEN {
        return;
    }
    let mut ends: Vec<Moment> = shard.values().map(|entry| entry.until()).collect();
    let (_, &mut last, _) = ends.select_nth_unstable(FORGOTTEN - 1);
    let mut left = FORGOTTEN;
    shard.retain(|_, entry| {
        let goes = left > 0 && entry.until() <= last;
        left -= usize::from(goes);
        !goes
    });
}
