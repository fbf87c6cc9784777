//! What an object service does: keys, no folders. Everything that differs from service to service stands here.

use std::fmt::Debug;
use std::future::ready;
use std::ops::Range;

use bytes::Bytes;

use super::error::unexpected;
use crate::backend::BoxStream;
use crate::capability::CapabilitySet;
use crate::error::Result;
use crate::info::{FileInfo, WriteOptions};
use crate::path::StorePath;
use crate::presign::PresignOptions;
use crate::read::Read;
use crate::secret::Secret;

/// One service. Keys are as they are stored, never encoded; a key that ends with `/` marks a folder.
///
/// Errors have their kind already ([`super::error`]). A missing bucket is `NotFound`. The path in a [`FileInfo`] does not
/// count: whoever asked puts in its own.
pub(crate) trait Service: Debug + Send + Sync + 'static {
    /// Returns the name for errors.
    fn name(&self) -> &'static str;

    /// Returns what is known that the service can do.
    fn capabilities(&self) -> CapabilitySet;

    /// Returns how much it takes at once.
    fn limits(&self) -> Limits;

    /// Returns the service's own name of a key, such as `s3://bucket/key`, and nothing else before the key.
    fn native_prefix(&self) -> &str;

    /// Opens an object; nothing where `range` begins beyond its end (also any range of an empty one).
    fn get(
        &self,
        key: &str,
        range: Option<Span>,
        if_match: Option<&str>,
    ) -> impl Future<Output = Result<Option<Opened>>> + Send;

    /// Looks at an object.
    fn head(&self, key: &str) -> impl Future<Output = Result<FileInfo>> + Send;

    /// Stores an object in one request; without `overwrite` it is `AlreadyExists` if one stands there, however many try
    /// at once. That is asked for only where [`can_create`](Self::can_create) has said so.
    fn put(
        &self,
        key: &str,
        content: Vec<Bytes>,
        options: &WriteOptions,
    ) -> impl Future<Output = Result<FileInfo>> + Send;

    /// Lists keys that begin with `prefix`, in pages. Keys with a further `/` come as common prefixes where `by_folder`.
    fn list(&self, ask: &ListAsk) -> impl Future<Output = Result<Page>> + Send;

    /// Deletes keys, at most [`Limits::delete_batch`]; missing ones are no error.
    fn delete(&self, keys: Vec<String>) -> impl Future<Output = Result<()>> + Send;

    /// Deletes an object that still has this tag, where the service can make that a condition; `PreconditionFailed` if it has
    /// another. A missing one is no error.
    fn delete_unchanged(&self, key: &str, tag: &str) -> impl Future<Output = Result<()>> + Send;

    /// Copies an object with what is said of it, or says how else it is to be done. `source` is what it is.
    fn copy(
        &self,
        from: &str,
        to: &str,
        source: &FileInfo,
        overwrite: bool,
    ) -> impl Future<Output = Result<Copied>> + Send;

    /// Begins an upload in parts and returns its name.
    fn begin(&self, key: &str, options: &WriteOptions) -> impl Future<Output = Result<String>> + Send;

    /// Stores part `number` (from 0) and returns its name.
    fn put_part(
        &self,
        upload: &UploadId,
        number: usize,
        content: Vec<Bytes>,
    ) -> impl Future<Output = Result<String>> + Send;

    /// Makes a part of a range of another object of this service, if that is still `source`. A service that copies
    /// whole objects alone is never asked.
    fn copy_part(
        &self,
        _upload: &UploadId,
        _number: usize,
        _from: &str,
        _source: &FileInfo,
        _range: Range<u64>,
    ) -> impl Future<Output = Result<String>> + Send {
        ready(Err(unexpected("a copy in parts, of which there are none here")))
    }

    /// Makes an object of the parts, at least one. As with [`put`](Self::put), without `overwrite` one of many wins.
    fn complete(
        &self,
        upload: &UploadId,
        parts: &[String],
        options: &WriteOptions,
    ) -> impl Future<Output = Result<FileInfo>> + Send;

    /// Forgets an upload and its parts. A missing one is no error.
    fn abort(&self, upload: &UploadId) -> impl Future<Output = Result<()>> + Send;

    /// Returns whether `overwrite: false` is kept by the service itself; asks it, if that must be found out.
    fn can_create(&self) -> impl Future<Output = Result<bool>> + Send;

    /// Returns a URL at which anybody can read the object, or nothing where this service gives none.
    fn presign_read(
        &self,
        _key: &str,
        _options: &PresignOptions,
    ) -> impl Future<Output = Result<Option<Secret>>> + Send {
        ready(Ok(None))
    }

    /// Tries whether the service answers and the bucket is there.
    fn ping(&self) -> impl Future<Output = Result<()>> + Send;
}

/// How much a service takes at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How many bytes the first parts of an upload have; a file that is shorter goes in one request.
    pub(crate) part_size: usize,
    /// How many parts are on their way at once.
    pub(crate) parts_in_flight: usize,
    /// How many bytes a part may be made of by copying.
    pub(crate) copy_part: u64,
    /// How many keys are deleted at once.
    pub(crate) delete_batch: usize,
}

/// Which bytes, where it is not all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// From the first up to, not including, the second; at least one.
    Between(u64, u64),
    /// From an offset to the end.
    From(u64),
    /// The last so many, at least one.
    Last(u64),
}

impl Span {
    /// Returns the value of a `Range` header.
    pub(crate) fn header(&self) -> String {
        match self {
            Self::Between(start, end) => format!("bytes={start}-{}", end - 1),
            Self::From(start) => format!("bytes={start}-"),
            Self::Last(count) => format!("bytes=-{count}"),
        }
    }
}

/// An open object.
pub(crate) struct Opened {
    pub(crate) info: FileInfo,
    /// The bytes that come.
    pub(crate) range: Range<u64>,
    pub(crate) chunks: BoxStream<'static, Result<Bytes>>,
}

impl Opened {
    pub(super) fn into_read(self, path: &StorePath) -> Read {
        Read::new(FileInfo { path: path.clone(), ..self.info }, self.range, self.chunks)
    }
}

/// What to list.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListAsk {
    pub(crate) prefix: String,
    /// Whether what lies deeper comes as common prefixes.
    pub(crate) by_folder: bool,
    /// How many keys at most; nothing for as many as the service gives.
    pub(crate) most: Option<usize>,
    /// Where the page before ended.
    pub(crate) token: Option<String>,
}

/// A page of a listing.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Objects by key, folder markers among them.
    pub(crate) objects: Vec<(String, FileInfo)>,
    /// Common prefixes, each with its `/`.
    pub(crate) folders: Vec<String>,
    /// Where to go on, unless this was the last.
    pub(crate) token: Option<String>,
}

/// How a copy was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copied {
    /// By the service.
    Done,
    /// Not yet: it is to be put together from parts.
    InParts,
}

/// An upload in parts.
#[derive(Clone, Debug)]
pub(crate) struct UploadId {
    pub(crate) key: String,
    pub(crate) name: String,
}
