//! Many transfers at once, failures as values.

mod downloads;
mod schedule;
mod uploads;

use std::future::ready;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use longshore_core::wire::Node;
use tokio::sync::mpsc;

use self::downloads::Downloads;
use self::schedule::Schedule;
use self::uploads::Uploads;
use super::control::Control;
use super::destination::DownloadItem;
use super::download::{DownloadOptions, Downloaded};
use super::progress::ProgressSink;
use super::source::{Target, UploadItem};
use super::upload::UploadOptions;
use crate::api::files::Content;
use crate::client::Client;
use crate::error::Result;

/// How many files are moved.
#[derive(Clone, Debug, Default)]
pub struct ManyOptions {
    /// How many move at once, many small ones in one request counting as one; left out, what the client was set to, and no
    /// more requests for content than that in any case.
    pub concurrency: Option<usize>,
    /// What is told of progress.
    pub progress: Option<ProgressSink>,
    /// The caller's hand on all of them. Once cancelled, no further item begins, and those that had not begun have no
    /// outcome.
    pub control: Option<Control>,
    /// How each file is uploaded; its own `progress`, `control` and `digest` have no meaning here.
    pub upload: UploadOptions,
    /// How each file is downloaded; its own `progress` and `control` have no meaning here.
    pub download: DownloadOptions,
}

/// How one upload of many ended.
#[derive(Debug)]
pub struct UploadOutcome {
    /// The item's place among those that were handed over, from 0.
    pub index: usize,
    /// The local file, where the content came from one.
    pub source: Option<PathBuf>,
    /// Where the content went.
    pub target: Target,
    /// The node, or why there is none.
    pub result: Result<Node>,
    /// Whether the node stood there already, with the same content, and nothing was sent: see
    /// [`UploadOptions::skip_same`].
    pub skipped: bool,
}

/// How one download of many ended.
#[derive(Debug)]
pub struct DownloadOutcome {
    /// The item's place among those that were handed over, from 0.
    pub index: usize,
    /// What was downloaded.
    pub content: Content,
    /// The local file; its name alone where its folder was handed over open.
    pub path: PathBuf,
    /// What was written, or why nothing was.
    pub result: Result<Downloaded>,
}

/// Outcomes as they come. Nothing moves unless this is polled; dropping it stops what is in flight.
#[must_use = "nothing moves until the outcomes are polled"]
pub struct Outcomes<T>(BoxStream<'static, T>);

impl<T> Outcomes<T> {
    /// Makes a stream of what a run tells as it goes.
    pub(crate) fn of<F>(run: impl FnOnce(mpsc::UnboundedSender<T>) -> F) -> Self
    where
        T: Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        // It holds no more than one poll of the run tells.
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let run = stream::once(run(sender)).filter_map(|()| ready(None));
        let told = stream::poll_fn(move |cx| receiver.poll_recv(cx));
        Self(stream::select(told, run).boxed())
    }

    /// Returns the next outcome; nothing when all items are done.
    pub async fn next(&mut self) -> Option<T> {
        self.0.next().await
    }

    /// Waits for all, and gives them in the order they finished.
    pub async fn collect_all(self) -> Vec<T> {
        self.0.collect().await
    }
}

impl<T> Stream for Outcomes<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.0.as_mut().poll_next(cx)
    }
}

pub(crate) fn upload_many<S>(client: Client, items: S, options: ManyOptions) -> Outcomes<UploadOutcome>
where
    S: Stream<Item = UploadItem> + Send + 'static,
{
    let limit = options.concurrency.unwrap_or(client.concurrency());
    let control = options.control.clone().unwrap_or_default();
    let work = Uploads::new(client, options, control.clone());
    Outcomes::of(|sender| Schedule::new(work, items, limit, control, sender).run())
}

pub(crate) fn download_many<S>(client: Client, items: S, options: ManyOptions) -> Outcomes<DownloadOutcome>
where
    S: Stream<Item = DownloadItem> + Send + 'static,
{
    let limit = options.concurrency.unwrap_or(client.concurrency());
    let control = options.control.clone().unwrap_or_default();
    let work = Downloads::new(client, options, control.clone());
    Outcomes::of(|sender| Schedule::new(work, items, limit, control, sender).run())
}
