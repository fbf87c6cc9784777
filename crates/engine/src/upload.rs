//! Bytes in: content is hashed while it streams, durable before its row, visible only with its commit.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use longshore_core::wire::{Metadata, Node, NodeKind, OnConflict, SHORTEST_LEASE};
use longshore_core::{Algorithm, Code, Digest, NodeId};
use longshore_store::Writer;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::act::{Premises, Scope};
use crate::actor::{Actor, Right};
use crate::blob::{Blob, BlobId};
use crate::db::Tx;
use crate::db::nodes::{NodeRow, Place};
use crate::engine::{Engine, store_failed};
use crate::error::{Error, Result};
use crate::narrowing::Need;
use crate::nodes::{Target, live_node};
use crate::sniff::{self, SNIFFED};

mod ahead;
mod commit;

use ahead::Measure;
pub(crate) use commit::{came_for_nothing, commit};

/// From how many announced bytes on it pays to look at the target before the content is taken.
const EARLY_CHECK: u64 = 256 * 1_024;

/// What is said about content before it comes.
#[derive(Clone, Debug, Default)]
pub struct UploadOptions {
    /// How many bytes will come, where that is known.
    pub length: Option<u64>,
    /// The media type the writer states.
    pub media_type: Option<String>,
    /// Digests the content must have.
    pub digests: Vec<Digest>,
    /// What to do where the name is taken by a file.
    pub on_conflict: OnConflict,
    /// The metadata that the file gets in place of what it has.
    pub metadata: Option<Metadata>,
    /// What the writer brings besides the content.
    pub premises: Premises,
}

/// What an upload made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Written {
    /// The file as it is now.
    pub node: Node,
    /// Whether the file is new, and not only its version.
    pub created: bool,
}

/// Content on its way in. Dropping it leaves nothing behind.
#[derive(Debug)]
pub struct Upload {
    engine: Engine,
    input: Input,
    hash: blake3::Hasher,
    sha256: Option<Sha256>,
    size: u64,
    head: BytesMut,
    body: Body,
    heartbeat: Heartbeat,
    /// Nothing for what is too small to be stopped on the way.
    measure: Measure,
}

/// When the locks of an upload are to be renewed next: bytes that come in are a heartbeat.
#[derive(Clone, Debug)]
pub(crate) struct Heartbeat {
    every: Duration,
    last: Instant,
}

impl Heartbeat {
    /// A third of a lease in seconds.
    pub(crate) fn of(lease: u32) -> Self {
        Self { every: Duration::from_secs(u64::from(lease)) / 3, last: Instant::now() }
    }

    pub(crate) fn is_due(&self) -> bool {
        self.last.elapsed() >= self.every
    }
}

#[derive(Debug)]
enum Body {
    Inline(BytesMut),
    Stored(BlobId, Box<Writer>),
}

/// What the committing transaction needs; it may run more than once.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) actor: Actor,
    pub(crate) target: Target,
    pub(crate) options: UploadOptions,
}

impl Input {
    pub(crate) const fn scope(&self) -> Scope {
        match &self.target {
            Target::Path { workspace, .. } => Scope::Workspace(*workspace),
            Target::Child { parent: id, .. } | Target::Node(id) => Scope::Node(*id),
        }
    }

    /// Takes the premises out for the commit of this content, by which an idempotency key knows the request again.
    pub(crate) fn take_premises(&mut self, received: &Received) -> Premises {
        let mut premises = std::mem::take(&mut self.options.premises);
        if let Some(idempotency) = &mut premises.idempotency {
            idempotency.mix(received.digest.to_string().as_bytes());
        }
        premises
    }
}

/// Content that has come whole, before it has a node.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) blob: Blob,
    pub(crate) size: u64,
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) sha256: Option<Digest>,
}

/// Refuses content that has not the digests that are wanted of it.
pub(crate) fn check_digests(wanted: &[Digest], digest: Digest, sha256: Option<Digest>) -> Result<()> {
    for wanted in wanted {
        if *wanted != digest && Some(*wanted) != sha256 {
            let found =
                if wanted.algorithm() == Algorithm::Sha256 { sha256.unwrap_or(digest) } else { digest };
            let detail = format!("the content has {found}, not {wanted}");
            return Err(Error::new(Code::DigestMismatch, detail));
        }
    }
    Ok(())
}

/// Tells whether any of the digests that are wanted needs SHA-256.
pub(crate) fn wants_sha256(wanted: &[Digest]) -> bool {
    wanted.iter().any(|digest| digest.algorithm() == Algorithm::Sha256)
}

impl Engine {
    /// Begins an upload. Large ones are refused here where they could not be committed anyway.
    pub async fn begin_upload(
        &self,
        actor: &Actor,
        target: Target,
        options: UploadOptions,
    ) -> Result<Upload> {
        let input = Input { actor: actor.clone(), target, options };
        self.check_place(&input)?;
        let may_nowhere = input.actor.may(Right::Somewhere(Need::UPLOAD)).is_err();
        let mut measure = Measure::Nothing;
        if may_nowhere || input.options.length.is_none_or(|length| length >= EARLY_CHECK) {
            measure = self.check_ahead(&input, 0).await?;
        }
        let wants_sha256 = wants_sha256(&input.options.digests);
        Ok(Upload {
            engine: self.clone(),
            input,
            hash: blake3::Hasher::new(),
            sha256: wants_sha256.then(Sha256::new),
            size: 0,
            head: BytesMut::new(),
            body: Body::Inline(BytesMut::new()),
            heartbeat: Heartbeat::of(SHORTEST_LEASE),
            measure,
        })
    }

    /// Refuses what no state of the workspace would let in.
    pub(crate) fn check_place(&self, input: &Input) -> Result<()> {
        if let Target::Path { workspace, path } = &input.target {
            input.actor.needs(*workspace, Need::UPLOAD)?;
            if path.is_root() {
                return Err(Error::new(Code::NotAFile, "the root is a folder"));
            }
        }
        self.check_size(input.options.length.unwrap_or(0))
    }

    pub(crate) fn check_size(&self, size: u64) -> Result<()> {
        match self.settings().largest_file {
            Some(limit) if size > limit => {
                Err(Error::new(Code::BodyTooLarge, format!("a file has at most {limit} bytes here")))
            }
            _ => Ok(()),
        }
    }
}

impl Upload {
    /// Takes the next bytes of the content.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.size += bytes.len() as u64;
        self.engine.check_size(self.size)?;
        if self.input.options.length.is_some_and(|length| self.size > length) {
            return Err(self.wrong_length());
        }
        self.measure.check(&self.engine, self.size).await?;
        self.renew_locks().await?;
        self.hash.update(&bytes);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(&bytes);
        }
        let room = SNIFFED.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        match &mut self.body {
            Body::Stored(_, writer) => writer.write(bytes).await.map_err(store_failed),
            Body::Inline(content) if self.size <= self.engine.settings().inline_limit as u64 => {
                content.extend_from_slice(&bytes);
                Ok(())
            }
            Body::Inline(content) => {
                let id = BlobId::new(self.engine.now());
                let begun = content.split().freeze();
                let mut writer = self.engine.open_blob(id).await?;
                if !begun.is_empty() {
                    writer.write(begun).await.map_err(store_failed)?;
                }
                writer.write(bytes).await.map_err(store_failed)?;
                self.body = Body::Stored(id, Box::new(writer));
                Ok(())
            }
        }
    }

    /// Renews the locks that the upload names, once a third of the shortest of their leases is over.
    async fn renew_locks(&mut self) -> Result<()> {
        let locks = &self.input.options.premises.locks;
        if locks.is_empty() || !self.heartbeat.is_due() {
            return Ok(());
        }
        let lease = self.engine.renew_by_traffic(&self.input.actor, locks).await?;
        self.heartbeat = Heartbeat::of(lease);
        Ok(())
    }

    /// Ends the content: verifies it, makes it durable, and commits it as a version.
    pub async fn finish(self) -> Result<Written> {
        if self.input.options.length.is_some_and(|length| self.size != length) {
            return Err(self.wrong_length());
        }
        let digest = Digest::new(Algorithm::Blake3, *self.hash.finalize().as_bytes());
        let sha256 = self.sha256.map(|hash| Digest::new(Algorithm::Sha256, hash.finalize().into()));
        check_digests(&self.input.options.digests, digest, sha256)?;
        let blob = match self.body {
            Body::Inline(content) => Blob::Inline(content.freeze()),
            Body::Stored(id, writer) => {
                writer.finish().await.map_err(store_failed)?;
                Blob::Stored(id)
            }
        };
        let media_type = media_type(&self.head, &self.input.target);
        let received = Received { blob, size: self.size, media_type, digest, sha256 };
        self.engine.commit_upload(self.input, received).await
    }

    fn wrong_length(&self) -> Error {
        let announced = self.input.options.length.unwrap_or_default();
        let detail = format!("{announced} bytes were announced, {} came", self.size);
        Error::new(Code::LengthMismatch, detail)
    }
}

/// Finds the media type of what is to stand at `target`.
pub(crate) fn media_type(head: &[u8], target: &Target) -> String {
    let name = match target {
        Target::Path { path, .. } => path.names().last(),
        Target::Child { name, .. } => Some(name),
        Target::Node(_) => None,
    };
    sniff::media_type(head, name)
}

pub(crate) async fn live_file(tx: &mut Tx, actor: &Actor, id: NodeId) -> Result<(NodeRow, Place)> {
    let (row, place) = live_node(tx, actor, id).await?;
    if row.kind != NodeKind::File {
        return Err(Error::new(Code::NotAFile, format!("{} is a folder", place.path)));
    }
    Ok((row, place))
}

impl Engine {
    pub(crate) async fn open_blob(&self, id: BlobId) -> Result<Writer> {
        let options = longshore_store::WriteOptions::default();
        self.store().open_write(&id.path(), options).await.map_err(store_failed)
    }
}
