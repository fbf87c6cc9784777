//! `longshore cp`: copies inside the workspace.

use clap::Args;
use longshore::CopyNode;

use super::mv::{Spot, spot};
use crate::failure::Exit;
use crate::output::Output;
use crate::session::{Session, about};

/// Copy a file, or a folder with all below it, inside the workspace
///
/// Into DEST under its own name where DEST is a folder, else to DEST itself; nothing is ever replaced. The
/// folder above DEST must be there. No bytes travel. With --json the new node.
#[derive(Args)]
pub(crate) struct Cp {
    /// What to copy, by path or id
    source: String,
    /// Where to
    #[arg(value_name = "DEST")]
    destination: String,
}

impl Cp {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let node = session.node(&self.source).await?;
        let Spot { parent, name } = spot(session, &node, &self.destination).await?;
        let copy = CopyNode { parent_id: Some(parent), name: Some(name) };
        let made = session.client.files().copy(node.id, &copy, None).await;
        let made = made.map_err(|error| about(&self.destination, &error))?;
        output.object(&made, |made| format!("{} -> {}", node.path, made.path))?;
        Ok(Exit::Ok)
    }
}
