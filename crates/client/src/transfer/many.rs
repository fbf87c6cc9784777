//! Many transfers at once, failures as values.

use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{BoxStream, Stream, StreamExt};
use longshore_core::wire::Node;
use longshore_flow::fan_out;

use super::control::Control;
use super::destination::Destination;
use super::download::{self, DownloadOptions, Downloaded};
use super::progress::{ProgressSink, Report};
use super::source::{Source, Target};
use super::upload::{self, UploadOptions};
use crate::api::files::Content;
use crate::client::Client;
use crate::error::Result;

/// How many files are moved.
#[derive(Clone, Debug, Default)]
pub struct ManyOptions {
    /// How many move at once; left out, what the client was set to, and no more downloads than that in any case.
    pub concurrency: Option<usize>,
    /// What is told of progress.
    pub progress: Option<ProgressSink>,
    /// The caller's hand on all of them. Once cancelled, no further item begins, and those that had not begun have no
    /// outcome. A pause lets an upload that has begun go on.
    pub control: Option<Control>,
    /// How each file is uploaded; its own `progress` and `digest` have no meaning here.
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
    pub(crate) fn new(outcomes: impl Stream<Item = T> + Send + 'static) -> Self {
        Self(outcomes.boxed())
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

pub(crate) fn upload_many<I>(client: Client, items: I, mut options: ManyOptions) -> Outcomes<UploadOutcome>
where
    I: Iterator<Item = (Source, Target)> + Send + 'static,
{
    let limit = options.concurrency.unwrap_or(client.concurrency());
    options.upload.digest = None;
    let control = options.control.clone().unwrap_or_default();
    let options = std::sync::Arc::new(options);
    let ended = control.clone();
    let items = items.enumerate().take_while(move |_| !ended.is_cancelled());
    let outcomes = fan_out(items, limit, move |(index, (source, target))| {
        let (client, options, control) = (client.clone(), options.clone(), control.clone());
        async move {
            let path = match &source {
                Source::Path(path) => Some(path.clone()),
                _ => None,
            };
            let report = Report::new(options.progress.clone(), index);
            let uploading = async {
                control.pass().await?;
                upload::upload(&client, source, &target, &options.upload, report).await
            };
            let result = control.guard(uploading).await;
            UploadOutcome { index, source: path, target, result }
        }
    });
    Outcomes(outcomes.boxed())
}

pub(crate) fn download_many<I>(
    client: Client,
    items: I,
    mut options: ManyOptions,
) -> Outcomes<DownloadOutcome>
where
    I: Iterator<Item = (Content, PathBuf)> + Send + 'static,
{
    let limit = options.concurrency.unwrap_or(client.concurrency());
    let control = options.control.clone().unwrap_or_default();
    options.download.control = Some(control.clone());
    let options = std::sync::Arc::new(options);
    let items = items.enumerate().take_while(move |_| !control.is_cancelled());
    let outcomes = fan_out(items, limit, move |(index, (content, path))| {
        let (client, options) = (client.clone(), options.clone());
        async move {
            let report = Report::new(options.progress.clone(), index);
            let destination = Destination::from(&path);
            let result = download::to_file(&client, &content, &destination, &options.download, report).await;
            DownloadOutcome { index, content, path, result }
        }
    });
    Outcomes(outcomes.boxed())
}
