//! A store in memory: ready futures, and content shared rather than copied.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::future::ready;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use futures_util::stream;

use crate::backend::{Backend, BoxFuture, BoxStream, WriteSink};
use crate::capability::{Capability, CapabilitySet};
use crate::error::{Error, ErrorKind, Result};
use crate::info::{Entry, FileInfo, FolderInfo, ListOptions, Metadata, ReadOptions, WriteOptions};
use crate::path::StorePath;
use crate::read::Read;

const LIST_BATCH: usize = 512;

/// The backend in memory. Folders are there by the files below them.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<Files>>);

#[derive(Default)]
struct Files {
    by_path: BTreeMap<String, File>,
    /// How many contents there were so far: the next one's tag.
    contents: u64,
}

#[derive(Clone)]
struct File {
    content: Bytes,
    last_modified: SystemTime,
    etag: u64,
    media_type: Option<String>,
    metadata: Metadata,
}

impl File {
    fn info(&self, path: StorePath) -> FileInfo {
        FileInfo {
            last_modified: Some(self.last_modified),
            etag: Some(self.etag.to_string()),
            media_type: self.media_type.clone(),
            metadata: self.metadata.clone(),
            ..FileInfo::new(path, self.content.len() as u64)
        }
    }
}

impl Files {
    fn file(&self, path: &StorePath) -> Result<&File> {
        self.by_path.get(path.as_str()).ok_or_else(|| {
            if self.has_below(path) {
                Error::new(ErrorKind::InvalidPath, "this is a folder")
            } else {
                Error::new(ErrorKind::NotFound, "not found")
            }
        })
    }

    fn has_below(&self, folder: &str) -> bool {
        let below = format!("{folder}/");
        self.by_path.range(below.clone()..).next().is_some_and(|(path, _)| path.starts_with(&below))
    }

    fn check_target(&self, path: &StorePath, overwrite: bool) -> Result<()> {
        let mut above = path.split().0;
        while !above.is_empty() {
            if self.by_path.contains_key(above) {
                return Err(Error::new(
                    ErrorKind::InvalidPath,
                    "a file stands where the path needs a folder",
                ));
            }
            above = above.rsplit_once('/').map_or("", |(parent, _)| parent);
        }
        if self.has_below(path) {
            return Err(Error::new(ErrorKind::InvalidPath, "this is a folder"));
        }
        if !overwrite && self.by_path.contains_key(path.as_str()) {
            return Err(Error::new(ErrorKind::AlreadyExists, "the file already exists"));
        }
        Ok(())
    }

    fn put(&mut self, path: &StorePath, content: Bytes, options: &WriteOptions) -> Result<FileInfo> {
        self.check_target(path, options.overwrite)?;
        self.contents += 1;
        #[expect(
            clippy::disallowed_methods,
            reason = "this stands for the time a disk stamps on a file; nothing is decided by it"
        )]
        let last_modified = SystemTime::now();
        let file = File {
            content,
            last_modified,
            etag: self.contents,
            media_type: options.media_type.clone(),
            metadata: options.metadata.clone(),
        };
        let info = file.info(path.clone());
        self.by_path.insert(path.as_str().to_owned(), file);
        Ok(info)
    }

    /// Returns up to a batch of entries after the key `after`, and the key to go on from.
    fn batch(&self, folder: &StorePath, options: ListOptions, after: Cursor) -> (Vec<Entry>, Option<Cursor>) {
        let below = if folder.is_root() { String::new() } else { format!("{folder}/") };
        let mut cursor = after;
        let mut entries = Vec::new();
        loop {
            let past;
            let start = match &cursor {
                Cursor::Begin => Bound::Included(below.as_str()),
                Cursor::After(key) => Bound::Excluded(key.as_str()),
                Cursor::Past(folder) => {
                    // Everything of the folder sorts before its name with the character after `/`.
                    past = format!("{folder}0");
                    Bound::Included(past.as_str())
                }
            };
            let next = self.by_path.range::<str, _>((start, Bound::Unbounded));
            let Some((key, file)) = next.into_iter().next() else {
                return (entries, None);
            };
            let Some(rest) = key.strip_prefix(&below) else {
                return (entries, None);
            };
            // Where the path goes deeper than is wanted: the end of the last folder that is given.
            let cut = options.max_depth.and_then(|most| rest.match_indices('/').nth(most));
            if options.folders {
                let seen = match &cursor {
                    Cursor::Begin => String::new(),
                    Cursor::After(key) => key.clone(),
                    Cursor::Past(folder) => format!("{folder}/"),
                };
                for (end, _) in
                    rest.match_indices('/').take_while(|(end, _)| cut.is_none_or(|(cut, _)| *end <= cut))
                {
                    let folder = &key[..below.len() + end];
                    if !seen.starts_with(&key[..=folder.len()]) {
                        entries.push(folder_entry(folder));
                    }
                }
            }
            if let Some((end, _)) = cut {
                cursor = Cursor::Past(key[..below.len() + end].to_owned());
            } else {
                if options.files
                    && let Ok(path) = StorePath::parse(key)
                {
                    entries.push(Entry::File(file.info(path)));
                }
                cursor = Cursor::After(key.clone());
            }
            if entries.len() >= LIST_BATCH {
                return (entries, Some(cursor));
            }
        }
    }
}

fn folder_entry(path: &str) -> Entry {
    Entry::Folder(FolderInfo { path: StorePath::parse(path).unwrap_or_default() })
}

enum Cursor {
    Begin,
    After(String),
    /// Past all that is in this folder.
    Past(String),
}

impl Memory {
    fn files(&self) -> MutexGuard<'_, Files> {
        // Every change is one insertion or removal, so a panic elsewhere cannot have left it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_now(&self, path: &StorePath, options: &ReadOptions) -> Result<Read> {
        let file = self.files().file(path)?.clone();
        let info = file.info(path.clone());
        if options.if_match.is_some() && options.if_match != info.etag {
            return Err(Error::new(ErrorKind::PreconditionFailed, "the file has changed"));
        }
        let range = options.range.within(info.size);
        // The length of bytes in memory always fits.
        let bytes = file.content.slice(range.start as usize..range.end as usize);
        let chunk = (!bytes.is_empty()).then_some(Ok(bytes));
        Ok(Read::new(info, range, stream::iter(chunk)))
    }

    fn delete_folder_now(&self, path: &StorePath, recursive: bool) -> Result<()> {
        let mut files = self.files();
        if files.by_path.contains_key(path.as_str()) {
            return Err(Error::new(ErrorKind::InvalidPath, "this is a file"));
        }
        if !files.has_below(path) {
            return Err(Error::new(ErrorKind::NotFound, "not found"));
        }
        if !recursive {
            return Err(Error::new(ErrorKind::DirectoryNotEmpty, "the folder is not empty"));
        }
        let mut kept_after = files.by_path.split_off(&format!("{path}/"));
        files.by_path.append(&mut kept_after.split_off(&format!("{path}0")));
        Ok(())
    }

    fn copy_now(&self, from: &StorePath, to: &StorePath, overwrite: bool) -> Result<FileInfo> {
        let mut files = self.files();
        let file = files.file(from)?.clone();
        let options = WriteOptions { overwrite, media_type: file.media_type, metadata: file.metadata };
        files.put(to, file.content, &options)
    }

    fn move_now(&self, from: &StorePath, to: &StorePath, overwrite: bool) -> Result<()> {
        let mut files = self.files();
        let file = files.file(from)?.clone();
        files.check_target(to, overwrite)?;
        files.by_path.remove(from.as_str());
        files.by_path.insert(to.as_str().to_owned(), file);
        Ok(())
    }
}

impl Backend for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn capabilities(&self) -> CapabilitySet {
        CapabilitySet::of(Capability::ALL).without(Capability::Durable)
    }

    fn read<'a>(&'a self, path: &'a StorePath, options: &'a ReadOptions) -> BoxFuture<'a, Result<Read>> {
        Box::pin(async move { self.read_now(path, options) })
    }

    fn open_write<'a>(
        &'a self,
        path: &'a StorePath,
        options: &'a WriteOptions,
    ) -> BoxFuture<'a, Result<Box<dyn WriteSink>>> {
        let sink: Box<dyn WriteSink> = Box::new(MemorySink {
            memory: self.clone(),
            path: path.clone(),
            options: options.clone(),
            first: Bytes::new(),
            rest: BytesMut::new(),
        });
        Box::pin(async move {
            let checked = self.files().check_target(path, options.overwrite);
            checked.map(|()| sink)
        })
    }

    fn stat<'a>(&'a self, path: &'a StorePath) -> BoxFuture<'a, Result<Entry>> {
        Box::pin(async move {
            match self.files().file(path) {
                Ok(file) => Ok(Entry::File(file.info(path.clone()))),
                Err(error) if error.kind() == ErrorKind::InvalidPath => {
                    Ok(Entry::Folder(FolderInfo { path: path.clone() }))
                }
                Err(error) => Err(error),
            }
        })
    }

    fn list(&self, path: &StorePath, options: ListOptions) -> BoxStream<'static, Result<Vec<Entry>>> {
        let (memory, folder) = (self.clone(), path.clone());
        Box::pin(stream::unfold(Some(Cursor::Begin), move |cursor| {
            let step = cursor.map(|cursor| {
                let (entries, next) = memory.files().batch(&folder, options, cursor);
                (Ok(entries), next)
            });
            ready(step)
        }))
    }

    fn delete<'a>(&'a self, path: &'a StorePath) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let mut files = self.files();
            files.file(path)?;
            files.by_path.remove(path.as_str());
            Ok(())
        })
    }

    fn delete_folder<'a>(&'a self, path: &'a StorePath, recursive: bool) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.delete_folder_now(path, recursive) })
    }

    fn copy_file<'a>(
        &'a self,
        from: &'a StorePath,
        to: &'a StorePath,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        Box::pin(async move { self.copy_now(from, to, overwrite) })
    }

    fn move_file<'a>(
        &'a self,
        from: &'a StorePath,
        to: &'a StorePath,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.move_now(from, to, overwrite) })
    }

    fn ping(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { Ok(()) })
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { Ok(()) })
    }
}

impl Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

struct MemorySink {
    memory: Memory,
    path: StorePath,
    options: WriteOptions,
    /// The first chunk is kept as it came: content of one chunk is never copied.
    first: Bytes,
    rest: BytesMut,
}

impl WriteSink for MemorySink {
    fn write(&mut self, chunk: Bytes) -> BoxFuture<'_, Result<()>> {
        if self.first.is_empty() {
            self.first = chunk;
        } else {
            if self.rest.is_empty() {
                self.rest.extend_from_slice(&self.first);
            }
            self.rest.extend_from_slice(&chunk);
        }
        Box::pin(async move { Ok(()) })
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<FileInfo>> {
        Box::pin(async move {
            let content = if self.rest.is_empty() { self.first } else { self.rest.freeze() };
            self.memory.files().put(&self.path, content, &self.options)
        })
    }

    fn abort(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move { Ok(()) })
    }
}
