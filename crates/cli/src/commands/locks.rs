//! `longshore locks`: who holds what.

use std::time::Duration;

use clap::{Args, Subcommand};
use longshore::{LockOwner, LockRenewal, NodeLock};

use super::lock;
use crate::failure::{Exit, Failure};
use crate::output::{Output, time};
use crate::session::{Session, about};
use crate::text::flat;
use crate::tokens::{Tokens, find};

/// List the locks of the workspace, show one, or renew one
///
/// A line per lock: its id, when it ends unless it is renewed, who holds it, and what it is on. With --json:
/// {"items": [lock, …]}.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Locks {
    /// Only those that you hold
    #[arg(long)]
    mine: bool,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    /// Show the lock that covers a file or folder: its own, or that of a folder above it; with --json the lock
    Get {
        /// The file or folder, by path or id
        path: String,
    },
    /// Renew a lock: its lease begins anew; with --json the lock
    ///
    /// With its token, from --token, --token-file or what --lock-token says.
    Renew {
        /// The lock's id, or the path or id of what is locked
        #[arg(value_name = "LOCK|PATH")]
        target: String,
        #[command(flatten)]
        tokens: Tokens,
        /// How long it holds from now on unless it is renewed: 5s to 1h [default: as long as before]
        #[arg(long, value_name = "TIME", value_parser = lock::lease)]
        ttl: Option<Duration>,
    },
}

impl Locks {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let locks = session.client.locks();
        match &self.verb {
            None => self.list(session, output).await?,
            Some(Verb::Get { path }) => {
                let node = session.node(path).await?;
                let lock = locks.get(node.id).await.map_err(|error| about(path, &error))?;
                let path = place(session, &lock, output).await?;
                output.object(&lock, |lock| line(lock, &path))?;
            }
            Some(Verb::Renew { target, tokens, ttl }) => {
                let token = tokens.of(find(session, target).await?, session)?;
                let seconds = ttl.map(|ttl| u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX));
                let renewed = locks.renew(&token, seconds).await.map_err(|error| about(target, &error))?;
                output.object(&renewed, |LockRenewal { lock, .. }| {
                    format!("{}  {}", lock.id, time(lock.expires_at))
                })?;
            }
        }
        Ok(Exit::Ok)
    }

    async fn list(&self, session: &Session, output: Output) -> anyhow::Result<()> {
        let workspace = session.workspace().await?.id;
        let owner = if self.mine { LockOwner::Me } else { LockOwner::Anybody };
        let mut locks = session.client.locks().list(owner, Some(workspace));
        let mut list = output.list()?;
        while let Some(lock) = locks.next().await {
            let lock = lock?;
            let path = place(session, &lock, output).await?;
            list.item(&lock, |lock| line(lock, &path))?;
        }
        Ok(list.end()?)
    }
}

/// Returns the path that a lock is on. JSON is for programs, which can ask for the few nodes that they care for.
async fn place(session: &Session, lock: &NodeLock, output: Output) -> Result<String, Failure> {
    if output.json {
        return Ok(String::new());
    }
    Ok(session.client.files().get(lock.node_id).await?.path.to_string())
}

fn line(lock: &NodeLock, path: &str) -> String {
    let owner = lock.owner_label.as_deref().map(flat).unwrap_or_else(|| lock.owner.to_string());
    let purpose = lock.purpose.as_ref().map(|purpose| format!("  ({})", flat(purpose))).unwrap_or_default();
    format!("{}  {}  {owner}  {path}{purpose}", lock.id, time(lock.expires_at))
}
