//! The audit log: a page of it, or all of it as lines of JSON.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream;
use longshore_core::wire::{AuditOutcome, AuditPage, MAX_PAGE, NDJSON};
use longshore_core::{PrincipalId, Timestamp, WorkspaceId};
use longshore_engine::{Actor, AuditAfter, AuditQuery, Engine, Error};
use serde::Deserialize;

use super::app::App;
use super::document::EventProblems;
use super::extract::{Caller, PageSize, Query};
use super::feed;
use crate::problem::Failure;

/// Which entries are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Only what was about this workspace.
    #[param(value_type = Option<String>)]
    workspace: Option<WorkspaceId>,
    /// Only what this principal did or was refused.
    #[param(value_type = Option<String>)]
    principal: Option<PrincipalId>,
    /// Only what was done, or what was refused.
    outcome: Option<AuditOutcome>,
    /// Nothing from before this time (RFC 3339).
    #[param(value_type = Option<String>)]
    since: Option<Timestamp>,
    /// Nothing from this time or later (RFC 3339).
    #[param(value_type = Option<String>)]
    until: Option<Timestamp>,
    /// The place after which to begin: of an entry, or where a page ended; or `now` for what is still to come. Left out, the
    /// oldest entry that is kept.
    after: Option<String>,
    /// How many entries at most in a page; an export goes on with the next.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<PageSize>,
}

impl Wanted {
    fn query(self) -> Result<AuditQuery, Failure> {
        Ok(AuditQuery {
            workspace: self.workspace,
            principal: self.principal,
            outcome: self.outcome,
            since: self.since,
            until: self.until,
            after: self.after.map(|text| text.parse::<AuditAfter>()).transpose()?,
            limit: self.limit.map(PageSize::get),
        })
    }
}

/// Reads the audit log: what was done and what was refused, in the order of places. It takes an admin: of the server for all, of
/// a workspace for what was about it.
///
/// Who goes on after the `reached` of a page misses nothing. With `Accept: application/x-ndjson` the answer is a line of JSON for
/// each entry, up to the end that there is then; one that breaks off goes on after the `place` of its last line.
#[utoipa::path(get, path = "/v1/audit", operation_id = "list_audit", tag = "audit", params(Wanted),
    responses(
        (status = 200, description = "Entries.",
            content((AuditPage = "application/json"), (String = "application/x-ndjson"))),
        EventProblems))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let query = wanted.query()?;
    if !feed::accepts(&headers, NDJSON) {
        return Ok(Json(app.engine().audit(&caller, query).await?).into_response());
    }
    let query = AuditQuery { limit: query.limit.or(Some(MAX_PAGE)), ..query };
    // What is wrong with the question is told with a status, so the first page comes before the answer's head.
    let first = app.engine().audit(&caller, query.clone()).await?;
    let body = lines(app.engine().clone(), Actor::clone(&caller), query, first);
    Ok(([(CONTENT_TYPE, NDJSON), (CACHE_CONTROL, "no-store")], body).into_response())
}

/// Gives entries as they are read: a page at a time, once there is room for it.
fn lines(engine: Engine, actor: Actor, query: AuditQuery, first: AuditPage) -> Body {
    let pages = stream::try_unfold(Some((query, Some(first))), move |state| {
        let (engine, actor) = (engine.clone(), actor.clone());
        async move {
            let Some((mut query, first)) = state else { return Ok(None) };
            let page = match first {
                Some(page) => page,
                None => engine.audit(&actor, query.clone()).await?,
            };
            query.after = Some(page.reached.parse()?);
            let rest = page.next_cursor.is_some().then_some((query, None));
            Ok::<_, Error>(Some((said(&page), rest)))
        }
    });
    Body::from_stream(pages)
}

fn said(page: &AuditPage) -> Bytes {
    let mut lines = BytesMut::new().writer();
    for entry in &page.items {
        // A buffer takes whatever is written to it, and an entry is always JSON.
        let _never = serde_json::to_writer(&mut lines, entry);
        lines.get_mut().put_u8(b'\n');
    }
    lines.into_inner().freeze()
}
