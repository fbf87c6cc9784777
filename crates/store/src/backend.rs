//! What a backend does. A store is one of these and a prefix.

use std::any::Any;
use std::fmt::Debug;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;

use crate::capability::CapabilitySet;
use crate::error::Result;
use crate::info::{Entry, FileInfo, ListOptions, ReadOptions, WriteOptions};
use crate::path::StorePath;
use crate::presign::PresignOptions;
use crate::read::Read;
use crate::secret::Secret;

/// A future on the heap.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A stream on the heap.
pub type BoxStream<'a, T> = Pin<Box<dyn Stream<Item = T> + Send + 'a>>;

/// A place where files are kept.
///
/// [`Store`](crate::Store) checks paths and capabilities before it calls, and adds path and backend to errors
/// afterwards. The rules of every verb stand there; `testing::conformance` tests them. Nothing
/// happens before a future is polled, and a dropped one leaves no half-visible state.
pub trait Backend: Any + Debug + Send + Sync {
    /// Returns the name of this kind of backend, for errors and logs.
    fn name(&self) -> &'static str;

    /// Returns what this backend is known to be able to do. That grows at most once, where a service had to be asked: the
    /// first `ping`, or the first write that relies on it, may add to it. Nothing is ever taken away.
    fn capabilities(&self) -> CapabilitySet;

    /// Opens a file for reading. `NotFound` and `PreconditionFailed` come now, not with the first chunk.
    fn read<'a>(&'a self, path: &'a StorePath, options: &'a ReadOptions) -> BoxFuture<'a, Result<Read>>;

    /// Begins a file. It is not visible until [`WriteSink::finish`].
    fn open_write<'a>(
        &'a self,
        path: &'a StorePath,
        options: &'a WriteOptions,
    ) -> BoxFuture<'a, Result<Box<dyn WriteSink>>>;

    /// Looks at what stands at a path; `NotFound` if nothing does. The root is a folder.
    fn stat<'a>(&'a self, path: &'a StorePath) -> BoxFuture<'a, Result<Entry>>;

    /// Lists a folder, in batches of bounded size and any order. A missing folder is empty.
    fn list(&self, path: &StorePath, options: ListOptions) -> BoxStream<'static, Result<Vec<Entry>>>;

    /// Deletes a file; `NotFound` if there is none.
    fn delete<'a>(&'a self, path: &'a StorePath) -> BoxFuture<'a, Result<()>>;

    /// Deletes a folder, with what is in it if `recursive`; `NotFound` if there is none.
    fn delete_folder<'a>(&'a self, path: &'a StorePath, recursive: bool) -> BoxFuture<'a, Result<()>>;

    /// Copies a file.
    fn copy_file<'a>(
        &'a self,
        from: &'a StorePath,
        to: &'a StorePath,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<FileInfo>>;

    /// Moves a file.
    fn move_file<'a>(
        &'a self,
        from: &'a StorePath,
        to: &'a StorePath,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<()>>;

    /// Returns a URL at which anybody can read the file, or nothing where the storage gives none.
    fn presign_read<'a>(
        &'a self,
        _path: &'a StorePath,
        _options: &'a PresignOptions,
    ) -> BoxFuture<'a, Result<Option<Secret>>> {
        Box::pin(async { Ok(None) })
    }

    /// Returns the backend that this one stands in front of, if it does.
    fn inner(&self) -> Option<&dyn Backend> {
        None
    }

    /// Returns how the storage itself names a path.
    fn native_path(&self, path: &StorePath) -> String {
        path.as_str().to_owned()
    }

    /// Returns the path of what the storage itself names so, or nothing if it does not lie here.
    fn path_of_native(&self, native: &str) -> Option<StorePath> {
        StorePath::parse(native).ok()
    }

    /// Tries whether the storage answers.
    fn ping(&self) -> BoxFuture<'_, Result<()>>;

    /// Waits for work still under way.
    fn close(&self) -> BoxFuture<'_, Result<()>>;
}

/// A file that is being written. Dropping it takes back what was written.
///
/// [`Writer`](crate::Writer) stands in front of it: after an error or a dropped `write` future, no call but
/// `abort` follows.
pub trait WriteSink: Send {
    /// Takes the next bytes; waits while earlier ones are still on their way, so that memory stays bounded.
    fn write(&mut self, chunk: Bytes) -> BoxFuture<'_, Result<()>>;

    /// Makes the file visible, as a whole, and as durable as the backend promises.
    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<FileInfo>>;

    /// Takes back what was written, and waits until that is done.
    fn abort(self: Box<Self>) -> BoxFuture<'static, Result<()>>;
}
