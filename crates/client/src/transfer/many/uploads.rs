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
use crate::transfer::source::{Held, Source, Target, UploadItem};
use crate::transfer::upload::{self, same};

pub(super) struct Uploads {
    client: Client,
    options: Arc<ManyOptions>,
    /// Whether nothing is said of the writes that only a request of its own can say.
    groups: bool,
}

/// An upload whose length is known, where it has one.
pub(super) struct Item {
    index: usize,
    given: UploadItem,
    length: Option<u64>,
    /// Whether its target was looked at, and it is not there.
    is_missing: bool,
}

impl Uploads {
    pub(super) fn new(client: Client, mut options: ManyOptions, control: Control) -> Self {
        options.upload.digest = None;
        options.upload.progress = None;
        options.upload.control = Some(control);
        // A group asks no lock to cover all of it, and a key of the caller's goes with one write. The locks that the client
        // is under hold for a group as they do for each of its writes.
        let groups = options.upload.lock.is_none() && !client.has_own_key();
        Self { client, options: Arc::new(options), groups }
    }

    fn report(&self, index: usize) -> Report {
        Report::new(self.options.progress.clone(), index)
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
        !item.is_missing && same::is_needed(&item.given, item.length, &self.options.upload)
    }

    fn check(self: Arc<Self>, item: Item) -> BoxFuture<'static, Result<UploadOutcome, Item>> {
        async move {
            let (report, options) = (self.report(item.index), &self.options.upload);
            let Item { index, mut given, length, .. } = item;
            let looking = same::look(&self.client, &mut given, options);
            let Some(found) = options.hand().guard(looking).await.transpose() else {
                return Err(Item { index, given, length, is_missing: true });
            };
            let result = same::told(&report, found);
            let skipped = result.is_ok();
            let source = given.source.path().map(Into::into);
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
            let source = given.source.path().map(Into::into);
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
            let puts = items.into_iter().filter_map(|Item { index, given, .. }| {
                let (held, if_match) = (Held::of(&given.source)?, given.if_match);
                match given.target {
                    Target::Path(place) => Some(Put { index, held, place, if_match }),
                    // None of a group goes elsewhere.
                    Target::Child { .. } | Target::Version { .. } => None,
                }
            });
            let tell = |outcome| drop(outcomes.send(outcome));
            batch::upload(&self.client, workspace, puts.collect(), &self.options, tell).await;
        }
        .boxed()
    }
}
