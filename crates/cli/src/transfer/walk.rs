//! A local folder, entry by entry, as what is to be done about each.

use std::io;
use std::path::{Path as LocalPath, PathBuf};

use longshore::{Name, Path};
use longshore_core::PathError;
use walkdir::{DirEntry, WalkDir};

use crate::failure::Failure;

/// What is to be done about an entry.
pub(crate) enum Step {
    /// Send this file, which has this many bytes, to this path.
    File(PathBuf, Path, u64),
    /// Make this folder, which nothing that is sent would make.
    Folder(Path),
    /// Leave it: a symbolic link, or a special file.
    Skip,
    /// It cannot be sent.
    Fail(PathBuf, Failure),
}

/// A folder on the way from the source to the entry at hand.
struct Open {
    path: Path,
    /// Whether something sent before makes this folder on the server.
    made: bool,
}

/// Walks a folder, depth first, by name in byte order. Folders are told of only where they would be lost otherwise: a file makes those
/// above it.
pub(crate) struct Walk {
    entries: walkdir::IntoIter,
    open: Vec<Open>,
    /// A step that waits for the folders that end before it.
    waiting: Option<Step>,
    ended: bool,
}

impl Walk {
    /// Walks `source`, whose contents go into `target`.
    pub(crate) fn new(source: &LocalPath, target: Path) -> Self {
        let entries = WalkDir::new(source).min_depth(1).sort_by_file_name().into_iter();
        Self { entries, open: vec![Open { path: target, made: false }], waiting: None, ended: false }
    }

    /// Closes folders until `depth` are open. At most one of them has to be made: that makes all above it.
    fn close(&mut self, depth: usize) -> Option<Step> {
        let mut step = None;
        while self.open.len() > depth {
            let closed = self.open.pop()?;
            if !closed.made {
                self.mark();
                step = Some(Step::Folder(closed.path));
            }
        }
        step
    }

    /// Takes note that every open folder will be made.
    fn mark(&mut self) {
        for folder in self.open.iter_mut().rev() {
            if std::mem::replace(&mut folder.made, true) {
                break;
            }
        }
    }

    fn step(&mut self, entry: &DirEntry) -> Step {
        let kind = entry.file_type();
        if !kind.is_file() && !kind.is_dir() {
            return Step::Skip;
        }
        let path = match self.target(entry) {
            Ok(path) => path,
            Err(error) => {
                let mut failure = Failure::from(error);
                if kind.is_dir() {
                    self.entries.skip_current_dir();
                    failure.message.push_str("; nothing in this folder was sent");
                }
                return Step::Fail(entry.path().to_owned(), failure);
            }
        };
        if kind.is_dir() {
            self.open.push(Open { path: path.clone(), made: false });
            // Told of when it ends, if it is still needed then.
            return Step::Folder(path);
        }
        let Ok(metadata) = entry.metadata() else {
            let gone = io::Error::from(io::ErrorKind::NotFound);
            let message = format!("cannot read {}", entry.path().display());
            return Step::Fail(entry.path().to_owned(), Failure::local(message, &gone));
        };
        self.mark();
        Step::File(entry.path().to_owned(), path, metadata.len())
    }

    fn target(&self, entry: &DirEntry) -> Result<Path, PathError> {
        let name = Name::new(entry.file_name().to_str().ok_or(PathError::NotUtf8)?)?;
        match self.open.last() {
            Some(parent) => parent.path.join(name),
            None => Path::root().join(name),
        }
    }
}

impl Iterator for Walk {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        loop {
            if let Some(step) = self.waiting.take() {
                return Some(step);
            }
            if self.ended {
                return self.close(0).filter(|step| !matches!(step, Step::Folder(path) if path.is_root()));
            }
            let entry = match self.entries.next() {
                None => {
                    self.ended = true;
                    continue;
                }
                Some(Ok(entry)) => entry,
                Some(Err(error)) => return Some(failed(&error)),
            };
            let ended = self.close(entry.depth());
            let step = self.step(&entry);
            let told = !matches!(step, Step::Folder(_));
            match (ended, told) {
                (Some(ended), true) => {
                    self.waiting = Some(step);
                    return Some(ended);
                }
                (Some(ended), false) => return Some(ended),
                (None, true) => return Some(step),
                (None, false) => {}
            }
        }
    }
}

fn failed(error: &walkdir::Error) -> Step {
    let path = error.path().unwrap_or(LocalPath::new("")).to_owned();
    let other = io::Error::other("it cannot be read");
    let message = format!("cannot read {}", path.display());
    let failure = Failure::local(message, error.io_error().unwrap_or(&other));
    Step::Fail(path, failure)
}

/// Counts the files below `source` and their bytes, for the progress bar. Blocks.
pub(crate) fn count(source: &LocalPath, mut found: impl FnMut(u64)) {
    let entries = WalkDir::new(source).into_iter().filter_map(Result::ok);
    for entry in entries.filter(|entry| entry.file_type().is_file()) {
        found(entry.metadata().map_or(0, |metadata| metadata.len()));
    }
}

#[cfg(test)]
mod tests;
