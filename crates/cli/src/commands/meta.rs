//! `longshore meta`: what is said of files and folders, and finding them by it.

use clap::Subcommand;
use longshore::{Node, NodeKind, NodeQuery, UpdateNode};

use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::premise::Premise;
use crate::session::{Session, about, workspace_path};
use crate::text::flat;

/// Show, set and remove metadata, and find files and folders by it
#[derive(Subcommand)]
pub(crate) enum Meta {
    /// Show the metadata of a file or folder, or one value of it; with --json: {"key": "value", …}
    ///
    /// What would act on a terminal is shown by its code; --json gives values as they are.
    Get {
        /// The file or folder, by path or id
        path: String,
        /// The key whose value to show
        #[arg(value_name = "KEY")]
        entry: Option<String>,
    },
    /// Set keys of the metadata; the others stay; with --json the node
    Set {
        /// The file or folder, by path or id
        path: String,
        /// What to set
        #[arg(required = true, value_name = "KEY=VALUE")]
        pairs: Vec<String>,
        #[command(flatten)]
        premise: Premise,
    },
    /// Set all of the metadata: keys that are not named are removed; with --json the node
    Replace {
        /// The file or folder, by path or id
        path: String,
        /// All that it is to be; nothing for none
        #[arg(value_name = "KEY=VALUE")]
        pairs: Vec<String>,
        #[command(flatten)]
        premise: Premise,
    },
    /// Remove keys of the metadata; with --json the node
    Rm {
        /// The file or folder, by path or id
        path: String,
        /// The keys to remove
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<String>,
        #[command(flatten)]
        premise: Premise,
    },
    /// Find files and folders of which all this holds; with --json: {"items": [node, …]}
    Find {
        /// Keys with their values
        #[arg(value_name = "KEY=VALUE")]
        pairs: Vec<String>,
        /// A label it has; may be given many times
        #[arg(long, value_name = "LABEL")]
        label: Vec<String>,
        /// A part of its name, whatever the case
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        /// The folder that it is below
        #[arg(long, value_name = "PATH")]
        under: Option<String>,
    },
}

/// Takes `key=value` apart: at the first `=`, so that a value may have more of them.
fn pair(text: &str) -> Result<(String, String), Failure> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let (key, value) = pair.ok_or_else(|| Failure::invalid(format!("{text:?} is not KEY=VALUE")))?;
    Ok((key.to_owned(), value.to_owned()))
}

impl Meta {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        match self {
            Self::Get { path, entry: None } => {
                let node = session.node(path).await?;
                output.object(&node.metadata, |_| described(&node))?;
            }
            Self::Get { path, entry: Some(key) } => {
                let node = session.node(path).await?;
                let Some(value) = node.metadata.get(key) else {
                    let message = format!("{path} has no {key:?} in its metadata");
                    return Err(Failure::new(Exit::NotFound, "local_not_found", message).into());
                };
                output.object(value, Clone::clone)?;
            }
            Self::Set { path, pairs, premise } => {
                change(session, path, patch(pairs)?, *premise, output).await?;
            }
            Self::Replace { path, pairs, premise } => {
                let metadata = pairs.iter().map(|text| pair(text)).collect::<Result<_, _>>()?;
                let wanted = UpdateNode { metadata: Some(metadata), ..UpdateNode::default() };
                change(session, path, wanted, *premise, output).await?;
            }
            Self::Rm { path, keys, premise } => {
                let patch = keys.iter().map(|key| (key.clone(), None)).collect();
                let wanted = UpdateNode { metadata_patch: Some(patch), ..UpdateNode::default() };
                change(session, path, wanted, *premise, output).await?;
            }
            Self::Find { pairs, label, name, under } => {
                let query = NodeQuery {
                    metadata: pairs.iter().map(|text| pair(text)).collect::<Result<_, _>>()?,
                    labels: label.iter().cloned().collect(),
                    name: name.clone(),
                    under: under.as_deref().map(workspace_path).transpose()?,
                };
                let mut found = session.client.files().find(Some(session.workspace().await?.id), &query);
                let mut list = output.list()?;
                while let Some(node) = found.next().await {
                    let mark = |node: &Node| if node.kind == NodeKind::Folder { "/" } else { "" };
                    list.item(&node?, |node| format!("{}{}", node.path, mark(node)))?;
                }
                list.end()?;
            }
        }
        Ok(Exit::Ok)
    }
}

/// Returns the change that sets some keys.
pub(super) fn patch(pairs: &[String]) -> Result<UpdateNode, Failure> {
    let pairs = pairs.iter().map(|text| pair(text).map(|(key, value)| (key, Some(value))));
    Ok(UpdateNode { metadata_patch: Some(pairs.collect::<Result<_, _>>()?), ..UpdateNode::default() })
}

async fn change(
    session: &Session,
    path: &str,
    wanted: UpdateNode,
    premise: Premise,
    output: Output,
) -> anyhow::Result<()> {
    let node = session.node(path).await?;
    let node = session.client.files().update(node.id, &wanted, premise.of(&node)).await;
    output.object(&node.map_err(|error| about(path, &error))?, described)?;
    Ok(())
}

fn described(node: &Node) -> String {
    node.metadata
        .iter()
        .map(|(key, value)| format!("{}={}", flat(key), flat(value)))
        .collect::<Vec<_>>()
        .join("\n")
}
