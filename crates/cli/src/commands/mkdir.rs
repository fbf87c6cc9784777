//! `longshore mkdir`: folders.

use clap::Args;

use crate::failure::Exit;
use crate::output::Output;
use crate::session::{Session, about, workspace_path};

/// Make folders, and those above them
///
/// A folder that is there already is no error. With --json: {"items": [node, …]}.
#[derive(Args)]
pub(crate) struct Mkdir {
    /// The folders to make
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
}

impl Mkdir {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let mut list = output.list()?;
        for path in &self.paths {
            let place = session.place(workspace_path(path)?).await?;
            let made = session.client.files().mkdir(place).await.map_err(|error| about(path, &error))?;
            list.item(&made, |made| made.path.to_string())?;
        }
        list.end()?;
        Ok(Exit::Ok)
    }
}
