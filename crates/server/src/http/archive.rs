//! Folders and selections as one zip.

use axum::extract::State;
use axum::http::Method;
use axum::response::Response;
use longshore_core::WorkspaceId;
use longshore_core::wire::CreateArchive;
use longshore_engine::ArchiveItem;

use super::app::App;
use super::document::{AdminProblems, ContentProblems, Octets};
use super::extract::{At, Caller, NodeRef, Nothing, Query, RootOf};
use super::json::Order;
use super::outgoing;
use super::place::{InWorkspace, OfNode};
use crate::problem::Failure;

/// Gives a folder with all that is below it, or a file, as a zip.
///
/// It is made while it is sent, uncompressed. Each file is the version that stood when the walk came by; a file that is
/// trashed meanwhile may be left out, and what cannot be read breaks the answer off. Of a small folder the length is told.
/// Names stand in the zip as they are in the workspace, below the folder's own.
#[utoipa::path(method(get, head), path = "/v1/files/{id}/archive", operation_id = "get_archive", tag = "files",
    params(OfNode, RootOf),
    responses(
        (status = 200, description = "The zip.", body = inline(Octets), content_type = "application/zip"),
        ContentProblems))]
pub(super) async fn of_node(
    State(app): State<App>,
    caller: Caller,
    At(id): At<NodeRef>,
    Query(root): Query<RootOf>,
    method: Method,
) -> Result<Response, Failure> {
    let id = app.node(&caller, id, root.workspace).await?;
    Ok(outgoing::archive(&method, app.engine().archive(&caller, id).await?))
}

/// Gives folders and files of a workspace as one zip, as `/archive` of a folder does.
///
/// Each stands in the root of the zip by its own name; where two have the same one, the later gets a number.
#[utoipa::path(post, path = "/v1/workspaces/{ws}/archive", operation_id = "create_archive", tag = "workspaces",
    request_body = CreateArchive,
    params(InWorkspace),
    responses(
        (status = 200, description = "The zip.", body = inline(Octets), content_type = "application/zip"),
        AdminProblems))]
pub(super) async fn of_selection(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    _: Query<Nothing>,
    method: Method,
    Order { wanted, premises: _ }: Order<CreateArchive>,
) -> Result<Response, Failure> {
    let items = wanted.items.iter().map(|item| match item.starts_with('/') {
        true => item.parse().map(ArchiveItem::Path).map_err(Failure::from),
        false => item.parse().map(ArchiveItem::Node).map_err(Failure::from),
    });
    let items = items.collect::<Result<_, _>>()?;
    Ok(outgoing::archive(&method, app.engine().archive_selection(&caller, workspace, items).await?))
}
