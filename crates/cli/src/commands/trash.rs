//! `longshore trash`: what was deleted.

use clap::{Args, Subcommand};
use longshore::{Node, NodeKind, Purged};

use super::restore::{Restore, trashed};
use crate::consent::Consent;
use crate::failure::Exit;
use crate::output::{Output, count, or_dash, size, time};
use crate::premise::Premise;
use crate::session::{Session, about};

/// List what is in the trash, bring it back, or remove it for good
#[derive(Args)]
pub(crate) struct Trash {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    /// List what is in the trash, newest first: what is done without a verb; with --json: {"items": [node, …]}
    List,
    /// Remove files and folders of the trash for good, with all below them
    ///
    /// Only an admin's key may. With --json: {"items": [{"nodes": …, "versions": …, "bytes": …, "job_id": …}, …]}.
    Purge {
        /// What to remove: the path it had, or its id
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<String>,
        #[command(flatten)]
        premise: Premise,
        #[command(flatten)]
        consent: Consent,
    },
    Restore(Restore),
    /// Remove all that is in the trash for good; with --json what is gone
    Empty {
        #[command(flatten)]
        consent: Consent,
    },
}

impl Trash {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let files = session.client.files();
        match &self.verb {
            None | Some(Verb::List) => {
                let mut nodes = files.trashed(Some(session.workspace().await?.id));
                let mut list = output.list()?;
                while let Some(node) = nodes.next().await {
                    list.item(&node?, line)?;
                }
                list.end()?;
            }
            Some(Verb::Restore(restore)) => return restore.run(session, output).await,
            Some(Verb::Purge { paths, premise, consent }) => {
                premise.stated(paths.len())?;
                let mut nodes = Vec::with_capacity(paths.len());
                for path in paths {
                    nodes.push((path, trashed(session, path).await?));
                }
                let what = format!("remove {} for good, with all below?", paths.join(", "));
                if !consent.is_given(&what, output)? {
                    return Ok(Exit::Ok);
                }
                let mut list = output.list()?;
                for (path, node) in nodes {
                    let purged = files.purge(node.id, premise.of(&node)).await;
                    let purged = purged.map_err(|error| about(path, &error))?;
                    list.item(&purged, |purged| format!("{path}: {}", told(purged)))?;
                }
                list.end()?;
            }
            Some(Verb::Empty { consent }) => {
                let workspace = session.workspace().await?;
                let what = format!("remove all that is in the trash of {} for good?", workspace.name);
                if !consent.is_given(&what, output)? {
                    return Ok(Exit::Ok);
                }
                let purged = files.empty_trash(Some(workspace.id)).await?;
                output.object(&purged, told)?;
            }
        }
        Ok(Exit::Ok)
    }
}

fn line(node: &Node) -> String {
    let (size, mark) = match node.kind {
        NodeKind::Folder => ("-".to_owned(), "/"),
        NodeKind::File => (size(node.size), ""),
    };
    let when = or_dash(node.trashed_at.map(time));
    format!("{when}  {}  {size:>10}  {}{mark}", node.id, node.path)
}

fn told(purged: &Purged) -> String {
    match purged.job_id {
        Some(job) => format!("left to a job: `longshore jobs wait {job}` waits for it"),
        None => format!(
            "{} files and folders, {} versions, {} are gone",
            count(purged.nodes),
            count(purged.versions),
            size(purged.bytes)
        ),
    }
}
