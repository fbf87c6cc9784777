//! `longshore supervise`: what `longshore run` runs a command by. Not for users.
//!
//! A process of its own, because it must outlive the one that holds the locks when that is killed, and because what
//! is below it is what the command has started and nothing else.

use std::ffi::OsString;
use std::process::Command;
use std::time::Duration;

use clap::Args;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use tokio::time::{Instant, sleep};

use crate::descendants::{self, Reaped};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::signals::{Signals, on};

/// Asks for the end of the command and of all that it has started.
pub(super) const STOP: Signal = Signal::USR1;
/// Ends them at once. Comes of itself when the holder of the locks is gone.
pub(super) const KILL: Signal = Signal::USR2;

/// How long it takes for what is killed to be gone, until the next look.
const PAUSE: Duration = Duration::from_millis(5);
/// How long what is killed may take to be gone: more needs another user's rights, or a disk that answers.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Run a command, and end it with all that it has started when its holder says so or is gone
#[derive(Args)]
pub(crate) struct Supervise {
    /// The process that holds the locks
    #[arg(long, value_name = "PID")]
    holder: i32,
    /// The command and its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Supervise {
    pub(crate) fn run(&self, output: Output) -> anyhow::Result<Exit> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.supervise(output))
    }

    async fn supervise(&self, output: Output) -> anyhow::Result<Exit> {
        let mut signals = Signals::listen()?;
        let (mut stop, mut kill, mut ended) = (on(STOP)?, on(KILL)?, on(Signal::CHILD)?);
        descendants::adopt()?;
        set_parent_process_death_signal(Some(KILL))
            .map_err(|errno| Failure::local("cannot watch over the holder of the locks", &errno.into()))?;
        // One that was gone before is not told of.
        if getppid() != Pid::from_raw(self.holder) {
            return Err(Failure::invalid("the holder of the locks is gone").into());
        }
        let command = self.start()?;
        let (mut exit, mut is_ending, mut killing) = (None, false, None);
        loop {
            let Reaped { exit: now, all } = descendants::reap(Some(command));
            exit = exit.or(now);
            match exit {
                // What it leaves behind in the background is not its holder's business.
                Some(exit) if all || !is_ending => return Ok(exit),
                _ if all => return Ok(Exit::Unexpected),
                _ => {}
            }
            if let Some(since) = killing {
                if Instant::now() - since > PATIENCE {
                    output.note("note: something that the command has started cannot be ended");
                    return Ok(Exit::Unexpected);
                }
                descendants::signal(Signal::KILL);
            }
            tokio::select! {
                biased;
                _ = kill.recv() => {
                    is_ending = true;
                    killing = killing.or_else(|| Some(Instant::now()));
                }
                _ = stop.recv() => {
                    is_ending = true;
                    descendants::signal(Signal::TERM);
                }
                _ = ended.recv() => {}
                signal = signals.next() => descendants::signal(signal),
                () = sleep(PAUSE), if killing.is_some() => {}
            }
        }
    }

    fn start(&self) -> Result<Pid, Failure> {
        let [program, arguments @ ..] = &self.command[..] else {
            return Err(Failure::invalid("there is no command to run"));
        };
        let child = Command::new(program).args(arguments).spawn();
        let child =
            child.map_err(|error| Failure::local(format!("cannot run {}", program.display()), &error))?;
        i32::try_from(child.id())
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(|| Failure::invalid("the command has no process id"))
    }
}
