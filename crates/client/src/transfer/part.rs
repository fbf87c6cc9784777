//! A file that appears only when it is whole.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use longshore_core::random;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::{Errno, retry_on_intr};

use super::destination::Destination;
use crate::error::{Error, Result};

#[cfg(test)]
mod tests;

/// The most bytes of a file's name that its part's name repeats; most file systems allow 255 in all.
const MAX_STEM: usize = 200;

/// A file being written as `.<name>.<random>.part` beside its place; dropping it removes it. All of it blocks.
pub(crate) struct Part {
    file: File,
    /// What the paths are relative to; nothing for the working folder.
    folder: Option<Arc<OwnedFd>>,
    path: PathBuf,
    target: PathBuf,
    kept: bool,
}

impl Part {
    /// Makes the part of a file, and the folders above it that are missing where it is named by a path.
    pub(crate) fn create(destination: &Destination) -> Result<Self> {
        let (folder, target) = match destination {
            Destination::Path(path) => (None, path.clone()),
            Destination::In { folder, name } => (Some(Arc::clone(folder)), PathBuf::from(name)),
        };
        let cannot_write = |error| Error::local("cannot write", &target, error);
        let path = part_path(&target)
            // More than a name could lead out of the folder that was opened to be safe from that.
            .filter(|_| folder.is_none() || is_name(&target))
            .ok_or_else(|| cannot_write(io::Error::from(io::ErrorKind::InvalidFilename)))?;
        let file = match open(at(folder.as_ref()), &path) {
            Err(Errno::NOENT) if folder.is_none() => {
                let above = target.parent().unwrap_or(Path::new(""));
                fs::create_dir_all(above).map_err(cannot_write)?;
                open(CWD, &path)
            }
            opened => opened,
        };
        let file = file.map_err(|errno| cannot_write(errno.into()))?;
        Ok(Self { file, folder, path, target, kept: false })
    }

    /// Adds bytes at the end.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| Error::local("cannot write", &self.target, error))
    }

    /// Puts the file in its place; what stands there is replaced, or else refuses it.
    pub(crate) fn keep(mut self, replace: bool) -> Result<()> {
        let folder = at(self.folder.as_ref());
        let landed = if replace {
            rustix::fs::renameat(folder, &self.path, folder, &self.target).map(|()| true)
        } else {
            self.land_new()
        };
        self.kept = landed.map_err(|errno| Error::local("cannot write", &self.target, errno.into()))?;
        Ok(())
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

fn part_path(target: &Path) -> Option<PathBuf> {
    let name = target.file_name()?;
    let mut random = [0; 8];
    random::fill(&mut random);
    let mut part = OsString::from(".");
    if name.len() <= MAX_STEM {
        part.push(name);
    } else {
        // Cut where a character ends; what is not UTF-8 there is shown as replaced, and that is long enough.
        let text = name.to_string_lossy();
        part.push(&text[..text.floor_char_boundary(MAX_STEM)]);
    }
    part.push(format!(".{:016x}.part", u64::from_le_bytes(random)));
    Some(target.with_file_name(part))
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.kept {
            // Removing is all that can be tried; the error that led here is the one to tell.
            let folder = at(self.folder.as_ref());
            let _left_behind = rustix::fs::unlinkat(folder, &self.path, AtFlags::empty());
        }
    }
}
