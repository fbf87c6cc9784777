//! `longshore ls`: what a folder holds.

use clap::Args;
use longshore::{Code, Depth, Node, NodeKind, Path};

use crate::failure::Exit;
use crate::output::{List, Output, size, time};
use crate::session::{Session, about, workspace_path};

/// List what a folder holds
///
/// With --json: {"items": [node, …]}, printed as it comes.
#[derive(Args)]
pub(crate) struct Ls {
    /// The folder, or a file
    #[arg(default_value = "/")]
    path: String,
    /// Show sizes, exact and for people, and times
    #[arg(long, short)]
    long: bool,
    /// List everything below, with whole paths
    #[arg(long, short = 'R')]
    recursive: bool,
}

impl Ls {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let path = workspace_path(&self.path)?;
        let place = session.place(path.clone()).await?;
        let depth = if self.recursive { Depth::All } else { Depth::Children };
        let mut nodes = session.client.files().list(place.clone(), depth);
        let first = match nodes.next().await {
            // A file lists as itself.
            Some(Err(error)) if error.is(Code::NotAFolder) => {
                Some(session.client.files().by_path(place).await)
            }
            first => first,
        };
        let mut list = output.list()?;
        let mut next = first;
        while let Some(node) = next {
            let node = node.map_err(|error| about(&self.path, &error))?;
            self.show(&node, &path, &mut list)?;
            next = nodes.next().await;
        }
        list.end()?;
        Ok(Exit::Ok)
    }

    fn show(&self, node: &Node, folder: &Path, list: &mut List) -> std::io::Result<()> {
        list.item(node, |node| {
            let mut name = if self.recursive || node.path == *folder {
                node.path.to_string()
            } else {
                node.name.clone()
            };
            if node.kind == NodeKind::Folder {
                name.push('/');
            }
            if !self.long {
                return name;
            }
            let (bytes, readable) = match node.kind {
                NodeKind::Folder => ("-".to_owned(), "-".to_owned()),
                NodeKind::File => (node.size.to_string(), size(node.size)),
            };
            format!("{bytes:>14} {readable:>10}  {}  {name}", time(node.updated_at))
        })
    }
}
