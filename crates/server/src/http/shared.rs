//! Share links, for those who have one: what is behind the secret in the URL, without a key.
//!
//! A link is opened first, by its password where it takes one. What opening gave, the grant, comes in a header with everything
//! that tells of what the link leads to. A link that leads nowhere is told alike, whatever the reason.

use axum::Json as Answer;
use axum::extract::{FromRequestParts, State};
use axum::http::header::{CACHE_CONTROL, REFERRER_POLICY};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::response::Response;
use longshore_core::wire::{Dropped, HiddenText, OpenShare, OpenedShare, Page, SeenShare, SharedNode};
use longshore_core::{Name, WorkspacePath};
use longshore_engine::{Depth, Engine, PageRequest, Visit};
use serde::Deserialize;

use super::app::App;
use super::context::Context;
use super::document::{AdminProblems, ContentProblems, Octets, WriteProblems};
use super::extract::{At, LinkText, Nothing, PageSize, Query};
use super::guise::Recipient;
use super::incoming::Incoming;
use super::json::Order;
use super::place::Shared;
use super::tree::Levels;
use super::{limited, outgoing};
use crate::problem::Failure;

/// What the routes of share links begin with.
pub(super) const PREFIX: &str = "/v1/shares/";

const SHARE_GRANT: HeaderName = HeaderName::from_static("share-grant");

/// Tells whether stored bytes are behind a path.
pub(super) fn gives_bytes(path: &str) -> bool {
    let behind = path.strip_prefix(PREFIX).and_then(|rest| rest.split_once('/'));
    matches!(behind, Some((_, "content" | "archive")))
}

/// What the URL holds is a secret: nobody keeps the answer, and no page that it leads to hears of it.
type Private<T> = ([(HeaderName, &'static str); 2], Answer<T>);

fn private<T>(answer: T) -> Private<T> {
    ([(CACHE_CONTROL, "no-store"), (REFERRER_POLICY, "no-referrer")], Answer(answer))
}

/// Somebody who shows a share link and, where they have opened it, the grant. Whether that lets them in is tried where they do
/// something.
pub(super) struct Visitor {
    app: App,
    parts: Parts,
    visit: longshore_engine::Result<Visit>,
    /// The very pair of link and grant, by which tries are counted.
    secret: String,
}

impl Visitor {
    /// Does what the visitor came for, if what they show lets them in and not too many tries of theirs were none.
    pub(super) async fn attempt<T>(
        self,
        act: impl AsyncFnOnce(&Engine, &Visit) -> longshore_engine::Result<T>,
    ) -> Result<T, Failure> {
        let Self { app, parts, visit, secret } = self;
        let trying = async { act(app.engine(), &visit?).await };
        limited::attempt(&app, &parts, &secret, trying).await
    }
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let At(LinkText(token)) = At::from_request_parts(parts, app).await?;
        let grant = parts.headers.get(SHARE_GRANT).map(|grant| grant.to_str().unwrap_or_default());
        let secret = format!("{token}\n{}", grant.unwrap_or_default());
        let visit = Visit::new(&HiddenText::new(token), grant);
        let visit = visit.map(|visit| visit.in_request(Context::of(parts).origin()));
        Ok(Self { app: app.clone(), parts: parts.clone(), visit, secret })
    }
}

/// What of a link's folder is meant.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SharedPath {
    /// The path, which begins in what the link leads to; left out, that itself.
    path: Option<String>,
}

fn path_of(text: Option<String>) -> Result<WorkspacePath, Failure> {
    Ok(text.map_or(Ok(WorkspacePath::root()), |text| text.parse())?)
}

/// Which folder, how far below it, and which page.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SharedTree {
    /// The folder's path, which begins in what the link leads to; left out, that itself.
    path: Option<String>,
    /// How many levels: 1 lists the children, `all` everything.
    #[param(value_type = Option<String>, default = "1")]
    depth: Option<Levels>,
    /// How many items at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<PageSize>,
    /// Where to go on: the page before gave it.
    cursor: Option<String>,
}

/// How a file is called that is put into a drop box.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DropName {
    /// The file's name. Where it is taken the file gets another, of which nothing is told.
    #[param(value_type = String)]
    name: String,
}

/// The header that shows that a link was opened.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read from the header map; this is what the OpenAPI document says of it")]
pub(super) struct GrantHeader {
    /// What opening the link gave.
    #[param(rename = "Share-Grant")]
    share_grant: String,
}

/// Tells what a share link is for, and whether it takes a password: nothing of what it leads to.
#[utoipa::path(get, path = "/v1/shares/{token}", operation_id = "look_at_share", tag = "shares", params(Shared), security(()),
    responses((status = 200, description = "What it is for.", body = SeenShare), AdminProblems))]
pub(super) async fn look(
    State(app): State<App>,
    At(LinkText(token)): At<LinkText>,
    parts: Parts,
    _: Query<Nothing>,
) -> Result<Private<SeenShare>, Failure> {
    let text = HiddenText::new(token.as_str());
    let trying = app.engine().look_at_share(&text);
    Ok(private(limited::attempt(&app, &parts, &token, trying).await?))
}

/// Opens a share link, with its password where it takes one: the grant shows for an hour that it was opened.
///
/// Wrong passwords are counted as wrong keys are, for each address, and for the link from all addresses together.
#[utoipa::path(post, path = "/v1/shares/{token}/open", operation_id = "open_share", tag = "shares", request_body = OpenShare,
    params(Shared), security(()),
    responses((status = 200, description = "The visit.", body = OpenedShare), AdminProblems))]
pub(super) async fn open(
    State(app): State<App>,
    At(LinkText(token)): At<LinkText>,
    parts: Parts,
    _: Query<Nothing>,
    Order { wanted, .. }: Order<OpenShare>,
) -> Result<Private<OpenedShare>, Failure> {
    let text = HiddenText::new(token.as_str());
    let trying = app.engine().open_share(&text, wanted, Some(Context::of(&parts).origin()));
    Ok(private(limited::guess(&app, &parts, &token, trying).await?))
}

/// Lists what is below a folder of a share link, depth first, by name in byte order. Paths begin in what the link leads to.
#[utoipa::path(get, path = "/v1/shares/{token}/tree", operation_id = "list_shared_tree", tag = "shares",
    params(Shared, SharedTree, GrantHeader), security(()),
    responses((status = 200, description = "Folders and files.", body = Page<SharedNode>), AdminProblems))]
pub(super) async fn tree(
    visitor: Visitor,
    Query(query): Query<SharedTree>,
) -> Result<Private<Page<SharedNode>>, Failure> {
    let depth = query.depth.map_or(Depth::Levels(1), |levels| levels.0);
    let page = PageRequest::new(query.limit.map(PageSize::get), query.cursor);
    let path = path_of(query.path)?;
    let act = async |engine: &Engine, visit: &Visit| engine.visit_tree(visit, path, depth, page).await;
    Ok(private(visitor.attempt(act).await?))
}

/// Gives the bytes of a file of a share link, or the part of them that `Range` asks for.
///
/// The first `GET` of a version in a visit counts as a download of the link; what is asked for of it after that does not.
#[utoipa::path(method(get, head), path = "/v1/shares/{token}/content", operation_id = "get_shared_content", tag = "shares",
    params(
        Shared,
        SharedPath,
        GrantHeader,
        ("Range" = Option<String>, Header, description = "Ranges of bytes; several come as `multipart/byteranges`."),
        ("If-Range" = Option<String>, Header, description = "`Range` holds for this version alone."),
        ("If-Match" = Option<String>, Header, description = "The version that must stand."),
        ("If-None-Match" = Option<String>, Header, description = "The version that the caller has.")),
    security(()),
    responses(
        (status = 200, description = "All bytes.", body = inline(Octets), content_type = "*/*",
            headers(("ETag" = String), ("Content-Digest" = String))),
        (status = 206, description = "Some of them.", body = inline(Octets), content_type = "*/*",
            headers(("ETag" = String), ("Content-Range" = String))),
        (status = 304, description = "The caller has this version."),
        (status = 307, description = "Where content has an origin of its own: there."),
        ContentProblems))]
pub(super) async fn content(
    visitor: Visitor,
    Query(query): Query<SharedPath>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (path, counts) = (path_of(query.path)?, method == Method::GET);
    let act = async |engine: &Engine, visit: &Visit| engine.visit_content(visit, path, counts).await;
    let content = visitor.attempt(act).await?;
    outgoing::content(&method, &headers, content, Recipient::Reader, false).await
}

/// Gives a folder of a share link with all that is below it, or a file, as a zip.
///
/// The first `GET` for a folder in a visit counts as one download of the link.
#[utoipa::path(method(get, head), path = "/v1/shares/{token}/archive", operation_id = "get_shared_archive", tag = "shares",
    params(Shared, SharedPath, GrantHeader), security(()),
    responses(
        (status = 200, description = "The zip.", body = inline(Octets), content_type = "application/zip"),
        (status = 307, description = "Where content has an origin of its own: there."),
        ContentProblems))]
pub(super) async fn archive(
    visitor: Visitor,
    Query(query): Query<SharedPath>,
    method: Method,
) -> Result<Response, Failure> {
    let (path, counts) = (path_of(query.path)?, method == Method::GET);
    let act = async |engine: &Engine, visit: &Visit| engine.visit_archive(visit, path, counts).await;
    Ok(outgoing::archive(&method, visitor.attempt(act).await?))
}

/// Puts a new file into a drop box. What lies there is never written to, and nothing is told of it.
#[utoipa::path(post, path = "/v1/shares/{token}/files", operation_id = "drop_file", tag = "shares",
    request_body(content = inline(Octets), content_type = "application/octet-stream"),
    params(
        Shared,
        DropName,
        GrantHeader,
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same request within the visit gives the first answer again."),
        ("Content-Digest" = Option<String>, Header, description = "RFC 9530; verified before anything is visible.")),
    security(()),
    responses((status = 201, description = "It is there.", body = Dropped), WriteProblems))]
pub(super) async fn put(
    visitor: Visitor,
    Query(query): Query<DropName>,
    content: Incoming,
) -> Result<(StatusCode, Private<Dropped>), Failure> {
    let name = Name::new(query.name)?;
    Ok((StatusCode::CREATED, private(content.drop_into(visitor, name).await?)))
}
