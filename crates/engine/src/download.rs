//! Bytes out: a version's content, whole or in part.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use longshore_core::wire::{Node, NodeKind, Version};
use longshore_core::{Code, NodeId, VersionId, WorkspaceId, WorkspacePath};
use longshore_store::{PresignOptions, ReadOptions, Store};

use crate::actor::Actor;
use crate::blob::Blob;
use crate::db::nodes::{NodeRow, Place};
use crate::db::{self, Tx};
use crate::engine::{Engine, store_failed};
use crate::error::{Error, Result};
use crate::nodes::{follow, live_node, visible_node};
use crate::read_clock::ReadClock;
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
    blob: Blob,
    store: Store,
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
        match &self.blob {
            Blob::Inline(content) => Some(content.clone()),
            Blob::Stored(_) => None,
        }
    }

    /// Returns a URL at which the store itself gives the content for five minutes, with these headers; nothing where the
    /// content is no blob of its own, or the store gives no URLs. Whoever has the URL can read.
    pub async fn direct_url(&self, disposition: String) -> Option<String> {
        let Blob::Stored(id) = &self.blob else { return None };
        let options = PresignOptions {
            expires_in: DIRECT,
            media_type: Some(self.version.media_type.clone()),
            disposition: Some(disposition),
        };
        match self.store.presign_read(&id.path(), &options).await {
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
        match &self.blob {
            Blob::Inline(content) => {
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
            Blob::Stored(id) => {
                let read =
                    self.store.read(&id.path(), ReadOptions::range(range)).await.map_err(store_failed)?;
                if read.info().size != self.version.size {
                    let found = read.info().size;
                    return Err(Error::corrupt(format_args!(
                        "{id} has {found} bytes, not {}",
                        self.version.size
                    )));
                }
                Ok(read.map_err(store_failed).boxed())
            }
        }
    }
}

pub(crate) async fn content_of(
    tx: &mut Tx,
    row: NodeRow,
    place: Place,
    version: Option<VersionId>,
    mut clock: ReadClock,
) -> Result<(Node, Version, Blob)> {
    if row.kind != NodeKind::File {
        return Err(Error::new(Code::NotAFile, format!("{} is a folder", place.path)));
    }
    let version = version.or(row.version).ok_or_else(|| Error::corrupt("a file without a version"))?;
    let found = db::versions::with_blob(tx, row.id, version).await?;
    let (version, blob) = found.ok_or_else(|| no_version(version))?;
    Ok((clock.node(tx, row, place).await?, version, blob))
}

impl Engine {
    pub(crate) fn content((node, version, blob): (Node, Version, Blob), store: &Store) -> Content {
        Content { node, version, blob, store: store.clone() }
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
        if !actor.reaches(workspace) {
            return Err(workspaces::not_found(workspace));
        }
        let clock = self.read_clock();
        let found = self
            .db()
            .read(move |tx| {
                let (path, clock) = (path.clone(), clock.clone());
                Box::pin(async move {
                    let known = db::workspaces::get(tx, workspace).await?;
                    let root = known.ok_or_else(|| workspaces::not_found(workspace))?.root_id;
                    let row = follow(tx, root, &path).await?;
                    let row =
                        row.ok_or_else(|| Error::new(Code::NodeNotFound, format!("nothing at {path}")))?;
                    content_of(tx, row, Place { path, ..Place::default() }, None, clock).await
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
                    visible_node(tx, &actor, file).await?;
                    db::versions::get(tx, file, version).await?.ok_or_else(|| no_version(version))
                })
            })
            .await
    }
}
