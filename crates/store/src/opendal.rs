//! A store over an operator of OpenDAL: the way to services that have no backend of their own here (WebDAV, Google Drive,
//! OneDrive, Dropbox and others).
//!
//! Only what every such service keeps is claimed. Whether a write is seen half done, survives a loss of power, or what a dropped
//! one leaves behind is the service's affair, so [`Capability::AtomicWrite`] and its like are lacking.

use std::collections::{HashMap, VecDeque};
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use opendal_core::options::{CopyOptions, ReaderOptions, RenameOptions, WriteOptions as DalWriteOptions};
use opendal_core::{
    ErrorKind as DalErrorKind, Lister, Metadata as DalMetadata, Operator, Writer as DalWriter,
};

use crate::backend::{Backend, BoxFuture, BoxStream, WriteSink};
use crate::capability::{Capability, CapabilitySet};
use crate::error::{Error, ErrorKind, Result};
use crate::info::{Entry, FileInfo, FolderInfo, ListOptions, ReadOptions, WriteOptions};
use crate::path::StorePath;
use crate::read::Read;
use crate::store::Store;

/// How many entries a batch of a listing has.
const BATCH: usize = 256;

impl Store {
    /// Makes a store over an operator of OpenDAL.
    ///
    /// Attempts and time-outs are this crate's: an operator needs no layers of its own. A service that takes a file in one piece
    /// alone (`write_can_multi` is false) is given it so, held in memory as a whole until then. What a dropped writer has sent
    /// to one that takes pieces is left to it: abort the writer to have it taken back.
    ///
    /// The operator's type is OpenDAL's own, and changes as that does.
    #[must_use]
    pub fn from_opendal(operator: Operator) -> Self {
        Self::new(OpenDal(operator))
    }
}

/// The backend over an operator.
#[derive(Debug)]
struct OpenDal(Operator);

fn failed(error: opendal_core::Error) -> Error {
    let (kind, message) = match error.kind() {
        DalErrorKind::NotFound => (ErrorKind::NotFound, "not found"),
        DalErrorKind::AlreadyExists => (ErrorKind::AlreadyExists, "the file already exists"),
        DalErrorKind::PermissionDenied => (ErrorKind::PermissionDenied, "the service does not allow it"),
        DalErrorKind::IsADirectory => (ErrorKind::InvalidPath, "this is a folder"),
        DalErrorKind::NotADirectory => {
            (ErrorKind::InvalidPath, "a file stands where the path needs a folder")
        }
        DalErrorKind::ConditionNotMatch => (ErrorKind::PreconditionFailed, "the file has changed"),
        DalErrorKind::Unsupported => (ErrorKind::Unsupported, "the service cannot do this"),
        DalErrorKind::RateLimited | DalErrorKind::Conflict => {
            (ErrorKind::Unavailable, "the service is busy with others")
        }
        _ if error.is_temporary() => (ErrorKind::Unavailable, "the service does not answer just now"),
        _ => (ErrorKind::Internal, "the service failed"),
    };
    Error::new(kind, message).with_source(error)
}

/// As [`failed`], where nothing may stand: the condition that fails is that.
fn failed_creating(error: opendal_core::Error) -> Error {
    match error.kind() {
        DalErrorKind::ConditionNotMatch => already_exists(),
        _ => failed(error),
    }
}

fn already_exists() -> Error {
    Error::new(ErrorKind::AlreadyExists, "the file already exists")
}

fn this_is_a_folder() -> Error {
    Error::new(ErrorKind::InvalidPath, "this is a folder")
}

/// Returns how a folder is named there.
fn folder(path: &StorePath) -> String {
    if path.is_root() { "/".to_owned() } else { format!("{path}/") }
}

fn info_of(path: StorePath, metadata: &DalMetadata) -> FileInfo {
    let said = metadata
        .user_metadata()
        .map(|said| said.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect());
    FileInfo {
        last_modified: metadata.last_modified().map(SystemTime::from),
        etag: metadata.etag().map(str::to_owned),
        version_id: metadata.version().map(str::to_owned),
        media_type: metadata.content_type().map(str::to_owned),
        metadata: said.unwrap_or_default(),
        ..FileInfo::new(path, metadata.content_length())
    }
}

impl OpenDal {
    /// Looks at what stands at a path.
    async fn look(&self, path: &StorePath) -> Result<Entry> {
        match self.0.stat(path).await {
            Ok(metadata) if metadata.is_file() => Ok(Entry::File(info_of(path.clone(), &metadata))),
            Ok(_) => Ok(Entry::Folder(FolderInfo { path: path.clone() })),
            Err(error) => match failed(error) {
                // Some services know folders by a name of their own, and some only by what lies below.
                error if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidPath) => {
                    if self.lists_any(path).await? {
                        return Ok(Entry::Folder(FolderInfo { path: path.clone() }));
                    }
                    Err(Error::new(ErrorKind::NotFound, "not found").with_source(error))
                }
                error => Err(error),
            },
        }
    }

    /// Tells whether there is a folder at a path.
    async fn lists_any(&self, path: &StorePath) -> Result<bool> {
        let name = folder(path);
        match self.0.lister(&name).await {
            Ok(mut lister) => match lister.try_next().await {
                Ok(first) => Ok(first.is_some()),
                Err(error) => missing_is_empty(error).map(|()| false),
            },
            Err(error) => missing_is_empty(error).map(|()| false),
        }
    }

    /// Looks at a file; `InvalidPath` where a folder stands.
    async fn file(&self, path: &StorePath) -> Result<FileInfo> {
        match self.look(path).await? {
            Entry::File(info) => Ok(info),
            Entry::Folder(_) => Err(this_is_a_folder()),
        }
    }

    /// Refuses a target that stands already. Where the service has a condition for it, that decides in the end.
    async fn check_target(&self, path: &StorePath, overwrite: bool) -> Result<()> {
        match self.look(path).await {
            Ok(Entry::File(_)) if !overwrite => Err(already_exists()),
            Ok(Entry::Folder(_)) => Err(this_is_a_folder()),
            Ok(Entry::File(_)) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn open(&self, path: &StorePath, options: &ReadOptions) -> Result<Read> {
        let info = self.file(path).await?;
        if options.if_match.is_some() && options.if_match != info.etag {
            return Err(Error::new(ErrorKind::PreconditionFailed, "the file has changed"));
        }
        let range = options.range.within(info.size);
        if range.is_empty() {
            return Ok(Read::new(info, range, stream::empty()));
        }
        // Of the content that was looked at, or none.
        let if_match = info.etag.clone().filter(|_| self.0.info().capability().read_with_if_match);
        let asked = ReaderOptions { if_match, ..ReaderOptions::default() };
        let reader = self.0.reader_options(path, asked).await.map_err(failed)?;
        let chunks = reader.into_bytes_stream(range.clone()).await.map_err(failed)?;
        // They come wrapped, as those of a file do.
        let chunks = chunks.map_err(|error| match error.downcast::<opendal_core::Error>() {
            Ok(error) => failed(error),
            Err(error) => Error::new(ErrorKind::Unavailable, "the content broke off").with_source(error),
        });
        Ok(Read::new(info, range, chunks))
    }

    async fn begin(&self, path: &StorePath, options: &WriteOptions) -> Result<Box<dyn WriteSink>> {
        self.check_target(path, options.overwrite).await?;
        let can = self.0.info().capability();
        let said: HashMap<_, _> = options.metadata.clone().into_iter().collect();
        let asked = DalWriteOptions {
            content_type: options.media_type.clone(),
            user_metadata: (!said.is_empty()).then_some(said),
            if_not_exists: !options.overwrite && can.write_with_if_not_exists,
            ..DalWriteOptions::default()
        };
        let writer = self.0.writer_options(path, asked).await.map_err(failed)?;
        Ok(Box::new(Sink {
            operator: self.0.clone(),
            path: path.clone(),
            writer,
            gathered: Vec::new(),
            in_pieces: can.write_can_multi,
        }))
    }

    async fn remove_folder(&self, path: &StorePath, recursive: bool) -> Result<()> {
        match self.look(path).await? {
            Entry::File(_) => return Err(Error::new(ErrorKind::InvalidPath, "this is a file")),
            Entry::Folder(_) => {}
        }
        if !recursive {
            let mut lister = self.0.lister(&folder(path)).await.map_err(failed)?;
            while let Some(entry) = lister.try_next().await.map_err(failed)? {
                if entry_path(entry.path()).as_ref() != Some(path) {
                    return Err(Error::new(ErrorKind::DirectoryNotEmpty, "the folder is not empty"));
                }
            }
            return self.0.delete(&folder(path)).await.map_err(failed);
        }
        self.0.delete_with(&folder(path)).recursive(true).await.map_err(failed)
    }
}

/// Takes what is missing for an empty folder.
fn missing_is_empty(error: opendal_core::Error) -> Result<()> {
    match error.kind() {
        DalErrorKind::NotFound | DalErrorKind::NotADirectory => Ok(()),
        _ => Err(failed(error)),
    }
}

/// Returns the path of a name there, which ends with `/` for a folder; what is no path of a store is left out.
fn entry_path(name: &str) -> Option<StorePath> {
    StorePath::parse(name).ok().filter(|path| **path == *name.trim_matches('/'))
}

/// A listing under way, folder by folder: so the services need not agree on what a deep listing gives.
struct Walk {
    operator: Operator,
    options: ListOptions,
    /// Folders to list yet, with how deep they lie.
    waiting: VecDeque<(StorePath, usize)>,
    open: Option<(StorePath, usize, Lister)>,
}

impl Walk {
    /// Returns the next entries; none at the end.
    async fn batch(&mut self) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        while entries.len() < BATCH {
            let Some((of, depth, lister)) = &mut self.open else {
                let Some((path, depth)) = self.waiting.pop_front() else { break };
                match self.operator.lister(&folder(&path)).await {
                    Ok(lister) => self.open = Some((path, depth, lister)),
                    Err(error) => missing_is_empty(error)?,
                }
                continue;
            };
            let found = match lister.try_next().await {
                Ok(Some(found)) => found,
                Ok(None) => {
                    self.open = None;
                    continue;
                }
                Err(error) => {
                    missing_is_empty(error)?;
                    self.open = None;
                    continue;
                }
            };
            // A folder may be among its own entries.
            let Some(path) = entry_path(found.path()).filter(|path| path != of) else { continue };
            if found.metadata().is_dir() {
                if self.options.max_depth.is_none_or(|most| *depth < most) {
                    self.waiting.push_back((path.clone(), *depth + 1));
                }
                if self.options.folders {
                    entries.push(Entry::Folder(FolderInfo { path }));
                }
            } else if self.options.files {
                entries.push(Entry::File(info_of(path, found.metadata())));
            }
        }
        Ok(entries)
    }
}

struct Sink {
    operator: Operator,
    path: StorePath,
    writer: DalWriter,
    /// What a service that takes one piece alone gets in the end.
    gathered: Vec<Bytes>,
    in_pieces: bool,
}

impl WriteSink for Sink {
    fn write(&mut self, chunk: Bytes) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            if self.in_pieces {
                return self.writer.write(chunk).await.map_err(failed_creating);
            }
            self.gathered.push(chunk);
            Ok(())
        })
    }

    fn finish(mut self: Box<Self>) -> BoxFuture<'static, Result<FileInfo>> {
        Box::pin(async move {
            if !self.gathered.is_empty() {
                let whole = std::mem::take(&mut self.gathered);
                self.writer.write(whole).await.map_err(failed_creating)?;
            }
            self.writer.close().await.map_err(failed_creating)?;
            // What closing tells differs from service to service.
            let metadata = self.operator.stat(&self.path).await.map_err(failed)?;
            Ok(info_of(self.path, &metadata))
        })
    }

    fn abort(mut self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move {
            match self.writer.abort().await {
                // Nothing was sent, or nothing that could be taken back.
                Err(error) if error.kind() != DalErrorKind::Unsupported => Err(failed(error)),
                _ => Ok(()),
            }
        })
    }
}

impl Backend for OpenDal {
    fn name(&self) -> &'static str {
        "opendal"
    }

    fn capabilities(&self) -> CapabilitySet {
        let can = self.0.info().capability();
        let claims = [
            (Capability::Read, can.read && can.stat && can.list),
            (Capability::Write, can.write && can.stat),
            (Capability::Delete, can.delete && can.list),
            (Capability::List, can.list),
            (Capability::Copy, can.copy),
            (Capability::Move, can.rename),
            (Capability::AtomicCreate, can.write_with_if_not_exists),
            (Capability::ConditionalRead, can.read_with_if_match),
            (Capability::Metadata, can.write_with_user_metadata),
            (Capability::MediaType, can.write_with_content_type),
        ];
        claims
            .into_iter()
            .filter(|(_, is_claimed)| !is_claimed)
            .fold(CLAIMABLE, |all, (lack, _)| all.without(lack))
    }

    fn read<'a>(&'a self, path: &'a StorePath, options: &'a ReadOptions) -> BoxFuture<'a, Result<Read>> {
        Box::pin(self.open(path, options))
    }

    fn open_write<'a>(
        &'a self,
        path: &'a StorePath,
        options: &'a WriteOptions,
    ) -> BoxFuture<'a, Result<Box<dyn WriteSink>>> {
        Box::pin(self.begin(path, options))
    }

    fn stat<'a>(&'a self, path: &'a StorePath) -> BoxFuture<'a, Result<Entry>> {
        Box::pin(self.look(path))
    }

    fn list(&self, path: &StorePath, options: ListOptions) -> BoxStream<'static, Result<Vec<Entry>>> {
        let waiting = VecDeque::from([(path.clone(), 0)]);
        let walk = Walk { operator: self.0.clone(), options, waiting, open: None };
        let batches = stream::try_unfold(walk, |mut walk| async move {
            let entries = walk.batch().await?;
            Ok((!entries.is_empty()).then_some((entries, walk)))
        });
        batches.boxed()
    }

    fn delete<'a>(&'a self, path: &'a StorePath) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.file(path).await?;
            self.0.delete(path).await.map_err(failed)
        })
    }

    fn delete_folder<'a>(&'a self, path: &'a StorePath, recursive: bool) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.remove_folder(path, recursive))
    }

    fn copy_file<'a>(
        &'a self,
        from: &'a StorePath,
        to: &'a StorePath,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<FileInfo>> {
        Box::pin(async move {
            self.file(from).await?;
            self.check_target(to, overwrite).await?;
            let if_not_exists = !overwrite && self.0.info().capability().copy_with_if_not_exists;
            let asked = CopyOptions { if_not_exists, ..CopyOptions::default() };
            self.0.copy_options(from, to, asked).await.map_err(failed_creating)?;
            self.file(to).await
        })
    }

    fn move_file<'a>(
        &'a self,
        from: &'a StorePath,
        to: &'a StorePath,
        overwrite: bool,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.file(from).await?;
            self.check_target(to, overwrite).await?;
            let if_not_exists = !overwrite && self.0.info().capability().rename_with_if_not_exists;
            let asked = RenameOptions { if_not_exists };
            self.0.rename_options(from, to, asked).await.map(drop).map_err(failed_creating)
        })
    }

    fn ping(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.0.check().await.map_err(failed) })
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// What a service can have at the most.
const CLAIMABLE: CapabilitySet = CapabilitySet::of(&[
    Capability::Read,
    Capability::Write,
    Capability::Delete,
    Capability::List,
    Capability::Copy,
    Capability::Move,
    Capability::AtomicCreate,
    Capability::ConditionalRead,
    Capability::Metadata,
    Capability::MediaType,
]);
