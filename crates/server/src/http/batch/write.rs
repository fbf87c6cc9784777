//! Many small files in: read and committed group by group, and answered as each group stands.
//!
//! A task of its own does it, and not the answer's body, which hyper asks for more only while the peer reads: who sends
//! all before it reads would wait for a server that waits for it. What is held is bounded: one group that comes, one that
//! is committed, and so much of the answer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::request::Parts;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream;
use longshore_core::wire::{BatchItem, BatchResult, Problem};
use longshore_core::{Code, VersionId, WorkspaceId, WorkspacePath};
use longshore_engine::{
    Batch, BatchReady, BatchWrite, Engine, Idempotency, Preconditions, UploadOptions, Written,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tracing::Instrument;

use super::super::app::App;
use super::super::context::Context;
use super::super::edge::RequestId;
use super::super::extract::next_piece;
use super::super::incoming::well_formed_media_type;
use super::super::json;
use super::frames::{Frame, Frames};
use crate::measures::Counted;
use crate::problem::Failure;

/// The most items of one commit: bounds how long other writes of the workspace wait for it.
const GROUP_ITEMS: usize = 256;
/// The most bytes of content of one commit.
const GROUP_BYTES: usize = 2 * 1_024 * 1_024;
/// How long a group waits for more before it is committed as it is.
const PAUSE: Duration = Duration::from_millis(5);
/// How many bytes of the answer wait for a caller that does not read.
const ANSWER_BYTES: usize = 8 * 1_024 * 1_024;
/// How much is still taken, and how long, of a body that is no longer read, so that its sender comes to read why.
const UNREAD_BYTES: usize = 64 * 1_024 * 1_024;
const UNREAD: Duration = Duration::from_secs(2);

/// Part of the answer.
enum Piece {
    /// Lines, and their place in what may wait.
    Lines(Bytes, OwnedSemaphorePermit),
    /// All is said.
    End,
}

/// Begins to take a batch, and returns the body of its answer.
pub(super) async fn answer(
    app: &App,
    batch: Batch,
    workspace: WorkspaceId,
    idempotency: Option<Idempotency>,
    head: &Parts,
    mut body: Body,
) -> Result<Body, Failure> {
    let idle = app.limits().idle;
    // Before the answer begins: a caller that waits to be asked for its body is asked now.
    let Some(first) = next_piece(&mut body, idle).await? else {
        return Ok(Body::empty());
    };
    let request_id = head.extensions.get::<RequestId>().map(|id| Arc::clone(&id.0)).unwrap_or_default();
    let mut frames = Frames::new();
    frames.push(first);
    let reader = Reader {
        app: app.clone(),
        body,
        frames,
        batch: batch.clone(),
        workspace,
        idempotency,
        idle,
        next: 0,
        item: None,
    };
    let (pieces, answer) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(ANSWER_BYTES));
    let (context, engine) = (Context::of(head), app.engine().clone());
    let teller = Teller { batch, request_id, context, engine, pieces, room };
    app.tasks().spawn(take(reader, teller).in_current_span());
    Ok(body_of(answer))
}

/// Gives an answer as it comes. One that stops without its last word breaks the connection: nobody is to take it for whole.
fn body_of(answer: mpsc::UnboundedReceiver<Piece>) -> Body {
    Body::from_stream(stream::try_unfold(answer, async |mut answer| match answer.recv().await {
        Some(Piece::Lines(lines, place)) => {
            drop(place);
            Ok(Some((lines, answer)))
        }
        Some(Piece::End) => Ok(None),
        None => Err(io::Error::other("the batch was broken off")),
    }))
}

async fn take(mut reader: Reader, teller: Teller) {
    let _counted = Counted::upload();
    let (sender, groups) = mpsc::channel(1);
    let (read, told) = tokio::join!(reader.read(sender), teller.tell(groups));
    if let (Err(failure), true) = (read, told) {
        let problem = teller.refuse(failure);
        let last = BatchResult {
            index: None,
            path: None,
            status: problem.status,
            node: None,
            replayed: false,
            problem: Some(problem),
        };
        teller.send(&[last]).await;
        reader.throw_away().await;
    }
    // Who went away misses nothing.
    teller.pieces.send(Piece::End).ok();
}

/// What was said of an item, and why it is refused if it is already.
struct Item {
    index: u64,
    path: Option<String>,
    refused: Option<Failure>,
}

/// Items that are committed together.
#[derive(Default)]
struct Group {
    items: Vec<Item>,
    writes: Vec<BatchWrite>,
    bytes: usize,
    place: Option<OwnedSemaphorePermit>,
}

impl Group {
    fn is_full(&self) -> bool {
        self.items.len() >= GROUP_ITEMS || self.bytes >= GROUP_BYTES
    }

    fn add(&mut self, index: u64, path: Option<String>, item: Result<BatchWrite, Failure>) {
        let refused = match item {
            Ok(write) => {
                self.bytes += write.content.len();
                self.writes.push(write);
                None
            }
            Err(failure) => Some(failure),
        };
        self.items.push(Item { index, path, refused });
    }
}

/// A group whose contents are durable.
struct Prepared {
    items: Vec<Item>,
    ready: BatchReady,
    place: Option<OwnedSemaphorePermit>,
}

/// Takes the body apart.
struct Reader {
    app: App,
    body: Body,
    frames: Frames,
    batch: Batch,
    workspace: WorkspaceId,
    idempotency: Option<Idempotency>,
    idle: Duration,
    /// The place of the next item.
    next: u64,
    /// The item whose content is on its way.
    item: Option<(Option<String>, Result<BatchWrite, Failure>)>,
}

impl Reader {
    /// Reads to the end of the body, or to what is no batch; what came whole before that is handed on all the same.
    async fn read(&mut self, groups: mpsc::Sender<Prepared>) -> Result<(), Failure> {
        loop {
            // The next group is only begun when there is room for it.
            let Ok(room) = groups.reserve().await else { return Ok(()) };
            let mut group = Group::default();
            let ended = self.fill(&mut group).await;
            if !group.items.is_empty() {
                let ready = self.batch.prepare(group.writes).await;
                room.send(Prepared { items: group.items, ready, place: group.place });
            }
            if ended? {
                return Ok(());
            }
        }
    }

    /// Reads a group, until it is full or the body pauses; tells whether the body has ended.
    async fn fill(&mut self, group: &mut Group) -> Result<bool, Failure> {
        loop {
            while let Some(frame) = self.frames.next()? {
                // Not for a line alone: its content may be long in coming.
                if group.place.is_none() && !matches!(frame, Frame::Line(_)) {
                    group.place = self.app.place_for_group().await;
                }
                self.take(frame, group)?;
                if group.is_full() {
                    return Ok(false);
                }
            }
            self.batch.renew_locks().await;
            let next = next_piece(&mut self.body, self.idle);
            let piece = if group.items.is_empty() {
                next.await?
            } else {
                match timeout(PAUSE, next).await {
                    Ok(piece) => piece?,
                    Err(_) => return Ok(false),
                }
            };
            match piece {
                Some(piece) => self.frames.push(piece),
                None if self.frames.is_between() => return Ok(true),
                None => {
                    let detail = "the body ended in the middle of an item";
                    return Err(Failure::new(Code::LengthMismatch, detail));
                }
            }
        }
    }

    fn take(&mut self, frame: Frame, group: &mut Group) -> Result<(), Failure> {
        let content = match frame {
            Frame::Line(line) => {
                let (size, path, item) = self.read_line(&line)?;
                self.frames.follow(size, item.is_ok());
                self.item = Some((path, item));
                return Ok(());
            }
            Frame::Content(content) => content,
            Frame::Skipped => Bytes::new(),
        };
        if let Some((path, item)) = self.item.take() {
            group.add(self.next, path, item.map(|write| BatchWrite { content, ..write }));
            self.next += 1;
        }
        Ok(())
    }

    /// Reads a header line: the content's size, the path as it stands there, and the write or why it is refused. What
    /// says no size is an error of the whole batch: nobody knows where the next item begins.
    #[expect(clippy::type_complexity, reason = "three things that are said by one line")]
    fn read_line(&self, line: &[u8]) -> Result<(u64, Option<String>, Result<BatchWrite, Failure>), Failure> {
        let place = self.next;
        let malformed = |why: &str| {
            Failure::new(Code::InvalidBody, format!("the header line of item {place} cannot be read: {why}"))
        };
        let object = json::object(line).map_err(|failure| malformed(failure.detail()))?;
        let size = object.get("size").and_then(serde_json::Value::as_u64);
        let size = size.ok_or_else(|| malformed("`size` is a number of bytes"))?;
        let path = object.get("path").and_then(|path| path.as_str()).map(str::to_owned);
        let item = json::of_form(object).and_then(|item| self.write_of(item, line));
        Ok((size, path, item))
    }

    fn write_of(&self, item: BatchItem, line: &[u8]) -> Result<BatchWrite, Failure> {
        self.batch.check_size(item.size)?;
        let path = WorkspacePath::new(&item.path)?;
        let if_match = item.if_match.map(|wanted| match wanted.as_str() {
            "*" => None,
            // What is no version of ours matches nothing.
            version => Some(version.parse::<VersionId>().into_iter().collect()),
        });
        let preconditions = Preconditions { if_match, if_none_match: item.if_none_match };
        let mut idempotency = match (&item.idempotency_key, &self.idempotency) {
            (Some(key), _) => {
                let mut own = Idempotency::new(key)?;
                own.mix(b"an item of a batch");
                own.mix(self.workspace.to_string().as_bytes());
                Some(own)
            }
            (None, of_request) => of_request.as_ref().map(|key| key.of_item(self.next)),
        };
        match &mut idempotency {
            Some(idempotency) => idempotency.mix(line),
            None => self.batch.check_room(item.size)?,
        }
        let options = UploadOptions {
            length: Some(item.size),
            media_type: item.media_type.as_deref().and_then(well_formed_media_type),
            digests: item.digest.into_iter().collect(),
            on_conflict: item.on_conflict,
            metadata: item.metadata,
            premises: longshore_engine::Premises { preconditions, idempotency, ..Default::default() },
        };
        Ok(BatchWrite { path, content: Bytes::new(), options })
    }

    /// Takes what still comes of the body for nothing, within bounds.
    async fn throw_away(&mut self) {
        let rest = async {
            let mut left = UNREAD_BYTES;
            while let Ok(Some(piece)) = next_piece(&mut self.body, UNREAD).await
                && left > piece.len()
            {
                left -= piece.len();
            }
        };
        // Whoever sends more than that, or more slowly, may not hear why.
        let _ended = timeout(UNREAD, rest).await;
    }
}

/// Commits groups, and tells what became of their items.
struct Teller {
    batch: Batch,
    request_id: Arc<str>,
    context: Context,
    engine: Engine,
    pieces: mpsc::UnboundedSender<Piece>,
    /// Holds what may wait: the channel itself has no bound.
    room: Arc<Semaphore>,
}

impl Teller {
    /// Commits and tells until the last group; false where nobody listens any more.
    async fn tell(&self, mut groups: mpsc::Receiver<Prepared>) -> bool {
        while let Some(Prepared { items, ready, place }) = groups.recv().await {
            let mut outcomes = self.batch.commit(ready).await.into_iter();
            // The contents are gone; the answer has bounds of its own.
            drop(place);
            let results: Vec<_> = items
                .into_iter()
                .map(|Item { index, path, refused }| {
                    let outcome = match refused {
                        Some(failure) => Err(failure),
                        None => outcomes.next().unwrap_or_else(|| Err(lost())).map_err(Failure::from),
                    };
                    self.result(index, path, outcome)
                })
                .collect();
            if !self.send(&results).await {
                return false;
            }
        }
        true
    }

    fn refuse(&self, failure: Failure) -> Problem {
        self.context.note(&self.engine, &failure);
        failure.tell(&self.request_id)
    }

    fn result(
        &self,
        index: u64,
        path: Option<String>,
        outcome: Result<(Written, bool), Failure>,
    ) -> BatchResult {
        let index = Some(index);
        match outcome {
            Ok((Written { node, created }, replayed)) => {
                let status = if created { 201 } else { 200 };
                BatchResult { index, path, status, node: Some(node), replayed, problem: None }
            }
            Err(failure) => {
                let problem = self.refuse(failure);
                BatchResult {
                    index,
                    path,
                    status: problem.status,
                    node: None,
                    replayed: false,
                    problem: Some(problem),
                }
            }
        }
    }

    /// Hands lines to the answer, once there is room; false where nobody listens any more.
    async fn send(&self, results: &[BatchResult]) -> bool {
        let mut lines = BytesMut::new().writer();
        for result in results {
            // A buffer takes whatever is written to it, and a result is always JSON.
            let _never = serde_json::to_writer(&mut lines, result);
            lines.get_mut().put_u8(b'\n');
        }
        let lines = lines.into_inner().freeze();
        let needed = u32::try_from(lines.len().min(ANSWER_BYTES)).unwrap_or(u32::MAX);
        tokio::select! {
            biased;
            () = self.pieces.closed() => false,
            room = Arc::clone(&self.room).acquire_many_owned(needed) => match room {
                Ok(room) => self.pieces.send(Piece::Lines(lines, room)).is_ok(),
                Err(_) => false,
            },
        }
    }
}

fn lost() -> longshore_engine::Error {
    longshore_engine::Error::new(Code::Internal, "a batch has fewer outcomes than items")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use http_body_util::BodyExt;
    use tokio::sync::{Semaphore, mpsc};

    use super::{Piece, body_of};

    #[tokio::test]
    async fn an_answer_without_its_last_word_is_broken() {
        for is_whole in [true, false] {
            let (pieces, answer) = mpsc::unbounded_channel();
            let room = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
            pieces.send(Piece::Lines(Bytes::from_static(b"{}\n"), room)).unwrap();
            if is_whole {
                pieces.send(Piece::End).unwrap();
            }
            drop(pieces);
            assert_eq!(body_of(answer).collect().await.is_ok(), is_whole);
        }
    }
}
