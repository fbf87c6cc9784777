//! What was trashed, and removing it for good.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use longshore_core::WorkspaceId;
use longshore_core::wire::{Node, Page, Purged};

use super::app::App;
use super::document::{ReadProblems, WriteProblems};
use super::extract::{At, Caller, Nothing, Paging, Query};
use super::place::InWorkspace;
use super::premise::{Premises, WriteHeaders};
use crate::problem::Failure;

/// Lists what was trashed in a workspace, newest first.
#[utoipa::path(get, path = "/v1/workspaces/{ws}/trash", operation_id = "list_trash", tag = "workspaces",
    params(InWorkspace, Paging),
    responses((status = 200, description = "Nodes.", body = Page<Node>), ReadProblems))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    Query(page): Query<Paging>,
) -> Result<Answer<Page<Node>>, Failure> {
    Ok(Answer(app.engine().trash(&caller, workspace, page.into()).await?))
}

/// Removes for good all that is in a workspace's trash.
#[utoipa::path(delete, path = "/v1/workspaces/{ws}/trash", operation_id = "empty_trash", tag = "workspaces",
    params(InWorkspace, WriteHeaders),
    responses(
        (status = 200, description = "What is gone.", body = Purged),
        (status = 202, description = "It is too much for one request: `job_id` names the job that does it.", body = Purged),
        WriteProblems))]
pub(super) async fn empty(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    _: Query<Nothing>,
    Premises(premises): Premises,
) -> Result<Response, Failure> {
    Ok(answer(app.engine().empty_trash(&caller, workspace, premises).await?))
}

/// Answers with what is gone, or with the job that removes it.
pub(super) fn answer(purged: Purged) -> Response {
    let status = if purged.job_id.is_some() { StatusCode::ACCEPTED } else { StatusCode::OK };
    (status, Answer(purged)).into_response()
}
