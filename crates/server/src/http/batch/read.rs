//! Many files out: looked up some at a time, and opened some ahead of the one that is sent.

use std::sync::Arc;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use longshore_core::wire::{BATCH_READ_ITEMS, BatchContent, ReadBatch, ReadBatchItem};
use longshore_core::{Code, WorkspaceId, WorkspacePath};
use longshore_engine::{Actor, Content, ContentStream, Engine, Pick};

use super::super::app::App;
use super::super::context::Context;
use super::super::edge::RequestId;
use crate::problem::Failure;

/// How many files one lookup finds: what lies in the database comes with it, and that is 1 MiB at most.
const LOOKUP: usize = 64;
/// How many lookups are made ahead.
const LOOKUPS: usize = 2;
/// How many blobs are opened ahead: the store may be far away.
const AHEAD: usize = 8;

type Pieces = BoxStream<'static, Result<Bytes, longshore_engine::Error>>;

/// What one item needs to be sent.
struct Opened {
    content: Content,
    stream: Option<ContentStream>,
}

/// Returns the body of the answer.
pub(super) fn answer(
    app: &App,
    actor: &Actor,
    workspace: WorkspaceId,
    (RequestId(request_id), context): (RequestId, Context),
    wanted: ReadBatch,
) -> Result<Body, Failure> {
    let count = wanted.items.len();
    if count > BATCH_READ_ITEMS {
        let detail = format!("a batch reads at most {BATCH_READ_ITEMS} items, not {count}");
        return Err(Failure::new(Code::TooManyNodes, detail));
    }
    let (engine, actor) = (app.engine().clone(), Arc::new(actor.clone()));
    let told = engine.clone();
    let mut rest = wanted.items.into_iter();
    let groups = std::iter::from_fn(move || {
        let group: Vec<_> = rest.by_ref().take(LOOKUP).collect();
        (!group.is_empty()).then_some(group)
    });
    let found = stream::iter(groups)
        .map(move |group| look_up(engine.clone(), Arc::clone(&actor), workspace, group))
        .buffered(LOOKUPS)
        .flat_map(stream::iter);
    let sent = found.map(open).buffered(AHEAD).enumerate().map(move |(place, opened)| match opened {
        Ok(opened) => send(place as u64, opened),
        Err(failure) => {
            context.note(&told, &failure);
            refuse(place as u64, failure, &request_id)
        }
    });
    Ok(Body::from_stream(sent.flatten()))
}

fn pick(item: ReadBatchItem) -> Result<Pick, Failure> {
    match (item.path, item.id) {
        (Some(path), None) => Ok(Pick::Path(WorkspacePath::new(&path)?, item.version)),
        (None, Some(id)) => Ok(Pick::Node(id, item.version)),
        _ => Err(Failure::new(Code::InvalidBody, "an item has either `path` or `id`")),
    }
}

async fn look_up(
    engine: Engine,
    actor: Arc<Actor>,
    workspace: WorkspaceId,
    group: Vec<ReadBatchItem>,
) -> Vec<Result<Content, Failure>> {
    let mut picks = Vec::with_capacity(group.len());
    let asked: Vec<Result<(), Failure>> =
        group.into_iter().map(|item| pick(item).map(|pick| picks.push(pick))).collect();
    let mut found = match engine.open_contents(&actor, workspace, picks).await {
        Ok(found) => found.into_iter(),
        Err(error) => {
            let failure = Failure::from(error);
            return asked.into_iter().map(|asked| asked.and(Err(failure.clone()))).collect();
        }
    };
    let missing = || Failure::new(Code::Internal, "a lookup found less than was asked for");
    let mut take = |()| found.next().map_or_else(|| Err(missing()), |found| found.map_err(Failure::from));
    asked.into_iter().map(|asked| asked.and_then(&mut take)).collect()
}

async fn open(found: Result<Content, Failure>) -> Result<Opened, Failure> {
    let content = found?;
    let stream = match content.inline() {
        Some(_) => None,
        None => Some(content.read(0..content.version().size).await?),
    };
    Ok(Opened { content, stream })
}

fn line(head: &BatchContent) -> BytesMut {
    let mut line = serde_json::to_vec(head).unwrap_or_default();
    line.push(b'\n');
    BytesMut::from(&line[..])
}

fn send(index: u64, Opened { content, stream }: Opened) -> Pieces {
    let version = content.version();
    let mut first = line(&BatchContent {
        index,
        size: version.size,
        path: Some(content.node().path.clone()),
        digest: Some(version.digest),
        node_id: Some(content.node().id),
        version_id: Some(version.id),
        problem: None,
    });
    if let Some(inline) = content.inline() {
        first.extend_from_slice(&inline);
    }
    let first = stream::once(std::future::ready(Ok(first.freeze())));
    match stream {
        Some(stream) => first.chain(stream.into_stream()).boxed(),
        None => first.boxed(),
    }
}

fn refuse(index: u64, failure: Failure, request_id: &str) -> Pieces {
    let head = BatchContent {
        index,
        size: 0,
        path: None,
        digest: None,
        node_id: None,
        version_id: None,
        problem: Some(failure.tell(request_id)),
    };
    stream::once(std::future::ready(Ok(line(&head).freeze()))).boxed()
}
