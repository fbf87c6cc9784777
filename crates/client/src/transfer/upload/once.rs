//! One upload in one request, sent again where that is safe.

use std::sync::Arc;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderValue, Method, Request};
use longshore_core::path::encode_segment;
use longshore_core::wire::{Node, OnConflict};
use longshore_core::{Algorithm, Code, Digest, ErrorKind};

use super::ready::Ready;
use super::{CONTENT_DIGEST, Guard, UploadOptions, locks, to_verify};
use crate::api::files::{IfMatch, file_route};
use crate::client::{Client, IDEMPOTENCY_KEY, LOCK_TOKEN, Lane, read};
use crate::error::{Error, Result};
use crate::lock::Named;
use crate::transfer::control::Control;
use crate::transfer::plan::{has_landed, shows_itself};
use crate::transfer::progress::Report;
use crate::transfer::source::{Source, Target};
use crate::transport::body::{Body, Sending};

pub(super) struct Upload<'a> {
    client: &'a Client,
    target: &'a Target,
    options: &'a UploadOptions,
    control: Control,
    report: &'a Report,
    content: Ready,
    method: Method,
    route: String,
    /// By which the server knows the same content again: sent twice, it makes one version.
    key: HeaderValue,
    locks: Named,
}

/// One attempt's failure.
struct Failed {
    error: Error,
    /// The digest of what was sent, if all of it was.
    sent: Option<Digest>,
    /// How many bytes were reported.
    bytes: u64,
}

impl<'a> Upload<'a> {
    pub(super) async fn prepare(
        client: &'a Client,
        source: Source,
        target: &'a Target,
        options: &'a UploadOptions,
        report: &'a Report,
    ) -> Result<Self> {
        let content = Ready::of(source).await?;
        report.started(content.length());
        let (method, route) = route(client, target, options.on_conflict).await?;
        let locks = locks(client, target, options);
        let key = client.write_key()?;
        let control = options.hand();
        Ok(Self { client, target, options, control, report, content, method, route, key, locks })
    }

    pub(super) async fn run(mut self) -> Result<Node> {
        let mut tries = self.client.tries();
        loop {
            let failed = match self.attempt().await {
                Ok(node) => return Ok(node),
                Err(failed) => failed,
            };
            if self.locks.leave_out(&failed.error) && !self.content.is_used_up() {
                self.report.retried(&tries.at_once(failed.error), failed.bytes);
                continue;
            }
            // A disk does not empty itself while the same content is sent again.
            if failed.error.is_storage_full() {
                return Err(failed.error);
            }
            let ambiguous = failed.error.may_have_happened() && failed.error.is_retryable();
            // What never left whole cannot have been carried out, whatever the connection did.
            let sent = failed.sent.filter(|_| ambiguous);
            if self.content.is_stream() {
                // It cannot be sent again, but perhaps it need not be.
                return match sent {
                    Some(sent) => match look(self.client, self.target, self.options, sent).await {
                        Ok(Some(node)) => Ok(node),
                        _ => Err(failed.error),
                    },
                    None => Err(failed.error),
                };
            }
            let retried = tries.again(failed.error).await?;
            // The key makes it safe to send all of it again; a look may spare that.
            if let Some(sent) = sent
                && let Ok(Some(node)) = look(self.client, self.target, self.options, sent).await
            {
                return Ok(node);
            }
            self.report.retried(&retried, failed.bytes);
        }
    }

    async fn attempt(&mut self) -> Result<Node, Failed> {
        let mut sending = None;
        let result = match self.control.pass().await {
            Ok(()) => {
                let slot = self.client.slots().acquire().await;
                let result = self.exchange(&mut sending).await;
                slot.ended(result.as_ref().err());
                result
            }
            Err(error) => Err(error),
        };
        let in_memory = self.content.digest();
        match (result, sending) {
            (Ok(node), _) => Ok(node),
            (Err(error), None) => Err(Failed { error, sent: in_memory, bytes: 0 }),
            (Err(error), Some(sending)) => Err(Failed {
                error: sending.take_failure().unwrap_or(error),
                sent: in_memory.or_else(|| sending.digest()).filter(|_| sending.is_complete()),
                bytes: sending.bytes(),
            }),
        }
    }

    async fn exchange(&mut self, sending: &mut Option<Arc<Sending>>) -> Result<Node> {
        let (body, digest) = self.content.body(&self.control, self.report, sending).await?;
        let request = self.request(body, digest)?;
        let guard = sending.clone().map(Guard);
        // A caller's stream says nothing of the line.
        let watched = sending.as_ref().filter(|_| !self.content.is_stream());
        let watched = watched.map(|sending| self.client.line().watch(sending));
        let mut answer = self.client.send(request, sending.clone(), Lane::Common).await?;
        let node: Node = read(&mut answer).await?;
        drop(watched);
        if let Some(guard) = guard {
            // All is said; whether the body was read to its end no longer matters.
            drop(guard);
        } else {
            self.report.bytes(node.size);
        }
        let digest = digest.or_else(|| sending.as_ref().and_then(|sending| sending.digest()));
        if digest.is_some() && digest != node.digest {
            let message = format!("the server stored other content than was sent to {}", self.target);
            return Err(Error::mismatch(Code::DigestMismatch, message));
        }
        Ok(node)
    }

    fn request(&self, body: Body, digest: Option<Digest>) -> Result<Request<Body>> {
        let empty = matches!(&body, Body::Whole(bytes) if bytes.is_empty());
        let mut request = self.client.request(self.method.clone(), &self.route, body)?;
        let headers = request.headers_mut();
        headers.insert(IDEMPOTENCY_KEY, self.key.clone());
        if empty {
            // Without this hyper states no length at all, and some servers then ask for one (411).
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        if let Some(media_type) = &self.options.media_type {
            let value = HeaderValue::from_str(media_type)
                .map_err(|_| Error::invalid(format!("{media_type:?} is no media type")))?;
            headers.insert(CONTENT_TYPE, value);
        }
        if let Some(if_match) = self.options.if_match {
            headers.insert(IF_MATCH, if_match.header());
        }
        if let Some(locks) = self.locks.header()? {
            headers.insert(LOCK_TOKEN, locks);
        }
        if self.options.if_none_match {
            headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
        }
        if let Some(field) = digest_field(digest, self.options)? {
            headers.insert(CONTENT_DIGEST, field);
        }
        Ok(request)
    }
}

/// Looks whether a write landed, after all of its content was sent and no answer came; nothing where that cannot be
/// seen from what stands at the target.
async fn look(
    client: &Client,
    target: &Target,
    options: &UploadOptions,
    sent: Digest,
) -> Result<Option<Node>> {
    let replaced = match options.if_match {
        Some(IfMatch::Version(version)) => Some(version),
        _ => None,
    };
    if !shows_itself(options.on_conflict, options.if_none_match) {
        return Ok(None);
    }
    match super::find(client, target).await {
        Ok(node) => Ok(has_landed(replaced, sent, &node).then_some(node)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the method and route of an upload.
async fn route(client: &Client, target: &Target, on_conflict: OnConflict) -> Result<(Method, String)> {
    let conflict = match on_conflict {
        OnConflict::Version => "",
        OnConflict::Error => "on_conflict=error",
        OnConflict::Rename => "on_conflict=rename",
    };
    match target {
        Target::Path(place) => {
            if place.path.is_root() {
                return Err(Error::mismatch(Code::NotAFile, "the root is a folder"));
            }
            let mut route = file_route(client, place).await?;
            if !conflict.is_empty() {
                route.push('?');
                route.push_str(conflict);
            }
            Ok((Method::PUT, route))
        }
        Target::Child { parent, name } => {
            let (id, query) = parent.route();
            let mut route = format!("/v1/files/{id}/files?name={}", encode_segment(name.as_str()));
            for part in [query.as_str(), conflict] {
                if !part.is_empty() {
                    route.push('&');
                    route.push_str(part);
                }
            }
            Ok((Method::POST, route))
        }
        Target::Version { node } => Ok((Method::PUT, format!("/v1/files/{node}/content"))),
    }
}

/// Makes the `Content-Digest` of what was computed and what the caller stated.
fn digest_field(computed: Option<Digest>, options: &UploadOptions) -> Result<Option<HeaderValue>> {
    debug_assert!(computed.is_none_or(|digest| digest.algorithm() == Algorithm::Blake3));
    let to_verify = computed.map(|computed| to_verify(options, computed)).transpose()?.or(options.digest);
    let others = computed.filter(|computed| Some(*computed) != to_verify);
    let fields: Vec<_> =
        others.into_iter().chain(to_verify).map(|digest| digest.to_content_digest()).collect();
    if fields.is_empty() {
        return Ok(None);
    }
    HeaderValue::from_str(&fields.join(", "))
        .map(Some)
        .map_err(|_| Error::invalid("the digest makes no header"))
}
