//! One upload at the server that becomes the file by itself: what has come stays there when a connection breaks, and only
//! the rest is sent again.
//!
//! It is begun with its bytes, in one request, under a key by which the server finds it again where the answer was lost.

use std::sync::Arc;

use longshore_core::wire::Node;
use longshore_core::{Code, Digest, VersionId};

use super::content::Content;
use super::control::Control;
use super::plan::next_chunk;
use super::progress::Report;
use super::source::Target;
use super::staged::is_gone;
use super::staged::protocol::{self, Creation, Metadata, Tus};
use super::threads::{Reading, blocking, read_ahead};
use super::upload::begun::Begun;
use super::upload::{Guard, UploadOptions, locks, to_verify};
use crate::client::{Client, Retried, Tries};
use crate::error::{Error, Result};
use crate::transport::body::{Body, Sending};

/// How often the server may be further, or less far, than was thought, before that is an error.
const BEHIND: u32 = 10;

/// What an upload is made of.
pub(super) trait Cargo: Send + Sync + 'static {
    /// Returns the content's length.
    fn length(&self) -> u64;

    /// Returns the content's digest.
    fn digest(&self) -> Digest;

    /// Returns the version of which what does not travel is copied.
    fn base(&self) -> Option<VersionId>;

    /// Returns how many bytes travel for the content from a byte of it on.
    fn bytes(&self, from: u64) -> u64;

    /// Reads them; fails where the content is not what it was, before the last of them are given. Blocks.
    fn read(&self, from: u64, reading: &Reading) -> Result<()>;
}

/// Content that travels as it is.
pub(super) struct Whole {
    content: Content,
    digest: Digest,
}

impl Whole {
    /// Hashes content that is to be sent.
    pub(super) async fn new(content: Content) -> Result<Self> {
        blocking(move || content.digest().map(|digest| Self { content, digest })).await
    }
}

impl Cargo for Whole {
    fn length(&self) -> u64 {
        self.content.length()
    }

    fn digest(&self) -> Digest {
        self.digest
    }

    fn base(&self) -> Option<VersionId> {
        None
    }

    fn bytes(&self, from: u64) -> u64 {
        self.length().saturating_sub(from)
    }

    fn read(&self, mut at: u64, reading: &Reading) -> Result<()> {
        while at < self.length() {
            let chunk = self.content.read_at(at, next_chunk(self.length() - at))?;
            at += chunk.len() as u64;
            if at == self.length() {
                // Looked for before the last chunk leaves: after it, the server has all it was told of.
                self.content.ensure_unchanged()?;
            }
            if !reading.give(chunk) {
                break;
            }
        }
        Ok(())
    }
}

/// One upload, and how far it is.
pub(super) struct Single<'a, C> {
    client: &'a Client,
    target: &'a Target,
    options: &'a UploadOptions,
    report: &'a Report,
    begun: &'a Begun<'a>,
    control: Control,
    creation: Creation,
    cargo: Arc<C>,
    /// Where it is at the server, once that is known.
    place: Option<String>,
    /// How many bytes of the content are durable.
    durable: u64,
    /// How many of the bytes that travel the report was told of.
    told: u64,
    /// Whether the server said that the file is written.
    is_written: bool,
}

impl<'a, C: Cargo> Single<'a, C> {
    pub(super) async fn new(
        client: &'a Client,
        target: &'a Target,
        options: &'a UploadOptions,
        report: &'a Report,
        begun: &'a Begun<'a>,
        cargo: C,
    ) -> Result<Self> {
        let digest = to_verify(options, cargo.digest())?;
        let workspace = protocol::workspace(client, target).await?;
        let metadata = Metadata::of(target, workspace, options).with_digest(digest);
        let (control, locks) = (options.hand(), locks(client, target, options));
        let creation = Creation::of_file(client, metadata, locks, cargo.length())?;
        Ok(Self {
            client,
            target,
            options,
            report,
            begun,
            control,
            creation,
            cargo: Arc::new(cargo),
            place: None,
            durable: 0,
            told: 0,
            is_written: false,
        })
    }

    fn tus(&self) -> Tus<'_> {
        Tus { client: self.client, options: self.options }
    }

    /// Returns how many bytes of the content need not travel.
    fn shared(&self) -> u64 {
        self.cargo.length().saturating_sub(self.cargo.bytes(0))
    }

    /// Makes the file.
    pub(super) async fn run(&mut self) -> Result<Node> {
        self.report.started(Some(self.cargo.length()));
        if self.cargo.base().is_some() {
            self.report.reused(self.shared());
        }
        let node = self.send().await?;
        if node.digest == Some(self.cargo.digest()) {
            return Ok(node);
        }
        let message = format!("the server stored other content than was sent to {}", self.target);
        Err(Error::mismatch(Code::DigestMismatch, message))
    }

    /// Removes what was begun, because the content goes another way.
    pub(super) async fn give_up(self, error: Error) {
        if let Some(place) = &self.place {
            self.begun.remove(place).await;
        }
        self.report.retried(&self.client.tries().at_once(error), self.shared() + self.told);
    }

    async fn send(&mut self) -> Result<Node> {
        let (mut tries, mut failed) = (self.client.tries(), None);
        loop {
            self.control.pass().await?;
            let error = match self.attempt(failed, &mut tries).await {
                Ok(node) => return Ok(node),
                Err(error) => error,
            };
            if self.creation.locks.leave_out(&error) {
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

    async fn attempt(&mut self, failed: Option<Retried>, tries: &mut Tries<'_>) -> Result<Node> {
        match failed {
            Some(failed) => self.catch_up(&failed, tries).await?,
            // Instructions are for an upload that is there.
            None if self.cargo.base().is_some() => drop(self.find().await?),
            None => {}
        }
        if !self.is_written
            && let Some(node) = self.transmit().await?
        {
            return Ok(node);
        }
        let shown = match &self.place {
            Some(place) => self.tus().show(place).await?.node,
            None => None,
        };
        shown.ok_or_else(|| Error::unreadable("the upload is whole and no file", 200))
    }

    /// Sends what the server does not have, under its beginning where it was not begun; returns the file where the answer
    /// tells of it.
    async fn transmit(&mut self) -> Result<Option<Node>> {
        let (from, length) = (self.durable, self.cargo.length());
        let sending = Sending::new(self.report.clone());
        let guard = Guard(Arc::clone(&sending));
        // First, so that no thread is kept that only waits.
        let slot = self.client.slots().acquire().await;
        // What is composed at the server says nothing of the line.
        let watched = self.cargo.base().is_none().then(|| self.client.line().watch(&sending));
        // Where all is there the file may be written as well, and the base gone: then this asks for nothing but that.
        let (base, body) = if from == length {
            (None, Body::Empty)
        } else {
            let cargo = Arc::clone(&self.cargo);
            let chunks = self.control.hold(read_ahead(move |reading| cargo.read(from, reading)));
            let body = Body::Chunks(chunks, Some(self.cargo.bytes(from)), Arc::clone(&sending));
            (self.cargo.base(), body)
        };
        let sent = match &self.place {
            Some(place) => {
                let sent = self.tus().append(place, from..length, base, &self.creation.locks, body).await;
                sent.map(|()| None)
            }
            None => self.begun.begin(&self.creation, body).await.map(Some),
        };
        slot.ended(sent.as_ref().err());
        drop((guard, watched));
        self.told += sending.bytes();
        let created = match sent {
            Ok(created) => created,
            Err(error) => {
                // All of it may have come, and the file be refused.
                self.place = error.location().and_then(protocol::route).or(self.place.take());
                return Err(sending.take_failure().unwrap_or(error));
            }
        };
        self.is_written = created.as_ref().is_none_or(|created| created.offset == length);
        let node = created.and_then(|created| {
            self.place = Some(created.place);
            created.node
        });
        if self.is_written {
            return Ok(node);
        }
        Err(Error::unreadable("the server has not as many bytes as were sent", 201))
    }

    /// Finds the upload that was begun under the key, or begins it; returns how far it is.
    async fn find(&mut self) -> Result<u64> {
        let created = self.begun.begin(&self.creation, Body::Empty).await?;
        self.place = Some(created.place);
        Ok(created.offset)
    }

    /// Finds out where to go on after a failure.
    async fn catch_up(&mut self, failed: &Retried, tries: &mut Tries<'_>) -> Result<()> {
        let length = self.cargo.length();
        let found = match self.place.clone() {
            Some(place) => match self.tus().offset(&place, length, &self.creation.locks).await {
                // All is there and was refused: why is told to who sends, and not to who looks.
                Err(error) if !error.is_retryable() && !is_gone(&error) => {
                    self.tus().show(&place).await.map(|shown| shown.offset)
                }
                found => found,
            },
            None => self.find().await,
        };
        // While it is not known what the server has, nothing of what was told is known to be lost.
        let now = found.as_ref().ok().map(|offset| (*offset).min(length));
        let kept = now.map(|now| self.cargo.bytes(0).saturating_sub(self.cargo.bytes(now)));
        let discarded = kept.map_or(0, |kept| self.told.saturating_sub(kept));
        self.told -= discarded;
        self.report.retried(failed, discarded);
        if let Some(now) = now.filter(|now| *now > self.durable) {
            tries.moved();
            self.durable = now;
        }
        found.map(drop)
    }
}
