//! Signed links: a version's bytes without a key.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use longshore_core::path::encode_segment;
use longshore_core::wire::{CreateLink, Link};
use longshore_engine::LinkToken;

use super::app::App;
use super::content::Direct;
use super::document::{ContentProblems, LinkProblems, Octets, WriteProblems};
use super::extract::{At, Caller, LinkText, NodeRef, Nothing, Query};
use super::guise::Recipient;
use super::json::Order;
use super::outgoing;
use super::place::OfFile;
use super::premise::WriteHeaders;
use crate::config::ContentOrigin;
use crate::problem::Failure;

/// What the routes of links begin with.
pub(super) const PREFIX: &str = "/v1/links/";

/// Makes a link that gives the content of one version of a file to whoever has it, without a key.
///
/// Who may read may make one. It ends with its time, with the key that made it, and with the version.
#[utoipa::path(post, path = "/v1/files/{id}/links", operation_id = "create_link", tag = "files", request_body = CreateLink,
    params(OfFile, WriteHeaders),
    responses((status = 201, description = "The link. Its `url` is a path on this server, or a whole one where content has an origin of its own.", body = Link), WriteProblems))]
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    At(id): At<NodeRef>,
    _: Query<Nothing>,
    Order { wanted, premises }: Order<CreateLink>,
) -> Result<(StatusCode, Answer<Link>), Failure> {
    let id = app.node(&caller, id, None).await?;
    let link = app.engine().create_link(&caller, id, wanted, premises).await?;
    let origin = app.content_origin().map_or("", ContentOrigin::as_str);
    let url = format!("{origin}{PREFIX}{}/{}", link.token.reveal(), encode_segment(&link.name));
    let link = Link { url, expires_at: link.expires_at, version_id: link.version_id };
    Ok((StatusCode::CREATED, Answer(link)))
}

/// Gives the bytes that a link leads to. A name may follow the token, for people to read; it means nothing.
#[utoipa::path(method(get, head), path = "/v1/links/{token}", operation_id = "open_link", tag = "files", security(()),
    params(
        ("token" = String, Path, description = "The link's secret."),
        Direct,
        ("Range" = Option<String>, Header, description = "Ranges of bytes; several come as `multipart/byteranges`."),
        ("If-Range" = Option<String>, Header, description = "`Range` holds for this version alone.")),
    responses(
        (status = 200, description = "All bytes.", body = inline(Octets), content_type = "*/*",
            headers(("ETag" = String), ("Content-Digest" = String))),
        (status = 206, description = "Some of them.", body = inline(Octets), content_type = "*/*",
            headers(("ETag" = String), ("Content-Range" = String))),
        (status = 304, description = "The caller has this version."),
        (status = 307, description = "With `direct=1`: where the store itself gives the bytes, for five minutes."),
        ContentProblems,
        LinkProblems))]
pub(super) async fn open(
    State(app): State<App>,
    At(LinkText(token)): At<LinkText>,
    Query(query): Query<Direct>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (content, disposition) = app.engine().open_link(&LinkToken::new(token)).await?;
    let recipient = Recipient::LinkHolder(disposition);
    outgoing::content(&method, &headers, content, recipient, query.is_wanted()).await
}
