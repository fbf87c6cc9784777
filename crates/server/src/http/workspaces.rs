//! Workspaces, and folders made by path.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use longshore_core::WorkspaceId;
use longshore_core::wire::{
    CreateFolder, CreateWorkspace, Node, Page, UpdateQuota, UpdateWorkspace, Workspace,
};

use super::app::App;
use super::document::{AdminProblems, ReadProblems, WriteProblems};
use super::extract::{At, Caller, Nothing, Paging, Query};
use super::json::Order;
use super::outgoing;
use super::place::InWorkspace;
use super::premise::WriteHeaders;
use crate::problem::Failure;

/// Lists the workspaces that the key reaches, oldest first.
#[utoipa::path(get, path = "/v1/workspaces", operation_id = "list_workspaces", tag = "workspaces", params(Paging),
    responses((status = 200, description = "Workspaces.", body = Page<Workspace>), ReadProblems))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(page): Query<Paging>,
) -> Result<Answer<Page<Workspace>>, Failure> {
    Ok(Answer(app.engine().list_workspaces(&caller, page.into()).await?))
}

/// Makes a workspace.
#[utoipa::path(post, path = "/v1/workspaces", operation_id = "create_workspace", tag = "workspaces", request_body = CreateWorkspace, params(WriteHeaders),
    responses((status = 201, description = "The workspace.", body = Workspace), AdminProblems))]
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    _: Query<Nothing>,
    Order { wanted, premises }: Order<CreateWorkspace>,
) -> Result<(StatusCode, Answer<Workspace>), Failure> {
    Ok((
        StatusCode::CREATED,
        Answer(app.engine().create_workspace(&caller, wanted.name, premises.idempotency).await?),
    ))
}

/// Gives the key's own workspace, or the only one there is.
#[utoipa::path(get, path = "/v1/workspaces/current", operation_id = "get_current_workspace", tag = "workspaces",
    responses((status = 200, description = "The workspace.", body = Workspace), ReadProblems))]
pub(super) async fn current(
    State(app): State<App>,
    caller: Caller,
    _: Query<Nothing>,
) -> Result<Answer<Workspace>, Failure> {
    Ok(Answer(app.engine().current_workspace(&caller).await?))
}

/// Gives a workspace.
#[utoipa::path(get, path = "/v1/workspaces/{ws}", operation_id = "get_workspace", tag = "workspaces",
    params(InWorkspace),
    responses((status = 200, description = "The workspace.", body = Workspace), ReadProblems))]
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    _: Query<Nothing>,
) -> Result<Answer<Workspace>, Failure> {
    Ok(Answer(app.engine().workspace(&caller, workspace).await?))
}

/// Renames a workspace, or changes its rules.
#[utoipa::path(patch, path = "/v1/workspaces/{ws}", operation_id = "update_workspace", tag = "workspaces", request_body = UpdateWorkspace,
    params(InWorkspace, WriteHeaders),
    responses((status = 200, description = "The workspace.", body = Workspace), AdminProblems))]
pub(super) async fn update(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    _: Query<Nothing>,
    Order { wanted, premises }: Order<UpdateWorkspace>,
) -> Result<Answer<Workspace>, Failure> {
    Ok(Answer(app.engine().update_workspace(&caller, workspace, wanted, premises).await?))
}

/// Says how much a workspace may keep. It takes an admin of the server.
///
/// Where it keeps more than that already all of it stays, and nothing that adds to it goes in.
#[utoipa::path(patch, path = "/v1/workspaces/{ws}/quota", operation_id = "set_quota", tag = "workspaces", request_body = UpdateQuota,
    params(InWorkspace, WriteHeaders),
    responses((status = 200, description = "The workspace.", body = Workspace), AdminProblems))]
pub(super) async fn set_quota(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    _: Query<Nothing>,
    Order { wanted, premises }: Order<UpdateQuota>,
) -> Result<Answer<Workspace>, Failure> {
    Ok(Answer(app.engine().set_quota(&caller, workspace, wanted, premises).await?))
}

/// Makes a folder at a path, and those above it that are not there.
#[utoipa::path(post, path = "/v1/workspaces/{ws}/folders", operation_id = "create_folders", tag = "workspaces", request_body = CreateFolder,
    params(InWorkspace, WriteHeaders),
    responses(
        (status = 201, description = "The folder is new.", body = Node),
        (status = 200, description = "The folder was there.", body = Node),
        WriteProblems))]
pub(super) async fn create_folders(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    _: Query<Nothing>,
    Order { wanted, premises }: Order<CreateFolder>,
) -> Result<Response, Failure> {
    let (folder, is_new) = app.engine().create_folders(&caller, workspace, wanted.path, premises).await?;
    Ok(outgoing::made(is_new, folder))
}
