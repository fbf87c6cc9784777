//! A large upload: shares of it beside each other, each going on where it broke, and joined at the end to one file.
//!
//! Each share is an upload of its own at the server, of which only what is durable counts. Nothing is seen of the file before
//! they are joined, which the server does under the digest of the whole; joined twice, they are one file.

mod hash;
pub(super) mod protocol;
mod state;

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use futures_util::future::try_join_all;
use longshore_core::digest_tree::CellSize;
use longshore_core::wire::Node;
use longshore_core::{Clock, Code, ErrorKind, SystemClock, WorkspaceId};

use self::hash::{ShareHash, digest, locked};
use self::protocol::{Created, Creation, Metadata, Tus};
use self::state::{Places, State, UploadKey};
use super::content::Content;
use super::control::Control;
use super::plan::{cell_size, shares};
use super::progress::Report;
use super::source::Target;
use super::threads::blocking;
use super::upload::begun::Begun;
use super::upload::{Guard, UploadOptions, locks, to_verify};
use crate::client::{Client, Retried, Tries};
use crate::error::{Error, Result};
use crate::lock::Named;
use crate::transport::body::{Body, Sending};

/// How often a share may be lost at the server, or be in other hands, before it is given up.
const LOST: u32 = 3;

/// A share and how far it is.
struct Share {
    number: usize,
    range: Range<u64>,
    hash: Arc<Mutex<ShareHash>>,
    /// Where it is at the server.
    place: Option<String>,
    /// What was said when it was to be begun, where it is not known whether it was.
    part: Option<Creation>,
    /// How many of its bytes were told to the report.
    told: u64,
    /// How many the server was last known to have.
    durable: u64,
}

impl Share {
    fn length(&self) -> u64 {
        self.range.end - self.range.start
    }
}

/// One upload.
pub(super) struct Staged<'a> {
    client: &'a Client,
    target: &'a Target,
    options: &'a UploadOptions,
    control: Control,
    report: &'a Report,
    content: Arc<Content>,
    cell: CellSize,
    workspace: Option<WorkspaceId>,
    locks: Named,
    /// What no later run goes on with.
    begun: &'a Begun<'a>,
}

impl<'a> Staged<'a> {
    pub(super) async fn new(
        client: &'a Client,
        content: Content,
        target: &'a Target,
        options: &'a UploadOptions,
        report: &'a Report,
        begun: &'a Begun<'a>,
    ) -> Result<Self> {
        let workspace = protocol::workspace(client, target).await?;
        let (control, locks) = (options.hand(), locks(client, target, options));
        let (cell, content) = (cell_size(content.length()), Arc::new(content));
        Ok(Self { client, target, options, control, report, content, cell, workspace, locks, begun })
    }

    fn tus(&self) -> Tus<'_> {
        Tus { client: self.client, options: self.options }
    }

    pub(super) async fn run(self) -> Result<Node> {
        self.report.started(Some(self.content.length()));
        let ranges = self.shares();
        let (state, places) = self.open_state(&ranges).await?;
        let shares = (0..).zip(ranges).zip(places).map(|((number, range), place)| {
            let hash = Arc::new(Mutex::new(ShareHash::new(self.cell, range.clone())));
            Share { number, range, hash, place, part: None, told: 0, durable: 0 }
        });
        let mut parts: Vec<_> = shares.collect();
        let sent = self.send(&mut parts, state.as_ref()).await;
        let Some(state) = state else { return sent };
        if sent.as_ref().is_err_and(|error| !ends_it(error)) {
            // For the next run; who cancels drops this and keeps it too.
            return sent;
        }
        if sent.is_err() {
            parts
                .iter()
                .filter_map(|share| share.place.as_deref())
                .for_each(|place| self.begun.note_place(place));
        }
        blocking(move || {
            state.remove();
            Ok(())
        })
        .await?;
        sent
    }

    /// Tells whether an earlier run has begun this very upload, and left a state to go on with.
    pub(super) async fn is_begun(&self) -> Result<bool> {
        let ranges = self.shares();
        Ok(self
            .of_state(&ranges, |folder, key| State::is_there(folder, key, SystemClock.now()))
            .await?
            .unwrap_or(false))
    }

    fn shares(&self) -> Vec<Range<u64>> {
        shares(self.content.length(), self.cell, self.client.concurrency())
    }

    async fn open_state(&self, ranges: &[Range<u64>]) -> Result<(Option<Arc<State>>, Places)> {
        let opened = self.of_state(ranges, State::open).await?;
        Ok(match opened.flatten() {
            Some((state, places)) => (Some(Arc::new(state)), places),
            None => (None, vec![None; ranges.len()]),
        })
    }

    /// Asks something of the state, where one is kept.
    async fn of_state<T: Send + 'static>(
        &self,
        ranges: &[Range<u64>],
        ask: impl FnOnce(&Path, &UploadKey<'_>) -> T + Send + 'static,
    ) -> Result<Option<T>> {
        let (Some(folder), Some((path, stamp))) = (&self.options.resume, self.content.file()) else {
            return Ok(None);
        };
        let (folder, path) = (folder.clone(), path.to_owned());
        let (host, prefix) = self.client.server();
        let server = format!("{}{prefix}", host.to_str().unwrap_or_default());
        // What is the same may be written in two ways; then it is sent anew.
        let target = format!("{:?} {:?}", self.workspace, self.target);
        let plan = (ranges.len(), ranges.first().map_or(0, |range| range.end));
        blocking(move || {
            let source = std::path::absolute(&path).ok();
            Ok(source.map(|source| ask(&folder, &UploadKey { server, target, source: &source, stamp, plan })))
        })
        .await
    }

    async fn send(&self, parts: &mut [Share], state: Option<&Arc<State>>) -> Result<Node> {
        let metadata = Metadata::of(self.target, self.workspace, self.options);
        if let Some(node) = self.joined_before(parts, state, &metadata).await? {
            return Ok(node);
        }
        let sending = try_join_all(parts.iter_mut().map(|share| self.send_share(share, state)));
        // What would be refused at the end is not sent first.
        futures_util::try_join!(self.rehearse(&metadata), sending)?;
        self.join(parts, metadata).await
    }

    /// Sees whether the run that was before this one came as far as joining the parts, and perhaps did not hear of it.
    async fn joined_before(
        &self,
        parts: &mut [Share],
        state: Option<&Arc<State>>,
        metadata: &Metadata,
    ) -> Result<Option<Node>> {
        let [first, ..] = &*parts else { return Ok(None) };
        let Some(place) = first.place.clone().filter(|_| parts.iter().all(|share| share.place.is_some()))
        else {
            return Ok(None);
        };
        match self.tus().offset(&place, first.length(), &Named::default()).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            // Whatever else it says it says again when the share is sent.
            _ => return Ok(None),
        }
        for share in &*parts {
            self.hash_to(share, share.range.end).await?;
        }
        match self.join(parts, metadata.clone()).await {
            Err(error) if is_gone(&error) => {
                parts.iter_mut().for_each(|share| share.place = None);
                if let Some(state) = state.cloned() {
                    blocking(move || {
                        // A state that cannot be written is of no use to the next run, and does this one no harm.
                        let _kept = state.restart();
                        Ok(())
                    })
                    .await?;
                }
                Ok(None)
            }
            joined => {
                self.report.reused(self.content.length());
                joined.map(Some)
            }
        }
    }

    /// Sends a share, going on where it breaks.
    async fn send_share(&self, share: &mut Share, state: Option<&Arc<State>>) -> Result<()> {
        let mut tries = self.client.tries();
        let (mut lost, mut furthest, mut retried) = (0, 0, None);
        loop {
            self.control.pass().await?;
            let slot = self.client.slots().acquire().await;
            let sent = self.attempt(share, state, &mut tries, retried.take()).await;
            slot.ended(sent.as_ref().err());
            if share.durable > furthest {
                // Further than ever: what is lost again and again brings it no further.
                (lost, furthest) = (0, share.durable);
            }
            let Err(error) = sent else { return Ok(()) };
            if error.is_storage_full() {
                return Err(error);
            }
            let is_gone = is_gone(&error);
            let is_out_of_step = is_gone || error.is(Code::OffsetMismatch) || error.is(Code::UploadTakenOver);
            retried = Some(if is_out_of_step && lost < LOST {
                lost += 1;
                if is_gone {
                    share.place = None;
                    share.durable = 0;
                }
                tries.at_once(error)
            } else {
                tries.again(error).await?
            });
        }
    }

    async fn attempt(
        &self,
        share: &mut Share,
        state: Option<&Arc<State>>,
        tries: &mut Tries<'_>,
        retried: Option<Retried>,
    ) -> Result<()> {
        let tus = self.tus();
        let found = match &share.place {
            Some(place) => tus.offset(place, share.length(), &Named::default()).await,
            None => Ok(0),
        };
        if let Some(retried) = retried {
            let kept = found.as_ref().map_or(share.told, |offset| *offset);
            let discarded = share.told.saturating_sub(kept);
            share.told -= discarded;
            self.report.retried(&retried, discarded);
        }
        let offset = found?;
        if offset > share.told {
            self.report.reused(offset - share.told);
            share.told = offset;
        }
        if offset > share.durable {
            share.durable = offset;
            tries.moved();
        }
        let place = match share.place.clone() {
            Some(place) => place,
            None => {
                let part = match share.part.take() {
                    Some(part) => part,
                    None => {
                        Creation::of_part(self.client, self.workspace, share.range.start, share.length())?
                    }
                };
                let created = self.begun.begin(&part, Body::Empty).await;
                if created.is_err() {
                    share.part = Some(part);
                }
                let place = created?.place;
                if let Some(state) = state {
                    note(state, share.number, &place).await?;
                    self.begun.hand_over(&place);
                }
                share.place.insert(place).clone()
            }
        };
        let (from, to) = (share.range.start + offset, share.range.end);
        // Before the request, which is not to wait for that.
        self.hash_to(share, from).await?;
        if from == to {
            return Ok(());
        }
        let sending = Sending::new(self.report.clone());
        let guard = Guard(Arc::clone(&sending));
        let watched = self.client.line().watch(&sending);
        let chunks = hash::read(Arc::clone(&self.content), Arc::clone(&share.hash), from, to);
        let body = Body::Chunks(self.control.hold(chunks), Some(to - from), Arc::clone(&sending));
        let sent = tus.append(&place, offset..share.length(), None, &self.locks, body).await;
        drop((guard, watched));
        share.told += sending.bytes();
        sent.map_err(|error| sending.take_failure().unwrap_or(error))
    }

    /// Hashes what an earlier run has sent of a share.
    async fn hash_to(&self, share: &Share, to: u64) -> Result<()> {
        if locked(&share.hash).at() < to {
            let mut chunks = hash::read(Arc::clone(&self.content), Arc::clone(&share.hash), to, to);
            while let Some(chunk) = chunks.next().await {
                chunk?;
            }
        }
        Ok(())
    }

    /// Has the server say early what it would refuse at the end. Whether it can be reached is for others to find out.
    async fn rehearse(&self, metadata: &Metadata) -> Result<()> {
        let (metadata, locks) = (metadata.clone(), self.locks.clone());
        let mut creation = Creation::of_rehearsal(self.client, metadata, locks)?;
        loop {
            match self.begun.begin(&creation, Body::Empty).await {
                Ok(Created { place, .. }) => {
                    self.begun.remove(&place).await;
                    return Ok(());
                }
                Err(error) if creation.locks.leave_out(&error) => {}
                Err(error) if error.is_storage_full() || !error.is_retryable() => return Err(error),
                Err(_) => return Ok(()),
            }
        }
    }

    /// Makes the file of its shares.
    async fn join(&self, parts: &[Share], metadata: Metadata) -> Result<Node> {
        let content = Arc::clone(&self.content);
        blocking(move || content.ensure_unchanged()).await?;
        let hashes: Vec<_> = parts.iter().map(|share| Arc::clone(&share.hash)).collect();
        let digest = digest(&hashes).ok_or_else(|| Error::lost("a share was not read to its end"))?;
        let metadata = metadata.with_digest(to_verify(self.options, digest)?);
        let places: Vec<_> = parts.iter().filter_map(|share| share.place.clone()).collect();
        let (mut tries, mut locks) = (self.client.tries(), self.locks.clone());
        let (tus, mut joined) = (self.tus(), None);
        let node = loop {
            self.control.pass().await?;
            let asked = async {
                let upload = match joined.take() {
                    Some(upload) => upload,
                    None => tus.join(&places, &metadata, &locks).await?,
                };
                let shown = tus.show(&upload).await;
                joined = Some(upload);
                shown?.node.ok_or_else(|| Error::unreadable("the upload is whole and no file", 200))
            };
            match asked.await {
                Ok(node) => break node,
                Err(error) if locks.leave_out(&error) => {}
                Err(error) if error.is_storage_full() => return Err(error),
                Err(error) => self.report.retried(&tries.again(error).await?, 0),
            }
        };
        if node.digest == Some(digest) {
            return Ok(node);
        }
        let message = format!("the server stored other content than was sent to {}", self.target);
        Err(Error::mismatch(Code::DigestMismatch, message))
    }
}

/// Notes for a later run where a share is.
async fn note(state: &Arc<State>, number: usize, place: &str) -> Result<()> {
    let (state, place) = (Arc::clone(state), place.to_owned());
    blocking(move || {
        // Without it the next run sends the part again, and this one is not hurt.
        let _kept = state.note(number, &place);
        Ok(())
    })
    .await
}

/// Tells whether a failure makes what was sent of no use to any later run: the file is another, or the server says that it
/// will never take this. All else may pass: a lock is given back, a key renewed, a disk mended.
fn ends_it(error: &Error) -> bool {
    let is_refused =
        matches!(error.kind(), ErrorKind::Invalid | ErrorKind::TooLarge) && !error.is_cancelled();
    is_refused && !error.is_local() || error.is(Code::UploadNotAppendable)
}

/// Tells whether the server does not have an upload any more.
pub(super) fn is_gone(error: &Error) -> bool {
    // The answer to a look has no body that could tell more.
    let is_bare = error.kind() == ErrorKind::NotFound && error.code().is_none() && !error.is_local();
    is_bare || error.is(Code::UploadNotFound) || error.is(Code::UploadExpired)
}
