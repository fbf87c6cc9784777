//! The log of a workspace: a page of it, at once or when there is one, or as a stream.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use longshore_core::wire::{After, AfterError, EventPage};
use longshore_core::{PrincipalId, WorkspaceId, WorkspacePath};
use longshore_engine::EventQuery;
use serde::Deserialize;

use super::app::App;
use super::document::EventProblems;
use super::extract::{At, Caller, PageSize, Query};
use super::feed;
use super::place::InWorkspace;
use crate::problem::Failure;

/// The longest that a request waits for an event, in seconds: what stands between often gives up after a minute.
const LONGEST_WAIT: u64 = 55;

/// Where to begin.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Place(After);

impl TryFrom<String> for Place {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|error: AfterError| format!("`after`: {error}"))
    }
}

/// How long to wait for an event.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(try_from = "u64")]
struct Wait(Duration);

impl TryFrom<u64> for Wait {
    type Error = String;

    fn try_from(seconds: u64) -> Result<Self, String> {
        match seconds {
            0..=LONGEST_WAIT => Ok(Self(Duration::from_secs(seconds))),
            _ => Err(format!("`wait` is 0 to {LONGEST_WAIT}")),
        }
    }
}

/// Which events are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// The `seq` after which to begin, or `now` for what is still to come; left out, the oldest event that is kept.
    #[param(value_type = Option<String>)]
    after: Option<Place>,
    /// For how many seconds to wait for an event where there is none yet.
    #[serde(default)]
    #[param(value_type = Option<u64>, minimum = 0, maximum = 55, default = 0)]
    wait: Wait,
    /// Types with commas between: `file.created`, or `node.*` for all that begin with `node.`.
    types: Option<String>,
    /// Only events of the node at this path, and of what is below it, where it is or where it was before.
    path: Option<String>,
    /// Only what this principal did.
    #[param(value_type = Option<String>)]
    actor: Option<PrincipalId>,
    /// How many events at most in a page; a stream goes on with the next.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<PageSize>,
}

impl Wanted {
    fn query(self) -> Result<EventQuery, Failure> {
        Ok(EventQuery {
            after: self.after.map(|Place(after)| after),
            limit: self.limit.map(PageSize::get),
            types: self.types.map(|types| types.parse()).transpose()?,
            path: self.path.map(|path| path.parse::<WorkspacePath>()).transpose()?,
            actor: self.actor,
        })
    }
}

/// Lists the events after a place in the log, oldest first, and waits for one if asked to.
///
/// `next_cursor` is the last `seq` looked at and leads to the next page as `after`; without one all up to `last_seq`
/// was looked at. With `Accept: text/event-stream` the answer is a stream of server-sent events that does not end by
/// itself: `id` is the event's `seq`, `event` its type, `data` the event; `Last-Event-ID` comes before `after`.
#[utoipa::path(get, path = "/v1/workspaces/{ws}/events", operation_id = "list_events", tag = "workspaces",
    params(
        InWorkspace,
        Wanted,
        ("last-event-id" = Option<u64>, Header, description = "Of a stream: the last event that came.")),
    responses(
        (status = 200, description = "Events.",
            content((EventPage = "application/json"), (String = "text/event-stream"))),
        EventProblems))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let Wait(wait) = wanted.wait;
    let mut query = wanted.query()?;
    if feed::is_wanted(&headers) {
        query.after = feed::last_event(&headers)?.or(query.after);
        return feed::answer(app, &caller, workspace, query).await;
    }
    let page = tokio::select! {
        page = app.engine().await_events(&caller, workspace, query.clone(), wait) => page?,
        () = app.closing() => app.engine().events(&caller, workspace, query).await?,
    };
    Ok(Json(page).into_response())
}
