//! `longshore sync`: makes one side as the other is, in the direction that is said.

use std::future::ready;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use clap::{Args, Subcommand};
use futures_util::stream::{self, Stream, StreamExt};
use longshore::{Delta, DownloadOptions, NodeKind, Path, UploadOptions};
use serde::Serialize;

use super::up::uploads_folder;
use crate::consent::Consent;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::session::{Session, workspace_path};
use crate::transfer::clash::Clashes;
use crate::transfer::drive::drive;
use crate::transfer::landing::Landing;
use crate::transfer::merge::Merge;
use crate::transfer::progress::Counters;
use crate::transfer::receive::{self, Receiver};
use crate::transfer::same::{READERS, Reader};
use crate::transfer::send::{self, Sender};
use crate::transfer::summary::{Outcome, Summary};
use crate::transfer::tree::Tree;
use crate::transfer::{Changes, Traffic};

mod down;
mod up;

/// Make a folder of the workspace as a local one is, or the other way round
///
/// Both sides are compared by size and digest; what differs is moved, folders are made,
/// empty ones too, and a second run does nothing. What is on the destination's side alone
/// stays there unless --delete removes it.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Sync {
    #[command(subcommand)]
    way: Way,
}

#[derive(Subcommand)]
enum Way {
    /// Make a folder of the workspace as a local one is
    ///
    ///   sync up DIR /folder    /folder gets what is in DIR
    ///
    /// Files are compared by size and digest, and read only where the sizes agree. A file
    /// that differs gets a new version. Symbolic links and special files are skipped and
    /// counted, as is what stands in the workspace where they are. With --delete, what is not
    /// in DIR goes into the workspace's trash, and so does what stands in the way: a file
    /// where DIR has a folder, or a folder where it has a file. What could not be read in DIR
    /// does not count as missing there.
    ///
    /// One that fails does not hurt the others: failures are listed at the end, and the exit
    /// code is 3. Ctrl-C stops, and the same command goes on from there.
    ///
    /// With --json one object, as `up --help` describes it, with "deleted" where --delete is
    /// said; with --dry-run before it a line {"change": "add" | "change" | "delete", "kind":
    /// "file" | "folder", "path", "bytes"} for each change.
    #[command(verbatim_doc_comment)]
    Up {
        /// The local folder, which stays as it is
        #[arg(value_name = "DIR")]
        local: PathBuf,
        /// The folder of the workspace that becomes as it is
        #[arg(value_name = "PATH")]
        path: String,
        #[command(flatten)]
        terms: Terms,
        #[command(flatten)]
        changes: Changes,
    },
    /// Make a local folder as one of the workspace is
    ///
    ///   sync down /folder DIR    DIR gets what is in /folder
    ///
    /// Files are compared by size and digest, and read only where the sizes agree. A file
    /// that differs is replaced, once all of the new one has come and was verified. With
    /// --delete, local files and folders that are not in the workspace are removed for good,
    /// and so is what stands in the way: a file where a folder goes, or a folder where a file
    /// goes. Symbolic links and special files are never followed, replaced or removed, and
    /// nothing outside DIR is touched.
    ///
    /// One that fails does not hurt the others: failures are listed at the end, and the exit
    /// code is 3. Ctrl-C stops, and the same command goes on from there.
    ///
    /// With --json as `sync up --help` describes it.
    #[command(verbatim_doc_comment)]
    Down {
        /// The folder of the workspace, which stays as it is
        #[arg(value_name = "PATH")]
        path: String,
        /// The local folder that becomes as it is
        #[arg(value_name = "DIR")]
        local: PathBuf,
        #[command(flatten)]
        terms: Terms,
    },
}

// No doc comment: clap would take it for the verb's own.
#[derive(Args)]
struct Terms {
    /// Remove what is at the destination alone; where the source is empty it asks first
    #[arg(long)]
    delete: bool,
    /// Only say what would be done: `+` is new, `~` differs, `-` is removed
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    traffic: Traffic,
}

/// What is to be done to the destination.
#[derive(Debug, Serialize)]
struct Change {
    change: Mark,
    kind: NodeKind,
    path: String,
    bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Mark {
    Add,
    Change,
    Delete,
}

impl Change {
    fn new(change: Mark, kind: NodeKind, path: &Path, bytes: u64) -> Self {
        Self { change, kind, path: path.to_string(), bytes }
    }

    fn text(&self) -> String {
        let mark = match self.change {
            Mark::Add => '+',
            Mark::Change => '~',
            Mark::Delete => '-',
        };
        let slash = if self.kind == NodeKind::Folder { "/" } else { "" };
        format!("{mark} {}{slash}", self.path)
    }

    /// Returns how it would end.
    fn outcome(&self) -> Outcome {
        match (self.change, self.kind) {
            (Mark::Delete, _) => Outcome::Deleted,
            (_, NodeKind::Folder) => Outcome::Folder,
            (_, NodeKind::File) => Outcome::File(self.bytes),
        }
    }
}

/// What comes of a path: a change and how it is made, or how it ended already.
enum Step<J> {
    Do(Change, J),
    /// It was made just now, or would be.
    Made(Change),
    Done(Outcome),
}

impl Sync {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        match &self.way {
            Way::Up { local, path, terms, changes } => {
                terms.up(session, local, path, changes.into(), output).await
            }
            Way::Down { path, local, terms } => terms.down(session, path, local, output).await,
        }
    }
}

impl Terms {
    async fn up(
        &self,
        session: &Session,
        local: &std::path::Path,
        path: &str,
        delta: Delta,
        output: Output,
    ) -> anyhow::Result<Exit> {
        let folder = workspace_path(path)?;
        let mut entries = std::fs::read_dir(local)
            .map_err(|error| Failure::local(format!("cannot read {}", local.display()), &error))?;
        let is_empty = entries.next().is_none();
        drop(entries);
        let workspace = session.workspace().await?;
        if !self.may_begin(is_empty, &local.display().to_string(), output)? {
            return Ok(Exit::Ok);
        }
        let client = session.for_traffic(&self.traffic)?;
        let counters = Arc::new(Counters::default());
        let sender = Sender {
            client: client.clone(),
            workspace: workspace.id,
            options: UploadOptions {
                resume: uploads_folder(&self.traffic)?,
                delta,
                state_version: workspace.settings.require_preconditions,
                ..UploadOptions::default()
            },
            described: None,
            counters: Arc::clone(&counters),
        };
        let tree = Tree::new(&client, (workspace.id, folder.clone()).into());
        let merge = Merge::new(Some(local.to_owned()), folder.clone(), tree);
        let planner = up::Planner::new(merge, (!self.dry_run).then_some(client), folder, self.delete);
        let reader = Reader::new();
        let steps = planner.plans().map(move |plan| up::checked(plan, reader.clone()));
        if self.dry_run {
            return self.rehearse(steps.buffered(READERS * 2), "would send", output).await;
        }
        let at_once = self.traffic.pace.concurrency;
        let jobs = jobs(steps.buffer_unordered(READERS * 2), Arc::clone(&counters), send::Job::Done);
        let summary = drive(sender.run(jobs, at_once), counters, at_once + 4, output).await;
        Ok(self.ended(summary).show_resumable("sent", output)?)
    }

    async fn down(
        &self,
        session: &Session,
        path: &str,
        local: &std::path::Path,
        output: Output,
    ) -> anyhow::Result<Exit> {
        let node = session.node(path).await?;
        if node.kind != NodeKind::Folder {
            let message = format!("{} is a file", node.path);
            return Err(Failure::invalid(message).hint("`longshore down` fetches files").into());
        }
        let client = session.for_traffic(&self.traffic)?;
        let mut tree = Tree::existing(&client, (node.workspace_id, node.path.clone()).into());
        let is_empty = tree.peek().await?.is_none();
        if !self.may_begin(is_empty, &node.path.to_string(), output)? {
            return Ok(Exit::Ok);
        }
        let landing = if self.dry_run { None } else { Some(Arc::new(Landing::new(local)?)) };
        // Before the folder is walked: the disk is asked with a file.
        let clashes = landing.as_ref().map_or(Clashes::new(false), |landing| Clashes::on(landing.root()));
        let counters = Arc::new(Counters::default());
        let receiver = Receiver {
            client,
            options: DownloadOptions { resume: !self.traffic.no_resume, ..DownloadOptions::default() },
            counters: Arc::clone(&counters),
        };
        // What cannot be looked at for another reason says so when it is walked.
        let is_there =
            !matches!(local.symlink_metadata(), Err(error) if error.kind() == std::io::ErrorKind::NotFound);
        let merge = Merge::new(is_there.then(|| local.to_owned()), node.path.clone(), tree);
        let planner = down::Planner::new(merge, landing, clashes, node.path, self.delete);
        let reader = Reader::new();
        let steps = planner.plans().map(move |plan| down::checked(plan, reader.clone()));
        if self.dry_run {
            return self.rehearse(steps.buffered(READERS * 2), "would fetch", output).await;
        }
        let at_once = self.traffic.pace.concurrency;
        let jobs = jobs(steps.buffer_unordered(READERS * 2), Arc::clone(&counters), receive::Job::Done);
        let summary = drive(receiver.run(jobs, at_once), counters, at_once + 4, output).await;
        Ok(self.ended(summary).show_resumable("fetched", output)?)
    }

    /// Asks before all of the destination would go: an empty source is more often a wrong one.
    fn may_begin(&self, is_empty: bool, source: &str, output: Output) -> Result<bool, Failure> {
        if !is_empty || !self.delete || self.dry_run {
            return Ok(true);
        }
        self.consent.is_given(&format!("{source} is empty: remove all that is at the destination?"), output)
    }

    fn ended(&self, mut summary: Summary) -> Summary {
        if self.delete {
            summary.deleted.get_or_insert(0);
        }
        summary
    }

    /// Says what would be done.
    async fn rehearse<J>(
        &self,
        steps: impl Stream<Item = Step<J>>,
        verb: &str,
        output: Output,
    ) -> anyhow::Result<Exit> {
        let mut summary = Summary::default();
        let mut steps = pin!(steps);
        while let Some(step) = steps.next().await {
            summary.add(match step {
                Step::Do(change, _) | Step::Made(change) => {
                    output.object(&change, Change::text)?;
                    change.outcome()
                }
                Step::Done(outcome) => outcome,
            });
        }
        Ok(self.ended(summary).show(verb, output)?)
    }
}

/// Returns the jobs that steps come to, `done` being that of what is done, and counts what there is to move.
fn jobs<J>(
    steps: impl Stream<Item = Step<J>>,
    counters: Arc<Counters>,
    done: fn(Outcome) -> J,
) -> impl Stream<Item = J> {
    let (counted, ended) = (Arc::clone(&counters), counters);
    let jobs = steps.map(move |step| match step {
        Step::Do(change, job) => {
            if change.change != Mark::Delete && change.kind == NodeKind::File {
                counted.found(change.bytes);
            }
            job
        }
        Step::Made(change) => done(change.outcome()),
        Step::Done(outcome) => {
            if let Outcome::Same(bytes) = outcome {
                counted.found(bytes);
            }
            done(outcome)
        }
    });
    let end = stream::once(async move { ended.found_all() });
    jobs.chain(end.filter_map(|()| ready(None)))
}

/// The refusal of what has another kind on the other side.
fn other_kind(path: impl std::fmt::Display, is: &str, wanted: &str, hint: &str) -> Failure {
    let message = format!("{path} is {is}, and {wanted} is to stand there");
    Failure::new(Exit::Conflict, "local_kind", message).hint(hint)
}

#[cfg(test)]
mod tests;
