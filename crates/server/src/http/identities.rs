//! Identities: how providers know people, who sign in by it.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use longshore_core::wire::{Identity, LinkIdentity, OidcBegun, Page};
use longshore_core::{Code, IdentityId, PrincipalId};

use super::app::App;
use super::document::AdminProblems;
use super::extract::{At, Caller, Nothing, Query};
use super::json::Order;
use super::oidc;
use super::place::{OfIdentity, OfPersonsIdentity, OfPrincipal};
use super::premise::{Premises, WriteHeaders};
use crate::oidc::Purpose;
use crate::problem::Failure;

/// Lists one's own identities, the oldest first: at most 20, on one page. It takes a session, or a whole key.
#[utoipa::path(get, path = "/v1/me/identities", operation_id = "list_identities", tag = "sessions",
    responses((status = 200, description = "Identities.", body = Page<Identity>), AdminProblems))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    _: Query<Nothing>,
) -> Result<Answer<Page<Identity>>, Failure> {
    Ok(Answer(app.engine().list_identities(&caller).await?))
}

/// Begins to add an identity to oneself: the browser is to go to the provider, and comes back in the same session. It takes
/// a session.
#[utoipa::path(post, path = "/v1/me/identities", operation_id = "link_identity", tag = "sessions", request_body = LinkIdentity,
    responses((status = 200, description = "Where the browser is to go.", body = OidcBegun, headers(("Set-Cookie" = String))), AdminProblems))]
pub(super) async fn link(
    State(app): State<App>,
    caller: Caller,
    _: Query<Nothing>,
    Order { wanted, .. }: Order<LinkIdentity>,
) -> Result<oidc::Begun, Failure> {
    let (person, _) = app.engine().signed_in(&caller).await?;
    let wanted_to = (Purpose::Link(person.id), wanted.return_to.as_deref(), Code::InvalidBody);
    oidc::attempt(&app, &wanted.provider, wanted_to).await
}

/// Removes one of one's own identities, and ends all one's other sessions. The last way in of who has no password stays.
#[utoipa::path(delete, path = "/v1/me/identities/{identity}", operation_id = "remove_identity", tag = "sessions", params(OfIdentity),
    responses((status = 204, description = "Nobody signs in by it any more."), AdminProblems))]
pub(super) async fn remove(
    State(app): State<App>,
    caller: Caller,
    At(identity): At<IdentityId>,
    _: Query<Nothing>,
) -> Result<StatusCode, Failure> {
    app.engine().remove_identity(&caller, identity).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the identities of a person. It takes an admin of the server.
#[utoipa::path(get, path = "/v1/principals/{principal}/identities", operation_id = "list_principal_identities", tag = "principals",
    params(OfPrincipal),
    responses((status = 200, description = "Identities.", body = Page<Identity>), AdminProblems))]
pub(super) async fn list_of(
    State(app): State<App>,
    caller: Caller,
    At(principal): At<PrincipalId>,
    _: Query<Nothing>,
) -> Result<Answer<Page<Identity>>, Failure> {
    Ok(Answer(app.engine().list_identities_of(&caller, principal).await?))
}

/// Removes an identity of a person, and ends all their sessions. It takes an admin of the server.
#[utoipa::path(delete, path = "/v1/principals/{principal}/identities/{identity}", operation_id = "remove_principal_identity", tag = "principals",
    params(OfPersonsIdentity, WriteHeaders),
    responses((status = 204, description = "Nobody signs in by it any more."), AdminProblems))]
pub(super) async fn remove_of(
    State(app): State<App>,
    caller: Caller,
    At(principal): At<PrincipalId>,
    At(identity): At<IdentityId>,
    _: Query<Nothing>,
    Premises(premises): Premises,
) -> Result<StatusCode, Failure> {
    app.engine().remove_identity_of(&caller, principal, identity, premises.idempotency).await?;
    Ok(StatusCode::NO_CONTENT)
}
