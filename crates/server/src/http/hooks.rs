//! Webhooks of a workspace, and what became of their deliveries.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use longshore_core::wire::{
    CreateHook, Delivery, DeliveryState, Hook, Job, NewHook, Page, Redeliver, RotateHook, UpdateHook,
};
use longshore_core::{DeliveryId, HookId, WorkspaceId};
use longshore_engine::PageRequest;
use serde::Deserialize;

use super::app::App;
use super::document::{AdminProblems, WriteProblems};
use super::extract::{At, Caller, Nothing, PageSize, Paging, Query};
use super::json::Order;
use super::place::{InWorkspace, OfDelivery, OfHook};
use super::premise::{Premises, WriteHeaders};
use crate::problem::Failure;

/// Lists the hooks of a workspace, oldest first.
#[utoipa::path(get, path = "/v1/workspaces/{ws}/hooks", operation_id = "list_hooks", tag = "hooks",
    params(InWorkspace, Paging),
    responses((status = 200, description = "Hooks.", body = Page<Hook>), AdminProblems))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    Query(page): Query<Paging>,
) -> Result<Answer<Page<Hook>>, Failure> {
    Ok(Answer(app.engine().list_hooks(&caller, workspace, page.into()).await?))
}

/// Makes a hook. Its secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/v1/workspaces/{ws}/hooks", operation_id = "create_hook", tag = "hooks", request_body = CreateHook,
    params(InWorkspace, WriteHeaders),
    responses((status = 201, description = "The hook and its secret.", body = NewHook), WriteProblems))]
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    _: Query<Nothing>,
    Order { wanted, premises }: Order<CreateHook>,
) -> Result<(StatusCode, Answer<NewHook>), Failure> {
    let made = app.engine().create_hook(&caller, workspace, wanted, premises).await?;
    Ok((StatusCode::CREATED, Answer(made)))
}

/// Gives a hook, without its secret.
#[utoipa::path(get, path = "/v1/workspaces/{ws}/hooks/{hook}", operation_id = "get_hook", tag = "hooks",
    params(OfHook),
    responses((status = 200, description = "The hook.", body = Hook), AdminProblems))]
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    At(hook): At<HookId>,
    _: Query<Nothing>,
) -> Result<Answer<Hook>, Failure> {
    Ok(Answer(app.engine().hook(&caller, workspace, hook).await?))
}

/// Changes a hook, or switches it on or off.
#[utoipa::path(patch, path = "/v1/workspaces/{ws}/hooks/{hook}", operation_id = "update_hook", tag = "hooks", request_body = UpdateHook,
    params(OfHook, WriteHeaders),
    responses((status = 200, description = "The hook.", body = Hook), WriteProblems))]
pub(super) async fn update(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    At(hook): At<HookId>,
    _: Query<Nothing>,
    Order { wanted, premises }: Order<UpdateHook>,
) -> Result<Answer<Hook>, Failure> {
    Ok(Answer(app.engine().update_hook(&caller, workspace, hook, wanted, premises).await?))
}

/// Removes a hook with all its deliveries.
#[utoipa::path(delete, path = "/v1/workspaces/{ws}/hooks/{hook}", operation_id = "delete_hook", tag = "hooks",
    params(OfHook, WriteHeaders),
    responses((status = 204, description = "The hook is gone."), WriteProblems))]
pub(super) async fn delete(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    At(hook): At<HookId>,
    _: Query<Nothing>,
    Premises(premises): Premises,
) -> Result<StatusCode, Failure> {
    app.engine().delete_hook(&caller, workspace, hook, premises).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a hook a new secret, which is in this answer and nowhere else. For a while deliveries carry a signature of
/// the old one too.
#[utoipa::path(post, path = "/v1/workspaces/{ws}/hooks/{hook}/rotate", operation_id = "rotate_hook", tag = "hooks", request_body = RotateHook,
    params(OfHook, WriteHeaders),
    responses((status = 200, description = "The hook and its new secret.", body = NewHook), WriteProblems))]
pub(super) async fn rotate(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    At(hook): At<HookId>,
    _: Query<Nothing>,
    Order { wanted, premises }: Order<RotateHook>,
) -> Result<Answer<NewHook>, Failure> {
    Ok(Answer(app.engine().rotate_hook(&caller, workspace, hook, wanted, premises).await?))
}

/// Sends a test, of type `hook.ping`, as soon as a worker can.
#[utoipa::path(post, path = "/v1/workspaces/{ws}/hooks/{hook}/test", operation_id = "test_hook", tag = "hooks",
    params(OfHook, WriteHeaders),
    responses((status = 202, description = "The test's delivery.", body = Delivery), WriteProblems))]
pub(super) async fn test(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    At(hook): At<HookId>,
    _: Query<Nothing>,
    Premises(premises): Premises,
) -> Result<(StatusCode, Answer<Delivery>), Failure> {
    let delivery = app.engine().test_hook(&caller, workspace, hook, premises).await?;
    Ok((StatusCode::ACCEPTED, Answer(delivery)))
}

/// Which deliveries are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Deliveries that stand there.
    #[param(inline)]
    state: Option<DeliveryState>,
    /// How many items at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<PageSize>,
    /// Where to go on: the page before gave it.
    cursor: Option<String>,
}

/// Lists a hook's deliveries with their attempts, newest first. They are kept for 30 days.
#[utoipa::path(get, path = "/v1/workspaces/{ws}/hooks/{hook}/deliveries", operation_id = "list_deliveries", tag = "hooks",
    params(OfHook, Wanted),
    responses((status = 200, description = "Deliveries.", body = Page<Delivery>), AdminProblems))]
pub(super) async fn deliveries(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    At(hook): At<HookId>,
    Query(wanted): Query<Wanted>,
) -> Result<Answer<Page<Delivery>>, Failure> {
    let page = PageRequest::new(wanted.limit.map(PageSize::get), wanted.cursor);
    Ok(Answer(app.engine().list_deliveries(&caller, workspace, hook, wanted.state, page).await?))
}

/// Gives a delivery with its attempts.
#[utoipa::path(get, path = "/v1/workspaces/{ws}/hooks/{hook}/deliveries/{delivery}", operation_id = "get_delivery", tag = "hooks",
    params(OfDelivery),
    responses((status = 200, description = "The delivery.", body = Delivery), AdminProblems))]
pub(super) async fn delivery(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    At(hook): At<HookId>,
    At(delivery): At<DeliveryId>,
    _: Query<Nothing>,
) -> Result<Answer<Delivery>, Failure> {
    Ok(Answer(app.engine().delivery(&caller, workspace, hook, delivery).await?))
}

/// Sends one delivery again, whatever became of it before, with the id it always had.
#[utoipa::path(post, path = "/v1/workspaces/{ws}/hooks/{hook}/deliveries/{delivery}/redeliver", operation_id = "redeliver_one", tag = "hooks",
    params(OfDelivery, WriteHeaders),
    responses((status = 202, description = "The delivery.", body = Delivery), WriteProblems))]
pub(super) async fn redeliver_one(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    At(hook): At<HookId>,
    At(delivery): At<DeliveryId>,
    _: Query<Nothing>,
    Premises(premises): Premises,
) -> Result<(StatusCode, Answer<Delivery>), Failure> {
    let delivery = app.engine().redeliver_one(&caller, workspace, hook, delivery, premises).await?;
    Ok((StatusCode::ACCEPTED, Answer(delivery)))
}

/// Sends many deliveries again, by a job: all that were given up, or all events since a place or a time.
#[utoipa::path(post, path = "/v1/workspaces/{ws}/hooks/{hook}/redeliver", operation_id = "redeliver", tag = "hooks", request_body = Redeliver,
    params(OfHook, WriteHeaders),
    responses((status = 202, description = "The job; its result says how many deliveries were begun.", body = Job), WriteProblems))]
pub(super) async fn redeliver(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    At(hook): At<HookId>,
    _: Query<Nothing>,
    Order { wanted, premises }: Order<Redeliver>,
) -> Result<(StatusCode, Answer<Job>), Failure> {
    let job = app.engine().redeliver(&caller, workspace, hook, wanted, premises).await?;
    Ok((StatusCode::ACCEPTED, Answer(job)))
}
