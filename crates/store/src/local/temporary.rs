//! Sweeping up temporary files that a crash has left.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::root::{Root, stat_open};
use super::{errno, modified_at};
use crate::error::Result;

/// Deletes the temporary files last written longer ago than `older_than` that nobody writes now, and returns
/// how many.
///
/// A writer holds a lock on its file, so a slow upload in this or another process is left alone however old
/// it is. The age is for the instant between making and locking, and for file systems without locks.
pub(super) fn sweep(root: &Root, older_than: Duration) -> Result<u64> {
    let failed = |errno| errno::error(errno, "sweeping temporary files");
    let (mut now, mut swept) = (None, 0);
    let Some(folder) = root.existing_temporary() else { return Ok(0) };
    for found in Dir::read_from(folder).map_err(failed)? {
        let found = found.map_err(failed)?;
        let name = found.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(folder, name, flags, Mode::empty()) else {
            continue;
        };
        let stat = stat_open(&file).map_err(failed)?;
        // The disk's own clock, asked at the first file: only it compares with the times of its files.
        let now = match now {
            Some(now) => now,
            None => *now.insert(disk_time(folder).map_err(failed)?),
        };
        let age = modified_at(&stat).and_then(|written| now.duration_since(written).ok());
        if age.is_none_or(|age| age < older_than) {
            continue;
        }
        let lock = FlockOperation::NonBlockingLockExclusive;
        if rustix::fs::flock(&file, lock) == Err(Errno::WOULDBLOCK) {
            continue;
        }
        match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
            Ok(()) => swept += 1,
            Err(Errno::NOENT | Errno::ISDIR) => {}
            Err(errno) => return Err(failed(errno)),
        }
    }
    Ok(swept)
}

/// Asks the disk for its time, by making a file without a name.
fn disk_time(folder: BorrowedFd<'_>) -> Result<std::time::SystemTime, Errno> {
    let name = format!("clock-{:x}", std::process::id());
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, &*name, flags, Mode::from_raw_mode(0o600))?;
    // A write stamps the file even if it stood there before.
    rustix::io::write(&file, b".")?;
    let stat = stat_open(&file);
    // Another process of the same number, in another container, may have taken it away.
    rustix::fs::unlinkat(folder, &*name, AtFlags::empty()).ok();
    modified_at(&stat?).ok_or(Errno::IO)
}
