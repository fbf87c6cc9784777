//! The requests of tus 1.0, as far as uploads of whole files need them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_TYPE, HeaderName, IF_MATCH, IF_NONE_MATCH, LOCATION};
use http::{HeaderMap, HeaderValue, Method};
use longshore_core::wire::{Node, OnConflict, StagedUpload};
use longshore_core::{Digest, VersionId, WorkspaceId, delta};

use crate::api::files::Folder;
use crate::client::{Client, IDEMPOTENCY_KEY, LOCK_TOKEN, Lane, read};
use crate::error::{Error, Result};
use crate::lock::Named;
use crate::transfer::source::Target;
use crate::transfer::upload::UploadOptions;
use crate::transport::answer::Answer;
use crate::transport::body::Body;

pub(in crate::transfer) const ROUTE: &str = "/v1/uploads";
const LONGSHORE_BASE: HeaderName = HeaderName::from_static("longshore-base");
const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const UPLOAD_CONCAT: HeaderName = HeaderName::from_static("upload-concat");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
/// Of RFC 7240.
const PREFER: HeaderName = HeaderName::from_static("prefer");
/// The media type of an upload's bytes.
const BYTES: &str = "application/offset+octet-stream";

/// What is said of an upload's file: keys with values in base64.
#[derive(Clone, Debug, Default)]
pub(in crate::transfer) struct Metadata(Vec<String>);

impl Metadata {
    fn add(&mut self, key: &str, value: impl ToString) {
        self.0.push(format!("{key} {}", STANDARD.encode(value.to_string())));
    }

    /// Says where the file goes, and what is to hold there.
    pub(in crate::transfer) fn of(
        target: &Target,
        workspace: Option<WorkspaceId>,
        options: &UploadOptions,
    ) -> Self {
        let mut metadata = Self::default();
        match target {
            Target::Path(place) => metadata.add("path", &place.path),
            Target::Child { parent, name } => {
                match parent {
                    Folder::Root(_) => metadata.add("parent_id", "root"),
                    Folder::Id(id) => metadata.add("parent_id", id),
                }
                metadata.add("filename", name);
            }
            Target::Version { node } => metadata.add("node_id", node),
        }
        if let Some(workspace) = workspace {
            metadata.add("workspace", workspace);
        }
        if let Some(media_type) = &options.media_type {
            metadata.add("filetype", media_type);
        }
        match options.on_conflict {
            OnConflict::Version => {}
            OnConflict::Error => metadata.add("on_conflict", "error"),
            OnConflict::Rename => metadata.add("on_conflict", "rename"),
        }
        metadata
    }

    /// Says what digest the content must have.
    pub(in crate::transfer) fn with_digest(mut self, digest: Digest) -> Self {
        self.add("digest", digest);
        self
    }

    fn header(&self) -> Result<HeaderValue> {
        value(&self.0.join(","))
    }
}

/// Returns the workspace that a target is in, where its place alone does not say so.
pub(in crate::transfer) async fn workspace(client: &Client, target: &Target) -> Result<Option<WorkspaceId>> {
    match target {
        Target::Path(place) => client.workspace(place.workspace).await.map(Some),
        Target::Child { parent: Folder::Root(workspace), .. } => client.workspace(*workspace).await.map(Some),
        Target::Child { .. } | Target::Version { .. } => Ok(None),
    }
}

fn value(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|_| Error::invalid("what is said of the upload makes no header"))
}

fn wrong(message: &str, answer: &Answer) -> Error {
    Error::unreadable(message, answer.status().as_u16())
}

/// Says what must hold for the file to be written.
fn premises(headers: &mut HeaderMap, options: &UploadOptions, locks: &Named) -> Result<()> {
    if let Some(if_match) = options.if_match {
        headers.insert(IF_MATCH, if_match.header());
    }
    if options.if_none_match {
        headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
    }
    if let Some(locks) = locks.header()? {
        headers.insert(LOCK_TOKEN, locks);
    }
    Ok(())
}

/// What is said of an upload when it is begun.
#[derive(Clone, Debug)]
pub(in crate::transfer) struct Creation {
    pub(in crate::transfer) metadata: Metadata,
    pub(in crate::transfer) locks: Named,
    /// Nothing where it is not said: then no room is set aside for it.
    pub(in crate::transfer) length: Option<u64>,
    /// By which the server finds it again.
    pub(in crate::transfer) key: HeaderValue,
    /// Whether it is a part of a file, of which nothing is asked.
    is_part: bool,
}

impl Creation {
    pub(in crate::transfer) fn of_file(
        client: &Client,
        metadata: Metadata,
        locks: Named,
        length: u64,
    ) -> Result<Self> {
        Ok(Self { metadata, locks, length: Some(length), key: client.write_key()?, is_part: false })
    }

    /// Says all of a file but its length: its parts have set that aside, and there may be no room for it twice.
    pub(in crate::transfer) fn of_rehearsal(
        client: &Client,
        metadata: Metadata,
        locks: Named,
    ) -> Result<Self> {
        Ok(Self { metadata, locks, length: None, key: client.write_key()?, is_part: false })
    }

    /// Says that a part of a file begins at an offset, and in which workspace the file is to be where that is known: its quota
    /// is asked before any byte goes.
    pub(in crate::transfer) fn of_part(
        client: &Client,
        workspace: Option<WorkspaceId>,
        offset: u64,
        length: u64,
    ) -> Result<Self> {
        let mut metadata = Metadata::default();
        metadata.add("offset", offset);
        if let Some(workspace) = workspace {
            metadata.add("workspace", workspace);
        }
        Ok(Self {
            metadata,
            locks: Named::default(),
            length: Some(length),
            key: client.write_key()?,
            is_part: true,
        })
    }
}

/// An upload that was begun.
pub(in crate::transfer) struct Created {
    pub(in crate::transfer) place: String,
    /// How many of its bytes are durable.
    pub(in crate::transfer) offset: u64,
    /// The file that it became, where that was told.
    pub(in crate::transfer) node: Option<Node>,
}

/// One request of tus, with what all have.
#[derive(Clone, Copy)]
pub(in crate::transfer) struct Tus<'a> {
    pub(in crate::transfer) client: &'a Client,
    pub(in crate::transfer) options: &'a UploadOptions,
}

impl Tus<'_> {
    async fn send(&self, method: Method, route: &str, headers: HeaderMap) -> Result<Answer> {
        let mut request = self.client.request(method, route, Body::Empty)?;
        request.headers_mut().extend(headers);
        request.headers_mut().insert(TUS_RESUMABLE, HeaderValue::from_static("1.0.0"));
        let mut answer = self.client.send(request, None, Lane::Common).await?;
        // Read to its end, it gives its connection back.
        let _empty = answer.collect(0).await;
        Ok(answer)
    }

    /// Begins an upload of a file or of a part, with its bytes where there are any to send along. Under a key that was used, it finds the
    /// one that was begun, and takes it over from requests that are still under way.
    pub(in crate::transfer) async fn create(&self, creation: &Creation, body: Body) -> Result<Created> {
        let length = creation.length;
        let sending = body.sending();
        let mut request = self.client.request(Method::POST, ROUTE, body)?;
        let headers = request.headers_mut();
        headers.insert(TUS_RESUMABLE, HeaderValue::from_static("1.0.0"));
        match length {
            Some(length) => headers.insert(UPLOAD_LENGTH, HeaderValue::from(length)),
            None => headers.insert(UPLOAD_DEFER_LENGTH, HeaderValue::from_static("1")),
        };
        headers.insert(UPLOAD_METADATA, creation.metadata.header()?);
        headers.insert(IDEMPOTENCY_KEY, creation.key.clone());
        if sending.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(BYTES));
            headers.insert(PREFER, HeaderValue::from_static("return=representation"));
        }
        if creation.is_part {
            headers.insert(UPLOAD_CONCAT, HeaderValue::from_static("partial"));
        } else {
            premises(headers, self.options, &creation.locks)?;
        }
        let mut answer = self.client.send(request, sending, Lane::Common).await?;
        let place = location(&answer)?;
        let offset = stated_offset(&answer).filter(|offset| *offset <= length.unwrap_or(0));
        let offset = offset.ok_or_else(|| wrong("the upload has no offset that can be true", &answer))?;
        // Who tells nothing of the upload is asked for it.
        let node = read::<StagedUpload>(&mut answer).await.ok().and_then(|shown| shown.node);
        Ok(Created { place, offset, node })
    }

    /// Makes the file of its parts; returns where that upload is.
    pub(in crate::transfer) async fn join(
        &self,
        parts: &[String],
        metadata: &Metadata,
        locks: &Named,
    ) -> Result<String> {
        let mut headers = HeaderMap::new();
        headers.insert(UPLOAD_CONCAT, value(&format!("final;{}", parts.join(" ")))?);
        headers.insert(UPLOAD_METADATA, metadata.header()?);
        premises(&mut headers, self.options, locks)?;
        location(&self.send(Method::POST, ROUTE, headers).await?)
    }

    /// Asks how many bytes of an upload are durable, and takes it over from requests that are still under way. A file whose
    /// bytes are all there is written, under these locks.
    pub(in crate::transfer) async fn offset(&self, upload: &str, length: u64, locks: &Named) -> Result<u64> {
        let mut headers = HeaderMap::new();
        if let Some(locks) = locks.header()? {
            headers.insert(LOCK_TOKEN, locks);
        }
        let answer = self.send(Method::HEAD, upload, headers).await?;
        let offset = stated_offset(&answer).filter(|offset| *offset <= length);
        offset.ok_or_else(|| wrong("the upload has no offset that can be true", &answer))
    }

    /// Adds bytes to an upload, the last ones it needs: as they are, or as a delta to a version.
    pub(in crate::transfer) async fn append(
        &self,
        upload: &str,
        range: std::ops::Range<u64>,
        base: Option<VersionId>,
        locks: &Named,
        body: Body,
    ) -> Result<()> {
        let sending = body.sending();
        let mut request = self.client.request(Method::PATCH, upload, body)?;
        let headers = request.headers_mut();
        headers.insert(TUS_RESUMABLE, HeaderValue::from_static("1.0.0"));
        let media_type = base.map_or(BYTES, |_| delta::MEDIA_TYPE);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        if let Some(base) = base {
            headers.insert(LONGSHORE_BASE, value(&base.to_string())?);
        }
        headers.insert(UPLOAD_OFFSET, HeaderValue::from(range.start));
        if let Some(locks) = locks.header()? {
            headers.insert(LOCK_TOKEN, locks);
        }
        let mut answer = self.client.send(request, sending, Lane::Common).await?;
        let _empty = answer.collect(0).await;
        match stated_offset(&answer) {
            Some(offset) if offset == range.end => Ok(()),
            _ => Err(wrong("the server has not as many bytes as were sent", &answer)),
        }
    }

    /// Returns what an upload became.
    pub(in crate::transfer) async fn show(&self, upload: &str) -> Result<StagedUpload> {
        let request = self.client.request(Method::GET, upload, Body::Empty)?;
        read(&mut self.client.send(request, None, Lane::Common).await?).await
    }

    /// Removes an upload; what cannot be removed goes when its time is over.
    pub(in crate::transfer) async fn remove(&self, upload: &str) {
        let _expires = self.send(Method::DELETE, upload, HeaderMap::new()).await;
    }
}

fn stated_offset(answer: &Answer) -> Option<u64> {
    answer.header(UPLOAD_OFFSET.as_str())?.parse().ok()
}

/// Returns the route of the upload that an answer says it has begun.
fn location(answer: &Answer) -> Result<String> {
    let place = answer.header(LOCATION.as_str()).and_then(route);
    place.ok_or_else(|| wrong("the server does not say where the upload is", answer))
}

/// Returns the route of an upload that a `Location` names: whoever stands between may have made a URL of it.
pub(in crate::transfer) fn route(location: &str) -> Option<String> {
    let (_, id) = location.rsplit_once("/uploads/")?;
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_id.then(|| format!("{ROUTE}/{id}"))
}
