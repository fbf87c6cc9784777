//! The bytes of files and of their versions.

use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use longshore_core::wire::{Node, OnConflict};
use longshore_core::{VersionId, WorkspaceId};
use longshore_engine::Target;
use serde::Deserialize;

use super::app::App;
use super::document::{ContentProblems, Octets, WriteProblems};
use super::extract::{At, Caller, NodeRef, Query, RootOf, Switch};
use super::guise::Recipient;
use super::incoming::Incoming;
use super::outgoing;
use super::place::{OfFile, OfVersion};
use super::premise::WriteHeaders;
use crate::problem::Failure;

/// Where the bytes may come from.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Direct {
    /// `1` redirects to the store itself, where it can give the content; else the bytes come as without.
    #[param(inline)]
    direct: Option<Switch>,
}

impl Direct {
    pub(super) fn is_wanted(&self) -> bool {
        Switch::is_on(self.direct)
    }
}

/// The root's workspace, and where the bytes may come from.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ReadContent {
    /// The workspace whose root folder `root` is; left out, the key's current one.
    #[param(value_type = Option<String>)]
    workspace: Option<WorkspaceId>,
    /// `1` redirects to the store itself, where it can give the content; else the bytes come as without.
    #[param(inline)]
    direct: Option<Switch>,
}

/// Gives a file's bytes, or the part of them that `Range` asks for.
#[utoipa::path(method(get, head), path = "/v1/files/{id}/content", operation_id = "get_content", tag = "files",
    params(
        OfFile,
        ReadContent,
        ("Range" = Option<String>, Header, description = "Ranges of bytes; several come as `multipart/byteranges`."),
        ("If-Range" = Option<String>, Header, description = "`Range` holds for this version alone."),
        ("If-Match" = Option<String>, Header, description = "The version that must stand."),
        ("If-None-Match" = Option<String>, Header, description = "The version that the caller has.")),
    responses(
        (status = 200, description = "All bytes.", body = inline(Octets), content_type = "*/*",
            headers(("ETag" = String), ("Content-Digest" = String))),
        (status = 206, description = "Some of them.", body = inline(Octets), content_type = "*/*",
            headers(("ETag" = String), ("Content-Range" = String))),
        (status = 304, description = "The caller has this version."),
        (status = 307, description = "With `direct=1`: where the store itself gives the bytes, for five minutes."),
        ContentProblems))]
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller,
    At(id): At<NodeRef>,
    Query(read): Query<ReadContent>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let id = app.node(&caller, id, read.workspace).await?;
    let content = app.engine().open_content(&caller, id, None).await?;
    outgoing::content(&method, &headers, content, Recipient::Reader, Switch::is_on(read.direct)).await
}

/// Writes a new version of a file.
#[utoipa::path(put, path = "/v1/files/{id}/content", operation_id = "put_content", tag = "files",
    request_body(content = inline(Octets), content_type = "application/octet-stream"),
    params(
        OfFile,
        RootOf,
        WriteHeaders,
        ("Content-Digest" = Option<String>, Header, description = "RFC 9530; verified before anything is visible.")),
    responses(
        (status = 200, description = "The file.", body = Node, headers(("ETag" = String))),
        WriteProblems))]
pub(super) async fn put(
    State(app): State<App>,
    caller: Caller,
    At(id): At<NodeRef>,
    Query(root): Query<RootOf>,
    content: Incoming,
) -> Result<Response, Failure> {
    let target = Target::Node(app.node(&caller, id, root.workspace).await?);
    Ok(outgoing::written(content.write_to(&app, &caller, target, OnConflict::Version).await?))
}

/// Gives the bytes of a version, as `/content` gives those of the current one.
#[utoipa::path(method(get, head), path = "/v1/files/{id}/versions/{ver}/content", operation_id = "get_version_content", tag = "versions",
    params(
        OfVersion,
        ReadContent,
        ("Range" = Option<String>, Header, description = "Ranges of bytes; several come as `multipart/byteranges`.")),
    responses(
        (status = 200, description = "All bytes.", body = inline(Octets), content_type = "*/*",
            headers(("ETag" = String), ("Content-Digest" = String))),
        (status = 206, description = "Some of them.", body = inline(Octets), content_type = "*/*",
            headers(("ETag" = String), ("Content-Range" = String))),
        (status = 304, description = "The caller has this version."),
        (status = 307, description = "With `direct=1`: where the store itself gives the bytes, for five minutes."),
        ContentProblems))]
pub(super) async fn get_version(
    State(app): State<App>,
    caller: Caller,
    At(id): At<NodeRef>,
    At(version): At<VersionId>,
    Query(read): Query<ReadContent>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let id = app.node(&caller, id, read.workspace).await?;
    let content = app.engine().open_content(&caller, id, Some(version)).await?;
    outgoing::content(&method, &headers, content, Recipient::Reader, Switch::is_on(read.direct)).await
}
