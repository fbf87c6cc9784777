//! Many small files from the server.

use blake3::Hasher;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use longshore_core::wire::{BatchContent, ReadBatch, ReadBatchItem};
use longshore_core::{Code, Digest, NodeId, VersionId, WorkspaceId};
use tokio::sync::mpsc;

use super::lines::{Lines, Piece};
use super::note_failure;
use crate::api::files::Content;
use crate::client::{Client, Lane, parse};
use crate::error::{Error, Result};
use crate::transfer::control::Control;
use crate::transfer::destination::Destination;
use crate::transfer::download::Downloaded;
use crate::transfer::many::{DownloadOutcome, ManyOptions};
use crate::transfer::part::Part;
use crate::transfer::progress::Report;
use crate::transfer::reader::finish;
use crate::transport::answer::Answer;
use crate::transport::body::Body;

/// How many chunks of the answer may wait for the disk.
const WRITE_BEHIND: usize = 4;

/// A file that is fetched with others.
#[derive(Debug)]
pub(crate) struct Fetch {
    /// Its place, by which its outcome and its progress are known.
    pub(crate) index: usize,
    /// The file whose current content is fetched, of the batch's workspace.
    pub(crate) node: NodeId,
    /// Where it goes.
    pub(crate) destination: Destination,
    /// Whether what stands there then is replaced.
    pub(crate) replace: bool,
}

/// A file that has no outcome yet.
struct Pending {
    fetch: Fetch,
    report: Report,
}

impl Pending {
    fn outcome(self, result: Result<Downloaded>) -> DownloadOutcome {
        let result = self.report.ended(result, |done| done.bytes);
        let Fetch { index, node, destination, .. } = self.fetch;
        DownloadOutcome { index, content: Content::File(node), path: destination.path(), result }
    }
}

/// What the writing thread is told. It is told in the order of the answer.
enum Step {
    Begin {
        place: usize,
        target: Destination,
        replace: bool,
        stated: Option<Digest>,
        version: Option<VersionId>,
    },
    Content(Bytes),
    /// All of the content has come: without this the part is removed.
    End,
}

/// What became of the item at this place of the request.
type Written = (usize, Result<Downloaded>);

/// Downloads files in one batch, and tells the outcome of each as it is known.
///
/// Each appears as a whole, and verified, or not at all. What had not come when a connection broke is asked for again.
pub(crate) async fn download(
    client: &Client,
    workspace: Option<WorkspaceId>,
    files: Vec<Fetch>,
    options: &ManyOptions,
    mut tell: impl FnMut(DownloadOutcome),
) {
    let mut pending: Vec<_> = files
        .into_iter()
        .map(|fetch| {
            let report = Report::new(options.progress.clone(), fetch.index);
            Some(Pending { fetch, report })
        })
        .collect();
    let control = options.download.control.clone().unwrap_or_default();
    let begun = async {
        control.pass().await?;
        client.workspace(workspace).await
    };
    let workspace = match control.guard(begun).await {
        Ok(workspace) => workspace,
        Err(error) => return fail_all(pending, &error, &mut tell),
    };
    let control = &control;
    let mut tries = client.tries();
    while !pending.is_empty() {
        let before = pending.len();
        let mut run = Run { client, workspace, control, pending: &mut pending, again: None };
        if let Err(error) = run.once(&mut tell).await {
            note_failure(&mut run.again, error);
        }
        let again = run.again.take();
        pending.retain(Option::is_some);
        if pending.is_empty() {
            return;
        }
        if pending.len() < before {
            tries.moved();
        }
        let error = again.unwrap_or_else(|| {
            Error::broken("the answer ended before it had every item", "the answer is not whole")
        });
        match control.guard(tries.again(error)).await {
            Ok(retried) => pending.iter().flatten().for_each(|item| item.report.retried(&retried, 0)),
            Err(error) => return fail_all(pending, &error, &mut tell),
        }
    }
}

fn fail_all(pending: Vec<Option<Pending>>, error: &Error, tell: &mut impl FnMut(DownloadOutcome)) {
    for item in pending.into_iter().flatten() {
        tell(item.outcome(Err(error.repeated())));
    }
}

/// One request.
struct Run<'a> {
    client: &'a Client,
    workspace: WorkspaceId,
    control: &'a Control,
    /// What has no outcome; an item that gets one leaves its place.
    pending: &'a mut [Option<Pending>],
    /// Why an item is to be asked for again.
    again: Option<Error>,
}

impl Run<'_> {
    async fn once(&mut self, tell: &mut impl FnMut(DownloadOutcome)) -> Result<()> {
        let asked = self.pending.iter().enumerate().filter_map(|(place, item)| {
            let id = Some(item.as_ref()?.fetch.node);
            Some((place, ReadBatchItem { id, ..ReadBatchItem::default() }))
        });
        let (places, items): (Vec<_>, _) = asked.unzip();
        let json = serde_json::to_vec(&ReadBatch { items })
            .map_err(|error| Error::invalid(format!("the request cannot be written: {error}")))?;
        let route = format!("/v1/workspaces/{}/batch/read", self.workspace);
        let mut request = self.client.request(Method::POST, &route, Body::Whole(json.into()))?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let control = self.control;
        control.pass().await?;
        let acquired = self.client.slots().acquire();
        let slot = control.guard(async { Ok(acquired.await) }).await?;
        let answer = match control.guard(self.client.send(request, None, Lane::Common)).await {
            Ok(answer) => answer,
            Err(error) => {
                slot.ended(Some(&error));
                return Err(error);
            }
        };
        let (steps, behind) = mpsc::channel(WRITE_BEHIND);
        let (written, mut outcomes) = mpsc::unbounded_channel();
        let writing = tokio::task::spawn_blocking(move || write_files(behind, &written));
        let receiving = self.receive(answer, &places, &steps, &mut outcomes, tell);
        let received = control.guard(receiving).await;
        slot.ended(received.as_ref().err().or(self.again.as_ref()));
        // That no more comes lets the thread end; what it has whole still gets its place.
        drop(steps);
        while let Some((place, result)) = outcomes.recv().await {
            self.end(place, result, tell);
        }
        writing.await.map_err(Error::lost)?;
        received
    }

    async fn receive(
        &mut self,
        mut answer: Answer,
        places: &[usize],
        steps: &mpsc::Sender<Vec<Step>>,
        outcomes: &mut mpsc::UnboundedReceiver<Written>,
        tell: &mut impl FnMut(DownloadOutcome),
    ) -> Result<()> {
        let (mut lines, mut next, mut current) = (Lines::default(), 0, None);
        while let Some(chunk) = answer.chunk().await {
            self.control.pass().await?;
            lines.push(chunk?);
            let mut batch = Vec::new();
            while let Some(piece) = lines.next()? {
                match piece {
                    Piece::Line(line) => {
                        let head: BatchContent = parse(&line)?;
                        let place = places.get(next).copied().filter(|_| head.index == next as u64);
                        let place = place.ok_or_else(|| {
                            Error::unreadable("the answer's items are not those that were asked for", 200)
                        })?;
                        next += 1;
                        lines.follow(head.size);
                        current = self.begin(place, head, &mut batch, tell);
                    }
                    Piece::Content(content) => {
                        if let Some(place) = current {
                            if let Some(item) = &self.pending[place] {
                                item.report.bytes(content.len() as u64);
                            }
                            batch.push(Step::Content(content));
                        }
                    }
                    Piece::End => batch.extend(current.take().map(|_| Step::End)),
                }
            }
            if !batch.is_empty() && steps.send(batch).await.is_err() {
                return Err(Error::lost("the thread that writes files ended"));
            }
            while let Ok((place, result)) = outcomes.try_recv() {
                self.end(place, result, tell);
            }
        }
        if lines.is_between() {
            Ok(())
        } else {
            Err(Error::broken("the answer ended in the middle of an item", "the answer is not whole"))
        }
    }

    /// Begins an item; nothing where it has no content.
    fn begin(
        &mut self,
        place: usize,
        head: BatchContent,
        batch: &mut Vec<Step>,
        tell: &mut impl FnMut(DownloadOutcome),
    ) -> Option<usize> {
        if let Some(problem) = head.problem {
            let error = Error::of_problem(problem);
            if error.is_retryable() {
                note_failure(&mut self.again, error);
            } else {
                self.end(place, Err(error), tell);
            }
            return None;
        }
        let item = self.pending[place].as_mut()?;
        item.report.started(Some(head.size));
        let Fetch { destination, replace, .. } = &item.fetch;
        let (target, replace) = (destination.clone(), *replace);
        batch.push(Step::Begin { place, target, replace, stated: head.digest, version: head.version_id });
        Some(place)
    }

    fn end(&mut self, place: usize, result: Result<Downloaded>, tell: &mut impl FnMut(DownloadOutcome)) {
        if let Some(item) = self.pending[place].take() {
            tell(item.outcome(result));
        }
    }
}

/// A file that is being written.
struct Writing {
    place: usize,
    part: Result<Part>,
    replace: bool,
    hasher: Hasher,
    bytes: u64,
    stated: Option<Digest>,
    version: Option<VersionId>,
}

impl Writing {
    fn write(&mut self, content: &[u8]) {
        self.hasher.update(content);
        self.bytes += content.len() as u64;
        if let Ok(part) = &mut self.part
            && let Err(error) = part.write(content)
        {
            // Dropping the part removes it; the rest of the content is let pass.
            self.part = Err(error);
        }
    }

    fn end(self) -> Written {
        let digest = finish(&self.hasher);
        let kept = self.part.and_then(|part| {
            if self.stated != Some(digest) {
                let message = "the content that came does not have the digest the server stated";
                return Err(Error::mismatch(Code::DigestMismatch, message));
            }
            part.keep(self.replace)
        });
        (
            self.place,
            kept.map(|()| Downloaded {
                bytes: self.bytes,
                digest,
                version: self.version,
                reused: 0,
                skipped: false,
            }),
        )
    }
}

/// Writes files one after the other, until no more come. Blocks.
fn write_files(mut steps: mpsc::Receiver<Vec<Step>>, written: &mpsc::UnboundedSender<Written>) {
    let mut current: Option<Writing> = None;
    while let Some(batch) = steps.blocking_recv() {
        for step in batch {
            match step {
                Step::Begin { place, target, replace, stated, version } => {
                    let (part, hasher) = (Part::create(&target), Hasher::new());
                    current = Some(Writing { place, part, replace, hasher, bytes: 0, stated, version });
                }
                Step::Content(content) => {
                    if let Some(writing) = &mut current {
                        writing.write(&content);
                    }
                }
                Step::End => {
                    if let Some(writing) = current.take()
                        && written.send(writing.end()).is_err()
                    {
                        return;
                    }
                }
            }
        }
    }
}
