//! What stands in front of a store and changes how it is asked, not what it holds: one place through which every step goes.

mod cache;
mod limit;
mod observe;
mod rate;
mod retry;
mod timeout;

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

pub use self::cache::CacheOptions;
pub use self::observe::Observation;
pub use self::rate::RateOptions;
pub(crate) use self::retry::unit_random;
pub use self::timeout::Timeouts;
use crate::backend::{Backend, BoxFuture, BoxStream, WriteSink};
use crate::capability::CapabilitySet;
use crate::error::Result;
use crate::info::{Entry, FileInfo, ListOptions, ReadOptions, WriteOptions};
use crate::path::StorePath;
use crate::presign::PresignOptions;
use crate::read::Read;
use crate::secret::Secret;
use crate::store::Store;

/// A step of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Opening a file for reading.
    Read,
    /// Giving a chunk of a file that is read.
    ReadChunk,
    /// Beginning a file.
    OpenWrite,
    /// Taking a chunk of a file that is written.
    Write,
    /// Making a written file visible.
    Finish,
    /// Looking at a path.
    Stat,
    /// Giving a batch of a listing.
    List,
    /// Deleting a file.
    Delete,
    /// Deleting a folder.
    DeleteFolder,
    /// Copying a file.
    Copy,
    /// Moving a file.
    Move,
    /// Asking whether the storage answers.
    Ping,
}

/// One way to stand in front of a store.
pub(crate) trait Layer: Debug + Send + Sync + 'static {
    /// Does a step that is done once.
    fn step<'a, T: Send + 'a>(
        &'a self,
        op: Op,
        path: &'a StorePath,
        step: BoxFuture<'a, Result<T>>,
    ) -> BoxFuture<'a, Result<T>>;

    /// Does a step that may be begun again.
    fn call<'a, T: Send + 'a>(
        &'a self,
        op: Op,
        path: &'a StorePath,
        begin: impl Fn() -> BoxFuture<'a, Result<T>> + Send + Sync + 'a,
    ) -> BoxFuture<'a, Result<T>> {
        self.step(op, path, begin())
    }

    /// Stands in front of an open file.
    fn stream(self: &Arc<Self>, _inner: &Arc<dyn Backend>, opened: Opened, read: Read) -> Read {
        let layer = Arc::clone(self);
        let (info, range) = (read.info().clone(), read.range());
        let chunks = stream::unfold(Some(read), move |read| {
            let (layer, path) = (Arc::clone(&layer), opened.path.clone());
            async move {
                let mut read = read?;
                let next = layer.step(Op::ReadChunk, &path, Box::pin(read.next_chunk())).await;
                match next.transpose()? {
                    Ok(chunk) => Some((Ok(chunk), Some(read))),
                    Err(error) => Some((Err(error), None)),
                }
            }
        });
        Read::new(info, range, chunks)
    }

    /// Gives a chunk to a file in the making.
    fn write<'a>(
        &'a self,
        path: &'a StorePath,
        sink: &'a mut Box<dyn WriteSink>,
        chunk: Bytes,
    ) -> BoxFuture<'a, Result<()>> {
        self.step(Op::Write, path, sink.write(chunk))
    }
}

/// What was asked for when a file was opened.
pub(crate) struct Opened {
    pub(crate) path: StorePath,
    pub(crate) options: ReadOptions,
}

/// A backend with a layer in front.
pub(crate) struct Layered<L> {
    inner: Arc<dyn Backend>,
    layer: Arc<L>,
}

impl Store {
    pub(crate) fn layered<L: Layer>(self, layer: L) -> Self {
        let layer = Arc::new(layer);
        self.replaced(|inner| Arc::new(Layered { inner, layer }))
    }
}

impl<L: Layer> Debug for Layered<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Layered").field(&self.layer).field(&self.inner).finish()
    }
}

impl<L: Layer> Backend for Layered<L> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn capabilities(&self) -> CapabilitySet {
        self.inner.capabilities()
    }

    fn inner(&self) -> Option<&dyn Backend> {
        Some(&*self.inner)
    }

    fn read<'a>(&'a self, path: &'a StorePath, options: &'a ReadOptions) -> BoxFuture<'a, Result<Read>> {
        Box::pin(async move {
            let read = self.layer.call(Op::Read, path, move || self.inner.read(path, options)).await?;
            let opened = Opened { path: path.clone(), options: options.clone() };
            Ok(self.layer.stream(&self.inner, opened, read))
        })
    }

    fn open_write<'a>(
        &'a self,
        path: &'a StorePath,
        options: &'a WriteOptions,
    ) -> BoxFuture<'a, Result<Box<dyn WriteSink>>> {
        Box::pin(async move {
            let sink =
                self.layer.call(Op::OpenWrite, path, move || self.inner.open_write(path, options)).await?;
            let layer = Arc::clone(&self.layer);
            Ok(Box::new(LayeredSink { sink, layer, path: path.clone() }) as Box<dyn WriteSink>)
        })
    }

    fn stat<'a>(&'a self, path: &'a StorePath) -> BoxFuture<'a, Result<Entry>> {
        self.layer.call(Op::Stat, path, move || self.inner.stat(path))
    }

    fn list(&self, path: &StorePath, options: ListOptions) -> BoxStream<'static, Result<Vec<Entry>>> {
        let (layer, path) = (Arc::clone(&self.layer), path.clone());
        let batches = self.inner.list(&path, options);
        Box::pin(stream::unfold(Some(batches), move |batches| {
            let (layer, path) = (Arc::clone(&layer), path.clone());
            async move {
                let mut batches = batches?;
                let next = async { batches.next().await.transpose() };
                match layer.step(Op::List, &path, Box::pin(next)).await.transpose()? {
                    Ok(batch) => Some((Ok(batch), Some(batches))),
                    Err(error) => Some((Err(error), None)),
                }
            }
        }))
    }

    fn delete<'a>(&'a self, path: &'a StorePath) -> BoxFuture<'a, Result<()>> {
        self.layer.call(Op::Delete, path, move || self.inner.delete(path))
    }

    fn delete_folder<'a>(&'a self, path: &'a StorePath, recursive: bool) -> BoxFuture<'a, Result<()>> {
        self.layer.call(Op::DeleteFolder, path, move || self.inner.delete_folder(path, recursive))
    }

    fn copy_file<'a>(
        &'a self,
        from: &'a StorePath,
        to: &'a StorePath,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        self.layer.call(Op::Copy, from, move || self.inner.copy_file(from, to, overwrite))
    }

    fn move_file<'a>(
        &'a self,
        from: &'a StorePath,
        to: &'a StorePath,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<()>> {
        self.layer.call(Op::Move, from, move || self.inner.move_file(from, to, overwrite))
    }

    fn presign_read<'a>(
        &'a self,
        path: &'a StorePath,
        options: &'a PresignOptions,
    ) -> BoxFuture<'a, Result<Option<Secret>>> {
        self.inner.presign_read(path, options)
    }

    fn native_path(&self, path: &StorePath) -> String {
        self.inner.native_path(path)
    }

    fn path_of_native(&self, native: &str) -> Option<StorePath> {
        self.inner.path_of_native(native)
    }

    fn ping(&self) -> BoxFuture<'_, Result<()>> {
        static ROOT: StorePath = StorePath::ROOT;
        self.layer.call(Op::Ping, &ROOT, move || self.inner.ping())
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        self.inner.close()
    }
}

struct LayeredSink<L> {
    sink: Box<dyn WriteSink>,
    layer: Arc<L>,
    path: StorePath,
}

impl<L: Layer> WriteSink for LayeredSink<L> {
    fn write(&mut self, chunk: Bytes) -> BoxFuture<'_, Result<()>> {
        self.layer.write(&self.path, &mut self.sink, chunk)
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<FileInfo>> {
        Box::pin(async move {
            let Self { sink, layer, path } = *self;
            layer.step(Op::Finish, &path, sink.finish()).await
        })
    }

    fn abort(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        self.sink.abort()
    }
}
