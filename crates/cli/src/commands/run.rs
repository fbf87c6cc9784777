//! `longshore run`: a command under locks.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use clap::Args;
use longshore::{LockGuard, LockToken};
use rustix::process::{Pid, Signal, getpid, kill_process};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::lock::Terms;
use super::supervise::{KILL, PATIENCE, STOP};
use crate::cli::Global;
use crate::descendants;
use crate::duration;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::session::{LOCK_TOKEN, Session, about};
use crate::signals::{Signals, terminal};

/// The variable in which a command finds the fences of its locks.
const LOCK_FENCE: &str = "LONGSHORE_LOCK_FENCE";
/// How long a command has to end by itself, where no more was asked for.
const GRACE: Duration = Duration::from_secs(2);
/// The same where somebody else may have the lock already.
const LATE_GRACE: Duration = Duration::from_millis(200);

/// Run a command under locks
///
/// Takes all the locks or none, renews them while the command runs, and gives them back after it. The command finds
/// their tokens in LONGSHORE_LOCK_TOKEN, with commas between them, so that what it writes with `longshore` is under
/// them; and their fences, in the same order, in LONGSHORE_LOCK_FENCE.
///
/// When a lock's lease runs out, because it cannot be renewed, the command and all that it has started are ended
/// before somebody else can have the lock; when somebody breaks the lock, as soon as that is known. The exit code is
/// then 5; otherwise it is the command's. They end too when `longshore` itself is killed. What a command that has
/// ended by itself leaves behind in the background runs on, without the locks.
///
/// SIGINT, SIGTERM, SIGHUP and SIGQUIT go on to the command. Ctrl-Z at a terminal stops `longshore` with the command:
/// the locks are then not renewed, and are lost when the command goes on only after their time. A command that alone
/// is stopped keeps its locks.
#[derive(Args)]
pub(crate) struct Run {
    /// What to lock, by path or id; may be given again
    #[arg(long = "lock", required = true, value_name = "PATH")]
    locks: Vec<String>,
    #[command(flatten)]
    terms: Terms,
    /// How long the command has to end by itself, once it was asked to, before it is killed: at most a twentieth of
    /// --ttl, so that its end comes before the lease's [default: 2s, or that]
    #[arg(long, value_name = "TIME", value_parser = duration::argument)]
    grace: Option<Duration>,
    /// The command and its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Run {
    pub(crate) async fn run(
        &self,
        session: &Session,
        global: &Global,
        output: Output,
    ) -> anyhow::Result<Exit> {
        let grace = self.grace()?;
        let guard = self.take(session).await?;
        let ended = self.run_under(session, global, &guard, grace, output).await;
        if let Err(error) = guard.release().await {
            output.note(&format!("note: a lock was not given back, and ends with its time: {error}"));
        }
        ended
    }

    fn grace(&self) -> Result<Duration, Failure> {
        let most = self.terms.ttl() / 20;
        match self.grace {
            None => Ok(GRACE.min(most)),
            Some(grace) if grace <= most => Ok(grace),
            Some(grace) => {
                let message =
                    format!("--grace is longer than a twentieth of --ttl, which is {} s", most.as_secs_f64());
                let least = grace.as_secs().saturating_mul(20);
                Err(Failure::invalid(message).hint(format!("--ttl {least}s has room for it")))
            }
        }
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

    async fn run_under(
        &self,
        session: &Session,
        global: &Global,
        guard: &LockGuard,
        grace: Duration,
        output: Output,
    ) -> anyhow::Result<Exit> {
        // Before there is a command: a signal that comes meanwhile is to reach it.
        let mut signals = Signals::listen()?;
        descendants::adopt()?;
        let mut child = self.start(session, global, guard)?;
        let lost = guard.lost();
        let mut lost = std::pin::pin!(lost);
        loop {
            tokio::select! {
                biased;
                status = child.wait() => {
                    let status = status?;
                    if status.signal().is_some() {
                        // Who watched over the command was killed; what it did is then left to be done here.
                        end_all().await;
                    }
                    return Ok(exit_of(status));
                }
                error = &mut lost => {
                    output.note("note: a lock is lost: the command is ended");
                    end(&mut child, grace.min(longest_grace(guard.time_left()))).await?;
                    return Err(error.into());
                }
                signal = signals.next() => send(&child, signal),
            }
        }
    }

    /// Starts the command, with one between that ends it with all that it starts.
    ///
    /// That one ends it when the thread is gone that has started it. Verbs run on the program's first thread, which is
    /// gone with the program.
    fn start(&self, session: &Session, global: &Global, guard: &LockGuard) -> Result<Child, Failure> {
        // What was given to this command goes on to the next: it may run below another `longshore run`.
        let tokens = session.resolved.locks.iter().chain(guard.tokens());
        let tokens: Vec<_> = tokens.map(LockToken::reveal).collect();
        let fences: Vec<_> = guard.locks().iter().map(|lock| lock.fence.to_string()).collect();
        // By this name it is the running program, even where its file has been replaced since.
        let mut command = Command::new("/proc/self/exe");
        command.arg("supervise").args(["--holder", &getpid().as_raw_nonzero().to_string()]);
        if global.json {
            command.arg("--json");
        }
        command.arg("--").args(&self.command);
        command.env(LOCK_TOKEN, tokens.join(",")).env(LOCK_FENCE, fences.join(","));
        if terminal().is_none() {
            // At a terminal it stays where the terminal's keys reach it, and where it may read.
            command.process_group(0);
        }
        command.spawn().map_err(|error| Failure::local("cannot start what runs the command", &error))
    }
}

/// Returns how long a command may take to end while so much of the lease is left: half of it, as being killed takes
/// time too. Where nothing is left nobody is spared by haste, and a moment to tidy up in may spare a mess.
fn longest_grace(left: Duration) -> Duration {
    if left.is_zero() { LATE_GRACE } else { left / 2 }
}

/// Ends the command and all that it has started.
async fn end(child: &mut Child, grace: Duration) -> anyhow::Result<()> {
    send(child, STOP);
    let ended = timeout(grace, child.wait()).await;
    let status = match ended {
        Ok(status) => status?,
        Err(_) => {
            send(child, KILL);
            child.wait().await?
        }
    };
    if status.signal().is_some() {
        end_all().await;
    }
    Ok(())
}

/// Kills all that this program has started. What cannot be killed, because it is another user's or hangs in the kernel,
/// is not waited for without end: the lock must not be held on to for it.
async fn end_all() {
    let since = Instant::now();
    while !descendants::reap(None).all && since.elapsed() < PATIENCE {
        descendants::signal(Signal::KILL);
        sleep(Duration::from_millis(5)).await;
    }
}

/// Sends a signal to the one between. One that has just ended needs none.
fn send(child: &Child, signal: Signal) {
    if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
        let _ended = kill_process(pid, signal);
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    Exit::of_command(status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1))
}
