//! Many small files to the server.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use longshore_core::wire::{BATCH_MEDIA_TYPE, BatchItem, BatchResult, Node};
use longshore_core::{Code, Digest, WorkspaceId};

use super::lines::{Lines, Piece};
use super::note_failure;
use crate::api::files::{IfMatch, Place};
use crate::client::{Client, LOCK_TOKEN, Lane, parse};
use crate::error::{Error, Result};
use crate::lock::Named;
use crate::transfer::control::Control;
use crate::transfer::many::{ManyOptions, UploadOutcome};
use crate::transfer::progress::Report;
use crate::transfer::reader::{self, Opened};
use crate::transfer::source::Held;
use crate::transfer::threads::read_ahead;
use crate::transfer::upload::Guard;
use crate::transport::answer::Answer;
use crate::transport::body::{Body, Chunks, Sending};

/// Items are put together to chunks of about this size.
const CHUNK: usize = 128 * 1_024;

/// A file that is sent with others.
#[derive(Debug)]
pub(crate) struct Put {
    /// Its place, by which its outcome and its progress are known.
    pub(crate) index: usize,
    /// Its content: at most [`longshore_core::wire::BATCH_ITEM_BYTES`].
    pub(crate) held: Held,
    /// Where it goes: a path in the workspace of the batch.
    pub(crate) place: Place,
    /// Writes only if this stands there; in place of what the options say for all.
    pub(crate) if_match: Option<IfMatch>,
}

/// A file that has no outcome yet.
#[derive(Clone, Debug)]
struct Pending {
    index: usize,
    held: Held,
    place: Place,
    if_match: Option<IfMatch>,
    report: Report,
}

impl Pending {
    fn outcome(self, result: Result<Node>) -> UploadOutcome {
        let result = self.report.ended(result, |node| node.size);
        let source = match self.held {
            Held::File(path) => Some(path),
            Held::Memory(_) => None,
        };
        UploadOutcome { index: self.index, source, target: self.place.into(), result, skipped: false }
    }
}

/// What all items of a batch share.
struct Terms {
    options: Arc<ManyOptions>,
    /// What the keys of the items are made of: an item that is sent again has the key that it had.
    seed: blake3::Hasher,
}

impl Terms {
    /// Returns the header line of an item. It is the same, byte for byte, whenever the same content is sent.
    fn line(&self, item: &Pending, size: u64, digest: Digest) -> Result<Vec<u8>> {
        let upload = &self.options.upload;
        let mut key = self.seed.clone();
        key.update(&item.index.to_le_bytes()).update(digest.to_string().as_bytes());
        let line = BatchItem {
            path: item.place.path.to_string(),
            size,
            digest: Some(digest),
            media_type: upload.media_type.clone(),
            on_conflict: upload.on_conflict,
            if_match: item.if_match.or(upload.if_match).map(|wanted| match wanted {
                IfMatch::Exists => "*".to_owned(),
                IfMatch::Version(version) => version.to_string(),
            }),
            if_none_match: upload.if_none_match,
            metadata: None,
            idempotency_key: Some(key.finalize().to_hex()[..32].to_owned()),
        };
        let mut line = serde_json::to_vec(&line)
            .map_err(|error| Error::invalid(format!("the item cannot be written: {error}")))?;
        line.push(b'\n');
        Ok(line)
    }
}

/// What left in one request, in the order in which the server counts it.
#[derive(Debug, Default)]
struct Left {
    sent: Vec<(usize, Digest)>,
    /// What could not even be read.
    unread: Vec<(usize, Error)>,
}

type Shared = Arc<Mutex<Left>>;

fn lock(shared: &Shared) -> std::sync::MutexGuard<'_, Left> {
    // What it holds is whole at any time, whoever panicked.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Uploads files in one batch, and tells the outcome of each as it is known.
///
/// What had no answer when a connection broke is sent again under the same key, so that it makes no second version; so is
/// what the server could not do just then. A file is read when it is sent.
pub(crate) async fn upload(
    client: &Client,
    workspace: Option<WorkspaceId>,
    files: Vec<Put>,
    options: &Arc<ManyOptions>,
    mut tell: impl FnMut(UploadOutcome),
) {
    let control = options.upload.hand();
    let started = async {
        control.pass().await?;
        let workspace = client.workspace(workspace).await?;
        let mut seed = blake3::Hasher::new();
        seed.update(client.write_key()?.as_bytes());
        Ok::<_, Error>((workspace, Terms { options: Arc::clone(options), seed }))
    };
    let begin = |Put { index, held, place, if_match }| {
        let report = Report::new(options.progress.clone(), index);
        Pending { index, held, place, if_match, report }
    };
    let mut pending: Vec<_> = files.into_iter().map(begin).collect();
    let (workspace, terms) = match control.guard(started).await {
        Ok((workspace, terms)) => (workspace, Arc::new(terms)),
        Err(error) => return fail_all(pending, &error, &mut tell),
    };
    let locks = match &options.upload.lock {
        Some(lock) => client.locks_named(lock),
        None => client.locks_on([]),
    };
    let mut tries = client.tries();
    while !pending.is_empty() {
        let before = pending.len();
        let done = vec![false; before];
        let shared = Shared::default();
        let (terms, locks, control) = (&terms, &locks, &control);
        let mut run = Run { client, workspace, terms, locks, control, pending, done, shared, again: None };
        if let Err(error) = control.guard(run.once(&mut tell)).await {
            // What was told before that stands.
            note_failure(&mut run.again, error);
        }
        let error = run.settle(&mut tell);
        pending = run.pending;
        if pending.is_empty() {
            return;
        }
        if pending.len() < before {
            tries.moved();
        }
        let again = async { if error.is_storage_full() { Err(error) } else { tries.again(error).await } };
        match control.guard(again).await {
            Ok(retried) => pending.iter().for_each(|item| item.report.retried(&retried, 0)),
            Err(error) => return fail_all(pending, &error, &mut tell),
        }
    }
}

fn fail_all(pending: Vec<Pending>, error: &Error, tell: &mut impl FnMut(UploadOutcome)) {
    for item in pending {
        tell(item.outcome(Err(error.repeated())));
    }
}

/// One request.
struct Run<'a> {
    client: &'a Client,
    workspace: WorkspaceId,
    terms: &'a Arc<Terms>,
    locks: &'a Named,
    control: &'a Control,
    pending: Vec<Pending>,
    /// Which of them have their outcome.
    done: Vec<bool>,
    shared: Shared,
    /// Why an item, or the rest of the batch, is to be sent again.
    again: Option<Error>,
}

impl Run<'_> {
    /// Sends what is pending and reads what the answer says of it; items that are done are gone from `pending` after
    /// [`Self::settle`].
    async fn once(&mut self, tell: &mut impl FnMut(UploadOutcome)) -> Result<()> {
        self.control.pass().await?;
        let slot = self.client.slots().acquire().await;
        let sent = self.exchange(tell).await;
        // What is said of an item is said as well as of all.
        slot.ended(sent.as_ref().err().or(self.again.as_ref()));
        sent
    }

    async fn exchange(&mut self, tell: &mut impl FnMut(UploadOutcome)) -> Result<()> {
        for item in &self.pending {
            item.report.started(match &item.held {
                Held::File(_) => None,
                Held::Memory(bytes) => Some(bytes.len() as u64),
            });
        }
        let sending = Sending::new(Report::new(None, 0));
        let chunks = read_items(self.pending.clone(), Arc::clone(self.terms), Arc::clone(&self.shared));
        let chunks = self.control.hold(chunks);
        let route = format!("/v1/workspaces/{}/batch", self.workspace);
        let body = Body::Chunks(chunks, None, Arc::clone(&sending));
        let mut request = self.client.request(Method::POST, &route, body)?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(BATCH_MEDIA_TYPE));
        if let Some(locks) = self.locks.header()? {
            request.headers_mut().insert(LOCK_TOKEN, locks);
        }
        let _guard = Guard(Arc::clone(&sending));
        let mut answer = self.client.send(request, Some(sending), Lane::Common).await?;
        self.listen(&mut answer, tell).await
    }

    async fn listen(&mut self, answer: &mut Answer, tell: &mut impl FnMut(UploadOutcome)) -> Result<()> {
        let (mut lines, mut next) = (Lines::default(), 0);
        while let Some(chunk) = answer.chunk().await {
            lines.push(chunk?);
            while let Some(piece) = lines.next()? {
                let Piece::Line(line) = piece else { continue };
                let result: BatchResult = parse(&line)?;
                if result.index.is_some_and(|index| index != next) {
                    return Err(Error::unreadable("the answer's lines are not in order", 200));
                }
                if result.index.is_some() {
                    next += 1;
                }
                self.take(result, tell)?;
            }
        }
        Ok(())
    }

    /// Takes a line of the answer.
    fn take(&mut self, result: BatchResult, tell: &mut impl FnMut(UploadOutcome)) -> Result<()> {
        let refusal = result.problem.map(Error::of_problem);
        let Some(index) = result.index else {
            return Err(
                refusal.unwrap_or_else(|| Error::unreadable("a line of the answer says nothing", 200))
            );
        };
        let sent = usize::try_from(index).ok().and_then(|index| lock(&self.shared).sent.get(index).copied());
        let Some((place, digest)) = sent else {
            return Err(Error::unreadable("the answer tells of an item that was not sent", 200));
        };
        let item = &self.pending[place];
        let outcome = match (refusal, result.node) {
            (Some(error), _) if error.is_retryable() && !error.is_storage_full() => {
                note_failure(&mut self.again, error);
                return Ok(());
            }
            (Some(error), _) => Err(error),
            (None, Some(node)) if node.digest == Some(digest) => {
                item.report.bytes(node.size);
                Ok(node)
            }
            (None, Some(_)) => {
                let message = format!("the server stored other content than was sent to {}", item.place);
                Err(Error::mismatch(Code::DigestMismatch, message))
            }
            (None, None) => Err(Error::unreadable("a line of the answer says nothing", 200)),
        };
        self.done[place] = true;
        tell(item.clone().outcome(outcome));
        Ok(())
    }

    /// Leaves in `pending` what has no outcome, and says why.
    fn settle(&mut self, tell: &mut impl FnMut(UploadOutcome)) -> Error {
        for (place, error) in std::mem::take(&mut lock(&self.shared).unread) {
            self.done[place] = true;
            tell(self.pending[place].clone().outcome(Err(error)));
        }
        let mut left = std::mem::take(&mut self.done).into_iter();
        self.pending.retain(|_| left.next() == Some(false));
        self.again.take().unwrap_or_else(|| {
            Error::broken("the answer ended before it told of every item", "the answer is not whole")
        })
    }
}

/// Reads, hashes and frames items on a thread of its own, one chunk ahead of who sends them. It ends when the chunks are
/// dropped.
fn read_items(items: Vec<Pending>, terms: Arc<Terms>, shared: Shared) -> Chunks {
    read_ahead(move |reading| {
        let mut chunk = Vec::with_capacity(CHUNK);
        for (place, item) in items.iter().enumerate() {
            let framed = read_item(item).and_then(|(content, digest)| {
                Ok((terms.line(item, content.len() as u64, digest)?, content, digest))
            });
            match framed {
                Ok((line, content, digest)) => {
                    lock(&shared).sent.push((place, digest));
                    chunk.extend_from_slice(&line);
                    chunk.extend_from_slice(&content);
                }
                Err(error) => lock(&shared).unread.push((place, error)),
            }
            if chunk.len() >= CHUNK {
                let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK));
                if !reading.give(full.into()) {
                    return Ok(());
                }
            }
        }
        if !chunk.is_empty() {
            // Where nobody takes it any more, nobody waits for what it tells either.
            reading.give(chunk.into());
        }
        Ok(())
    })
}

fn read_item(item: &Pending) -> Result<(Bytes, Digest)> {
    match &item.held {
        Held::Memory(bytes) => Ok((bytes.clone(), reader::digest(bytes))),
        Held::File(path) => match reader::open(path)? {
            Opened::Whole(bytes, digest) => Ok((bytes, digest)),
            // It was small when it was looked at.
            Opened::Long(..) => Err(reader::changed(path)),
        },
    }
}
