//! `longshore workspaces export` and `import`: whole workspaces as archives.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use clap::Args;
use futures_util::{Stream, stream};
use longshore::{DownloadOptions, ImportOptions, Name, Progress, ProgressSink, Source};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval_at};

use crate::failure::{Exit, Failure};
use crate::output::{Output, size};
use crate::session::Session;
use crate::signals::interrupted_once;
use crate::transfer::landing::Spot;
use crate::transfer::progress::{Counters, Display};

/// What stands for standard output and standard input.
const STREAM: &str = "-";

/// How many bytes are read of standard input at once, and how many such pieces wait to be sent.
const PIECE: usize = 256 * 1_024;
const PIECES: usize = 4;

/// What is exported, and where to.
#[derive(Args)]
pub(crate) struct Export {
    /// The workspace, by name or id
    workspace: String,
    /// The local file to write, or `-` for standard output [default: the workspace's name, with .tar at its end]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace a local file that is there already
    #[arg(long, short)]
    force: bool,
}

/// What is imported, and as what.
#[derive(Args)]
pub(crate) struct Import {
    /// The archive, or `-` for standard input
    file: PathBuf,
    /// The name of the new workspace
    #[arg(long)]
    name: String,
    /// Take those of the server who are called like somebody in the archive, and alone are, for them, and make them members
    #[arg(long)]
    match_members: bool,
    /// Have the workspace keep the quota that it had
    #[arg(long)]
    keep_quota: bool,
}

/// What `--json` prints of an export.
#[derive(Serialize)]
struct Exported {
    file: String,
    bytes: u64,
}

/// Tells counters of one archive, whose length is known once it begins.
fn sink(counters: &Arc<Counters>) -> ProgressSink {
    let counters = Arc::clone(counters);
    ProgressSink::new(move |progress| {
        if let Progress::Started { length: Some(length), .. } = progress {
            counters.found(length);
            counters.found_all();
        }
        counters.note(&progress);
    })
}

/// Reads standard input, on a thread of its own, a few pieces ahead of who sends it.
fn standard_input() -> io::Result<impl Stream<Item = io::Result<Bytes>> + Send + 'static> {
    let (sender, pieces) = mpsc::channel(PIECES);
    let read = move || {
        let mut buffer = vec![0; PIECE];
        loop {
            let piece = match io::stdin().lock().read(&mut buffer) {
                Ok(0) => return,
                Ok(read) => Ok(Bytes::copy_from_slice(&buffer[..read])),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let is_last = piece.is_err();
            if sender.blocking_send(piece).is_err() || is_last {
                return;
            }
        }
    };
    // It ends with the input, with who sends it, or with the program.
    std::thread::Builder::new().name("input".to_owned()).spawn(read)?;
    Ok(stream::unfold(pieces, async |mut pieces| Some((pieces.recv().await?, pieces))))
}

/// Waits for a transfer, and shows how far it is; nothing where the user interrupts.
async fn watched<T>(counters: Arc<Counters>, output: Output, transfer: impl Future<Output = T>) -> Option<T> {
    let mut display = Display::new(counters, output);
    let mut ticks = interval_at(tokio::time::Instant::now() + display.interval(), display.interval());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut transfer, mut interrupt) = (pin!(transfer), pin!(interrupted_once()));
    let ended = loop {
        tokio::select! {
            biased;
            () = &mut interrupt => break None,
            _ = ticks.tick() => display.show(),
            ended = &mut transfer => break Some(ended),
        }
    };
    display.end();
    ended
}

impl Export {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let workspace = session.find_workspace(&self.workspace).await?;
        let workspaces = session.patient(longshore::DEFAULT_CONCURRENCY)?.workspaces();
        let file = self.output.clone().unwrap_or_else(|| format!("{}.tar", workspace.name).into());
        if file == Path::new(STREAM) {
            let mut archive = workspaces.export(workspace.id).await?;
            while let Some(chunk) = archive.chunk().await? {
                output.raw(&chunk)?;
            }
            return Ok(Exit::Ok);
        }
        let spot = Spot::named(&file)?.free(self.force)?;
        let counters = Arc::new(Counters::default());
        let options = DownloadOptions {
            replace: self.force,
            progress: Some(sink(&counters)),
            ..DownloadOptions::default()
        };
        let exporting = workspaces.export_to(workspace.id, spot.to.clone(), &options);
        // Dropped, the transfer takes its part away.
        let Some(done) = watched(counters, output, exporting).await else {
            output.note("note: interrupted; nothing was written");
            return Ok(Exit::Interrupted);
        };
        let done = done.map_err(|error| spot.failed(&error))?;
        let exported = Exported { file: file.display().to_string(), bytes: done.bytes };
        output.object(&exported, |exported| format!("{}: {}", exported.file, size(exported.bytes)))?;
        Ok(Exit::Ok)
    }
}

impl Import {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let name = Name::new(self.name.as_str()).map_err(Failure::from)?;
        let source = if self.file == Path::new(STREAM) {
            Source::stream(None, standard_input()?)
        } else {
            Source::Path(self.file.clone())
        };
        let counters = Arc::new(Counters::default());
        let options = ImportOptions {
            match_members: self.match_members,
            keep_quota: self.keep_quota,
            progress: Some(sink(&counters)),
        };
        let workspaces = session.patient(longshore::DEFAULT_CONCURRENCY)?.workspaces();
        let importing = workspaces.import(name, source, &options);
        let Some(made) = watched(counters, output, importing).await else {
            output.note("note: interrupted; unless all of it was sent, nothing was made");
            return Ok(Exit::Interrupted);
        };
        output.object(&made?, super::describe)?;
        Ok(Exit::Ok)
    }
}
