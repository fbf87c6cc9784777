//! Files out of the workspace onto this machine: small ones many in a request, large ones by themselves.

use std::sync::Arc;

use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use longshore::{Client, Content, DownloadOptions, ManyOptions, Node, WorkspaceId};

use super::landing::Spot;
use super::pack::{Pack, SMALL, pack};
use super::progress::Counters;
use super::summary::Outcome;

/// What is done on this machine.
pub(crate) enum Job {
    /// Fetch a file.
    File(Get),
    /// Nothing: this is how it ended.
    Done(Outcome),
}

/// A file that is fetched.
pub(crate) struct Get {
    pub(crate) node: Box<Node>,
    pub(crate) to: Spot,
    /// Whether what stands there then is replaced.
    pub(crate) replaces: bool,
}

/// Fetches files as it was asked for.
pub(crate) struct Receiver {
    pub(crate) client: Client,
    pub(crate) workspace: WorkspaceId,
    pub(crate) options: DownloadOptions,
    pub(crate) counters: Arc<Counters>,
}

impl Receiver {
    /// Does jobs, so many requests at once, and tells how each ended. It stops when that is dropped.
    pub(crate) fn run<S>(self, jobs: S, at_once: usize) -> impl Stream<Item = Outcome>
    where
        S: Stream<Item = Job>,
    {
        let workspace = self.workspace;
        let packs = pack(jobs, move |job| match job {
            Job::File(get) if get.node.size <= SMALL && get.node.workspace_id == workspace => {
                Some(get.node.size)
            }
            _ => None,
        });
        let receiver = Arc::new(self);
        packs.flat_map_unordered(at_once, move |pack| Arc::clone(&receiver).take(pack))
    }

    fn take(self: Arc<Self>, pack: Pack<Job>) -> BoxStream<'static, Outcome> {
        match pack {
            Pack::One(Job::Done(outcome)) => stream::iter([outcome]).boxed(),
            Pack::One(Job::File(get)) => stream::once(async move { self.one(get).await }).boxed(),
            Pack::Many(jobs) => {
                let gets = jobs.into_iter().filter_map(|job| match job {
                    Job::File(get) => Some(get),
                    Job::Done(_) => None,
                });
                let (replacing, others): (Vec<_>, Vec<_>) = gets.partition(|get| get.replaces);
                self.many(replacing, true).chain(self.many(others, false)).boxed()
            }
        }
    }

    fn many(&self, gets: Vec<Get>, replace: bool) -> BoxStream<'static, Outcome> {
        let items: Vec<_> = gets.iter().map(|get| (Content::from(&*get.node), get.to.to.clone())).collect();
        let options = ManyOptions {
            progress: Some(self.counters.sink()),
            download: DownloadOptions { replace, ..self.options.clone() },
            ..ManyOptions::default()
        };
        let outcomes = self.client.files().download_batch(Some(self.workspace), items, options);
        let told = outcomes.map(move |outcome| match (outcome.result, gets.get(outcome.index)) {
            (Ok(done), _) => Outcome::File(done.bytes),
            (Err(error), Some(get)) => Outcome::Failed(get.node.path.to_string(), get.to.failed(&error)),
            (Err(error), None) => Outcome::Failed(outcome.content.to_string(), error.into()),
        });
        told.boxed()
    }

    async fn one(&self, Get { node, to, replaces }: Get) -> Outcome {
        let path = node.path.to_string();
        let (progress, _watched) = self.counters.watch(&path, node.size);
        let options = DownloadOptions { progress: Some(progress), replace: replaces, ..self.options.clone() };
        match self.client.files().download_to(&*node, to.to.clone(), &options).await {
            Ok(done) => Outcome::File(done.bytes),
            Err(error) => Outcome::Failed(path, to.failed(&error)),
        }
    }
}
