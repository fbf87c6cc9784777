//! People and agents.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use longshore_core::PrincipalId;
use longshore_core::wire::{CreatePrincipal, Page, Principal, UpdatePrincipal};

use super::app::App;
use super::document::AdminProblems;
use super::extract::{At, Caller, Nothing, Paging, Query};
use super::json::Order;
use super::place::OfPrincipal;
use super::premise::{Premises, WriteHeaders};
use crate::problem::Failure;

/// Lists people and agents, the oldest first. This takes an admin of the server, as all about them does.
#[utoipa::path(get, path = "/v1/principals", operation_id = "list_principals", tag = "principals", params(Paging),
    responses((status = 200, description = "People and agents.", body = Page<Principal>), AdminProblems))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(page): Query<Paging>,
) -> Result<Answer<Page<Principal>>, Failure> {
    Ok(Answer(app.engine().list_principals(&caller, page.into()).await?))
}

/// Makes a person or an agent, who may do nothing yet.
#[utoipa::path(post, path = "/v1/principals", operation_id = "create_principal", tag = "principals", request_body = CreatePrincipal, params(WriteHeaders),
    responses((status = 201, description = "The person or agent.", body = Principal), AdminProblems))]
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    _: Query<Nothing>,
    Order { wanted, premises }: Order<CreatePrincipal>,
) -> Result<(StatusCode, Answer<Principal>), Failure> {
    let made = app.engine().create_principal(&caller, wanted, premises.idempotency).await?;
    Ok((StatusCode::CREATED, Answer(made)))
}

/// Gives a person or an agent.
#[utoipa::path(get, path = "/v1/principals/{principal}", operation_id = "get_principal", tag = "principals", params(OfPrincipal),
    responses((status = 200, description = "The person or agent.", body = Principal), AdminProblems))]
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller,
    At(principal): At<PrincipalId>,
    _: Query<Nothing>,
) -> Result<Answer<Principal>, Failure> {
    Ok(Answer(app.engine().principal(&caller, principal).await?))
}

/// Renames a person or an agent.
#[utoipa::path(patch, path = "/v1/principals/{principal}", operation_id = "update_principal", tag = "principals", request_body = UpdatePrincipal,
    params(OfPrincipal, WriteHeaders),
    responses((status = 200, description = "The person or agent.", body = Principal), AdminProblems))]
pub(super) async fn update(
    State(app): State<App>,
    caller: Caller,
    At(principal): At<PrincipalId>,
    _: Query<Nothing>,
    Order { wanted, premises }: Order<UpdatePrincipal>,
) -> Result<Answer<Principal>, Failure> {
    let renamed = app.engine().rename_principal(&caller, principal, wanted, premises.idempotency);
    Ok(Answer(renamed.await?))
}

/// Ends what a person or an agent may do: keys, locks and links end with it. Doing so again changes nothing.
#[utoipa::path(post, path = "/v1/principals/{principal}/deactivate", operation_id = "deactivate_principal", tag = "principals",
    params(OfPrincipal, WriteHeaders),
    responses((status = 200, description = "The person or agent.", body = Principal), AdminProblems))]
pub(super) async fn deactivate(
    State(app): State<App>,
    caller: Caller,
    At(principal): At<PrincipalId>,
    _: Query<Nothing>,
    Premises(premises): Premises,
) -> Result<Answer<Principal>, Failure> {
    let ended = app.engine().deactivate_principal(&caller, principal, premises.idempotency);
    Ok(Answer(ended.await?))
}

/// Lets a person or an agent do again what they may. The locks that they had are gone.
#[utoipa::path(post, path = "/v1/principals/{principal}/reactivate", operation_id = "reactivate_principal", tag = "principals",
    params(OfPrincipal, WriteHeaders),
    responses((status = 200, description = "The person or agent.", body = Principal), AdminProblems))]
pub(super) async fn reactivate(
    State(app): State<App>,
    caller: Caller,
    At(principal): At<PrincipalId>,
    _: Query<Nothing>,
    Premises(premises): Premises,
) -> Result<Answer<Principal>, Failure> {
    let back = app.engine().reactivate_principal(&caller, principal, premises.idempotency);
    Ok(Answer(back.await?))
}
