//! What was read is kept for a while, and forgotten when it is changed.
//!
//! `kept` is what is remembered, and when it must not be: no I/O. Here is the backend that asks it first.

mod kept;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use tokio::sync::watch;
use tokio::time::Instant;

use self::kept::{Kept, Note};
use crate::backend::{Backend, BoxFuture, BoxStream, WriteSink};
use crate::capability::{Capability, CapabilitySet};
use crate::error::{Error, ErrorKind, Result};
use crate::info::{ByteRange, Entry, FileInfo, ListOptions, ReadOptions, WriteOptions};
use crate::path::StorePath;
use crate::presign::PresignOptions;
use crate::read::Read;
use crate::secret::Secret;
use crate::store::Store;

/// What is kept of a store, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheOptions {
    /// How long what others change elsewhere may go unseen (1 min).
    pub ttl: Duration,
    /// How many bytes are kept, of contents and of all else (64 MiB). What is being fetched comes on top.
    pub max_bytes: u64,
    /// Of how many paths something is kept (10,000).
    pub max_entries: usize,
    /// How large a file may be for its content to be kept (1 MiB); of larger ones only what is known of them is. 0 for no
    /// content at all.
    pub max_file: u64,
    /// How many entries a listing may have to be kept (1,000). 0 for no listings at all.
    pub max_listing: usize,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            ttl: Duration::from_mins(1),
            max_bytes: 64 * 1024 * 1024,
            max_entries: 10_000,
            max_file: 1024 * 1024,
            max_listing: 1_000,
        }
    }
}

impl Store {
    /// Returns this store with a cache in front: contents of small files, what is known of files, and listings.
    ///
    /// A change that was made through this store, its clones and children is seen by all of them as soon as it is
    /// acknowledged, and what was read before a change is never kept after it. What is changed in any other way (by another
    /// process, or through the store that this one was made of) is seen after [`CacheOptions::ttl`] at the latest; so is a
    /// change that was given up on the way (a dropped future, a lost answer) and came to pass later, unless it takes longer
    /// than that, and so is what was changed under another name of the same file (a disk that ignores case, a hard link). What
    /// is missing is not kept.
    ///
    /// Content that is asked for with `if_match` is of that tag. Ranges are cut from kept content; a file whose ranges are
    /// asked for is fetched as a whole at the second time, if it is small enough to be kept. Many who ask for the same small
    /// file at once make one request, unless it takes longer than a second.
    #[must_use]
    pub fn with_cache(self, options: CacheOptions) -> Self {
        self.replaced(|inner| {
            Arc::new(Cached(Arc::new(Shared { kept: Mutex::new(Kept::new(options)), options, inner })))
        })
    }
}

/// How long one waits for another's fetch before asking the storage too.
const FOLLOWED: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Shared {
    inner: Arc<dyn Backend>,
    options: CacheOptions,
    kept: Mutex<Kept>,
}

/// A backend with a cache in front.
#[derive(Debug)]
struct Cached(Arc<Shared>);

impl Shared {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        // What a panic left half done could only be forgotten too early or too late by the time to live.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a change of files; until it is dropped nothing of them is kept.
    fn change(self: &Arc<Self>, files: &[&StorePath]) -> Change {
        let changed = Changed::Files(files.iter().map(|path| (*path).clone()).collect());
        self.changing(changed)
    }

    fn changing(self: &Arc<Self>, changed: Changed) -> Change {
        let mut kept = self.kept();
        match &changed {
            Changed::Files(files) => files.iter().for_each(|path| kept.begin(path)),
            Changed::Folder(path) => kept.begin_below(path),
        }
        drop(kept);
        Change { shared: Arc::clone(self), changed, is_sure: false }
    }

    /// Reads a file through the cache.
    async fn read(self: &Arc<Self>, path: &StorePath, options: &ReadOptions) -> Result<Read> {
        let mut miss = match self.content(path, options) {
            Ok(read) => return Ok(read),
            Err(miss) => miss,
        };
        if let Miss::Follow(mut led) = miss {
            // It ends with an error when whoever leads is done, or has given up. Whoever leads may also be alive and never be
            // polled again before this one is done, as in a buffered stream.
            tokio::time::timeout(FOLLOWED, led.changed()).await.ok();
            miss = match self.content(path, options) {
                Ok(read) => return Ok(read),
                // What could not be kept is not waited for again.
                Err(Miss::Follow(_)) => Miss::Pass(None),
                Err(miss) => miss,
            };
        }
        match miss {
            Miss::Lead(note, woken) => {
                let _leading = Leading { shared: self, path, _woken: woken };
                self.fetch(path, options, note).await
            }
            Miss::Pass(Some(note)) => {
                let read = self.read_inner(path, options).await?;
                self.kept().put_size(path, read.info().size, note, Instant::now());
                Ok(read)
            }
            Miss::Follow(_) | Miss::Pass(None) => self.read_inner(path, options).await,
        }
    }

    fn content(&self, path: &StorePath, options: &ReadOptions) -> Result<Read, Miss> {
        self.kept().content(path, options, Instant::now())
    }

    /// Fetches a whole file and keeps it, if it is small enough.
    async fn fetch(&self, path: &StorePath, options: &ReadOptions, note: Note) -> Result<Read> {
        let all = ReadOptions { range: ByteRange::All, if_match: options.if_match.clone() };
        let read = self.read_inner(path, &all).await?;
        if read.info().size > self.options.max_file {
            self.kept().put_size(path, read.info().size, note, Instant::now());
            // Where a range is asked for, it has grown since it was known to be small.
            let is_it = options.range == ByteRange::All;
            return if is_it { Ok(read) } else { self.read_inner(path, options).await };
        }
        let info = read.info().clone();
        let content = whole(read).await?;
        self.kept().put_content(path, info.clone(), content.clone(), note, Instant::now());
        Ok(cut(info, &content, options.range))
    }

    /// Forgets what an answer of the storage shows to be wrong.
    fn heard<T>(&self, path: &StorePath, if_match: Option<&str>, answer: Result<T>) -> Result<T> {
        match (&answer, if_match) {
            (Err(error), _) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidPath) => {
                self.kept().forget(path);
            }
            (Err(error), Some(tag)) if error.kind() == ErrorKind::PreconditionFailed => {
                self.kept().forget_tag(path, tag);
            }
            _ => {}
        }
        answer
    }

    async fn read_inner(&self, path: &StorePath, options: &ReadOptions) -> Result<Read> {
        self.heard(path, options.if_match.as_deref(), self.inner.read(path, options).await)
    }

    async fn stat(&self, path: &StorePath) -> Result<Entry> {
        let note = match self.kept().info(path, Instant::now()) {
            Ok(info) => return Ok(Entry::File(info)),
            Err(note) => note,
        };
        let entry = self.heard(path, None, self.inner.stat(path).await)?;
        match (&entry, note) {
            (Entry::File(info), Some(note)) => self.kept().put_info(path, info, note, Instant::now()),
            (Entry::File(_), None) => {}
            (Entry::Folder(_), _) => self.kept().forget(path),
        }
        Ok(entry)
    }

    fn list(
        self: &Arc<Self>,
        path: &StorePath,
        options: ListOptions,
    ) -> BoxStream<'static, Result<Vec<Entry>>> {
        // Nothing happens before it is polled, so what is kept is looked at then.
        let (shared, path) = (Arc::clone(self), path.clone());
        Box::pin(stream::once(async move { shared.list_now(path, options) }).flatten())
    }

    fn list_now(
        self: Arc<Self>,
        path: StorePath,
        options: ListOptions,
    ) -> BoxStream<'static, Result<Vec<Entry>>> {
        let note = match self.kept().listing(&path, options, Instant::now()) {
            Ok(entries) => return Box::pin(stream::iter([Ok(entries.to_vec())])),
            Err(note) => note.filter(|_| self.options.max_listing > 0),
        };
        let batches = self.inner.list(&path, options);
        let Some(note) = note else { return batches };
        let gathering = Gathering { shared: self, path, options, note, entries: Some(Vec::new()) };
        Box::pin(stream::unfold(Some((batches, gathering)), |state| async move {
            let (mut batches, mut gathering) = state?;
            match batches.next().await {
                Some(Ok(batch)) => {
                    gathering.add(&batch);
                    Some((Ok(batch), Some((batches, gathering))))
                }
                Some(Err(error)) => Some((Err(error), None)),
                None => {
                    gathering.keep();
                    None
                }
            }
        }))
    }
}

/// Reads a whole file, and no more of it than was told.
async fn whole(read: Read) -> Result<Bytes> {
    let size = read.info().size;
    let mut chunks = read;
    let Some(first) = chunks.next_chunk().await? else {
        return if size == 0 { Ok(Bytes::new()) } else { Err(wrong_size()) };
    };
    if first.len() as u64 == size {
        return Ok(first);
    }
    // It fits: it is no more than may be kept.
    let mut content = BytesMut::with_capacity(usize::try_from(size).unwrap_or(0));
    content.extend_from_slice(&first);
    while let Some(chunk) = chunks.next_chunk().await? {
        content.extend_from_slice(&chunk);
        if content.len() as u64 > size {
            return Err(wrong_size());
        }
    }
    if content.len() as u64 == size { Ok(content.freeze()) } else { Err(wrong_size()) }
}

fn wrong_size() -> Error {
    Error::new(ErrorKind::Unavailable, "the content has another size than the storage said")
}

/// Gives a range of content that is here.
fn cut(info: FileInfo, content: &Bytes, range: ByteRange) -> Read {
    let range = range.within(content.len() as u64);
    // The length of bytes in memory always fits.
    let bytes = content.slice(range.start as usize..range.end as usize);
    Read::new(info, range, stream::iter((!bytes.is_empty()).then_some(Ok(bytes))))
}

/// What there is to do for who wants content that is not kept.
enum Miss {
    /// It is to be fetched and kept; others wait until the sender is dropped.
    Lead(Note, watch::Sender<()>),
    /// Somebody fetches it just now.
    Follow(watch::Receiver<()>),
    /// It is not to be kept; but what is learnt of it may be.
    Pass(Option<Note>),
}

/// Lets those who wait for a file go on when it is fetched, or given up.
struct Leading<'a> {
    shared: &'a Shared,
    path: &'a StorePath,
    _woken: watch::Sender<()>,
}

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        self.shared.kept().fetched(self.path);
    }
}

/// What is being changed.
enum Changed {
    Files(Vec<StorePath>),
    Folder(StorePath),
}

/// A change under way.
struct Change {
    shared: Arc<Shared>,
    changed: Changed,
    /// Whether nothing of it can come to pass any more.
    is_sure: bool,
}

impl Change {
    /// Ends the change with what the storage said of it.
    fn end<T>(mut self, answer: Result<T>) -> Result<T> {
        self.is_sure = match &answer {
            Ok(_) => true,
            // Whoever does not know, or gave up waiting, may have done it, or may do so yet.
            Err(error) => !matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Internal),
        };
        answer
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        let doubted = (!self.is_sure).then(Instant::now);
        let mut kept = self.shared.kept();
        match &self.changed {
            Changed::Files(files) => files.iter().for_each(|path| kept.end(path, doubted)),
            Changed::Folder(path) => kept.end_below(path, doubted),
        }
    }
}

/// A listing on its way through.
struct Gathering {
    shared: Arc<Shared>,
    path: StorePath,
    options: ListOptions,
    note: Note,
    /// Nothing once there were too many.
    entries: Option<Vec<Entry>>,
}

impl Gathering {
    fn add(&mut self, batch: &[Entry]) {
        let most = self.shared.options.max_listing;
        if let Some(entries) = &mut self.entries {
            if entries.len() + batch.len() > most {
                self.entries = None;
            } else {
                entries.extend_from_slice(batch);
            }
        }
    }

    fn keep(self) {
        if let Some(entries) = self.entries {
            self.shared.kept().put_listing(
                &self.path,
                self.options,
                entries.into(),
                self.note,
                Instant::now(),
            );
        }
    }
}

impl Backend for Cached {
    fn name(&self) -> &'static str {
        self.0.inner.name()
    }

    fn capabilities(&self) -> CapabilitySet {
        self.0.inner.capabilities()
    }

    fn inner(&self) -> Option<&dyn Backend> {
        Some(&*self.0.inner)
    }

    fn read<'a>(&'a self, path: &'a StorePath, options: &'a ReadOptions) -> BoxFuture<'a, Result<Read>> {
        Box::pin(self.0.read(path, options))
    }

    fn open_write<'a>(
        &'a self,
        path: &'a StorePath,
        options: &'a WriteOptions,
    ) -> BoxFuture<'a, Result<Box<dyn WriteSink>>> {
        Box::pin(async move {
            // Where it may be seen half written, it changes from now on.
            let is_atomic = self.capabilities().contains(Capability::AtomicWrite);
            let change = (!is_atomic).then(|| self.0.change(&[path]));
            let sink = self.0.inner.open_write(path, options).await?;
            let sink = CachedSink { sink, shared: Arc::clone(&self.0), path: path.clone(), change };
            Ok(Box::new(sink) as Box<dyn WriteSink>)
        })
    }

    fn stat<'a>(&'a self, path: &'a StorePath) -> BoxFuture<'a, Result<Entry>> {
        Box::pin(self.0.stat(path))
    }

    fn list(&self, path: &StorePath, options: ListOptions) -> BoxStream<'static, Result<Vec<Entry>>> {
        self.0.list(path, options)
    }

    fn delete<'a>(&'a self, path: &'a StorePath) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let change = self.0.change(&[path]);
            change.end(self.0.inner.delete(path).await)
        })
    }

    fn delete_folder<'a>(&'a self, path: &'a StorePath, recursive: bool) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let change = self.0.changing(Changed::Folder(path.clone()));
            change.end(self.0.inner.delete_folder(path, recursive).await)
        })
    }

    fn copy_file<'a>(
        &'a self,
        from: &'a StorePath,
        to: &'a StorePath,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        Box::pin(async move {
            let change = self.0.change(&[to]);
            change.end(self.0.inner.copy_file(from, to, overwrite).await)
        })
    }

    fn move_file<'a>(
        &'a self,
        from: &'a StorePath,
        to: &'a StorePath,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let change = self.0.change(&[from, to]);
            change.end(self.0.inner.move_file(from, to, overwrite).await)
        })
    }

    fn presign_read<'a>(
        &'a self,
        path: &'a StorePath,
        options: &'a PresignOptions,
    ) -> BoxFuture<'a, Result<Option<Secret>>> {
        self.0.inner.presign_read(path, options)
    }

    fn native_path(&self, path: &StorePath) -> String {
        self.0.inner.native_path(path)
    }

    fn path_of_native(&self, native: &str) -> Option<StorePath> {
        self.0.inner.path_of_native(native)
    }

    fn ping(&self) -> BoxFuture<'_, Result<()>> {
        self.0.inner.ping()
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        self.0.inner.close()
    }
}

struct CachedSink {
    sink: Box<dyn WriteSink>,
    shared: Arc<Shared>,
    path: StorePath,
    change: Option<Change>,
}

impl WriteSink for CachedSink {
    fn write(&mut self, chunk: Bytes) -> BoxFuture<'_, Result<()>> {
        self.sink.write(chunk)
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<FileInfo>> {
        Box::pin(async move {
            let Self { sink, shared, path, change } = *self;
            let change = change.unwrap_or_else(|| shared.change(&[&path]));
            change.end(sink.finish().await)
        })
    }

    fn abort(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move {
            let Self { sink, change, .. } = *self;
            let aborted = sink.abort().await;
            match change {
                Some(change) => change.end(aborted),
                None => aborted,
            }
        })
    }
}
