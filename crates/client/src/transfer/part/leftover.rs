//! A part that a later run may go on with: found again by name, locked, and with its state beside it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use longshore_core::digest_tree::{CellHasher, Chaining};
use rustix::fs::{AtFlags, CWD, OFlags};
use rustix::io::Errno;

use super::{PART, Part, STATE, at, is_name, is_of_a_part, make_folders, part_path, place};
use crate::error::Result;
use crate::transfer::destination::Destination;
use crate::transfer::own::{is_at, open_locked, open_own};
use crate::transfer::state::{self, Cells, Subject};

/// Whose a part and its state are: what files are by default, less what the process's mask takes away.
const MODE: u32 = 0o666;
/// How much of a part is read at once to see what is in it.
const BITE: usize = 256 * 1024;

/// The state file of a part.
pub(super) struct Leftover {
    file: File,
    path: PathBuf,
    /// Whether a later run has anything of it.
    of_use: AtomicBool,
    given_up: AtomicBool,
}

impl Leftover {
    /// Removes it, unless another stands there by now.
    pub(super) fn remove(&self, folder: BorrowedFd<'_>) {
        if is_at(&self.file, folder, &self.path) {
            let _left_behind = rustix::fs::unlinkat(folder, &self.path, AtFlags::empty());
        }
    }

    pub(super) fn is_of_use(&self) -> bool {
        self.of_use.load(Ordering::Relaxed) && !self.given_up.load(Ordering::Relaxed)
    }

    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }
}

impl Part {
    /// Opens the part that the last run has left for a destination, or makes one that the next can find; with it the
    /// cells of the content that are in it, each read again, unless `stop` says to.
    ///
    /// Nothing where that cannot be: another process downloads to the same place, or what stands at the part's name is
    /// not ours. [`Part::create`] always can.
    pub(crate) fn resume(
        destination: &Destination,
        subject: &Subject,
        stop: impl Fn() -> bool,
    ) -> Option<(Self, Cells)> {
        let (folder, target) = place(destination);
        let name = target.file_name()?;
        if folder.is_some() && !is_name(&target) || is_of_a_part(name) {
            return None;
        }
        let mark = blake3::hash(name.as_bytes());
        let mark = u64::from_le_bytes(mark.as_bytes().first_chunk().copied()?);
        let path = part_path(&target, mark, PART)?;
        let state = part_path(&target, mark, STATE)?;
        let within = at(folder.as_ref());
        let mut file = open_locked(within, &path, MODE);
        if matches!(file, Err(Errno::NOENT)) && folder.is_none() {
            make_folders(&target).ok()?;
            file = open_locked(CWD, &path, MODE);
        }
        let file = file.ok()?;
        // Under the part's lock the state is ours alone.
        let opened =
            open_own(within, &state, OFlags::APPEND, MODE).and_then(|state| read_state(&state, subject));
        let Ok((state_file, claimed)) = opened else {
            remove_if_empty(within, &path, &file);
            return None;
        };
        let leftover = Leftover {
            file: state_file,
            path: state,
            of_use: AtomicBool::new(true),
            given_up: AtomicBool::new(false),
        };
        let cells = verify(&file, subject, claimed, stop);
        leftover.of_use.store(cells.iter().any(Option::is_some), Ordering::Relaxed);
        let part =
            Self { file, folder, path, target, kept: AtomicBool::new(false), leftover: Some(leftover) };
        Some((part, cells))
    }

    /// Notes that a cell was written, for a later run.
    pub(crate) fn note(&self, cell: u64, value: Chaining) -> Result<()> {
        let Some(leftover) = &self.leftover else {
            return Ok(());
        };
        // One write a line, at the end: those of other threads do not come between.
        (&leftover.file)
            .write_all(state::line(cell, value).as_bytes())
            .map_err(|error| self.cannot_write(error))?;
        leftover.of_use.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Reads what a state claims, and cuts off what is not sound; one of other content begins anew.
fn read_state(file: &File, subject: &Subject) -> Result<(File, Cells), Errno> {
    let errno = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let mut text = Vec::new();
    file.take(subject.most()).read_to_end(&mut text).map_err(errno)?;
    let Some((cells, sound)) = subject.read(&text) else {
        file.set_len(0).map_err(errno)?;
        let mut file = file;
        file.write_all(subject.line().as_bytes()).map_err(errno)?;
        return Ok((file.try_clone().map_err(errno)?, subject.no_cells()));
    };
    file.set_len(sound as u64).map_err(errno)?;
    Ok((file.try_clone().map_err(errno)?, cells))
}

/// Takes out of what a state claims each cell that is not in the file.
fn verify(file: &File, subject: &Subject, claimed: Cells, stop: impl Fn() -> bool) -> Cells {
    let mut buffer = vec![0; BITE];
    (0..)
        .zip(claimed)
        .map(|(cell, claim)| {
            let claim = claim.filter(|_| !stop())?;
            (hash_cell(file, subject, cell, &mut buffer) == Some(claim)).then_some(claim)
        })
        .collect()
}

fn hash_cell(file: &File, subject: &Subject, cell: u64, buffer: &mut [u8]) -> Option<Chaining> {
    let mut range = subject.cell.range(cell, subject.length);
    let mut hasher = CellHasher::new(subject.cell, cell);
    while !range.is_empty() {
        let most = usize::try_from(range.end - range.start).unwrap_or(BITE).min(BITE);
        let read = file.read_at(&mut buffer[..most], range.start).ok().filter(|read| *read > 0)?;
        hasher.update(&buffer[..read]);
        range.start += read as u64;
    }
    hasher.chaining()
}

/// Removes a part that was made just now and cannot be used.
fn remove_if_empty(folder: BorrowedFd<'_>, path: &Path, file: &File) {
    if file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
        let _left_behind = rustix::fs::unlinkat(folder, path, AtFlags::empty());
    }
}
