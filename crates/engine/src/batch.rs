//! Many small files at once: written in few commits, read with few lookups.
//!
//! A group of items is made ready (hashed, and durable in the store where it is not to lie in the database) and then
//! committed as one transaction, in which each item is an act of its own: one that is refused hurts no other.

use std::collections::HashMap;

use bytes::Bytes;
use longshore_core::wire::{BATCH_ITEM_BYTES, SHORTEST_LEASE, Workspace};
use longshore_core::{
    Algorithm, Code, Digest, ErrorKind, LockToken, NodeId, VersionId, WorkspaceId, WorkspacePath,
};
use sha2::{Digest as _, Sha256};

use crate::act::{GroupAsk, Member, Premises};
use crate::actor::Actor;
use crate::blob::{Blob, BlobId, Piece};
use crate::db;
use crate::db::nodes::{NodeRow, Place};
use crate::download::{Content, content_of};
use crate::engine::{Engine, store_failed};
use crate::error::{Error, Result};
use crate::narrowing::Need;
use crate::nodes::{Target, at_path, live_node};
use crate::quota::{More, Tally};
use crate::sniff::SNIFFED;
use crate::upload::{
    Heartbeat, Input, Received, UploadOptions, Written, came_for_nothing, check_digests, commit, media_type,
    wants_sha256,
};
use crate::workspaces;

/// A file that is written with others.
#[derive(Clone, Debug)]
pub struct BatchWrite {
    /// Where it goes; folders above it are made.
    pub path: WorkspacePath,
    /// All of its content: at most 1 MiB. It is kept until it is committed, with whatever larger buffer it is a part of.
    pub content: Bytes,
    /// What is said about it. Its length is that of the content; its locks are those of the batch.
    pub options: UploadOptions,
}

/// Who writes many files to one workspace, and under which locks.
#[derive(Clone, Debug)]
pub struct Batch {
    engine: Engine,
    ask: GroupAsk,
    heartbeat: Heartbeat,
    /// What the workspace kept when the batch began.
    tally: Option<Tally>,
}

/// Items whose content is durable or small, and those that are refused already, in their order.
#[derive(Debug)]
pub struct BatchReady(Vec<Result<(Input, Received)>>);

impl Engine {
    /// Begins to write many files. The locks hold for all of them: once one is lost nothing more is written, but none
    /// is named in vain.
    pub fn begin_batch(&self, actor: &Actor, workspace: WorkspaceId, locks: Vec<LockToken>) -> Result<Batch> {
        actor.needs(workspace, Need::UPLOAD)?;
        let ask = GroupAsk { actor: actor.clone(), workspace, locks };
        Ok(Batch { engine: self.clone(), ask, heartbeat: Heartbeat::of(SHORTEST_LEASE), tally: None })
    }
}

impl Batch {
    /// Refuses content that is too large for a batch, before it has come.
    pub fn check_size(&self, size: u64) -> Result<()> {
        if size > BATCH_ITEM_BYTES {
            let detail =
                format!("an item of a batch has at most {BATCH_ITEM_BYTES} bytes: send the file by itself");
            return Err(Error::new(Code::BodyTooLarge, detail));
        }
        self.engine.check_size(size)
    }

    /// Has the quota of the workspace, as it is now, be looked at by [`Self::check_room`].
    pub fn measure(&mut self, workspace: &Workspace) {
        self.tally = Some(Tally { quota: workspace.quota, usage: workspace.usage });
    }

    /// Refuses content that the workspace had no room for when the batch began, before it has come. Only the commit decides,
    /// and it alone knows a repeat, whose bytes are counted.
    pub fn check_room(&self, size: u64) -> Result<()> {
        self.tally.map_or(Ok(()), |tally| tally.ensure_room(More::version(size, false)))
    }

    /// Renews the locks once it is time: bytes that come in are a heartbeat. That one is lost is told by the commit.
    pub async fn renew_locks(&mut self) {
        if self.ask.locks.is_empty() || !self.heartbeat.is_due() {
            return;
        }
        let renewed = self.engine.renew_by_traffic(&self.ask.actor, &self.ask.locks).await;
        self.heartbeat = Heartbeat::of(renewed.unwrap_or(SHORTEST_LEASE));
    }

    /// Verifies content and makes durable what is not to lie in the database: all of that as one blob, for a file and its
    /// flushes cost more than the bytes of a small content do.
    pub async fn prepare(&self, items: Vec<BatchWrite>) -> BatchReady {
        let (mut ready, mut rest) = (Vec::with_capacity(items.len()), Vec::new());
        for (place, item) in items.into_iter().enumerate() {
            let received = self.receive(item);
            if let Ok((_, Received { blob: Blob::Inline(content), .. })) = &received
                && content.len() > self.engine.settings().inline_limit
            {
                rest.push((place, content.clone()));
            }
            ready.push(received);
        }
        if rest.is_empty() {
            return BatchReady(ready);
        }
        let blob = BlobId::new(self.engine.now());
        let written = self.write_blob(blob, rest.iter().map(|(_, content)| content.clone())).await;
        let blob_size = rest.iter().map(|(_, content)| content.len() as u64).sum();
        let mut start = 0;
        for (place, content) in rest {
            let length = content.len() as u64;
            let piece = Piece { blob, blob_size, start, length };
            start += length;
            match (&mut ready[place], &written) {
                (item, Err(error)) => *item = Err(error.clone()),
                (Ok((_, received)), Ok(())) if piece.is_whole() => received.blob = Blob::Stored(blob),
                (Ok((_, received)), Ok(())) => received.blob = Blob::Packed(piece),
                (Err(_), Ok(())) => {}
            }
        }
        BatchReady(ready)
    }

    /// Hashes and verifies an item, which lies in memory until then.
    fn receive(&self, item: BatchWrite) -> Result<(Input, Received)> {
        let BatchWrite { path, content, options } = item;
        let size = content.len() as u64;
        self.check_size(size)?;
        let target = Target::Path { workspace: self.ask.workspace, path };
        let digest = Digest::new(Algorithm::Blake3, *blake3::hash(&content).as_bytes());
        let sha256 = wants_sha256(&options.digests)
            .then(|| Digest::new(Algorithm::Sha256, Sha256::digest(&content).into()));
        check_digests(&options.digests, digest, sha256)?;
        let media_type = media_type(&content[..content.len().min(SNIFFED)], &target);
        let input = Input { actor: self.ask.actor.clone(), target, options };
        Ok((input, Received { blob: Blob::Inline(content), size, media_type, digest, sha256 }))
    }

    async fn write_blob(&self, id: BlobId, contents: impl Iterator<Item = Bytes>) -> Result<()> {
        let mut writer = self.engine.open_blob(id).await?;
        for content in contents {
            writer.write(content).await.map_err(store_failed)?;
        }
        writer.finish().await.map_err(store_failed)?;
        Ok(())
    }

    /// Commits what is ready, in order, and tells what became of each item; also whether that was told before.
    pub async fn commit(&self, ready: BatchReady) -> Vec<Result<(Written, bool)>> {
        let mut outcomes: Vec<_> = Vec::with_capacity(ready.0.len());
        let (mut places, mut members, mut blobs) = (Vec::new(), Vec::new(), Vec::new());
        for (place, item) in ready.0.into_iter().enumerate() {
            match item {
                Ok((input, received)) => {
                    places.push(place);
                    blobs.push(received.blob.lies_in());
                    members.push(member(input, received));
                    outcomes.push(None);
                }
                Err(refused) => outcomes.push(Some(Err(refused))),
            }
        }
        let committed = self.commit_members(members).await;
        // A blob that several share is of use to all as long as it is to one.
        let mut useless = HashMap::new();
        for ((place, blob), outcome) in places.into_iter().zip(blobs).zip(committed) {
            if let Some(blob) = blob {
                *useless.entry(blob).or_insert(true) &= came_for_nothing(&outcome);
            }
            outcomes[place] = Some(outcome);
        }
        for (blob, _) in useless.into_iter().filter(|(_, is_useless)| *is_useless) {
            self.engine.discard(blob).await;
        }
        let lost = || Err(Error::new(Code::Internal, "an item of a batch has no outcome"));
        outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(lost)).collect()
    }

    async fn commit_members(&self, members: Vec<Member<(Input, Received)>>) -> Vec<Result<(Written, bool)>> {
        let count = members.len();
        if count == 0 {
            return Vec::new();
        }
        let error = match self.commit_group(members.clone()).await {
            Ok(outcomes) => return outcomes,
            Err(error) => error,
        };
        // A fault may be that of one item alone, and nothing was committed: each is tried by itself.
        if error.code() != Code::Internal || count == 1 {
            return std::iter::repeat_n(Err(error), count).collect();
        }
        let mut outcomes = Vec::with_capacity(count);
        for member in members {
            let alone = self.commit_group(vec![member]).await;
            outcomes.push(alone.and_then(|mut outcomes| outcomes.pop().unwrap_or(Err(error.clone()))));
        }
        outcomes
    }

    async fn commit_group(
        &self,
        members: Vec<Member<(Input, Received)>>,
    ) -> Result<Vec<Result<(Written, bool)>>> {
        let run = self.engine.act_group(self.ask.clone(), members, |act, (input, received)| {
            Box::pin(commit(act, input, received))
        });
        run.await
    }
}

fn member(mut input: Input, received: Received) -> Member<(Input, Received)> {
    let Premises { preconditions, idempotency, .. } = input.take_premises(&received);
    Member { preconditions, idempotency, input: (input, received) }
}

/// Which file is read: of a workspace, by its path or by its id.
#[derive(Clone, Debug)]
pub enum Pick {
    /// The file at a path.
    Path(WorkspacePath, Option<VersionId>),
    /// A file by its id, of a stated version or the current one.
    Node(NodeId, Option<VersionId>),
}

impl Engine {
    /// Refuses who will read nothing of a workspace, for who asks for many files and is answered file by file.
    pub fn ensure_may_read(&self, actor: &Actor, workspace: WorkspaceId) -> Result<()> {
        actor.needs(workspace, Need::READ)
    }

    /// Opens the contents of many files as one moment has them. Each has an outcome of its own.
    pub async fn open_contents(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        picks: Vec<Pick>,
    ) -> Result<Vec<Result<Content>>> {
        actor.needs(workspace, Need::READ)?;
        let (actor, clock, now) = (actor.clone(), self.read_clock(), self.now());
        let found = self
            .db()
            .read(move |tx| {
                let (actor, clock, picks) = (actor.clone(), clock.clone(), picks.clone());
                Box::pin(async move {
                    // An answer of many lookups goes on for as long as its reader takes.
                    let actor = db::access::reader_now(tx, &actor, workspace, now).await?;
                    let known = db::workspaces::get(tx, workspace).await?;
                    let root = known.ok_or_else(|| workspaces::not_found(workspace))?.root_id;
                    let mut found = Vec::with_capacity(picks.len());
                    for pick in picks {
                        let (row, version) = match pick {
                            Pick::Path(path, version) => (at_path(tx, &actor, root, path).await, version),
                            Pick::Node(id, version) => {
                                (in_workspace(tx, &actor, workspace, id).await, version)
                            }
                        };
                        let content = match row {
                            Ok((row, place)) => content_of(tx, row, place, version, clock.clone()).await,
                            Err(error) => Err(error),
                        };
                        match content {
                            Err(fault) if fault.kind() == ErrorKind::Unavailable => return Err(fault),
                            content => found.push(content),
                        }
                    }
                    Ok(found)
                })
            })
            .await?;
        Ok(found.into_iter().map(|found| found.map(|found| Self::content(found, self.store()))).collect())
    }
}

async fn in_workspace(
    tx: &mut db::Tx,
    actor: &Actor,
    workspace: WorkspaceId,
    id: NodeId,
) -> Result<(NodeRow, Place)> {
    let (row, place) = live_node(tx, actor, id).await?;
    if row.workspace != workspace {
        return Err(Error::new(Code::NodeNotFound, format!("no file {id} in this workspace")));
    }
    Ok((row, place))
}
