//! Many uploads.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use longshore_core::WorkspaceId;
use longshore_core::wire::Node;
use tokio::sync::mpsc::UnboundedSender;

use super::schedule::{Grouping, Work};
use super::{ManyOptions, UploadOutcome};
use crate::client::Client;
use crate::error::Result;
use crate::transfer::batch::{self, Put};
use crate::transfer::control::Control;
use crate::transfer::plan::is_small;
use crate::transfer::progress::Report;
use crate::transfer::source::{Source, Target, UploadItem};
use crate::transfer::upload::same::{self, Look};
use crate::transfer::upload::{self};

pub(super) struct Uploads {
    client: Client,
    options: Arc<ManyOptions>,
    /// Whether nothing is said of each write that only a request of its own can say.
    groups: bool,
}

/// An upload whose length is known, where it has one.
pub(super) struct Item {
    index: usize,
    given: UploadItem,
    length: Option<u64>,
    /// Whether it was looked for at its target, and is not there.
    is_missing: bool,
}

impl Uploads {
    pub(super) fn new(client: Client, mut options: ManyOptions, control: Control) -> Self {
        options.upload.digest = None;
        options.upload.progress = None;
        options.upload.control = Some(control);
        // A lock that covers only some of a group would refuse the others; a key of the caller's goes with one write.
        let groups = options.upload.lock.is_none() && client.writes_plainly();
        Self { client, options: Arc::new(options), groups }
    }

    fn report(&self, index: usize) -> Report {
        Report::new(self.options.progress.clone(), index)
    }
}

fn path(source: &Source) -> Option<PathBuf> {
    match source {
        Source::Path(path) => Some(path.clone()),
        Source::Bytes(_) | Source::Stream { .. } => None,
    }
}

fn outcome(index: usize, source: Option<PathBuf>, target: Target, result: Result<Node>) -> UploadOutcome {
    UploadOutcome { index, source, target, result, skipped: false }
}

impl Work for Uploads {
    type Given = UploadItem;
    type Item = Item;
    type Outcome = UploadOutcome;

    fn held(given: &UploadItem) -> u64 {
        match &given.source {
            Source::Bytes(bytes) => bytes.len() as u64,
            Source::Path(_) | Source::Stream { .. } => 0,
        }
    }

    fn look(&self, given: Vec<(usize, UploadItem)>) -> Vec<Item> {
        let look = |(index, given): (usize, UploadItem)| {
            let length = upload::length(&given.source);
            Item { index, given, length, is_missing: false }
        };
        given.into_iter().map(look).collect()
    }

    fn is_unsure(&self, item: &Item) -> bool {
        let options = &self.options.upload;
        options.skip_same
            && !item.is_missing
            && item.length.is_some_and(|length| {
                same::may_be(&item.given.known, length, options, item.given.if_match.or(options.if_match))
            })
    }

    fn check(self: Arc<Self>, item: Item) -> BoxFuture<'static, Result<UploadOutcome, Item>> {
        async move {
            let (report, options) = (self.report(item.index), &self.options.upload);
            let Item { index, given, length, .. } = item;
            let Some(look) = Look::at(&given, options) else {
                return Err(Item { index, given, length, is_missing: true });
            };
            let found = async {
                options.hand().pass().await?;
                look.find(&self.client).await
            };
            let Some(found) = options.hand().guard(found).await.transpose() else {
                return Err(Item { index, given, length, is_missing: true });
            };
            let result = same::told(&report, found);
            let skipped = result.is_ok();
            let source = path(&given.source);
            Ok(UploadOutcome { skipped, ..outcome(index, source, given.target, result) })
        }
        .boxed()
    }

    fn grouping(&self, item: &Item) -> Option<Grouping> {
        let Target::Path(place) = &item.given.target else { return None };
        let bytes = item.length.filter(|length| self.groups && is_small(*length))?;
        let movable = !place.path.is_root() && !matches!(item.given.source, Source::Stream { .. });
        movable.then_some(Grouping { workspace: place.workspace, bytes })
    }

    fn alone(self: Arc<Self>, item: Item) -> BoxFuture<'static, UploadOutcome> {
        async move {
            let Item { index, given, .. } = item;
            let source = path(&given.source);
            let mut options = self.options.upload.clone();
            options.if_match = given.if_match.or(options.if_match);
            let report = self.report(index);
            let result =
                upload::upload(&self.client, given.source, &given.target, &given.known, &options, report)
                    .await;
            outcome(index, source, given.target, result)
        }
        .boxed()
    }

    fn together(
        self: Arc<Self>,
        workspace: Option<WorkspaceId>,
        items: Vec<Item>,
        outcomes: UnboundedSender<UploadOutcome>,
    ) -> BoxFuture<'static, ()> {
        async move {
            let puts = items.into_iter().filter_map(|Item { index, given, .. }| match given.target {
                Target::Path(place) => {
                    Some(Put { index, source: given.source, place, if_match: given.if_match })
                }
                // None of a group goes elsewhere.
                Target::Child { .. } | Target::Version { .. } => None,
            });
            let tell = |outcome| drop(outcomes.send(outcome));
            batch::upload(&self.client, workspace, puts.collect(), &self.options, tell).await;
        }
        .boxed()
    }
}
