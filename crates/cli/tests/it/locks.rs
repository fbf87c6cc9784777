//! Locks on the command line.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::run::{Server, run, wait, write};

pub(crate) fn with_file() -> Server {
    let server = Server::start();
    write(server.path("a"), "first\n");
    server.ok(&["up", "a", "/notes/a.txt"]);
    server
}

/// Starts a command that `longshore run` is to run, by a shell, and waits until it has begun.
pub(crate) fn start(server: &Server, options: &[&str], script: &str) -> std::process::Child {
    let script = format!("touch begun; {script}");
    let mut command = server.command();
    command.arg("run").args(options).args(["--", "/bin/sh", "-c", &script]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let start = Instant::now();
    while !server.path("begun").exists() {
        assert!(start.elapsed() < Duration::from_secs(20) && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

#[test]
fn a_lock_is_taken_shown_and_given_back() {
    let server = with_file();
    let lock = server.json(&["lock", "/notes/a.txt", "--purpose", "a test", "--label", "me"]);
    let (id, token) = (lock["id"].as_str().unwrap(), lock["token"].as_str().unwrap());
    let shown = server.ok(&["locks"]);
    assert!(shown.starts_with(id) && shown.ends_with("  me  /notes/a.txt  (a test)\n"), "{shown}");
    assert_eq!(server.json(&["locks", "--mine"])["items"][0]["id"], id);
    for refused in [
        &["up", "a", "/notes/a.txt"][..],
        &["mv", "/notes/a.txt", "/b"],
        &["rm", "/notes"],
        &["versions", "restore", "/notes/a.txt", "1"],
        &["lock", "/notes/a.txt"],
    ] {
        let code = if refused[0] == "up" { 3 } else { 75 };
        let ended = server.run(refused).exits(code);
        assert!(ended.stderr.contains("locked by me"), "{refused:?}: {}", ended.stderr);
    }
    let under = |arguments: &[&str]| {
        let mut command = server.command();
        command.env("LONGSHORE_LOCK_TOKEN", token);
        run(command, arguments).exits(0).text()
    };
    under(&["up", "a", "/notes/a.txt"]);
    under(&["up", "a", "/elsewhere"]);
    under(&["versions", "restore", "/notes/a.txt", "1"]);
    under(&["rm", "/notes/a.txt"]);
    under(&["restore", "/notes/a.txt"]);
    server.ok(&["mv", "/notes/a.txt", "/notes/b.txt", "--lock-token", token]);
    let ended = server.run(&["unlock", "/notes/b.txt"]).exits(8);
    assert!(ended.stderr.contains("no token of"), "{}", ended.stderr);
    server.ok(&["unlock", "/notes/b.txt", "--token", token]);
    assert_eq!(server.ok(&["locks"]), "");
    server.ok(&["unlock", id, "--token", token]);
    let ended = server.run(&["up", "a", "/notes/b.txt", "--lock-token", token]).exits(3);
    assert!(ended.stderr.contains("it was released") && !ended.stderr.contains(token), "{}", ended.stderr);
    let ended = server.run(&["ls", "--lock-token", "lst_nothing"]).exits(8);
    assert!(!ended.stderr.contains("nothing"), "{}", ended.stderr);
}

#[test]
fn a_token_goes_into_a_file_that_only_its_owner_reads() {
    let server = with_file();
    let printed = server.ok(&["lock", "/notes", "--token-file", "token"]);
    assert!(printed.starts_with("lk_") && !printed.contains("lst_"), "{printed}");
    let file = server.path("token");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let ended = server.run(&["unlock", "/notes/a.txt", "--token-file", "token"]).exits(4);
    assert!(ended.stderr.contains("the lock of a folder above it"), "{}", ended.stderr);
    server.ok(&["unlock", "/notes", "--token-file", "token"]);
    // A lock whose token cannot be kept is given back.
    server.run(&["lock", "/notes", "--token-file", "token"]).exits(5);
    assert_eq!(server.ok(&["locks"]), "");
}

#[test]
fn a_lock_is_looked_up_renewed_and_taken_on_a_premise() {
    let server = with_file();
    let version = server.json(&["stat", "/notes/a.txt"])["version_id"].as_str().unwrap().to_owned();
    server.ok(&["up", "a", "/notes/a.txt"]);
    server.run(&["lock", "/notes/a.txt", "--if-version", &version]).exits(5);
    let ended = server.run(&["locks", "get", "/notes/a.txt"]).exits(4);
    assert!(ended.stderr.contains("/notes/a.txt"), "{}", ended.stderr);
    let version = server.json(&["stat", "/notes/a.txt"])["version_id"].as_str().unwrap().to_owned();
    let lock = server.json(&["lock", "/notes/a.txt", "--if-version", &version, "--ttl", "30s"]);
    let (id, token) = (lock["id"].as_str().unwrap(), lock["token"].as_str().unwrap());
    assert_eq!(server.json(&["locks", "get", "/notes/a.txt"])["id"], id);
    assert!(server.ok(&["locks", "get", "/notes/a.txt"]).ends_with("  /notes/a.txt\n"));
    let renewed = server.json(&["locks", "renew", "/notes/a.txt", "--token", token, "--ttl", "1h"]);
    assert_eq!((&renewed["id"], &renewed["ttl_seconds"]), (&lock["id"], &3_600.into()));
    assert!(renewed["expires_at"].as_str() > lock["expires_at"].as_str(), "{renewed}");
    server.ok(&["locks", "renew", id, "--lock-token", token]);
    server.run(&["locks", "renew", id]).exits(8);
    server.run(&["locks", "--mine", "renew", id]).exits(2);
    server.ok(&["unlock", id, "--token", token]);
    server.run(&["locks", "renew", id, "--token", token]).exits(5);
}

#[test]
fn times_out_of_bounds_are_told_by_their_bounds() {
    for (refused, bound) in [
        (&["lock", "/x", "--wait", "9999999999999999999s"][..], "36500d"),
        (&["run", "--lock", "/x", "--wait", "18446744073709551615s", "--", "true"], "36500d"),
        (&["jobs", "wait", "x", "--timeout", "99999999999999999999d"], "36500d"),
        (&["lock", "/x", "--ttl", "4s"], "5s to 1h"),
        (&["lock", "/x", "--ttl", "2h"], "5s to 1h"),
        (&["locks", "renew", "/x", "--ttl", "0s"], "5s to 1h"),
    ] {
        let ended = crate::run::run_alone(refused).exits(2);
        assert!(ended.stderr.contains(bound), "{refused:?}: {}", ended.stderr);
    }
    let server = with_file();
    server.ok(&["lock", "/notes", "--wait", "36500d"]);
    server.run(&["undo", "--mine", "--since", "36501d", "--preview"]).exits(8);
}

#[test]
fn a_lock_is_broken_for_a_reason() {
    let server = with_file();
    let lock = server.json(&["lock", "/notes/a.txt"]);
    server.run(&["unlock", "/notes/a.txt", "--force"]).exits(2);
    server.ok(&["unlock", "/notes/a.txt", "--force", "--reason", "its owner is gone"]);
    let token = lock["token"].as_str().unwrap();
    let ended = server.run(&["rm", "/notes/a.txt", "--lock-token", token]).exits(5);
    assert!(ended.stderr.contains("it was broken") && ended.stderr.contains("hint: "), "{}", ended.stderr);
    server.ok(&["rm", "/notes/a.txt"]);
}

#[test]
fn a_command_runs_under_its_locks() {
    let server = with_file();
    server.ok(&["mkdir", "/other"]);
    let longshore = env!("CARGO_BIN_EXE_longshore");
    let script = format!(
        "'{longshore}' up a /notes/a.txt && '{longshore}' up a /other/b && '{longshore}' up a /free && \
         echo $LONGSHORE_LOCK_FENCE && '{longshore}' locks | wc -l && exit 42"
    );
    let both = ["run", "--lock", "/notes/a.txt", "--lock", "/other", "--", "sh", "-c", &script];
    let mut command = server.command();
    command.env("PATH", "/usr/bin:/bin");
    let ended = run(command, &both).exits(42);
    assert!(ended.text().ends_with("1,1\n2\n"), "{}", ended.text());
    assert_eq!(server.ok(&["locks"]), "", "they are given back");
    assert_eq!(server.ok(&["versions", "list", "/notes/a.txt"]).lines().count(), 2);
    let inner = ["run", "--lock", "/notes/a.txt", "--", longshore, "up", "a", "/notes/a.txt"];
    let outer = ["run", "--lock", "/notes", "--", longshore].into_iter().chain(inner);
    server.run(&outer.collect::<Vec<_>>()).exits(0);
    server.run(&["run", "--lock", "/other", "--", "/no/such/program"]).exits(4);
    assert_eq!(server.ok(&["locks"]), "");
}

#[test]
fn a_command_waits_for_its_lock_or_is_told_to_come_again() {
    let server = with_file();
    let mut first = start(&server, &["--lock", "/notes"], "until test -e go; do sleep 0.05; done");
    server.run(&["run", "--lock", "/notes", "--", "/bin/true"]).exits(75);
    let mut second = server.command();
    let second = second.args(["run", "--lock", "/notes", "--wait", "60s", "--", "/bin/cat", "go"]);
    let second = second.stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    write(server.path("go"), "went");
    assert_eq!(wait(&mut first, Duration::from_secs(20)), 0);
    let ended = second.wait_with_output().unwrap();
    assert!(ended.status.success() && ended.stdout == b"went", "{ended:?}");
}

#[test]
fn a_command_that_a_signal_ends_is_told_as_a_shell_tells_it() {
    let server = with_file();
    let mut command: Command = server.command();
    command.args(["run", "--lock", "/notes", "--", "/bin/sh", "-c", "kill -9 $$"]);
    assert_eq!(command.output().unwrap().status.code(), Some(137));
}
