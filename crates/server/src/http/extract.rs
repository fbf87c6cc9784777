//! What handlers take out of a request: who asks, what the URL names, the query.
//!
//! What the URL names is read from its raw path: once decoded, `%2F` and a separator look the same.

use std::ops::Deref;
use std::str::FromStr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, MatchedPath};
use axum::http::HeaderValue;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use bytes::Bytes;
use http_body_util::BodyExt;
use longshore_core::path::is_well_encoded;
use longshore_core::wire::MAX_PAGE;
use longshore_core::{
    Code, DeliveryId, HookId, IdError, IdentityId, InvitationId, JobId, KeyId, LockId, NodeId, NoteId,
    PathError, PrincipalId, SessionId, ShareId, UploadId, VersionId, WorkspaceId, WorkspacePath,
};
use longshore_engine::{Actor, PageRequest};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::app::App;
use super::context::Context;
use super::forwarded::Source;
use super::{browser, limited};
use crate::problem::Failure;

/// Who asks: the principal behind the request's key, or behind the session that its cookie names.
#[derive(Debug)]
pub(super) struct Caller(Actor);

impl Deref for Caller {
    type Target = Actor;

    fn deref(&self) -> &Actor {
        &self.0
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        // Who shows a key is who the key says, whatever a browser adds.
        let actor = match parts.headers.get(AUTHORIZATION) {
            Some(field) => {
                let key = bearer(field)?;
                let source = parts.extensions.get::<Source>().map(|source| source.0);
                let trying = app.engine().authenticate_from(key, source);
                Context::of(parts).by(limited::attempt(app, parts, key, trying).await?)
            }
            None => browser::signed_in(app, parts).await?,
        };
        Ok(Self(actor))
    }
}

/// Who asks, where they show anything at all.
#[derive(Debug)]
pub(super) struct Stranger(pub(super) Option<Caller>);

impl FromRequestParts<App> for Stranger {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        if !parts.headers.contains_key(AUTHORIZATION) && !browser::has_cookie(&parts.headers) {
            return Ok(Self(None));
        }
        Ok(Self(Some(Caller::from_request_parts(parts, app).await?)))
    }
}

/// Returns the key in an `Authorization`.
fn bearer(field: &HeaderValue) -> Result<&str, Failure> {
    let malformed = || Failure::new(Code::KeyMalformed, "the header is `Authorization: Bearer <key>`");
    let (scheme, key) = field.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(malformed)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(key.trim()) } else { Err(malformed()) }
}

/// Returns the raw text that stands in the URL where the route has `{name}`; for `{*name}` with the `/`
/// before it.
fn raw<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    let pattern = parts.extensions.get::<MatchedPath>()?.as_str();
    let mut rest = parts.uri.path();
    for part in pattern.split('/').skip(1) {
        let inner = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
        if let Some(tail) = inner.and_then(|inner| inner.strip_prefix('*')) {
            return (tail == name).then_some(rest);
        }
        let after = rest.strip_prefix('/')?;
        let end = after.find('/').unwrap_or(after.len());
        if inner == Some(name) {
            return Some(&after[..end]);
        }
        rest = &after[end..];
    }
    None
}

/// A kind of thing that a segment of the URL names.
pub(super) trait Segment: FromStr<Err = IdError> {
    /// What the segment is called in routes.
    const NAMES: &[&str];
}

impl Segment for WorkspaceId {
    const NAMES: &[&str] = &["ws"];
}

impl Segment for VersionId {
    const NAMES: &[&str] = &["ver"];
}

impl Segment for KeyId {
    const NAMES: &[&str] = &["key"];
}

impl Segment for PrincipalId {
    const NAMES: &[&str] = &["principal"];
}

impl Segment for SessionId {
    const NAMES: &[&str] = &["session"];
}

impl Segment for IdentityId {
    const NAMES: &[&str] = &["identity"];
}

impl Segment for InvitationId {
    const NAMES: &[&str] = &["invitation"];
}

impl Segment for ShareId {
    const NAMES: &[&str] = &["share"];
}

impl Segment for HookId {
    const NAMES: &[&str] = &["hook"];
}

impl Segment for DeliveryId {
    const NAMES: &[&str] = &["delivery"];
}

impl Segment for LockId {
    const NAMES: &[&str] = &["lock"];
}

impl Segment for JobId {
    const NAMES: &[&str] = &["job"];
}

impl Segment for NoteId {
    const NAMES: &[&str] = &["note"];
}

impl Segment for UploadId {
    const NAMES: &[&str] = &["upload"];
}

impl Segment for NodeRef {
    const NAMES: &[&str] = &["id", "parent"];
}

/// The secret of a link or of a share link in a URL, whatever it holds: it stands in no error.
pub(super) struct LinkText(pub(super) String);

impl FromStr for LinkText {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Ok(Self(text.to_owned()))
    }
}

impl Segment for LinkText {
    const NAMES: &[&str] = &["token"];
}

/// The name of a provider in a URL, be there one of this name or not.
pub(super) struct ProviderName(pub(super) String);

impl FromStr for ProviderName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Ok(Self(text.to_owned()))
    }
}

impl Segment for ProviderName {
    const NAMES: &[&str] = &["provider"];
}

/// A node's id in a URL, or `root`.
#[derive(Clone, Copy, Debug)]
pub(super) enum NodeRef {
    Root,
    Id(NodeId),
}

impl FromStr for NodeRef {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text == "root" { Ok(Self::Root) } else { text.parse().map(Self::Id) }
    }
}

/// What a segment of the URL names.
#[derive(Debug)]
pub(super) struct At<T>(pub(super) T);

impl<T: Segment> FromRequestParts<App> for At<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Failure> {
        let text = T::NAMES.iter().find_map(|name| raw(parts, name));
        Ok(Self(text.unwrap_or_default().parse()?))
    }
}

/// The path in a workspace that ends the URL; the root where the URL has none.
#[derive(Debug)]
pub(super) struct Tail(pub(super) WorkspacePath);

impl FromRequestParts<App> for Tail {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Failure> {
        let text = raw(parts, "path").unwrap_or_default();
        if text.contains("//") {
            return Err(PathError::EmptyName.into());
        }
        Ok(Self(WorkspacePath::from_url(text)?))
    }
}

pub(super) fn invalid_query(detail: impl Into<String>) -> Failure {
    Failure::new(Code::InvalidQuery, detail)
}

/// The query parameters, all of which must be known.
#[derive(Debug)]
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<App> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Failure> {
        // A form's decoder replaces what is not UTF-8, keeps a `%` that encodes nothing, and nothing is to be
        // silently rewritten.
        let text = parts.uri.query().unwrap_or_default();
        if percent_decode_str(text).decode_utf8().is_err() {
            return Err(invalid_query("a query parameter is not UTF-8"));
        }
        if !is_well_encoded(text) {
            return Err(invalid_query("`%` in a query is followed by two hexadecimal digits"));
        }
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => {
                let cause = std::error::Error::source(&rejection);
                Err(invalid_query(cause.map_or_else(|| rejection.body_text(), ToString::to_string)))
            }
        }
    }
}

/// A query parameter that is 0 or 1.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::ToSchema)]
pub(super) enum Switch {
    #[serde(rename = "0")]
    Off,
    #[serde(rename = "1")]
    On,
}

impl Switch {
    /// Tells whether it is on; left out, it is not.
    pub(super) const fn is_on(switch: Option<Self>) -> bool {
        matches!(switch, Some(Self::On))
    }
}

/// The query of a route that takes no parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// How many items a page is to have: 1 to 1,000.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "u32")]
pub(super) struct PageSize(u32);

impl PageSize {
    pub(super) const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for PageSize {
    type Error = String;

    fn try_from(size: u32) -> Result<Self, String> {
        match size {
            1..=MAX_PAGE => Ok(Self(size)),
            _ => Err(format!("`limit` is 1 to {MAX_PAGE}")),
        }
    }
}

/// How many seconds a request may wait for something to happen: 0 to 55, which proxies still bear.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(try_from = "u32")]
pub(super) struct WaitSeconds(u32);

impl WaitSeconds {
    const MOST: u32 = 55;
}

impl From<WaitSeconds> for Duration {
    fn from(wait: WaitSeconds) -> Self {
        Self::from_secs(wait.0.into())
    }
}

impl TryFrom<u32> for WaitSeconds {
    type Error = String;

    fn try_from(seconds: u32) -> Result<Self, String> {
        if seconds <= Self::MOST { Ok(Self(seconds)) } else { Err(format!("`wait` is 0 to {}", Self::MOST)) }
    }
}

/// Which page of a list is wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// How many items at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<PageSize>,
    /// Where to go on: the page before gave it.
    cursor: Option<String>,
}

impl From<Paging> for PageRequest {
    fn from(paging: Paging) -> Self {
        Self::new(paging.limit.map(PageSize::get), paging.cursor)
    }
}

/// Which workspace `root` stands for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RootOf {
    /// The workspace whose root folder `root` is; left out, the key's current one.
    #[param(value_type = Option<String>)]
    pub(super) workspace: Option<WorkspaceId>,
}

/// Returns the next bytes of a body, or nothing at its end.
pub(super) async fn next_piece(body: &mut Body, idle: Duration) -> Result<Option<Bytes>, Failure> {
    loop {
        let frame = tokio::time::timeout(idle, body.frame()).await.map_err(|_| {
            Failure::new(Code::RequestTimeout, format!("no byte of the body came for {} s", idle.as_secs()))
        })?;
        match frame {
            None => return Ok(None),
            Some(Ok(frame)) => {
                // Trailers mean nothing here.
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "a body broke off");
                return Err(Failure::new(Code::LengthMismatch, "the body broke off before its end"));
            }
        }
    }
}
