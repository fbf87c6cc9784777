//! Folders and files.

use std::fmt::{self, Display};

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use http::{HeaderValue, Method};
use longshore_core::wire::{
    CopyNode, CreateChild, CreateFolder, Node, NodeKind, RestoreNode, UpdateNode, Version,
};
use longshore_core::{Name, NodeId, VersionId, WorkspaceId, WorkspacePath};

use super::listing::Listing;
use crate::client::{Call, Client};
use crate::error::Result;
use crate::transfer::destination::{Destination, DownloadItem};
use crate::transfer::download::{self, Download, DownloadOptions, Downloaded};
use crate::transfer::many::{self, DownloadOutcome, ManyOptions, Outcomes, UploadOutcome};
use crate::transfer::progress::Report;
use crate::transfer::source::{Source, Target, UploadItem};
use crate::transfer::upload::{self, UploadOptions};

/// A path in a workspace: the named one, or the key's current one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The workspace; nothing for the key's current one.
    pub workspace: Option<WorkspaceId>,
    /// The path.
    pub path: WorkspacePath,
}

impl From<WorkspacePath> for Place {
    fn from(path: WorkspacePath) -> Self {
        Self { workspace: None, path }
    }
}

impl From<(WorkspaceId, WorkspacePath)> for Place {
    fn from((workspace, path): (WorkspaceId, WorkspacePath)) -> Self {
        Self { workspace: Some(workspace), path }
    }
}

impl From<(Option<WorkspaceId>, WorkspacePath)> for Place {
    fn from((workspace, path): (Option<WorkspaceId>, WorkspacePath)) -> Self {
        Self { workspace, path }
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.path, f)
    }
}

/// A folder by its id, or a workspace's root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Folder {
    /// The root folder of this workspace, or of the key's current one.
    Root(Option<WorkspaceId>),
    /// The folder with this id.
    Id(NodeId),
}

impl From<NodeId> for Folder {
    fn from(id: NodeId) -> Self {
        Self::Id(id)
    }
}

impl Folder {
    /// Returns the folder's id, where it is known.
    pub(crate) const fn id(self) -> Option<NodeId> {
        match self {
            Self::Root(_) => None,
            Self::Id(id) => Some(id),
        }
    }

    /// Returns the folder's part of a route, and the query that goes with it.
    pub(crate) fn route(self) -> (String, String) {
        match self {
            Self::Root(None) => ("root".to_owned(), String::new()),
            Self::Root(Some(workspace)) => ("root".to_owned(), format!("workspace={workspace}")),
            Self::Id(id) => (id.to_string(), String::new()),
        }
    }
}

/// How deep a listing goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// The folder's own children alone.
    #[default]
    Children,
    /// This many levels, of which the children are the first.
    Levels(u32),
    /// Everything below.
    All,
}

impl Display for Depth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Children => f.write_str("1"),
            Self::Levels(levels) => Display::fmt(levels, f),
            Self::All => f.write_str("all"),
        }
    }
}

/// What must be there for a write to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// The file, whatever its version.
    Exists,
    /// This version of the file.
    Version(VersionId),
}

impl From<VersionId> for IfMatch {
    fn from(version: VersionId) -> Self {
        Self::Version(version)
    }
}

impl IfMatch {
    pub(crate) fn header(self) -> HeaderValue {
        match self {
            Self::Exists => HeaderValue::from_static("*"),
            Self::Version(version) => etag(version),
        }
    }
}

/// Returns a version as an entity tag.
pub(crate) fn etag(version: VersionId) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// Content to download: a file's current one, a version's, or that of whatever stands at a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// The file's current content.
    File(NodeId),
    /// The content of this version of the file.
    Version(NodeId, VersionId),
    /// The current content of the file at this place.
    Place(Place),
}

impl From<NodeId> for Content {
    fn from(id: NodeId) -> Self {
        Self::File(id)
    }
}

impl From<&Node> for Content {
    fn from(node: &Node) -> Self {
        Self::File(node.id)
    }
}

impl From<&Version> for Content {
    fn from(version: &Version) -> Self {
        Self::Version(version.node_id, version.id)
    }
}

impl From<Place> for Content {
    fn from(place: Place) -> Self {
        Self::Place(place)
    }
}

impl From<WorkspacePath> for Content {
    fn from(path: WorkspacePath) -> Self {
        Self::Place(path.into())
    }
}

impl Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(id) => Display::fmt(id, f),
            Self::Version(_, version) => Display::fmt(version, f),
            Self::Place(place) => Display::fmt(place, f),
        }
    }
}

/// The verbs on folders and files.
#[derive(Clone, Debug)]
pub struct Files {
    pub(crate) client: Client,
}

impl Files {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Uploads a file's content and returns its node.
    ///
    /// The content is hashed while it is read, and the server's digest compared with it. What can be replayed
    /// (a path, bytes) is sent again after a failure, as the options' documentation tells; a stream is not.
    pub async fn upload(
        &self,
        source: impl Into<Source>,
        target: impl Into<Target>,
        options: &UploadOptions,
    ) -> Result<Node> {
        let (source, target) = (source.into(), target.into());
        let report = Report::new(options.progress.clone(), 0);
        // Whoever awaits it should not carry all the ways that a file may take.
        Box::pin(upload::upload_or_skip(&self.client, source, target, options, report)).await
    }

    /// Uploads many files at once; yields an outcome per item, as they finish.
    ///
    /// A failure is a value and does not hurt the other items. Items are taken from the iterator only as there
    /// is room, some hundreds ahead, so that a million of them cost no memory. How each goes follows from its length:
    /// small files that go by a path go many in one request, large ones in parts that survive a broken connection.
    pub fn upload_many<I>(&self, items: I, options: ManyOptions) -> Outcomes<UploadOutcome>
    where
        I: IntoIterator<Item: Into<UploadItem> + 'static>,
        I::IntoIter: Send + 'static,
    {
        self.upload_many_from(stream::iter(items), options)
    }

    /// Does what [`Files::upload_many`] does with items that come as a stream, which may take its time: what is there
    /// moves meanwhile. It is polled only as there is room.
    pub fn upload_many_from<S>(&self, items: S, options: ManyOptions) -> Outcomes<UploadOutcome>
    where
        S: Stream<Item: Into<UploadItem>> + Send + 'static,
    {
        many::upload_many(self.client.clone(), items.map(Into::into), options)
    }

    /// Downloads content into memory, verified.
    pub async fn download(&self, content: impl Into<Content>) -> Result<Bytes> {
        download::bytes(&self.client, (&content.into()).into(), &DownloadOptions::default()).await
    }

    /// Opens content for reading as a stream, which verifies itself at its end.
    pub async fn stream(&self, content: impl Into<Content>, options: &DownloadOptions) -> Result<Download> {
        download::open(&self.client, (&content.into()).into(), options, true).await
    }

    /// Downloads content into a file, which appears, or is replaced, only once it is whole and verified.
    ///
    /// Until then the bytes are in `.<name>.<mark>.part` beside it; a failure, or dropping the future,
    /// removes that, but what had come whole when it was dropped may still appear. Content of 32 MiB or more comes in
    /// parts, several at once, and what has come of it stays for the next download to the same place: see
    /// [`DownloadOptions::resume`]. A connection that breaks goes on at the byte where it broke. Folders above that are
    /// missing are made. The file is not flushed to the disk.
    pub async fn download_to(
        &self,
        content: impl Into<Content>,
        destination: impl Into<Destination>,
        options: &DownloadOptions,
    ) -> Result<Downloaded> {
        let report = Report::new(options.progress.clone(), 0);
        let (content, destination) = (content.into(), destination.into());
        download::to_file(&self.client, (&content).into(), &destination, options, report).await
    }

    /// Downloads many files at once, as [`Files::download_to`] does each; yields outcomes as they finish. Those that are
    /// known to be small come many in one request.
    pub fn download_many<I>(&self, items: I, options: ManyOptions) -> Outcomes<DownloadOutcome>
    where
        I: IntoIterator<Item: Into<DownloadItem> + 'static>,
        I::IntoIter: Send + 'static,
    {
        self.download_many_from(stream::iter(items), options)
    }

    /// Does what [`Files::download_many`] does with items that come as a stream, such as a listing.
    pub fn download_many_from<S>(&self, items: S, options: ManyOptions) -> Outcomes<DownloadOutcome>
    where
        S: Stream<Item: Into<DownloadItem>> + Send + 'static,
    {
        many::download_many(self.client.clone(), items.map(Into::into), options)
    }

    /// Returns a node by its id.
    pub async fn get(&self, node: NodeId) -> Result<Node> {
        self.client.json(Call::get(format!("/v1/files/{node}"))).await
    }

    /// Returns the node at a path.
    pub async fn by_path(&self, place: impl Into<Place>) -> Result<Node> {
        let place = place.into();
        if place.path.is_root() {
            let (id, query) = Folder::Root(place.workspace).route();
            let mark = if query.is_empty() { "" } else { "?" };
            let path = format!("/v1/files/{id}{mark}{query}");
            return self.client.json(Call::get(path)).await;
        }
        let path = file_route(&self.client, &place).await?;
        self.client.json(Call::get(path)).await
    }

    /// Lists the nodes below a folder, depth first, by name in byte order.
    pub fn list(&self, folder: impl Into<Place>, depth: Depth) -> Listing<Node> {
        let Place { workspace, path } = folder.into();
        let mark = if path.is_root() { "" } else { "/" };
        let rest = format!("tree{mark}{}?depth={depth}", path.to_url());
        Listing::new(self.client.clone(), self.client.path_in(workspace, rest))
    }

    /// Makes a folder and those above it; one that is there already is returned as it is.
    pub async fn mkdir(&self, place: impl Into<Place>) -> Result<Node> {
        let Place { workspace, path } = place.into();
        let route = self.client.path_in(workspace, "folders".to_owned()).await?;
        let call = self.client.write(Method::POST, route)?.locks(self.client.locks_on([]));
        self.client.json(call.json(&CreateFolder { path })?).await
    }

    /// Makes a folder below another; a name that is taken is an error.
    pub async fn create_folder(&self, parent: impl Into<Folder>, name: Name) -> Result<Node> {
        let parent = parent.into();
        let (id, query) = parent.route();
        let mark = if query.is_empty() { "" } else { "?" };
        let route = format!("/v1/files/{id}/children{mark}{query}");
        let locks = self.client.locks_on(parent.id());
        let call = self.client.write(Method::POST, route)?.locks(locks);
        let body = CreateChild { kind: NodeKind::Folder, name };
        self.client.json(call.json(&body)?).await
    }

    /// Renames a node, moves it, or changes its metadata or labels.
    pub async fn update(&self, node: NodeId, change: &UpdateNode, if_match: Option<IfMatch>) -> Result<Node> {
        let path = format!("/v1/files/{node}");
        let call = self
            .client
            .write(Method::PATCH, path)?
            .json(change)?
            .locks(self.client.locks_on([node].into_iter().chain(change.parent_id)))
            .if_match(if_match.map(IfMatch::header));
        self.client.json(call).await
    }

    /// Copies a file, or a folder with all below it.
    pub async fn copy(&self, node: NodeId, copy: &CopyNode, if_match: Option<IfMatch>) -> Result<Node> {
        let path = format!("/v1/files/{node}/copy");
        let call = self
            .client
            .write(Method::POST, path)?
            .json(copy)?
            .locks(self.client.locks_on(copy.parent_id))
            .if_match(if_match.map(IfMatch::header));
        self.client.json(call).await
    }

    /// Puts a node, with all below it, into the trash.
    pub async fn trash(&self, node: NodeId, if_match: Option<IfMatch>) -> Result<Node> {
        let path = format!("/v1/files/{node}");
        let call = self
            .client
            .write(Method::DELETE, path)?
            .locks(self.client.locks_on([node]))
            .if_match(if_match.map(IfMatch::header));
        self.client.json(call).await
    }

    /// Lists what was trashed, newest first.
    pub fn trashed(&self, workspace: Option<WorkspaceId>) -> Listing<Node> {
        Listing::new(self.client.clone(), self.client.path_in(workspace, "trash".to_owned()))
    }

    /// Takes a node back from the trash.
    pub async fn restore(
        &self,
        node: NodeId,
        restore: &RestoreNode,
        if_match: Option<IfMatch>,
    ) -> Result<Node> {
        let path = format!("/v1/files/{node}/restore");
        let locks = self.client.locks_on([node].into_iter().chain(restore.parent_id));
        let call = self.client.write(Method::POST, path)?.json(restore)?.locks(locks);
        self.client.json(call.if_match(if_match.map(IfMatch::header))).await
    }

    /// Lists a file's versions, newest first.
    pub fn versions(&self, file: NodeId) -> Listing<Version> {
        let path = async move { Ok(format!("/v1/files/{file}/versions")) };
        Listing::new(self.client.clone(), path)
    }

    /// Returns one version of a file.
    pub async fn version(&self, file: NodeId, version: VersionId) -> Result<Version> {
        let path = format!("/v1/files/{file}/versions/{version}");
        self.client.json(Call::get(path)).await
    }

    /// Downloads a version's content into memory, verified.
    pub async fn version_content(&self, file: NodeId, version: VersionId) -> Result<Bytes> {
        self.download(Content::Version(file, version)).await
    }

    /// Makes an old content the file's newest version.
    pub async fn restore_version(
        &self,
        file: NodeId,
        version: VersionId,
        if_match: Option<IfMatch>,
    ) -> Result<Node> {
        let path = format!("/v1/files/{file}/versions/{version}/restore");
        let call = self
            .client
            .write(Method::POST, path)?
            .locks(self.client.locks_on([file]))
            .if_match(if_match.map(IfMatch::header));
        self.client.json(call).await
    }
}

/// Returns the route of a file by its path.
pub(crate) async fn file_route(client: &Client, place: &Place) -> Result<String> {
    client.path_in(place.workspace, format!("files/{}", place.path.to_url())).await
}
