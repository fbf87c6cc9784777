//! `longshore stat`: all that is known of a node.

use clap::Args;
use longshore::{Node, NodeKind};

use crate::failure::Exit;
use crate::output::{Output, count, size};
use crate::session::Session;
use crate::text::flat;

/// Show all that is known of a file or folder
///
/// With --json the node, as the API gives it.
#[derive(Args)]
pub(crate) struct Stat {
    /// The file or folder, by path or id
    path: String,
}

impl Stat {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let node = session.node(&self.path).await?;
        output.object(&node, describe)?;
        Ok(Exit::Ok)
    }
}

fn describe(node: &Node) -> String {
    let mut lines = vec![("path", node.path.to_string()), ("id", node.id.to_string())];
    match node.kind {
        NodeKind::Folder => lines.push(("kind", "folder".to_owned())),
        NodeKind::File => {
            lines.push(("kind", "file".to_owned()));
            lines.push(("size", format!("{} bytes ({})", count(node.size), size(node.size))));
        }
    }
    let more = [
        ("type", node.media_type.as_deref().map(flat)),
        ("version", node.version_id.map(|id| id.to_string())),
        ("digest", node.digest.map(|digest| digest.to_string())),
        ("workspace", Some(node.workspace_id.to_string())),
        ("created", Some(format!("{} by {}", node.created_at, node.created_by))),
        ("updated", Some(format!("{} by {}", node.updated_at, node.updated_by))),
        ("trashed", node.trashed_at.map(|at| at.to_string())),
    ];
    lines.extend(more.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let mut lines: Vec<_> = lines.iter().map(|(name, value)| format!("{name:<10} {value}")).collect();
    let metadata = node.metadata.iter().map(|(key, value)| format!("{}={}", flat(key), flat(value)));
    lines.extend(metadata.map(|pair| format!("{:<10} {pair}", "metadata")));
    lines.extend(node.labels.iter().map(|label| format!("{:<10} {}", "label", flat(label))));
    lines.join("\n")
}
