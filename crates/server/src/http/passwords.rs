//! Passwords: changing one's own, and setting one by a token that an admin of the server gave.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use longshore_core::PrincipalId;
use longshore_core::wire::{ChangePassword, NewReset, ResetPassword};

use super::app::App;
use super::context::Context;
use super::document::AdminProblems;
use super::extract::{At, Caller, Nothing, Query};
use super::json::Order;
use super::limited;
use super::place::OfPrincipal;
use super::premise::{Premises, WriteHeaders};
use crate::problem::Failure;

/// Sets another password for oneself, and ends all other sessions. It takes a session, or a whole key, and the password as it is.
#[utoipa::path(put, path = "/v1/me/password", operation_id = "change_password", tag = "sessions", request_body = ChangePassword,
    responses((status = 204, description = "The new password holds."), AdminProblems))]
pub(super) async fn change(
    State(app): State<App>,
    caller: Caller,
    parts: Parts,
    _: Query<Nothing>,
    Order { wanted, .. }: Order<ChangePassword>,
) -> Result<StatusCode, Failure> {
    let own = format!("password of {}", caller.principal);
    let trying = app.engine().change_password(&caller, wanted);
    limited::guess(&app, &parts, &own, trying).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sets a new password by a token, once, and ends all sessions of whom it is for.
#[utoipa::path(post, path = "/v1/password", operation_id = "reset_password", tag = "sessions", request_body = ResetPassword, security(()),
    responses((status = 204, description = "The new password holds."), AdminProblems))]
pub(super) async fn reset(
    State(app): State<App>,
    parts: Parts,
    _: Query<Nothing>,
    Order { wanted, .. }: Order<ResetPassword>,
) -> Result<StatusCode, Failure> {
    let token = wanted.token.clone();
    let trying = app.engine().reset_password(wanted, Some(Context::of(&parts).origin()));
    limited::attempt(&app, &parts, token.reveal(), trying).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a token by which a person sets a new password, once and within a day. It takes an admin of the server.
#[utoipa::path(post, path = "/v1/principals/{principal}/password", operation_id = "create_reset", tag = "principals",
    params(OfPrincipal, WriteHeaders),
    responses((status = 201, description = "The token.", body = NewReset), AdminProblems))]
pub(super) async fn create_reset(
    State(app): State<App>,
    caller: Caller,
    At(principal): At<PrincipalId>,
    _: Query<Nothing>,
    Premises(premises): Premises,
) -> Result<(StatusCode, Answer<NewReset>), Failure> {
    let made = app.engine().create_reset(&caller, principal, premises.idempotency).await?;
    Ok((StatusCode::CREATED, Answer(made)))
}
