//! Many small files in one request: written, and read.

mod frames;
mod read;
mod write;

use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use longshore_core::wire::{BatchResult, ReadBatch};
use longshore_core::{Code, WorkspaceId};

use super::app::App;
use super::context::Context;
use super::document::{AdminProblems, Octets, WriteProblems};
use super::extract::{At, Caller};
use super::json::Order;
use super::outgoing;
use super::place::InWorkspace;
use super::premise::Premises;
use crate::problem::Failure;

/// Writes many small files, in few commits.
///
/// The body is a stream of items, one after the other: a line of JSON (`BatchItem`, at most 16 KiB, ended by `\n`), then
/// exactly `size` bytes of content, then the next line. Its length need not be known.
///
/// ```text
/// {"path":"/a/b.txt","size":5}
/// hello{"path":"/a/ü.txt","size":2,"on_conflict":"error"}
/// hi
/// ```
///
/// The answer has a line for each item (`BatchResult`), in their order, and each is sent once its item is durable, while
/// later ones still come. An item that is refused (a lock, a stale premise, a wrong digest, more than 1 MiB) hurts no
/// other. What breaks the form (a line that is no such object, a body that ends within an item) ends the reading: a last
/// line without `index` says why, what was told as written stays, and nothing of the cut item is visible.
///
/// A caller should read while it writes. One that writes all first is served as long as the answer is not longer than
/// 8 MiB, about 10,000 items; then the server stops reading until the answer is read.
///
/// `Lock-Token` holds for all items: once one of the locks is lost nothing more is written, but none is named in vain.
/// `Idempotency-Key` holds for each item with its place; an item may have a key of its own.
#[utoipa::path(post, path = "/v1/workspaces/{ws}/batch", operation_id = "write_batch", tag = "workspaces",
    request_body(content = inline(Octets), content_type = "application/vnd.longshore.batch"),
    params(
        InWorkspace,
        ("Lock-Token" = Option<String>, Header, description = "The tokens of the locks under which the caller writes, with commas between them."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key with the same item at the same place within 24 h gives the first answer again.")),
    responses(
        (status = 200, description = "A line for each item.", body = BatchResult, content_type = "application/x-ndjson"),
        WriteProblems))]
pub(super) async fn write(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    request: Request,
) -> Result<Response, Failure> {
    let (head, body) = request.into_parts();
    let premises = Premises::of(&head)?.0;
    if premises.preconditions.if_match.is_some() || premises.preconditions.if_none_match {
        let detail = "`If-Match` and `If-None-Match` stand in the line of the item that they are for";
        return Err(Failure::new(Code::InvalidHeader, detail));
    }
    let mut batch = app.engine().begin_batch(&caller, workspace, premises.locks)?;
    batch.measure(&app.engine().workspace(&caller, workspace).await?);
    let answer = write::answer(&app, batch, workspace, premises.idempotency, &head, body).await?;
    Ok(([(CONTENT_TYPE, "application/x-ndjson"), (CACHE_CONTROL, "no-store")], answer).into_response())
}

/// Reads many files, each as one moment has it.
///
/// The answer is a stream of items in the order of the request: a line of JSON (`BatchContent`), ended by `\n`, then
/// exactly `size` bytes of content, then the next line. An item that cannot be read has a `problem` and no bytes, and
/// hurts no other. Where a content breaks off the connection does: an answer that ends in order is whole.
#[utoipa::path(post, path = "/v1/workspaces/{ws}/batch/read", operation_id = "read_batch", tag = "workspaces",
    request_body = ReadBatch,
    params(InWorkspace),
    responses(
        (status = 200, description = "The items.", body = inline(Octets), content_type = "application/vnd.longshore.batch"),
        AdminProblems))]
pub(super) async fn read(
    State(app): State<App>,
    caller: Caller,
    At(workspace): At<WorkspaceId>,
    axum::Extension(id): axum::Extension<super::edge::RequestId>,
    context: Context,
    Order { wanted, .. }: Order<ReadBatch>,
) -> Result<Response, Failure> {
    app.engine().ensure_may_read(&caller, workspace)?;
    app.engine().workspace(&caller, workspace).await?;
    let answer = read::answer(&app, &caller, workspace, (id, context), wanted)?;
    Ok(outgoing::batch(answer))
}
