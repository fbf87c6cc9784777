//! What a commit has brought that somebody of this process waits for.
//!
//! A unit of work leaves word in its transaction; the engine's driver tells it once the transaction is committed, and
//! only then. This is the one place that all writes pass, whoever asked for them and whether or not he is still there.

use std::sync::Arc;

use longshore_core::WorkspaceId;
use tokio::sync::watch;

use crate::feed::Feeds;

/// The word that is left.
#[derive(Debug, Default)]
pub(super) struct News {
    appended: Vec<(WorkspaceId, u64)>,
    /// How often word was left that there are jobs.
    jobs: usize,
}

/// How much there was to tell at some time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark(usize, usize);

impl News {
    /// A workspace's log goes up to this place.
    pub(super) fn appended(&mut self, workspace: WorkspaceId, seq: u64) {
        self.appended.push((workspace, seq));
    }

    /// There may be jobs to claim.
    pub(super) fn enqueued(&mut self) {
        self.jobs += 1;
    }

    pub(super) fn mark(&self) -> Mark {
        Mark(self.appended.len(), self.jobs)
    }

    /// Takes back what was said since: it was rolled back.
    pub(super) fn back_to(&mut self, Mark(appended, jobs): Mark) {
        self.appended.truncate(appended);
        self.jobs = jobs;
    }
}

/// Those who are told. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Listeners {
    feeds: Feeds,
    jobs: Arc<watch::Sender<()>>,
}

impl Listeners {
    pub(super) fn new(feeds: Feeds) -> Self {
        Self { feeds, jobs: Arc::new(watch::Sender::new(())) }
    }

    pub(super) fn tell(&self, news: &News) {
        self.feeds.tell(&news.appended);
        if news.jobs > 0 {
            self.wake_workers();
        }
    }

    pub(super) fn wake_workers(&self) {
        self.jobs.send_replace(());
    }

    /// Returns what changes whenever there may be jobs to claim.
    pub(super) fn jobs(&self) -> watch::Receiver<()> {
        self.jobs.subscribe()
    }
}
