//! `longshore up`: local files and folders into the workspace.

use std::collections::HashMap;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use longshore::{
    Client, Code, IfMatch, Name, Node, NodeKind, OnConflict, Path, Place, UpdateNode, UploadOptions,
    Workspace, WorkspaceId,
};
use longshore_core::PathError;
use longshore_flow::fan_out;

use super::meta::patch;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::premise::Premise;
use crate::session::{Session, workspace_path};
use crate::transfer::drive::drive;
use crate::transfer::progress::Counters;
use crate::transfer::summary::{Outcome, Summary};
use crate::transfer::walk::{self, Step, Walk};
use crate::transfer::{Pace, both};

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
/// and counted. A file that is there already gets a new version. One that fails does not
/// hurt the others: failures are listed at the end, and the exit code is 3. Ctrl-C stops
/// at once and leaves no half file.
///
/// Where the workspace's rules ask for the version that a write replaces, each file is
/// looked up just before it is sent; --if-match with a version says it for a single file,
/// and `*` sends only what is there already. --on-conflict error sends only what is not.
///
/// With --json one object: {"files", "bytes", "failed", "skipped", "folders", "seconds",
/// "failures": [{"path", "code", "message"}], "incomplete"}; at most 1,000 failures are
/// listed.
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
    #[command(flatten)]
    pace: Pace,
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
        let starts = sources.iter().zip(kinds).zip(targets);
        let steps = starts.map(|((source, folder), target)| start(source, folder, target));
        // A walk per source, one after the other; none of them is read ahead.
        let steps = steps.collect::<Vec<_>>().into_iter().flatten();
        if self.dry_run {
            return rehearse(steps, output);
        }
        let sender = self.sender(session, workspace, sources)?;
        let summary = self.send(sender, steps, sources, output).await;
        Ok(summary.show("uploaded", output)?)
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
        session: &Session,
        workspace: &Workspace,
        sources: &[PathBuf],
    ) -> Result<Sender, Failure> {
        let files = if sources.iter().any(|source| source.is_dir()) { 0 } else { sources.len() };
        let if_match = self.premise.stated(files)?;
        let counters = Arc::new(Counters::default());
        let options = UploadOptions {
            on_conflict: match self.on_conflict {
                Conflict::Version => OnConflict::Version,
                Conflict::Error => OnConflict::Error,
                Conflict::Rename => OnConflict::Rename,
            },
            if_match,
            media_type: self.media_type.clone(),
            progress: Some(counters.sink()),
            ..UploadOptions::default()
        };
        // Whatever is there stays as it is unless a new version is made of it.
        let looks = workspace.settings.require_preconditions
            && if_match.is_none()
            && options.on_conflict == OnConflict::Version;
        let described = (!self.metadata.is_empty()).then(|| patch(&self.metadata)).transpose()?;
        let client = session.patient(self.pace.concurrency)?;
        Ok(Sender { client, workspace: workspace.id, options, looks, described, counters })
    }

    async fn send(
        &self,
        sender: Sender,
        steps: impl Iterator<Item = Step> + Send,
        sources: &[PathBuf],
        output: Output,
    ) -> Summary {
        let counters = Arc::clone(&sender.counters);
        if output.is_watched() {
            count_beside(sources.to_vec(), &counters);
        }
        let sender = Arc::new(sender);
        let concurrency = self.pace.concurrency;
        let outcomes = fan_out(steps, concurrency, |step| {
            let sender = Arc::clone(&sender);
            async move { sender.take(step).await }
        });
        drive(outcomes, counters, concurrency + 4, output).await
    }
}

struct Sender {
    client: Client,
    workspace: WorkspaceId,
    options: UploadOptions,
    /// Whether a file is looked up before it is sent, for the version that it replaces.
    looks: bool,
    /// What is said of each file once it is there.
    described: Option<UpdateNode>,
    counters: Arc<Counters>,
}

impl Sender {
    async fn take(&self, step: Step) -> Outcome {
        match step {
            Step::Skip => Outcome::Skipped,
            Step::Fail(path, failure) => Outcome::Failed(path.display().to_string(), failure),
            Step::Folder(path) => {
                let place = Place::from((self.workspace, path));
                match self.client.files().mkdir(place.clone()).await {
                    Ok(_) => Outcome::Folder,
                    Err(error) => failed(&place.path, &error),
                }
            }
            Step::File(local, path) => {
                let place = Place::from((self.workspace, path));
                match self.file(local, &place).await {
                    Ok(node) => Outcome::File(node.size),
                    Err(error) => failed(&place.path, &error),
                }
            }
        }
    }

    async fn file(&self, local: PathBuf, place: &Place) -> longshore::Result<Node> {
        let files = self.client.files();
        let mut options = self.options.clone();
        if self.looks {
            options.if_match = match files.by_path(place.clone()).await {
                Ok(node) => node.version_id.map(IfMatch::Version),
                // What nobody has made yet replaces nothing.
                Err(error) if error.is(Code::NodeNotFound) => None,
                Err(error) => return Err(error),
            };
        }
        let node = files.upload(local, place.clone(), &options).await?;
        match &self.described {
            Some(change) => files.update(node.id, change, node.version_id.map(IfMatch::Version)).await,
            None => Ok(node),
        }
    }
}

fn failed(path: &Path, error: &longshore::Error) -> Outcome {
    Outcome::Failed(path.to_string(), error.into())
}

/// Returns what is to be done about one source.
fn start(
    source: &LocalPath,
    folder: bool,
    target: Result<Path, PathError>,
) -> Box<dyn Iterator<Item = Step> + Send> {
    match target {
        Err(error) => Box::new(std::iter::once(Step::Fail(source.to_owned(), error.into()))),
        Ok(target) if folder => Box::new(Walk::new(source, target)),
        Ok(target) => Box::new(std::iter::once(Step::File(source.to_owned(), target))),
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

fn rehearse(steps: impl Iterator<Item = Step>, output: Output) -> anyhow::Result<Exit> {
    let mut summary = Summary::default();
    for step in steps {
        let line = match &step {
            Step::File(local, path) => format!("{} -> {path}", local.display()),
            Step::Folder(path) => format!("folder {path}"),
            Step::Skip | Step::Fail(..) => String::new(),
        };
        summary.add(match step {
            Step::File(local, _) => Outcome::File(local.metadata().map_or(0, |metadata| metadata.len())),
            Step::Folder(_) => Outcome::Folder,
            Step::Skip => Outcome::Skipped,
            Step::Fail(path, failure) => Outcome::Failed(path.display().to_string(), failure),
        });
        if !output.json && !line.is_empty() {
            output.line(&line)?;
        }
    }
    Ok(summary.show("would upload", output)?)
}
