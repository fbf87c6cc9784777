//! `longshore rm`: into the trash.

use clap::Args;

use crate::failure::Exit;
use crate::output::Output;
use crate::premise::Premise;
use crate::session::{Session, about};

/// Put files and folders, with all below them, into the trash
///
/// `longshore restore` brings them back. With --json: {"items": [node, …]}.
#[derive(Args)]
pub(crate) struct Rm {
    /// What to delete, by path or id
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    #[command(flatten)]
    premise: Premise,
}

impl Rm {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        self.premise.stated(self.paths.len())?;
        let mut list = output.list()?;
        for path in &self.paths {
            let node = session.node(path).await?;
            let trashed = session.client.files().trash(node.id, self.premise.of(&node)).await;
            let trashed = trashed.map_err(|error| about(path, &error))?;
            list.item(&trashed, |_| format!("{} is in the trash as {}", node.path, node.id))?;
        }
        list.end()?;
        Ok(Exit::Ok)
    }
}
