//! Bytes in: a request's body on its way into the engine.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use longshore_core::wire::{Dropped, OnConflict};
use longshore_core::{Code, Digest, Name};
use longshore_engine::{Actor, DropOptions, Engine, Target, UploadOptions, Visit, Written};

use super::app::App;
use super::extract::next_piece;
use super::premise::Premises;
use super::shared::Visitor;
use crate::measures::Counted;
use crate::problem::Failure;

/// The longest media type that is kept.
const MEDIA_TYPE_BYTES: usize = 255;

/// Content that a request brings, not yet read.
pub(super) struct Incoming {
    options: UploadOptions,
    body: Body,
    idle: Duration,
}

impl Incoming {
    /// Streams the content to where it goes.
    ///
    /// If the body breaks off, or this future is dropped, nothing of it becomes visible.
    pub(super) async fn write_to(
        mut self,
        app: &App,
        actor: &Actor,
        target: Target,
        on_conflict: OnConflict,
    ) -> Result<Written, Failure> {
        let _counted = Counted::upload();
        let options = UploadOptions { on_conflict, ..self.options };
        let mut upload = app.engine().begin_upload(actor, target, options).await?;
        while let Some(piece) = next_piece(&mut self.body, self.idle).await? {
            upload.write(piece).await?;
        }
        Ok(upload.finish().await?)
    }

    /// Streams the content into a drop box, as a new file.
    pub(super) async fn drop_into(mut self, visitor: Visitor, name: Name) -> Result<Dropped, Failure> {
        let _counted = Counted::upload();
        let UploadOptions { length, media_type, digests, premises, .. } = self.options;
        let options = DropOptions { length, media_type, digests, idempotency: premises.idempotency };
        let begin = async |engine: &Engine, visit: &Visit| engine.begin_drop(visit, name, options).await;
        let mut dropping = Box::pin(visitor.attempt(begin)).await?;
        while let Some(piece) = next_piece(&mut self.body, self.idle).await? {
            dropping.write(piece).await?;
        }
        Ok(Box::pin(dropping.finish()).await?)
    }
}

impl FromRequest<App> for Incoming {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let (head, body) = request.into_parts();
        let headers = &head.headers;
        let options = UploadOptions {
            length: length(headers)?,
            media_type: media_type(headers),
            digests: digests(headers)?,
            premises: Premises::of(&head)?.0,
            ..UploadOptions::default()
        };
        Ok(Self { options, idle: app.limits().idle, body })
    }
}

pub(super) fn length(headers: &HeaderMap) -> Result<Option<u64>, Failure> {
    let Some(value) = headers.get(CONTENT_LENGTH) else {
        return Ok(None);
    };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| Failure::new(Code::InvalidHeader, "`content-length` is a number"))
}

/// Returns the media type that is stated. One that is malformed says nothing, so it is left out.
fn media_type(headers: &HeaderMap) -> Option<String> {
    well_formed_media_type(headers.get(CONTENT_TYPE)?.to_str().ok()?)
}

/// Returns a text that has the form of a media type.
pub(super) fn well_formed_media_type(text: &str) -> Option<String> {
    let text = text.trim();
    let essence = text.split(';').next()?.trim();
    let (kind, subtype) = essence.split_once('/')?;
    let is_token = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    (text.len() <= MEDIA_TYPE_BYTES && is_token(kind) && is_token(subtype)).then(|| text.to_owned())
}

pub(super) fn digests(headers: &HeaderMap) -> Result<Vec<Digest>, Failure> {
    let mut digests = Vec::new();
    for line in headers.get_all("content-digest") {
        let parsed = line.to_str().ok().map(Digest::parse_content_digest);
        match parsed {
            Some(Ok(line)) => digests.extend(line),
            _ => {
                let detail = "`content-digest` is RFC 9530's: `sha-256=:<base64>:`";
                return Err(Failure::new(Code::InvalidHeader, detail));
            }
        }
    }
    Ok(digests)
}
