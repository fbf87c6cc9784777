//! `longshore trash`: what was deleted.

use clap::Args;
use longshore::NodeKind;

use crate::failure::Exit;
use crate::output::{Output, or_dash, size, time};
use crate::session::Session;

/// List what is in the trash, newest first
///
/// With --json: {"items": [node, …]}, printed as it comes.
#[derive(Args)]
pub(crate) struct Trash {}

impl Trash {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let workspace = session.workspace().await?.id;
        let mut nodes = session.client.files().trashed(Some(workspace));
        let mut list = output.list()?;
        while let Some(node) = nodes.next().await {
            list.item(&node?, |node| {
                let (size, mark) = match node.kind {
                    NodeKind::Folder => ("-".to_owned(), "/"),
                    NodeKind::File => (size(node.size), ""),
                };
                let when = or_dash(node.trashed_at.map(time));
                format!("{when}  {}  {size:>10}  {}{mark}", node.id, node.path)
            })?;
        }
        list.end()?;
        Ok(Exit::Ok)
    }
}
