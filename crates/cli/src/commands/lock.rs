//! `longshore lock`: a lock for who renews it, or writes soon.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use longshore::{HoldOptions, LockGrant, VersionId};
use longshore_core::wire::{LONGEST_LEASE, SHORTEST_LEASE};

use crate::duration;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::session::{Session, about};

// No doc comment: clap would take it for the verb's own.
#[derive(Args)]
pub(crate) struct Terms {
    /// How long a lock holds unless it is renewed: 5s to 1h
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = lease)]
    ttl: Duration,
    /// How long to wait, in a queue, for what somebody else has locked
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration::argument)]
    wait: Duration,
    /// What the lock is for, for people who meet it
    #[arg(long, value_name = "TEXT")]
    purpose: Option<String>,
    /// What you call yourself, such as the name of a run
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// Lock only if this version of the file, by its id, is the current one; for a single file
    #[arg(long, value_name = "VERSION")]
    if_version: Option<VersionId>,
}

/// Reads how long a lock holds.
pub(super) fn lease(text: &str) -> Result<Duration, String> {
    let bounds = [SHORTEST_LEASE, LONGEST_LEASE].map(|seconds| Duration::from_secs(seconds.into()));
    let lease = duration::argument(text)?;
    if (bounds[0]..=bounds[1]).contains(&lease) {
        Ok(lease)
    } else {
        Err("a lock holds for 5s to 1h".to_owned())
    }
}

impl Terms {
    pub(crate) const fn ttl(&self) -> Duration {
        self.ttl
    }

    pub(crate) fn options(&self) -> HoldOptions {
        HoldOptions {
            ttl: self.ttl,
            wait: self.wait,
            purpose: self.purpose.clone(),
            owner_label: self.label.clone(),
            if_version: self.if_version,
        }
    }
}

/// Lock a file, or a folder with all below it
///
/// Nobody writes there without the lock's token, until the lock is given back with `longshore unlock` or its time
/// is over. Prints the lock's id and its token, which is shown this once; with --json the lock. To hold a lock for
/// as long as a command runs, use `longshore run --lock`.
#[derive(Args)]
pub(crate) struct Lock {
    /// What to lock, by path or id
    path: String,
    #[command(flatten)]
    terms: Terms,
    /// Write the token to this file, which must be new and only you may read, and do not print it
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Lock {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let node = session.node(&self.path).await?;
        let locks = session.client.locks();
        let granted = locks.wait_for(node.id, &self.terms.options()).await;
        let granted = granted.map_err(|error| about(&self.path, &error))?;
        let Some(file) = &self.token_file else {
            output.object(&granted, |granted| format!("{}  {}", granted.lock.id, granted.token))?;
            return Ok(Exit::Ok);
        };
        if let Err(failure) = keep(&granted, file) {
            // A lock whose token nobody has would stand in everybody's way.
            locks.release(&granted.lock_token()?).await?;
            return Err(failure.into());
        }
        output.object(&granted.lock, |lock| lock.id.to_string())?;
        Ok(Exit::Ok)
    }
}

fn keep(granted: &LockGrant, file: &Path) -> Result<(), Failure> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let written = made.and_then(|mut made| writeln!(made, "{}", granted.token));
    written.map_err(|error| Failure::local(format!("cannot write {}", file.display()), &error))
}
