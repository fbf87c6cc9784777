//! Folders and files: by path, and by id.

use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use longshore_core::wire::{
    CopyNode, CreateChild, Node, NodeKind, OnConflict, Purged, RestoreNode, UpdateNode,
};
use longshore_core::{Code, Name, WorkspaceId};
use longshore_engine::Target;
use serde::Deserialize;

use super::app::App;
use super::document::{ContentProblems, Octets, ReadProblems, WriteProblems};
use super::extract::{At, Caller, NodeRef, Query, RootOf, Switch, Tail};
use super::guise::Recipient;
use super::incoming::Incoming;
use super::json::{Order, Placing};
use super::outgoing;
use super::place::{InWorkspace, OfNode};
use super::premise::{Premises, WriteHeaders};
use super::trash;
use crate::problem::Failure;

/// How a write by path meets a file that is there.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WriteAt {
    /// What to do where the name is taken by a file; left out, `version`.
    #[serde(default)]
    #[param(inline)]
    on_conflict: OnConflict,
}

/// Writes a file at a path, and makes the folders above it that are not there.
#[utoipa::path(put, path = "/v1/workspaces/{ws}/files/{*path}", operation_id = "write_file_at", tag = "workspaces",
    request_body(content = inline(Octets), content_type = "application/octet-stream"),
    params(
        InWorkspace,
        ("path" = String, Path, description = "The path, percent-encoded segment by segment."),
        WriteAt,
        WriteHeaders,
        ("Content-Digest" = Option<String>, Header, description = "RFC 9530; verified before anything is visible.")),
    responses(
        (status = 201, description = "The file is new.", body = Node, headers(("ETag" = String))),
        (status = 200, description = "The file has a new version.", body = Node, headers(("ETag" = String))),
        WriteProblems))]
pub(super) async fn write_at(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    Tail(path): Tail,
    Query(query): Query<WriteAt>,
    content: Incoming,
) -> Result<Response, Failure> {
    let target = Target::Path { workspace, path };
    Ok(outgoing::written(content.write_to(&app, &caller, target, query.on_conflict).await?))
}

/// Whether the bytes are wanted, and not the node.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ReadAt {
    /// `1` gives the file's bytes, as `/content` does.
    #[param(inline)]
    content: Option<Switch>,
    /// With `content=1`: `1` redirects to the store itself, where it can give the content.
    #[param(inline)]
    direct: Option<Switch>,
}

/// Gives the node at a path, or the bytes of the file there.
#[utoipa::path(method(get, head), path = "/v1/workspaces/{ws}/files/{*path}", operation_id = "get_node_at", tag = "workspaces",
    params(
        InWorkspace,
        ("path" = String, Path, description = "The path, percent-encoded segment by segment."),
        ReadAt),
    responses(
        (status = 200, description = "The node; with `content=1` the bytes.", headers(("ETag" = String)),
            content((Node = "application/json"), (inline(Octets) = "*/*"))),
        (status = 206, description = "With `content=1` and `Range`: a part of the bytes."),
        (status = 304, description = "With `content=1` and `If-None-Match`: the caller has this version."),
        ContentProblems))]
pub(super) async fn get_at(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    Tail(path): Tail,
    Query(query): Query<ReadAt>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    if Switch::is_on(query.content) {
        let content = app.engine().open_content_at(&caller, workspace, path).await?;
        let direct = Switch::is_on(query.direct);
        return outgoing::content(&method, &headers, content, Recipient::Reader, direct).await;
    }
    Ok(outgoing::node(StatusCode::OK, app.engine().node_at(&caller, workspace, path).await?))
}

/// Makes a folder in a folder.
#[utoipa::path(post, path = "/v1/files/{parent}/children", operation_id = "create_folder", tag = "files", request_body = CreateChild,
    params(("parent" = String, Path, description = "The folder's id, or `root`."), RootOf, WriteHeaders),
    responses((status = 201, description = "The folder.", body = Node), WriteProblems))]
pub(super) async fn create_child(
    State(app): State<App>,
    caller: Caller,
    At(parent): At<NodeRef>,
    Query(root): Query<RootOf>,
    Order { wanted, premises }: Order<CreateChild>,
) -> Result<Response, Failure> {
    if wanted.kind != NodeKind::Folder {
        return Err(Failure::new(Code::InvalidBody, "`kind` is `folder`: files come with their content"));
    }
    let parent = app.node(&caller, parent, root.workspace).await?;
    Ok(outgoing::made(true, app.engine().create_folder(&caller, parent, wanted.name, premises).await?))
}

/// How a write below a folder is named, and how it meets a file that is there.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WriteChild {
    /// The file's name.
    #[param(value_type = String)]
    name: String,
    /// What to do where the name is taken by a file; left out, `version`.
    #[serde(default)]
    #[param(inline)]
    on_conflict: OnConflict,
    /// The workspace whose root folder `root` is; left out, the key's current one.
    #[param(value_type = Option<String>)]
    workspace: Option<WorkspaceId>,
}

/// Writes a file in a folder.
#[utoipa::path(post, path = "/v1/files/{parent}/files", operation_id = "write_file", tag = "files",
    request_body(content = inline(Octets), content_type = "application/octet-stream"),
    params(
        ("parent" = String, Path, description = "The folder's id, or `root`."),
        WriteChild,
        WriteHeaders,
        ("Content-Digest" = Option<String>, Header, description = "RFC 9530; verified before anything is visible.")),
    responses(
        (status = 201, description = "The file is new.", body = Node, headers(("ETag" = String))),
        (status = 200, description = "The file has a new version.", body = Node, headers(("ETag" = String))),
        WriteProblems))]
pub(super) async fn write_child(
    State(app): State<App>,
    caller: Caller,
    At(parent): At<NodeRef>,
    Query(query): Query<WriteChild>,
    content: Incoming,
) -> Result<Response, Failure> {
    let name = Name::new(query.name)?;
    let parent = app.node(&caller, parent, query.workspace).await?;
    let target = Target::Child { parent, name };
    Ok(outgoing::written(content.write_to(&app, &caller, target, query.on_conflict).await?))
}

/// Gives a node, be it in the trash or not.
#[utoipa::path(get, path = "/v1/files/{id}", operation_id = "get_node", tag = "files",
    params(OfNode, RootOf),
    responses(
        (status = 200, description = "The node.", body = Node, headers(("ETag" = String))),
        ReadProblems))]
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller,
    At(id): At<NodeRef>,
    Query(root): Query<RootOf>,
) -> Result<Response, Failure> {
    let id = app.node(&caller, id, root.workspace).await?;
    Ok(outgoing::node(StatusCode::OK, app.engine().node(&caller, id).await?))
}

/// Renames a node, moves it, or changes its metadata or labels, as one act.
#[utoipa::path(patch, path = "/v1/files/{id}", operation_id = "update_node", tag = "files", request_body = UpdateNode,
    params(
        OfNode,
        RootOf,
        WriteHeaders),
    responses(
        (status = 200, description = "The node.", body = Node, headers(("ETag" = String))),
        WriteProblems))]
pub(super) async fn update(
    State(app): State<App>,
    caller: Caller,
    At(id): At<NodeRef>,
    Query(root): Query<RootOf>,
    wanted: Placing,
) -> Result<Response, Failure> {
    let id = app.node(&caller, id, root.workspace).await?;
    let (wanted, premises) = wanted.of::<UpdateNode>(&app, &caller, id).await?;
    Ok(outgoing::node(StatusCode::OK, app.engine().update_node(&caller, id, wanted, premises).await?))
}

/// What a deletion answers, for its documentation.
#[derive(utoipa::ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "this is what the OpenAPI document says of the answer")]
enum Deleted {
    Trashed(Box<Node>),
    Purged(Purged),
}

/// How a node is deleted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Delete {
    /// `true` removes a node of the trash for good.
    #[serde(default)]
    purge: bool,
    /// The workspace whose root folder `root` is; left out, the key's current one.
    #[param(value_type = Option<String>)]
    workspace: Option<WorkspaceId>,
}

/// Puts a node into the trash, with all that is below it; or with `purge` removes it for good from there.
#[utoipa::path(delete, path = "/v1/files/{id}", operation_id = "trash_node", tag = "files",
    params(
        ("id" = String, Path, description = "The node's id."),
        Delete,
        WriteHeaders),
    responses(
        (status = 200, description = "The node, with the path it had; with `purge` what is gone.", body = inline(Deleted)),
        (status = 202, description = "With `purge`: it is too much for one request; `job_id` names the job that does it.", body = Purged),
        WriteProblems))]
pub(super) async fn delete(
    State(app): State<App>,
    caller: Caller,
    At(id): At<NodeRef>,
    Query(query): Query<Delete>,
    Premises(premises): Premises,
) -> Result<Response, Failure> {
    let id = app.node(&caller, id, query.workspace).await?;
    if query.purge {
        return Ok(trash::answer(app.engine().purge_node(&caller, id, premises).await?));
    }
    Ok(outgoing::node(StatusCode::OK, app.engine().trash_node(&caller, id, premises).await?))
}

/// Copies a file, or a folder with all that is below it.
#[utoipa::path(post, path = "/v1/files/{id}/copy", operation_id = "copy_node", tag = "files", request_body = CopyNode,
    params(
        ("id" = String, Path, description = "The node's id."),
        RootOf,
        WriteHeaders),
    responses(
        (status = 201, description = "The copy.", body = Node, headers(("ETag" = String))),
        WriteProblems))]
pub(super) async fn copy(
    State(app): State<App>,
    caller: Caller,
    At(id): At<NodeRef>,
    Query(root): Query<RootOf>,
    wanted: Placing,
) -> Result<Response, Failure> {
    let id = app.node(&caller, id, root.workspace).await?;
    let (wanted, premises) = wanted.of::<CopyNode>(&app, &caller, id).await?;
    Ok(outgoing::made(true, app.engine().copy_node(&caller, id, wanted, premises).await?))
}

/// Brings a node back from the trash, to where it was or to a stated place.
#[utoipa::path(post, path = "/v1/files/{id}/restore", operation_id = "restore_node", tag = "files", request_body = RestoreNode,
    params(("id" = String, Path, description = "The node's id."), RootOf, WriteHeaders),
    responses(
        (status = 200, description = "The node.", body = Node, headers(("ETag" = String))),
        WriteProblems))]
pub(super) async fn restore(
    State(app): State<App>,
    caller: Caller,
    At(id): At<NodeRef>,
    Query(root): Query<RootOf>,
    wanted: Placing,
) -> Result<Response, Failure> {
    let id = app.node(&caller, id, root.workspace).await?;
    let (wanted, premises) = wanted.of::<RestoreNode>(&app, &caller, id).await?;
    Ok(outgoing::node(StatusCode::OK, app.engine().restore_node(&caller, id, wanted, premises).await?))
}
