//! What a commit has brought that somebody of this process waits for.
//!
//! A unit of work leaves word in its transaction; the engine's driver tells it once the transaction is committed, and
//! only then. This is the one place that all writes pass, whoever asked for them and whether or not he is still there.

use std::sync::Arc;

use longshore_core::WorkspaceId;
use tokio::sync::watch;

use crate::audit::Entry;
use crate::feed::Feeds;

/// The word that is left.
#[derive(Debug, Default)]
pub(super) struct News {
    appended: Vec<(WorkspaceId, u64)>,
    /// How often word was left that there are jobs.
    jobs: usize,
    /// What the transaction did, for the audit log: it goes with the word to be taken back, and is written, not told.
    entries: Vec<Entry>,
    /// Where the part under way began among them.
    part: usize,
}

/// How much there was to tell at some time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark(usize, usize, usize);

impl News {
    /// A workspace's log goes up to this place.
    pub(super) fn appended(&mut self, workspace: WorkspaceId, seq: u64) {
        self.appended.push((workspace, seq));
    }

    /// There may be jobs to claim.
    pub(super) fn enqueued(&mut self) {
        self.jobs += 1;
    }

    /// Something was done. What an act does often (a purge of a thousand files) is one entry that says how often.
    pub(super) fn note(&mut self, entry: Entry) {
        let own = &mut self.entries[self.part..];
        let same = own.iter_mut().rev().take_while(|own| entry.act.is_some() && own.act == entry.act);
        match same.into_iter().find(|own| own.kind == entry.kind) {
            Some(own) => own.more += 1,
            None => self.entries.push(entry),
        }
    }

    pub(super) fn take_entries(&mut self) -> Vec<Entry> {
        self.part = 0;
        std::mem::take(&mut self.entries)
    }

    pub(super) fn mark(&mut self) -> Mark {
        // What is counted in an entry from before could not be taken back.
        self.part = self.entries.len();
        Mark(self.appended.len(), self.jobs, self.entries.len())
    }

    /// Takes back what was said since: it was rolled back.
    pub(super) fn back_to(&mut self, Mark(appended, jobs, entries): Mark) {
        self.appended.truncate(appended);
        self.jobs = jobs;
        self.entries.truncate(entries);
        self.part = entries;
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
