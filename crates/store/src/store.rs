//! The store every caller holds.

use std::fmt::{self, Debug};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt as _;

use crate::backend::Backend;
use crate::capability::{Capability, CapabilitySet};
use crate::error::{Error, ErrorKind, Result};
use crate::info::{
    Entry, FileInfo, FolderInfo, ReadOptions, ResultSource, WriteOptions, WriteResult, check_media_type,
    check_metadata,
};
use crate::local::{Local, LocalOptions};
use crate::memory::Memory;
use crate::own_names;
use crate::path::StorePath;
use crate::read::Read;
use crate::write::{Body, Content, Writer};

/// A store of files. Cloning it is cheap, and clones are the same store.
///
/// # Paths
/// Every verb takes a path as text and normalises it ([`StorePath`]). Verbs on files, and `delete_folder`,
/// refuse the root with `InvalidPath`. A symbolic link is never followed: a path through one is `InvalidPath`
/// for reads and writes, [`exists`](Self::exists) is false there, and listings leave links out.
///
/// The name `.longshore-tmp` in the root of a storage (not of a [`child`](Self::child)) is the store's own: a path there is
/// `InvalidPath` for every verb, and listings leave it out.
///
/// # Folders
/// Writing makes the folders a file needs. A backend with real folders (local disk) keeps an empty one until
/// it is deleted; elsewhere (memory) a folder is there while a file lies below it. Where a file stands, or a
/// file's name is on the path above, a write, copy or move to it is `InvalidPath`; reads, looks and deletes are
/// `NotFound`. A file verb on a folder is `InvalidPath`.
///
/// # Order of refusals
/// Capability, then path, then the source (`NotFound`), then the type of the target (`InvalidPath`), then
/// `AlreadyExists`, then storage.
///
/// # Writes
/// A file becomes visible as a whole at `finish`, or not at all. Readers that opened the older content keep
/// it. Without `overwrite`, at most one of many writers wins and the others get `AlreadyExists`, at the latest
/// from `finish`. Any error, an abort and a dropped [`Writer`] leave what stood before, and no temporary file.
///
/// # Durability
/// With [`Capability::Durable`], what was acknowledged (write, copy, move, delete) survives a loss of power,
/// and so do the folders above it. If the very last step fails (making the *folder* durable), a new file is
/// taken out again; a replaced file may show the new content, though the call failed.
#[derive(Clone)]
pub struct Store {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) prefix: StorePath,
    child: bool,
}

impl Store {
    /// Makes a store over a backend.
    #[must_use]
    pub fn new(backend: impl Backend) -> Self {
        Self::over(Arc::new(backend), StorePath::ROOT)
    }

    /// Makes an empty store in memory.
    #[must_use]
    pub fn memory() -> Self {
        Self::new(Memory::default())
    }

    /// Opens a folder of the local disk as a store, making the folder if need be.
    ///
    /// This blocks for a few system calls, and sweeps what a crash left behind
    /// ([`LocalOptions::sweep_older_than`]).
    pub fn local(root: impl AsRef<Path>, options: LocalOptions) -> Result<Self> {
        let root = root.as_ref();
        let local = Local::open(root, options)
            .map_err(|error| error.located(&root.to_string_lossy(), Local::NAME))?;
        Ok(Self::new(local))
    }

    pub(crate) const fn over(backend: Arc<dyn Backend>, prefix: StorePath) -> Self {
        Self { backend, prefix, child: false }
    }

    /// Returns this store with another backend, made of its own.
    pub(crate) fn replaced(self, with: impl FnOnce(Arc<dyn Backend>) -> Arc<dyn Backend>) -> Self {
        Self { backend: with(self.backend), ..self }
    }

    /// Returns this store with a folder of it as its root. Closing it closes the store, as there is no other.
    pub(crate) fn rooted(self, folder: &StorePath) -> Self {
        Self { prefix: self.prefix.join(folder), ..self }
    }

    /// Returns the store of the folder `subpath` of this one: the same paths with a prefix, that none of them leads out of. No
    /// I/O is done, and the folder need not be there. Both share one backend, and what stands in front of it; closing the child
    /// does nothing.
    pub fn child(&self, subpath: &str) -> Result<Self> {
        let prefix = StorePath::parse(subpath).and_then(|folder| self.full(&folder));
        let prefix = self.at(subpath, prefix)?;
        Ok(Self { backend: Arc::clone(&self.backend), prefix, child: true })
    }

    /// Returns the name of the backend: `memory`, `local`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.backend.name()
    }

    /// Returns what the backend can do.
    #[must_use]
    pub fn capabilities(&self) -> CapabilitySet {
        self.backend.capabilities()
    }

    /// Returns the backend, where it is of this type, also from behind what stands in front of it.
    #[must_use]
    pub fn backend_as<B: Backend>(&self) -> Option<&B> {
        let mut backend: &dyn Backend = &*self.backend;
        loop {
            let any: &dyn std::any::Any = backend;
            match any.downcast_ref() {
                Some(found) => return Some(found),
                None => backend = backend.inner()?,
            }
        }
    }

    /// Returns how the storage itself names a path: on the local disk the whole path there.
    pub fn native_path(&self, path: &str) -> Result<String> {
        let asked = self.at(path, StorePath::parse(path))?;
        Ok(self.backend.native_path(&self.at(path, self.full(&asked))?))
    }

    /// Returns the path here of what the storage itself names so, or nothing if it does not lie in this store.
    #[must_use]
    pub fn path_of_native(&self, native: &str) -> Option<StorePath> {
        let path = self.backend.path_of_native(native)?;
        if own_names::is_own(&path) { None } else { path.relative_to(&self.prefix) }
    }

    /// Returns whether the backend has a capability. A verb that needs a missing one is `Unsupported`, before
    /// any I/O.
    #[must_use]
    pub fn supports(&self, capability: Capability) -> bool {
        self.capabilities().contains(capability)
    }

    /// Opens a file for reading, as a stream of chunks. `NotFound` and `PreconditionFailed` come from this
    /// call.
    pub async fn read(&self, path: &str, options: ReadOptions) -> Result<Read> {
        let target = self.file(path, Capability::Read)?;
        if options.if_match.is_some() {
            self.demand(path, Capability::ConditionalRead)?;
        }
        let read = self.backend.read(&target.full, &options).await;
        let mut read = self.at(path, read)?.located(path, self.name());
        read.info_mut().path = target.asked;
        Ok(read)
    }

    /// Reads a whole file into memory.
    pub async fn read_bytes(&self, path: &str) -> Result<Bytes> {
        self.read(path, ReadOptions::default()).await?.bytes().await
    }

    /// Begins a file. It is not visible until the writer's `finish`.
    pub async fn open_write(&self, path: &str, options: WriteOptions) -> Result<Writer> {
        let target = self.file(path, Capability::Write)?;
        if !options.metadata.is_empty() {
            self.demand(path, Capability::Metadata)?;
            self.at(path, check_metadata(&options.metadata))?;
        }
        if let Some(media_type) = &options.media_type {
            self.demand(path, Capability::MediaType)?;
            self.at(path, check_media_type(media_type))?;
        }
        let sink = self.backend.open_write(&target.full, &options).await;
        let sink = self.at(path, sink)?;
        Ok(Writer::new(sink, target.asked, self.name()))
    }

    /// Writes a file.
    pub async fn write(
        &self,
        path: &str,
        content: impl Into<Content>,
        options: WriteOptions,
    ) -> Result<WriteResult> {
        self.write_seen(path, content.into(), options, |_| {}).await
    }

    /// Writes a file, and shows each chunk to `see` on its way.
    pub(crate) async fn write_seen(
        &self,
        path: &str,
        content: Content,
        options: WriteOptions,
        mut see: impl FnMut(&[u8]) + Send,
    ) -> Result<WriteResult> {
        let mut writer = self.open_write(path, options).await?;
        let taken = match content.0 {
            Body::Bytes(bytes) => {
                see(&bytes);
                writer.write(bytes).await
            }
            Body::Stream(stream) => writer.write_all(stream.inspect_ok(|chunk| see(chunk))).await,
        };
        if let Err(error) = taken {
            // Whatever aborting meets, the first error is the one to tell.
            writer.abort().await.ok();
            return Err(error);
        }
        writer.finish().await
    }

    /// Writes a file, or is `Unsupported` where it might be seen half-written
    /// ([`Capability::AtomicWrite`]).
    pub async fn write_atomic(
        &self,
        path: &str,
        content: impl Into<Content>,
        options: WriteOptions,
    ) -> Result<WriteResult> {
        self.demand(path, Capability::AtomicWrite)?;
        self.write(path, content, options).await
    }

    /// Returns what is known of a file.
    pub async fn file_info(&self, path: &str) -> Result<FileInfo> {
        let target = self.file(path, Capability::Read)?;
        let stat = self.backend.stat(&target.full).await;
        match self.at(path, stat)? {
            Entry::File(mut file) => {
                file.path = target.asked;
                Ok(file)
            }
            Entry::Folder(_) => Err(self.refuse(path, ErrorKind::InvalidPath, "this is a folder")),
        }
    }

    /// Returns what a write of the file, as it stands, would have returned.
    pub async fn head(&self, path: &str) -> Result<WriteResult> {
        self.file_info(path).await.map(|file| WriteResult::of(file, ResultSource::Sidecar))
    }

    /// Returns whether a file or a folder stands at a path.
    pub async fn exists(&self, path: &str) -> Result<bool> {
        Ok(self.look(path).await?.is_some())
    }

    /// Returns whether a file stands at a path.
    pub async fn is_file(&self, path: &str) -> Result<bool> {
        Ok(matches!(self.look(path).await?, Some(Entry::File(_))))
    }

    /// Returns whether a folder stands at a path. The root always does.
    pub async fn is_folder(&self, path: &str) -> Result<bool> {
        Ok(matches!(self.look(path).await?, Some(Entry::Folder(_))))
    }

    async fn look(&self, path: &str) -> Result<Option<Entry>> {
        let target = self.target(path, Capability::Read)?;
        if target.full.is_root() || target.asked.is_root() {
            return Ok(Some(Entry::Folder(FolderInfo { path: target.asked })));
        }
        match self.backend.stat(&target.full).await {
            Ok(entry) => Ok(Some(entry)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound) => Ok(None),
            Err(error) => self.at(path, Err(error)),
        }
    }

    /// Deletes a file. If `missing_ok`, a missing one is no error.
    pub async fn delete(&self, path: &str, missing_ok: bool) -> Result<()> {
        let target = self.file(path, Capability::Delete)?;
        let deleted = self.backend.delete(&target.full).await;
        self.at(path, forgive(deleted, missing_ok))
    }

    /// Deletes a folder: `DirectoryNotEmpty` if something is in it and it is not `recursive`.
    ///
    /// A recursive deletion is not atomic; if it fails or is dropped, a part may be gone.
    pub async fn delete_folder(&self, path: &str, recursive: bool, missing_ok: bool) -> Result<()> {
        let target = self.file(path, Capability::Delete)?;
        let deleted = self.backend.delete_folder(&target.full, recursive).await;
        self.at(path, forgive(deleted, missing_ok))
    }

    /// Copies a file. A copy onto itself does nothing.
    pub async fn copy_file(&self, from: &str, to: &str, overwrite: bool) -> Result<FileInfo> {
        let source = self.file(from, Capability::Copy)?;
        let target = self.file(to, Capability::Copy)?;
        if source.full == target.full {
            return self.file_info(from).await;
        }
        let copied = self.backend.copy_file(&source.full, &target.full, overwrite).await;
        let mut info = self.of_two(from, to, copied)?;
        info.path = target.asked;
        Ok(info)
    }

    /// Moves a file. A move onto itself does nothing.
    pub async fn move_file(&self, from: &str, to: &str, overwrite: bool) -> Result<()> {
        let source = self.file(from, Capability::Move)?;
        let target = self.file(to, Capability::Move)?;
        if source.full == target.full {
            return self.file_info(from).await.map(drop);
        }
        let moved = self.backend.move_file(&source.full, &target.full, overwrite).await;
        self.of_two(from, to, moved)
    }

    /// Tries whether the storage answers.
    pub async fn ping(&self) -> Result<()> {
        self.at("", self.backend.ping().await)
    }

    /// Waits for work still under way, such as taking back dropped writers. The store stays usable.
    pub async fn close(&self) -> Result<()> {
        if self.child {
            return Ok(());
        }
        self.at("", self.backend.close().await)
    }

    pub(crate) fn demand(&self, path: &str, capability: Capability) -> Result<()> {
        if self.supports(capability) {
            return Ok(());
        }
        Err(Error::lacking(capability).located(path, self.name()))
    }

    pub(crate) fn target(&self, path: &str, capability: Capability) -> Result<Target> {
        self.demand(path, capability)?;
        let asked = self.at(path, StorePath::parse(path))?;
        Ok(Target { full: self.at(path, self.full(&asked))?, asked })
    }

    /// Returns a path as the backend knows it, unless it is the store's own.
    pub(crate) fn full(&self, asked: &StorePath) -> Result<StorePath> {
        let full = self.prefix.join(asked);
        own_names::check(&full).map(|()| full)
    }

    pub(crate) fn file(&self, path: &str, capability: Capability) -> Result<Target> {
        let target = self.target(path, capability)?;
        if target.asked.is_root() {
            return Err(self.refuse(path, ErrorKind::InvalidPath, "the path must not be empty"));
        }
        Ok(target)
    }

    pub(crate) fn refuse(&self, path: &str, kind: ErrorKind, message: &'static str) -> Error {
        Error::new(kind, message).located(path, self.name())
    }

    pub(crate) fn at<T>(&self, path: &str, result: Result<T>) -> Result<T> {
        result.map_err(|error| error.located(path, self.name()))
    }

    /// Tells `from` where the source is missing and `to` for everything else.
    fn of_two<T>(&self, from: &str, to: &str, result: Result<T>) -> Result<T> {
        result.map_err(|error| {
            let path = if error.kind() == ErrorKind::NotFound { from } else { to };
            error.located(path, self.name())
        })
    }
}

/// A path as it was asked for, and as the backend knows it.
pub(crate) struct Target {
    pub(crate) asked: StorePath,
    pub(crate) full: StorePath,
}

fn forgive(result: Result<()>, missing_ok: bool) -> Result<()> {
    match result {
        Err(error) if missing_ok && error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

impl Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("backend", &self.backend).field("prefix", &self.prefix).finish()
    }
}
