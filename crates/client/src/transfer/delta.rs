//! A new version of a file that the server has, of which only what changed is sent.
//!
//! The server lists the chunks of the old version, the local file is cut by the same rule, and a staged upload is
//! composed of ranges of the old one and of what it does not have. The server verifies the digest of the whole. Where this
//! does not pay, or the server cannot do it, the file is sent whole as if nothing had been tried.
//!
//! Whether it pays follows from how fast the line is and how fast content is compared: see [`super::line`]. Where nothing is
//! known of the line, a piece of a large file is sent to find out; a smaller one is compared, which costs a moment at most.

mod probe;
mod read;
mod recipe;

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use http::Method;
use longshore_core::wire::{Node, NodeKind};
use longshore_core::{Algorithm, Code, VersionId};
use longshore_flow::Cancel;

use self::read::Compared;
use self::recipe::{Known, Listing};
use super::control::Control;
use super::plan::shows_itself;
use super::progress::Report;
use super::source::{Known as Standing, Target};
use super::staged::is_gone;
use super::staged::protocol::{self, Metadata, Tus};
use super::threads::blocking;
use super::upload::begun::Begun;
use super::upload::{Guard, UploadOptions, find, locks};
use crate::client::{Client, Lane, Retried, Tries};
use crate::error::{Error, Result};
use crate::lock::Named;
use crate::transport::body::{Body, Sending};

/// How long content is of which only what changed is sent. Below, a list of chunks saves too little; above, what is known
/// of them takes too much memory: about 2 MiB for each GiB of one at a time.
const LENGTHS: RangeInclusive<u64> = 4 * 1024 * 1024..=16 * 1024 * 1024 * 1024;

/// How often the server may be further, or less far, than was thought, before that is an error.
const BEHIND: u32 = 10;

/// Whether only what changed of a file is sent. It is where a file of 4 MiB or more, by its path, is written where the server
/// has a version of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delta {
    /// Where it is over sooner than sending all of it, by how fast this client's uploads have been. Of a file of 128 MiB or
    /// more, while that is not known, 4 MiB are sent first to find out.
    #[default]
    WhereItPays,
    /// On a fast line too, where it costs time: for who pays by the byte.
    Always,
    /// Never: all of it is sent.
    Never,
}

/// Uploads a new version by what changed alone; nothing where the file is to be sent whole. `known` is what
/// stands at the target, where that is known: else the server is asked.
pub(super) async fn try_upload(
    client: &Client,
    path: &Path,
    target: &Target,
    known: &Standing,
    options: &UploadOptions,
    report: &Report,
    begun: &Begun,
) -> Result<Option<Node>> {
    let is_stated = options.digest.is_some_and(|digest| digest.algorithm() != Algorithm::Blake3);
    let makes_a_version = shows_itself(options.on_conflict, options.if_none_match);
    // A caller's own idempotency key goes with one request, and this takes several.
    if options.delta == Delta::Never || !makes_a_version || is_stated || client.has_own_key() {
        return Ok(None);
    }
    let looked = path.to_owned();
    let Some(length) = blocking(move || Ok(read::is_worth_a_look(&looked, LENGTHS))).await? else {
        return Ok(None);
    };
    options.hand().pass().await?;
    let pays = match options.delta {
        Delta::Always => Some(true),
        Delta::WhereItPays | Delta::Never => probe::pays(client, path).await?,
    };
    if pays == Some(false) {
        return Ok(None);
    }
    let found = match known {
        Standing::Node(node) => Some(Node::clone(node)),
        Standing::Absent => None,
        // What cannot be found out is nothing to go by.
        Standing::Unknown => find(client, target).await.ok(),
    };
    let Some((node, base)) = found.and_then(base) else { return Ok(None) };
    if pays.is_none() && !probe::pays_after_all(client, path, length, options, begun).await? {
        return Ok(None);
    }
    // What is known of a file is held until it was compared, and many at once are to take no more memory than one.
    let turn = client.comparing().acquire().await.map_err(Error::lost)?;
    let Some(known) = chunks(client, &node, base, &options.hand()).await? else { return Ok(None) };
    let (path, cancel) = (path.to_owned(), Cancel::new());
    let _cancelled_with_this = cancel.clone().on_drop();
    let compared = blocking(move || Ok(read::compare(path, known, &cancel)));
    let Some(compared) = compared.await? else { return Ok(None) };
    drop(turn);
    if options.digest.is_some_and(|digest| digest != compared.digest) {
        let message = "the content does not have the digest that was stated";
        return Err(Error::mismatch(Code::DigestMismatch, message));
    }
    let locks = locks(client, target, options);
    let control = options.hand();
    let upload = DeltaUpload {
        client,
        target,
        options,
        report,
        control,
        locks,
        base,
        begun,
        compared: Arc::new(compared),
    };
    upload.run().await
}

/// Returns a file whose version something may be shared with, and that version.
fn base(node: Node) -> Option<(Node, VersionId)> {
    let version = node.version_id.filter(|_| node.kind == NodeKind::File && LENGTHS.contains(&node.size))?;
    Some((node, version))
}

/// Asks for the chunks of a version; nothing where there is no list that can be used.
async fn chunks(
    client: &Client,
    node: &Node,
    version: VersionId,
    control: &Control,
) -> Result<Option<Known>> {
    let route = format!("/v1/files/{}/versions/{version}/chunks", node.id);
    let mut tries = client.tries();
    loop {
        control.pass().await?;
        let slot = client.slots().acquire().await;
        let listed = list(client, &route, node.size).await;
        slot.ended(listed.as_ref().err());
        match listed {
            Ok(known) => return Ok(known),
            // Who cannot be reached for this is perhaps reached for the whole.
            Err(error) => match tries.again(error).await {
                Ok(_) => {}
                Err(_) => return Ok(None),
            },
        }
    }
}

async fn list(client: &Client, route: &str, length: u64) -> Result<Option<Known>> {
    let request = client.request(Method::GET, route, Body::Empty)?;
    let mut answer = client.send(request, None, Lane::Common).await?;
    let mut listing = Listing::default();
    while let Some(bytes) = answer.chunk().await {
        if listing.push(&bytes?, length).is_err() {
            return Ok(None);
        }
    }
    Ok(listing.finish(length).ok())
}

struct DeltaUpload<'a> {
    client: &'a Client,
    target: &'a Target,
    options: &'a UploadOptions,
    report: &'a Report,
    control: Control,
    locks: Named,
    base: VersionId,
    begun: &'a Begun,
    compared: Arc<Compared>,
}

/// How far an upload is.
#[derive(Debug, Default)]
struct State {
    /// How many bytes of the content are durable.
    durable: u64,
    /// How many bytes of instructions the report was told of.
    told: u64,
    /// Whether the server said that the file is written.
    is_written: bool,
}

/// Tells whether a refusal says that the file must be sent whole.
fn asks_for_all(error: &Error) -> bool {
    let codes = [
        Code::MediaTypeUnsupported,
        Code::UploadNotAppendable,
        Code::TooManyPieces,
        Code::VersionNotFound,
        Code::NodeNotFound,
        Code::InTrash,
        Code::InvalidDelta,
        // It repeats what is in the old version more often than a delta may.
        Code::BodyTooLarge,
    ];
    is_gone(error) || codes.into_iter().any(|code| error.is(code))
}

impl DeltaUpload<'_> {
    fn tus(&self) -> Tus<'_> {
        Tus { client: self.client, options: self.options }
    }

    async fn run(mut self) -> Result<Option<Node>> {
        let Some(upload) = self.begin().await? else { return Ok(None) };
        let shared = self.compared.length().saturating_sub(self.compared.recipe.bytes(0));
        self.report.started(Some(self.compared.length()));
        self.report.reused(shared);
        let mut state = State::default();
        let node = match self.send(&upload, &mut state).await {
            Ok(node) => node,
            Err(error) if asks_for_all(&error) => {
                self.begun.remove(&self.tus(), &upload).await;
                // All of it moves, and is told, again.
                self.report.retried(&self.client.tries().at_once(error), shared + state.told);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        if node.digest == Some(self.compared.digest) {
            return Ok(Some(node));
        }
        let message = format!("the server stored other content than was sent to {}", self.target);
        Err(Error::mismatch(Code::DigestMismatch, message))
    }

    /// Begins the upload; nothing where the server knows none.
    async fn begin(&mut self) -> Result<Option<String>> {
        let workspace = protocol::workspace(self.client, self.target).await?;
        let metadata = Metadata::of(self.target, workspace, self.options).with_digest(self.compared.digest);
        let mut tries = self.client.tries();
        loop {
            self.control.pass().await?;
            match self.tus().begin(&metadata, &self.locks, self.compared.length()).await {
                Ok(upload) => {
                    self.begun.note(&upload);
                    return Ok(Some(upload));
                }
                Err(error) if self.locks.leave_out(&error) => {}
                Err(error) if error.is(Code::RouteNotFound) => return Ok(None),
                Err(error) if error.is_storage_full() => return Err(error),
                // A second one that nobody uses expires.
                Err(error) => drop(tries.again(error).await?),
            }
        }
    }

    /// Sends the instructions, and goes on where the server stopped; returns what the upload became.
    async fn send(&mut self, upload: &str, state: &mut State) -> Result<Node> {
        let (mut tries, mut failed) = (self.client.tries(), None);
        loop {
            self.control.pass().await?;
            let error = match self.attempt(upload, failed, &mut tries, state).await {
                Ok(node) => return Ok(node),
                Err(error) => error,
            };
            if self.locks.leave_out(&error) {
                failed = Some(tries.at_once(error));
            } else if error.is(Code::OffsetMismatch) || error.is(Code::UploadTakenOver) {
                // A request of ours that was thought dead had not ended.
                let retried = tries.at_once(error);
                if retried.attempt > BEHIND {
                    return Err(retried.error);
                }
                failed = Some(retried);
            } else if error.is_storage_full() {
                return Err(error);
            } else {
                failed = Some(tries.again(error).await?);
            }
        }
    }

    async fn attempt(
        &self,
        upload: &str,
        failed: Option<Retried>,
        tries: &mut Tries<'_>,
        state: &mut State,
    ) -> Result<Node> {
        if let Some(failed) = failed {
            self.catch_up(upload, &failed, tries, state).await?;
        }
        if !state.is_written {
            let recipe = &self.compared.recipe;
            let range = state.durable..self.compared.length();
            let sending = Sending::new(self.report.clone());
            let guard = Guard(Arc::clone(&sending));
            // First, so that no thread is kept that only waits.
            let slot = self.client.slots().acquire().await;
            // Where all is there the file may be written as well, and the base gone: then this asks for nothing but that.
            let (base, body) = if range.is_empty() {
                (None, Body::Empty)
            } else {
                let chunks = self.control.hold(read::read_ahead(Arc::clone(&self.compared), range.start));
                (Some(self.base), Body::Chunks(chunks, Some(recipe.bytes(range.start)), Arc::clone(&sending)))
            };
            let sent = self.tus().append(upload, range, base, &self.locks, body).await;
            slot.ended(sent.as_ref().err());
            drop(guard);
            state.told += sending.bytes();
            sent.map_err(|error| sending.take_failure().unwrap_or(error))?;
            state.is_written = true;
        }
        let node = self.tus().show(upload).await?.node;
        node.ok_or_else(|| Error::unreadable("the upload is whole and no file", 200))
    }

    /// Finds out where to go on after a failure.
    async fn catch_up(
        &self,
        upload: &str,
        failed: &Retried,
        tries: &mut Tries<'_>,
        state: &mut State,
    ) -> Result<()> {
        let (length, recipe) = (self.compared.length(), &self.compared.recipe);
        let found = match self.tus().offset(upload, length, &self.locks).await {
            // All is there and was refused: why is told to who sends, and not to who looks.
            Err(error) if !error.is_retryable() && !is_gone(&error) => {
                self.tus().show(upload).await.map(|shown| shown.offset)
            }
            found => found,
        };
        let now = found.as_ref().map_or(state.durable, |offset| (*offset).min(length));
        let kept = recipe.bytes(0).saturating_sub(recipe.bytes(now));
        let discarded = state.told.saturating_sub(kept);
        state.told -= discarded;
        self.report.retried(failed, discarded);
        if now > state.durable {
            tries.moved();
            state.durable = now;
        }
        found.map(drop)
    }
}
