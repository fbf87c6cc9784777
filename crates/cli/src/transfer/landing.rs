//! The local folder that a download fills, and nothing outside it.
//!
//! Names come from a server that need not be a friend: each is checked by the rules for names. And others may
//! change the folder while it is filled: it is opened once, everything below is looked up from there by the
//! kernel without following any link, and files land in the folder that was found, not at its path.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path as LocalPath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use longshore::{Destination, Name};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use walkdir::WalkDir;

use crate::failure::{Exit, Failure};

/// Enough to look up and to make what is inside, without the right to list it.
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// So many folders are remembered before those are forgotten that nobody holds any more.
const REMEMBERED: usize = 1_024;

/// The folder that is filled.
pub(crate) struct Landing {
    /// Its path as the user wrote it, which is only for messages.
    path: PathBuf,
    folder: Arc<OwnedFd>,
    /// The folders below it that somebody holds, by device and number: all that wait to go into one hold it once.
    held: Mutex<HashMap<(u64, u64), Weak<OwnedFd>>>,
}

/// Where one file goes.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    pub(crate) to: Destination,
    pub(crate) path: PathBuf,
    stands: Stands,
}

/// What stands where a file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    Nothing,
    /// A file of this size.
    File(u64),
    /// A link, or a special file.
    Other,
}

impl Landing {
    /// Makes the folder `root`, if it is not there.
    pub(crate) fn new(root: &LocalPath) -> Result<Self, Failure> {
        allow_many_open();
        fs::create_dir_all(root).map_err(|error| cannot_make(root, &error))?;
        let folder = retry_on_intr(|| rustix::fs::open(root, FOLDER, Mode::empty()))
            .map_err(|errno| cannot_make(root, &errno.into()))?;
        Ok(Self { path: root.to_owned(), folder: Arc::new(folder), held: Mutex::default() })
    }

    /// Returns the folder itself.
    pub(crate) fn root(&self) -> &OwnedFd {
        &self.folder
    }

    /// Opens the folder that the names lead to, which is made if it is not there.
    ///
    /// It is looked up anew each time, so that a folder that was moved away meanwhile gets no more files. None is kept open
    /// for the next that asks: there are never more than folders of files in flight.
    pub(crate) fn folder(&self, names: &[Name]) -> Result<Arc<OwnedFd>, Failure> {
        self.enter(names, true)
    }

    /// Opens the folder that the names lead to; one that is missing is made, or a failure.
    fn enter(&self, names: &[Name], make: bool) -> Result<Arc<OwnedFd>, Failure> {
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
            Ok(folder) => Ok(self.shared(folder)),
            // Going there step by step makes what is missing, tells what is in the way, and needs no `openat2`,
            // which old kernels and some containers lack.
            Err(_) => self.enter_by_steps(&names, make),
        }
    }

    fn enter_by_steps(&self, names: &[&str], make: bool) -> Result<Arc<OwnedFd>, Failure> {
        let mut path = self.path.clone();
        let mut folder = Arc::clone(&self.folder);
        for name in names {
            path.push(name);
            let next = open(&folder, name, make).map_err(|errno| in_the_way(&folder, name, &path, errno))?;
            folder = self.shared(next);
        }
        Ok(folder)
    }

    /// Returns the folder as somebody holds it already, if it is the same.
    fn shared(&self, found: OwnedFd) -> Arc<OwnedFd> {
        // One that cannot be told from others is its own.
        let Ok(stat) = rustix::fs::fstat(&found) else { return Arc::new(found) };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let known = held.entry((stat.st_dev, stat.st_ino)).or_default();
        // While it is held, no other folder gets its number.
        if let Some(known) = known.upgrade() {
            return known;
        }
        let found = Arc::new(found);
        *known = Arc::downgrade(&found);
        if held.len() > REMEMBERED {
            held.retain(|_, folder| folder.strong_count() > 0);
        }
        found
    }

    /// Returns where the file that the names lead to goes, with the folders above it made, or says which folder
    /// stands in the way.
    pub(crate) fn file(&self, names: &[Name]) -> Result<Spot, Failure> {
        let Some((name, above)) = names.split_last() else {
            return Err(Failure::invalid("a file without a name"));
        };
        let name = local_name(name)?;
        let mut path = self.path.clone();
        path.extend(above.iter().map(Name::as_str));
        path.push(name);
        let folder = self.folder(above)?;
        let stands = stands(&folder, LocalPath::new(name), &path)?;
        Ok(Spot { to: Destination::In { folder, name: name.into() }, path, stands })
    }

    /// Removes the file that the names lead to; a link or a special file is left and fails.
    pub(crate) fn remove_file(&self, names: &[Name]) -> Result<(), Failure> {
        let (folder, name, path) = self.existing(names)?;
        match stands(&folder, LocalPath::new(&name), &path)? {
            Stands::Nothing => Ok(()),
            Stands::Other => Err(other(&path)),
            Stands::File(_) => remove(&folder, &name, &path, AtFlags::empty()),
        }
    }

    /// Removes the folder that the names lead to, if nothing is left in it.
    pub(crate) fn remove_folder(&self, names: &[Name]) -> Result<(), Failure> {
        let (folder, name, path) = self.existing(names)?;
        remove(&folder, &name, &path, AtFlags::REMOVEDIR)
    }

    /// Removes the folder that the names lead to with all files below it. Where something is in there that is not removed (a
    /// link, a special file, what a download goes on with), nothing is. Blocks, for as long as it takes.
    pub(crate) fn remove_all(&self, names: &[Name]) -> Result<(), Failure> {
        let (_, _, path) = self.existing(names)?;
        let below = || WalkDir::new(&path).min_depth(1).contents_first(true);
        for entry in below() {
            let entry = entry.map_err(|error| cannot_look(&error.into()))?;
            let kind = entry.file_type();
            let name = entry.file_name().to_str().ok_or(longshore_core::PathError::NotUtf8);
            if name.and_then(Name::new).is_err()
                || !kind.is_dir() && (!kind.is_file() || is_leftover(entry.file_name()))
            {
                let message =
                    format!("{} stays: {} in it is not removed", path.display(), entry.path().display());
                return Err(
                    Failure::new(Exit::Conflict, "local_not_empty", message).hint("move it out of the way")
                );
            }
        }
        for entry in below() {
            let entry = entry.map_err(|error| cannot_look(&error.into()))?;
            let below = entry.path().strip_prefix(&path).unwrap_or(entry.path());
            let mut all = names.to_vec();
            for part in below {
                let name = part.to_str().ok_or(longshore_core::PathError::NotUtf8);
                all.push(Name::new(name?)?);
            }
            if entry.file_type().is_dir() { self.remove_folder(&all) } else { self.remove_file(&all) }?;
        }
        self.remove_folder(names)
    }

    /// Returns the folder in which the names lead to something, its name there, and its path for messages.
    fn existing(&self, names: &[Name]) -> Result<(Arc<OwnedFd>, String, PathBuf), Failure> {
        let Some((name, above)) = names.split_last() else {
            return Err(Failure::invalid("the destination itself is not removed"));
        };
        let mut path = self.path.clone();
        path.extend(names.iter().map(Name::as_str));
        Ok((self.enter(above, false)?, local_name(name)?.to_owned(), path))
    }
}

impl Spot {
    /// Returns the spot that the user named, or says that it is a folder.
    pub(crate) fn named(path: &LocalPath) -> Result<Self, Failure> {
        let stands = stands(CWD, path, path)?;
        Ok(Self { to: path.into(), path: path.to_owned(), stands })
    }

    /// Returns the spot if a file may be written there: nothing stands there, or `force` lets it be replaced.
    pub(crate) fn free(self, force: bool) -> Result<Self, Failure> {
        // The new file takes the place of a link, it is not written through it.
        if force || self.stands == Stands::Nothing { Ok(self) } else { Err(exists(&self.path)) }
    }

    /// Returns the size of the file that stands there.
    pub(crate) fn size(&self) -> Option<u64> {
        match self.stands {
            Stands::File(size) => Some(size),
            Stands::Nothing | Stands::Other => None,
        }
    }

    /// Opens the file that stands there, and nothing else; a link is not followed.
    pub(crate) fn open(&self) -> io::Result<File> {
        let (folder, path) = match &self.to {
            Destination::Path(path) => (CWD, path.as_path()),
            Destination::In { folder, name } => (folder.as_fd(), LocalPath::new(name)),
        };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(File::from(retry_on_intr(|| rustix::fs::openat(folder, path, flags, Mode::empty()))?))
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

/// Opens a folder by its name; one that is missing is made, or an error.
fn open(parent: &OwnedFd, name: &str, make: bool) -> Result<OwnedFd, Errno> {
    let open =
        || retry_on_intr(|| rustix::fs::openat(parent, name, FOLDER | OFlags::NOFOLLOW, Mode::empty()));
    match open() {
        Err(Errno::NOENT) if make => {}
        opened => return opened,
    }
    match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o777)) {
        // Somebody else, or another file's folder, was there first; the second look tells what it is.
        Ok(()) | Err(Errno::EXIST) => open(),
        Err(errno) => Err(errno),
    }
}

/// Raises this process's limit of open files as far as it may: each file that is on its way holds its folder open, and
/// thousands of small ones are at once.
fn allow_many_open() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        // Below a limit that stays low, a file that finds no room is a failure by itself.
        let _unchanged = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
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

/// Removes what has this name in a folder.
fn remove(folder: &OwnedFd, name: &str, path: &LocalPath, flags: AtFlags) -> Result<(), Failure> {
    match rustix::fs::unlinkat(folder, name, flags) {
        // Somebody else was there first.
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::NOTEMPTY) => {
            let message = format!("{} is not empty: something in it is not what is removed", path.display());
            Err(Failure::new(Exit::Conflict, "local_not_empty", message))
        }
        Err(errno) => Err(Failure::local(format!("cannot remove {}", path.display()), &errno.into())),
    }
}

/// Says what stands at the name of a file, which people know as `path`; a folder is in the way.
fn stands(folder: impl AsFd, name: &LocalPath, path: &LocalPath) -> Result<Stands, Failure> {
    let stat = match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(Stands::Nothing),
        Err(errno) => {
            return Err(Failure::local(format!("cannot look at {}", path.display()), &errno.into()));
        }
        Ok(stat) => stat,
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            let message = format!("{} is a folder", path.display());
            Err(Failure::new(Exit::Conflict, "local_exists", message))
        }
        FileType::RegularFile => Ok(Stands::File(u64::try_from(stat.st_size).unwrap_or(0))),
        _ => Ok(Stands::Other),
    }
}

/// The refusal of what is neither a file nor a folder.
pub(crate) fn other(path: &LocalPath) -> Failure {
    let message = format!("{} is a symbolic link or a special file", path.display());
    Failure::new(Exit::Conflict, "local_exists", message).hint("move it out of the way")
}

fn exists(path: &LocalPath) -> Failure {
    let message = format!("{} exists", path.display());
    Failure::new(Exit::Conflict, "local_exists", message).hint("--force replaces files")
}

/// Tells whether a file is what a download keeps beside its place, to go on with: `.<name>.<16 digits>.part` or `.state`.
pub(crate) fn is_leftover(name: &OsStr) -> bool {
    let Some(name) = name.to_str().and_then(|name| name.strip_prefix('.')) else { return false };
    let Some(rest) = name.strip_suffix(".part").or(name.strip_suffix(".state")) else { return false };
    let mark = rest.rsplit_once('.').map(|(_, mark)| mark);
    mark.is_some_and(|mark| mark.len() == 16 && mark.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

fn cannot_look(error: &io::Error) -> Failure {
    Failure::local("cannot look at a folder", error)
}

/// Returns what stands at `name`; a link is looked at, not through.
fn kind(folder: impl AsFd, name: &LocalPath) -> Result<FileType, Errno> {
    let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode))
}

#[cfg(test)]
mod tests;
