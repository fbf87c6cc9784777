//! The folder that downloads fill: opened once, and nothing is ever written outside it.
//!
//! A file grows as `.<name>.part`, which one process alone holds locked, and gets its name when it is whole.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::{Errno, retry_on_intr};
use sha2::{Digest, Sha256};

use crate::failure::{Exit, Failure};

/// How often a part is looked for again that another process gave its name in just that moment.
const LOOKS: usize = 8;

/// An open folder. All of it blocks, if only for a moment.
#[derive(Debug)]
pub(crate) struct Folder {
    /// Its path as the user wrote it, which is only for messages.
    path: PathBuf,
    folder: OwnedFd,
}

/// A file that is not whole yet; nobody else writes it.
#[derive(Debug)]
pub(crate) struct Part {
    file: File,
    pub(crate) length: u64,
}

impl Folder {
    /// Opens the folder, which is made if it is not there.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let cannot =
            |error: &io::Error| Failure::local(format!("cannot make the folder {}", path.display()), error);
        fs::create_dir_all(path).map_err(|error| cannot(&error))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()));
        Ok(Self { path: path.to_owned(), folder: folder.map_err(|errno| cannot(&errno.into()))? })
    }

    /// Returns a file's path for messages.
    pub(crate) fn shown(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Opens a file to read it and to add to its end; it is made if it is not there.
    pub(crate) fn append(&self, name: &str) -> Result<File, Failure> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND;
        self.open_file(name, flags).map_err(|errno| self.cannot("write", name, errno))
    }

    fn open_file(&self, name: &str, flags: OFlags) -> Result<File, Errno> {
        // A link is not followed, and what is no file does not make this wait.
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file =
            retry_on_intr(|| rustix::fs::openat(&self.folder, name, flags, Mode::from_raw_mode(0o666)))?;
        if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) != FileType::RegularFile {
            return Err(Errno::EXIST);
        }
        Ok(file.into())
    }

    /// Tells whether something stands at a name.
    pub(crate) fn has(&self, name: &str) -> bool {
        rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Returns how long the file is that stands at a name.
    pub(crate) fn length(&self, name: &str) -> Option<u64> {
        let found = rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
        u64::try_from(found.st_size).ok().filter(|_| is_file)
    }

    /// Reads the file that stands at a name, for its digest.
    pub(crate) fn sha256(&self, name: &str) -> Result<[u8; 32], Failure> {
        let file = self.open_file(name, OFlags::RDONLY).map_err(|errno| self.cannot("read", name, errno))?;
        sha256(&file)
            .map_err(|error| Failure::local(format!("cannot read {}", self.shown(name).display()), &error))
    }

    /// Tells whether a part of that file is there.
    pub(crate) fn has_part(&self, name: &str) -> bool {
        self.has(&part_name(name))
    }

    /// Says what forbids to write the file `name`.
    pub(crate) fn check(&self, name: &str, force: bool) -> Result<(), Failure> {
        match rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.cannot("look at", name, errno)),
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                let message = format!("{} is a folder", self.shown(name).display());
                Err(Failure::new(Exit::Conflict, "local_exists", message))
            }
            // The new file takes the place of a link, it is not written through it.
            Ok(_) if force => Ok(()),
            Ok(_) => Err(self.exists(name)),
        }
    }

    /// Opens the part of a file, made if it is not there, and keeps it from all others.
    pub(crate) fn part(&self, name: &str) -> Result<Part, Failure> {
        let part = part_name(name);
        let flags = OFlags::RDWR | OFlags::CREATE;
        for _ in 0..LOOKS {
            let file = self.open_file(&part, flags).map_err(|errno| self.cannot("write", &part, errno))?;
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => {
                    let message = format!("another program fetches {}", self.shown(name).display());
                    return Err(Failure::new(Exit::Conflict, "local_busy", message));
                }
                Err(errno) => return Err(self.cannot("write", &part, errno)),
            }
            // Who held it before may have given it its name since it was opened.
            let (ours, there) = (
                rustix::fs::fstat(&file),
                rustix::fs::statat(&self.folder, part.as_str(), AtFlags::SYMLINK_NOFOLLOW),
            );
            if let (Ok(ours), Ok(there)) = (ours, there)
                && (ours.st_ino, ours.st_dev) == (there.st_ino, there.st_dev)
            {
                let length = u64::try_from(ours.st_size).unwrap_or(0);
                let mut part = Part { file, length };
                part.seek_to_end().map_err(|error| self.failed(name, &error))?;
                return Ok(part);
            }
        }
        Err(self.cannot("write", &part, Errno::AGAIN))
    }

    /// Gives a whole file its name, and waits until the disk has that; what stands there is replaced by `force` alone.
    pub(crate) fn land(&self, name: &str, force: bool) -> Result<(), Failure> {
        let (part, folder) = (part_name(name), &self.folder);
        let landed = if force {
            rustix::fs::renameat(folder, part.as_str(), folder, name)
        } else {
            match rustix::fs::renameat_with(folder, part.as_str(), folder, name, RenameFlags::NOREPLACE) {
                // A file system that cannot refuse to replace: a second name never replaces anything.
                Err(Errno::INVAL | Errno::NOSYS | Errno::PERM) => {
                    rustix::fs::linkat(folder, part.as_str(), folder, name, AtFlags::empty())
                        .and_then(|()| rustix::fs::unlinkat(folder, part.as_str(), AtFlags::empty()))
                }
                renamed => renamed,
            }
        };
        landed.map_err(|errno| match errno {
            Errno::EXIST => self.exists(name),
            errno => self.cannot("write", name, errno),
        })?;
        match rustix::fs::fsync(folder) {
            // A file system that has no such thing does as it does.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(errno) => Err(self.cannot("write", name, errno)),
        }
    }

    /// Removes the part of a file.
    pub(crate) fn remove_part(&self, name: &str) {
        // Removing is all that can be tried; what led here is what is told.
        let _left_behind = rustix::fs::unlinkat(&self.folder, part_name(name), AtFlags::empty());
    }

    /// Tells of a fault of this machine at that file.
    pub(crate) fn failed(&self, name: &str, error: &io::Error) -> Failure {
        Failure::local(format!("cannot write {}", self.shown(name).display()), error)
    }

    fn cannot(&self, verb: &str, name: &str, errno: Errno) -> Failure {
        Failure::local(format!("cannot {verb} {}", self.shown(name).display()), &errno.into())
    }

    fn exists(&self, name: &str) -> Failure {
        let message = format!("{} exists", self.shown(name).display());
        Failure::new(Exit::Conflict, "local_exists", message).hint("--force replaces files")
    }
}

impl Part {
    fn seek_to_end(&mut self) -> io::Result<()> {
        io::Seek::seek(&mut self.file, io::SeekFrom::Start(self.length)).map(drop)
    }

    /// Takes away all there is.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.length = 0;
        self.seek_to_end()
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Reads it all, for its digest.
    pub(crate) fn sha256(&mut self) -> io::Result<[u8; 32]> {
        io::Seek::seek(&mut self.file, io::SeekFrom::Start(0))?;
        sha256(&self.file)
    }

    /// Waits until the disk has it all.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Reads a file from where it stands to its end, for its digest.
fn sha256(mut file: &File) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 * 1_024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().into()),
            read => hasher.update(&buffer[..read]),
        }
    }
}

fn part_name(name: &str) -> String {
    format!(".{name}.part")
}
