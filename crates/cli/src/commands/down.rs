//! `longshore down`: out of the workspace onto this machine.

use std::collections::HashMap;
use std::path::{Path as LocalPath, PathBuf};
use std::pin::pin;
use std::sync::Arc;

use clap::Args;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use longshore::{Client, Depth, DownloadOptions, Name, Node, NodeKind, Path, Place};

use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::session::Session;
use crate::transfer::clash::Clashes;
use crate::transfer::drive::drive;
use crate::transfer::landing::{Landing, Spot};
use crate::transfer::progress::Counters;
use crate::transfer::receive::{Get, Job, Receiver};
use crate::transfer::same::{READERS, Reader};
use crate::transfer::summary::{Outcome, Summary};
use crate::transfer::{Traffic, both};

/// Download files and folders
///
///   down /folder DIR     the contents of /folder become those of DIR, which is made
///   down /file DEST      the file becomes DEST, or DEST/file when DEST is a folder
///   down SRC SRC... DIR  each goes into DIR under its own name, no two the same
///
/// A local file that is there already with the same size and digest is left as it is, and
/// counted; another one is a failure, unless --force lets it be replaced. Every file is
/// verified and appears only once it is whole; nothing is ever written outside DEST. One
/// that fails does not hurt the others: failures are listed at the end, and the exit code
/// is 3. A second run fetches what failed or is missing. Two files whose names differ only
/// in case are one on some disks: the second of them then fails.
///
/// Small files come many in a request, large ones in parts. Ctrl-C stops and leaves no
/// half file; a second Ctrl-C does so at once. What has come of one of 32 MiB or more is
/// kept beside its place, in .NAME.*.part and .NAME.*.state, and the same command goes on
/// from there.
///
/// With --json one object, as `up --help` describes it.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Down {
    /// Paths in the workspace, or ids
    #[arg(required = true, value_name = "SRC")]
    sources: Vec<String>,
    /// The local file or folder they go to
    #[arg(value_name = "DEST")]
    destination: PathBuf,
    /// Replace local files that are there already
    #[arg(long, short)]
    force: bool,
    #[command(flatten)]
    traffic: Traffic,
    /// Only say what would be fetched
    #[arg(long)]
    dry_run: bool,
}

impl Down {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        // All are looked up first: a wrong one should not show after an hour.
        let mut nodes = Vec::new();
        for source in &self.sources {
            nodes.push(session.node(source).await?);
        }
        check_names(&nodes, &self.destination)?;
        let into = nodes.len() > 1 || is_folder_path(&self.destination);
        let client = session.for_traffic(&self.traffic)?;
        let counters = Arc::new(Counters::default());
        let places = self.places(&nodes, into)?;
        let receiver = Receiver {
            client: client.clone(),
            options: DownloadOptions { resume: !self.traffic.no_resume, ..DownloadOptions::default() },
            counters: Arc::clone(&counters),
        };
        let (reader, force) = (Reader::new(), self.force);
        let listed = client.clone();
        let items = stream::iter(places).flat_map(move |place| place.items(&listed));
        let jobs = items.map(move |item| checked(item, reader.clone(), force));
        if self.dry_run {
            return rehearse(jobs.buffered(READERS * 2), output).await;
        }
        if output.is_watched() {
            count_beside(client, nodes, Arc::clone(&counters));
        }
        let concurrency = self.traffic.pace.concurrency;
        let jobs = jobs.buffer_unordered(READERS * 2);
        let summary = drive(receiver.run(jobs, concurrency), counters, concurrency + 4, output).await;
        Ok(summary.show_resumable("downloaded", output)?)
    }

    /// Returns where each node goes; unless it is a rehearsal, folders that are named are made here.
    fn places(&self, nodes: &[Node], into: bool) -> Result<Vec<Source>, Failure> {
        if let ([node], false) = (nodes, into)
            && node.kind == NodeKind::File
        {
            let to = Spot::named(&self.destination);
            return Ok(vec![Source::One(Item::File(Box::new(node.clone()), to))]);
        }
        let ground = if self.dry_run {
            Ground::Path(self.destination.clone())
        } else {
            Ground::Landing(Arc::new(Landing::new(&self.destination)?))
        };
        nodes
            .iter()
            .map(|node| {
                let names = node.path.names();
                // A folder that is alone gives its contents; one of several comes with its own name.
                let own = names.len().saturating_sub(1);
                if node.kind == NodeKind::File {
                    return Ok(Source::One(Item::Below(Box::new(node.clone()), own, ground.clone())));
                }
                let depth = if nodes.len() > 1 { own } else { names.len() };
                ground.folder(&names[depth..])?;
                let place = (node.workspace_id, node.path.clone()).into();
                Ok(Source::All(place, depth, ground.clone()))
            })
            .collect()
    }
}

/// Where a folder's contents go.
#[derive(Clone)]
enum Ground {
    Landing(Arc<Landing>),
    /// In a rehearsal: nothing is made.
    Path(PathBuf),
}

impl Ground {
    fn folder(&self, names: &[Name]) -> Result<(), Failure> {
        match self {
            Self::Landing(landing) => landing.folder(names).map(drop),
            Self::Path(_) => Ok(()),
        }
    }

    fn file(&self, names: &[Name]) -> Result<Spot, Failure> {
        match self {
            Self::Landing(landing) => landing.file(names),
            Self::Path(path) => {
                let mut path = path.clone();
                path.extend(names.iter().map(Name::as_str));
                Spot::named(&path)
            }
        }
    }

    fn clashes(&self) -> Clashes {
        match self {
            Self::Landing(landing) => Clashes::on(landing.root()),
            // Nothing is written in a rehearsal, not even to see what the disk makes of it.
            Self::Path(_) => Clashes::new(false),
        }
    }
}

/// Tells whether a text means a folder: one stands there, or it ends as a folder does.
fn is_folder_path(path: &LocalPath) -> bool {
    path.is_dir() || path.as_os_str().to_string_lossy().ends_with(std::path::MAIN_SEPARATOR)
}

/// Refuses sources that would land in one place: which of them stood there in the end would be chance.
fn check_names(nodes: &[Node], destination: &LocalPath) -> Result<(), Failure> {
    if nodes.len() < 2 {
        return Ok(());
    }
    let mut taken = HashMap::new();
    for node in nodes {
        let Some((_, name)) = node.path.split_last() else {
            return Err(Failure::invalid("/ has no name to go under beside others; download it by itself"));
        };
        if let Some(other) = taken.insert(name, &node.path) {
            let place = destination.join(name.as_str());
            return Err(both(other, &node.path, place.display()));
        }
    }
    Ok(())
}

/// What one SRC comes to.
enum Source {
    One(Item),
    /// All that is in this folder; names from this depth on are those below the destination.
    All(Place, usize, Ground),
}

/// One thing to do.
enum Item {
    /// Fetch this file to there, if nothing stands in the way.
    File(Box<Node>, Result<Spot, Failure>),
    /// Do what this node needs, whose names from this depth on are those below the destination.
    Below(Box<Node>, usize, Ground),
    /// It cannot be done, or the listing broke off.
    Broken(String, Failure),
}

impl Source {
    fn items(self, client: &Client) -> BoxStream<'static, Item> {
        let (place, depth, ground) = match self {
            Self::One(item) => return stream::iter([item]).boxed(),
            Self::All(place, depth, ground) => (place, depth, ground),
        };
        let path = place.path.clone();
        let mut clashes = ground.clashes();
        let listing = client.files().list(place, Depth::All);
        listing
            .map(move |node| match node {
                // A server that lists what was not asked for is not followed.
                Ok(node) if !is_below(&node.path, &path) => {
                    let message = format!("the server lists {} below {path}", node.path);
                    Item::Broken(
                        node.path.to_string(),
                        Failure::new(Exit::Unexpected, "unexpected_answer", message),
                    )
                }
                Ok(node) => match clashes.check(&node.path) {
                    Ok(()) => Item::Below(Box::new(node), depth, ground.clone()),
                    Err(failure) => Item::Broken(node.path.to_string(), failure),
                },
                Err(error) => Item::Broken(path.to_string(), error.into()),
            })
            .boxed()
    }
}

fn is_below(path: &Path, folder: &Path) -> bool {
    path.names().len() > folder.names().len() && path.names().starts_with(folder.names())
}

/// Returns what an item comes to: what stands there already with its content is left out.
async fn checked(item: Item, reader: Reader, force: bool) -> Job {
    let (node, to) = match item {
        Item::Broken(path, failure) => return Job::Done(Outcome::Failed(path, failure)),
        Item::File(node, to) => (node, to),
        Item::Below(node, depth, ground) => {
            let names = node.path.names().get(depth..).unwrap_or_default();
            if node.kind == NodeKind::Folder {
                return Job::Done(match ground.folder(names) {
                    Ok(()) => Outcome::Folder,
                    Err(failure) => Outcome::Failed(node.path.to_string(), failure),
                });
            }
            let to = ground.file(names);
            (node, to)
        }
    };
    let failed = |failure| Job::Done(Outcome::Failed(node.path.to_string(), failure));
    let to = match to {
        Ok(to) => to,
        Err(failure) => return failed(failure),
    };
    if let Some(size) = to.size() {
        let spot = to.clone();
        if reader.is_same(&node, size, move || spot.open()).await {
            return Job::Done(Outcome::Same(size));
        }
    }
    match to.free(force) {
        Ok(to) => Job::File(Get { node, to, replaces: force }),
        Err(failure) => failed(failure),
    }
}

async fn rehearse(jobs: impl Stream<Item = Job>, output: Output) -> anyhow::Result<Exit> {
    let mut summary = Summary::default();
    let mut jobs = pin!(jobs);
    while let Some(job) = jobs.next().await {
        summary.add(match job {
            Job::File(get) => {
                if !output.json {
                    output.line(&format!("{} -> {}", get.node.path, get.to.path.display()))?;
                }
                Outcome::File(get.node.size)
            }
            Job::Done(outcome) => outcome,
        });
    }
    Ok(summary.show("would download", output)?)
}

/// Counts what there is while it is already on its way, so that the time left can be told.
fn count_beside(client: Client, nodes: Vec<Node>, counters: Arc<Counters>) {
    let counting = async move {
        for node in nodes {
            if node.kind == NodeKind::File {
                counters.found(node.size);
                continue;
            }
            let place = Place::from((node.workspace_id, node.path));
            let mut below = pin!(client.files().list(place, Depth::All));
            while let Some(Ok(node)) = below.next().await {
                if node.kind == NodeKind::File {
                    counters.found(node.size);
                }
            }
        }
        counters.found_all();
    };
    // It ends with the runtime, which does not wait for it.
    drop(longshore_flow::Tasks::new().spawn(counting));
}
