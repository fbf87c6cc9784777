//! Files and folders over an object service, which knows keys alone. What differs from service to service is [`Service`];
//! all rules of a [`Store`](crate::Store) are kept here.
//!
//! A folder is where a key lies below it, or a marker: an empty object whose key ends with `/`. None are made here, those of
//! others are heeded.

mod again;
pub(crate) mod answer;
pub(crate) mod error;
mod list;
mod parts;
pub(crate) mod request;
mod service;
mod sink;

use std::sync::Arc;

use futures_util::stream;
use longshore_flow::Tasks;

pub(crate) use self::again::again;
use self::list::{below, is_folder, page};
use self::parts::{Shared, Upload};
pub(crate) use self::service::{Copied, Limits, ListAsk, Opened, Page, Service, Span, UploadId};
use self::sink::ObjectSink;
use crate::backend::{Backend, BoxFuture, BoxStream, WriteSink};
use crate::capability::CapabilitySet;
use crate::error::{Error, ErrorKind, Result};
use crate::info::{ByteRange, Entry, FileInfo, FolderInfo, ListOptions, ReadOptions, WriteOptions};
use crate::path::StorePath;
use crate::presign::PresignOptions;
use crate::read::Read;
use crate::secret::Secret;

/// The backend over a service.
#[derive(Debug)]
pub(crate) struct Objects<S>(Arc<Shared<S>>);

impl<S: Service> Objects<S> {
    pub(crate) fn new(service: S) -> Self {
        Self(Arc::new(Shared { service, tasks: Tasks::new() }))
    }

    fn service(&self) -> &S {
        &self.0.service
    }

    /// Looks at what stands at a path.
    async fn look(&self, path: &StorePath) -> Result<Entry> {
        match self.service().head(path).await {
            Ok(info) => Ok(Entry::File(FileInfo { path: path.clone(), ..info })),
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Err(error) => {
                let is_folder = is_folder(self.service(), path).await?;
                if is_folder { Ok(Entry::Folder(FolderInfo { path: path.clone() })) } else { Err(error) }
            }
        }
    }

    /// Looks at a file; `InvalidPath` where a folder stands.
    async fn file(&self, path: &StorePath) -> Result<FileInfo> {
        match self.look(path).await? {
            Entry::File(info) => Ok(info),
            Entry::Folder(_) => Err(this_is_a_folder()),
        }
    }

    /// Opens a file after a look at it, for a range that the service did not take: mostly no bytes are wanted, or none are there.
    async fn read_after_look(&self, path: &StorePath, options: &ReadOptions) -> Result<Read> {
        let info = self.file(path).await?;
        if options.if_match.is_some() && options.if_match != info.etag {
            return Err(Error::new(ErrorKind::PreconditionFailed, "the file has changed"));
        }
        let range = options.range.within(info.size);
        if range.is_empty() {
            return Ok(Read::new(info, range, stream::empty()));
        }
        let span = Some(Span::Between(range.start, range.end));
        match self.service().get(path, span, info.etag.as_deref()).await? {
            Some(opened) => Ok(opened.into_read(path)),
            None => Err(Error::new(ErrorKind::Unavailable, "the file has just become shorter")),
        }
    }

    async fn open(&self, path: &StorePath, options: &ReadOptions) -> Result<Read> {
        let span = match options.range {
            ByteRange::All | ByteRange::From(0) => None,
            ByteRange::Between(start, end) if start < end => Some(Span::Between(start, end)),
            ByteRange::From(start) => Some(Span::From(start)),
            ByteRange::Last(count) if count > 0 => Some(Span::Last(count)),
            ByteRange::Between(..) | ByteRange::Last(_) => return self.read_after_look(path, options).await,
        };
        match self.service().get(path, span, options.if_match.as_deref()).await {
            Ok(Some(opened)) => Ok(opened.into_read(path)),
            Ok(None) => self.read_after_look(path, options).await,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(if is_folder(self.service(), path).await? { this_is_a_folder() } else { error })
            }
            Err(error) => Err(error),
        }
    }

    async fn copy(&self, from: &StorePath, to: &StorePath, overwrite: bool) -> Result<FileInfo> {
        let source = self.file(from).await?;
        self.copy_of(source, from, to, overwrite).await?;
        self.file(to).await
    }

    /// Copies what was looked at before, and nothing else.
    async fn copy_of(
        &self,
        source: FileInfo,
        from: &StorePath,
        to: &StorePath,
        overwrite: bool,
    ) -> Result<()> {
        if !overwrite && exists_at(self.service(), to).await? {
            return Err(already_exists());
        }
        match self.service().copy(from, to, &source, overwrite).await? {
            Copied::Done => Ok(()),
            Copied::InParts => self.copy_in_parts(from, to, source, overwrite).await,
        }
    }

    /// Deletes what was copied, unless somebody has changed it meanwhile: that is nowhere else.
    async fn delete_copied(&self, from: &StorePath, tag: Option<&str>) -> Result<()> {
        let now = match self.service().head(from).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            now => now?,
        };
        if now.etag.as_deref() != tag {
            return Err(stands_twice());
        }
        let Some(tag) = tag else {
            return self.service().delete(vec![from.as_str().to_owned()]).await;
        };
        match again(true, || self.service().delete_unchanged(from, tag)).await {
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => {
                // Of a file that is not there some say that it does not match.
                let is_there = exists_at(self.service(), from).await?;
                if is_there { Err(stands_twice().with_source(error)) } else { Ok(()) }
            }
            deleted => deleted,
        }
    }

    async fn copy_in_parts(
        &self,
        from: &StorePath,
        to: &StorePath,
        source: FileInfo,
        overwrite: bool,
    ) -> Result<()> {
        let options = WriteOptions {
            overwrite,
            media_type: source.media_type.clone(),
            metadata: source.metadata.clone(),
        };
        if source.size == 0 {
            return again(overwrite, || self.service().put(to, Vec::new(), &options)).await.map(drop);
        }
        let limits = self.service().limits();
        let mut upload = Upload::begin(&self.0, to, &options).await?;
        let (mut start, size) = (0, source.size);
        let source = Arc::new(source);
        while start < size {
            let end = size.min(start + limits.copy_part);
            upload.wait_until(limits.parts_in_flight.saturating_sub(1), usize::MAX).await?;
            let (from, source) = (from.clone(), Arc::clone(&source));
            upload.start(0, |shared, id, number| async move {
                again(true, || shared.service.copy_part(&id, number, &from, &source, start..end)).await
            });
            start = end;
        }
        upload.complete(options).await.map(drop)
    }

    /// Looks at what lies below a folder, until it is known whether there is anything but the folder's own marker.
    async fn content_of(&self, prefix: &str) -> Result<Content> {
        let mut ask = ListAsk { prefix: prefix.to_owned(), most: Some(2), ..ListAsk::default() };
        let mut found = Content::default();
        loop {
            let page = page(self.service(), &ask).await?;
            found.has_marker |= page.objects.iter().any(|(key, _)| key == prefix);
            found.has_more = page.objects.iter().any(|(key, _)| key != prefix);
            // A page may be empty, or have the marker alone, and yet not be the last.
            match page.token {
                Some(token) if !found.has_more => ask.token = Some(token),
                _ => return Ok(found),
            }
        }
    }

    async fn delete_below(&self, path: &StorePath, recursive: bool) -> Result<()> {
        let prefix = below(path);
        let content = self.content_of(&prefix).await?;
        if !content.has_marker && !content.has_more {
            // Told apart: a file, and nothing at all.
            self.service().head(path).await?;
            return Err(Error::new(ErrorKind::InvalidPath, "this is a file"));
        }
        if !recursive && content.has_more {
            return Err(Error::new(ErrorKind::DirectoryNotEmpty, "the folder is not empty"));
        }
        if !recursive {
            // Nothing else, whatever has come below it meanwhile.
            return self.service().delete(vec![prefix]).await;
        }
        let batch = self.service().limits().delete_batch.max(1);
        let mut ask = ListAsk { prefix, ..ListAsk::default() };
        loop {
            let page = page(self.service(), &ask).await?;
            let keys: Vec<_> = page.objects.into_iter().map(|(key, _)| key).collect();
            for keys in keys.chunks(batch) {
                self.service().delete(keys.to_vec()).await?;
            }
            match page.token {
                Some(token) => ask.token = Some(token),
                None => return Ok(()),
            }
        }
    }
}

/// What lies below a folder.
#[derive(Default)]
struct Content {
    has_marker: bool,
    has_more: bool,
}

fn this_is_a_folder() -> Error {
    Error::new(ErrorKind::InvalidPath, "this is a folder")
}

/// Returns whether a segment of a key is `.` or `..`, which no address of ours can have: it would name something else.
pub(crate) fn has_dots(key: &str) -> bool {
    key.split('/').any(|segment| matches!(segment, "." | ".."))
}

pub(crate) fn unaddressable() -> Error {
    Error::new(ErrorKind::InvalidPath, "a name with a segment of dots cannot be said to the service")
}

fn stands_twice() -> Error {
    let message =
        "the file changed while it was moved: it stands at both places, and the change at the old one alone";
    Error::new(ErrorKind::PreconditionFailed, message)
}

fn already_exists() -> Error {
    Error::new(ErrorKind::AlreadyExists, "the file already exists")
}

/// Returns whether a file stands at a key.
async fn exists_at<S: Service>(service: &S, key: &str) -> Result<bool> {
    match service.head(key).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns whether the service itself refuses to replace a file. Where it does not we look, which is no protection from others
/// who write the same file at the same time.
async fn refuse_taken<S: Service>(service: &S, key: &str) -> Result<bool> {
    let is_kept = service.can_create().await?;
    if !is_kept && exists_at(service, key).await? {
        return Err(already_exists());
    }
    Ok(is_kept)
}

impl<S: Service> Backend for Objects<S> {
    fn name(&self) -> &'static str {
        self.service().name()
    }

    fn capabilities(&self) -> CapabilitySet {
        self.service().capabilities()
    }

    fn read<'a>(&'a self, path: &'a StorePath, options: &'a ReadOptions) -> BoxFuture<'a, Result<Read>> {
        Box::pin(self.open(path, options))
    }

    fn open_write<'a>(
        &'a self,
        path: &'a StorePath,
        options: &'a WriteOptions,
    ) -> BoxFuture<'a, Result<Box<dyn WriteSink>>> {
        let sink = ObjectSink::new(Arc::clone(&self.0), path.clone(), options.clone());
        Box::pin(async move { Ok(Box::new(sink) as Box<dyn WriteSink>) })
    }

    fn stat<'a>(&'a self, path: &'a StorePath) -> BoxFuture<'a, Result<Entry>> {
        Box::pin(self.look(path))
    }

    fn list(&self, path: &StorePath, options: ListOptions) -> BoxStream<'static, Result<Vec<Entry>>> {
        list::list(Arc::clone(&self.0), path, options)
    }

    fn delete<'a>(&'a self, path: &'a StorePath) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.file(path).await?;
            self.service().delete(vec![path.as_str().to_owned()]).await
        })
    }

    fn delete_folder<'a>(&'a self, path: &'a StorePath, recursive: bool) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.delete_below(path, recursive))
    }

    fn copy_file<'a>(
        &'a self,
        from: &'a StorePath,
        to: &'a StorePath,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        Box::pin(self.copy(from, to, overwrite))
    }

    fn move_file<'a>(
        &'a self,
        from: &'a StorePath,
        to: &'a StorePath,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let source = self.file(from).await?;
            let tag = source.etag.clone();
            self.copy_of(source, from, to, overwrite).await?;
            self.delete_copied(from, tag.as_deref()).await
        })
    }

    fn presign_read<'a>(
        &'a self,
        path: &'a StorePath,
        options: &'a PresignOptions,
    ) -> BoxFuture<'a, Result<Option<Secret>>> {
        Box::pin(self.service().presign_read(path, options))
    }

    fn native_path(&self, path: &StorePath) -> String {
        format!("{}{path}", self.service().native_prefix())
    }

    fn path_of_native(&self, native: &str) -> Option<StorePath> {
        let key = native.strip_prefix(self.service().native_prefix())?;
        StorePath::parse(key).ok().filter(|path| path.as_str() == key)
    }

    fn ping(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.service().ping())
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.0.tasks.close().await;
            Ok(())
        })
    }
}
