//! The local folder that a download fills, and nothing outside it.
//!
//! Names come from a server that need not be a friend: each is checked by the rules for names. And others may
//! change the folder while it is filled: it is opened once, everything below is looked up from there by the
//! kernel without following any link, and files land in the folder that was found, not at its path.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;

use longshore::{Destination, Name};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, retry_on_intr};

use crate::failure::{Exit, Failure};

/// Enough to look up and to make what is inside, without the right to list it.
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The folder that is filled.
pub(crate) struct Landing {
    /// Its path as the user wrote it, which is only for messages.
    path: PathBuf,
    folder: Arc<OwnedFd>,
    force: bool,
}

/// Where one file goes.
#[derive(Debug)]
pub(crate) struct Spot {
    pub(crate) to: Destination,
    path: PathBuf,
}

impl Landing {
    /// Makes the folder `root`, if it is not there; `force` lets files that stand in the way be replaced.
    pub(crate) fn new(root: &LocalPath, force: bool) -> Result<Self, Failure> {
        fs::create_dir_all(root).map_err(|error| cannot_make(root, &error))?;
        let folder = retry_on_intr(|| rustix::fs::open(root, FOLDER, Mode::empty()))
            .map_err(|errno| cannot_make(root, &errno.into()))?;
        Ok(Self { path: root.to_owned(), folder: Arc::new(folder), force })
    }

    /// Opens the folder that the names lead to, which is made if it is not there.
    ///
    /// None is kept open for the next that asks: there are never more than files in flight, and a folder that
    /// was moved away meanwhile gets no more files.
    pub(crate) fn folder(&self, names: &[Name]) -> Result<Arc<OwnedFd>, Failure> {
        if names.is_empty() {
            return Ok(Arc::clone(&self.folder));
        }
        let names = names.iter().map(local_name).collect::<Result<Vec<_>, _>>()?;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let below: PathBuf = names.iter().collect();
        let found = retry_on_intr(|| {
            rustix::fs::openat2(&self.folder, &below, FOLDER | OFlags::NOFOLLOW, Mode::empty(), resolve)
        });
        match found {
            Ok(folder) => Ok(Arc::new(folder)),
            // Going there step by step makes what is missing, tells what is in the way, and needs no `openat2`,
            // which old kernels and some containers lack.
            Err(_) => self.folder_by_steps(&names),
        }
    }

    fn folder_by_steps(&self, names: &[&str]) -> Result<Arc<OwnedFd>, Failure> {
        let mut path = self.path.clone();
        let mut folder = Arc::clone(&self.folder);
        for name in names {
            path.push(name);
            folder = Arc::new(
                open_or_make(&folder, name).map_err(|errno| in_the_way(&folder, name, &path, errno))?,
            );
        }
        Ok(folder)
    }

    /// Returns where the file that the names lead to goes, with the folders above it made, or says what stands
    /// in the way.
    pub(crate) fn file(&self, names: &[Name]) -> Result<Spot, Failure> {
        let Some((name, above)) = names.split_last() else {
            return Err(Failure::invalid("a file without a name"));
        };
        let name = local_name(name)?;
        let mut path = self.path.clone();
        path.extend(above.iter().map(Name::as_str));
        path.push(name);
        let folder = self.folder(above)?;
        may_write(&folder, LocalPath::new(name), &path, self.force)?;
        Ok(Spot { to: Destination::In { folder, name: name.into() }, path })
    }
}

impl Spot {
    /// Returns the spot that the user named, or says what stands in the way.
    pub(crate) fn named(path: &LocalPath, force: bool) -> Result<Self, Failure> {
        may_write(CWD, path, path, force)?;
        Ok(Self { to: path.into(), path: path.to_owned() })
    }

    /// Tells of a file that did not land; the SDK knows its folder by no path.
    pub(crate) fn failed(&self, error: &longshore::Error) -> Failure {
        let cause = error.cause().and_then(|cause| cause.downcast_ref::<io::Error>());
        match cause.filter(|_| error.is_local()) {
            Some(cause) if cause.kind() == io::ErrorKind::AlreadyExists => exists(&self.path),
            Some(cause) => Failure::local(format!("cannot write {}", self.path.display()), cause),
            None => error.into(),
        }
    }
}

/// Returns a name that this machine takes as one name too. The rules for names have been checked; here it is
/// what a system understands besides them, such as a backslash or a drive.
fn local_name(name: &Name) -> Result<&str, Failure> {
    let text = name.as_str();
    let mut parts = LocalPath::new(text).components();
    match (parts.next(), parts.next()) {
        (Some(std::path::Component::Normal(only)), None) if only == text => Ok(text),
        _ => Err(Failure::new(Exit::Invalid, "local_name", format!("{text:?} is no name on this machine"))),
    }
}

fn open_or_make(parent: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    let open =
        || retry_on_intr(|| rustix::fs::openat(parent, name, FOLDER | OFlags::NOFOLLOW, Mode::empty()));
    match open() {
        Err(Errno::NOENT) => {}
        opened => return opened,
    }
    match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o777)) {
        // Somebody else, or another file's folder, was there first; the second look tells what it is.
        Ok(()) | Err(Errno::EXIST) => open(),
        Err(errno) => Err(errno),
    }
}

fn cannot_make(path: &LocalPath, error: &io::Error) -> Failure {
    Failure::local(format!("cannot make the folder {}", path.display()), error)
}

/// Says why `name` cannot be entered as a folder.
fn in_the_way(parent: &OwnedFd, name: &str, path: &LocalPath, errno: Errno) -> Failure {
    let what = match kind(parent, LocalPath::new(name)) {
        Ok(FileType::Directory) | Err(_) => return cannot_make(path, &errno.into()),
        Ok(FileType::Symlink) => "a symbolic link",
        Ok(_) => "a file",
    };
    let message = format!("{} is {what}, not a folder", path.display());
    Failure::new(Exit::Conflict, "local_exists", message).hint("move it out of the way")
}

/// Says what forbids to write the file `name`, which people know as `path`.
fn may_write(folder: impl AsFd, name: &LocalPath, path: &LocalPath, force: bool) -> Result<(), Failure> {
    match kind(folder, name) {
        Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(Failure::local(format!("cannot look at {}", path.display()), &errno.into())),
        Ok(FileType::Directory) => {
            let message = format!("{} is a folder", path.display());
            Err(Failure::new(Exit::Conflict, "local_exists", message))
        }
        // The new file takes the place of a link, it is not written through it.
        Ok(_) if force => Ok(()),
        Ok(_) => Err(exists(path)),
    }
}

fn exists(path: &LocalPath) -> Failure {
    let message = format!("{} exists", path.display());
    Failure::new(Exit::Conflict, "local_exists", message).hint("--force replaces files")
}

/// Returns what stands at `name`; a link is looked at, not through.
fn kind(folder: impl AsFd, name: &LocalPath) -> Result<FileType, Errno> {
    let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode))
}

#[cfg(test)]
mod tests;
