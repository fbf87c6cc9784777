//! What was trashed.

use axum::Json as Answer;
use axum::extract::State;
use longshore_core::WorkspaceId;
use longshore_core::wire::{Node, Page};

use super::app::App;
use super::document::ReadProblems;
use super::extract::{At, Caller, Paging, Query};
use crate::problem::Failure;

/// Lists what was trashed in a workspace, newest first.
#[utoipa::path(get, path = "/v1/workspaces/{ws}/trash", operation_id = "list_trash", tag = "workspaces",
    params(("ws" = WorkspaceId, Path, description = "The workspace's id."), Paging),
    responses((status = 200, description = "Nodes.", body = Page<Node>), ReadProblems))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    Query(page): Query<Paging>,
) -> Result<Answer<Page<Node>>, Failure> {
    Ok(Answer(app.engine().trash(&caller, workspace, page.into()).await?))
}
