//! Share links, for those who make them.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use longshore_core::wire::{CreateShare, NewShare, Page, Share, UpdateShare};
use longshore_core::{ShareId, WorkspaceId};

use super::app::App;
use super::document::{AdminProblems, WriteProblems};
use super::extract::{At, Caller, NodeRef, Nothing, Paging, Query, RootOf};
use super::json::Order;
use super::place::{InWorkspace, OfNode, OfShare};
use super::premise::{Premises, WriteHeaders};
use crate::problem::Failure;

/// Makes a link by which who has no key reads a folder or a file, or puts new files in a folder.
///
/// The token is in this answer and nowhere else. Who may read and share may make one; a drop box takes who may put files there
/// too. It leads to this very node wherever that is moved, and ends with what its maker may do, with the key or session that it
/// was made with, and with the node.
#[utoipa::path(post, path = "/v1/files/{id}/shares", operation_id = "create_share", tag = "shares", request_body = CreateShare,
    params(OfNode, RootOf, WriteHeaders),
    responses((status = 201, description = "The link and its token.", body = NewShare), WriteProblems))]
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    At(id): At<NodeRef>,
    Query(root): Query<RootOf>,
    Order { wanted, premises }: Order<CreateShare>,
) -> Result<(StatusCode, Answer<NewShare>), Failure> {
    let id = app.node(&caller, id, root.workspace).await?;
    let made = app.engine().create_share(&caller, id, wanted, premises).await?;
    Ok((StatusCode::CREATED, Answer(made)))
}

/// Lists the share links, the oldest first: an admin's all, others' their own. Those that have ended are listed for at least
/// 30 days after.
#[utoipa::path(get, path = "/v1/workspaces/{ws}/shares", operation_id = "list_shares", tag = "shares",
    params(InWorkspace, Paging),
    responses((status = 200, description = "Share links.", body = Page<Share>), AdminProblems))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    Query(page): Query<Paging>,
) -> Result<Answer<Page<Share>>, Failure> {
    Ok(Answer(app.engine().list_shares(&caller, workspace, page.into()).await?))
}

/// Gives a share link, to who made it and to admins.
#[utoipa::path(get, path = "/v1/workspaces/{ws}/shares/{share}", operation_id = "get_share", tag = "shares",
    params(OfShare),
    responses((status = 200, description = "The link.", body = Share), AdminProblems))]
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    At(share): At<ShareId>,
    _: Query<Nothing>,
) -> Result<Answer<Share>, Failure> {
    Ok(Answer(app.engine().share(&caller, workspace, share).await?))
}

/// Changes a share link: its password, note, end or number of downloads. It takes what making it took.
#[utoipa::path(patch, path = "/v1/workspaces/{ws}/shares/{share}", operation_id = "update_share", tag = "shares", request_body = UpdateShare,
    params(OfShare, WriteHeaders),
    responses((status = 200, description = "The link.", body = Share), WriteProblems))]
pub(super) async fn update(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    At(share): At<ShareId>,
    _: Query<Nothing>,
    Order { wanted, premises }: Order<UpdateShare>,
) -> Result<Answer<Share>, Failure> {
    Ok(Answer(app.engine().update_share(&caller, workspace, share, wanted, premises).await?))
}

/// Revokes a share link, which ends its visits; one that was revoked stays as it is.
#[utoipa::path(delete, path = "/v1/workspaces/{ws}/shares/{share}", operation_id = "revoke_share", tag = "shares",
    params(OfShare, WriteHeaders),
    responses((status = 204, description = "It is good no more."), WriteProblems))]
pub(super) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    At(share): At<ShareId>,
    _: Query<Nothing>,
    Premises(premises): Premises,
) -> Result<StatusCode, Failure> {
    app.engine().revoke_share(&caller, workspace, share, premises).await?;
    Ok(StatusCode::NO_CONTENT)
}
