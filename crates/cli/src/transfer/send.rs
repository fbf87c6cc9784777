//! Local files into the workspace: small ones many in a request, large ones by themselves.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use longshore::{
    Client, Code, IfMatch, ManyOptions, Node, Path, Place, UpdateNode, UploadOptions, VersionId, WorkspaceId,
};

use super::pack::{Pack, SMALL, pack};
use super::progress::Counters;
use super::summary::Outcome;

/// What is done in the workspace.
pub(crate) enum Job {
    /// Send a file.
    File(Load),
    /// Make a folder, and those above it.
    Folder(Path),
    /// Put a node into the trash, if it still is what was listed.
    Trash(Box<Node>),
    /// Nothing: this is how it ended.
    Done(Outcome),
}

/// A file that is sent.
pub(crate) struct Load {
    pub(crate) local: PathBuf,
    pub(crate) path: Path,
    /// Its size, as it was seen last.
    pub(crate) size: u64,
    /// The version that it replaces, where somebody has looked.
    pub(crate) replaces: Option<VersionId>,
}

/// Sends files as it was asked for.
pub(crate) struct Sender {
    pub(crate) client: Client,
    pub(crate) workspace: WorkspaceId,
    pub(crate) options: UploadOptions,
    /// Whether the workspace's rules ask for the version that a write replaces.
    pub(crate) states_versions: bool,
    /// What is said of each file once it is there.
    pub(crate) described: Option<UpdateNode>,
    pub(crate) counters: Arc<Counters>,
}

impl Sender {
    /// Does jobs, so many requests at once, and tells how each ended. It stops when that is dropped.
    pub(crate) fn run<S>(self, jobs: S, at_once: usize) -> impl Stream<Item = Outcome>
    where
        S: Stream<Item = Job>,
    {
        let sender = Arc::new(self);
        // A batch says the same of each file, and nothing more of one when it is there.
        let batches = !sender.states_versions && sender.described.is_none();
        let packs = pack(jobs, move |job| match job {
            Job::File(load) if batches && load.size <= SMALL => Some(load.size),
            _ => None,
        });
        packs.flat_map_unordered(at_once, move |pack| Arc::clone(&sender).take(pack))
    }

    fn take(self: Arc<Self>, pack: Pack<Job>) -> BoxStream<'static, Outcome> {
        match pack {
            Pack::One(job) => stream::once(async move { self.one(job).await }).boxed(),
            Pack::Many(jobs) => {
                let loads = jobs.into_iter().filter_map(|job| match job {
                    Job::File(load) => Some(load),
                    _ => None,
                });
                self.many(loads.collect())
            }
        }
    }

    fn many(&self, loads: Vec<Load>) -> BoxStream<'static, Outcome> {
        let items: Vec<_> = loads.iter().map(|load| (load.local.clone(), load.path.clone())).collect();
        let options = ManyOptions {
            progress: Some(self.counters.sink()),
            upload: self.options.clone(),
            ..ManyOptions::default()
        };
        let outcomes = self.client.files().upload_batch(Some(self.workspace), items, options);
        let told = outcomes.map(move |outcome| match outcome.result {
            Ok(node) => Outcome::File(node.size),
            Err(error) => failed(loads.get(outcome.index).map(|load| &load.path), &error),
        });
        told.boxed()
    }

    async fn one(&self, job: Job) -> Outcome {
        match job {
            Job::Done(outcome) => outcome,
            Job::File(load) => match self.file(&load).await {
                Ok(node) => Outcome::File(node.size),
                Err(error) => failed(Some(&load.path), &error),
            },
            Job::Folder(path) => {
                let place = Place::from((self.workspace, path));
                match self.client.files().mkdir(place.clone()).await {
                    Ok(_) => Outcome::Folder,
                    Err(error) => failed(Some(&place.path), &error),
                }
            }
            Job::Trash(node) => match trash(&self.client, &node).await {
                Ok(()) => Outcome::Deleted,
                Err(error) => failed(Some(&node.path), &error),
            },
        }
    }

    async fn file(&self, load: &Load) -> longshore::Result<Node> {
        let files = self.client.files();
        let place = Place::from((self.workspace, load.path.clone()));
        let (progress, _watched) = self.counters.watch(&load.path.to_string(), load.size);
        let mut options = UploadOptions { progress: Some(progress), ..self.options.clone() };
        if self.states_versions {
            options.if_match = match load.replaces {
                Some(version) => Some(IfMatch::Version(version)),
                None => match files.by_path(place.clone()).await {
                    Ok(node) => node.version_id.map(IfMatch::Version),
                    // What nobody has made yet replaces nothing.
                    Err(error) if error.is(Code::NodeNotFound) => None,
                    Err(error) => return Err(error),
                },
            };
        }
        let node = files.upload(load.local.clone(), place, &options).await?;
        match &self.described {
            Some(change) => files.update(node.id, change, node.version_id.map(IfMatch::Version)).await,
            None => Ok(node),
        }
    }
}

/// Puts a node into the trash, a file only if it has the version that was listed.
pub(crate) async fn trash(client: &Client, node: &Node) -> longshore::Result<()> {
    match client.files().trash(node.id, node.version_id.map(IfMatch::Version)).await {
        Ok(_) => Ok(()),
        // It is gone, which is what was wanted.
        Err(error) if error.is(Code::NodeNotFound) => Ok(()),
        Err(error) => Err(error),
    }
}

fn failed(path: Option<&Path>, error: &longshore::Error) -> Outcome {
    Outcome::Failed(path.map_or_else(String::new, ToString::to_string), error.into())
}
