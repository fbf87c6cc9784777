//! `longshore unlock`: a lock back, or broken.

use clap::Args;

use crate::failure::Exit;
use crate::output::Output;
use crate::session::{Session, about};
use crate::tokens::{Tokens, find};

/// Give a lock back, or break somebody else's
///
/// A lock is given back with its token, from --token, --token-file or what --lock-token says. With --force an admin
/// takes it from its owner, whose later writes are refused. With --json: {"id": the lock's}.
#[derive(Args)]
pub(crate) struct Unlock {
    /// The lock's id, or the path or id of what is locked
    #[arg(value_name = "LOCK|PATH")]
    target: String,
    #[command(flatten)]
    tokens: Tokens,
    /// Take the lock from its owner
    #[arg(long, requires = "reason", conflicts_with_all = ["token", "token_file"])]
    force: bool,
    /// Why, for everybody to read
    #[arg(long, value_name = "TEXT", requires = "force")]
    reason: Option<String>,
}

impl Unlock {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let id = find(session, &self.target).await?;
        let locks = session.client.locks();
        let done = match &self.reason {
            Some(reason) => locks.break_lock(id, reason).await,
            None => locks.release(&self.tokens.of(id, session)?).await,
        };
        done.map_err(|error| about(&self.target, &error))?;
        output.object(&serde_json::json!({ "id": id }), |_| format!("{id} is given back"))?;
        Ok(Exit::Ok)
    }
}
