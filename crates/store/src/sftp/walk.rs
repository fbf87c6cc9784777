//! Going through folders: to list them, and to delete them.

use std::sync::Arc;

use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::Shared;
use super::fault::{self, Answer, Fault};
use super::place::{Standing, info_of};
use super::session::{Handle, Session};
use super::wire::{Name, Status, Type, code, kind};
use crate::backend::BoxFuture;
use crate::error::{Error, ErrorKind, Result};
use crate::info::{Entry, FolderInfo, ListOptions};
use crate::own_names::is_own;
use crate::path::StorePath;

/// How many folders are read at once. Each costs some round trips, whatever is in it.
const FOLDERS: usize = 8;

/// How many things are deleted at once.
const DELETIONS: usize = 32;

/// How often a folder is gone through to empty it.
const PASSES: usize = 3;

/// A folder that is read, from its start on or further.
struct Folder {
    path: StorePath,
    depth: usize,
    handle: Option<Handle>,
}

/// What one request for a folder's entries gave: the folder if there may be more.
type Step = Result<(StorePath, usize, Vec<Name>, Option<Folder>)>;

/// A listing under way. Its memory grows with the folders that were seen and not read yet, not with the files.
pub(super) struct Walk {
    shared: Arc<Shared>,
    session: Option<Arc<Session>>,
    start: Option<StorePath>,
    options: ListOptions,
    waiting: Vec<Folder>,
    reading: FuturesUnordered<BoxFuture<'static, Step>>,
}

impl Walk {
    pub(super) fn new(shared: Arc<Shared>, start: StorePath, options: ListOptions) -> Self {
        Self {
            shared,
            session: None,
            start: Some(start),
            options,
            waiting: Vec::new(),
            reading: FuturesUnordered::new(),
        }
    }

    /// Returns the next entries, or nothing at the end.
    pub(super) async fn batch(&mut self) -> Result<Option<Vec<Entry>>> {
        if let Some(start) = self.start.take() {
            let session = self.shared.connection.session().await?;
            if !start.is_root()
                && !matches!(self.shared.place.look(&session, &start).await?, Standing::Folder)
            {
                return Ok(None);
            }
            self.session = Some(session);
            self.waiting.push(Folder { path: start, depth: 0, handle: None });
        }
        let Some(session) = self.session.clone() else { return Ok(None) };
        loop {
            while self.reading.len() < FOLDERS
                && let Some(folder) = self.waiting.pop()
            {
                let name = self.shared.place.of(&folder.path);
                self.reading.push(Box::pin(step(Arc::clone(&session), name, folder)));
            }
            let Some(step) = self.reading.next().await else { return Ok(None) };
            let (path, depth, names, rest) = step?;
            self.waiting.extend(rest);
            let entries = self.entries(&path, depth, names);
            if !entries.is_empty() {
                return Ok(Some(entries));
            }
        }
    }

    /// Picks what is wanted of a folder's entries, and notes the folders to read.
    fn entries(&mut self, folder: &StorePath, depth: usize, names: Vec<Name>) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(names.len());
        for found in names {
            let Some(path) = path_of(folder, &found) else { continue };
            match found.attributes.kind() {
                Type::File if self.options.files => {
                    entries.push(Entry::File(info_of(path, &found.attributes)));
                }
                Type::Folder => {
                    if self.options.folders {
                        entries.push(Entry::Folder(FolderInfo { path: path.clone() }));
                    }
                    if self.options.max_depth.is_none_or(|most| depth < most) {
                        self.waiting.push(Folder { path, depth: depth + 1, handle: None });
                    }
                }
                _ => {}
            }
        }
        entries
    }
}

/// Returns the path of an entry. What no path can name, or is the store's own, has none.
fn path_of(folder: &StorePath, found: &Name) -> Option<StorePath> {
    let name = std::str::from_utf8(&found.name).ok()?;
    folder.entry(name).filter(|path| !is_own(path))
}

/// Reads the next entries of a folder, opening it if need be. One that is gone is empty.
async fn step(session: Arc<Session>, name: String, folder: Folder) -> Step {
    let Folder { path, depth, handle } = folder;
    let read = async {
        let handle = match handle {
            Some(handle) => handle,
            None => session.open_folder(&name).await?,
        };
        let names = handle.names().await?;
        Answer::Ok(names.map(|names| (handle, names)))
    };
    match read.await {
        Ok(Some((handle, names))) => {
            let rest = Folder { path: path.clone(), depth, handle: Some(handle) };
            Ok((path, depth, names, Some(rest)))
        }
        Ok(None) => Ok((path, depth, Vec::new(), None)),
        Err(fault) if fault.is_missing() => Ok((path, depth, Vec::new(), None)),
        Err(fault) => Err(fault.error("listing")),
    }
}

/// Deletes a folder. Links in it are deleted themselves, never what they lead to.
pub(super) async fn delete_folder(shared: &Shared, path: &StorePath, recursive: bool) -> Result<()> {
    let session = shared.connection.session().await?;
    match shared.place.look(&session, path).await? {
        Standing::Folder => {}
        Standing::File(_) | Standing::Other => {
            return Err(Error::new(ErrorKind::InvalidPath, "this is a file"));
        }
        Standing::Link => return Err(fault::is_link()),
        Standing::BelowFile | Standing::Nothing { .. } => return Err(fault::not_found()),
    }
    let name = shared.place.of(path).into_bytes();
    if recursive {
        return remove_tree(Arc::clone(&session), name).await.map_err(removing);
    }
    let Err(fault) = remove_folder(&session, &name).await else { return Ok(()) };
    // The protocol has no word for a folder with content.
    if !fault.is_broken() && !fault.is_missing() && has_content(&session, &name).await.map_err(removing)? {
        return Err(removing(not_empty()));
    }
    Err(removing(fault))
}

fn removing(fault: Fault) -> Error {
    fault.error("deleting the folder")
}

fn not_empty() -> Fault {
    Fault::Refused(Status { code: code::NOT_EMPTY, text: String::new() })
}

async fn remove_folder(session: &Session, folder: &[u8]) -> Answer<()> {
    session.ask_path(kind::RMDIR, folder).await?.done().await
}

async fn has_content(session: &Arc<Session>, folder: &[u8]) -> Answer<bool> {
    let handle = session.open_folder(folder).await?;
    while let Some(names) = handle.names().await? {
        if names.iter().any(|found| !is_itself(found)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_itself(found: &Name) -> bool {
    matches!(&found.name[..], b"." | b"..")
}

/// Deletes a folder with all that is in it. What another has deleted is as well.
fn remove_tree(session: Arc<Session>, folder: Vec<u8>) -> BoxFuture<'static, Answer<()>> {
    Box::pin(async move {
        for _ in 0..PASSES {
            match empty(&session, &folder).await {
                Err(fault) if fault.is_missing() => return Ok(()),
                emptied => emptied?,
            }
            match remove_folder(&session, &folder).await {
                Err(fault) if fault.is_missing() => return Ok(()),
                // Somebody put something in it, or the server passed something over as its neighbour went.
                Err(fault) if !fault.is_broken() && has_content(&session, &folder).await? => {}
                removed => return removed,
            }
        }
        Err(not_empty())
    })
}

/// Deletes what is in a folder: files side by side, one folder after the other.
async fn empty(session: &Arc<Session>, folder: &[u8]) -> Answer<()> {
    let handle = session.open_folder(folder).await?;
    while let Some(names) = handle.names().await? {
        let (folders, files): (Vec<_>, Vec<_>) = names
            .into_iter()
            .filter(|found| !is_itself(found))
            .partition(|found| found.attributes.kind() == Type::Folder);
        let path = |found: Name| [folder, b"/", &found.name].concat();
        stream::iter(files.into_iter().map(path).map(Ok))
            .try_for_each_concurrent(DELETIONS, |file| async move {
                match session.remove(file).await {
                    Err(fault) if fault.is_missing() => Ok(()),
                    removed => removed,
                }
            })
            .await?;
        for below in folders.into_iter().map(path) {
            remove_tree(Arc::clone(session), below).await?;
        }
    }
    Ok(())
}
