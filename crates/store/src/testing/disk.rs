//! A local disk whose system calls fail on demand.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::Errno;

use crate::error::Result;
use crate::local::{Disk, Local, LocalOptions};
use crate::store::Store;

/// A system call that a commit on the local disk needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DiskOp {
    /// Making a temporary file.
    Create,
    /// Making a folder.
    MakeFolder,
    /// Writing content.
    Write,
    /// Making content durable (`fdatasync`).
    SyncFile,
    /// Making a file visible.
    Rename,
    /// Making it visible where the disk cannot rename without replacing.
    Link,
    /// Making a folder durable (`fsync`).
    SyncFolder,
    /// Reading content.
    Read,
}

/// The faults of one local store. Clones are the same faults.
#[derive(Clone, Debug, Default)]
pub struct DiskFaults(Arc<Mutex<VecDeque<Fault>>>);

#[derive(Debug)]
struct Fault {
    op: DiskOp,
    skip: u64,
    errno: Errno,
}

impl DiskFaults {
    /// Makes the next call of `op` fail with the error number `errno`.
    pub fn fail_next(&self, op: DiskOp, errno: i32) {
        self.fail_after(op, 0, errno);
    }

    /// Lets `skip` calls of `op` pass and makes the one after fail with the error number `errno`.
    pub fn fail_after(&self, op: DiskOp, skip: u64, errno: i32) {
        let errno = Errno::from_raw_os_error(errno);
        self.faults().push_back(Fault { op, skip, errno });
    }

    /// Returns whether every fault asked for has struck.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.faults().is_empty()
    }

    pub(crate) fn check(&self, op: DiskOp) -> Result<(), Errno> {
        let mut faults = self.faults();
        let Some(place) = faults.iter().position(|fault| fault.op == op) else {
            return Ok(());
        };
        if faults[place].skip > 0 {
            faults[place].skip -= 1;
            return Ok(());
        }
        faults.remove(place).map_or(Ok(()), |fault| Err(fault.errno))
    }

    fn faults(&self) -> std::sync::MutexGuard<'_, VecDeque<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a local store whose system calls fail as the second value is told.
pub fn faulty_local(root: impl AsRef<Path>, options: LocalOptions) -> Result<(Store, DiskFaults)> {
    let disk = Disk::default();
    let faults = disk.faults.clone();
    let local = Local::open_on(root.as_ref(), options, disk)?;
    Ok((Store::new(local), faults))
}
