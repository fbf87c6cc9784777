//! What is below a folder.

use axum::Json as Answer;
use axum::extract::State;
use longshore_core::wire::{Node, Page, Problem};
use longshore_core::{WorkspaceId, WorkspacePath};
use longshore_engine::{Depth, PageRequest};
use serde::Deserialize;

use super::app::App;
use super::document::ReadProblems;
use super::extract::{At, Caller, PageSize, Query, Tail};
use super::place::InWorkspace;
use crate::problem::Failure;

/// How far below the folder, and which page.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TreeQuery {
    /// How many levels: 1 lists the children, `all` everything.
    #[param(value_type = Option<String>, default = "1")]
    depth: Option<Levels>,
    /// How many items at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<PageSize>,
    /// Where to go on: the page before gave it.
    cursor: Option<String>,
}

/// How many levels of a tree are wanted.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Levels(pub(super) Depth);

impl TryFrom<String> for Levels {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        match (text.as_str(), text.parse()) {
            ("all", _) => Ok(Self(Depth::All)),
            (_, Ok(levels)) if levels > 0 => Ok(Self(Depth::Levels(levels))),
            _ => Err("`depth` is a number from 1, or `all`"),
        }
    }
}

/// Lists the nodes below a folder, depth first, by name in byte order.
#[utoipa::path(get, path = "/v1/workspaces/{ws}/tree/{*path}", operation_id = "list_tree_at", tag = "workspaces",
    params(
        InWorkspace,
        ("path" = String, Path, description = "The folder's path, percent-encoded segment by segment."),
        TreeQuery),
    responses(
        (status = 200, description = "Nodes.", body = Page<Node>),
        (status = 409, description = "The path is a file's.", body = Problem, content_type = "application/problem+json"),
        ReadProblems))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    Tail(path): Tail,
    Query(query): Query<TreeQuery>,
) -> Result<Answer<Page<Node>>, Failure> {
    let folder = match path.is_root() {
        true => app.engine().workspace(&caller, workspace).await?.root_id,
        false => app.engine().node_at(&caller, workspace, path).await?.id,
    };
    let depth = query.depth.map_or(Depth::Levels(1), |levels| levels.0);
    let page = PageRequest::new(query.limit.map(PageSize::get), query.cursor);
    Ok(Answer(app.engine().tree(&caller, folder, depth, page).await?))
}

/// Lists the nodes below the root folder.
#[utoipa::path(get, path = "/v1/workspaces/{ws}/tree", operation_id = "list_tree", tag = "workspaces",
    params(InWorkspace, TreeQuery),
    responses((status = 200, description = "Nodes.", body = Page<Node>), ReadProblems))]
pub(super) async fn list_root(
    app: State<App>,
    caller: Caller,
    workspace: At<WorkspaceId>,
    query: Query<TreeQuery>,
) -> Result<Answer<Page<Node>>, Failure> {
    list(app, caller, workspace, Tail(WorkspacePath::root()), query).await
}
