//! A local folder beside one of the workspace, name by name: both come in the same order, and neither is held.

use std::cmp::Ordering;
use std::io;
use std::path::PathBuf;

use longshore::{Name, Node, Path};
use longshore_core::PathError;
use tokio::sync::mpsc;
use walkdir::{DirEntry, WalkDir};

use super::landing::is_leftover;
use super::tree::Tree;
use crate::failure::{Exit, Failure};

/// How many local entries are read ahead.
const AHEAD: usize = 256;

/// Something in the local folder.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The path that it has, or would have, in the workspace.
    pub(crate) path: Path,
    pub(crate) local: PathBuf,
    pub(crate) kind: Kind,
}

/// What a local entry is.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A file of this size.
    File(u64),
    Folder,
    /// A symbolic link or a special file: it is not followed, and not touched.
    Other,
    /// It, or what is in it, cannot be read.
    Unreadable(Failure),
}

/// What stands at a path.
#[derive(Debug)]
pub(crate) enum Met {
    /// Something on this machine alone.
    Local(Entry),
    /// Something in the workspace alone.
    Remote(Box<Node>),
    /// Something in both.
    Both(Entry, Box<Node>),
    /// Something on this machine that can have no name in the workspace.
    Nameless(PathBuf, Failure),
    /// The workspace's side broke off: nothing is known of what comes after, and this is the last.
    Broken(Failure),
}

/// Walks both sides.
pub(crate) struct Merge {
    entries: mpsc::Receiver<Result<Entry, (PathBuf, Failure)>>,
    next: Option<Entry>,
    tree: Tree,
    folder: Path,
    /// The last path of the workspace's side, and the last of this machine's.
    last: Option<Path>,
    last_local: Option<Path>,
    broken: bool,
}

impl Merge {
    /// Begins to walk the local folder, if there is one, beside the folder of the workspace that the tree is of.
    pub(crate) fn new(local: Option<PathBuf>, folder: Path, tree: Tree) -> Self {
        let (sender, entries) = mpsc::channel(AHEAD);
        if let Some(local) = local {
            let target = folder.clone();
            // It ends with the receiver.
            drop(tokio::task::spawn_blocking(move || walk(&local, &target, &sender)));
        }
        Self::of(entries, folder, tree)
    }

    pub(crate) fn of(
        entries: mpsc::Receiver<Result<Entry, (PathBuf, Failure)>>,
        folder: Path,
        tree: Tree,
    ) -> Self {
        Self { entries, next: None, tree, folder, last: None, last_local: None, broken: false }
    }

    /// Returns what stands at the next path; nothing at the end.
    pub(crate) async fn next(&mut self) -> Option<Met> {
        if self.broken {
            return None;
        }
        if self.next.is_none() {
            match self.entries.recv().await {
                Some(Ok(entry)) => {
                    if let Some(failure) = self.out_of_order(&entry) {
                        return Some(self.broken(failure));
                    }
                    self.last_local = Some(entry.path.clone());
                    self.next = Some(entry);
                }
                Some(Err((path, failure))) => return Some(Met::Nameless(path, failure)),
                None => {}
            }
        }
        let remote = match self.tree.peek().await {
            Ok(remote) => remote.map(|node| &node.path),
            Err(error) => return Some(self.broken(error.into())),
        };
        if let Some(path) = remote
            && let Some(failure) = out_of_place(path, &self.folder, self.last.as_ref())
        {
            return Some(self.broken(failure));
        }
        let order = match (&self.next, remote) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(entry), Some(path)) => entry.path.cmp(path),
        };
        let entry = if order.is_le() { self.next.take() } else { None };
        let node = if order.is_ge() { self.tree.take().map(Box::new) } else { None };
        if let Some(node) = &node {
            self.last = Some(node.path.clone());
        }
        match (entry, node) {
            (Some(entry), None) => Some(Met::Local(entry)),
            (None, Some(node)) => Some(Met::Remote(node)),
            (Some(entry), Some(node)) => Some(Met::Both(entry, node)),
            (None, None) => None,
        }
    }

    /// Says what is wrong with the next entry: by a false order something would count as missing that is there. A folder
    /// that cannot be read is told of twice.
    fn out_of_order(&self, entry: &Entry) -> Option<Failure> {
        let last = self.last_local.as_ref()?;
        let is_again = *last == entry.path && matches!(entry.kind, Kind::Unreadable(_));
        (*last >= entry.path && !is_again).then(|| {
            let message = format!("{} was read out of order", entry.local.display());
            Failure::new(Exit::Unexpected, "local_order", message)
        })
    }

    fn broken(&mut self, failure: Failure) -> Met {
        self.broken = true;
        Met::Broken(failure)
    }
}

/// What is left alone: one path, with all below it.
#[derive(Debug, Default)]
pub(crate) struct Left(Option<Path>);

impl Left {
    /// Leaves a path. One that is left already with a folder above it narrows nothing.
    pub(crate) fn leave(&mut self, path: &Path) {
        if !self.holds(path) {
            self.0 = Some(path.clone());
        }
    }

    /// Tells whether a path is left.
    pub(crate) fn holds(&self, path: &Path) -> bool {
        is_within(path, self.0.as_ref())
    }
}

/// Tells whether a path is that, or below it.
pub(crate) fn is_within(path: &Path, folder: Option<&Path>) -> bool {
    folder.is_some_and(|folder| path.names().starts_with(folder.names()))
}

/// Says what is wrong with the next path of a listing: by a false order something would count as missing that is there.
fn out_of_place(path: &Path, folder: &Path, last: Option<&Path>) -> Option<Failure> {
    let is_below = path.names().len() > folder.names().len() && path.names().starts_with(folder.names());
    let what = if !is_below {
        format!("the server lists {path} below {folder}")
    } else if last.is_some_and(|last| last >= path) {
        format!("the server lists {path} out of order")
    } else {
        return None;
    };
    Some(Failure::new(Exit::Unexpected, "unexpected_answer", what))
}

type Told = mpsc::Sender<Result<Entry, (PathBuf, Failure)>>;

/// Tells all entries below a folder, depth first, by name in byte order. What cannot be read is told at its folder, before
/// all in there: nobody knows then what else is missing. Blocks.
fn walk(root: &std::path::Path, target: &Path, told: &Told) {
    let mut open = vec![target.clone()];
    let mut entries = WalkDir::new(root).min_depth(1).sort_by_file_name().into_iter();
    while let Some(next) = entries.next() {
        let told_of = match next {
            Ok(entry) => {
                open.truncate(entry.depth());
                match below(open.last(), &entry) {
                    Ok(path) => {
                        let kind = kind(&entry);
                        if entry.file_type().is_dir() {
                            open.push(path.clone());
                        }
                        Ok(Entry { path, local: entry.into_path(), kind })
                    }
                    Err(error) => {
                        let mut failure = Failure::from(error);
                        if entry.file_type().is_dir() {
                            entries.skip_current_dir();
                            failure.message.push_str("; nothing in this folder was looked at");
                        }
                        Err((entry.into_path(), failure))
                    }
                }
            }
            Err(error) => Ok(unreadable(root, open.last().unwrap_or(target), error)),
        };
        if told.blocking_send(told_of).is_err() {
            return;
        }
    }
}

/// Makes of a fault what is told of the folder in which it happened, which is the last that was told.
///
/// The walk sorts faults before all entries of their folder: at a path of their own they would let those count as missing. And
/// one that ends the reading of a folder names nothing that it hides.
fn unreadable(root: &std::path::Path, folder: &Path, error: walkdir::Error) -> Entry {
    let local = error.path().unwrap_or(root).to_owned();
    let message = format!("cannot read {}", local.display());
    let kind = Kind::Unreadable(Failure::local(message, &io::Error::from(error)));
    Entry { path: folder.clone(), local, kind }
}

fn below(folder: Option<&Path>, entry: &DirEntry) -> Result<Path, PathError> {
    let name = Name::new(entry.file_name().to_str().ok_or(PathError::NotUtf8)?)?;
    folder.cloned().unwrap_or_default().join(name)
}

fn kind(entry: &DirEntry) -> Kind {
    let kind = entry.file_type();
    if kind.is_dir() {
        return Kind::Folder;
    }
    if !kind.is_file() || is_leftover(entry.file_name()) {
        return Kind::Other;
    }
    match entry.metadata() {
        Ok(metadata) => Kind::File(metadata.len()),
        Err(error) => {
            let message = format!("cannot read {}", entry.path().display());
            Kind::Unreadable(Failure::local(message, &error.into()))
        }
    }
}

#[cfg(test)]
mod tests;
