//! `longshore unlock`: a lock back, or broken.

use std::path::PathBuf;

use clap::Args;
use longshore::{Code, LockId, LockToken};

use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::session::{Session, about, lock_tokens};

/// Give a lock back, or break somebody else's
///
/// A lock is given back with its token, from --token, --token-file or what --lock-token says. With --force an admin
/// takes it from its owner, whose later writes are refused. With --json: {"id": the lock's}.
#[derive(Args)]
pub(crate) struct Unlock {
    /// The lock's id, or the path or id of what is locked
    #[arg(value_name = "LOCK|PATH")]
    target: String,
    /// The lock's token
    #[arg(long, value_name = "TOKEN", conflicts_with_all = ["token_file", "force"])]
    token: Option<String>,
    /// A file with the token, as `longshore lock --token-file` writes it
    #[arg(long, value_name = "FILE", conflicts_with = "force")]
    token_file: Option<PathBuf>,
    /// Take the lock from its owner
    #[arg(long, requires = "reason")]
    force: bool,
    /// Why, for everybody to read
    #[arg(long, value_name = "TEXT", requires = "force")]
    reason: Option<String>,
}

impl Unlock {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let id = self.find(session).await?;
        let locks = session.client.locks();
        match &self.reason {
            Some(reason) => {
                locks.break_lock(id, reason).await.map_err(|error| about(&self.target, &error))?;
            }
            None => {
                let tokens = self.tokens(session)?;
                let token = tokens.iter().find(|token| token.id() == id).ok_or_else(|| {
                    Failure::invalid(format!("no token of {id} is given"))
                        .hint("give it with --token or --token-file, or break the lock with --force")
                })?;
                locks.release(token).await.map_err(|error| about(&self.target, &error))?;
            }
        }
        output.object(&serde_json::json!({ "id": id }), |_| format!("{id} is given back"))?;
        Ok(Exit::Ok)
    }

    fn tokens(&self, session: &Session) -> Result<Vec<LockToken>, Failure> {
        match (&self.token, &self.token_file) {
            (Some(text), _) => lock_tokens(text),
            (None, Some(file)) => {
                let text = std::fs::read_to_string(file);
                let text =
                    text.map_err(|error| Failure::local(format!("cannot read {}", file.display()), &error))?;
                lock_tokens(&text)
            }
            (None, None) => Ok(session.resolved.locks.clone()),
        }
    }

    /// Finds the lock that is meant: by its id, or by what it is on. One on a folder above is not meant.
    async fn find(&self, session: &Session) -> Result<LockId, Failure> {
        if let Ok(id) = self.target.parse() {
            return Ok(id);
        }
        let node = session.node(&self.target).await?;
        let lock = session.client.locks().get(node.id).await.map_err(|error| about(&self.target, &error))?;
        if lock.node_id == node.id {
            return Ok(lock.id);
        }
        let message = format!("{} is covered by {}, the lock of a folder above it", self.target, lock.id);
        Err(Failure::of_code(Code::LockNotFound, message).hint("name that folder, or the lock by its id"))
    }
}
