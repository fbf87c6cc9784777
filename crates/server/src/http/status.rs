//! The server itself: is it alive, can it serve, what is it, who asks.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use longshore_core::wire::{Me, Status};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::app::App;
use super::document::ReadProblems;
use super::extract::{Caller, Nothing, Query};
use crate::error::chain;
use crate::problem::Failure;

/// How long the database and the store may take to give a sign of life.
const PING: Duration = Duration::from_secs(2);

/// Answers as soon as the server runs.
#[utoipa::path(get, path = "/healthz", operation_id = "check_alive", tag = "server", security(()),
    responses((status = 200, description = "The server runs.", body = String, content_type = "text/plain")))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the server can serve, and if not, what is in the way.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Readiness {
    /// Whether requests can be served.
    ready: bool,
    /// What is in the way: `shutting_down`, or the part that does not answer: `database` or `store`.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<&'static str>,
}

impl Readiness {
    async fn of(app: &App) -> Self {
        if app.is_closing() {
            return Self { ready: false, failed: Some("shutting_down") };
        }
        let engine = app.engine();
        let (database, store) =
            tokio::join!(answers("database", engine.ping_database()), answers("store", engine.ping_store()));
        let failed = match (database, store) {
            (true, true) => None,
            (false, _) => Some("database"),
            (true, false) => Some("store"),
        };
        Self { ready: failed.is_none(), failed }
    }
}

/// Tells whether a part answers, in time and without an error.
async fn answers(part: &str, ping: impl Future<Output = longshore_engine::Result<()>>) -> bool {
    match timeout(PING, ping).await {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => tracing::warn!(part, error = chain(&error), "not ready"),
        Err(_) => tracing::warn!(part, "not ready: no sign of life for {PING:?}"),
    }
    false
}

/// Tells whether the server can serve: the database and the store answer, and it is not about to stop.
#[utoipa::path(get, path = "/readyz", operation_id = "check_ready", tag = "server", security(()), responses(
    (status = 200, description = "The server can serve.", body = Readiness),
    (status = 503, description = "The server cannot serve now.", body = Readiness)))]
pub(super) async fn readyz(State(app): State<App>) -> Response {
    let readiness = Readiness::of(&app).await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

/// Gives what the server counts, as Prometheus reads it.
#[utoipa::path(get, path = "/metrics", operation_id = "get_metrics", tag = "server", security(()),
    responses((status = 200, description = "Prometheus text.", body = String, content_type = "text/plain")))]
pub(super) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics().render())
}

/// Gives this document.
#[utoipa::path(get, path = "/openapi.json", operation_id = "get_openapi", tag = "server", security(()),
    responses((status = 200, description = "This document.", content_type = "application/json")))]
pub(super) async fn openapi() -> Response {
    Json(super::openapi()).into_response()
}

/// Tells what a person asks first of a server.
#[utoipa::path(get, path = "/v1/status", operation_id = "get_status", tag = "server",
    responses((status = 200, description = "The server.", body = Status), ReadProblems))]
pub(super) async fn status(State(app): State<App>, _: Caller, _: Query<Nothing>) -> Json<Status> {
    Json(app.engine().status())
}

/// Tells who asks, and by which key or session.
#[utoipa::path(get, path = "/v1/me", operation_id = "get_me", tag = "keys",
    responses((status = 200, description = "Who asks.", body = Me), ReadProblems))]
pub(super) async fn me(
    State(app): State<App>,
    caller: Caller,
    _: Query<Nothing>,
) -> Result<Json<Me>, Failure> {
    Ok(Json(app.engine().me(&caller).await?))
}
