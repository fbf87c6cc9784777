//! `longshore run`: a command under locks.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use clap::Args;
use longshore::{LockGuard, LockToken};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use super::lock::Terms;
use crate::duration;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::session::{LOCK_TOKEN, Session, about};

/// The variable in which a command finds the fences of its locks.
const LOCK_FENCE: &str = "LONGSHORE_LOCK_FENCE";

/// Run a command under locks
///
/// Takes all the locks or none, renews them while the command runs, and gives them back after it. The command finds
/// their tokens in LONGSHORE_LOCK_TOKEN, with commas between them, so that what it writes with `longshore` is under
/// them; and their fences, in the same order, in LONGSHORE_LOCK_FENCE. When a lock is lost the command is ended
/// before somebody else can have it, and the exit code is 5; otherwise the exit code is the command's.
#[derive(Args)]
pub(crate) struct Run {
    /// What to lock, by path or id; may be given again
    #[arg(long = "lock", required = true, value_name = "PATH")]
    locks: Vec<String>,
    #[command(flatten)]
    terms: Terms,
    /// How long the command has to end by itself, once it was asked to, before it is killed
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration::argument)]
    grace: Duration,
    /// The command and its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Run {
    pub(crate) async fn run(&self, session: &Session, output: Output) -> anyhow::Result<Exit> {
        let guard = self.take(session).await?;
        let mut child = match self.start(session, &guard) {
            Ok(child) => child,
            Err(failure) => {
                guard.release().await?;
                return Err(failure.into());
            }
        };
        let ended = self.watch(&mut child, &guard, output).await;
        if let Err(error) = guard.release().await {
            output.note(&format!("note: a lock was not given back, and ends with its time: {error}"));
        }
        ended
    }

    async fn take(&self, session: &Session) -> anyhow::Result<LockGuard> {
        let mut nodes = Vec::new();
        for path in &self.locks {
            nodes.push(session.node(path).await?.id);
        }
        let (locks, options) = (session.client.locks(), self.terms.options());
        // One alone has a place in the queue.
        let taken = match nodes[..] {
            [node] => locks.hold(node, &options).await,
            _ => locks.hold_many(&nodes, &options).await,
        };
        Ok(taken.map_err(|error| about(&self.locks.join(", "), &error))?)
    }

    fn start(&self, session: &Session, guard: &LockGuard) -> Result<Child, Failure> {
        let [program, arguments @ ..] = &self.command[..] else {
            return Err(Failure::invalid("there is no command to run"));
        };
        // What was given to this command goes on to the next: it may run below another `longshore run`.
        let tokens = session.resolved.locks.iter().chain(guard.tokens());
        let tokens: Vec<_> = tokens.map(LockToken::reveal).collect();
        let fences: Vec<_> = guard.locks().iter().map(|lock| lock.fence.to_string()).collect();
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env(LOCK_TOKEN, tokens.join(","))
            .env(LOCK_FENCE, fences.join(","))
            .kill_on_drop(true);
        if is_alone() {
            command.process_group(0);
        }
        command.spawn().map_err(|error| Failure::local(format!("cannot run {}", program.display()), &error))
    }

    /// Waits for the command's end, and ends it when a lock is lost.
    async fn watch(&self, child: &mut Child, guard: &LockGuard, output: Output) -> anyhow::Result<Exit> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let lost = guard.lost();
        let mut lost = std::pin::pin!(lost);
        loop {
            tokio::select! {
                biased;
                status = child.wait() => return Ok(exit_of(status?)),
                error = &mut lost => {
                    output.note("note: a lock is lost: the command is ended");
                    send(child, Signal::TERM);
                    if timeout(self.grace, child.wait()).await.is_err() {
                        send(child, Signal::KILL);
                        child.wait().await?;
                    }
                    return Err(error.into());
                }
                // A terminal sends the first of these to the command as well, unless that is in a group of its own.
                Some(()) = interrupt.recv() => if is_alone() { send(child, Signal::INT) },
                Some(()) = terminate.recv() => send(child, Signal::TERM),
            }
        }
    }
}

/// Tells whether the command is in a process group of its own, which can then be ended as a whole. Not at a
/// terminal: what runs in the background of one cannot read from it.
fn is_alone() -> bool {
    !std::io::stdin().is_terminal()
}

/// Sends a signal to the command, and to what it has started, as far as that can be known.
fn send(child: &Child, signal: Signal) {
    let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) else {
        return;
    };
    // One that has just ended needs no signal.
    let _ended = if is_alone() { kill_process_group(pid, signal) } else { kill_process(pid, signal) };
}

/// Returns a command's own exit code; that of one that a signal ended is 128 and the signal's number, as in a shell.
fn exit_of(status: ExitStatus) -> Exit {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    match u8::try_from(code) {
        Ok(0) => Exit::Ok,
        Ok(code) => Exit::Command(code),
        Err(_) => Exit::Unexpected,
    }
}
