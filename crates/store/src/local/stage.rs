//! A file in the making: a temporary file that becomes visible by one rename, or goes.
//!
//! Everything here blocks, and runs on blocking threads alone.

use std::io::IoSlice;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use rustix::fs::{Advice, AtFlags, FileType};
use rustix::io::Errno;

use super::root::{stat_entry, stat_open};
use super::{Durability, Shared, attributes, errno, info_of};
use crate::error::{Error, ErrorKind, Result};
use crate::info::{FileInfo, WriteOptions};
use crate::path::StorePath;

/// How many parts one `writev` takes at most (`IOV_MAX`).
const PARTS_MAX: usize = 1024;

/// How many bytes to hand to the disk at a time while a file is still growing.
const WRITE_BACK: u64 = 8 * 1024 * 1024;

/// A temporary file. Dropped before its commit, it takes the file away.
#[derive(Debug)]
pub(super) struct Stage {
    shared: Arc<Shared>,
    file: OwnedFd,
    name: String,
    size: u64,
    /// Up to where the disk was told to begin writing.
    handed_over: u64,
    committed: bool,
}

impl Stage {
    pub(super) fn create(shared: &Arc<Shared>) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let folder = shared.root.temporary();
        let folder = folder.map_err(|errno| errno::error(errno, "making the folder for temporary files"))?;
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("{:016x}-{number:x}", shared.root.mark);
            match shared.root.disk.create(folder, &name) {
                Ok(file) => {
                    return Ok(Self {
                        shared: Arc::clone(shared),
                        file,
                        name,
                        size: 0,
                        handed_over: 0,
                        committed: false,
                    });
                }
                // As good as impossible, but then the next number will do.
                Err(Errno::EXIST) => {}
                // The temporary folder itself was taken away: no fault of the path.
                Err(Errno::NOENT) => {
                    return Err(Error::new(
                        ErrorKind::Unavailable,
                        "the store's folder for temporary files is gone",
                    ));
                }
                Err(errno) => return Err(errno::error(errno, "creating a temporary file")),
            }
        }
    }

    /// Appends chunks, none of which is empty.
    pub(super) fn append(&mut self, chunks: &[Bytes]) -> Result<()> {
        let failed = |errno| errno::error(errno, "writing");
        for chunks in chunks.chunks(PARTS_MAX) {
            let mut parts: Vec<_> = chunks.iter().map(|chunk| IoSlice::new(chunk)).collect();
            let mut left = parts.as_mut_slice();
            while !left.is_empty() {
                match self.shared.root.disk.write(&self.file, left) {
                    Ok(0) => return Err(failed(Errno::IO)),
                    Ok(written) => {
                        IoSlice::advance_slices(&mut left, written);
                        self.size += written as u64;
                    }
                    Err(errno) => return Err(failed(errno)),
                }
            }
        }
        Ok(())
    }

    /// Lets the disk begin with what is written so far, so that the flush at the end finds little left to do.
    ///
    /// The advice "not needed" makes Linux start writing the range without waiting. An error of that writing
    /// is kept by the kernel, and the flush at the end reports it.
    pub(super) fn write_back_early(&mut self) {
        if self.shared.options.durability == Durability::None {
            return;
        }
        let length = self.size - self.handed_over;
        if length >= WRITE_BACK {
            let length = NonZeroU64::new(length);
            rustix::fs::fadvise(&self.file, self.handed_over, length, Advice::DontNeed).ok();
            self.handed_over = self.size;
        }
    }

    /// Copies a whole open file into this one.
    pub(super) fn copy_from(&mut self, source: &OwnedFd) -> Result<()> {
        // All at once where blocks can be shared; any refusal means the same, that bytes are to be copied.
        if rustix::fs::ioctl_ficlone(&self.file, source).is_ok() {
            let stat = stat_open(&self.file).map_err(|errno| errno::error(errno, "looking"))?;
            self.size = stat.stx_size;
            return Ok(());
        }
        let mut offset = 0;
        let mut buffer = Vec::new();
        let mut in_kernel = true;
        loop {
            if in_kernel {
                let length = WRITE_BACK as usize;
                let from = Some(&mut offset);
                match rustix::fs::copy_file_range(source, from, &self.file, None, length) {
                    Ok(0) => return Ok(()),
                    Ok(copied) => {
                        self.size += copied as u64;
                        self.write_back_early();
                        continue;
                    }
                    Err(Errno::INTR) => continue,
                    Err(Errno::XDEV | Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP) => {
                        in_kernel = false;
                    }
                    Err(errno) => return Err(errno::error(errno, "copying")),
                }
            }
            buffer.clear();
            buffer.reserve_exact(self.shared.options.read_chunk);
            let read = self.shared.root.disk.read(source, &mut buffer, offset);
            let read = read.map_err(|errno| errno::error(errno, "reading"))?;
            if read == 0 {
                return Ok(());
            }
            offset += read as u64;
            self.append(&[Bytes::from(std::mem::take(&mut buffer))])?;
            self.write_back_early();
        }
    }

    /// Makes the file visible at `path`, durably. On any error nothing is, and the temporary file goes.
    pub(super) fn commit(mut self, path: &StorePath, options: &WriteOptions) -> Result<FileInfo> {
        let overwrite = options.overwrite;
        let shared = Arc::clone(&self.shared);
        let root = &shared.root;
        let durability = shared.options.durability;
        let (parent, name) = path.split();
        let mut folder = open_target(&shared, parent)?;
        attributes::write(&self.file, options)?;
        if durability != Durability::None {
            // Not tried again on failure: see `Disk::sync_file`.
            root.disk
                .sync_file(&self.file)
                .map_err(|errno| errno::error(errno, "making the content durable"))?;
        }
        let stat = stat_open(&self.file).map_err(|errno| errno::error(errno, "looking"))?;
        let mut tries = 0;
        let from = root.temporary().map_err(|errno| errno::error(errno, "making the file visible"))?;
        loop {
            let from = (from, self.name.as_str());
            match root.disk.rename(from, (&folder, name), overwrite) {
                Ok(()) => break,
                // Somebody deleted the folder since it was opened.
                Err(Errno::NOENT) if tries < 3 => {
                    tries += 1;
                    folder = open_target(&shared, parent)?;
                }
                // Or the temporary file itself, by a sweep that could not see it was in use.
                Err(Errno::NOENT) => {
                    return Err(Error::new(
                        ErrorKind::Unavailable,
                        "the file was taken away while it was made",
                    ));
                }
                Err(errno) => return Err(rename_error(&folder, name, errno)),
            }
        }
        self.committed = true;
        if durability == Durability::Full
            && let Err(errno) = shared.folders.sync(root, parent, &folder)
        {
            if !overwrite {
                self.take_out(&folder, name);
            }
            return Err(errno::error(errno, "making the folder durable"));
        }
        let (media_type, metadata) = (options.media_type.clone(), options.metadata.clone());
        Ok(FileInfo { media_type, metadata, ..info_of(path.clone(), &stat) })
    }

    /// Takes a file that was just made visible out again, unless another stands there by now.
    fn take_out(&self, folder: &OwnedFd, name: &str) {
        let ours = stat_open(&self.file);
        let there = stat_entry(folder, name);
        if let (Ok(ours), Ok(there)) = (ours, there)
            && ours.stx_ino == there.stx_ino
        {
            rustix::fs::unlinkat(folder, name, AtFlags::empty()).ok();
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.committed {
            // What cannot be taken away now, the next sweep takes.
            if let Some(folder) = self.shared.root.existing_temporary() {
                rustix::fs::unlinkat(folder, &*self.name, AtFlags::empty()).ok();
            }
        }
    }
}

/// Opens the folder a file is to stand in, making it if need be.
pub(super) fn open_target(shared: &Shared, parent: &str) -> Result<OwnedFd> {
    shared.root.open_or_make_folder(parent).map_err(|errno| match errno {
        // Deleted by another at each turn.
        Errno::NOENT => Error::new(ErrorKind::Unavailable, "the folder keeps disappearing"),
        errno => errno::error(errno, "making the folder"),
    })
}

/// Refuses what cannot be written, before many bytes are spent on it. The commit decides.
pub(super) fn check_target(shared: &Shared, path: &StorePath, overwrite: bool) -> Result<()> {
    match shared.root.stat(path) {
        Ok(stat) if is_folder(stat.stx_mode) => Err(errno::error(Errno::ISDIR, "")),
        Ok(_) if !overwrite => Err(errno::error(Errno::EXIST, "")),
        Ok(_) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno::error(errno, "looking at the target")),
    }
}

/// Tells a folder in the way from a file in the way.
pub(super) fn rename_error(folder: &OwnedFd, name: &str, errno: Errno) -> Error {
    let in_the_way = matches!(errno, Errno::EXIST | Errno::NOTEMPTY);
    if in_the_way && stat_entry(folder, name).is_ok_and(|stat| is_folder(stat.stx_mode)) {
        return errno::error(Errno::ISDIR, "");
    }
    errno::error(errno, "making the file visible")
}

pub(super) fn is_folder(mode: u16) -> bool {
    FileType::from_raw_mode(mode.into()) == FileType::Directory
}
