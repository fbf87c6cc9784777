//! `longshore zip`: folders and files as one zip.

use std::path::PathBuf;

use clap::Args;
use longshore::DownloadOptions;
use serde::Serialize;

use crate::failure::Exit;
use crate::output::{Output, size};
use crate::session::Session;
use crate::signals::interrupted_once;
use crate::transfer::landing::Spot;

/// Download folders and files as one zip
///
/// Each stands in the zip by its own name, folders with all that is below them. The file
/// appears only once it is whole; Ctrl-C stops, and leaves nothing of it.
///
/// With --json: {"file", "bytes"}.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Zip {
    /// Paths in the workspace, or ids
    #[arg(required = true, value_name = "SRC")]
    sources: Vec<String>,
    /// The local file to write
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Replace a local file that is there already
    #[arg(long, short)]
    force: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Zipped {
    file: String,
    bytes: u64,
}

impl Zip {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let mut items = Vec::with_capacity(self.sources.len());
        for source in &self.sources {
            // Looked up one by one, so that what is not there is told by the name that was given.
            items.push(session.node(source).await?.id.to_string());
        }
        let workspace = session.workspace().await?.id;
        let spot = Spot::named(&self.output)?.free(self.force)?;
        let options = DownloadOptions { replace: self.force, ..DownloadOptions::default() };
        let files = session.patient(longshore::DEFAULT_CONCURRENCY)?.files();
        let zipping = files.archive_to(Some(workspace), items, spot.to.clone(), &options);
        let done = tokio::select! {
            biased;
            // Dropped, the transfer takes its part away.
            () = interrupted_once() => {
                output.note("note: interrupted; nothing was written");
                return Ok(Exit::Interrupted);
            }
            done = zipping => done,
        };
        let done = done.map_err(|error| spot.failed(&error))?;
        let zipped = Zipped { file: self.output.display().to_string(), bytes: done.bytes };
        output.object(&zipped, |zipped| format!("{}: {}", zipped.file, size(zipped.bytes)))?;
        Ok(Exit::Ok)
    }
}
