//! Locks on nodes.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use longshore_core::wire::{
    AcquireLock, AcquireLocks, BreakLock, LockGrant, LockGrants, LockRenewal, NodeLock, Page, RenewLock,
};
use longshore_core::{Code, LockId, LockToken, PrincipalId, WorkspaceId};
use longshore_engine::{Error, PageRequest};
use serde::Deserialize;

use super::app::App;
use super::document::{LockProblems, ReadProblems};
use super::extract::{At, Caller, NodeRef, Nothing, PageSize, Query, RootOf, invalid_query};
use super::json::Order;
use super::place::OfNode;
use super::premise::{WriteHeaders, tokens};
use crate::problem::Failure;

/// Takes the lock of a node. `Lock-Token` names the locks that the caller holds already: then it may lock what lies
/// in a folder that it holds, and a circle of waiters is noticed.
#[utoipa::path(post, path = "/v1/files/{id}/lock", operation_id = "lock_node", tag = "locks", request_body = AcquireLock,
    params(OfNode, RootOf, WriteHeaders),
    responses(
        (status = 201, description = "The lock and its token.", body = LockGrant),
        (status = 200, description = "The lock that an earlier request with this idempotency key took.", body = LockGrant),
        LockProblems))]
pub(super) async fn acquire(
    State(app): State<App>,
    caller: Caller,
    At(id): At<NodeRef>,
    Query(root): Query<RootOf>,
    Order { wanted, premises }: Order<AcquireLock>,
) -> Result<Response, Failure> {
    let id = app.node(&caller, id, root.workspace).await?;
    let granted = app.engine().lock_node_until(&caller, id, wanted, premises, app.closing());
    let (granted, is_replay) = granted.await?;
    let status = if is_replay { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Answer(granted)).into_response())
}

/// Gives the lock that covers a node: its own, or that of the nearest folder above it. Never its token.
#[utoipa::path(get, path = "/v1/files/{id}/lock", operation_id = "get_node_lock", tag = "locks",
    params(OfNode, RootOf),
    responses((status = 200, description = "The lock.", body = NodeLock), ReadProblems))]
pub(super) async fn of_node(
    State(app): State<App>,
    caller: Caller,
    At(id): At<NodeRef>,
    Query(root): Query<RootOf>,
) -> Result<Answer<NodeLock>, Failure> {
    let id = app.node(&caller, id, root.workspace).await?;
    Ok(Answer(app.engine().lock_of(&caller, id).await?))
}

/// Takes the locks of many nodes of one workspace, all of them or none.
#[utoipa::path(post, path = "/v1/locks:batch", operation_id = "lock_nodes", tag = "locks", request_body = AcquireLocks,
    params(("Idempotency-Key" = Option<String>, Header,
        description = "The same key with the same request within 24 h gives the same grants, as long as they hold.")),
    responses((status = 201, description = "The locks, in the order asked for.", body = LockGrants), LockProblems))]
pub(super) async fn acquire_many(
    State(app): State<App>,
    caller: Caller,
    _: Query<Nothing>,
    Order { wanted, premises }: Order<AcquireLocks>,
) -> Result<(StatusCode, Answer<LockGrants>), Failure> {
    Ok((StatusCode::CREATED, Answer(app.engine().lock_nodes(&caller, wanted, premises).await?)))
}

/// Whose locks are wanted, and which page.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LocksOf {
    /// `me`, or a principal's id; left out, everybody.
    owner: Option<String>,
    /// The workspace; left out, the key's current one.
    #[param(value_type = Option<String>)]
    workspace: Option<WorkspaceId>,
    /// How many items at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<PageSize>,
    /// Where to go on: the page before gave it.
    cursor: Option<String>,
}

/// Lists the locks of a workspace that hold, oldest first. Never their tokens.
#[utoipa::path(get, path = "/v1/locks", operation_id = "list_locks", tag = "locks", params(LocksOf),
    responses((status = 200, description = "Locks.", body = Page<NodeLock>), ReadProblems))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<LocksOf>,
) -> Result<Answer<Page<NodeLock>>, Failure> {
    let owner: Option<PrincipalId> = match query.owner.as_deref() {
        None => None,
        Some("me") => Some(caller.principal),
        Some(id) => Some(id.parse().map_err(|_| invalid_query("`owner` is `me` or a principal's id"))?),
    };
    let workspace = match query.workspace {
        Some(workspace) => workspace,
        None => app.engine().current_workspace(&caller).await?.id,
    };
    let page = PageRequest::new(query.limit.map(PageSize::get), query.cursor);
    Ok(Answer(app.engine().list_locks(&caller, workspace, owner, page).await?))
}

/// Returns the one token of a request about a lock.
fn token(headers: &HeaderMap) -> Result<LockToken, Failure> {
    let mut tokens = tokens(headers)?.into_iter();
    match (tokens.next(), tokens.next()) {
        (Some(token), None) => Ok(token),
        _ => Err(Failure::new(Code::InvalidHeader, "send `Lock-Token: <token>`, the lock's own")),
    }
}

/// Prolongs a lock: its lease begins anew, its fence stays.
#[utoipa::path(post, path = "/v1/locks/{lock}/renew", operation_id = "renew_lock", tag = "locks", request_body = RenewLock,
    params(
        ("lock" = LockId, Path, description = "The lock's id."),
        ("Lock-Token" = String, Header, description = "The lock's token.")),
    responses((status = 200, description = "The lock.", body = LockRenewal), LockProblems))]
pub(super) async fn renew(
    State(app): State<App>,
    caller: Caller,
    At(lock): At<LockId>,
    _: Query<Nothing>,
    headers: HeaderMap,
    Order { wanted, .. }: Order<RenewLock>,
) -> Result<Answer<LockRenewal>, Failure> {
    let renewed = app.engine().renew_lock(&caller, lock, token(&headers)?, wanted).await;
    renewed.map(Answer).map_err(of_lock)
}

/// How a lock ends before its time.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Ending {
    /// Takes the lock from its owner: for administrators.
    #[serde(default)]
    force: bool,
}

/// Gives a lock back, again and again if need be; or breaks it.
#[utoipa::path(delete, path = "/v1/locks/{lock}", operation_id = "release_lock", tag = "locks", request_body = Option<BreakLock>,
    params(
        ("lock" = LockId, Path, description = "The lock's id."),
        Ending,
        ("Lock-Token" = Option<String>, Header, description = "The lock's token; not needed with `force`.")),
    responses((status = 204, description = "The lock holds no longer."), LockProblems))]
pub(super) async fn release(
    State(app): State<App>,
    caller: Caller,
    At(lock): At<LockId>,
    Query(ending): Query<Ending>,
    headers: HeaderMap,
    Order { wanted, .. }: Order<BreakLock>,
) -> Result<StatusCode, Failure> {
    if ending.force {
        app.engine().break_lock(&caller, lock, &wanted.reason).await.map_err(of_lock)?;
    } else {
        app.engine().release_lock(&caller, lock, token(&headers)?).await.map_err(of_lock)?;
    }
    Ok(StatusCode::NO_CONTENT)
}

fn of_lock(error: Error) -> Failure {
    Failure::from(error).of_lock()
}
