//! Going through folders: to list them, and to delete them.

use std::os::fd::AsFd;

use rustix::fs::{AtFlags, Dir, FileType};
use rustix::io::Errno;

use super::root::{Root, open_folder, stat_entry};
use super::{Shared, entry_of, errno};
use crate::error::{Error, ErrorKind, Result};
use crate::info::{Entry, FolderInfo, ListOptions};
use crate::own_names::is_own;
use crate::path::StorePath;

/// How many entries one turn on a blocking thread gives.
const BATCH: usize = 1024;

/// A listing under way: the folders from its start down to where it is. Its memory grows with the depth of
/// the tree, not with the number of entries.
pub(super) struct Walk {
    start: Option<StorePath>,
    open: Vec<(StorePath, Dir)>,
    options: ListOptions,
}

impl Walk {
    pub(super) const fn new(start: StorePath, options: ListOptions) -> Self {
        Self { start: Some(start), open: Vec::new(), options }
    }

    /// Returns the next entries, and whether there may be more.
    pub(super) fn batch(&mut self, root: &Root) -> Result<(Vec<Entry>, bool)> {
        let failed = |errno| errno::error(errno, "listing");
        if let Some(start) = self.start.take() {
            match root.open_folder(&start) {
                Ok(folder) => self.open.push((start, Dir::new(folder).map_err(failed)?)),
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok((Vec::new(), false)),
                Err(errno) => return Err(failed(errno)),
            }
        }
        let mut entries = Vec::new();
        loop {
            let depth = self.open.len().saturating_sub(1);
            let Some((folder, dir)) = self.open.last_mut() else { break };
            if entries.len() >= BATCH {
                return Ok((entries, true));
            }
            let Some(found) = dir.read() else {
                self.open.pop();
                continue;
            };
            let found = found.map_err(failed)?;
            // What no path can name is not in the store.
            let Ok(name) = found.file_name().to_str() else {
                continue;
            };
            let Some(path) = folder.entry(name) else {
                continue;
            };
            if is_own(&path) {
                continue;
            }
            let parent = dir.fd().map_err(failed)?;
            let kind = match found.file_type() {
                FileType::Unknown => match stat_entry(parent, found.file_name()) {
                    Ok(stat) => FileType::from_raw_mode(stat.stx_mode.into()),
                    Err(_) => continue,
                },
                kind => kind,
            };
            match kind {
                FileType::RegularFile if self.options.files => match stat_entry(parent, found.file_name()) {
                    Ok(stat) => entries.extend(entry_of(path, &stat)),
                    // Deleted since.
                    Err(Errno::NOENT) => {}
                    Err(errno) => return Err(failed(errno)),
                },
                FileType::Directory => {
                    let below = if self.options.max_depth.is_none_or(|most| depth < most) {
                        match open_folder(parent, name) {
                            Ok(folder) => Some(Dir::new(folder).map_err(failed)?),
                            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => continue,
                            Err(errno) => return Err(failed(errno)),
                        }
                    } else {
                        None
                    };
                    if self.options.folders {
                        entries.push(Entry::Folder(FolderInfo { path: path.clone() }));
                    }
                    self.open.extend(below.map(|dir| (path, dir)));
                }
                _ => {}
            }
        }
        Ok((entries, false))
    }
}

/// Deletes a folder. Links in it are deleted themselves, never what they lead to.
pub(super) fn delete_folder(shared: &Shared, path: &StorePath, recursive: bool) -> Result<()> {
    let failed = |errno| match errno {
        // Some file systems say so for a folder with content.
        Errno::EXIST => errno::error(Errno::NOTEMPTY, ""),
        errno => errno::lookup_error(errno, "deleting the folder"),
    };
    let (parent, name) = path.split();
    let parent_folder = shared.root.open_folder(parent).map_err(failed)?;
    let folder = match open_folder(&parent_folder, name) {
        Ok(folder) => folder,
        Err(Errno::NOTDIR) => {
            return Err(Error::new(ErrorKind::InvalidPath, "this is a file"));
        }
        Err(errno) => return Err(failed(errno)),
    };
    if recursive {
        empty(folder).map_err(failed)?;
    }
    rustix::fs::unlinkat(&parent_folder, name, AtFlags::REMOVEDIR).map_err(failed)?;
    shared.settle(parent, parent_folder)
}

/// Deletes what is in an open folder.
fn empty(folder: impl AsFd) -> Result<(), Errno> {
    let mut open = vec![(Dir::read_from(folder)?, None)];
    while let Some((dir, _)) = open.last_mut() {
        let Some(found) = dir.read() else {
            // Everything in it is gone; now it goes itself.
            let emptied = open.pop().and_then(|(_, name)| name);
            if let (Some(name), Some((parent, _))) = (emptied, open.last()) {
                let name: std::ffi::CString = name;
                gone(rustix::fs::unlinkat(parent.fd()?, name, AtFlags::REMOVEDIR))?;
            }
            continue;
        };
        let found = found?;
        let name = found.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        match rustix::fs::unlinkat(dir.fd()?, name, AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) => {
                let flags = rustix::fs::OFlags::RDONLY
                    | rustix::fs::OFlags::DIRECTORY
                    | rustix::fs::OFlags::NOFOLLOW
                    | rustix::fs::OFlags::CLOEXEC;
                let mode = rustix::fs::Mode::empty();
                let below = rustix::fs::openat(dir.fd()?, name, flags, mode)?;
                open.push((Dir::new(below)?, Some(name.to_owned())));
            }
            unlinked => gone(unlinked)?,
        }
    }
    Ok(())
}

/// What another has deleted is as well.
const fn gone(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno::NOENT) => Ok(()),
        result => result,
    }
}
