//! `longshore up`: local files and folders into the workspace.

use std::collections::HashMap;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use longshore::{Client, Known, Name, NodeKind, OnConflict, Path, UploadOptions, Workspace};
use longshore_core::PathError;

use super::meta::patch;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::premise::Premise;
use crate::profiles::state_folder;
use crate::session::{Session, workspace_path};
use crate::transfer::drive::drive;
use crate::transfer::progress::Counters;
use crate::transfer::same::{READERS, Reader, open_file};
use crate::transfer::send::{Job, Load, Sender};
use crate::transfer::summary::{Outcome, Summary};
use crate::transfer::tree::{Found, Looker, Tree};
use crate::transfer::walk::{self, Step, Walk};
use crate::transfer::{Changes, Traffic, both};

const IF_MATCH: &str =
    "Send it only if this version of the file, by its id, is the current one; `*` for whichever";

/// Upload files and folders
///
/// The last argument is the destination when it begins with `/` and something stands
/// before it; without one it is `/`. Use --to where the last SRC is an absolute path.
///
///   up DIR /dest         the contents of DIR become those of /dest
///   up FILE /dest        FILE becomes /dest, or /dest/FILE when /dest is a folder or
///                        ends with `/`
///   up SRC SRC... /dest  each goes into /dest under its own name, no two the same
///
/// Folders are sent whole, empty ones too; symbolic links and special files are skipped
/// and counted. Of a folder's files those that are there already with the same size and
/// digest are not sent again, and counted; --always sends them, and so do --on-conflict,
/// --metadata and --media-type. Another file that is there already gets a new version.
/// One that fails does not hurt the others: failures are listed at the end, and the exit
/// code is 3. A second run sends what failed or has changed since.
///
/// Small files go many in a request, large ones in parts. Ctrl-C stops and leaves no half
/// file; a second Ctrl-C does so at once. What has been sent of one of 8 MiB or more is
/// remembered in $XDG_STATE_HOME/longshore/uploads (~/.local/state where that is not set),
/// and the same command goes on from there, unless the file has changed.
///
/// Where the workspace's rules ask for the version that a write replaces, each file is
/// looked up just before it is sent; --if-match with a version says it for a single file,
/// and `*` sends only what is there already. --on-conflict error sends only what is not.
///
/// With --json one object: {"files", "bytes", "same", "failed", "skipped", "folders",
/// "seconds", "failures": [{"path", "code", "message"}], "incomplete"}; "same" counts
/// files that were there already, and at most 1,000 failures are listed.
#[derive(Args)]
#[command(verbatim_doc_comment, mut_arg("if_match", |it| it.help(IF_MATCH)))]
pub(crate) struct Up {
    /// Files and folders to upload, and where they go
    #[arg(required = true, value_name = "SRC")]
    sources: Vec<PathBuf>,
    /// The destination in the workspace; every argument is then a SRC
    #[arg(long, value_name = "PATH")]
    to: Option<String>,
    /// What to do with a file that is there already
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    on_conflict: Conflict,
    /// What kind of content you say it is, such as text/csv; kept beside what the server finds it to be
    #[arg(long, value_name = "TYPE")]
    media_type: Option<String>,
    /// Set this in the metadata of each file, once it is there; may be given many times
    #[arg(long, value_name = "KEY=VALUE")]
    metadata: Vec<String>,
    #[command(flatten)]
    premise: Premise,
    /// Send files too that are there already, the same
    #[arg(long)]
    always: bool,
    #[command(flatten)]
    traffic: Traffic,
    #[command(flatten)]
    changes: Changes,
    /// Only say what would be sent
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Conflict {
    /// Make a new version
    #[default]
    Version,
    /// Fail
    Error,
    /// Write under the next free name
    Rename,
}

impl Up {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let (sources, destination, slash) = self.split(output)?;
        let kinds = sources.iter().map(|source| is_folder(source)).collect::<Result<Vec<_>, _>>()?;
        let workspace = session.workspace().await?;
        // A single file may be meant to become the destination itself; only then has the server to be asked.
        let into = match kinds[..] {
            [true] => false,
            [false] if !slash && !destination.is_root() => session
                .node_if_any(destination.clone())
                .await?
                .is_some_and(|node| node.kind == NodeKind::Folder),
            _ => true,
        };
        let target = |source| if into { below(&destination, source) } else { Ok(destination.clone()) };
        let targets: Vec<_> = sources.iter().map(|source| target(source)).collect();
        check_targets(sources, &targets)?;
        let client = session.for_traffic(&self.traffic)?;
        let starts = sources.iter().zip(kinds).zip(targets);
        let starts: Vec<_> = starts.map(|((source, folder), target)| start(source, folder, target)).collect();
        let listed = self.looks().then(|| (client.clone(), workspace.id));
        let steps = stream::iter(starts).flat_map(move |Start { steps, folder }| {
            let tree = folder.zip(listed.clone());
            let tree = tree.map(|(folder, (client, id))| Tree::new(&client, (id, folder).into()));
            beside(steps, tree)
        });
        let reader = Reader::new();
        // What was listed is old by the time it is sent, and a version that is stated must be the current one.
        let believes = !workspace.settings.require_preconditions;
        let jobs = steps.map(move |step| checked(step, reader.clone(), believes));
        if self.dry_run {
            return rehearse(jobs.buffered(READERS * 2), output).await;
        }
        let jobs = jobs.buffer_unordered(READERS * 2).map(|(_, job)| job);
        let counters = Arc::new(Counters::default());
        let sender = self.sender(client, workspace, sources, &counters)?;
        if output.is_watched() {
            count_beside(sources.to_vec(), &counters);
        }
        let concurrency = self.traffic.pace.concurrency;
        let summary = drive(sender.run(jobs, concurrency), counters, concurrency + 4, output).await;
        Ok(summary.show_resumable("uploaded", output)?)
    }

    /// Tells whether files that are there already are left out: whoever says what is to become of each means all.
    fn looks(&self) -> bool {
        let says_more = self.media_type.is_some() || !self.metadata.is_empty();
        !self.always && !says_more && matches!(self.on_conflict, Conflict::Version)
    }

    /// Tells sources and destination apart.
    fn split(&self, output: Output) -> Result<(&[PathBuf], Path, bool), Failure> {
        if let Some(to) = &self.to {
            return Ok((&self.sources, workspace_path(to)?, to.ends_with('/')));
        }
        if let [sources @ .., last] = &self.sources[..]
            && !sources.is_empty()
            && let Some(text) = last.to_str().filter(|text| text.starts_with('/'))
        {
            if last.exists() && text != "/" {
                output.note(&format!(
                    "note: {text} is taken as the destination in the workspace; --to makes it a SRC"
                ));
            }
            return Ok((sources, workspace_path(text)?, text.ends_with('/')));
        }
        Ok((&self.sources, Path::root(), true))
    }

    fn sender(
        &self,
        client: Client,
        workspace: &Workspace,
        sources: &[PathBuf],
        counters: &Arc<Counters>,
    ) -> Result<Sender, Failure> {
        let files = if sources.iter().any(|source| source.is_dir()) { 0 } else { sources.len() };
        let if_match = self.premise.stated(files)?;
        let options = UploadOptions {
            on_conflict: match self.on_conflict {
                Conflict::Version => OnConflict::Version,
                Conflict::Error => OnConflict::Error,
                Conflict::Rename => OnConflict::Rename,
            },
            if_match,
            media_type: self.media_type.clone(),
            resume: uploads_folder(&self.traffic)?,
            delta: (&self.changes).into(),
            state_version: workspace.settings.require_preconditions,
            ..UploadOptions::default()
        };
        let described = (!self.metadata.is_empty()).then(|| patch(&self.metadata)).transpose()?;
        let counters = Arc::clone(counters);
        Ok(Sender { client, workspace: workspace.id, options, described, counters })
    }
}

/// Returns where what is known of large files under way is kept, if it is.
pub(super) fn uploads_folder(traffic: &Traffic) -> Result<Option<PathBuf>, Failure> {
    (!traffic.no_resume).then(|| Ok(state_folder()?.join("uploads"))).transpose()
}

/// What is to be done about one source.
struct Start {
    steps: Box<dyn Iterator<Item = Step> + Send>,
    /// Where its contents go, if it is a folder.
    folder: Option<Path>,
}

fn start(source: &LocalPath, folder: bool, target: Result<Path, PathError>) -> Start {
    let (steps, folder): (Box<dyn Iterator<Item = Step> + Send>, _) = match target {
        Err(error) => (Box::new(std::iter::once(Step::Fail(source.to_owned(), error.into()))), None),
        Ok(target) if folder => (Box::new(Walk::new(source, target.clone())), Some(target)),
        Ok(target) => {
            // One that is gone by now fails when it is read.
            let size = source.metadata().map_or(0, |metadata| metadata.len());
            (Box::new(std::iter::once(Step::File(source.to_owned(), target, size))), None)
        }
    };
    Start { steps, folder }
}

/// A step, and what is known of where its file goes.
struct Beside {
    step: Step,
    found: Found,
    looker: Option<Looker>,
}

/// Returns steps with what stands where their files go; both come in the same order.
fn beside(steps: Box<dyn Iterator<Item = Step> + Send>, tree: Option<Tree>) -> BoxStream<'static, Beside> {
    let steps = stream::unfold((steps, tree), async |(mut steps, mut tree)| {
        let step = steps.next()?;
        let mut beside = Beside { step, found: Found::Unknown, looker: None };
        if let (Step::File(_, path, _), Some(tree)) = (&beside.step, &mut tree) {
            beside.found = tree.find(path).await;
            beside.looker = matches!(beside.found, Found::Unknown).then(|| tree.looker());
        }
        Some((beside, (steps, tree)))
    });
    steps.boxed()
}

/// Returns what a step comes to, and what it says before it is done. What stands there already with its content is left out;
/// who sends the others is told what stands there if that is to be believed.
async fn checked(Beside { step, found, looker }: Beside, reader: Reader, believes: bool) -> (String, Job) {
    match step {
        Step::Skip => (String::new(), Job::Done(Outcome::Skipped)),
        Step::Fail(path, failure) => {
            (String::new(), Job::Done(Outcome::Failed(path.display().to_string(), failure)))
        }
        Step::Folder(path) => (format!("folder {path}"), Job::Folder(path)),
        Step::File(local, path, size) => {
            let known = match (found, looker) {
                (Found::Node(node), _) => Known::Node(node),
                (_, Some(looker)) => looker.look(&path).await.map_or(Known::Unknown, Known::from),
                (Found::Nothing, None) => Known::Absent,
                (Found::Unknown, None) => Known::Unknown,
            };
            if let Known::Node(node) = &known {
                let open = local.clone();
                if reader.is_same(node, size, move || open_file(&open)).await {
                    return (String::new(), Job::Done(Outcome::Same(size)));
                }
            }
            let told = format!("{} -> {path}", local.display());
            let known = if believes { known } else { Known::Unknown };
            (told, Job::File(Load { local, path, size, known }))
        }
    }
}

fn is_folder(source: &LocalPath) -> Result<bool, Failure> {
    let metadata = std::fs::metadata(source)
        .map_err(|error| Failure::local(format!("cannot read {}", source.display()), &error))?;
    if metadata.is_dir() || metadata.is_file() {
        return Ok(metadata.is_dir());
    }
    Err(Failure::invalid(format!("{} is neither a file nor a folder", source.display())))
}

/// Returns the path of a source below the destination. `.` and `..` have a name of their own only once resolved.
fn below(destination: &Path, source: &LocalPath) -> Result<Path, PathError> {
    let resolved = source.file_name().is_none().then(|| source.canonicalize().ok()).flatten();
    let name = resolved.as_deref().unwrap_or(source).file_name();
    destination.join(Name::new(name.and_then(|name| name.to_str()).ok_or(PathError::NotUtf8)?)?)
}

/// Refuses sources that would go to one path: which of them stood there in the end would be chance, and folders
/// would be mixed.
fn check_targets(sources: &[PathBuf], targets: &[Result<Path, PathError>]) -> Result<(), Failure> {
    let mut taken = HashMap::new();
    for (source, target) in sources.iter().zip(targets) {
        // One that cannot be sent fails by itself later.
        if let Ok(target) = target
            && let Some(other) = taken.insert(target, source)
        {
            return Err(both(other.display(), source.display(), target));
        }
    }
    Ok(())
}

/// Counts what there is while it is already on its way, so that the time left can be told.
fn count_beside(sources: Vec<PathBuf>, counters: &Arc<Counters>) {
    let counters = Arc::clone(counters);
    // The thread ends with the program, which does not wait for it.
    drop(std::thread::spawn(move || {
        for source in &sources {
            walk::count(source, |bytes| counters.found(bytes));
        }
        counters.found_all();
    }));
}

async fn rehearse(jobs: impl Stream<Item = (String, Job)>, output: Output) -> anyhow::Result<Exit> {
    let mut summary = Summary::default();
    let mut jobs = std::pin::pin!(jobs);
    while let Some((told, job)) = jobs.next().await {
        summary.add(match job {
            Job::File(load) => Outcome::File(load.size),
            Job::Folder(_) => Outcome::Folder,
            Job::Trash(_) => Outcome::Deleted,
            Job::Done(outcome) => outcome,
        });
        if !output.json && !told.is_empty() {
            output.line(&told)?;
        }
    }
    Ok(summary.show("would upload", output)?)
}
