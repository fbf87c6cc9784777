//! Taking acts back.

use axum::Json as Answer;
use axum::extract::State;
use longshore_core::WorkspaceId;
use longshore_core::wire::{UndoActs, Undone};

use super::app::App;
use super::document::WriteProblems;
use super::extract::{At, Caller, Nothing, Query};
use super::json::Order;
use super::place::InWorkspace;
use super::premise::WriteHeaders;
use crate::problem::Failure;

/// Undoes one act, or one principal's acts since a place in the log or a time, as one new act.
///
/// Each node that they changed is again what it was before; what somebody else has changed since is named in a
/// refusal (`undo_conflict`), and nothing is done. One's own acts take an editor, those of others an admin. With
/// `preview` it says what would change and what stands in the way, and changes nothing; that takes a viewer. With the
/// preview's `last_seq` as `until_seq` just what it has shown is undone, and nothing that was done meanwhile.
#[utoipa::path(post, path = "/v1/workspaces/{ws}/undo", operation_id = "undo", tag = "workspaces", request_body = UndoActs,
    params(InWorkspace, WriteHeaders),
    responses((status = 200, description = "What changed, or would.", body = Undone), WriteProblems))]
pub(super) async fn undo(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    _: Query<Nothing>,
    Order { wanted, premises }: Order<UndoActs>,
) -> Result<Answer<Undone>, Failure> {
    Ok(Answer(app.engine().undo(&caller, workspace, wanted, premises).await?))
}
