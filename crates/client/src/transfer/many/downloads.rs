//! Many downloads.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use longshore_core::WorkspaceId;
use tokio::sync::mpsc::UnboundedSender;

use super::schedule::{Grouping, Work};
use super::{DownloadOutcome, ManyOptions};
use crate::api::files::Content;
use crate::client::Client;
use crate::transfer::batch::{self, Fetch};
use crate::transfer::control::Control;
use crate::transfer::destination::DownloadItem;
use crate::transfer::download::{self, DownloadOptions, same};
use crate::transfer::plan::is_small;
use crate::transfer::progress::Report;

pub(super) struct Downloads {
    client: Client,
    options: Arc<ManyOptions>,
}

pub(super) struct Item {
    index: usize,
    given: DownloadItem,
    /// Whether it was seen that the local file is another.
    is_checked: bool,
}

impl Downloads {
    pub(super) fn new(client: Client, mut options: ManyOptions, control: Control) -> Self {
        options.download.progress = None;
        options.download.control = Some(control);
        Self { client, options: Arc::new(options) }
    }

    fn report(&self, index: usize) -> Report {
        Report::new(self.options.progress.clone(), index)
    }
}

impl Work for Downloads {
    type Given = DownloadItem;
    type Item = Item;
    type Outcome = DownloadOutcome;

    fn held(_: &DownloadItem) -> u64 {
        0
    }

    fn look(&self, given: Vec<(usize, DownloadItem)>) -> Vec<Item> {
        given.into_iter().map(|(index, given)| Item { index, given, is_checked: false }).collect()
    }

    fn is_unsure(&self, item: &Item) -> bool {
        let options = &self.options.download;
        options.skip_same && options.range.is_none() && item.given.known.is_some()
    }

    fn check(self: Arc<Self>, item: Item) -> BoxFuture<'static, Result<DownloadOutcome, Item>> {
        async move {
            let Item { index, given, .. } = item;
            let Some(node) = given.known.as_deref() else {
                return Err(Item { index, given, is_checked: false });
            };
            let control = self.options.download.control.clone().unwrap_or_default();
            let Some(found) = control.guard(same::find_known(node, &given.destination)).await.transpose()
            else {
                return Err(Item { index, given, is_checked: true });
            };
            let report = self.report(index);
            if let Ok(done) = &found {
                report.started(Some(done.bytes));
                report.reused(done.bytes);
            }
            let result = report.ended(found, |done| done.bytes);
            Ok(DownloadOutcome { index, content: given.content, path: given.destination.path(), result })
        }
        .boxed()
    }

    fn grouping(&self, item: &Item) -> Option<Grouping> {
        let node = item.given.known.as_deref()?;
        let options = &self.options.download;
        // Looked for there by id, in the workspace that the node is of.
        let is_current = item.given.content == Content::File(node.id);
        let sure = item.is_checked || !options.skip_same;
        let movable = is_current && sure && options.range.is_none() && is_small(node.size);
        movable.then_some(Grouping { workspace: Some(node.workspace_id), bytes: node.size })
    }

    fn alone(self: Arc<Self>, item: Item) -> BoxFuture<'static, DownloadOutcome> {
        async move {
            let Item { index, given: DownloadItem { content, destination, replace, .. }, is_checked } = item;
            let all = &self.options.download;
            let skip_same = all.skip_same && !is_checked;
            let replace = replace.unwrap_or(all.replace);
            let options = DownloadOptions { skip_same, replace, ..all.clone() };
            let report = self.report(index);
            let result =
                download::to_file(&self.client, (&content).into(), &destination, &options, report).await;
            DownloadOutcome { index, content, path: destination.path(), result }
        }
        .boxed()
    }

    fn together(
        self: Arc<Self>,
        workspace: Option<WorkspaceId>,
        items: Vec<Item>,
        outcomes: UnboundedSender<DownloadOutcome>,
    ) -> BoxFuture<'static, ()> {
        async move {
            let all = self.options.download.replace;
            let fetch = |Item { index, given, .. }: Item| {
                let DownloadItem { destination, replace, known, .. } = given;
                let node = known?.id;
                Some(Fetch { index, node, destination, replace: replace.unwrap_or(all) })
            };
            let items = items.into_iter().filter_map(fetch).collect();
            let tell = |outcome| drop(outcomes.send(outcome));
            batch::download(&self.client, workspace, items, &self.options, tell).await;
        }
        .boxed()
    }
}
