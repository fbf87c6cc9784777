//! Members of a workspace.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use longshore_core::wire::{Member, Page, SetMember};
use longshore_core::{PrincipalId, WorkspaceId};

use super::app::App;
use super::document::{AdminProblems, ReadProblems};
use super::extract::{At, Caller, Nothing, Paging, Query};
use super::json::Order;
use super::place::{InWorkspace, OfMember};
use super::premise::{Premises, WriteHeaders};
use crate::problem::Failure;

/// Lists the members, by their ids.
#[utoipa::path(get, path = "/v1/workspaces/{ws}/members", operation_id = "list_members", tag = "members",
    params(InWorkspace, Paging),
    responses((status = 200, description = "Members.", body = Page<Member>), ReadProblems))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    Query(page): Query<Paging>,
) -> Result<Answer<Page<Member>>, Failure> {
    Ok(Answer(app.engine().list_members(&caller, workspace, page.into()).await?))
}

/// Gives a member.
#[utoipa::path(get, path = "/v1/workspaces/{ws}/members/{principal}", operation_id = "get_member", tag = "members",
    params(OfMember),
    responses((status = 200, description = "The member.", body = Member), ReadProblems))]
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    At(principal): At<PrincipalId>,
    _: Query<Nothing>,
) -> Result<Answer<Member>, Failure> {
    Ok(Answer(app.engine().workspace_member(&caller, workspace, principal).await?))
}

/// Gives a person or an agent a role in the workspace. It takes an admin; nobody gives or takes a role above their own, and
/// the owner's is neither given nor taken.
#[utoipa::path(put, path = "/v1/workspaces/{ws}/members/{principal}", operation_id = "set_member", tag = "members", request_body = SetMember,
    params(OfMember, WriteHeaders),
    responses(
        (status = 201, description = "The member is new.", body = Member),
        (status = 200, description = "The member was there.", body = Member),
        AdminProblems))]
pub(super) async fn set(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    At(principal): At<PrincipalId>,
    _: Query<Nothing>,
    Order { wanted, premises }: Order<SetMember>,
) -> Result<(StatusCode, Answer<Member>), Failure> {
    let set = app.engine().set_member(&caller, workspace, principal, wanted.role, premises);
    let (member, is_new) = set.await?;
    Ok((if is_new { StatusCode::CREATED } else { StatusCode::OK }, Answer(member)))
}

/// Takes a member out of the workspace, whose locks there end. It takes an admin, or is oneself; the owner stays.
#[utoipa::path(delete, path = "/v1/workspaces/{ws}/members/{principal}", operation_id = "remove_member", tag = "members",
    params(OfMember, WriteHeaders),
    responses((status = 204, description = "They are a member no longer."), AdminProblems))]
pub(super) async fn remove(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    At(principal): At<PrincipalId>,
    _: Query<Nothing>,
    Premises(premises): Premises,
) -> Result<StatusCode, Failure> {
    app.engine().remove_member(&caller, workspace, principal, premises).await?;
    Ok(StatusCode::NO_CONTENT)
}
