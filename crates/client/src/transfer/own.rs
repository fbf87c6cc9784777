//! Files that a later run finds again by their names, and that no two processes have in hand at once.

use std::fs::File;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

/// How often a file that somebody else has just finished with is opened anew.
const OPENINGS: usize = 3;

/// Opens the file at a path, makes it if nothing is there, and locks it; [`Errno::WOULDBLOCK`] if another has.
pub(crate) fn open_locked(folder: BorrowedFd<'_>, path: &Path, mode: u32) -> Result<File, Errno> {
    for _ in 0..OPENINGS {
        let file = open_own(folder, path, OFlags::empty(), mode)?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        // Who held the lock before may have put the file in its place, or removed it.
        if is_at(&file, folder, path) {
            return Ok(file);
        }
    }
    Err(Errno::WOULDBLOCK)
}

/// Tells whether it is this file that stands at a path: somebody may have removed it, or put another there.
pub(crate) fn is_at(file: &File, folder: BorrowedFd<'_>, path: &Path) -> bool {
    let there = rustix::fs::statat(folder, path, AtFlags::SYMLINK_NOFOLLOW);
    let own = rustix::fs::fstat(file);
    there
        .and_then(|there| Ok((there, own?)))
        .is_ok_and(|(there, own)| (there.st_dev, there.st_ino) == (own.st_dev, own.st_ino))
}

/// Opens a file for reading and writing that is of the user's own and has no other name: the names of parts can be
/// guessed, and a folder may be others' too.
pub(crate) fn open_own(folder: BorrowedFd<'_>, path: &Path, more: OFlags, mode: u32) -> Result<File, Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | more;
    let file: OwnedFd = retry_on_intr(|| rustix::fs::openat(folder, path, flags, Mode::from_raw_mode(mode)))?;
    let found = rustix::fs::fstat(&file)?;
    let regular = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
    let own = found.st_uid == rustix::process::geteuid().as_raw();
    if regular && own && found.st_nlink == 1 { Ok(file.into()) } else { Err(Errno::PERM) }
}
