//! `longshore restore`: back from the trash.

use clap::Args;
use longshore::{Code, Node, NodeId, RestoreNode};

use super::mv::{Spot, spot};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::premise::Premise;
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
    #[command(flatten)]
    premise: Premise,
}

impl Restore {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        self.premise.stated(self.paths.len())?;
        let mut list = output.list()?;
        for path in &self.paths {
            let node = trashed(session, path).await?;
            let mut place = RestoreNode::default();
            if let Some(to) = &self.to {
                let Spot { parent, name } = spot(session, &node, to).await?;
                place = RestoreNode { parent_id: Some(parent), name: Some(name) };
            }
            let restored = session.client.files().restore(node.id, &place, self.premise.of(&node)).await;
            let restored = restored.map_err(|error| {
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

/// Finds what is in the trash: by its id, or what was last deleted at a path.
pub(super) async fn trashed(session: &Session, text: &str) -> Result<Node, Failure> {
    if text.parse::<NodeId>().is_ok() {
        return session.node(text).await;
    }
    let path = workspace_path(text)?;
    let mut nodes = session.client.files().trashed(Some(session.workspace().await?.id));
    while let Some(node) = nodes.next().await {
        let node = node?;
        if node.path == path {
            return Ok(node);
        }
    }
    Err(Failure::of_code(Code::NodeNotFound, format!("{text} is not in the trash"))
        .hint("`longshore trash` lists what is"))
}
