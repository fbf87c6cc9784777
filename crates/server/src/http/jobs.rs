//! Jobs: looking, waiting, cancelling, trying again.

use axum::Json as Answer;
use axum::extract::State;
use longshore_core::wire::{Job, JobState, Page};
use longshore_core::{JobId, WorkspaceId};
use longshore_engine::{JobFilter, PageRequest};
use serde::Deserialize;

use super::app::App;
use super::document::{AdminProblems, ReadProblems};
use super::extract::{At, Caller, Nothing, PageSize, Query, WaitSeconds};
use super::premise::{Premises, WriteHeaders};
use crate::problem::Failure;

/// Which jobs are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Jobs of this workspace; left out, of all that the key reaches, and for an admin of all of them the server's own.
    #[param(value_type = Option<String>)]
    workspace: Option<WorkspaceId>,
    /// Jobs that stand there.
    #[param(inline)]
    state: Option<JobState>,
    /// Jobs of this kind.
    kind: Option<String>,
    /// How many items at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<PageSize>,
    /// Where to go on: the page before gave it.
    cursor: Option<String>,
}

/// Lists jobs, newest first.
#[utoipa::path(get, path = "/v1/jobs", operation_id = "list_jobs", tag = "jobs", params(Wanted),
    responses((status = 200, description = "Jobs.", body = Page<Job>), ReadProblems))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(wanted): Query<Wanted>,
) -> Result<Answer<Page<Job>>, Failure> {
    let filter = JobFilter { workspace: wanted.workspace, state: wanted.state, kind: wanted.kind };
    let page = PageRequest::new(wanted.limit.map(PageSize::get), wanted.cursor);
    Ok(Answer(app.engine().list_jobs(&caller, filter, page).await?))
}

/// How long the answer may wait.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Waiting {
    /// How many seconds to wait for the job's end; its end, or the time's, gives the answer.
    #[serde(default)]
    #[param(value_type = Option<u32>, maximum = 55, default = 0)]
    wait: WaitSeconds,
}

/// Gives a job: as it stands, or once it has ended.
#[utoipa::path(get, path = "/v1/jobs/{job}", operation_id = "get_job", tag = "jobs",
    params(("job" = JobId, Path, description = "The job's id."), Waiting),
    responses((status = 200, description = "The job.", body = Job), ReadProblems))]
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller,
    At(job): At<JobId>,
    Query(waiting): Query<Waiting>,
) -> Result<Answer<Job>, Failure> {
    let engine = app.engine();
    let job = tokio::select! {
        job = engine.job_when_ended(&caller, job, waiting.wait.into()) => job,
        () = app.closing() => engine.job(&caller, job).await,
    };
    Ok(Answer(job?))
}

/// Ends a job: at once where it waits, else as soon as its worker has heard of it.
#[utoipa::path(post, path = "/v1/jobs/{job}/cancel", operation_id = "cancel_job", tag = "jobs",
    params(("job" = JobId, Path, description = "The job's id."), WriteHeaders),
    responses((status = 200, description = "The job, as it stands now.", body = Job), AdminProblems))]
pub(super) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    At(job): At<JobId>,
    _: Query<Nothing>,
    Premises(premises): Premises,
) -> Result<Answer<Job>, Failure> {
    Ok(Answer(app.engine().cancel_job(&caller, job, premises.idempotency).await?))
}

/// Queues a job that failed or was cancelled once more.
#[utoipa::path(post, path = "/v1/jobs/{job}/retry", operation_id = "retry_job", tag = "jobs",
    params(("job" = JobId, Path, description = "The job's id."), WriteHeaders),
    responses((status = 200, description = "The job, queued.", body = Job), AdminProblems))]
pub(super) async fn retry(
    State(app): State<App>,
    caller: Caller,
    At(job): At<JobId>,
    _: Query<Nothing>,
    Premises(premises): Premises,
) -> Result<Answer<Job>, Failure> {
    Ok(Answer(app.engine().retry_job(&caller, job, premises.idempotency).await?))
}
