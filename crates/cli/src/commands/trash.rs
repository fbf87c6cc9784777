//! `longshore trash`: what was deleted.

use clap::{Args, Subcommand};
use longshore::{Node, NodeId, NodeKind, Purged};

use super::restore::last_at;
use crate::failure::{Exit, Failure};
use crate::output::{Output, count, or_dash, size, time};
use crate::session::{Session, about};

/// List what is in the trash, or remove it for good
///
/// `longshore restore` brings it back.
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
    },
    /// Remove all that is in the trash for good; with --json what is gone
    Empty {
        /// Do it: without this nothing is done
        #[arg(long)]
        yes: bool,
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
            Some(Verb::Purge { paths }) => {
                let mut list = output.list()?;
                for path in paths {
                    let id = match path.parse::<NodeId>() {
                        Ok(id) => id,
                        Err(_) => last_at(session, path).await?,
                    };
                    let purged = files.purge(id, None).await.map_err(|error| about(path, &error))?;
                    list.item(&purged, |purged| format!("{path}: {}", told(purged)))?;
                }
                list.end()?;
            }
            Some(Verb::Empty { yes: false }) => {
                let message = "all that is in the trash would be gone for good";
                return Err(Failure::new(Exit::Usage, "local_unconfirmed", message).hint("say --yes").into());
            }
            Some(Verb::Empty { yes: true }) => {
                let purged = files.empty_trash(Some(session.workspace().await?.id)).await?;
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
