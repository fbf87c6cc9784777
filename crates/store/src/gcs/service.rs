//! What Google Cloud Storage does, request by request.
//!
//! A tag is the object's generation: the service's own tags mean nothing to a condition in JSON.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::OnceCell;

use super::options::GcsOptions;
use super::request::{Ask, Bucket, Place, json};
use super::upload::Pending;
use crate::capability::{Capability, CapabilitySet};
use crate::error::{Error, ErrorKind, Result};
use crate::http::Refused;
use crate::info::{FileInfo, Metadata, WriteOptions};
use crate::object::answer::{chunks, given, metadata, text, time};
use crate::object::error::{refusal, unexpected};
use crate::object::request::{encoded, value};
use crate::object::{Copied, Limits, ListAsk, Opened, Page, Service, Span, UploadId};
use crate::path::StorePath;
use crate::presign::PresignOptions;
use crate::secret::Secret;

const METADATA: &str = "x-goog-meta-";
const GENERATION: &str = "x-goog-generation";
const IF_GENERATION: HeaderName = HeaderName::from_static("x-goog-if-generation-match");

/// What the service says of a file whose media type nobody has said.
pub(super) const UNSAID: &str = "application/octet-stream";

/// How many files are deleted at once.
const DELETIONS: usize = 16;

/// One bucket.
#[derive(Debug)]
pub(super) struct Gcs {
    pub(super) bucket: Bucket,
    native_prefix: String,
    part_size: usize,
    creating: OnceCell<bool>,
    /// Uploads under way, by the address of their session.
    uploads: Mutex<HashMap<String, Pending>>,
}

/// An object, as far as anybody asks.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object {
    name: String,
    size: Option<String>,
    generation: String,
    updated: Option<String>,
    content_type: Option<String>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

impl Object {
    pub(super) fn info(self) -> FileInfo {
        FileInfo {
            last_modified: self
                .updated
                .and_then(|time| time.parse::<jiff::Timestamp>().ok())
                .map(SystemTime::from),
            media_type: self.content_type.filter(|said| said != UNSAID),
            metadata: self.metadata.unwrap_or_default(),
            version_id: Some(self.generation.clone()),
            etag: Some(self.generation),
            ..FileInfo::new(StorePath::ROOT, self.size.and_then(|size| size.parse().ok()).unwrap_or(0))
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(default)]
    items: Vec<Object>,
    #[serde(default)]
    prefixes: Vec<String>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rewritten {
    done: bool,
    rewrite_token: Option<String>,
}

impl Gcs {
    pub(super) fn new(options: &GcsOptions) -> Result<Self> {
        options.check()?;
        let known = options.conditional_writes.or_else(|| options.endpoint.is_none().then_some(true));
        Ok(Self {
            bucket: Bucket::new(options)?,
            native_prefix: format!("gs://{}/", options.bucket),
            part_size: options.part_size,
            creating: OnceCell::new_with(known),
            uploads: Mutex::default(),
        })
    }

    pub(super) fn uploads(&self) -> MutexGuard<'_, HashMap<String, Pending>> {
        // Each change is one step, so a panic elsewhere left nothing half done.
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores an object in one request, on condition that none stands there if `create`.
    pub(super) async fn put_once(
        &self,
        key: &str,
        content: Vec<Bytes>,
        options: &WriteOptions,
        create: bool,
    ) -> Result<Result<FileInfo, Refused>> {
        // Of nothing at all some emulators make no object.
        let is_plain = options.metadata.is_empty() && !content.is_empty();
        let kind = if is_plain { "media" } else { "multipart" };
        let mut query = vec![("uploadType", kind), ("name", key)];
        query.extend(create.then_some(("ifGenerationMatch", "0")));
        let media_type = options.media_type.as_deref().unwrap_or(UNSAID);
        let mut headers = HeaderMap::new();
        let content = if is_plain {
            headers.insert(header::CONTENT_TYPE, value(media_type)?);
            content
        } else {
            let boundary = format!("{:016x}{:016x}", random(), random());
            headers.insert(header::CONTENT_TYPE, value(&format!("multipart/related; boundary={boundary}"))?);
            related(&boundary, &resource(key, options), media_type, content)
        };
        let ask = Ask { query: &query, headers, content };
        match self.bucket.send_or_refused(Method::POST, &Place::Uploads, ask).await? {
            Ok(answer) => Ok(Ok(json::<Object>(answer).await?.info())),
            Err(refused) => Ok(Err(refused)),
        }
    }
}

pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Tells what a refusal of a write means.
fn written<T>(answer: Result<T, Refused>, create: bool) -> Result<T> {
    answer.map_err(|refused| {
        if create && refused.status == StatusCode::PRECONDITION_FAILED {
            return Error::new(ErrorKind::AlreadyExists, "the file already exists").with_source(refused);
        }
        refusal(&refused)
    })
}

/// Returns what is said of an object, as the service takes it.
pub(super) fn resource(key: &str, options: &WriteOptions) -> String {
    let mut resource = json!({ "name": key, "contentType": options.media_type.as_deref().unwrap_or(UNSAID) });
    if !options.metadata.is_empty() {
        resource["metadata"] = json!(options.metadata);
    }
    resource.to_string()
}

/// Puts what is said of an object and its content into one body.
fn related(boundary: &str, resource: &str, media_type: &str, content: Vec<Bytes>) -> Vec<Bytes> {
    let head = format!(
        "--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{resource}\r\n\
         --{boundary}\r\nContent-Type: {media_type}\r\n\r\n"
    );
    let tail = format!("\r\n--{boundary}--\r\n");
    [Bytes::from(head)].into_iter().chain(content).chain([Bytes::from(tail)]).collect()
}

/// Returns what the headers of an object's content say; nothing where the service does not say which generation it is.
fn described(headers: &HeaderMap, size: u64) -> Option<FileInfo> {
    let generation = text(headers, GENERATION)?.to_owned();
    Some(FileInfo {
        last_modified: time(headers, header::LAST_MODIFIED),
        media_type: text(headers, header::CONTENT_TYPE).filter(|said| *said != UNSAID).map(str::to_owned),
        metadata: metadata(headers, METADATA),
        version_id: Some(generation.clone()),
        etag: Some(generation),
        ..FileInfo::new(StorePath::ROOT, size)
    })
}

fn changed() -> Error {
    Error::new(ErrorKind::PreconditionFailed, "the file has changed")
}

impl Service for Gcs {
    fn name(&self) -> &'static str {
        "gcs"
    }

    fn capabilities(&self) -> CapabilitySet {
        let all = CapabilitySet::of(Capability::ALL);
        let all = all.without(Capability::Hierarchy).without(Capability::AtomicMove);
        if self.creating.get() == Some(&true) { all } else { all.without(Capability::AtomicCreate) }
    }

    fn limits(&self) -> Limits {
        Limits { part_size: self.part_size, parts_in_flight: 1, copy_part: u64::MAX, delete_batch: 256 }
    }

    fn native_prefix(&self) -> &str {
        &self.native_prefix
    }

    async fn get(&self, key: &str, range: Option<Span>, if_match: Option<&str>) -> Result<Option<Opened>> {
        let mut headers = HeaderMap::new();
        // What is stored compressed comes as it is stored, and not decoded: its length and ranges are of that.
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        if let Some(tag) = if_match {
            headers.insert(IF_GENERATION, value(tag)?);
        }
        if let Some(span) = &range {
            headers.insert(header::RANGE, value(&span.header())?);
        }
        let ask = Ask { headers, ..Ask::default() };
        let answer = match self.bucket.send_or_refused(Method::GET, &Place::Content(key), ask).await? {
            Ok(answer) => answer,
            Err(refused) if refused.status == StatusCode::RANGE_NOT_SATISFIABLE => return Ok(None),
            Err(refused) if refused.status == StatusCode::PRECONDITION_FAILED => {
                // Of a file that is not there a service may say that it does not match.
                self.head(key).await?;
                return Err(changed());
            }
            Err(refused) => return Err(refusal(&refused)),
        };
        let headers = answer.headers();
        let Some((span, size)) = given(answer.status(), headers, range.as_ref())? else {
            return Ok(None);
        };
        let info = match described(headers, size) {
            Some(info) => info,
            // An emulator that says little with the content.
            None => self.head(key).await?,
        };
        // A service may not have heeded it.
        if if_match.is_some() && if_match != info.etag.as_deref() {
            return Err(changed());
        }
        Ok(Some(Opened { info, range: span, chunks: chunks(answer.into_body()) }))
    }

    async fn presign_read(&self, key: &str, options: &PresignOptions) -> Result<Option<Secret>> {
        self.bucket.presign(key, options).await
    }

    async fn head(&self, key: &str) -> Result<FileInfo> {
        let answer = self.bucket.send(Method::GET, &Place::Object(key, ""), Ask::default()).await?;
        Ok(json::<Object>(answer).await?.info())
    }

    async fn put(&self, key: &str, content: Vec<Bytes>, options: &WriteOptions) -> Result<FileInfo> {
        let create = !options.overwrite;
        written(self.put_once(key, content, options, create).await?, create)
    }

    async fn list(&self, ask: &ListAsk) -> Result<Page> {
        let most = ask.most.map(|most| most.to_string());
        let mut query = vec![("prefix", &*ask.prefix)];
        query.extend(ask.by_folder.then_some(("delimiter", "/")));
        query.extend(most.as_deref().map(|most| ("maxResults", most)));
        query.extend(ask.token.as_deref().map(|token| ("pageToken", token)));
        let ask = Ask { query: &query, ..Ask::default() };
        let listed: Listed = json(self.bucket.send(Method::GET, &Place::Objects, ask).await?).await?;
        let objects = listed.items.into_iter().map(|object| (object.name.clone(), object.info())).collect();
        let token = listed.next_page_token.filter(|token| !token.is_empty());
        Ok(Page { objects, folders: listed.prefixes, token })
    }

    async fn delete(&self, keys: Vec<String>) -> Result<()> {
        let deletions = keys.into_iter().map(|key| async move {
            match self.bucket.send(Method::DELETE, &Place::Object(&key, ""), Ask::default()).await {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
                Ok(_) | Err(_) => Ok(()),
            }
        });
        stream::iter(deletions).buffer_unordered(DELETIONS).try_collect().await
    }

    async fn delete_unchanged(&self, key: &str, tag: &str) -> Result<()> {
        let ask = Ask { query: &[("ifGenerationMatch", tag)], ..Ask::default() };
        match self.bucket.send(Method::DELETE, &Place::Object(key, ""), ask).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    async fn copy(&self, from: &str, to: &str, source: &FileInfo, overwrite: bool) -> Result<Copied> {
        let verb = format!("/rewriteTo/b/{}/o/{}", self.bucket.name, encoded(to));
        let mut token: Option<String> = None;
        loop {
            let mut query = Vec::new();
            query.extend(source.etag.as_deref().map(|tag| ("ifSourceGenerationMatch", tag)));
            query.extend((!overwrite).then_some(("ifGenerationMatch", "0")));
            query.extend(token.as_deref().map(|token| ("rewriteToken", token)));
            let ask = Ask { query: &query, ..Ask::default() };
            let place = Place::Object(from, &verb);
            let answer = match self.bucket.send_or_refused(Method::POST, &place, ask).await? {
                Ok(answer) => answer,
                // One of both conditions: which, the target tells.
                Err(refused) if refused.status == StatusCode::PRECONDITION_FAILED => {
                    let is_taken = !overwrite && self.head(to).await.is_ok();
                    return Err(if is_taken {
                        Error::new(ErrorKind::AlreadyExists, "the file already exists").with_source(refused)
                    } else {
                        Error::new(ErrorKind::Unavailable, "the file was replaced while it was copied")
                    });
                }
                Err(refused) => return Err(refusal(&refused)),
            };
            let rewritten: Rewritten = json(answer).await?;
            if rewritten.done {
                return Ok(Copied::Done);
            }
            token = Some(rewritten.rewrite_token.ok_or_else(|| unexpected("half a copy without a token"))?);
        }
    }

    async fn begin(&self, key: &str, options: &WriteOptions) -> Result<String> {
        let create = !options.overwrite;
        written(self.begin_once(key, options, create).await?, create)
    }

    /// Sends the part before this one, and keeps this one, which may be the last.
    async fn put_part(&self, upload: &UploadId, number: usize, content: Vec<Bytes>) -> Result<String> {
        self.pending(&upload.name, |pending| pending.give(number, content))?;
        while let Some((start, part)) = self.pending(&upload.name, |pending| pending.oldest(1))? {
            self.send_part(&upload.name, start, part, None).await?.map_err(|refused| refusal(&refused))?;
            self.pending(&upload.name, Pending::advance)?;
        }
        Ok(String::new())
    }

    async fn complete(&self, upload: &UploadId, _: &[String], options: &WriteOptions) -> Result<FileInfo> {
        written(self.complete_once(&upload.name).await?, !options.overwrite)
    }

    async fn abort(&self, upload: &UploadId) -> Result<()> {
        self.uploads().remove(&upload.name);
        let place = Place::Session(&upload.name);
        match self.bucket.send_or_refused(Method::DELETE, &place, Ask::default()).await? {
            Ok(_) => Ok(()),
            // 499 is how the service says that it is done.
            Err(refused) => match refused.status.as_u16() {
                499 | 404 | 410 => Ok(()),
                _ => Err(refusal(&refused)),
            },
        }
    }

    async fn can_create(&self) -> Result<bool> {
        self.creating.get_or_try_init(|| self.probe()).await.copied()
    }

    async fn ping(&self) -> Result<()> {
        let ask = Ask { query: &[("maxResults", "1")], ..Ask::default() };
        self.bucket.send(Method::GET, &Place::Objects, ask).await?;
        self.can_create().await.map(drop)
    }
}
