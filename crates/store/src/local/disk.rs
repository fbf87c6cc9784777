//! The system calls whose failure must stop a commit, in one place so that tests can make each of them fail.

use std::fmt::Debug;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::{Errno, ReadWriteFlags};

use super::root::stat_open;
#[cfg(any(test, feature = "testing"))]
use crate::testing::disk::{DiskFaults, DiskOp};

/// The kernel, or the kernel with faults in tests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    #[cfg(any(test, feature = "testing"))]
    pub(crate) faults: DiskFaults,
}

/// Fails as a test has asked; nothing at all in a shipped program.
macro_rules! fault {
    ($disk:ident, $op:ident) => {
        #[cfg(any(test, feature = "testing"))]
        $disk.faults.check(DiskOp::$op)?;
        #[cfg(not(any(test, feature = "testing")))]
        let _: &Self = $disk;
    };
}

impl Disk {
    /// Makes a new file and locks it, so that a sweep sees that somebody still writes it.
    ///
    /// A sweep may come between the two. It locks before it unlinks, so one of them sees the other: a file it
    /// has taken counts as a name in use, [`Errno::EXIST`], and the next name will do.
    pub(super) fn create(&self, folder: impl AsFd, name: &str) -> Result<OwnedFd, Errno> {
        fault!(self, Create);
        let file = rustix::fs::openat(
            &folder,
            name,
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::from_raw_mode(0o666),
        )?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => Err(Errno::EXIST),
            Ok(()) if stat_open(&file)?.stx_nlink == 0 => Err(Errno::EXIST),
            // A file system without locks leaves it to the sweep's age.
            Ok(()) | Err(_) => Ok(file),
        }
    }

    /// Appends to a file; may take fewer bytes than given.
    pub(super) fn write(&self, file: impl AsFd, chunks: &[IoSlice<'_>]) -> Result<usize, Errno> {
        fault!(self, Write);
        rustix::io::retry_on_intr(|| rustix::io::writev(&file, chunks))
    }

    /// Makes a file's content durable. After an error the file must be given up: the kernel may have dropped
    /// the pages it could not write, and a second call would then falsely succeed.
    pub(super) fn sync_file(&self, file: impl AsFd) -> Result<(), Errno> {
        fault!(self, SyncFile);
        rustix::fs::fdatasync(file)
    }

    /// Makes a folder's entries durable.
    pub(super) fn sync_folder(&self, folder: impl AsFd) -> Result<(), Errno> {
        fault!(self, SyncFolder);
        rustix::fs::fsync(folder)
    }

    /// Makes a folder; one that is there already will do.
    pub(super) fn make_folder(&self, parent: impl AsFd, name: &str) -> Result<(), Errno> {
        fault!(self, MakeFolder);
        match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o777)) {
            Err(Errno::EXIST) => Ok(()),
            made => made,
        }
    }

    /// Moves an entry, atomically. Without `overwrite` a standing target is `EXIST`.
    pub(super) fn rename(
        &self,
        from: (impl AsFd, &str),
        to: (impl AsFd, &str),
        overwrite: bool,
    ) -> Result<(), Errno> {
        fault!(self, Rename);
        if overwrite {
            return rustix::fs::renameat(&from.0, from.1, &to.0, to.1);
        }
        let flags = RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(&from.0, from.1, &to.0, to.1, flags) {
            // A file system that cannot refuse to replace: a hard link can, and then the old name goes.
            Err(Errno::INVAL | Errno::NOSYS) => self.link_and_unlink(from, to),
            renamed => renamed,
        }
    }

    pub(super) fn link_and_unlink(
        &self,
        from: (impl AsFd, &str),
        to: (impl AsFd, &str),
    ) -> Result<(), Errno> {
        fault!(self, Link);
        rustix::fs::linkat(&from.0, from.1, &to.0, to.1, AtFlags::empty())?;
        rustix::fs::unlinkat(&from.0, from.1, AtFlags::empty())
    }

    /// Reads into the spare room of `buffer`; may give fewer bytes than there is room for.
    pub(super) fn read(&self, file: impl AsFd, buffer: &mut Vec<u8>, offset: u64) -> Result<usize, Errno> {
        fault!(self, Read);
        rustix::io::retry_on_intr(|| rustix::io::pread(&file, rustix::buffer::spare_capacity(buffer), offset))
    }
    /// Reads so many bytes without waiting for the disk, or nothing where some of them are not in memory.
    pub(super) fn read_cached(
        &self,
        file: impl AsFd,
        size: usize,
        offset: u64,
    ) -> Result<Option<Vec<u8>>, Errno> {
        fault!(self, Read);
        let mut buffer = vec![0; size];
        let mut parts = [IoSliceMut::new(&mut buffer)];
        match rustix::io::preadv2(file, &mut parts, offset, ReadWriteFlags::NOWAIT) {
            Ok(read) => Ok((read == size).then_some(buffer)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}
