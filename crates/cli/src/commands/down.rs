//! `longshore down`: out of the workspace onto this machine.

use std::collections::HashMap;
use std::path::{Path as LocalPath, PathBuf};
use std::pin::pin;
use std::sync::Arc;

use clap::Args;
use futures_util::StreamExt;
use longshore::{Client, Depth, DownloadOptions, Files, Node, NodeKind, Path, Place};
use longshore_flow::fan_out_stream;

use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::session::Session;
use crate::transfer::drive::drive;
use crate::transfer::landing::{Landing, Spot};
use crate::transfer::progress::Counters;
use crate::transfer::summary::{Outcome, Summary};
use crate::transfer::{Pace, both};

/// Download files and folders
///
///   down /folder DIR     the contents of /folder become those of DIR, which is made
///   down /file DEST      the file becomes DEST, or DEST/file when DEST is a folder
///   down SRC SRC... DIR  each goes into DIR under its own name, no two the same
///
/// A local file that is there already is a failure, unless --force lets it be replaced.
/// Every file is verified and appears only once it is whole; nothing is ever written
/// outside DEST. One that fails does not hurt the others: failures are listed at the end,
/// and the exit code is 3. Ctrl-C stops at once and leaves no half file. What has come of
/// one of 32 MiB or more is kept beside its place, in .NAME.*.part and .NAME.*.state, and
/// the same command goes on from there.
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
    pace: Pace,
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
        let client = session.patient(self.pace.concurrency)?;
        let counters = Arc::new(Counters::default());
        let options = DownloadOptions {
            progress: Some(counters.sink()),
            replace: self.force,
            ..DownloadOptions::default()
        };
        let fetcher = Arc::new(Fetcher { files: client.files(), options });
        let parts = self.parts(&nodes, into)?;
        if output.is_watched() {
            count_beside(client.clone(), nodes, Arc::clone(&counters));
        }
        let summary = self.fetch(&client, &fetcher, parts, counters, output).await;
        Ok(summary.show("downloaded", output)?)
    }

    /// Returns what each node comes to; folders that are named are made here.
    fn parts(&self, nodes: &[Node], into: bool) -> Result<Vec<Part>, Failure> {
        if let ([node], false) = (nodes, into)
            && node.kind == NodeKind::File
        {
            return Ok(vec![Part::file(node, Spot::named(&self.destination, self.force))]);
        }
        let landing = Arc::new(Landing::new(&self.destination, self.force)?);
        nodes
            .iter()
            .map(|node| {
                let names = node.path.names();
                // A folder that is alone gives its contents; one of several comes with its own name.
                let own = names.len().saturating_sub(1);
                if node.kind == NodeKind::File {
                    return Ok(Part::file(node, landing.file(&names[own..])));
                }
                let depth = if nodes.len() > 1 { own } else { names.len() };
                landing.folder(&names[depth..])?;
                Ok(Part::All((node.workspace_id, node.path.clone()).into(), depth, Arc::clone(&landing)))
            })
            .collect()
    }

    async fn fetch(
        &self,
        client: &Client,
        fetcher: &Arc<Fetcher>,
        parts: Vec<Part>,
        counters: Arc<Counters>,
        output: Output,
    ) -> Summary {
        let items = futures_util::stream::iter(parts).flat_map(|part| part.items(client));
        let concurrency = self.pace.concurrency;
        let outcomes = fan_out_stream(items, concurrency, |item| {
            let fetcher = Arc::clone(fetcher);
            async move { fetcher.take(item).await }
        });
        drive(outcomes, counters, concurrency + 4, output).await
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
enum Part {
    One(Item),
    /// All that is in this folder; names from this depth on are those below the landing.
    All(Place, usize, Arc<Landing>),
}

/// One thing to do.
enum Item {
    /// Fetch this file to there, if nothing stands in the way.
    File(Box<Node>, Result<Spot, Failure>),
    /// Do what this node of a folder at this depth needs.
    Below(Box<Node>, usize, Arc<Landing>),
    /// The listing broke off.
    Broken(String, Failure),
}

impl Part {
    fn file(node: &Node, to: Result<Spot, Failure>) -> Self {
        Self::One(Item::File(Box::new(node.clone()), to))
    }

    fn items(self, client: &Client) -> futures_util::stream::BoxStream<'static, Item> {
        let (place, depth, landing) = match self {
            Self::One(item) => return futures_util::stream::iter([item]).boxed(),
            Self::All(place, depth, landing) => (place, depth, landing),
        };
        let path = place.path.clone();
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
                Ok(node) => Item::Below(Box::new(node), depth, Arc::clone(&landing)),
                Err(error) => Item::Broken(path.to_string(), error.into()),
            })
            .boxed()
    }
}

fn is_below(path: &Path, folder: &Path) -> bool {
    path.names().len() > folder.names().len() && path.names().starts_with(folder.names())
}

struct Fetcher {
    files: Files,
    options: DownloadOptions,
}

impl Fetcher {
    async fn take(&self, item: Item) -> Outcome {
        let (node, to) = match item {
            Item::Broken(path, failure) => return Outcome::Failed(path, failure),
            Item::File(node, to) => (node, to),
            Item::Below(node, depth, landing) => {
                let names = node.path.names().get(depth..).unwrap_or_default();
                if node.kind == NodeKind::Folder {
                    return match landing.folder(names) {
                        Ok(_) => Outcome::Folder,
                        Err(failure) => Outcome::Failed(node.path.to_string(), failure),
                    };
                }
                let to = landing.file(names);
                (node, to)
            }
        };
        let to = match to {
            Ok(to) => to,
            Err(failure) => return Outcome::Failed(node.path.to_string(), failure),
        };
        match self.files.download_to(&*node, to.to.clone(), &self.options).await {
            Ok(done) => Outcome::File(done.bytes),
            Err(error) => Outcome::Failed(node.path.to_string(), to.failed(&error)),
        }
    }
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
