//! `longshore mv`: rename and move.

use clap::Args;
use longshore::{Name, Node, NodeId, NodeKind, UpdateNode};

use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::premise::Premise;
use crate::session::{Session, about, workspace_path};

/// Rename or move a file or folder
///
/// Into DEST under its own name where DEST is a folder, else to DEST itself; nothing is ever replaced. The
/// folder above DEST must be there. Versions, id and metadata stay. With --json the node.
#[derive(Args)]
pub(crate) struct Mv {
    /// What to move, by path or id
    source: String,
    /// Where to
    #[arg(value_name = "DEST")]
    destination: String,
    #[command(flatten)]
    premise: Premise,
}

impl Mv {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let node = session.node(&self.source).await?;
        let Spot { parent, name } = spot(session, &node, &self.destination).await?;
        let change = UpdateNode { name: Some(name), parent_id: Some(parent), ..UpdateNode::default() };
        let moved = session.client.files().update(node.id, &change, self.premise.of(&node)).await;
        let moved = moved.map_err(|error| about(&self.destination, &error))?;
        output.object(&moved, |moved| format!("{} -> {}", node.path, moved.path))?;
        Ok(Exit::Ok)
    }
}

/// A place for a node: a folder and a name in it.
pub(super) struct Spot {
    pub(super) parent: NodeId,
    pub(super) name: Name,
}

/// Returns the spot in a workspace that a destination means for `node`.
pub(super) async fn spot(session: &Session, node: &Node, destination: &str) -> Result<Spot, Failure> {
    let path = workspace_path(destination)?;
    if let Some(found) = session.node_if_any(path.clone()).await?
        && found.kind == NodeKind::Folder
        && found.id != node.id
    {
        let name = Name::new(node.name.as_str()).map_err(|_| {
            Failure::of_code(longshore::Code::RootRefused, "the root folder cannot be moved or copied")
        })?;
        return Ok(Spot { parent: found.id, name });
    }
    if destination.ends_with('/') {
        return Err(Failure::of_code(longshore::Code::NodeNotFound, format!("{destination} is no folder"))
            .hint(format!("make it with `longshore mkdir {destination}`")));
    }
    let Some((above, name)) = path.split_last() else {
        return Err(Failure::of_code(longshore::Code::RootRefused, "the root folder is there already"));
    };
    let text = above.to_string();
    let Some(parent) = session.node_if_any(above).await? else {
        return Err(Failure::of_code(longshore::Code::NodeNotFound, format!("there is no folder {text}"))
            .hint(format!("make it with `longshore mkdir {text}`")));
    };
    Ok(Spot { parent: parent.id, name: name.clone() })
}
