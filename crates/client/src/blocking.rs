//! The same verbs without an async runtime: each waits until it is done.
//!
//! These are the async verbs, run on a runtime of the client's own; nothing is written twice. Not for use
//! inside an async runtime, where waiting would hold up its threads: tokio panics on it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use longshore_core::wire::{
    After, Comparison, CopyNode, CreateHook, CreateLink, CreateNote, Delivery, DeliveryState, Event,
    EventPage, Hook, Job, Link, Me, NewHook, Node, Note, OpenUpload, Purged, Redeliver, RestoreNode, Status,
    UndoActs, Undone, UpdateHook, UpdateNode, UpdateQuota, UpdateWorkspace, Version, Workspace,
};
use longshore_core::{DeliveryId, HookId, JobId, LockToken, Name, NodeId, NoteId, VersionId, WorkspaceId};
use tokio::runtime::{self, Runtime};

use crate::api::events::EventFilter;
use crate::api::files::{Content, Depth, Folder, IfMatch, Place};
use crate::api::jobs::JobFilter;
use crate::api::versions::NodeQuery;
use crate::config::Builder;
use crate::error::{Error, Result};
use crate::transfer::destination::{Destination, DownloadItem};
use crate::transfer::download::{Download, DownloadOptions, Downloaded};
use crate::transfer::export::ImportOptions;
use crate::transfer::many::{DownloadOutcome, ManyOptions, UploadOutcome};
use crate::transfer::source::{Source, Target, UploadItem};
use crate::transfer::upload::UploadOptions;

/// The Longshore client for programs without an async runtime. Clones share all they have.
#[derive(Clone, Debug)]
pub struct Client {
    client: crate::Client,
    runtime: Arc<Runtime>,
}

/// Starts the runtime of a client.
fn start() -> Result<Arc<Runtime>> {
    // One thread keeps the connections alive between calls; who waits runs the rest.
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("longshore")
        .enable_all()
        .build()
        .map_err(|error| Error::unsent("cannot start a runtime", error))?;
    Ok(Arc::new(runtime))
}

/// A stream of the async client, as an iterator.
pub struct Waiting<S> {
    stream: S,
    runtime: Arc<Runtime>,
}

impl<S> Waiting<S> {
    /// Returns the stream itself, to ask what it knows.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }
}

impl<S: Stream + Unpin> Iterator for Waiting<S> {
    type Item = S::Item;

    fn next(&mut self) -> Option<S::Item> {
        self.runtime.block_on(self.stream.next())
    }
}

impl<S: fmt::Debug> fmt::Debug for Waiting<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stream.fmt(f)
    }
}

/// Writes the blocking twin of each async verb: `wait` for futures, `iterate` for streams.
macro_rules! verbs {
    ($($how:ident $name:ident($($argument:ident: $type:ty),*) -> $output:ty;)*) => {$(
        #[doc = concat!("Does what the async `", stringify!($name), "` does, and waits for it.")]
        pub fn $name(&self $(, $argument: $type)*) -> $output {
            verbs!(@$how self, self.verbs.$name($($argument),*))
        }
    )*};
    (@wait $self:ident, $future:expr) => { $self.runtime.block_on($future) };
    (@iterate $self:ident, $stream:expr) => {
        Waiting { stream: $stream, runtime: $self.runtime.clone() }
    };
}

mod audit;
mod locks;
mod people;
mod shares;
mod visitor;

pub use self::audit::Audit;
pub use self::locks::{LockGuard, Locks};
pub use self::people::{Identities, Invitations, Keys, Members, Principals, Sessions, Transfers};
pub use self::shares::Shares;
pub use self::visitor::Visitor;

/// The blocking verbs on workspaces.
#[derive(Clone, Debug)]
pub struct Workspaces {
    verbs: crate::Workspaces,
    runtime: Arc<Runtime>,
}

impl Workspaces {
    verbs! {
        wait current() -> Result<Workspace>;
        iterate list() -> Waiting<crate::Listing<Workspace>>;
        wait get(workspace: WorkspaceId) -> Result<Workspace>;
        wait create(name: Name) -> Result<Workspace>;
        wait rename(workspace: WorkspaceId, name: Name) -> Result<Workspace>;
        wait update(workspace: WorkspaceId, change: &UpdateWorkspace) -> Result<Workspace>;
        wait set_quota(workspace: WorkspaceId, change: &UpdateQuota) -> Result<Workspace>;
    }

    /// Does what the async `export` does; the iterator then waits for each chunk.
    pub fn export(&self, workspace: WorkspaceId) -> Result<Waiting<Download>> {
        let stream = self.runtime.block_on(self.verbs.export(workspace))?;
        Ok(Waiting { stream, runtime: self.runtime.clone() })
    }

    /// Does what the async `export_to` does, and waits for it.
    pub fn export_to(
        &self,
        workspace: WorkspaceId,
        destination: impl Into<Destination>,
        options: &DownloadOptions,
    ) -> Result<Downloaded> {
        self.runtime.block_on(self.verbs.export_to(workspace, destination, options))
    }

    /// Does what the async `import` does, and waits for it.
    pub fn import(
        &self,
        name: Name,
        archive: impl Into<Source>,
        options: &ImportOptions,
    ) -> Result<Workspace> {
        self.runtime.block_on(self.verbs.import(name, archive, options))
    }
}

/// The blocking verbs on webhooks.
#[derive(Clone, Debug)]
pub struct Hooks {
    verbs: crate::Hooks,
    runtime: Arc<Runtime>,
}

impl Hooks {
    /// Returns the same verbs for another workspace than the key's current one.
    #[must_use]
    pub fn of(&self, workspace: WorkspaceId) -> Self {
        Self { verbs: self.verbs.of(workspace), runtime: self.runtime.clone() }
    }

    verbs! {
        wait create(hook: &CreateHook) -> Result<NewHook>;
        iterate list() -> Waiting<crate::Listing<Hook>>;
        wait get(hook: HookId) -> Result<Hook>;
        wait update(hook: HookId, change: &UpdateHook) -> Result<Hook>;
        wait delete(hook: HookId) -> Result<()>;
        wait rotate(hook: HookId, overlap_hours: Option<u32>) -> Result<NewHook>;
        wait test(hook: HookId) -> Result<Delivery>;
        iterate deliveries(hook: HookId, state: Option<DeliveryState>) -> Waiting<crate::Listing<Delivery>>;
        wait delivery(hook: HookId, delivery: DeliveryId) -> Result<Delivery>;
        wait redeliver_one(hook: HookId, delivery: DeliveryId) -> Result<Delivery>;
        wait redeliver(hook: HookId, what: &Redeliver) -> Result<Job>;
    }
}

/// The blocking verbs on jobs.
#[derive(Clone, Debug)]
pub struct Jobs {
    verbs: crate::Jobs,
    runtime: Arc<Runtime>,
}

impl Jobs {
    verbs! {
        iterate list(filter: &JobFilter) -> Waiting<crate::Listing<Job>>;
        wait get(job: JobId) -> Result<Job>;
        wait wait(job: JobId, limit: Option<Duration>) -> Result<Job>;
        wait cancel(job: JobId) -> Result<Job>;
        wait retry(job: JobId) -> Result<Job>;
    }
}

/// The blocking verbs on notes.
#[derive(Clone, Debug)]
pub struct Notes {
    verbs: crate::Notes,
    runtime: Arc<Runtime>,
}

impl Notes {
    verbs! {
        wait create(node: NodeId, note: &CreateNote) -> Result<Note>;
        iterate list(node: NodeId) -> Waiting<crate::Listing<Note>>;
        wait update(note: NoteId, text: impl Into<String>) -> Result<Note>;
        wait delete(note: NoteId) -> Result<()>;
    }
}

/// The blocking verbs on events.
#[derive(Clone, Debug)]
pub struct Events {
    verbs: crate::Events,
    runtime: Arc<Runtime>,
}

impl Events {
    verbs! {
        iterate list(
            workspace: Option<WorkspaceId>,
            after: Option<After>,
            filter: &EventFilter
        ) -> Waiting<crate::Listing<Event>>;
        wait wait(
            workspace: Option<WorkspaceId>,
            after: Option<After>,
            filter: &EventFilter,
            at_most: Duration
        ) -> Result<EventPage>;
        iterate follow(
            workspace: Option<WorkspaceId>,
            after: Option<After>,
            filter: &EventFilter
        ) -> Waiting<crate::Following>;
    }
}

/// The blocking verbs on folders and files.
#[derive(Clone, Debug)]
pub struct Files {
    verbs: crate::Files,
    runtime: Arc<Runtime>,
}

impl Files {
    verbs! {
        wait upload(source: impl Into<Source>, target: impl Into<Target>, options: &UploadOptions) -> Result<Node>;
        wait download(content: impl Into<Content>) -> Result<Bytes>;
        wait download_to(
            content: impl Into<Content>,
            destination: impl Into<Destination>,
            options: &DownloadOptions
        ) -> Result<Downloaded>;
        wait link(file: NodeId, link: &CreateLink) -> Result<Link>;
        wait archive_to(
            workspace: Option<WorkspaceId>,
            items: Vec<String>,
            destination: impl Into<Destination>,
            options: &DownloadOptions
        ) -> Result<Downloaded>;
        wait get(node: NodeId) -> Result<Node>;
        wait by_path(place: impl Into<Place>) -> Result<Node>;
        iterate list(folder: impl Into<Place>, depth: Depth) -> Waiting<crate::Listing<Node>>;
        wait mkdir(place: impl Into<Place>) -> Result<Node>;
        wait create_folder(parent: impl Into<Folder>, name: Name) -> Result<Node>;
        wait update(node: NodeId, change: &UpdateNode, if_match: Option<IfMatch>) -> Result<Node>;
        wait copy(node: NodeId, copy: &CopyNode, if_match: Option<IfMatch>) -> Result<Node>;
        wait trash(node: NodeId, if_match: Option<IfMatch>) -> Result<Node>;
        iterate trashed(workspace: Option<WorkspaceId>) -> Waiting<crate::Listing<Node>>;
        wait restore(node: NodeId, restore: &RestoreNode, if_match: Option<IfMatch>) -> Result<Node>;
        iterate versions(file: NodeId) -> Waiting<crate::Listing<Version>>;
        wait version(file: NodeId, version: VersionId) -> Result<Version>;
        wait version_content(file: NodeId, version: VersionId) -> Result<Bytes>;
        wait label_version(
            file: NodeId,
            version: VersionId,
            label: Option<String>,
            if_match: Option<IfMatch>
        ) -> Result<Version>;
        wait compare_versions(file: NodeId, version: VersionId, with: VersionId) -> Result<Comparison>;
        wait delete_version(file: NodeId, version: VersionId, if_match: Option<IfMatch>) -> Result<()>;
        wait purge(node: NodeId, if_match: Option<IfMatch>) -> Result<Purged>;
        wait empty_trash(workspace: Option<WorkspaceId>) -> Result<Purged>;
        iterate open_uploads() -> Waiting<crate::Listing<OpenUpload>>;
        iterate find(workspace: Option<WorkspaceId>, query: &NodeQuery) -> Waiting<crate::Listing<Node>>;
        wait restore_version(file: NodeId, version: VersionId, if_match: Option<IfMatch>) -> Result<Node>;
    }

    /// Does what the async `archive` does; the zip's chunks come as an iterator.
    pub fn archive(&self, workspace: Option<WorkspaceId>, items: Vec<String>) -> Result<Waiting<Download>> {
        let stream = self.runtime.block_on(self.verbs.archive(workspace, items))?;
        let runtime = self.runtime.clone();
        Ok(Waiting { stream, runtime })
    }

    /// Does what the async `stream` does; the content's chunks come as an iterator.
    pub fn stream(
        &self,
        content: impl Into<Content>,
        options: &DownloadOptions,
    ) -> Result<Waiting<Download>> {
        let stream = self.runtime.block_on(self.verbs.stream(content, options))?;
        let runtime = self.runtime.clone();
        Ok(Waiting { stream, runtime })
    }

    /// Does what the async `upload_many` does; outcomes come as an iterator, which must be used up.
    pub fn upload_many<I>(&self, items: I, options: ManyOptions) -> Waiting<crate::Outcomes<UploadOutcome>>
    where
        I: IntoIterator<Item: Into<UploadItem> + 'static>,
        I::IntoIter: Send + 'static,
    {
        verbs!(@iterate self, self.verbs.upload_many(items, options))
    }

    /// Does what the async `download_many` does; outcomes come as an iterator, which must be used up.
    pub fn download_many<I>(
        &self,
        items: I,
        options: ManyOptions,
    ) -> Waiting<crate::Outcomes<DownloadOutcome>>
    where
        I: IntoIterator<Item: Into<DownloadItem> + 'static>,
        I::IntoIter: Send + 'static,
    {
        verbs!(@iterate self, self.verbs.download_many(items, options))
    }
}

impl Client {
    /// Makes a client of settings, with a runtime of its own.
    pub fn new(settings: Builder) -> Result<Self> {
        Ok(Self { client: settings.build()?, runtime: start()? })
    }

    /// Makes a client of the environment: `LONGSHORE_URL` and `LONGSHORE_API_KEY`.
    pub fn from_env() -> Result<Self> {
        Self::new(Builder::from_env()?)
    }

    /// Returns the key that asks.
    pub fn me(&self) -> Result<Me> {
        self.runtime.block_on(self.client.me())
    }

    /// Returns what the server says of itself.
    pub fn status(&self) -> Result<Status> {
        self.runtime.block_on(self.client.status())
    }

    /// Does what the async [`Client::undo`](crate::Client::undo) does, and waits for it.
    pub fn undo(&self, workspace: Option<WorkspaceId>, acts: &UndoActs) -> Result<Undone> {
        self.runtime.block_on(self.client.undo(workspace, acts))
    }

    /// Returns the verbs on workspaces.
    #[must_use]
    pub fn workspaces(&self) -> Workspaces {
        Workspaces { verbs: self.client.workspaces(), runtime: self.runtime.clone() }
    }

    /// Returns the verbs on handing over the key's current workspace, and on taking one over.
    #[must_use]
    pub fn transfers(&self) -> Transfers {
        Transfers { verbs: self.client.transfers(), runtime: self.runtime.clone() }
    }

    /// Returns the verbs on the members of the key's current workspace.
    #[must_use]
    pub fn members(&self) -> Members {
        Members { verbs: self.client.members(), runtime: self.runtime.clone() }
    }

    /// Returns the verbs on invitations into the key's current workspace.
    #[must_use]
    pub fn invitations(&self) -> Invitations {
        Invitations { verbs: self.client.invitations(), runtime: self.runtime.clone() }
    }

    /// Returns the verbs on share links of the key's current workspace.
    #[must_use]
    pub fn shares(&self) -> Shares {
        Shares::new(self.client.shares(), Arc::clone(&self.runtime))
    }

    /// Returns the verbs on identities: how providers know people.
    #[must_use]
    pub fn identities(&self) -> Identities {
        Identities { verbs: self.client.identities(), runtime: self.runtime.clone() }
    }

    /// Returns the verbs on one's own sessions and password.
    #[must_use]
    pub fn sessions(&self) -> Sessions {
        Sessions { verbs: self.client.sessions(), runtime: self.runtime.clone() }
    }

    /// Returns the verbs on people and agents.
    #[must_use]
    pub fn principals(&self) -> Principals {
        Principals { verbs: self.client.principals(), runtime: self.runtime.clone() }
    }

    /// Returns the verbs on API keys.
    #[must_use]
    pub fn keys(&self) -> Keys {
        Keys { verbs: self.client.keys(), runtime: self.runtime.clone() }
    }

    /// Returns the verbs on jobs.
    #[must_use]
    pub fn jobs(&self) -> Jobs {
        Jobs { verbs: self.client.jobs(), runtime: self.runtime.clone() }
    }

    /// Returns the verbs on notes.
    #[must_use]
    pub fn notes(&self) -> Notes {
        Notes { verbs: self.client.notes(), runtime: self.runtime.clone() }
    }

    /// Returns the verbs on the webhooks of the key's current workspace.
    #[must_use]
    pub fn hooks(&self) -> Hooks {
        Hooks { verbs: self.client.hooks(), runtime: self.runtime.clone() }
    }

    /// Returns the verbs on events.
    #[must_use]
    pub fn events(&self) -> Events {
        Events { verbs: self.client.events(), runtime: self.runtime.clone() }
    }

    /// Returns the verbs on locks.
    #[must_use]
    pub fn locks(&self) -> Locks {
        Locks { verbs: self.client.locks(), runtime: self.runtime.clone() }
    }

    /// Does what the async `under` does.
    #[must_use]
    pub fn under(&self, locks: impl IntoIterator<Item = LockToken>) -> Self {
        Self { client: self.client.under(locks), runtime: self.runtime.clone() }
    }

    /// Does what the async `with_idempotency_key` does.
    pub fn with_idempotency_key(&self, key: impl AsRef<str>) -> Result<Self> {
        Ok(Self { client: self.client.with_idempotency_key(key)?, runtime: self.runtime.clone() })
    }

    /// Returns the verbs on folders and files.
    #[must_use]
    pub fn files(&self) -> Files {
        Files { verbs: self.client.files(), runtime: self.runtime.clone() }
    }
}
