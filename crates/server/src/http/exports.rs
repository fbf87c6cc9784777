//! Whole workspaces: out as one archive, and in again.

use std::time::Duration;

use axum::Json as Answer;
use axum::body::Body;
use axum::extract::{FromRequest, Request, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use longshore_core::wire::Workspace;
use longshore_core::{Code, Digest, Name, WorkspaceId};
use longshore_engine::{Idempotency, ImportOptions};
use serde::Deserialize;

use super::app::App;
use super::document::{AdminProblems, Octets};
use super::extract::{At, Caller, Nothing, Query, Switch, next_piece};
use super::incoming::digests;
use super::outgoing;
use super::place::InWorkspace;
use super::premise::Premises;
use crate::measures::Counted;
use crate::problem::Failure;

/// Gives the whole workspace as one tar: files, versions, metadata, notes, events, members. It takes the owner, or an admin of
/// the server.
///
/// It shows the moment at which it was asked for: what is purged meanwhile is kept for it. `docs/export.md` describes it. It is
/// made while it is sent, and its length is told; one that breaks off has no `end.json`, and is of no use.
#[utoipa::path(get, path = "/v1/workspaces/{ws}/export", operation_id = "export_workspace", tag = "workspaces",
    params(InWorkspace),
    responses(
        (status = 200, description = "The archive.", body = inline(Octets), content_type = "application/x-tar"),
        AdminProblems))]
pub(super) async fn export(
    State(app): State<App>,
    method: Method,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    _: Query<Nothing>,
) -> Result<Response, Failure> {
    if method == Method::HEAD {
        // How long it would be is known by making it alone.
        app.engine().ensure_may_export(&caller, workspace).await?;
        return Ok(outgoing::export_unmade());
    }
    Ok(outgoing::export(app.engine().export_workspace(&caller, workspace).await?))
}

/// Who of this server is taken for whom of an archive.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Members {
    /// Nobody: all get stand-ins, who may do nothing.
    StandIns,
    /// Who is called alike, and alone is.
    Match,
}

/// How an archive becomes a workspace.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ImportAs {
    /// The workspace's name.
    #[param(value_type = String)]
    name: String,
    /// Whether those of this server who are called like somebody in the archive are them, and members as they were; left out,
    /// `stand_ins`.
    #[param(inline)]
    members: Option<Members>,
    /// `1` has the workspace keep the quota that it had.
    #[param(inline)]
    quota: Option<Switch>,
}

/// An archive that a request brings, not yet read.
pub(super) struct Archived {
    digests: Vec<Digest>,
    idempotency: Option<Idempotency>,
    body: Body,
    idle: Duration,
}

impl FromRequest<App> for Archived {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let (head, body) = request.into_parts();
        let premises = Premises::of(&head)?.0;
        if premises.preconditions.if_match.is_some()
            || premises.preconditions.if_none_match
            || !premises.locks.is_empty()
        {
            let detail =
                "an import is a new workspace: there is nothing yet for a precondition or a lock to hold of";
            return Err(Failure::new(Code::InvalidHeader, detail));
        }
        let (digests, idempotency) = (digests(&head.headers)?, premises.idempotency);
        Ok(Self { digests, idempotency, body, idle: app.limits().idle })
    }
}

/// Makes a workspace out of an archive that `GET /v1/workspaces/{ws}/export` gave, here or elsewhere. It takes an admin of the
/// server, who then owns it.
///
/// It is there whole once it is answered, and until then nothing of it is. Nodes, versions and notes keep their ids where all of
/// them are free on this server, else all have new ones. Who is named in it gets a stand-in who is deactivated.
#[utoipa::path(post, path = "/v1/workspaces/import", operation_id = "import_workspace", tag = "workspaces",
    request_body(content = inline(Octets), content_type = "application/x-tar"),
    params(
        ImportAs,
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat of this request safe for 24 h."),
        ("Content-Digest" = Option<String>, Header, description = "RFC 9530; verified before anything is visible.")),
    responses((status = 201, description = "The workspace.", body = Workspace), AdminProblems))]
pub(super) async fn import(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ImportAs>,
    mut archive: Archived,
) -> Result<(StatusCode, Answer<Workspace>), Failure> {
    let _counted = Counted::upload();
    let options = ImportOptions {
        name: Name::new(query.name)?,
        match_members: matches!(query.members, Some(Members::Match)),
        keep_quota: Switch::is_on(query.quota),
        digests: archive.digests,
        idempotency: archive.idempotency,
    };
    let mut import = app.engine().begin_import(&caller, options).await?;
    loop {
        match next_piece(&mut archive.body, archive.idle).await {
            Ok(Some(piece)) => import.write(piece).await?,
            Ok(None) => return Ok((StatusCode::CREATED, Answer(import.finish().await?))),
            Err(failure) => {
                import.give_up().await;
                return Err(failure);
            }
        }
    }
}
