//! Transfers: a workspace that is handed over to another owner. Tokens travel in bodies alone.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use longshore_core::WorkspaceId;
use longshore_core::wire::{ClaimTransfer, NewTransfer, OfferTransfer, Transfer, TransferManifest};

use super::app::App;
use super::document::{AdminProblems, LinkProblems, ReadProblems};
use super::extract::{At, Caller, Nothing, Query};
use super::json::Order;
use super::place::InWorkspace;
use super::premise::{Premises, WriteHeaders};
use crate::problem::Failure;

/// Offers the workspace to whoever gets the token of the answer. It takes the owner, or an admin of the server; an offer that
/// is open is revoked.
#[utoipa::path(post, path = "/v1/workspaces/{ws}/transfer", operation_id = "offer_transfer", tag = "transfers", request_body = OfferTransfer,
    params(InWorkspace, WriteHeaders),
    responses((status = 201, description = "The offer, with its token.", body = NewTransfer), AdminProblems))]
pub(super) async fn offer(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    _: Query<Nothing>,
    Order { wanted, premises }: Order<OfferTransfer>,
) -> Result<(StatusCode, Answer<NewTransfer>), Failure> {
    let made = app.engine().offer_transfer(&caller, workspace, wanted, premises).await?;
    Ok((StatusCode::CREATED, Answer(made)))
}

/// Gives the open offer of the workspace, or the last one that was; never its token.
#[utoipa::path(get, path = "/v1/workspaces/{ws}/transfer", operation_id = "get_transfer", tag = "transfers",
    params(InWorkspace),
    responses((status = 200, description = "The offer.", body = Transfer), AdminProblems))]
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    _: Query<Nothing>,
) -> Result<Answer<Transfer>, Failure> {
    Ok(Answer(app.engine().transfer(&caller, workspace).await?))
}

/// Takes the open offer back. It takes the owner, or an admin of the server.
#[utoipa::path(delete, path = "/v1/workspaces/{ws}/transfer", operation_id = "revoke_transfer", tag = "transfers",
    params(InWorkspace, WriteHeaders),
    responses((status = 204, description = "Its token is of no use any more."), AdminProblems))]
pub(super) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    _: Query<Nothing>,
    Premises(premises): Premises,
) -> Result<StatusCode, Failure> {
    app.engine().revoke_transfer(&caller, workspace, premises).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tells who has a token what they would be given.
#[utoipa::path(post, path = "/v1/transfers/look", operation_id = "look_at_transfer", tag = "transfers", request_body = ClaimTransfer,
    responses((status = 200, description = "What is handed over.", body = TransferManifest), AdminProblems, LinkProblems, ReadProblems))]
pub(super) async fn look(
    State(app): State<App>,
    caller: Caller,
    _: Query<Nothing>,
    Order { wanted, .. }: Order<ClaimTransfer>,
) -> Result<Answer<TransferManifest>, Failure> {
    Ok(Answer(app.engine().look_at_transfer(&caller, &wanted.token).await?))
}

/// Makes the caller the owner of the workspace that is offered; the owner before stays as an admin until removed.
#[utoipa::path(post, path = "/v1/transfers/accept", operation_id = "accept_transfer", tag = "transfers", request_body = ClaimTransfer,
    params(WriteHeaders),
    responses((status = 200, description = "The offer, accepted.", body = Transfer), AdminProblems, LinkProblems))]
pub(super) async fn accept(
    State(app): State<App>,
    caller: Caller,
    _: Query<Nothing>,
    Order { wanted, premises }: Order<ClaimTransfer>,
) -> Result<Answer<Transfer>, Failure> {
    Ok(Answer(app.engine().accept_transfer(&caller, &wanted.token, premises.idempotency).await?))
}

/// Ends an offer that is not wanted.
#[utoipa::path(post, path = "/v1/transfers/decline", operation_id = "decline_transfer", tag = "transfers", request_body = ClaimTransfer,
    params(WriteHeaders),
    responses((status = 200, description = "The offer, declined.", body = Transfer), AdminProblems, LinkProblems))]
pub(super) async fn decline(
    State(app): State<App>,
    caller: Caller,
    _: Query<Nothing>,
    Order { wanted, premises }: Order<ClaimTransfer>,
) -> Result<Answer<Transfer>, Failure> {
    Ok(Answer(app.engine().decline_transfer(&caller, &wanted.token, premises.idempotency).await?))
}
