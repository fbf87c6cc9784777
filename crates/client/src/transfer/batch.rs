//! Many small files in one request, either way.
//!
//! A batch is a list of files that one call moves, with as many requests as that takes: what has no outcome when a
//! connection breaks is asked for, or sent, again. Which files are worth a batch is not decided here.

mod download;
mod lines;
mod upload;

use std::path::PathBuf;
use std::sync::Arc;

use longshore_core::wire::BATCH_ITEM_BYTES;
use longshore_core::{WorkspaceId, WorkspacePath};

pub(crate) use self::download::{Fetch, download};
pub(crate) use self::upload::{Put, upload};
use super::destination::Destination;
use super::many::{DownloadOutcome, ManyOptions, Outcomes, UploadOutcome};
use super::plan::WHOLE;
use super::source::Source;
use crate::api::files::{Content, Place};
use crate::client::Client;
use crate::error::Error;

/// How many files one request moves: its answer is far smaller than what a server keeps for who reads late.
pub(crate) const FILES: usize = 1_000;

// What is read in one go is what an item may have.
const _: () = assert!(WHOLE == BATCH_ITEM_BYTES);

/// Notes why the rest of a batch is asked for, or sent, again. What no repetition mends comes before what one may.
fn note_failure(noted: &mut Option<Error>, error: Error) {
    if noted.as_ref().is_none_or(|noted| noted.is_retryable() && !error.is_retryable()) {
        *noted = Some(error);
    }
}

/// Uploads files by their paths in one workspace, batch after batch.
pub(crate) fn upload_all<I>(
    client: Client,
    workspace: Option<WorkspaceId>,
    items: I,
    options: ManyOptions,
) -> Outcomes<UploadOutcome>
where
    I: Iterator<Item = (Source, WorkspacePath)> + Send + 'static,
{
    Outcomes::of(async move |sender| {
        let options = Arc::new(options);
        let mut items = items.enumerate().map(|(index, (source, path))| {
            let place = Place { workspace, path };
            Put { index, source, place, if_match: None }
        });
        loop {
            let batch: Vec<_> = items.by_ref().take(FILES).collect();
            if batch.is_empty() {
                return;
            }
            // Who drops the stream drops this too; nobody else stops listening.
            let tell = |outcome| drop(sender.send(outcome));
            upload(&client, workspace, batch, &options, tell).await;
        }
    })
}

/// Downloads files of one workspace, batch after batch.
pub(crate) fn download_all<I>(
    client: Client,
    workspace: Option<WorkspaceId>,
    items: I,
    options: ManyOptions,
) -> Outcomes<DownloadOutcome>
where
    I: Iterator<Item = (Content, Destination)> + Send + 'static,
{
    Outcomes::of(async move |sender| {
        let mut items = items.enumerate().map(|(index, (content, destination))| {
            let path = match &destination {
                Destination::Path(path) => path.clone(),
                Destination::In { name, .. } => PathBuf::from(name),
            };
            Fetch { index, content, path, destination }
        });
        loop {
            let batch: Vec<_> = items.by_ref().take(FILES).collect();
            if batch.is_empty() {
                return;
            }
            let tell = |outcome| drop(sender.send(outcome));
            download(&client, workspace, batch, &options, tell).await;
        }
    })
}
