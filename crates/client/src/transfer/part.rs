//! A file that appears only when it is whole.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use longshore_core::random;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::{Errno, retry_on_intr};

use self::leftover::Leftover;
use super::destination::Destination;
use super::own::is_at;
use crate::error::{Error, Result};

mod leftover;
#[cfg(test)]
mod tests;

/// The most bytes of a file's name that its part's name repeats; most file systems allow 255 in all.
const MAX_STEM: usize = 200;
/// How many digits the mark in a part's name has.
const MARK: usize = 16;
/// What the names of a part and of its state end with.
const ENDINGS: [&str; 2] = [PART, STATE];
const PART: &str = "part";
const STATE: &str = "state";

/// A file being written as `.<name>.<random>.part` beside its place; dropping it removes it. All of it blocks.
///
/// One that a later run may go on with has a name that it finds again, a lock on it, and its state beside it; it stays
/// when it is dropped, if the state says that anything is in it.
pub(crate) struct Part {
    file: File,
    /// What the paths are relative to; nothing for the working folder.
    folder: Option<Arc<OwnedFd>>,
    path: PathBuf,
    target: PathBuf,
    kept: AtomicBool,
    leftover: Option<Leftover>,
}

impl Part {
    /// Makes the part of a file, and the folders above it that are missing where it is named by a path.
    pub(crate) fn create(destination: &Destination) -> Result<Self> {
        let (folder, target) = place(destination);
        let cannot_write = |error| Error::local("cannot write", &target, error);
        if target.file_name().is_some_and(is_of_a_part) {
            let message = "a name like this is for what a download leaves that is not whole";
            return Err(cannot_write(io::Error::new(io::ErrorKind::InvalidFilename, message)));
        }
        let path = part_path(&target, random_mark(), PART)
            // More than a name could lead out of the folder that was opened to be safe from that.
            .filter(|_| folder.is_none() || is_name(&target))
            .ok_or_else(|| cannot_write(io::Error::from(io::ErrorKind::InvalidFilename)))?;
        let file = match open(at(folder.as_ref()), &path) {
            Err(Errno::NOENT) if folder.is_none() => {
                make_folders(&target).map_err(cannot_write)?;
                open(CWD, &path)
            }
            opened => opened,
        };
        let file = file.map_err(|errno| cannot_write(errno.into()))?;
        Ok(Self { file, folder, path, target, kept: AtomicBool::new(false), leftover: None })
    }

    /// Fails where something stands at a destination that must not be replaced.
    pub(crate) fn ensure_free(destination: &Destination) -> Result<()> {
        let (folder, target) = place(destination);
        match rustix::fs::statat(at(folder.as_ref()), &target, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Err(Error::local("cannot write", &target, io::ErrorKind::AlreadyExists.into())),
            // What else is wrong is told when it is written.
            Err(_) => Ok(()),
        }
    }

    /// Gives the file its length; what is not written yet takes no room.
    pub(crate) fn set_length(&self, length: u64) -> Result<()> {
        self.file.set_len(length).map_err(|error| self.cannot_write(error))
    }

    /// Writes bytes at an offset.
    pub(crate) fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.file.write_all_at(bytes, offset).map_err(|error| self.cannot_write(error))
    }

    fn cannot_write(&self, error: io::Error) -> Error {
        Error::local("cannot write", &self.target, error)
    }

    /// Adds bytes at the end.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| self.cannot_write(error))
    }

    /// Puts the file in its place; what stands there is replaced, or else refuses it.
    pub(crate) fn keep(&self, replace: bool) -> Result<()> {
        let folder = at(self.folder.as_ref());
        if !is_at(&self.file, folder, &self.path) {
            let message = "what was written was removed, or replaced, before it was whole";
            return Err(self.cannot_write(io::Error::new(io::ErrorKind::NotFound, message)));
        }
        if let Some(leftover) = &self.leftover {
            // While the part has its name, and so its lock, the state is ours: afterwards it may be another's.
            leftover.give_up();
            leftover.remove(folder);
        }
        let landed = if replace {
            rustix::fs::renameat(folder, &self.path, folder, &self.target).map(|()| true)
        } else {
            self.land_new()
        };
        let gone = landed.map_err(|errno| self.cannot_write(errno.into()))?;
        self.kept.store(gone, Ordering::Relaxed);
        Ok(())
    }

    /// Lets nothing of the file stay when it is dropped.
    pub(crate) fn give_up(&self) {
        if let Some(leftover) = &self.leftover {
            leftover.give_up();
        }
    }

    /// Puts the file where nothing stands, and tells whether its old name is gone.
    fn land_new(&self) -> Result<bool, Errno> {
        let folder = at(self.folder.as_ref());
        let flags = RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(folder, &self.path, folder, &self.target, flags) {
            // A file system, or a filter in front of the kernel, that cannot refuse to replace.
            Err(Errno::INVAL | Errno::NOSYS | Errno::PERM) => self.link().map(|()| false),
            renamed => renamed.map(|()| true),
        }
    }

    /// Gives the file its place as a second name, which never replaces anything.
    fn link(&self) -> Result<(), Errno> {
        let folder = at(self.folder.as_ref());
        rustix::fs::linkat(folder, &self.path, folder, &self.target, AtFlags::empty())
    }
}

fn at(folder: Option<&Arc<OwnedFd>>) -> BorrowedFd<'_> {
    folder.map_or(CWD, |folder| folder.as_fd())
}

fn open(folder: BorrowedFd<'_>, path: &Path) -> Result<File, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    retry_on_intr(|| rustix::fs::openat(folder, path, flags, Mode::from_raw_mode(0o666))).map(File::from)
}

fn is_name(path: &Path) -> bool {
    let mut parts = path.components();
    let only = parts.next();
    matches!(only, Some(Component::Normal(name)) if name == path) && parts.next().is_none()
}

fn place(destination: &Destination) -> (Option<Arc<OwnedFd>>, PathBuf) {
    match destination {
        Destination::Path(path) => (None, path.clone()),
        Destination::In { folder, name } => (Some(Arc::clone(folder)), PathBuf::from(name)),
    }
}

fn make_folders(target: &Path) -> io::Result<()> {
    fs::create_dir_all(target.parent().unwrap_or(Path::new("")))
}

fn random_mark() -> u64 {
    let mut random = [0; 8];
    random::fill(&mut random);
    u64::from_le_bytes(random)
}

/// Tells whether a name is one that [`part_path`] gives. A file of that name would take the place of what another download
/// is writing, and be written to, or removed, by one that comes after.
fn is_of_a_part(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    let stem = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending.as_bytes())?.strip_suffix(b"."));
    let Some((rest, mark)) = stem.and_then(|stem| stem.split_last_chunk::<MARK>()) else { return false };
    let is_mark = mark.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_mark && rest.starts_with(b".") && rest.ends_with(b".") && rest.len() > 2
}

/// Returns `.<name>.<mark>.<ending>` beside a file.
fn part_path(target: &Path, mark: u64, ending: &str) -> Option<PathBuf> {
    let name: &OsStr = target.file_name()?;
    let mut part = OsString::from(".");
    if name.len() <= MAX_STEM {
        part.push(name);
    } else {
        // Cut where a character ends; what is not UTF-8 there is shown as replaced, and that is long enough.
        let text = name.to_string_lossy();
        part.push(&text[..text.floor_char_boundary(MAX_STEM)]);
    }
    part.push(format!(".{mark:0MARK$x}.{ending}"));
    Some(target.with_file_name(part))
}

impl Drop for Part {
    fn drop(&mut self) {
        let stays = self.leftover.as_ref().is_some_and(Leftover::is_of_use);
        if stays || self.kept.load(Ordering::Relaxed) {
            return;
        }
        // Removing is all that can be tried; the error that led here is the one to tell. The state goes first, while the
        // part has its name, and so its lock.
        let folder = at(self.folder.as_ref());
        if !is_at(&self.file, folder, &self.path) {
            // Whoever has the name now has the state too.
            return;
        }
        if let Some(leftover) = &self.leftover {
            leftover.remove(folder);
        }
        let _left_behind = rustix::fs::unlinkat(folder, &self.path, AtFlags::empty());
    }
}
