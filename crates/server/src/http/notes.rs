//! Notes on folders and files.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use longshore_core::wire::{CreateNote, Note, Page, UpdateNote};
use longshore_core::{NoteId, WorkspaceId};
use longshore_engine::PageRequest;
use serde::Deserialize;

use super::app::App;
use super::document::{ReadProblems, WriteProblems};
use super::extract::{At, Caller, NodeRef, Nothing, PageSize, Query, RootOf};
use super::json::Order;
use super::place::OfNode;
use super::premise::{Premises, WriteHeaders};
use crate::problem::Failure;

/// Which page is wanted, of which `root`.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct NotePage {
    /// How many items at most.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<PageSize>,
    /// Where to go on: the page before gave it.
    cursor: Option<String>,
    /// The workspace whose root folder `root` is; left out, the key's current one.
    #[param(value_type = Option<String>)]
    workspace: Option<WorkspaceId>,
}

/// Writes a note on a node. A lock on the node is not in its way: a note is no change of the node.
#[utoipa::path(post, path = "/v1/files/{id}/notes", operation_id = "create_note", tag = "notes", request_body = CreateNote,
    params(OfNode, RootOf, WriteHeaders),
    responses((status = 201, description = "The note.", body = Note), WriteProblems))]
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    At(id): At<NodeRef>,
    Query(root): Query<RootOf>,
    Order { wanted, premises }: Order<CreateNote>,
) -> Result<(StatusCode, Answer<Note>), Failure> {
    let id = app.node(&caller, id, root.workspace).await?;
    Ok((StatusCode::CREATED, Answer(app.engine().create_note(&caller, id, wanted, premises).await?)))
}

/// Lists a node's notes, oldest first.
#[utoipa::path(get, path = "/v1/files/{id}/notes", operation_id = "list_notes", tag = "notes",
    params(OfNode, NotePage),
    responses((status = 200, description = "Notes.", body = Page<Note>), ReadProblems))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    At(id): At<NodeRef>,
    Query(query): Query<NotePage>,
) -> Result<Answer<Page<Note>>, Failure> {
    let id = app.node(&caller, id, query.workspace).await?;
    let page = PageRequest::new(query.limit.map(PageSize::get), query.cursor);
    Ok(Answer(app.engine().list_notes(&caller, id, page).await?))
}

/// Changes what a note says. Its author and admins may.
#[utoipa::path(patch, path = "/v1/notes/{note}", operation_id = "update_note", tag = "notes", request_body = UpdateNote,
    params(("note" = NoteId, Path, description = "The note's id."), WriteHeaders),
    responses((status = 200, description = "The note.", body = Note), WriteProblems))]
pub(super) async fn update(
    State(app): State<App>,
    caller: Caller,
    At(note): At<NoteId>,
    _: Query<Nothing>,
    Order { wanted, premises }: Order<UpdateNote>,
) -> Result<Answer<Note>, Failure> {
    Ok(Answer(app.engine().update_note(&caller, note, wanted, premises).await?))
}

/// Removes a note. Its author and admins may.
#[utoipa::path(delete, path = "/v1/notes/{note}", operation_id = "delete_note", tag = "notes",
    params(("note" = NoteId, Path, description = "The note's id."), WriteHeaders),
    responses((status = 204, description = "The note is gone."), WriteProblems))]
pub(super) async fn delete(
    State(app): State<App>,
    caller: Caller,
    At(note): At<NoteId>,
    _: Query<Nothing>,
    Premises(premises): Premises,
) -> Result<StatusCode, Failure> {
    app.engine().delete_note(&caller, note, premises).await?;
    Ok(StatusCode::NO_CONTENT)
}
