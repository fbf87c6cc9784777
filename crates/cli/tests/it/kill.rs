//! The server killed while it takes files, at random moments and at chosen system calls.
//!
//! The rounds are those of `bench/kill_rounds.py`, which runs two hundred of them by hand; here a few run with
//! every change.

use std::path::Path;
use std::process::Command;

/// Runs the program that kills, and shows what it printed when it found a promise broken.
fn kill_rounds(args: &[&str]) {
    let work = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench/kill_rounds.py");
    let output = Command::new("python3")
        .arg(program)
        .args(["--longshore", env!("CARGO_BIN_EXE_longshore"), "--work-dir"])
        .arg(work.path())
        .args(args)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("lost 0, torn 0"), "{text}");
}

#[test]
fn nothing_acknowledged_is_lost_by_a_kill() {
    kill_rounds(&["--rounds", "12"]);
}

#[test]
fn nothing_is_lost_whichever_system_call_is_the_last() {
    if Command::new("strace").arg("-V").output().is_err() {
        panic!("strace is needed: apt-get install strace (./test does)");
    }
    kill_rounds(&["--strace", "--calls", "2"]);
}
