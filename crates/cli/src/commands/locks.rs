//! `longshore locks`: who holds what.

use clap::Args;
use longshore::{LockOwner, NodeLock};

use crate::failure::Exit;
use crate::output::{Output, time};
use crate::session::Session;
use crate::text::flat;

/// List the locks of the workspace
///
/// A line per lock: its id, when it ends unless it is renewed, who holds it, and what it is on. With --json:
/// {"items": [lock, …]}.
#[derive(Args)]
pub(crate) struct Locks {
    /// Only those that you hold
    #[arg(long)]
    mine: bool,
}

impl Locks {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let workspace = session.workspace().await?.id;
        let owner = if self.mine { LockOwner::Me } else { LockOwner::Anybody };
        let mut locks = session.client.locks().list(owner, Some(workspace));
        let mut list = output.list()?;
        while let Some(lock) = locks.next().await {
            let lock = lock?;
            // JSON is for programs, which can ask for the few nodes that they care for.
            let path = if output.json {
                String::new()
            } else {
                session.client.files().get(lock.node_id).await?.path.to_string()
            };
            list.item(&lock, |lock| line(lock, &path))?;
        }
        list.end()?;
        Ok(Exit::Ok)
    }
}

fn line(lock: &NodeLock, path: &str) -> String {
    let owner = lock.owner_label.as_deref().map(flat).unwrap_or_else(|| lock.owner.to_string());
    let purpose = lock.purpose.as_ref().map(|purpose| format!("  ({})", flat(purpose))).unwrap_or_default();
    format!("{}  {}  {owner}  {path}{purpose}", lock.id, time(lock.expires_at))
}
