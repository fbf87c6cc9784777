//! A store on Azure Data Lake Storage Gen2, over its own endpoint.
//!
//! A file is made under a hidden name and renamed into place: the service can make a file that nobody has yet, but it would be
//! seen empty, and then growing. The rename is one step, refuses a taken name where that is asked for, and keeps the tag, by
//! which a rename is known again whose answer was lost.
//!
//! `filesystem` has the verbs of the service, `sink` makes files, `walk` lists, `sweep` takes away what crashes have left.

mod filesystem;
mod sink;
mod sweep;
mod walk;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::StatusCode;
use longshore_flow::Tasks;

use self::filesystem::{Filesystem, Rename, entry_of};
use self::sink::AdlsSink;
use crate::azure::endpoint::{Failure, SharedEndpoint};
use crate::backend::{Backend, BoxFuture, BoxStream, WriteSink};
use crate::capability::{Capability, CapabilitySet};
use crate::error::{Error, ErrorKind, Result};
use crate::info::{ByteRange, Entry, FileInfo, FolderInfo, ListOptions, ReadOptions, WriteOptions};
use crate::object::answer::{chunks, given};
use crate::object::error::unexpected;
use crate::object::{Limits, Span};
use crate::path::StorePath;
use crate::read::Read;

/// How often something is tried whose ground others keep changing.
const TRIES: usize = 4;

/// What all work on one filesystem shares.
#[derive(Debug)]
struct Shared {
    filesystem: Filesystem,
    limits: Limits,
    /// Where what was written is taken back, and what must come to its end runs.
    tasks: Tasks,
    /// Whether somebody has begun to sweep up.
    swept: AtomicBool,
}

/// The backend over the Data Lake endpoint.
#[derive(Debug)]
pub(crate) struct Adls(Arc<Shared>);

fn is_a_folder() -> Error {
    Error::new(ErrorKind::InvalidPath, "this is a folder")
}

impl Shared {
    /// Begins to sweep up what crashes have left, at the first call. Nobody waits for it but `close`.
    fn sweep(self: &Arc<Self>) {
        if self.swept.swap(true, Ordering::Relaxed) {
            return;
        }
        let shared = Arc::clone(self);
        drop(self.tasks.spawn(async move {
            // What cannot be deleted now, or by us, is seen by nobody; the next store tries again.
            sweep::sweep(&shared.filesystem).await.ok();
        }));
    }

    /// Returns what is known of a file.
    async fn file(&self, path: &StorePath, if_match: Option<&str>) -> Result<FileInfo> {
        match self.filesystem.head(path, if_match).await? {
            Entry::File(file) => Ok(file),
            Entry::Folder(_) => Err(is_a_folder()),
        }
    }

    /// Refuses what cannot be written, before many bytes are spent on it. The rename decides.
    async fn check_target(&self, path: &StorePath, overwrite: bool) -> Result<()> {
        match self.file(path, None).await {
            Ok(_) if overwrite => Ok(()),
            Ok(_) => Err(Error::new(ErrorKind::AlreadyExists, "the file already exists")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Renames a file, whose tag is known, into a place that may lack its folders.
    async fn publish(&self, from: &str, tag: Option<&str>, to: &StorePath, overwrite: bool) -> Result<()> {
        for _ in 0..TRIES {
            let rename = Rename { from, from_tag: tag, to, overwrite };
            let Err(failure) = self.filesystem.rename(rename).await else {
                return Ok(());
            };
            if failure.is("RenameDestinationParentPathNotFound") {
                self.filesystem.make_folder(to.split().0).await?;
                continue;
            }
            // Its answer may have been lost, and then it was sent again and found the source gone.
            let may_be_done = matches!(failure, Failure::Lost(_)) || failure.is("SourcePathNotFound");
            if may_be_done
                && tag.is_some()
                && let Ok(found) = self.file(to, None).await
                && found.etag.as_deref() == tag
            {
                return Ok(());
            }
            return Err(self.refused(failure, to, overwrite).await);
        }
        Err(Error::new(ErrorKind::Unavailable, "the folder keeps disappearing"))
    }

    /// Tells what is in the way of a rename.
    async fn refused(&self, failure: Failure, to: &StorePath, overwrite: bool) -> Error {
        if failure.is("SourceConditionNotMet") {
            return Error::new(ErrorKind::Unavailable, "the file was replaced while it was moved");
        }
        if !matches!(failure.status(), Some(StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED)) {
            return failure.into();
        }
        match self.check_target(to, overwrite).await {
            Err(error) => error,
            Ok(()) => failure.into(),
        }
    }

    async fn read(&self, path: &StorePath, options: &ReadOptions) -> Result<Read> {
        let if_match = options.if_match.as_deref();
        let range = match options.range {
            ByteRange::All => None,
            ByteRange::Between(first, end) if first < end => Some(Span::Between(first, end)),
            ByteRange::From(first) => Some(Span::From(first)),
            // The service knows neither an empty range nor one from the end, and has to be asked how long the file is.
            ByteRange::Between(..) | ByteRange::Last(_) => return self.read_known(path, options).await,
        };
        let response = match self.filesystem.read(path, range.as_ref(), if_match).await {
            Ok(response) => response,
            // The range lies past the end.
            Err(failure) if failure.status() == Some(StatusCode::RANGE_NOT_SATISFIABLE) => {
                return self.read_known(path, options).await;
            }
            Err(failure) => return Err(failure.into()),
        };
        let Entry::File(info) = entry_of(path, response.headers())? else {
            return Err(is_a_folder());
        };
        match given(response.status(), response.headers(), range.as_ref())? {
            Some((range, size)) => {
                Ok(Read::new(FileInfo { size, ..info }, range, chunks(response.into_body())))
            }
            None => self.read_known(path, options).await,
        }
    }

    /// Looks at a file first, and then reads of that content.
    async fn read_known(&self, path: &StorePath, options: &ReadOptions) -> Result<Read> {
        let mut if_match = options.if_match.clone();
        for _ in 0..TRIES {
            let info = self.file(path, if_match.as_deref()).await?;
            let range = options.range.within(info.size);
            if range.is_empty() {
                return Ok(Read::new(info, range, futures_util::stream::empty()));
            }
            let asked = Some(&Span::Between(range.start, range.end));
            match self.filesystem.read(path, asked, info.etag.as_deref()).await {
                Ok(response) => {
                    let given = given(response.status(), response.headers(), asked)?;
                    if given != Some((range.clone(), info.size)) {
                        return Err(unexpected("bytes of another content than was looked at"));
                    }
                    return Ok(Read::new(info, range, chunks(response.into_body())));
                }
                // Replaced since it was looked at.
                Err(failure)
                    if options.if_match.is_none()
                        && failure.status() == Some(StatusCode::PRECONDITION_FAILED) =>
                {
                    if_match = None;
                }
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "the file keeps changing"))
    }
}

impl Adls {
    pub(crate) const NAME: &str = "adls";

    /// What this can do.
    ///
    /// Whether a read goes on with the content it began with is not promised by the service.
    pub(crate) const CAPABILITIES: CapabilitySet =
        CapabilitySet::of(Capability::ALL).without(Capability::SnapshotRead);

    pub(crate) fn new(endpoint: SharedEndpoint, filesystem: String, limits: Limits) -> Self {
        let filesystem = Filesystem { endpoint, name: filesystem };
        Self(Arc::new(Shared { filesystem, limits, tasks: Tasks::new(), swept: AtomicBool::new(false) }))
    }

    fn sink(&self, path: &StorePath, options: &WriteOptions) -> Box<AdlsSink> {
        Box::new(AdlsSink::new(Arc::clone(&self.0), path.clone(), options.clone()))
    }
}

impl Backend for Adls {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn capabilities(&self) -> CapabilitySet {
        Self::CAPABILITIES
    }

    fn read<'a>(&'a self, path: &'a StorePath, options: &'a ReadOptions) -> BoxFuture<'a, Result<Read>> {
        Box::pin(self.0.read(path, options))
    }

    fn open_write<'a>(
        &'a self,
        path: &'a StorePath,
        options: &'a WriteOptions,
    ) -> BoxFuture<'a, Result<Box<dyn WriteSink>>> {
        let sink: Box<dyn WriteSink> = self.sink(path, options);
        Box::pin(std::future::ready(Ok(sink)))
    }

    fn stat<'a>(&'a self, path: &'a StorePath) -> BoxFuture<'a, Result<Entry>> {
        Box::pin(async move {
            if path.is_root() {
                return Ok(Entry::Folder(FolderInfo { path: StorePath::ROOT }));
            }
            Ok(self.0.filesystem.head(path, None).await?)
        })
    }

    fn list(&self, path: &StorePath, options: ListOptions) -> BoxStream<'static, Result<Vec<Entry>>> {
        walk::walk(self.0.filesystem.clone(), path.clone(), options)
    }

    fn delete<'a>(&'a self, path: &'a StorePath) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            // The service would delete an empty folder all the same.
            self.0.file(path, None).await?;
            match self.0.filesystem.delete(path, None).await {
                // A folder that took the file's place meanwhile.
                Err(failure) if failure.is("DirectoryNotEmpty") => Err(is_a_folder()),
                deleted => Ok(deleted?),
            }
        })
    }

    fn delete_folder<'a>(&'a self, path: &'a StorePath, recursive: bool) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            if let Entry::File(_) = self.0.filesystem.head(path, None).await? {
                return Err(Error::new(ErrorKind::InvalidPath, "this is a file"));
            }
            Ok(self.0.filesystem.delete(path, Some(recursive)).await?)
        })
    }

    /// The service has no copy: the content goes through here, bounded as any stream, and appears as any written file.
    fn copy_file<'a>(
        &'a self,
        from: &'a StorePath,
        to: &'a StorePath,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        Box::pin(async move {
            let mut source = self.0.read(from, &ReadOptions::default()).await?;
            self.0.check_target(to, overwrite).await?;
            let info = source.info();
            let (media_type, metadata) = (info.media_type.clone(), info.metadata.clone());
            let mut sink = self.sink(to, &WriteOptions { overwrite, media_type, metadata });
            while let Some(chunk) = source.next_chunk().await? {
                sink.write(chunk).await?;
            }
            let sink: Box<dyn WriteSink> = sink;
            sink.finish().await
        })
    }

    fn move_file<'a>(
        &'a self,
        from: &'a StorePath,
        to: &'a StorePath,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let source = self.0.file(from, None).await?;
            self.0.publish(from, source.etag.as_deref(), to, overwrite).await
        })
    }

    fn ping(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.0.filesystem.look().await?;
            self.0.sweep();
            Ok(())
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.0.tasks.close().await;
            Ok(())
        })
    }
}
