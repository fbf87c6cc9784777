//! `longshore restore`: back from the trash.

use clap::Args;
use longshore::{Code, NodeId, RestoreNode};

use super::mv::{Spot, spot};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::session::{Session, about, workspace_path};

/// Bring files and folders back from the trash
///
/// A path means what was last deleted there. With --json: {"items": [node, …]}.
#[derive(Args)]
pub(crate) struct Restore {
    /// What to bring back: the path it had, or its id
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// Bring it back to here instead: a folder, or a path of its own
    #[arg(long, value_name = "PATH")]
    to: Option<String>,
}

impl Restore {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let mut list = output.list()?;
        for path in &self.paths {
            let id = match path.parse::<NodeId>() {
                Ok(id) => id,
                Err(_) => last_at(session, path).await?,
            };
            let mut place = RestoreNode::default();
            if let Some(to) = &self.to {
                let node = session.client.files().get(id).await.map_err(|error| about(path, &error))?;
                let Spot { parent, name } = spot(session, &node, to).await?;
                place = RestoreNode { parent_id: Some(parent), name: Some(name) };
            }
            let restored = session.client.files().restore(id, &place, None).await.map_err(|error| {
                let failure = about(path, &error);
                if error.is(Code::NameTaken) {
                    return failure.hint("bring it back to another place with --to PATH");
                }
                failure
            })?;
            list.item(&restored, |restored| restored.path.to_string())?;
        }
        list.end()?;
        Ok(Exit::Ok)
    }
}

/// Finds what was last deleted at a path.
pub(super) async fn last_at(session: &Session, text: &str) -> Result<NodeId, Failure> {
    let path = workspace_path(text)?;
    let mut nodes = session.client.files().trashed(Some(session.workspace().await?.id));
    while let Some(node) = nodes.next().await {
        let node = node?;
        if node.path == path {
            return Ok(node.id);
        }
    }
    Err(Failure::of_code(Code::NodeNotFound, format!("{text} is not in the trash"))
        .hint("`longshore trash` lists what is"))
}
