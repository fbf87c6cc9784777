//! Invitations into workspaces. Their tokens come in bodies: what stands in a URL is logged by others.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use longshore_core::wire::{
    AcceptInvitation, Accepted, CreateInvitation, Invitation, InvitationText, LookedAt, NewInvitation, Page,
};
use longshore_core::{InvitationId, WorkspaceId};

use super::app::App;
use super::browser;
use super::context::Context;
use super::document::{AdminProblems, InvitationProblems};
use super::extract::{At, Caller, Nothing, Paging, Query, Stranger};
use super::json::Order;
use super::limited;
use super::place::{InWorkspace, OfInvitation};
use super::premise::{Premises, WriteHeaders};
use crate::problem::Failure;

/// Lists the invitations, the oldest first: those that have ended too, until 30 days after their time. It takes an admin.
#[utoipa::path(get, path = "/v1/workspaces/{ws}/invitations", operation_id = "list_invitations", tag = "invitations",
    params(InWorkspace, Paging),
    responses((status = 200, description = "Invitations.", body = Page<Invitation>), AdminProblems))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    Query(page): Query<Paging>,
) -> Result<Answer<Page<Invitation>>, Failure> {
    Ok(Answer(app.engine().list_invitations(&caller, workspace, page.into()).await?))
}

/// Invites somebody, known here or new. The token is in this answer and nowhere else. It takes an admin; nobody invites with
/// a role above their own, or as the owner.
#[utoipa::path(post, path = "/v1/workspaces/{ws}/invitations", operation_id = "create_invitation", tag = "invitations", request_body = CreateInvitation,
    params(InWorkspace, WriteHeaders),
    responses((status = 201, description = "The invitation and its token.", body = NewInvitation), AdminProblems))]
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    _: Query<Nothing>,
    Order { wanted, premises }: Order<CreateInvitation>,
) -> Result<(StatusCode, Answer<NewInvitation>), Failure> {
    let made = app.engine().create_invitation(&caller, workspace, wanted, premises).await?;
    Ok((StatusCode::CREATED, Answer(made)))
}

/// Revokes an invitation; one that has ended stays as it is.
#[utoipa::path(delete, path = "/v1/invitations/{invitation}", operation_id = "revoke_invitation", tag = "invitations",
    params(OfInvitation, WriteHeaders),
    responses((status = 204, description = "It is good no more."), AdminProblems))]
pub(super) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    At(invitation): At<InvitationId>,
    _: Query<Nothing>,
    Premises(premises): Premises,
) -> Result<StatusCode, Failure> {
    app.engine().revoke_invitation(&caller, invitation, premises).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tells who has a token what it invites to.
#[utoipa::path(post, path = "/v1/invitations/look", operation_id = "look_at_invitation", tag = "invitations", request_body = InvitationText, security(()),
    responses((status = 200, description = "What it invites to.", body = LookedAt), InvitationProblems))]
pub(super) async fn look(
    State(app): State<App>,
    parts: Parts,
    _: Query<Nothing>,
    Order { wanted, .. }: Order<InvitationText>,
) -> Result<Answer<LookedAt>, Failure> {
    let trying = app.engine().look_at_invitation(&wanted.token);
    Ok(Answer(limited::attempt(&app, &parts, wanted.token.reveal(), trying).await?))
}

/// Declines an invitation, for who has its token.
#[utoipa::path(post, path = "/v1/invitations/decline", operation_id = "decline_invitation", tag = "invitations", request_body = InvitationText, security(()),
    responses((status = 204, description = "It is good no more."), InvitationProblems))]
pub(super) async fn decline(
    State(app): State<App>,
    parts: Parts,
    _: Query<Nothing>,
    Order { wanted, .. }: Order<InvitationText>,
) -> Result<StatusCode, Failure> {
    let trying = app.engine().decline_invitation(&wanted.token, Some(Context::of(&parts).origin()));
    limited::attempt(&app, &parts, wanted.token.reveal(), trying).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Accepts an invitation. Who shows a key or a session becomes a member, or keeps the greater role; who shows none becomes a
/// new person with a password, who is signed in by the answer's cookie.
#[utoipa::path(post, path = "/v1/invitations/accept", operation_id = "accept_invitation", tag = "invitations", request_body = AcceptInvitation,
    security((), ("key" = []), ("session" = [])),
    responses((status = 200, description = "The member.", body = Accepted, headers(("Set-Cookie" = String))), InvitationProblems))]
pub(super) async fn accept(
    State(app): State<App>,
    Stranger(caller): Stranger,
    parts: Parts,
    _: Query<Nothing>,
    Order { wanted, .. }: Order<AcceptInvitation>,
) -> Result<Response, Failure> {
    let (engine, token) = (app.engine(), wanted.token.clone());
    if let Some(caller) = caller {
        let trying = engine.accept_invitation(&caller, wanted);
        let member = limited::attempt(&app, &parts, token.reveal(), trying).await?;
        return Ok(Answer(Accepted { member, signed_in: None }).into_response());
    }
    // It signs somebody in, as `sign_in` does.
    browser::ensure_same_site(&parts)?;
    let trying = engine.accept_as_newcomer(wanted, browser::browser(&parts));
    let (member, signed_in, secret) = limited::attempt(&app, &parts, token.reveal(), trying).await?;
    let cookie = browser::keep(&secret, &signed_in)?;
    Ok(([cookie], Answer(Accepted { member, signed_in: Some(signed_in) })).into_response())
}
