//! The processes below this one: those that it has started, those that these have started, and so on.
//!
//! A process group would not do: what has one of its own, such as a job of an interactive shell or what calls
//! `setsid`, is none of its. Below a process that adopts orphans all that it has started stays below it.

use std::collections::HashMap;
use std::fs;

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, set_child_subreaper, wait,
};

use crate::failure::{Exit, Failure};

/// Makes orphans below this process its children.
pub(crate) fn adopt() -> Result<(), Failure> {
    set_child_subreaper(Some(getpid()))
        .map_err(|errno| Failure::local("cannot watch over what is started", &errno.into()))
}

/// Sends a signal to all of them. One that has just ended needs none, and one of another user's takes none.
pub(crate) fn signal(signal: Signal) {
    for pid in all() {
        let _ended_or_foreign = kill_process(pid, signal);
    }
}

/// What has ended.
pub(crate) struct Reaped {
    /// How the process ended that was asked for, if it was among them.
    pub(crate) exit: Option<Exit>,
    /// Whether nothing is left below this process.
    pub(crate) all: bool,
}

/// Takes note of all children that have ended.
pub(crate) fn reap(asked: Option<Pid>) -> Reaped {
    let mut exit = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => {
                if asked == Some(pid) {
                    exit = exit_of(status);
                }
            }
            Ok(None) => return Reaped { exit, all: false },
            Err(Errno::INTR) => {}
            // There are no children any more, and so nothing below them: an orphan would be one.
            Err(_) => return Reaped { exit, all: true },
        }
    }
}

/// Returns a process's own exit code; that of one that a signal ended is 128 and the signal's number, as in a shell.
fn exit_of(status: WaitStatus) -> Option<Exit> {
    let code = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal))?;
    Some(Exit::of_command(code))
}

/// Finds them, as far as the system tells now: one that is just being started may be missing.
fn all() -> Vec<Pid> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        if let Some(parent) = fs::read(format!("/proc/{pid}/stat")).ok().and_then(|stat| parent(&stat)) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = vec![getpid().as_raw_nonzero().get()];
    let mut next = 0;
    while let Some(parent) = found.get(next) {
        found.extend(children.remove(parent).unwrap_or_default());
        next += 1;
    }
    found.into_iter().skip(1).filter_map(Pid::from_raw).collect()
}

/// Reads a process's parent: two fields after its name, which may have anything in it.
fn parent(stat: &[u8]) -> Option<i32> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = str::from_utf8(stat.get(end + 1..)?).ok()?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::parent;

    #[test]
    fn a_parent_is_found_whatever_the_name() {
        assert_eq!(parent(b"12 (sh) S 7 12 12 0 -1"), Some(7));
        assert_eq!(parent(b"12 (a) R 1 (\xff)) T 8 12"), Some(8));
        assert_eq!(parent(b"12 (sh"), None);
    }
}
