//! Bytes out: a version's content, whole or in part.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, future, stream};
use longshore_core::wire::{Node, NodeKind, Version};
use longshore_core::{Code, NodeId, VersionId, WorkspaceId, WorkspacePath};
use longshore_store::{PresignOptions, ReadOptions, Store};

use crate::actor::Actor;
use crate::blob::{Blob, ComposedId, Piece};
use crate::db::nodes::{NodeRow, Place};
use crate::db::{self, Tx};
use crate::engine::{Engine, store_failed};
use crate::error::{Error, Result};
use crate::narrowing::Need;
use crate::nodes::{at_path, live_node, readable_node};
use crate::read_clock::ReadClock;
use crate::sniff::SNIFFED;
use crate::versions::no_version;
use crate::workspaces;

/// How long a URL of the store holds: a reading that has begun goes on.
const DIRECT: Duration = Duration::from_mins(5);

/// Pieces of content in order.
pub type ContentStream = BoxStream<'static, Result<Bytes>>;

/// The content of a version, ready to be read.
#[derive(Debug)]
pub struct Content {
    node: Node,
    version: Version,
    bytes: Stored,
    store: Store,
}

/// Where the bytes of a content are.
#[derive(Clone, Debug)]
pub(crate) enum Stored {
    Inline(Bytes),
    Blob(Piece),
    Pieces(ComposedId, Arc<[Piece]>),
}

impl Content {
    /// Returns the file.
    #[must_use]
    pub const fn node(&self) -> &Node {
        &self.node
    }

    /// Returns the version whose content this is; not always the file's current one.
    #[must_use]
    pub const fn version(&self) -> &Version {
        &self.version
    }

    /// Returns the whole content where it lies in the database: no reading is left to do.
    #[must_use]
    pub fn inline(&self) -> Option<Bytes> {
        match &self.bytes {
            Stored::Inline(content) => Some(content.clone()),
            Stored::Blob(_) | Stored::Pieces(..) => None,
        }
    }

    /// Reads the first bytes, as many as [`sniff`](crate::sniff) needs.
    pub async fn first_bytes(&self) -> Result<Bytes> {
        let wanted = self.version.size.min(SNIFFED as u64);
        if wanted == 0 {
            return Ok(Bytes::new());
        }
        let pieces = self.read(0..wanted).await?;
        let found = BytesMut::with_capacity(SNIFFED);
        let found = pieces.try_fold(found, |mut found, piece| {
            found.extend_from_slice(&piece);
            future::ready(Ok(found))
        });
        Ok(found.await?.freeze())
    }

    /// Returns a URL at which the store itself gives the content for five minutes, with these headers; nothing where the
    /// content is no blob of its own, or the store gives no URLs. Whoever has the URL can read.
    pub async fn direct_url(&self, media_type: String, disposition: String) -> Option<String> {
        let Stored::Blob(piece) = &self.bytes else { return None };
        if !piece.is_whole() {
            return None;
        }
        let options = PresignOptions {
            expires_in: DIRECT,
            media_type: Some(media_type),
            disposition: Some(disposition),
        };
        match self.store.presign_read(&piece.blob.path(), &options).await {
            Ok(url) => url.map(|url| url.expose().to_owned()),
            Err(error) => {
                // The bytes can be read all the same, or that says what is wrong.
                tracing::debug!(%error, "the store signed no URL");
                None
            }
        }
    }

    /// Reads the bytes of `range`, which lies inside the content.
    pub async fn read(&self, range: Range<u64>) -> Result<ContentStream> {
        match &self.bytes {
            Stored::Inline(content) => {
                let part = usize::try_from(range.start)
                    .ok()
                    .zip(usize::try_from(range.end).ok())
                    .filter(|(start, end)| start <= end && *end <= content.len())
                    .map(|(start, end)| content.slice(start..end))
                    .ok_or_else(|| {
                        Error::new(Code::RangeNotSatisfiable, "the range lies outside the content")
                    })?;
                Ok(stream::once(async { Ok(part) }).boxed())
            }
            Stored::Blob(piece) => read_piece(&self.store, *piece, range).await,
            Stored::Pieces(id, pieces) => {
                let size: u64 = pieces.iter().map(|piece| piece.length).sum();
                if size != self.version.size {
                    return Err(Error::corrupt(format_args!(
                        "the pieces of {id} have {size} bytes, not {}",
                        self.version.size
                    )));
                }
                Ok(read_pieces(self.store.clone(), Arc::clone(pieces), range))
            }
        }
    }
}

/// Reads bytes of a piece, counted from its begin.
pub(crate) async fn read_piece(store: &Store, piece: Piece, range: Range<u64>) -> Result<ContentStream> {
    let Piece { blob, blob_size, start, .. } = piece;
    let range = start + range.start..start + range.end;
    let read = store.read(&blob.path(), ReadOptions::range(range)).await.map_err(store_failed)?;
    let found = read.info().size;
    if found != blob_size {
        return Err(Error::corrupt(format_args!("{blob} has {found} bytes, not {blob_size}")));
    }
    Ok(read.map_err(store_failed).boxed())
}

/// Reads bytes of what pieces are in their order: one piece is opened when those before it are through.
pub(crate) fn read_pieces(store: Store, pieces: Arc<[Piece]>, range: Range<u64>) -> ContentStream {
    let begun = (0, 0_u64);
    stream::try_unfold(begun, move |(mut number, mut at)| {
        let (store, pieces, range) = (store.clone(), Arc::clone(&pieces), range.clone());
        async move {
            while let Some(piece) = pieces.get(number).filter(|_| at < range.end) {
                let end = at + piece.length;
                let part = range.start.max(at) - at..range.end.min(end) - at;
                (number, at) = (number + 1, end);
                if end > range.start {
                    return Ok(Some((read_piece(&store, *piece, part).await?, (number, at))));
                }
            }
            Ok::<_, Error>(None)
        }
    })
    .try_flatten()
    .boxed()
}

pub(crate) async fn content_of(
    tx: &mut Tx,
    row: NodeRow,
    place: Place,
    version: Option<VersionId>,
    mut clock: ReadClock,
) -> Result<(Node, Version, Stored)> {
    if row.kind != NodeKind::File {
        return Err(Error::new(Code::NotAFile, format!("{} is a folder", place.path)));
    }
    let version = version.or(row.version).ok_or_else(|| Error::corrupt("a file without a version"))?;
    let found = db::versions::with_blob(tx, row.id, version).await?;
    let (version, blob) = found.ok_or_else(|| no_version(version))?;
    let bytes = match blob {
        Blob::Inline(content) => Stored::Inline(content),
        Blob::Stored(blob) => {
            let (blob_size, start, length) = (version.size, 0, version.size);
            Stored::Blob(Piece { blob, blob_size, start, length })
        }
        Blob::Packed(piece) => Stored::Blob(piece),
        Blob::Composed(id) => Stored::Pieces(id, db::pieces::of(tx, id.to_string()).await?.into()),
    };
    Ok((clock.node(tx, row, place).await?, version, bytes))
}

impl Engine {
    pub(crate) fn content((node, version, bytes): (Node, Version, Stored), store: &Store) -> Content {
        Content { node, version, bytes, store: store.clone() }
    }

    /// Opens the content of a file: of a stated version, or the current one.
    pub async fn open_content(
        &self,
        actor: &Actor,
        file: NodeId,
        version: Option<VersionId>,
    ) -> Result<Content> {
        let (actor, clock) = (actor.clone(), self.read_clock());
        let found = self
            .db()
            .read(move |tx| {
                let (actor, clock) = (actor.clone(), clock.clone());
                Box::pin(async move {
                    let (row, place) = live_node(tx, &actor, file).await?;
                    actor.needs(row.workspace, Need::READ)?;
                    content_of(tx, row, place, version, clock).await
                })
            })
            .await?;
        Ok(Self::content(found, self.store()))
    }

    /// Opens the current content of the file at a path.
    pub async fn open_content_at(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        path: WorkspacePath,
    ) -> Result<Content> {
        actor.needs(workspace, Need::READ)?;
        let (actor, clock) = (actor.clone(), self.read_clock());
        let found = self
            .db()
            .read(move |tx| {
                let (actor, path, clock) = (actor.clone(), path.clone(), clock.clone());
                Box::pin(async move {
                    let known = db::workspaces::get(tx, workspace).await?;
                    let root = known.ok_or_else(|| workspaces::not_found(workspace))?.root_id;
                    let (row, place) = at_path(tx, &actor, root, path).await?;
                    content_of(tx, row, place, None, clock).await
                })
            })
            .await?;
        Ok(Self::content(found, self.store()))
    }

    /// Returns one version of a file.
    pub async fn version(&self, actor: &Actor, file: NodeId, version: VersionId) -> Result<Version> {
        let actor = actor.clone();
        self.db()
            .read(move |tx| {
                let actor = actor.clone();
                Box::pin(async move {
                    readable_node(tx, &actor, file).await?;
                    db::versions::get(tx, file, version).await?.ok_or_else(|| no_version(version))
                })
            })
            .await
    }
}
