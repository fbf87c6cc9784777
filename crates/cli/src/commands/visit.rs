//! `longshore visit`: what a share link leads to, for who has its address and no key.

use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use futures_util::stream::StreamExt;
use longshore::{
    Code, DEFAULT_CONCURRENCY, Depth, DownloadOptions, DropOptions, Error, ErrorCode, Name, NodeKind, Opened,
    Path, RetryPolicy, ShareMode, SharedNode, Visitor,
};
use serde::Serialize;

use crate::failure::{Exit, Failure};
use crate::hidden;
use crate::output::{Output, size, time};
use crate::session::{USER_AGENT, impatient, workspace_path};
use crate::signals::interrupted_once;
use crate::transfer::clash::Clashes;
use crate::transfer::drive::drive;
use crate::transfer::landing::{Landing, Spot};
use crate::transfer::progress::Counters;
use crate::transfer::summary::Outcome;

/// Read what a share link leads to, or put a file into it, without a key
///
/// All it takes is the link's address, as `share create` prints it; profiles, --url and --key play no part. The address is
/// as good as a key: others on this machine see it on a command line, so it may be typed unseen, or come as a line on
/// standard input, where URL is -. Paths begin in what the link leads to.
#[derive(Subcommand)]
pub(crate) enum Visit {
    /// Show what a link is for, and what it leads to
    ///
    /// What it leads to is shown where no password is missing. With --json: {"mode", "has_password", "name", "kind", "size"}.
    Look {
        #[command(flatten)]
        link: Link,
    },
    /// List a folder; with --json: {"items": [node, …]}, printed as it comes
    Ls {
        #[command(flatten)]
        link: Link,
        /// The folder
        #[arg(default_value = "/")]
        path: String,
        /// Show sizes and times
        #[arg(long, short)]
        long: bool,
        /// List everything below, with whole paths
        #[arg(long, short = 'R')]
        recursive: bool,
    },
    /// Download a file, or a folder with all that is below it
    ///
    /// A file appears only once it is whole and verified, and nothing is ever written outside of the folder it goes to. What
    /// is there already, the same, is left as it is. With --json of a file: {"file", "bytes"}; of a folder one object, as
    /// `up --help` describes it.
    Get {
        #[command(flatten)]
        link: Link,
        /// The file or folder; left out, what the link leads to
        #[arg(default_value = "/")]
        path: String,
        /// The local file or folder; left out, its own name in this folder
        #[arg(long, short, value_name = "PATH")]
        output: Option<PathBuf>,
        /// Replace local files that are there already
        #[arg(long, short)]
        force: bool,
    },
    /// Download a file, or a folder with all that is below it, as a zip; with --json: {"file", "bytes"}
    Zip {
        #[command(flatten)]
        link: Link,
        /// The file or folder; left out, what the link leads to
        #[arg(default_value = "/")]
        path: String,
        /// The local file to write
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
        /// Replace a local file that is there already
        #[arg(long, short)]
        force: bool,
    },
    /// Put a file into a drop box
    ///
    /// Where its name is taken there it gets another, of which nothing is told. With --json: {"size", "digest", "stored_at"}.
    Put {
        #[command(flatten)]
        link: Link,
        /// The local file
        file: PathBuf,
        /// The name to give it; left out, its own
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
}

// No `Debug`: it would show the address. No doc comment: clap would take it for the verb's own.
#[derive(Args)]
pub(crate) struct Link {
    /// The link's address; - for one that is typed unseen, or comes as a line on standard input
    url: String,
    /// The link takes a password, which is typed unseen, or comes as a line on standard input
    #[arg(long)]
    password: bool,
}

impl Link {
    fn visitor(&self, retry: RetryPolicy, output: Output) -> Result<Visitor, Failure> {
        let typed = match self.url.as_str() {
            "-" => Some(hidden::read("address", output)?),
            _ => None,
        };
        let url = typed.as_ref().map_or(self.url.as_str(), |typed| typed.reveal());
        let builder = longshore::Client::builder().user_agent(USER_AGENT).retry(retry);
        let visitor = builder.visit(url).map_err(|error| failed(&error))?;
        Ok(match self.password {
            true => visitor.with_password(hidden::read("password", output)?.reveal()),
            false => visitor,
        })
    }

    fn patient(&self, output: Output) -> Result<Visitor, Failure> {
        self.visitor(RetryPolicy::default(), output)
    }
}

/// Says what to do about an error, to who has nothing but a link.
fn failed(error: &Error) -> Failure {
    let failure = Failure::from(error);
    let hint = match error.code() {
        Some(ErrorCode::Known(Code::ShareNotFound)) => {
            "ask whoever gave you the link for another: it may be revoked, over or used up"
        }
        Some(ErrorCode::Known(Code::SharePasswordWrong)) => {
            "with --password it is asked for, or read from standard input"
        }
        Some(ErrorCode::Known(Code::ShareModeWrong)) => "`longshore visit look` shows what it is for",
        Some(ErrorCode::Known(Code::NodeNotFound)) => "`longshore visit ls` shows what is there",
        None if error.is_network() => "is the address right, and can its server be reached from here?",
        _ => return failure,
    };
    failure.hint(hint)
}

/// What `look --json` prints.
#[derive(Serialize)]
struct Looked {
    mode: ShareMode,
    has_password: bool,
    name: Option<String>,
    kind: Option<NodeKind>,
    size: Option<u64>,
}

/// What `--json` prints of a file that was written.
#[derive(Serialize)]
struct Written {
    file: String,
    bytes: u64,
}

impl Visit {
    pub(crate) async fn run(&self, output: Output) -> anyhow::Result<Exit> {
        match self {
            Self::Look { link } => look(link, output).await,
            Self::Ls { link, path, long, recursive } => {
                let visitor = link.visitor(impatient(), output)?;
                list(&visitor, workspace_path(path)?, *long, *recursive, output).await
            }
            Self::Get { link, path, output: to, force } => {
                let visitor = link.patient(output)?;
                Box::pin(get(&visitor, workspace_path(path)?, to.as_deref(), *force, output)).await
            }
            Self::Zip { link, path, output: to, force } => {
                let (visitor, path) = (link.patient(output)?, workspace_path(path)?);
                let spot = Spot::named(to)?.free(*force)?;
                let options = DownloadOptions { replace: *force, ..DownloadOptions::default() };
                one(&spot, visitor.archive_to(path, spot.to.clone(), &options), output).await
            }
            Self::Put { link, file, name } => {
                let name = match name {
                    Some(name) => name.as_str(),
                    None => file.file_name().and_then(|name| name.to_str()).unwrap_or_default(),
                };
                let name = Name::new(name)
                    .map_err(|error| Failure::from(error).hint("--name gives it another name"))?;
                put(&link.patient(output)?, file, &name, output).await
            }
        }
    }
}

async fn look(link: &Link, output: Output) -> anyhow::Result<Exit> {
    let visitor = link.visitor(impatient(), output)?;
    let seen = visitor.look().await.map_err(|error| failed(&error))?;
    let opened = match seen.has_password && !link.password {
        true => None,
        false => Some(visitor.open().await.map_err(|error| failed(&error))?),
    };
    let (name, kind, size) = match opened {
        Some(Opened { name, kind, size, .. }) => (Some(name), Some(kind), size),
        None => (None, None, None),
    };
    let looked = Looked { mode: seen.mode, has_password: seen.has_password, name, kind, size };
    output.object(&looked, |looked| {
        let name = match (&looked.name, looked.kind) {
            (Some(name), Some(NodeKind::Folder)) => format!("{name}/"),
            (Some(name), _) => name.clone(),
            (None, _) => "-".to_owned(),
        };
        let lines = [
            ("mode", looked.mode.as_str().to_owned()),
            ("password", if looked.has_password { "yes" } else { "no" }.to_owned()),
            ("name", name),
            ("size", looked.size.map_or_else(|| "-".to_owned(), crate::output::size)),
        ];
        lines.map(|(name, value)| format!("{name:<10}{value}")).join("\n")
    })?;
    Ok(Exit::Ok)
}

async fn list(
    visitor: &Visitor,
    path: Path,
    long: bool,
    recursive: bool,
    output: Output,
) -> anyhow::Result<Exit> {
    let depth = if recursive { Depth::All } else { Depth::Children };
    let mut nodes = visitor.list(path, depth);
    // What is refused is told before a list has begun.
    let mut next = nodes.next().await.transpose().map_err(|error| failed(&error))?;
    let mut list = output.list()?;
    while let Some(node) = next {
        list.item(&node, |node: &SharedNode| {
            let mut name = if recursive { node.path.to_string() } else { node.name.clone() };
            if node.kind == NodeKind::Folder {
                name.push('/');
            }
            match (long, node.kind) {
                (false, _) => name,
                (true, NodeKind::Folder) => format!("{:>10}  {}  {name}", "-", time(node.updated_at)),
                (true, NodeKind::File) => {
                    format!("{:>10}  {}  {name}", size(node.size), time(node.updated_at))
                }
            }
        })?;
        next = nodes.next().await.transpose().map_err(|error| failed(&error))?;
    }
    list.end()?;
    Ok(Exit::Ok)
}

/// Waits for a file to land, or for who stops it.
async fn one(
    spot: &Spot,
    landing: impl Future<Output = longshore::Result<longshore::Downloaded>>,
    output: Output,
) -> anyhow::Result<Exit> {
    let done = tokio::select! {
        biased;
        // Dropped, the transfer takes its part away.
        () = interrupted_once() => {
            output.note("note: interrupted; nothing was written");
            return Ok(Exit::Interrupted);
        }
        done = Box::pin(landing) => done,
    };
    let done = done.map_err(|error| landed(spot, &error))?;
    let written = Written { file: spot.path.display().to_string(), bytes: done.bytes };
    output.object(&written, |written| format!("{}: {}", written.file, size(written.bytes)))?;
    Ok(Exit::Ok)
}

/// Tells of a file that did not land.
fn landed(spot: &Spot, error: &Error) -> Failure {
    if error.is_local() { spot.failed(error) } else { failed(error) }
}

async fn get(
    visitor: &Visitor,
    path: Path,
    to: Option<&LocalPath>,
    force: bool,
    output: Output,
) -> anyhow::Result<Exit> {
    let opened = visitor.open().await.map_err(|error| failed(&error))?;
    let is_file = match path.is_root() {
        true => opened.kind == NodeKind::File,
        false => match visitor.list(path.clone(), Depth::Children).next().await.transpose() {
            Ok(_) => false,
            Err(error) if error.is(Code::NotAFolder) => true,
            Err(error) => return Err(failed(&error).into()),
        },
    };
    let name = match path.split_last() {
        Some((_, name)) => name.clone(),
        // The server says it, and it is made here: it is one name, or nothing is.
        None => Name::new(opened.name.as_str())?,
    };
    if !is_file {
        let own = PathBuf::from(name.as_str());
        return folder(visitor, path, to.unwrap_or(&own), force, output).await;
    }
    let into = to.is_some_and(|to| to.is_dir() || to.as_os_str().to_string_lossy().ends_with('/'));
    let spot = match to {
        Some(file) if !into => Spot::named(file)?,
        folder => Landing::new(folder.unwrap_or(LocalPath::new(".")))?.file(&[name])?,
    };
    let spot = if spot.size().is_some() { spot } else { spot.free(force)? };
    one(&spot, visitor.download_to(path, spot.to.clone(), &options(force)), output).await
}

fn options(force: bool) -> DownloadOptions {
    DownloadOptions { replace: force, skip_same: true, ..DownloadOptions::default() }
}

/// Downloads all that is below a folder.
async fn folder(
    visitor: &Visitor,
    path: Path,
    to: &LocalPath,
    force: bool,
    output: Output,
) -> anyhow::Result<Exit> {
    let landing = Arc::new(Landing::new(to)?);
    let mut clashes = Clashes::on(landing.root());
    let counters = Arc::new(Counters::default());
    let depth = path.names().len();
    let below = visitor.list(path.clone(), Depth::All).enumerate().map(|(place, node)| {
        let node = match node {
            // A server that lists what was not asked for is not followed.
            Ok(node) if node.path.names().len() <= depth || !node.path.names().starts_with(path.names()) => {
                let message = format!("the server lists {} below {path}", node.path);
                let failure = Failure::new(Exit::Unexpected, "unexpected_answer", message);
                return (place, Err(Outcome::Failed(node.path.to_string(), failure)));
            }
            Ok(node) => node,
            Err(error) => return (place, Err(Outcome::Failed(path.to_string(), failed(&error)))),
        };
        match clashes.check(&node.path) {
            Ok(()) => (place, Ok(node)),
            Err(failure) => (place, Err(Outcome::Failed(node.path.to_string(), failure))),
        }
    });
    let fetched = below.map(|(place, node)| {
        let (landing, counters) = (Arc::clone(&landing), Arc::clone(&counters));
        async move {
            match node {
                Ok(node) => fetch(visitor, &node, depth, place, &landing, &counters, force).await,
                Err(outcome) => outcome,
            }
        }
    });
    let fetched = fetched.buffer_unordered(DEFAULT_CONCURRENCY);
    let summary = drive(fetched, Arc::clone(&counters), DEFAULT_CONCURRENCY + 4, output).await;
    Ok(summary.show_resumable("downloaded", output)?)
}

/// Makes what a node of the link is on this machine.
async fn fetch(
    visitor: &Visitor,
    node: &SharedNode,
    depth: usize,
    place: usize,
    landing: &Landing,
    counters: &Arc<Counters>,
    force: bool,
) -> Outcome {
    let names = node.path.names().get(depth..).unwrap_or_default();
    let refused = |failure| Outcome::Failed(node.path.to_string(), failure);
    if node.kind == NodeKind::Folder {
        return landing.folder(names).map_or_else(refused, |_| Outcome::Folder);
    }
    let spot = landing.file(names).and_then(|spot| {
        // One of the same length may be the same.
        if spot.size() == Some(node.size) { Ok(spot) } else { spot.free(force) }
    });
    let spot = match spot {
        Ok(spot) => spot,
        Err(failure) => return refused(failure),
    };
    counters.will_move(place, &node.path, node.size);
    let options = DownloadOptions { progress: Some(counters.sink()), ..options(force) };
    match visitor.download_to(node.path.clone(), spot.to.clone(), &options).await {
        Ok(done) if done.skipped => Outcome::Same(done.bytes),
        Ok(done) => Outcome::File(done.bytes),
        Err(error) => refused(landed(&spot, &error)),
    }
}

async fn put(visitor: &Visitor, file: &LocalPath, name: &Name, output: Output) -> anyhow::Result<Exit> {
    let putting = async { visitor.put(file, name, &DropOptions::default()).await };
    let done = tokio::select! {
        biased;
        () = interrupted_once() => {
            output.note("note: interrupted; it may be there: whole, or not at all");
            return Ok(Exit::Interrupted);
        }
        done = putting => done,
    };
    let done = done.map_err(|error| failed(&error))?;
    output.object(&done, |done| format!("{name}: {}", size(done.size)))?;
    Ok(Exit::Ok)
}
