//! `longshore label`: the labels of files and folders.

use clap::Args;
use longshore::{Labels, UpdateNode};

use crate::failure::Exit;
use crate::output::Output;
use crate::premise::Premise;
use crate::session::{Session, about};
use crate::text::flat;

/// Show, add and remove the labels of a file or folder
///
/// `longshore meta find --label LABEL` finds what has a label. With --json the labels, as a list.
#[derive(Args)]
pub(crate) struct Label {
    /// The file or folder, by path or id
    path: String,
    /// Labels to add
    #[arg(value_name = "LABEL")]
    add: Vec<String>,
    /// A label to remove; may be given many times
    #[arg(long, value_name = "LABEL")]
    rm: Vec<String>,
    #[command(flatten)]
    premise: Premise,
}

impl Label {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let mut node = session.node(&self.path).await?;
        if !(self.add.is_empty() && self.rm.is_empty()) {
            let change = UpdateNode {
                add_labels: self.add.iter().cloned().collect(),
                remove_labels: self.rm.iter().cloned().collect(),
                ..UpdateNode::default()
            };
            let changed = session.client.files().update(node.id, &change, self.premise.of(&node)).await;
            node = changed.map_err(|error| about(&self.path, &error))?;
        }
        output.object(&node.labels, |labels: &Labels| {
            labels.iter().map(|label| flat(label)).collect::<Vec<_>>().join("\n")
        })?;
        Ok(Exit::Ok)
    }
}
