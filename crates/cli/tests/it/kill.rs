//! The server killed while it takes files, at random moments and at chosen system calls.
//!
//! The rounds are those of `bench/kill_rounds.py`, which runs two hundred of them by hand; here a few run with
//! every change.

use std::path::Path;
use std::process::{Command, Output};

/// Runs a program of `bench/` on the binary under test, in a folder that goes with it.
pub(crate) fn bench(program: &str, args: &[&str]) -> Output {
    let work = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench").join(program);
    let mut command = Command::new("python3");
    command.arg(program).args(["--longshore", env!("CARGO_BIN_EXE_longshore"), "--work-dir"]);
    command.arg(work.path()).args(args).output().unwrap()
}

/// Checks what a program printed, and shows it when it found a promise broken.
#[track_caller]
pub(crate) fn nothing_was_lost(output: &Output) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("lost 0, torn 0, never sent but visible 0\n"), "{text}");
}

#[test]
fn nothing_acknowledged_is_lost_by_a_kill() {
    nothing_was_lost(&bench("kill_rounds.py", &["--rounds", "12"]));
}

#[test]
fn nothing_is_lost_whichever_system_call_is_the_last() {
    if Command::new("strace").arg("-V").output().is_err() {
        panic!("strace is needed: apt-get install strace (./test does)");
    }
    nothing_was_lost(&bench("kill_rounds.py", &["--strace", "--calls", "2"]));
}
