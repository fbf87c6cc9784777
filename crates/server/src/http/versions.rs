//! The versions of a file.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use longshore_core::wire::{Comparison, Node, Page, UpdateVersion, Version};
use longshore_core::{VersionId, WorkspaceId};
use longshore_engine::PageRequest;
use serde::Deserialize;

use super::app::App;
use super::document::{ContentProblems, Octets, ReadProblems, WriteProblems};
use super::extract::{At, Caller, NodeRef, PageSize, Query, RootOf};
use super::json::Order;
use super::outgoing;
use super::place::{OfFile, OfVersion};
use super::premise::{Premises, WriteHeaders};
use crate::problem::Failure;

/// Which page is wanted, of which `root`.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct VersionPage {
    /// How many items at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<PageSize>,
    /// Where to go on: the page before gave it.
    cursor: Option<String>,
    /// The workspace whose root folder `root` is; left out, the key's current one.
    #[param(value_type = Option<String>)]
    workspace: Option<WorkspaceId>,
}

/// Lists the versions of a file, newest first.
#[utoipa::path(get, path = "/v1/files/{id}/versions", operation_id = "list_versions", tag = "versions",
    params(OfFile, VersionPage),
    responses((status = 200, description = "Versions.", body = Page<Version>), ReadProblems))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    At(id): At<NodeRef>,
    Query(query): Query<VersionPage>,
) -> Result<Answer<Page<Version>>, Failure> {
    let id = app.node(&caller, id, query.workspace).await?;
    let page = PageRequest::new(query.limit.map(PageSize::get), query.cursor);
    Ok(Answer(app.engine().list_versions(&caller, id, page).await?))
}

/// Gives a version.
#[utoipa::path(get, path = "/v1/files/{id}/versions/{ver}", operation_id = "get_version", tag = "versions",
    params(OfVersion, RootOf),
    responses((status = 200, description = "The version.", body = Version), ReadProblems))]
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller,
    At(id): At<NodeRef>,
    At(version): At<VersionId>,
    Query(root): Query<RootOf>,
) -> Result<Answer<Version>, Failure> {
    let id = app.node(&caller, id, root.workspace).await?;
    Ok(Answer(app.engine().version(&caller, id, version).await?))
}

/// Makes an old version's content the current one, as a new version.
#[utoipa::path(post, path = "/v1/files/{id}/versions/{ver}/restore", operation_id = "restore_version", tag = "versions",
    params(
        OfVersion,
        RootOf,
        WriteHeaders),
    responses(
        (status = 200, description = "The file.", body = Node, headers(("ETag" = String))),
        WriteProblems))]
pub(super) async fn restore(
    State(app): State<App>,
    caller: Caller,
    At(id): At<NodeRef>,
    At(version): At<VersionId>,
    Query(root): Query<RootOf>,
    Premises(premises): Premises,
) -> Result<Response, Failure> {
    let id = app.node(&caller, id, root.workspace).await?;
    let node = app.engine().restore_version(&caller, id, version, premises).await?;
    Ok(outgoing::node(StatusCode::OK, node))
}

/// Says what a version is called.
#[utoipa::path(patch, path = "/v1/files/{id}/versions/{ver}", operation_id = "update_version", tag = "versions",
    request_body = UpdateVersion,
    params(
        OfVersion,
        RootOf,
        WriteHeaders),
    responses((status = 200, description = "The version.", body = Version), WriteProblems))]
pub(super) async fn update(
    State(app): State<App>,
    caller: Caller,
    At(id): At<NodeRef>,
    At(version): At<VersionId>,
    Query(root): Query<RootOf>,
    Order { wanted, premises }: Order<UpdateVersion>,
) -> Result<Answer<Version>, Failure> {
    let id = app.node(&caller, id, root.workspace).await?;
    Ok(Answer(app.engine().update_version(&caller, id, version, wanted, premises).await?))
}

/// Removes an old version for good. The current one stays.
#[utoipa::path(delete, path = "/v1/files/{id}/versions/{ver}", operation_id = "delete_version", tag = "versions",
    params(
        OfVersion,
        RootOf,
        WriteHeaders),
    responses((status = 204, description = "The version is gone."), WriteProblems))]
pub(super) async fn delete(
    State(app): State<App>,
    caller: Caller,
    At(id): At<NodeRef>,
    At(version): At<VersionId>,
    Query(root): Query<RootOf>,
    Premises(premises): Premises,
) -> Result<StatusCode, Failure> {
    let id = app.node(&caller, id, root.workspace).await?;
    app.engine().delete_version(&caller, id, version, premises).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the chunks of a version's content, by which a client finds what a new version shares with it.
#[utoipa::path(get, path = "/v1/files/{id}/versions/{ver}/chunks", operation_id = "list_chunks", tag = "versions",
    params(OfVersion, RootOf),
    responses(
        (status = 200, description = "A line with the rule by which the content is cut, then 20 bytes for each chunk: its length, least byte first, and the first 16 bytes of its BLAKE3.",
            body = inline(Octets), content_type = "application/vnd.longshore.chunks", headers(("ETag" = String))),
        ContentProblems))]
pub(super) async fn chunks(
    State(app): State<App>,
    caller: Caller,
    At(id): At<NodeRef>,
    At(version): At<VersionId>,
    Query(root): Query<RootOf>,
) -> Result<Response, Failure> {
    let id = app.node(&caller, id, root.workspace).await?;
    let content = app.engine().open_content(&caller, id, Some(version)).await?;
    outgoing::chunks(app.engine(), &content).await
}

/// With which version to compare.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct With {
    /// The version to compare with.
    #[param(value_type = String)]
    with: VersionId,
    /// The workspace whose root folder `root` is; left out, the key's current one.
    #[param(value_type = Option<String>)]
    workspace: Option<WorkspaceId>,
}

/// Compares two versions of a file: line by line where both are text of at most 1 MiB.
#[utoipa::path(get, path = "/v1/files/{id}/versions/{ver}/compare", operation_id = "compare_versions", tag = "versions",
    params(
        OfFile,
        ("ver" = VersionId, Path, description = "The version to begin with."),
        With),
    responses((status = 200, description = "How they differ.", body = Comparison), ContentProblems))]
pub(super) async fn compare(
    State(app): State<App>,
    caller: Caller,
    At(id): At<NodeRef>,
    At(version): At<VersionId>,
    Query(query): Query<With>,
) -> Result<Answer<Comparison>, Failure> {
    let id = app.node(&caller, id, query.workspace).await?;
    Ok(Answer(app.engine().compare_versions(&caller, id, version, query.with).await?))
}
