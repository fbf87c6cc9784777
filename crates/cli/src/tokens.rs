//! The tokens of locks that a verb on locks is given.

use std::path::PathBuf;

use clap::Args;
use longshore::{Code, LockId, LockToken};

use crate::failure::Failure;
use crate::session::{Session, about, lock_tokens};

// No doc comment: clap would take it for the verb's own.
#[derive(Args)]
pub(crate) struct Tokens {
    /// The lock's token
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file")]
    token: Option<String>,
    /// A file with the token, as `longshore lock --token-file` writes it
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Tokens {
    /// Returns the token of a lock, from here or from what --lock-token says.
    pub(crate) fn of(&self, lock: LockId, session: &Session) -> Result<LockToken, Failure> {
        let tokens = match (&self.token, &self.token_file) {
            (Some(text), _) => lock_tokens(text)?,
            (None, Some(file)) => {
                let text = std::fs::read_to_string(file);
                lock_tokens(
                    &text
                        .map_err(|error| Failure::local(format!("cannot read {}", file.display()), &error))?,
                )?
            }
            (None, None) => session.resolved.locks.clone(),
        };
        tokens.into_iter().find(|token| token.id() == lock).ok_or_else(|| {
            Failure::invalid(format!("no token of {lock} is given"))
                .hint("give it with --token or --token-file; an admin breaks a lock with `unlock --force`")
        })
    }
}

/// Finds the lock that is meant: by its id, or by what it is on. One on a folder above is not meant.
pub(crate) async fn find(session: &Session, target: &str) -> Result<LockId, Failure> {
    if let Ok(id) = target.parse() {
        return Ok(id);
    }
    let node = session.node(target).await?;
    let lock = session.client.locks().get(node.id).await.map_err(|error| about(target, &error))?;
    if lock.node_id == node.id {
        return Ok(lock.id);
    }
    let message = format!("{target} is covered by {}, the lock of a folder above it", lock.id);
    Err(Failure::of_code(Code::LockNotFound, message).hint("name that folder, or the lock by its id"))
}
