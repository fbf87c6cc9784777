//! One download, verified, and read again where it broke.

use std::ops::{Range, RangeFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use blake3::Hasher;
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_TYPE, ETAG, RANGE};
use http::{HeaderValue, Method, StatusCode};
use longshore_core::{Algorithm, Code, Digest, VersionId};

pub(crate) use self::file::{Flowing, to_file};
use super::control::Control;
use super::export::Watched;
use super::plan::cell_size;
use super::progress::{ProgressSink, Report};
use super::reader::finish;
use super::state::Subject;
use crate::api::files::{Content, file_route};
use crate::client::{Client, Lane};
use crate::error::{Error, Result};
use crate::transport::answer::Answer;
use crate::transport::body::Body;

mod file;
pub(crate) mod same;

/// Buffers are not made larger than this on the mere word of a header.
const MAX_RESERVE: u64 = 64 * 1024 * 1024;

/// Some of the content's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte, from 0.
    pub start: u64,
    /// The byte after the last; nothing for all that is left.
    pub end: Option<u64>,
}

impl From<Range<u64>> for ByteRange {
    fn from(range: Range<u64>) -> Self {
        Self { start: range.start, end: Some(range.end) }
    }
}

impl From<RangeFrom<u64>> for ByteRange {
    fn from(range: RangeFrom<u64>) -> Self {
        Self { start: range.start, end: None }
    }
}

impl ByteRange {
    fn header(self) -> Result<HeaderValue> {
        let text = match self.end {
            Some(end) if end <= self.start => {
                return Err(Error::mismatch(Code::RangeNotSatisfiable, "the range holds no byte"));
            }
            // HTTP names the last byte, not the one after it.
            Some(end) => format!("bytes={}-{}", self.start, end - 1),
            None => format!("bytes={}-", self.start),
        };
        HeaderValue::from_str(&text).map_err(|_| Error::invalid("the range makes no header"))
    }
}

/// How a download is made.
#[derive(Clone, Debug)]
pub struct DownloadOptions {
    /// Some of the bytes; left out, all. A part comes without a digest, so only its length is verified.
    pub range: Option<ByteRange>,
    /// What is told of progress; the reader of a stream sees that by itself.
    pub progress: Option<ProgressSink>,
    /// Whether a local file that is there already is replaced, which it is unless this is false. Otherwise the
    /// download fails with [`longshore_core::ErrorKind::Conflict`] and leaves that file alone, also when it
    /// appeared only while the content came.
    pub replace: bool,
    /// Whether a download of 32 MiB or more that fails, is cancelled or dies with its program leaves what has come
    /// beside its place, for the next one to the same place to go on with; so it is unless this is false. What was
    /// left is taken up if it is of the version that then stands, and read again before it counts. It is in
    /// `.<name>.<mark>.part` and `.<name>.<mark>.state`, which go once a download to that place is done. No download goes to
    /// a name of that kind itself.
    pub resume: bool,
    /// Whether a local file of the same length and digest is left as it is, and nothing is fetched. It is read for
    /// that; it must be a regular file.
    pub skip_same: bool,
    /// The caller's hand on the download.
    pub control: Option<Control>,
}

impl Default for DownloadOptions {
    fn default() -> Self {
        Self { range: None, progress: None, replace: true, resume: true, skip_same: false, control: None }
    }
}

/// A finished download into a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Downloaded {
    /// The file's length.
    pub bytes: u64,
    /// The file's digest.
    pub digest: Digest,
    /// The version the content is of.
    pub version: Option<VersionId>,
    /// How many of the bytes were here already: left by a download that broke off, or all of a file that was the same.
    pub reused: u64,
    /// Whether the file stood here already, the same, and was left as it is: see [`DownloadOptions::skip_same`].
    pub skipped: bool,
}

/// Content on its way: what is known of it, and a stream of its bytes.
///
/// The stream ends with an error unless all of the content came and has its digest. Nothing of it is asked for
/// again: who needs that uses [`crate::Files::download_to`].
pub struct Download {
    answer: Answer,
    hasher: Option<Hasher>,
    digest: Option<Digest>,
    length: Option<u64>,
    /// Of a whole workspace: whether its end came is seen in it.
    export: Option<Box<Watched>>,
    done: bool,
}

impl Download {
    /// Makes a stream of an answer that has no digest.
    pub(crate) fn without_digest(answer: Answer) -> Self {
        Self { length: answer.rest(), hasher: None, digest: None, export: None, done: false, answer }
    }

    /// Makes a stream of a whole workspace, which ends with an error unless its own end came.
    pub(crate) fn of_export(answer: Answer) -> Self {
        Self { export: Some(Box::default()), ..Self::without_digest(answer) }
    }

    /// Returns how many bytes the stream has, where the server said so.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// Returns the version the content is of.
    #[must_use]
    pub fn version(&self) -> Option<VersionId> {
        let etag = self.answer.header("etag")?;
        etag.trim_matches('"').parse().ok()
    }

    /// Returns the content's digest; a part of it comes without.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Returns the content's media type.
    #[must_use]
    pub fn media_type(&self) -> Option<&str> {
        self.answer.header(CONTENT_TYPE.as_str())
    }

    /// Returns what the content is known by, where the server has said enough to ask for parts of it.
    fn subject(&self) -> Option<Subject> {
        let tag = self.answer.header(ETAG.as_str()).filter(|tag| tag.starts_with('"'))?;
        let length = stated_length(&self.answer)?;
        Some(Subject { tag: tag.to_owned(), length, digest: self.digest?, cell: cell_size(length) })
    }

    /// Returns the next bytes; nothing once all have come and were verified.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        std::future::poll_fn(|cx| self.poll_chunk(cx)).await.transpose()
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        if self.done {
            return Poll::Ready(None);
        }
        match ready!(self.answer.poll_chunk(cx)) {
            Some(Ok(chunk)) => {
                if let Some(hasher) = &mut self.hasher {
                    hasher.update(&chunk);
                }
                if let Some(Err(error)) = self.export.as_mut().map(|export| export.take(&chunk)) {
                    self.done = true;
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Ready(Some(Ok(chunk)))
            }
            Some(Err(error)) => {
                self.done = true;
                Poll::Ready(Some(Err(error)))
            }
            None => {
                self.done = true;
                if let Some(Err(error)) = self.export.as_ref().map(|export| export.end()) {
                    return Poll::Ready(Some(Err(error)));
                }
                let found = self.hasher.as_ref().map(finish);
                Poll::Ready(found.and_then(|found| check(self.digest, found).err()).map(Err))
            }
        }
    }
}

impl Stream for Download {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        self.poll_chunk(cx)
    }
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download")
            .field("length", &self.length)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

fn check(stated: Option<Digest>, found: Digest) -> Result<()> {
    match stated {
        Some(stated) if stated != found => {
            let message = "the content that came does not have the digest the server stated";
            Err(Error::mismatch(Code::DigestMismatch, message))
        }
        _ => Ok(()),
    }
}

/// What is downloaded.
#[derive(Clone, Copy)]
pub(crate) enum Wanted<'a> {
    /// Content of a workspace.
    Content(&'a Content),
    /// What a route gives, which has a query of its own or none.
    Route(&'a str),
}

impl<'a> From<&'a Content> for Wanted<'a> {
    fn from(content: &'a Content) -> Self {
        Self::Content(content)
    }
}

async fn route(client: &Client, wanted: Wanted<'_>) -> Result<String> {
    let content = match wanted {
        Wanted::Content(content) => content,
        Wanted::Route(route) => return Ok(route.to_owned()),
    };
    match content {
        Content::File(id) => Ok(format!("/v1/files/{id}/content")),
        Content::Version(id, version) => Ok(format!("/v1/files/{id}/versions/{version}/content")),
        Content::Place(place) => {
            let mut route = file_route(client, place).await?;
            route.push_str("?content=1");
            Ok(route)
        }
    }
}

/// Opens content, again and again until its head has come; `hashed` makes the stream verify itself.
pub(crate) async fn open(
    client: &Client,
    wanted: Wanted<'_>,
    options: &DownloadOptions,
    hashed: bool,
) -> Result<Download> {
    let mut tries = client.tries();
    loop {
        match open_once(client, wanted, options, hashed).await {
            Ok(download) => return Ok(download),
            Err(error) => {
                tries.again(error).await?;
            }
        }
    }
}

async fn open_once(
    client: &Client,
    wanted: Wanted<'_>,
    options: &DownloadOptions,
    hashed: bool,
) -> Result<Download> {
    let route = route(client, wanted).await?;
    let mut request = client.request(Method::GET, &route, Body::Empty)?;
    if let Some(range) = options.range {
        request.headers_mut().insert(RANGE, range.header()?);
    }
    let answer = client.send(request, None, Lane::Common).await?;
    let expected = match options.range {
        Some(_) => StatusCode::PARTIAL_CONTENT,
        None => StatusCode::OK,
    };
    if answer.status() != expected {
        let message = format!("{expected} was to be answered, and {} was", answer.status());
        return Err(Error::unreadable(message, answer.status().as_u16()));
    }
    let digest = match options.range {
        Some(_) => None,
        None => stated_digest(&answer)?,
    };
    let hasher = hashed.then(Hasher::new);
    Ok(Download { length: answer.rest(), hasher, digest, export: None, done: false, answer })
}

/// Returns the length that an answer states, also one that has no body.
fn stated_length(answer: &Answer) -> Option<u64> {
    answer.header(CONTENT_LENGTH.as_str())?.parse().ok()
}

fn has_ranges(answer: &Answer) -> bool {
    answer.header(ACCEPT_RANGES.as_str()).is_some_and(|units| units.contains("bytes"))
}

fn stated_digest(answer: &Answer) -> Result<Option<Digest>> {
    let Some(field) = answer.header("content-digest") else {
        return Ok(None);
    };
    let digests = Digest::parse_content_digest(field).map_err(|error| {
        Error::unreadable(format!("`Content-Digest` cannot be read: {error}"), answer.status().as_u16())
    })?;
    Ok(digests.into_iter().find(|digest| digest.algorithm() == Algorithm::Blake3))
}

/// Downloads content into memory.
pub(crate) async fn bytes(client: &Client, wanted: Wanted<'_>, options: &DownloadOptions) -> Result<Bytes> {
    let mut tries = client.tries();
    loop {
        match bytes_once(client, wanted, options).await {
            Ok(bytes) => return Ok(bytes),
            Err(error) => {
                tries.again(error).await?;
            }
        }
    }
}

async fn bytes_once(client: &Client, wanted: Wanted<'_>, options: &DownloadOptions) -> Result<Bytes> {
    let mut download = open_once(client, wanted, options, true).await?;
    let report = Report::new(options.progress.clone(), 0);
    collect(&mut download, &report, &mut 0).await
}

async fn collect(download: &mut Download, report: &Report, moved: &mut u64) -> Result<Bytes> {
    let mut count = |chunk: &Bytes| {
        *moved += chunk.len() as u64;
        report.bytes(chunk.len() as u64);
    };
    let Some(first) = download.chunk().await? else {
        return Ok(Bytes::new());
    };
    count(&first);
    if download.length() == Some(first.len() as u64) {
        // All came at once and needs no copy; the next poll only verifies it.
        download.chunk().await?;
        return Ok(first);
    }
    let reserve = download.length().unwrap_or(0).min(MAX_RESERVE);
    let mut whole = BytesMut::with_capacity(usize::try_from(reserve).unwrap_or(0));
    whole.extend_from_slice(&first);
    drop(first);
    while let Some(chunk) = download.chunk().await? {
        count(&chunk);
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}
