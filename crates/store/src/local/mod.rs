//! A store on the local disk.
//!
//! `root` finds things below the root and never anywhere else; `stage` and `sink` make files; `folders` makes
//! what is visible durable; `read` and `walk` give content and entries; `temporary` sweeps up after crashes;
//! `disk` has the calls that tests make fail. Async code here only hands work to blocking threads, but for what `cached` gets
//! without waiting.

mod attributes;
mod cached;
mod config;
mod disk;
mod errno;
mod folders;
mod read;
mod root;
mod sink;
mod stage;
mod temporary;
#[cfg(test)]
mod tests;
mod walk;

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::stream;
use rustix::fs::{AtFlags, FileType, OFlags, Statx};
use rustix::io::Errno;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::folders::Folders;
use self::root::{Root, stat_entry};
use self::sink::LocalSink;
use self::stage::{Stage, check_target, is_folder, open_target, rename_error};
use self::walk::Walk;
use crate::backend::{Backend, BoxFuture, BoxStream, WriteSink};
use crate::capability::{Capability, CapabilitySet};
use crate::digest::push_hex;
use crate::error::{Error, ErrorKind, Result};
use crate::info::{Entry, FileInfo, FolderInfo, ListOptions, ReadOptions, WriteOptions};
use crate::own_names;
use crate::path::StorePath;
use crate::read::Read;

pub(crate) use self::disk::Disk;

/// What is flushed to the disk before a change is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Durability {
    /// Nothing: a loss of power may lose or tear what was acknowledged. For tests and caches.
    None,
    /// The content: a file that is there after a loss of power is whole, but the last ones may be gone.
    File,
    /// The content and the folders: what was acknowledged survives a loss of power.
    #[default]
    Full,
}

/// How a folder of the local disk is used as a store.
#[derive(Clone, Debug)]
pub struct LocalOptions {
    /// What is flushed before a change is acknowledged. Default: everything.
    pub durability: Durability,
    /// How many bytes a chunk of a read has at most. Default: 1 MiB.
    pub read_chunk: usize,
    /// Temporary files older than this, which no living process writes, are deleted at opening. Default: one
    /// hour.
    pub sweep_older_than: Duration,
    /// Whether a missing folder is made, and the one for temporary files in it; otherwise opening a missing one is
    /// `NotFound`, and nothing is made before the first write. Default: yes.
    pub create: bool,
    /// Whether a folder that is made is for its owner alone (mode 0700). Default: no.
    pub private: bool,
}

impl Default for LocalOptions {
    fn default() -> Self {
        Self {
            durability: Durability::Full,
            read_chunk: 1024 * 1024,
            sweep_older_than: Duration::from_secs(60 * 60),
            create: true,
            private: false,
        }
    }
}

/// What all work on one root shares.
#[derive(Debug)]
struct Shared {
    root: Root,
    folders: Folders,
    options: LocalOptions,
    /// Whether the file system keeps attributes of files.
    keeps_attributes: bool,
    /// How many jobs are on blocking threads, or waiting for one.
    running: watch::Sender<usize>,
}

/// Counts a job for as long as it lives.
struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.send_modify(|running| *running -= 1);
    }
}

impl Shared {
    /// Starts a job on a blocking thread. It runs to its end even if nobody waits for it.
    fn start<T: Send + 'static>(
        self: &Arc<Self>,
        job: impl FnOnce(&Arc<Self>) -> Result<T> + Send + 'static,
    ) -> JoinHandle<Result<T>> {
        self.running.send_modify(|running| *running += 1);
        let running = Running(Arc::clone(self));
        tokio::task::spawn_blocking(move || job(&running.0))
    }

    /// Makes a change of `folder` durable, if that was asked for.
    fn settle(&self, path: &str, folder: impl std::os::fd::AsFd) -> Result<()> {
        if self.options.durability != Durability::Full {
            return Ok(());
        }
        self.folders
            .sync(&self.root, path, folder)
            .map_err(|errno| errno::error(errno, "making the folder durable"))
    }
}

/// Turns the end of a job into its result.
fn joined<T>(ended: std::result::Result<Result<T>, tokio::task::JoinError>) -> Result<T> {
    ended.unwrap_or_else(|error| {
        let (kind, message) = if error.is_cancelled() {
            (ErrorKind::Unavailable, "the program is ending")
        } else {
            (ErrorKind::Internal, "work on the disk panicked")
        };
        Err(Error::new(kind, message).with_source(error))
    })
}

/// The backend on the local disk.
#[derive(Debug)]
pub(crate) struct Local(Arc<Shared>);

impl Local {
    pub(crate) const NAME: &str = "local";

    pub(crate) fn open(root: &Path, options: LocalOptions) -> Result<Self> {
        Self::open_on(root, options, Disk::default())
    }

    pub(crate) fn open_on(root: &Path, mut options: LocalOptions, disk: Disk) -> Result<Self> {
        options.read_chunk = options.read_chunk.max(4096);
        let older_than = options.sweep_older_than;
        let root = Root::open(root, &options, disk)?;
        temporary::sweep(&root, older_than)?;
        let keeps_attributes = attributes::are_kept(&root);
        Ok(Self(Arc::new(Shared {
            root,
            folders: Folders::default(),
            options,
            keeps_attributes,
            running: watch::Sender::new(0),
        })))
    }

    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Arc<Shared>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        joined(self.0.start(job).await)
    }
}

fn etag_of(stat: &Statx) -> String {
    // A replaced file has another number, or another time if the number was used again.
    let time = stat.stx_mtime;
    let mut tag = String::with_capacity(40);
    push_hex(&mut tag, stat.stx_ino);
    for (mark, number) in
        [('-', time.tv_sec.cast_unsigned()), ('.', time.tv_nsec.into()), ('-', stat.stx_size)]
    {
        tag.push(mark);
        push_hex(&mut tag, number);
    }
    tag
}

fn info_of(path: StorePath, stat: &Statx) -> FileInfo {
    FileInfo {
        last_modified: modified_at(stat),
        etag: Some(etag_of(stat)),
        ..FileInfo::new(path, stat.stx_size)
    }
}

/// Adds what callers have said of an open file.
fn described(shared: &Shared, file: impl std::os::fd::AsFd, mut info: FileInfo) -> FileInfo {
    if shared.keeps_attributes {
        attributes::read(file, &mut info);
    }
    info
}

fn modified_at(stat: &Statx) -> Option<SystemTime> {
    let time = stat.stx_mtime;
    let within = Duration::from_nanos(time.tv_nsec.into());
    let seconds = Duration::from_secs(time.tv_sec.unsigned_abs());
    if time.tv_sec < 0 {
        UNIX_EPOCH.checked_sub(seconds)?.checked_add(within)
    } else {
        UNIX_EPOCH.checked_add(seconds)?.checked_add(within)
    }
}

/// Gives a file or a folder; anything else (a link, a pipe) is not there.
fn entry_of(path: StorePath, stat: &Statx) -> Option<Entry> {
    match FileType::from_raw_mode(stat.stx_mode.into()) {
        FileType::RegularFile => Some(Entry::File(info_of(path, stat))),
        FileType::Directory => Some(Entry::Folder(FolderInfo { path })),
        _ => None,
    }
}

fn stat(shared: &Shared, path: &StorePath) -> Result<Entry> {
    match shared.root.open_at(path, OFlags::PATH) {
        Ok(file) => stat_opened(shared, path, &file),
        Err(Errno::LOOP) => Err(errno::error(Errno::NOENT, "")),
        Err(errno) => Err(errno::lookup_error(errno, "looking")),
    }
}

fn stat_opened(shared: &Shared, path: &StorePath, file: &OwnedFd) -> Result<Entry> {
    let stat = root::stat_open(file).map_err(|errno| errno::lookup_error(errno, "looking"))?;
    match entry_of(path.clone(), &stat).ok_or_else(|| errno::error(Errno::NOENT, ""))? {
        Entry::File(info) => Ok(Entry::File(described(shared, file, info))),
        folder @ Entry::Folder(_) => Ok(folder),
    }
}

fn delete(shared: &Shared, path: &StorePath) -> Result<()> {
    require_file(shared, path)?;
    let (parent, name) = path.split();
    let failed = |errno| errno::lookup_error(errno, "deleting");
    let folder = shared.root.open_folder(parent).map_err(failed)?;
    rustix::fs::unlinkat(&folder, name, AtFlags::empty()).map_err(failed)?;
    shared.settle(parent, folder)
}

fn require_file(shared: &Shared, path: &StorePath) -> Result<()> {
    match stat(shared, path)? {
        Entry::File(_) => Ok(()),
        Entry::Folder(_) => Err(errno::error(Errno::ISDIR, "")),
    }
}

fn copy_file(shared: &Arc<Shared>, from: &StorePath, to: &StorePath, overwrite: bool) -> Result<FileInfo> {
    let (source, stat) = read::open(shared, from)?;
    let info = described(shared, &source, info_of(from.clone(), &stat));
    check_target(shared, to, overwrite)?;
    let mut stage = Stage::create(shared)?;
    stage.copy_from(&source)?;
    let options = WriteOptions { overwrite, media_type: info.media_type, metadata: info.metadata };
    stage.commit(to, &options)
}

fn move_file(shared: &Shared, from: &StorePath, to: &StorePath, overwrite: bool) -> Result<()> {
    require_file(shared, from)?;
    check_target(shared, to, overwrite)?;
    let ((from_parent, from_name), (to_parent, to_name)) = (from.split(), to.split());
    let source =
        shared.root.open_folder(from_parent).map_err(|errno| errno::lookup_error(errno, "moving"))?;
    let target = open_target(shared, to_parent)?;
    let renamed = shared.root.disk.rename((&source, from_name), (&target, to_name), overwrite);
    renamed.map_err(|errno| rename_error(&target, to_name, errno))?;
    shared.settle(to_parent, &target)?;
    // The new place first: power lost in between leaves two names, never none.
    if from_parent != to_parent {
        shared.settle(from_parent, &source)?;
    }
    Ok(())
}

fn ping(shared: &Shared) -> Result<()> {
    let failed = |errno| errno::error(errno, "looking at the root");
    let root = shared.root.open_folder("").map_err(failed)?;
    if root::stat_open(root).map_err(failed)?.stx_nlink == 0 {
        return Err(Error::new(ErrorKind::Unavailable, "the root of the store was deleted"));
    }
    if shared.root.existing_temporary().is_none() {
        return Ok(());
    }
    // Writes need this one too.
    match stat_entry(shared.root.open_folder("").map_err(failed)?, own_names::TEMPORARY) {
        Ok(stat) if is_folder(stat.stx_mode) => Ok(()),
        _ => Err(Error::new(ErrorKind::Unavailable, "the store's folder for temporary files is gone")),
    }
}

impl Backend for Local {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn capabilities(&self) -> CapabilitySet {
        let mut all = CapabilitySet::of(Capability::ALL);
        if self.0.options.durability != Durability::Full {
            all = all.without(Capability::Durable);
        }
        if !self.0.keeps_attributes {
            all = all.without(Capability::Metadata).without(Capability::MediaType);
        }
        all
    }

    fn read<'a>(&'a self, path: &'a StorePath, options: &'a ReadOptions) -> BoxFuture<'a, Result<Read>> {
        Box::pin(read::read(&self.0, path, options))
    }

    fn open_write<'a>(
        &'a self,
        path: &'a StorePath,
        options: &'a WriteOptions,
    ) -> BoxFuture<'a, Result<Box<dyn WriteSink>>> {
        let sink: Box<dyn WriteSink> =
            Box::new(LocalSink::new(Arc::clone(&self.0), path.clone(), options.clone()));
        Box::pin(std::future::ready(Ok(sink)))
    }

    fn stat<'a>(&'a self, path: &'a StorePath) -> BoxFuture<'a, Result<Entry>> {
        Box::pin(async move {
            if let Some(entry) = cached::stat(&self.0, path) {
                tokio::task::coop::consume_budget().await;
                return entry;
            }
            let path = path.clone();
            self.run(move |shared| stat(shared, &path)).await
        })
    }

    fn list(&self, path: &StorePath, options: ListOptions) -> BoxStream<'static, Result<Vec<Entry>>> {
        let (shared, path) = (Arc::clone(&self.0), path.clone());
        let begin = Walk::new(path, options);
        Box::pin(stream::try_unfold(Some(begin), move |walk| {
            let shared = Arc::clone(&shared);
            async move {
                let Some(mut walk) = walk else {
                    return Ok(None);
                };
                let step = shared.start(move |shared| {
                    let (entries, more) = walk.batch(&shared.root)?;
                    Ok((entries, more.then_some(walk)))
                });
                joined(step.await).map(Some)
            }
        }))
    }

    fn delete<'a>(&'a self, path: &'a StorePath) -> BoxFuture<'a, Result<()>> {
        let path = path.clone();
        Box::pin(self.run(move |shared| delete(shared, &path)))
    }

    fn delete_folder<'a>(&'a self, path: &'a StorePath, recursive: bool) -> BoxFuture<'a, Result<()>> {
        let path = path.clone();
        Box::pin(self.run(move |shared| walk::delete_folder(shared, &path, recursive)))
    }

    fn copy_file<'a>(
        &'a self,
        from: &'a StorePath,
        to: &'a StorePath,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        let (from, to) = (from.clone(), to.clone());
        Box::pin(self.run(move |shared| copy_file(shared, &from, &to, overwrite)))
    }

    fn move_file<'a>(
        &'a self,
        from: &'a StorePath,
        to: &'a StorePath,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<()>> {
        let (from, to) = (from.clone(), to.clone());
        Box::pin(self.run(move |shared| move_file(shared, &from, &to, overwrite)))
    }

    fn native_path(&self, path: &StorePath) -> String {
        self.0.root.path.join(path.as_str()).to_string_lossy().into_owned()
    }

    fn path_of_native(&self, native: &str) -> Option<StorePath> {
        let below = Path::new(native).strip_prefix(&self.0.root.path).ok()?;
        StorePath::parse(below.to_str()?).ok()
    }

    fn ping(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.run(|shared| ping(shared)))
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let mut running = self.0.running.subscribe();
            // The sender lives in `self`, so waiting cannot fail.
            running.wait_for(|running| *running == 0).await.ok();
            Ok(())
        })
    }
}
