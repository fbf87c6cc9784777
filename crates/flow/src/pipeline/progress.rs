//! How far a run is.

use std::sync::Arc;

use tokio::sync::watch;

/// How far a run is, in items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The steps, in their order.
    pub steps: Vec<StepProgress>,
    /// How many items were left out, because an earlier run had done them.
    pub skipped: u64,
    /// How many items the source has yielded, with those left out.
    pub read: u64,
}

/// How far a step is, in items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepProgress {
    /// The step's name.
    pub name: Arc<str>,
    /// How many it has begun.
    pub started: u64,
    /// How many of them came out of it.
    pub done: u64,
    /// How many of them failed in it.
    pub failed: u64,
}

impl StepProgress {
    /// Returns how many it is at.
    #[must_use]
    pub const fn in_flight(&self) -> u64 {
        self.started - self.done - self.failed
    }
}

/// Where the steps write down how far they are.
#[derive(Debug)]
pub(super) struct Board(watch::Sender<Progress>);

impl Board {
    pub(super) fn new(steps: &[Arc<str>]) -> Self {
        let step = |name: &Arc<str>| StepProgress { name: name.clone(), started: 0, done: 0, failed: 0 };
        let steps = steps.iter().map(step).collect();
        Self(watch::Sender::new(Progress { steps, ..Progress::default() }))
    }

    pub(super) fn watch(&self) -> watch::Receiver<Progress> {
        self.0.subscribe()
    }

    pub(super) fn read(&self, is_skipped: bool) {
        self.0.send_modify(|progress| {
            progress.read += 1;
            progress.skipped += u64::from(is_skipped);
        });
    }

    pub(super) fn started(&self, step: usize) {
        self.change(step, |step| step.started += 1);
    }

    pub(super) fn ended(&self, step: usize, is_done: bool) {
        self.change(step, |step| {
            step.done += u64::from(is_done);
            step.failed += u64::from(!is_done);
        });
    }

    fn change(&self, step: usize, change: impl FnOnce(&mut StepProgress)) {
        self.0.send_modify(|progress| progress.steps.get_mut(step).map_or((), change));
    }
}
