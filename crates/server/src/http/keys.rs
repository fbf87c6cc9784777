//! API keys.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use longshore_core::KeyId;
use longshore_core::wire::{CreateKey, Key, NewKey, Page, RotateKey};

use super::app::App;
use super::document::AdminProblems;
use super::extract::{At, Caller, Nothing, Paging, Query};
use super::json::Order;
use super::premise::{Premises, WriteHeaders};
use crate::problem::Failure;

/// Lists keys, oldest first: for an admin of the server all; for another those of the workspaces that they are an admin of, and
/// their own.
#[utoipa::path(get, path = "/v1/keys", operation_id = "list_keys", tag = "keys", params(Paging),
    responses((status = 200, description = "Keys.", body = Page<Key>), AdminProblems))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(page): Query<Paging>,
) -> Result<Answer<Page<Key>>, Failure> {
    Ok(Answer(app.engine().list_keys(&caller, page.into()).await?))
}

/// Makes a key. Its secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/v1/keys", operation_id = "create_key", tag = "keys", request_body = CreateKey, params(WriteHeaders),
    responses((status = 201, description = "The key and its secret.", body = NewKey), AdminProblems))]
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    _: Query<Nothing>,
    Order { wanted, premises }: Order<CreateKey>,
) -> Result<(StatusCode, Answer<NewKey>), Failure> {
    Ok((StatusCode::CREATED, Answer(app.engine().create_key(&caller, wanted, premises.idempotency).await?)))
}

/// Revokes a key.
#[utoipa::path(delete, path = "/v1/keys/{key}", operation_id = "revoke_key", tag = "keys",
    params(("key" = KeyId, Path, description = "The key's id."), WriteHeaders),
    responses((status = 204, description = "The key is refused from now on."), AdminProblems))]
pub(super) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    At(key): At<KeyId>,
    _: Query<Nothing>,
    Premises(premises): Premises,
) -> Result<StatusCode, Failure> {
    app.engine().revoke_key(&caller, key, premises.idempotency).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a key like another, with its end and all that it is narrowed to; the old one ends at once, or after a grace. Its secret
/// is in this answer and nowhere else.
#[utoipa::path(post, path = "/v1/keys/{key}/rotate", operation_id = "rotate_key", tag = "keys", request_body = RotateKey,
    params(("key" = KeyId, Path, description = "The old key's id."), WriteHeaders),
    responses((status = 201, description = "The new key and its secret.", body = NewKey), AdminProblems))]
pub(super) async fn rotate(
    State(app): State<App>,
    caller: Caller,
    At(key): At<KeyId>,
    _: Query<Nothing>,
    Order { wanted, premises }: Order<RotateKey>,
) -> Result<(StatusCode, Answer<NewKey>), Failure> {
    let made = app.engine().rotate_key(&caller, key, wanted, premises.idempotency).await?;
    Ok((StatusCode::CREATED, Answer(made)))
}
