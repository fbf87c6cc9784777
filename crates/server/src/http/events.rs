//! The log of a workspace.

use axum::Json as Answer;
use axum::extract::State;
use longshore_core::WorkspaceId;
use longshore_core::wire::{Event, Page};
use serde::Deserialize;

use super::app::App;
use super::document::ReadProblems;
use super::extract::{At, Caller, PageSize, Query};
use crate::problem::Failure;

/// How many events come where nothing is asked for.
const EVENTS: u32 = 100;

/// Which events are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct After {
    /// The `seq` after which to begin; left out, the first event.
    #[serde(default)]
    after: u64,
    /// How many events at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<PageSize>,
}

/// Lists the events after a place in the log, oldest first. `next_cursor` is the last `seq`.
#[utoipa::path(get, path = "/v1/workspaces/{ws}/events", operation_id = "list_events", tag = "workspaces",
    params(("ws" = WorkspaceId, Path, description = "The workspace's id."), After),
    responses((status = 200, description = "Events.", body = Page<Event>), ReadProblems))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    Query(query): Query<After>,
) -> Result<Answer<Page<Event>>, Failure> {
    let limit = query.limit.map_or(EVENTS, PageSize::get);
    Ok(Answer(app.engine().list_events(&caller, workspace, query.after, limit).await?))
}
