//! What S3 does, request by request.

use std::ops::Range;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use md5::{Digest as _, Md5};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::document;
use super::options::S3Options;
use super::probe::Creating;
use super::request::{Ask, Bucket};
use crate::capability::{Capability, CapabilitySet};
use crate::error::{Error, ErrorKind, Result};
use crate::http::Refused;
use crate::info::{FileInfo, WriteOptions};
use crate::object::answer::{chunks, given, length, metadata, text, time, unquoted};
use crate::object::error::{refusal, unexpected};
use crate::object::request::value;
use crate::object::{
    Copied, Limits, ListAsk, Opened, Page, Service, Span, UploadId, has_dots, unaddressable,
};
use crate::path::StorePath;
use crate::presign::PresignOptions;
use crate::secret::Secret;
use crate::xml;

/// What one request can copy.
const COPY_MOST: u64 = 5 * 1024 * 1024 * 1024;

/// What a part is copied of: 10,000 of them are more than the largest object.
const COPY_PART: u64 = 1024 * 1024 * 1024;

/// How often a condition that met another writer's is tried again.
const CONFLICTS: u32 = 5;

const METADATA: &str = "x-amz-meta-";
const VERSION: HeaderName = HeaderName::from_static("x-amz-version-id");
const COPY_SOURCE: HeaderName = HeaderName::from_static("x-amz-copy-source");
const COPY_SOURCE_RANGE: HeaderName = HeaderName::from_static("x-amz-copy-source-range");
const COPY_SOURCE_IF_MATCH: HeaderName = HeaderName::from_static("x-amz-copy-source-if-match");
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// What the service says of an object that nobody has said anything of.
const NO_MEDIA_TYPE: &str = "binary/octet-stream";

/// One bucket.
#[derive(Debug)]
pub(crate) struct S3 {
    pub(super) bucket: Bucket,
    native_prefix: String,
    limits: Limits,
    pub(super) creating: OnceCell<Creating>,
    /// When the probe was denied last.
    pub(super) denied: Mutex<Option<Instant>>,
    /// Whether who completes an upload claims its key first.
    claims: bool,
}

impl S3 {
    pub(super) fn new(options: S3Options) -> Result<Self> {
        options.check()?;
        let known =
            options.conditional_writes.map(|kept| if kept { Creating::Kept } else { Creating::Refused });
        Ok(Self {
            bucket: Bucket::new(&options)?,
            native_prefix: format!("s3://{}/", options.bucket),
            limits: Limits {
                part_size: options.part_size,
                parts_in_flight: options.parts_in_flight,
                copy_part: COPY_PART,
                delete_batch: 1_000,
            },
            creating: OnceCell::new_with(known),
            denied: Mutex::default(),
            claims: options.endpoint.is_some(),
        })
    }

    /// Stores an object, on condition that none stands there if `create`.
    pub(super) async fn put_once(
        &self,
        key: &str,
        content: Vec<Bytes>,
        options: &WriteOptions,
        create: bool,
    ) -> Result<Result<FileInfo, Refused>> {
        let size = content.iter().map(|chunk| chunk.len() as u64).sum();
        let mut headers = said(options)?;
        condition(&mut headers, create);
        let answer = self
            .bucket
            .send_or_refused(Ask { method: Method::PUT, key, headers, content, query: &[] })
            .await?;
        Ok(answer.map(|answer| made(answer.headers(), etag(answer.headers()), size)))
    }

    /// Makes an object of parts, on condition that none stands there if `create`.
    pub(super) async fn complete_once(
        &self,
        upload: &UploadId,
        parts: &[String],
        create: bool,
    ) -> Result<Result<FileInfo, Refused>> {
        let mut headers = HeaderMap::new();
        condition(&mut headers, create);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        let ask = Ask {
            method: Method::POST,
            key: &upload.key,
            query: &[("uploadId", &upload.name)],
            headers,
            content: vec![document::completion(parts).into()],
        };
        let answer = self.bucket.send_for_text(ask).await?;
        Ok(answer.map(|(headers, text)| {
            let etag = xml::text(&text, "ETag").map(|etag| unquoted(&etag));
            made(&headers, etag, 0)
        }))
    }

    /// Does what has a condition, again where it met another writer's, until it is known who has won.
    async fn settled<F>(&self, key: &str, create: bool, mut once: impl FnMut() -> F) -> Result<FileInfo>
    where
        F: Future<Output = Result<Result<FileInfo, Refused>>>,
    {
        let mut attempt = 1;
        loop {
            let refused = match once().await? {
                Ok(info) => return Ok(info),
                Err(refused) => refused,
            };
            let is_taken =
                refused.status == StatusCode::PRECONDITION_FAILED || refused.is("PreconditionFailed");
            if create && is_taken {
                return Err(taken().with_source(refused));
            }
            let is_conflict = create && refused.status == StatusCode::CONFLICT;
            if !is_conflict {
                return Err(refusal(&refused));
            }
            match self.head(key).await {
                Ok(_) => return Err(taken().with_source(refused)),
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Err(_) if attempt == CONFLICTS => return Err(refusal(&refused)),
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(50) * attempt).await;
            attempt += 1;
        }
    }

    /// Returns what stands at a key if that is what these parts make: the upload was completed, and the answer lost.
    async fn stands(&self, key: &str, parts: &[String], options: &WriteOptions) -> Result<Option<FileInfo>> {
        let Some(tag) = document::tag_of_parts(parts) else { return Ok(None) };
        let found = match self.head(key).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            found => found?,
        };
        // The same content may have stood there before, with something else said of it.
        let is_said = options.metadata.iter().all(|(name, text)| found.metadata.get(name) == Some(text))
            && (options.media_type.is_none() || options.media_type == found.media_type);
        Ok(Some(found).filter(|found| is_said && found.etag.as_deref() == Some(&tag)))
    }

    /// Returns whether a request is to have the condition.
    async fn is_conditional(&self, options: &WriteOptions) -> Result<bool> {
        // Also where it was ignored in one way: it may be kept in the other.
        Ok(!options.overwrite && self.creating().await? != Creating::Refused)
    }
}

pub(super) fn taken() -> Error {
    Error::new(ErrorKind::AlreadyExists, "the file already exists")
}

fn not_copied(refused: Refused) -> Error {
    match refused.status {
        StatusCode::PRECONDITION_FAILED => {
            Error::new(ErrorKind::Unavailable, "the file changed while it was copied").with_source(refused)
        }
        _ => refusal(&refused),
    }
}

fn condition(headers: &mut HeaderMap, create: bool) {
    if create {
        headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("*"));
    }
}

/// Returns the headers that say what a caller says of a file.
fn said(options: &WriteOptions) -> Result<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(options.metadata.len() + 4);
    if let Some(media_type) = &options.media_type {
        headers.insert(header::CONTENT_TYPE, value(media_type)?);
    }
    for (key, text) in &options.metadata {
        let name = HeaderName::try_from(format!("{METADATA}{key}"));
        let name = name.map_err(|error| Error::new(ErrorKind::InvalidInput, error.to_string()))?;
        headers.insert(name, value(text)?);
    }
    Ok(headers)
}

fn quoted(etag: &str) -> Result<HeaderValue> {
    if etag.contains('"') { value(etag) } else { value(&format!("\"{etag}\"")) }
}

fn etag(headers: &HeaderMap) -> Option<String> {
    text(headers, header::ETAG).map(unquoted)
}

fn version(headers: &HeaderMap) -> Option<String> {
    text(headers, VERSION).filter(|version| *version != "null").map(str::to_owned)
}

fn made(headers: &HeaderMap, etag: Option<String>, size: u64) -> FileInfo {
    FileInfo { etag, version_id: version(headers), ..FileInfo::new(StorePath::ROOT, size) }
}

/// Returns what the headers of an object say, whose size is known.
fn described(headers: &HeaderMap, size: u64) -> FileInfo {
    let media_type = text(headers, header::CONTENT_TYPE).filter(|text| *text != NO_MEDIA_TYPE);
    FileInfo {
        last_modified: time(headers, header::LAST_MODIFIED),
        media_type: media_type.map(str::to_owned),
        metadata: metadata(headers, METADATA),
        ..made(headers, etag(headers), size)
    }
}

impl Service for S3 {
    fn name(&self) -> &'static str {
        "s3"
    }

    fn capabilities(&self) -> CapabilitySet {
        let all =
            CapabilitySet::of(Capability::ALL).without(Capability::AtomicMove).without(Capability::Hierarchy);
        match self.creating.get() {
            Some(Creating::Kept) => all,
            _ => all.without(Capability::AtomicCreate),
        }
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn native_prefix(&self) -> &str {
        &self.native_prefix
    }

    async fn get(&self, key: &str, range: Option<Span>, if_match: Option<&str>) -> Result<Option<Opened>> {
        let mut headers = HeaderMap::new();
        if let Some(range) = &range {
            headers.insert(header::RANGE, value(&range.header())?);
        }
        if let Some(etag) = if_match {
            headers.insert(header::IF_MATCH, quoted(etag)?);
        }
        let answer = match self.bucket.send_or_refused(Ask { key, headers, ..Ask::default() }).await? {
            Ok(answer) => answer,
            Err(refused) if refused.status == StatusCode::RANGE_NOT_SATISFIABLE => return Ok(None),
            Err(refused) => return Err(refusal(&refused)),
        };
        let (head, body) = answer.into_parts();
        let Some((range, size)) = given(head.status, &head.headers, range.as_ref())? else {
            return Ok(None);
        };
        let info = described(&head.headers, size);
        // Some do not heed the condition, but each answer is of one content.
        if if_match.is_some() && if_match != info.etag.as_deref() {
            return Err(Error::new(ErrorKind::PreconditionFailed, "the file has changed"));
        }
        Ok(Some(Opened { info, range, chunks: chunks(body) }))
    }

    async fn presign_read(&self, key: &str, options: &PresignOptions) -> Result<Option<Secret>> {
        self.bucket.presign(key, options).await
    }

    async fn head(&self, key: &str) -> Result<FileInfo> {
        let answer = self.bucket.send(Ask { method: Method::HEAD, key, ..Ask::default() }).await?;
        Ok(described(answer.headers(), length(answer.headers())?))
    }

    async fn put(&self, key: &str, content: Vec<Bytes>, options: &WriteOptions) -> Result<FileInfo> {
        let create = self.is_conditional(options).await?;
        self.settled(key, create, || self.put_once(key, content.clone(), options, create)).await
    }

    async fn list(&self, ask: &ListAsk) -> Result<Page> {
        let most = ask.most.map(|most| most.to_string());
        let mut query = vec![("list-type", "2"), ("encoding-type", "url"), ("prefix", ask.prefix.as_str())];
        query.extend(ask.by_folder.then_some(("delimiter", "/")));
        query.extend(most.as_deref().map(|most| ("max-keys", most)));
        query.extend(ask.token.as_deref().map(|token| ("continuation-token", token)));
        let answer = self.bucket.send_for_text(Ask { query: &query, ..Ask::default() }).await?;
        let (_, text) = answer.map_err(|refused| refusal(&refused))?;
        document::page(&text)
    }

    async fn delete(&self, keys: Vec<String>) -> Result<()> {
        // A segment of dots in an address may be taken for a step up, by whoever stands between.
        let has_dots = keys.iter().any(|key| has_dots(key));
        let body = if keys.len() > 1 || has_dots { document::deletion(&keys) } else { None };
        let Some(body) = body else {
            if has_dots {
                return Err(unaddressable());
            }
            for key in &keys {
                match self.bucket.send(Ask { method: Method::DELETE, key, ..Ask::default() }).await {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            return Ok(());
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_MD5, value(&base64(&Md5::digest(&body)))?);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        let content = vec![body.into()];
        let ask = Ask { method: Method::POST, query: &[("delete", "")], headers, content, key: "" };
        let answer = self.bucket.send_for_text(ask).await?;
        let (headers, text) = answer.map_err(|refused| refusal(&refused))?;
        match document::first_failure(&text) {
            Some(failure) => Err(refusal(&Refused::new(StatusCode::OK, &headers, failure.as_bytes()))),
            None => Ok(()),
        }
    }

    async fn delete_unchanged(&self, key: &str, tag: &str) -> Result<()> {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MATCH, quoted(tag)?);
        let ask = Ask { method: Method::DELETE, key, headers, ..Ask::default() };
        match self.bucket.send_or_refused(ask).await? {
            Ok(_) => Ok(()),
            Err(refused) => match refused.status {
                StatusCode::NOT_FOUND => Ok(()),
                // It knows no such condition.
                StatusCode::NOT_IMPLEMENTED | StatusCode::BAD_REQUEST => {
                    self.delete(vec![key.to_owned()]).await
                }
                _ => Err(refusal(&refused)),
            },
        }
    }

    async fn copy(&self, from: &str, to: &str, source: &FileInfo, overwrite: bool) -> Result<Copied> {
        let is_conditional = !overwrite && self.creating().await? == Creating::Kept;
        if is_conditional || source.size > COPY_MOST {
            return Ok(Copied::InParts);
        }
        let mut headers = HeaderMap::new();
        headers.insert(COPY_SOURCE, self.bucket.copy_source(from)?);
        if let Some(etag) = &source.etag {
            headers.insert(COPY_SOURCE_IF_MATCH, quoted(etag)?);
        }
        let ask = Ask { method: Method::PUT, key: to, headers, ..Ask::default() };
        let answer = self.bucket.send_for_text(ask).await?;
        answer.map(|_| Copied::Done).map_err(not_copied)
    }

    async fn begin(&self, key: &str, options: &WriteOptions) -> Result<String> {
        let headers = said(options)?;
        let ask = Ask { method: Method::POST, key, query: &[("uploads", "")], headers, content: Vec::new() };
        let answer = self.bucket.send_for_text(ask).await?;
        let (_, text) = answer.map_err(|refused| refusal(&refused))?;
        xml::text(&text, "UploadId").ok_or_else(|| unexpected("an upload without a name"))
    }

    async fn put_part(&self, upload: &UploadId, number: usize, content: Vec<Bytes>) -> Result<String> {
        let number = (number + 1).to_string();
        let query = [("partNumber", number.as_str()), ("uploadId", upload.name.as_str())];
        let ask =
            Ask { method: Method::PUT, key: &upload.key, query: &query, content, headers: HeaderMap::new() };
        let answer = self.bucket.send(ask).await?;
        let etag = text(answer.headers(), header::ETAG).map(str::to_owned);
        etag.ok_or_else(|| unexpected("a part without a tag"))
    }

    async fn copy_part(
        &self,
        upload: &UploadId,
        number: usize,
        from: &str,
        source: &FileInfo,
        range: Range<u64>,
    ) -> Result<String> {
        let number = (number + 1).to_string();
        let query = [("partNumber", number.as_str()), ("uploadId", upload.name.as_str())];
        let mut headers = HeaderMap::new();
        headers.insert(COPY_SOURCE, self.bucket.copy_source(from)?);
        // Of small objects no range can be asked for.
        if range != (0..source.size) {
            headers.insert(COPY_SOURCE_RANGE, value(&Span::Between(range.start, range.end).header())?);
        }
        if let Some(etag) = &source.etag {
            headers.insert(COPY_SOURCE_IF_MATCH, quoted(etag)?);
        }
        let ask = Ask { method: Method::PUT, key: &upload.key, query: &query, headers, content: Vec::new() };
        let answer = self.bucket.send_for_text(ask).await?;
        let (_, text) = answer.map_err(not_copied)?;
        xml::text(&text, "ETag").ok_or_else(|| unexpected("a part without a tag"))
    }

    async fn complete(
        &self,
        upload: &UploadId,
        parts: &[String],
        options: &WriteOptions,
    ) -> Result<FileInfo> {
        let create = self.is_conditional(options).await?;
        // Where no claim holds, or none may be made, who completes one has looked, and there is no more to be had.
        let claims = create && self.claims && self.creating().await? == Creating::Kept;
        self.settled(&upload.key, create, async || {
            if claims {
                return self.complete_alone(upload, parts).await;
            }
            match self.complete_once(upload, parts, create).await? {
                Err(refused) if options.overwrite && refused.is("NoSuchUpload") => {
                    Ok(self.stands(&upload.key, parts, options).await?.ok_or(refused))
                }
                completed => Ok(completed),
            }
        })
        .await
    }

    async fn abort(&self, upload: &UploadId) -> Result<()> {
        let query = [("uploadId", upload.name.as_str())];
        let ask = Ask { method: Method::DELETE, key: &upload.key, query: &query, ..Ask::default() };
        match self.bucket.send_or_refused(ask).await? {
            Ok(_) => Ok(()),
            Err(refused) if refused.status == StatusCode::NOT_FOUND => Ok(()),
            Err(refused) => Err(refusal(&refused)),
        }
    }

    async fn can_create(&self) -> Result<bool> {
        Ok(self.creating().await? == Creating::Kept)
    }

    async fn ping(&self) -> Result<()> {
        self.list(&ListAsk { most: Some(1), ..ListAsk::default() }).await?;
        self.creating().await.map(drop)
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
