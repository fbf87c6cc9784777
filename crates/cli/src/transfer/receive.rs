//! Files out of the workspace onto this machine.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::Either;
use futures_util::stream::{self, Stream, StreamExt};
use longshore::{Client, DownloadItem, DownloadOptions, DownloadOutcome, ManyOptions, Node, Path};

use super::apart::apart;
use super::landing::Spot;
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
    pub(crate) options: DownloadOptions,
    pub(crate) counters: Arc<Counters>,
}

/// What is said of files that are under way, by their place, where they fail.
type UnderWay = Arc<Mutex<HashMap<usize, (Path, Spot)>>>;

impl Receiver {
    /// Does jobs, so many at once, and tells how each ended. It stops when that is dropped.
    pub(crate) fn run<S>(self, jobs: S, at_once: usize) -> impl Stream<Item = Outcome>
    where
        S: Stream<Item = Job> + Send + 'static,
    {
        let Self { client, options, counters } = self;
        let options = ManyOptions {
            concurrency: Some(at_once),
            progress: Some(counters.sink()),
            download: options,
            ..ManyOptions::default()
        };
        let (gets, done) = apart(jobs, at_once, |job| match job {
            Job::File(get) => Either::Left(get),
            Job::Done(outcome) => Either::Right(outcome),
        });
        let under_way = UnderWay::default();
        let begun = Arc::clone(&under_way);
        let items = gets.enumerate().map(move |(index, Get { node, to, replaces })| {
            counters.will_move(index, &node.path, node.size);
            let destination = to.to.clone();
            lock(&begun).insert(index, (node.path.clone(), to));
            DownloadItem { replace: Some(replaces), ..DownloadItem::of(*node, destination) }
        });
        let downloads = client.files().download_many_from(items, options);
        let downloads = downloads.map(move |outcome| downloaded(outcome, &under_way));
        stream::select(downloads, done)
    }
}

fn downloaded(outcome: DownloadOutcome, under_way: &UnderWay) -> Outcome {
    let known = lock(under_way).remove(&outcome.index);
    match (outcome.result, known) {
        (Ok(done), _) => Outcome::File(done.bytes),
        (Err(error), Some((path, spot))) => Outcome::Failed(path.to_string(), spot.failed(&error)),
        (Err(error), None) => Outcome::Failed(outcome.content.to_string(), error.into()),
    }
}

fn lock(under_way: &UnderWay) -> std::sync::MutexGuard<'_, HashMap<usize, (Path, Spot)>> {
    // It is whole after each step, whoever panicked.
    under_way.lock().unwrap_or_else(PoisonError::into_inner)
}
