//! The same store for threads that may wait: every verb, streams as iterators, and files as [`std::io`] knows them.
//!
//! ```
//! use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
//!
//! use longshore_store::{List, WriteOptions, blocking};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = blocking::Store::new(longshore_store::Store::memory())?;
//! let mut file = store.open_atomic("logs/today.txt", WriteOptions::default())?;
//! writeln!(file, "first line")?;
//! writeln!(file, "second line")?;
//! assert!(!store.exists("logs/today.txt")?); // it is not there before `finish`
//! file.finish()?;
//!
//! let mut file = store.open_read("logs/today.txt")?;
//! file.seek(SeekFrom::End(-12))?;
//! let mut text = String::new();
//! file.read_to_string(&mut text)?;
//! assert_eq!(text, "second line\n");
//!
//! for file in store.list_files("logs", &List::ALL)? {
//!     assert_eq!(file?.path.as_str(), "logs/today.txt");
//! }
//! # Ok(())
//! # }
//! ```

mod driver;
mod reader;
mod writer;

use std::fmt::{self, Debug};
use std::ops::Range;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::runtime::Handle;

use self::driver::{Driver, Held};
pub use self::reader::Reader;
pub use self::writer::Writer;
use crate::batch::{Outcome, Progress};
use crate::capability::{Capability, CapabilitySet};
use crate::digest::{Algorithm, Digest};
use crate::error::Result;
use crate::info::{
    ByteRange, Entry, FileInfo, FolderInfo, FolderSummary, List, ReadOptions, WriteOptions, WriteResult,
};
use crate::path::StorePath;
use crate::write::Content;

/// A [`Store`](crate::Store) whose verbs wait until they are done. Cloning it is cheap, and clones are the same store.
///
/// It may be used on any thread, also in async code, where it holds up the thread it is called on: better use the async store
/// there, or a blocking task.
#[derive(Clone)]
pub struct Store {
    driver: Driver,
    inner: crate::Store,
}

/// Verbs that wait for the async ones of the same name, and do nothing else.
macro_rules! verbs {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)+) => {
        impl Store {
            $(
                #[doc = concat!("Waits for [`", stringify!($name), "`](crate::Store::", stringify!($name), ").")]
                pub fn $name(&self, $($argument: $type),*) -> Result<$result> {
                    self.driver.wait(self.inner.$name($($argument),*))
                }
            )+
        }
    };
}

verbs! {
    read_bytes(path: &str) -> Bytes;
    read_text(path: &str) -> String;
    read_ranges(path: &str, ranges: &[ByteRange]) -> Vec<Bytes>;
    write(path: &str, content: impl Into<Content>, options: WriteOptions) -> WriteResult;
    write_text(path: &str, text: impl Into<String>, options: WriteOptions) -> WriteResult;
    write_atomic(path: &str, content: impl Into<Content>, options: WriteOptions) -> WriteResult;
    write_with_hash(path: &str, content: impl Into<Content>, algorithm: Algorithm, options: WriteOptions) -> WriteResult;
    checksum(path: &str, algorithm: Algorithm) -> Digest;
    verify(path: &str, digest: &Digest) -> ();
    file_info(path: &str) -> FileInfo;
    head(path: &str) -> WriteResult;
    exists(path: &str) -> bool;
    is_file(path: &str) -> bool;
    is_folder(path: &str) -> bool;
    folder_info(path: &str, max_depth: Option<usize>) -> FolderSummary;
    delete(path: &str, missing_ok: bool) -> ();
    delete_folder(path: &str, recursive: bool, missing_ok: bool) -> ();
    copy_file(from: &str, to: &str, overwrite: bool) -> FileInfo;
    move_file(from: &str, to: &str, overwrite: bool) -> ();
    ping() -> ();
    close() -> ();
}

impl Store {
    /// Makes a blocking store of an async one, with a runtime of its own that its clones, children and open files share.
    ///
    /// Connections that are opened on the way belong to that runtime, so the async store had better not be used on another at the
    /// same time. `Unavailable` where no threads are to be had.
    pub fn new(store: crate::Store) -> Result<Self> {
        Ok(Self { driver: Driver::own()?, inner: store })
    }

    /// Makes a blocking store of an async one, on a runtime of the caller's that outlives it.
    ///
    /// `InvalidInput` for a runtime of the current thread: it does nothing while that thread waits.
    pub fn on(store: crate::Store, runtime: Handle) -> Result<Self> {
        Ok(Self { driver: Driver::of(runtime)?, inner: store })
    }

    /// Returns the async store.
    #[must_use]
    pub const fn as_async(&self) -> &crate::Store {
        &self.inner
    }

    /// Returns the store of the folder `subpath` of this one, as [`child`](crate::Store::child) does.
    pub fn child(&self, subpath: &str) -> Result<Self> {
        Ok(Self { driver: self.driver.clone(), inner: self.inner.child(subpath)? })
    }

    /// Returns the name of the backend.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.inner.name()
    }

    /// Returns what the backend can do.
    #[must_use]
    pub fn capabilities(&self) -> CapabilitySet {
        self.inner.capabilities()
    }

    /// Returns whether the backend has a capability.
    #[must_use]
    pub fn supports(&self, capability: Capability) -> bool {
        self.inner.supports(capability)
    }

    /// Returns how the storage itself names a path.
    pub fn native_path(&self, path: &str) -> Result<String> {
        self.inner.native_path(path)
    }

    /// Returns the path here of what the storage itself names so.
    #[must_use]
    pub fn path_of_native(&self, native: &str) -> Option<StorePath> {
        self.inner.path_of_native(native)
    }

    /// Opens a file for reading, as chunks in order. `NotFound` and `PreconditionFailed` come from this call.
    pub fn read(&self, path: &str, options: ReadOptions) -> Result<Read> {
        let read = self.driver.wait(self.inner.read(path, options))?;
        let (info, range) = (read.info().clone(), read.range());
        Ok(Read { info, range, read: Held::new(self.driver.clone(), read) })
    }

    /// Opens a file for reading anywhere in it.
    ///
    /// What is read is of one content: where the file is replaced meanwhile, reading fails with `PreconditionFailed` instead
    /// (where the backend knows no tags, only if its size has changed).
    pub fn open_read(&self, path: &str) -> Result<Reader> {
        Reader::open(self.clone(), path)
    }

    /// Begins a file. It is not visible until the writer's `finish`.
    pub fn open_write(&self, path: &str, options: WriteOptions) -> Result<Writer> {
        let writer = self.driver.wait(self.inner.open_write(path, options))?;
        Ok(Writer::new(Held::new(self.driver.clone(), writer)))
    }

    /// Begins a file, or is `Unsupported` where it might be seen half-written.
    pub fn open_atomic(&self, path: &str, options: WriteOptions) -> Result<Writer> {
        self.inner.demand(path, Capability::AtomicWrite)?;
        self.open_write(path, options)
    }

    /// Lists the files of a folder. A missing folder is empty.
    pub fn list_files(&self, path: &str, list: &List) -> Result<Each<'static, Result<FileInfo>>> {
        Ok(self.each(self.inner.list_files(path, list)?))
    }

    /// Lists the folders of a folder.
    pub fn list_folders(&self, path: &str, list: &List) -> Result<Each<'static, Result<FolderInfo>>> {
        Ok(self.each(self.inner.list_folders(path, list)?))
    }

    /// Lists the files and folders of a folder.
    pub fn list(&self, path: &str, list: &List) -> Result<Each<'static, Result<Entry>>> {
        Ok(self.each(self.inner.list(path, list)?))
    }

    /// Lists the files whose path matches a pattern, as [`glob`](crate::Store::glob) does.
    pub fn glob(&self, text: &str) -> Result<Each<'static, Result<FileInfo>>> {
        Ok(self.each(self.inner.glob(text)?))
    }

    /// Deletes many files, `at_once` at a time.
    pub fn delete_many<'s>(
        &'s self,
        paths: impl IntoIterator<Item = String, IntoIter: Send> + 's,
        missing_ok: bool,
        at_once: usize,
    ) -> Each<'s, Outcome<()>> {
        self.each(self.inner.delete_many(paths, missing_ok, at_once))
    }

    /// Tells of many paths whether anything stands there, `at_once` at a time.
    pub fn exists_many<'s>(
        &'s self,
        paths: impl IntoIterator<Item = String, IntoIter: Send> + 's,
        at_once: usize,
    ) -> Each<'s, Outcome<bool>> {
        self.each(self.inner.exists_many(paths, at_once))
    }

    /// Copies many files (from, to), `at_once` at a time.
    pub fn copy_many<'s>(
        &'s self,
        pairs: impl IntoIterator<Item = (String, String), IntoIter: Send + 's> + 's,
        overwrite: bool,
        at_once: usize,
    ) -> Each<'s, Outcome<FileInfo>> {
        self.each(self.inner.copy_many(pairs, overwrite, at_once))
    }

    /// Copies a file into another store, or within this one, as [`transfer`](crate::Store::transfer) does.
    pub fn transfer(
        &self,
        from: &str,
        target: &Self,
        to: &str,
        options: WriteOptions,
        progress: impl FnMut(Progress) + Send + 'static,
    ) -> Result<FileInfo> {
        self.driver.wait(self.inner.transfer(from, &target.inner, to, options, progress))
    }

    fn each<'s, T>(&self, stream: impl Stream<Item = T> + Send + 's) -> Each<'s, T> {
        Each(Held::new(self.driver.clone(), Box::pin(stream)))
    }
}

impl Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("blocking::Store").field(&self.inner).finish()
    }
}

/// A stream, one by one: each `next` waits for what comes next. Nothing is done before, and dropping it ends what is under way.
pub struct Each<'s, T>(Held<Pin<Box<dyn Stream<Item = T> + Send + 's>>>);

impl<T> Iterator for Each<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let (driver, stream) = self.0.get()?;
        driver.wait(stream.next())
    }
}

impl<T> Debug for Each<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Each")
    }
}

/// An open file: what is known of it, and the chunks of the bytes asked for, in order.
#[derive(Debug)]
pub struct Read {
    info: FileInfo,
    range: Range<u64>,
    read: Held<crate::Read>,
}

impl Read {
    /// Returns what is known of the file.
    #[must_use]
    pub const fn info(&self) -> &FileInfo {
        &self.info
    }

    /// Returns the offsets of the bytes this gives, after cutting the range to the file.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// Reads everything left into memory.
    pub fn into_bytes(mut self) -> Result<Bytes> {
        match self.read.take() {
            Some((driver, read)) => driver.wait(read.bytes()),
            None => Ok(Bytes::new()),
        }
    }
}

impl Iterator for Read {
    type Item = Result<Bytes>;

    fn next(&mut self) -> Option<Result<Bytes>> {
        let (driver, read) = self.read.get()?;
        driver.wait(read.next())
    }
}
