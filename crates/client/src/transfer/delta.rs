//! A new version of a file that the server has, of which only what changed is sent.
//!
//! The server lists the chunks of the old version, the local file is cut by the same rule, and a staged upload is
//! composed of ranges of the old one and of what it does not have. The server verifies the digest of the whole. Where this
//! does not pay, or the server cannot do it, the file is sent whole as if nothing had been tried.

mod read;
mod recipe;

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, IF_MATCH, LOCATION};
use http::{HeaderName, HeaderValue, Method, Request};
use longshore_core::delta::MEDIA_TYPE;
use longshore_core::wire::{Node, NodeKind, OnConflict, StagedUpload};
use longshore_core::{Algorithm, Code, UploadId, VersionId};
use longshore_flow::Cancel;

use self::read::Subject;
use self::recipe::{Known, Listing};
use super::control::Control;
use super::progress::Report;
use super::source::{Known as Standing, Target};
use super::upload::{Guard, UploadOptions, find, locks};
use crate::api::files::Folder;
use crate::client::{Call, Client, LOCK_TOKEN, Lane};
use crate::error::{Error, Result};
use crate::lock::Named;
use crate::transport::answer::Answer;
use crate::transport::body::{Body, Sending};

/// How long content is of which only what changed is sent. Below, a list of chunks saves too little; above, what is known
/// of them takes too much memory: about 4 MiB for each GiB.
const LENGTHS: RangeInclusive<u64> = 4 * 1024 * 1024..=16 * 1024 * 1024 * 1024;

const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const LONGSHORE_BASE: HeaderName = HeaderName::from_static("longshore-base");

/// Whether only what changed of a file is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delta {
    /// Where it pays: a file of 4 MiB or more, by its path, of which the server has a version.
    #[default]
    WhereItPays,
    /// Never: all of it is sent.
    Never,
}

/// Uploads a new version by what changed alone; nothing where the file is to be sent whole. `known` is what
/// stands at the target, where that is known: else the server is asked.
pub(crate) async fn try_upload(
    client: &Client,
    path: &Path,
    target: &Target,
    known: &Standing,
    options: &UploadOptions,
    report: &Report,
) -> Result<Option<Node>> {
    let is_stated = options.digest.is_some_and(|digest| digest.algorithm() != Algorithm::Blake3);
    let makes_a_version = options.on_conflict == OnConflict::Version && !options.if_none_match;
    // A caller's own idempotency key goes with one request, and this takes several.
    if options.delta == Delta::Never || !makes_a_version || is_stated || client.ensure_no_own_key().is_err() {
        return Ok(None);
    }
    let looked = path.to_owned();
    let look = tokio::task::spawn_blocking(move || read::is_worth_a_look(&looked, LENGTHS));
    if look.await.map_err(Error::lost)?.is_none() {
        return Ok(None);
    }
    let found = match known {
        Standing::Node(node) => Some(Node::clone(node)),
        Standing::Absent => None,
        // What cannot be found out is nothing to go by.
        Standing::Unknown => find(client, target).await.ok(),
    };
    let Some((node, base)) = found.and_then(base) else { return Ok(None) };
    let Some(known) = chunks(client, &node, base, &options.hand()).await? else { return Ok(None) };
    let (path, cancel) = (path.to_owned(), Cancel::new());
    let _cancelled_with_this = cancel.clone().on_drop();
    let compared = tokio::task::spawn_blocking(move || read::compare(path, known, &cancel));
    let Some(subject) = compared.await.map_err(Error::lost)? else { return Ok(None) };
    if options.digest.is_some_and(|digest| digest != subject.digest) {
        let message = "the content does not have the digest that was stated";
        return Err(Error::mismatch(Code::DigestMismatch, message));
    }
    let locks = locks(client, target, options);
    let control = options.hand();
    let upload =
        DeltaUpload { client, target, options, report, control, locks, base, subject: Arc::new(subject) };
    upload.run().await
}

/// Returns a file whose version something may be shared with, and that version.
fn base(node: Node) -> Option<(Node, VersionId)> {
    let version = node.version_id.filter(|_| node.kind == NodeKind::File && LENGTHS.contains(&node.size))?;
    Some((node, version))
}

/// Asks for the chunks of a version; nothing where there is no list that can be used.
async fn chunks(
    client: &Client,
    node: &Node,
    version: VersionId,
    control: &Control,
) -> Result<Option<Known>> {
    let route = format!("/v1/files/{}/versions/{version}/chunks", node.id);
    let mut tries = client.tries();
    loop {
        control.pass().await?;
        let slot = client.slots().acquire().await;
        let listed = list(client, &route, node.size).await;
        slot.ended(listed.as_ref().err());
        match listed {
            Ok(known) => return Ok(known),
            // Who cannot be reached for this is perhaps reached for the whole.
            Err(error) => match tries.again(error).await {
                Ok(_) => {}
                Err(_) => return Ok(None),
            },
        }
    }
}

async fn list(client: &Client, route: &str, length: u64) -> Result<Option<Known>> {
    let request = client.request(Method::GET, route, Body::Empty)?;
    let mut answer = client.send(request, None, Lane::Common).await?;
    let mut listing = Listing::default();
    while let Some(bytes) = answer.chunk().await {
        if listing.push(&bytes?, length).is_err() {
            return Ok(None);
        }
    }
    Ok(listing.finish(length).ok())
}

/// What became of an attempt.
enum Attempt {
    /// All of it is there.
    Whole,
    /// The server does not take this as a delta.
    Unwanted,
}

struct DeltaUpload<'a> {
    client: &'a Client,
    target: &'a Target,
    options: &'a UploadOptions,
    report: &'a Report,
    control: Control,
    locks: Named,
    base: VersionId,
    subject: Arc<Subject>,
}

/// Tells whether a refusal says that the file must be sent whole.
fn asks_for_all(error: &Error) -> bool {
    [
        Code::RouteNotFound,
        Code::MediaTypeUnsupported,
        Code::UploadNotFound,
        Code::UploadExpired,
        Code::UploadNotAppendable,
        Code::TooManyPieces,
        Code::VersionNotFound,
        Code::NodeNotFound,
        Code::InTrash,
        Code::InvalidDelta,
        Code::TusVersionUnsupported,
    ]
    .into_iter()
    .any(|code| error.is(code))
}

impl DeltaUpload<'_> {
    async fn run(mut self) -> Result<Option<Node>> {
        let Some(id) = self.create().await? else { return Ok(None) };
        let length = self.subject.length;
        self.report.started(Some(length));
        self.report.reused(length.saturating_sub(self.subject.recipe.bytes(0)));
        match self.send(id).await? {
            Attempt::Whole => self.written(id).await.map(Some),
            Attempt::Unwanted => {
                // It expires by itself where this fails.
                let _expires = self.ask(Method::DELETE, &url(id)).await;
                Ok(None)
            }
        }
    }

    fn request(&self, method: Method, path: &str, body: Body) -> Result<Request<Body>> {
        let mut request = self.client.request(method, path, body)?;
        let headers = request.headers_mut();
        headers.insert(TUS_RESUMABLE, HeaderValue::from_static("1.0.0"));
        if let Some(locks) = self.locks.header()? {
            headers.insert(LOCK_TOKEN, locks);
        }
        if let Some(if_match) = self.options.if_match {
            headers.insert(IF_MATCH, if_match.header());
        }
        Ok(request)
    }

    async fn ask(&self, method: Method, path: &str) -> Result<Answer> {
        self.control.pass().await?;
        let request = self.request(method, path, Body::Empty)?;
        self.client.send(request, None, Lane::Common).await
    }

    /// Begins the upload; nothing where the server does not know such.
    async fn create(&mut self) -> Result<Option<UploadId>> {
        let metadata = HeaderValue::try_from(self.metadata().await?)
            .map_err(|_| Error::invalid("what is said of the upload makes no header"))?;
        let mut tries = self.client.tries();
        loop {
            self.control.pass().await?;
            let mut request = self.request(Method::POST, "/v1/uploads", Body::Empty)?;
            let headers = request.headers_mut();
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            headers.insert(UPLOAD_LENGTH, HeaderValue::from(self.subject.length));
            headers.insert(UPLOAD_METADATA, metadata.clone());
            let error = match self.client.send(request, None, Lane::Common).await {
                Ok(answer) => {
                    let location = answer.header(LOCATION.as_str()).and_then(|url| url.rsplit('/').next());
                    return Ok(location.and_then(|id| id.parse().ok()));
                }
                Err(error) => error,
            };
            if self.locks.leave_out(&error) {
                continue;
            }
            if error.is(Code::RouteNotFound) || error.is(Code::MethodNotAllowed) {
                return Ok(None);
            }
            // A second one that nobody uses expires.
            tries.again(error).await?;
        }
    }

    async fn metadata(&self) -> Result<String> {
        let mut said = vec![("digest", self.subject.digest.to_string())];
        match self.target {
            Target::Version { node } => said.push(("node_id", node.to_string())),
            Target::Path(place) => {
                let workspace = self.client.workspace(place.workspace).await?;
                said.push(("workspace", workspace.to_string()));
                said.push(("path", place.path.to_string()));
            }
            Target::Child { parent, name } => {
                said.push(("filename", name.to_string()));
                said.push(("parent_id", parent.route().0));
                if let Folder::Root(Some(workspace)) = parent {
                    said.push(("workspace", workspace.to_string()));
                }
            }
        }
        if let Some(media_type) = &self.options.media_type {
            said.push(("filetype", media_type.clone()));
        }
        let pair = |(key, value): &(&str, String)| format!("{key} {}", STANDARD.encode(value));
        Ok(said.iter().map(pair).collect::<Vec<_>>().join(","))
    }

    /// Sends the instructions, and goes on where the server stopped.
    async fn send(&mut self, id: UploadId) -> Result<Attempt> {
        let mut tries = self.client.tries();
        let mut offset = 0;
        loop {
            let mut sending = None;
            let patched = self.patch(id, offset, &mut sending).await;
            let error = match patched {
                Ok(()) => return Ok(Attempt::Whole),
                Err(error) => {
                    let failed = sending.as_ref().and_then(|sending: &Arc<Sending>| sending.take_failure());
                    failed.unwrap_or(error)
                }
            };
            if self.locks.leave_out(&error) {
                continue;
            }
            if asks_for_all(&error) {
                return Ok(Attempt::Unwanted);
            }
            let moved = sending.map_or(0, |sending| sending.bytes());
            let is_behind = error.is(Code::OffsetMismatch) || error.is(Code::UploadTakenOver);
            let retried = if is_behind { tries.at_once(error) } else { tries.again(error).await? };
            if is_behind && retried.attempt > self.client.retry().max_attempts {
                return Err(retried.error);
            }
            self.report.retried(&retried, moved);
            match self.offset(id).await {
                Ok(now) => {
                    if now > offset {
                        tries.moved();
                    }
                    offset = now;
                }
                Err(error) if asks_for_all(&error) => return Ok(Attempt::Unwanted),
                // The next attempt finds out whether that lasts.
                Err(error) if error.is_retryable() => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn patch(&self, id: UploadId, offset: u64, watched: &mut Option<Arc<Sending>>) -> Result<()> {
        self.control.pass().await?;
        let length = self.subject.recipe.bytes(offset);
        let sending = Sending::new(self.report.clone());
        *watched = Some(sending.clone());
        let chunks = self.control.hold(read::read_ahead(self.subject.clone(), offset));
        let body =
            if length == 0 { Body::Empty } else { Body::Chunks(chunks, Some(length), sending.clone()) };
        let mut request = self.request(Method::PATCH, &url(id), body)?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(UPLOAD_OFFSET, HeaderValue::from(offset));
        let base = HeaderValue::try_from(self.base.to_string());
        headers.insert(LONGSHORE_BASE, base.map_err(|_| Error::invalid("a version makes no header"))?);
        let _guard = Guard(sending.clone());
        let slot = self.client.slots().acquire().await;
        let sent = self.client.send(request, Some(sending), Lane::Common).await;
        slot.ended(sent.as_ref().err());
        sent.map(drop)
    }

    /// Asks where to go on; what was whole already is written with this.
    async fn offset(&self, id: UploadId) -> Result<u64> {
        let answer = self.ask(Method::HEAD, &url(id)).await?;
        let offset = answer.header(UPLOAD_OFFSET.as_str()).and_then(|text| text.parse().ok());
        let offset = offset.filter(|offset| *offset <= self.subject.length);
        offset.ok_or_else(|| {
            Error::unreadable("the server tells no offset of an upload", answer.status().as_u16())
        })
    }

    /// Returns what the upload became.
    async fn written(&self, id: UploadId) -> Result<Node> {
        let staged: StagedUpload = self.client.json(Call::get(url(id))).await?;
        let node = staged.node.ok_or_else(|| Error::unreadable("the server tells of no file", 200))?;
        if node.digest != Some(self.subject.digest) {
            let message = format!("the server stored other content than was sent to {}", self.target);
            return Err(Error::mismatch(Code::DigestMismatch, message));
        }
        Ok(node)
    }
}

fn url(id: UploadId) -> String {
    format!("/v1/uploads/{id}")
}
