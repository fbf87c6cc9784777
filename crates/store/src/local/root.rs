//! The folder a store is rooted in, held open, and every lookup below it.
//!
//! Nothing here ever resolves an absolute path or follows a symbolic link: the kernel starts at the open root
//! and refuses to leave it, whatever somebody does to the tree meanwhile.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Statx, StatxFlags};
use rustix::io::Errno;
use rustix::path::Arg;

use super::LocalOptions;
use super::disk::Disk;
use super::errno;
use crate::error::Result;
use crate::own_names::TEMPORARY;

/// Never out of the root, and through no link.
const BENEATH: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS).union(ResolveFlags::NO_SYMLINKS);

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The file systems that read what is in memory without asking anybody (`f_type` of `statfs`): ext2 to 4, XFS, Btrfs, F2FS,
/// tmpfs, and overlays, which are of these most of the time.
const LOCAL: [u32; 6] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x0102_1994, 0x794c_7630];

#[derive(Debug)]
pub(super) struct Root {
    /// Where it was opened, for names that others understand; nothing is found by it.
    pub(super) path: PathBuf,
    folder: OwnedFd,
    /// The folder for files in the making, once there is one.
    temporary: OnceLock<OwnedFd>,
    pub(super) disk: Disk,
    /// Tells this opening's temporary files from those of every other process, in other containers too.
    pub(super) mark: u64,
    /// Whether the kernel, or a filter in front of it, lacks `openat2`.
    by_component: AtomicBool,
    /// Whether what is in memory can be had without waiting.
    answers_at_once: AtomicBool,
}

impl Root {
    pub(super) fn open(path: &Path, options: &LocalOptions, disk: Disk) -> Result<Self> {
        let action = "opening the root of the store";
        if options.create {
            let mode = if options.private { 0o700 } else { 0o777 };
            make_durably(path, Mode::from_raw_mode(mode), &disk)
                .map_err(|errno| errno::error(errno, action))?;
        }
        let open = || -> Result<Self, Errno> {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let folder = rustix::fs::open(path, flags, Mode::empty())?;
            let answers_at_once = rustix::fs::fstatfs(&folder).is_ok_and(|found| {
                // The type is as wide as a word, and these are all of 32 bits.
                LOCAL.contains(&(found.f_type as u32))
            });
            let root = Self {
                path: path.to_path_buf(),
                folder,
                temporary: OnceLock::new(),
                disk,
                answers_at_once: AtomicBool::new(answers_at_once),
                mark: RandomState::new().build_hasher().finish(),
                by_component: AtomicBool::new(false),
            };
            if options.create {
                root.temporary()?;
            } else if let Ok(found) = rustix::fs::openat(&root.folder, TEMPORARY, FOLDER, Mode::empty()) {
                root.temporary.get_or_init(|| found);
            }
            Ok(root)
        };
        open().map_err(|errno| errno::error(errno, action))
    }

    /// Returns the folder for files in the making, which is made if there was none.
    pub(super) fn temporary(&self) -> Result<BorrowedFd<'_>, Errno> {
        if let Some(open) = self.existing_temporary() {
            return Ok(open);
        }
        self.disk.make_folder(&self.folder, TEMPORARY)?;
        let made = rustix::fs::openat(&self.folder, TEMPORARY, FOLDER, Mode::empty())?;
        Ok(self.temporary.get_or_init(|| made).as_fd())
    }

    /// Returns the folder for files in the making, if there is one. A store that is only looked at makes none.
    pub(super) fn existing_temporary(&self) -> Option<BorrowedFd<'_>> {
        self.temporary.get().map(AsFd::as_fd)
    }

    #[cfg(test)]
    pub(super) fn resolve_by_component(&self) {
        self.by_component.store(true, Ordering::Relaxed);
        self.answers_at_once.store(false, Ordering::Relaxed);
    }

    /// Opens what stands at `path`, which is normalised, without following any link.
    pub(super) fn open_at(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let path = if path.is_empty() { "." } else { path };
        if !self.by_component.load(Ordering::Relaxed) {
            let opened = rustix::io::retry_on_intr(|| {
                rustix::fs::openat2(&self.folder, path, flags, Mode::empty(), BENEATH)
            });
            match opened {
                // Some container runtimes' filters say PERM where they mean NOSYS.
                Err(Errno::NOSYS | Errno::PERM) => {
                    self.by_component.store(true, Ordering::Relaxed);
                }
                opened => return opened,
            }
        }
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut folder = None;
        for segment in above.split('/').filter(|segment| !segment.is_empty()) {
            let start = folder.as_ref().unwrap_or(&self.folder).as_fd();
            folder = Some(open_folder(start, segment)?);
        }
        let start = folder.as_ref().unwrap_or(&self.folder).as_fd();
        rustix::io::retry_on_intr(|| rustix::fs::openat(start, name, flags, Mode::empty()))
    }

    /// Opens what stands at `path` if all that is needed is in memory, on the root's own file system.
    pub(super) fn open_cached(&self, path: &str, flags: OFlags) -> Option<OwnedFd> {
        if path.is_empty() || !self.answers_at_once.load(Ordering::Relaxed) {
            return None;
        }
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = BENEATH.union(ResolveFlags::CACHED).union(ResolveFlags::NO_XDEV);
        let opened = rustix::fs::openat2(&self.folder, path, flags, Mode::empty(), resolve);
        opened.inspect_err(|errno| self.refuse_cached(*errno)).ok()
    }

    /// Asks no more for what is in memory, if this error says that it cannot be had so here.
    pub(super) fn refuse_cached(&self, errno: Errno) {
        if errno::is_unsupported(errno) {
            self.answers_at_once.store(false, Ordering::Relaxed);
        }
    }

    /// Opens a folder.
    pub(super) fn open_folder(&self, path: &str) -> Result<OwnedFd, Errno> {
        // The root is opened anew as well: a directory's read position belongs to the open file.
        self.open_at(path, FOLDER)
    }

    /// Opens a folder, making it and what is missing above it.
    pub(super) fn open_or_make_folder(&self, path: &str) -> Result<OwnedFd, Errno> {
        match self.open_folder(path) {
            Err(Errno::NOENT) => {}
            opened => return opened,
        }
        let mut folder = self.open_folder("")?;
        for segment in path.split('/') {
            self.disk.make_folder(&folder, segment)?;
            folder = open_folder(folder.as_fd(), segment)?;
        }
        Ok(folder)
    }

    /// Looks at the entry `path` itself; a link is looked at, not through.
    pub(super) fn stat(&self, path: &str) -> Result<Statx, Errno> {
        let file = self.open_at(path, OFlags::PATH)?;
        stat_open(file)
    }
}

/// Opens the folder `name` of an open folder.
pub(super) fn open_folder(parent: impl AsFd, name: &str) -> Result<OwnedFd, Errno> {
    match rustix::io::retry_on_intr(|| rustix::fs::openat(&parent, name, FOLDER, Mode::empty())) {
        // Says NOTDIR for a link too, where `openat2` says LOOP; callers need to tell them apart.
        Err(Errno::NOTDIR) if kind_at(&parent, name) == Some(FileType::Symlink) => Err(Errno::LOOP),
        opened => opened,
    }
}

fn kind_at(folder: impl AsFd, name: &str) -> Option<FileType> {
    let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(FileType::from_raw_mode(stat.st_mode))
}

/// Looks at an open file or folder.
pub(super) fn stat_open(file: impl AsFd) -> Result<Statx, Errno> {
    let mask = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, mask)
}

/// Looks at an entry of an open folder.
pub(super) fn stat_entry(folder: impl AsFd, name: impl Arg) -> Result<Statx, Errno> {
    let mask = StatxFlags::BASIC_STATS;
    rustix::fs::statx(folder, name, AtFlags::SYMLINK_NOFOLLOW, mask)
}

/// Makes the root and what is missing above it, so that it outlives a loss of power.
fn make_durably(path: &Path, mode: Mode, disk: &Disk) -> Result<(), Errno> {
    let mut missing = Vec::new();
    let mut above = path.to_path_buf();
    while !above.as_os_str().is_empty() && !above.is_dir() {
        missing.push(above.clone());
        above = above.parent().map(PathBuf::from).unwrap_or_default();
    }
    for folder in missing.iter().rev() {
        match rustix::fs::mkdir(folder, mode) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = rustix::fs::open(
            parent.unwrap_or(Path::new(".")),
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        disk.sync_folder(parent)?;
    }
    Ok(())
}
