//! Making folders durable: one flush for many commits, and none for what is known to be durable.

use std::collections::{HashMap, HashSet};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustix::fs::Statx;
use rustix::io::Errno;

use super::root::{Root, stat_open};

/// How many folders to remember as settled. Past it all are forgotten, which costs flushes, never safety.
const SETTLED_MAX: usize = 65_536;

/// A folder as long as it is held open: no other can have these numbers meanwhile.
type OpenId = (u32, u32, u64);

/// A folder for good: when it was made tells it from a later one that got its number.
type LastingId = (OpenId, i64, u32);

#[derive(Debug, Default)]
pub(super) struct Folders {
    flushes: Mutex<HashMap<OpenId, Arc<Flush>>>,
    /// Folders whose own entry, and those of all folders above, are durable. A folder that merely *exists* is
    /// not: another writer may have made it an instant ago, or a process that was killed before its flush.
    settled: Mutex<HashSet<LastingId>>,
}

impl Folders {
    /// Makes the entries of the open folder `path` durable, and the folder itself.
    pub(super) fn sync(&self, root: &Root, path: &str, folder: impl AsFd) -> Result<(), Errno> {
        let stat = stat_open(&folder)?;
        let lasting = lasting_id(&stat);
        let settled = lasting.is_some_and(|id| lock(&self.settled).contains(&id));
        if !path.is_empty() && !settled {
            let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
            self.sync(root, parent, root.open_folder(parent)?)?;
            if let Some(id) = lasting {
                let mut settled = lock(&self.settled);
                if settled.len() >= SETTLED_MAX {
                    settled.clear();
                }
                settled.insert(id);
            }
        }
        self.flush(open_id(&stat), || root.disk.sync_folder(&folder))
    }

    /// Runs `fsync` on a folder, or shares the run of another thread that starts after this call.
    fn flush(&self, id: OpenId, fsync: impl FnOnce() -> Result<(), Errno>) -> Result<(), Errno> {
        let flush = Arc::clone(lock(&self.flushes).entry(id).or_default());
        let result = flush.share(fsync);
        let mut flushes = lock(&self.flushes);
        // Two: the map's and ours. Nobody can take another while the map is locked.
        if Arc::strong_count(&flush) == 2 {
            flushes.remove(&id);
        }
        result
    }
}

/// The flushes of one folder, by number.
///
/// A commit that has renamed its file is covered by any flush that *starts* after that, so each waits for the
/// first such one: while number n runs, all who come wait together for n + 1, which one of them runs.
#[derive(Debug, Default)]
struct Flush {
    state: Mutex<FlushState>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct FlushState {
    started: u64,
    running: bool,
    /// The last flush that failed. The kernel reports a failure once, so a later success says nothing of the
    /// entries an earlier flush failed on: whoever waited for that number or an earlier one gets the error.
    failed: Option<(u64, Errno)>,
}

impl Flush {
    fn share(&self, fsync: impl FnOnce() -> Result<(), Errno>) -> Result<(), Errno> {
        let mut state = lock(&self.state);
        let awaited = state.started + 1;
        loop {
            if state.running {
                state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
            } else if state.started >= awaited {
                return match state.failed {
                    Some((failed, errno)) if failed >= awaited => Err(errno),
                    _ => Ok(()),
                };
            } else {
                break;
            }
        }
        state.running = true;
        state.started = awaited;
        drop(state);
        let result = fsync();
        let mut state = lock(&self.state);
        state.running = false;
        if let Err(errno) = result {
            state.failed = Some((awaited, errno));
        }
        self.ended.notify_all();
        result
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change under these locks is whole at each step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const fn open_id(stat: &Statx) -> OpenId {
    (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino)
}

/// Returns nothing where the file system does not keep when a file was made; such folders are never settled.
fn lasting_id(stat: &Statx) -> Option<LastingId> {
    let made = stat.stx_btime;
    let known = stat.stx_mask & rustix::fs::StatxFlags::BTIME.bits() != 0;
    known.then_some((open_id(stat), made.tv_sec, made.tv_nsec))
}

#[cfg(test)]
mod tests;
