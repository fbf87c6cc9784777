//! `longshore run` where the command is to end: with all that it has started, and in time.

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use longshore_core::{Clock, SystemClock};

use crate::locks::{start, with_file};
use crate::run::{Server, signal, wait};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A loop in the background that no request ends, and that tells all the time when it was last alive.
const LOOP: &str = "(trap '' TERM HUP; while date +%s%N > next; do mv next alive; sleep 0.05; done) & \
    until test -s alive; do sleep 0.01; done;";

/// Waits until the loop has not been alive for a while, as it has ended; returns when it last was.
fn last_alive(server: &Server) -> Duration {
    let read = || fs::read_to_string(server.path("alive")).unwrap();
    let start = Instant::now();
    loop {
        let last = read();
        std::thread::sleep(Duration::from_secs(1));
        if last == read() && !last.is_empty() {
            return Duration::from_nanos(last.trim().parse().unwrap());
        }
        assert!(start.elapsed() < PATIENCE, "what the command had started goes on");
    }
}

/// Starts a command with the loop, and waits until that is alive.
fn start_loop(server: &Server, options: &[&str], script: &str) -> Child {
    let child = start(server, options, script);
    until(server, "alive");
    child
}

/// Waits until there is a file.
fn until(server: &Server, name: &str) {
    let start = Instant::now();
    while !server.path(name).exists() {
        assert!(start.elapsed() < PATIENCE, "no {name}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn now() -> Duration {
    Duration::from_micros(SystemClock.now().as_micros().try_into().unwrap())
}

fn break_lock(server: &Server) {
    server.ok(&["unlock", "/notes", "--force", "--reason", "a test"]);
}

fn told(child: &mut Child) -> String {
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    told
}

#[test]
fn a_command_is_ended_when_its_lock_is_broken() {
    let server = with_file();
    // It does not end when it is asked to, and nor does what it has started.
    let script = format!("trap '' TERM; {LOOP} wait; sleep 60");
    let mut child = start_loop(&server, &["--lock", "/notes", "--ttl", "5s"], &script);
    break_lock(&server);
    assert_eq!(wait(&mut child, PATIENCE), 5);
    let told = told(&mut child);
    assert!(told.contains("the command is ended") && told.contains("it was broken"), "{told}");
    last_alive(&server);
}

#[test]
fn what_a_command_has_started_ends_though_it_ended_before() {
    let server = with_file();
    let mut child = start_loop(&server, &["--lock", "/notes", "--ttl", "5s"], &format!("{LOOP} wait"));
    break_lock(&server);
    assert_eq!(wait(&mut child, PATIENCE), 5);
    last_alive(&server);
}

#[test]
fn what_has_left_the_commands_process_group_ends_too() {
    let server = with_file();
    // It outlives who has started it, in a session of its own, as a daemon does.
    let script = format!("setsid sh -c \"{LOOP} exit\" & until test -s alive; do sleep 0.01; done; sleep 60");
    let mut child = start_loop(&server, &["--lock", "/notes", "--ttl", "5s"], &script);
    break_lock(&server);
    assert_eq!(wait(&mut child, PATIENCE), 5);
    last_alive(&server);
}

#[test]
fn a_command_has_ended_before_the_lease_when_the_line_is_cut() {
    let server = with_file();
    let script = format!("trap '' TERM; {LOOP} wait; sleep 60");
    let lease = Duration::from_secs(10);
    let mut child = start_loop(&server, &["--lock", "/notes", "--ttl", "10s"], &script);
    server.signal("STOP");
    // No renewal that was sent later has reached the server.
    let cut = now();
    assert_eq!(wait(&mut child, PATIENCE), 5);
    server.signal("CONT");
    let told = told(&mut child);
    assert!(told.contains("the command is ended"), "{told}");
    let last = last_alive(&server);
    assert!(last < cut + lease, "it went on for {:?} after its lease", last - cut - lease);
}

#[test]
fn a_grace_that_the_lease_has_no_room_for_is_refused() {
    let server = with_file();
    let ended =
        server.run(&["run", "--lock", "/notes", "--ttl", "10s", "--grace", "1s", "--", "/bin/true"]).exits(8);
    assert!(ended.stderr.contains("hint: --ttl 20s has room for it"), "{}", ended.stderr);
    server.run(&["run", "--lock", "/notes", "--ttl", "20s", "--grace", "1s", "--", "/bin/true"]).exits(0);
}

#[test]
fn a_signal_goes_on_to_the_command_and_the_lock_is_given_back() {
    let server = with_file();
    for name in ["TERM", "INT", "HUP", "QUIT"] {
        let script = format!("trap 'exit 7' {name}; while :; do sleep 0.05; done");
        let mut child = start(&server, &["--lock", "/notes"], &script);
        signal(&child, name);
        assert_eq!(wait(&mut child, PATIENCE), 7, "{name}");
        assert_eq!(server.ok(&["locks"]), "");
        fs::remove_file(server.path("begun")).unwrap();
    }
}

#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let server = with_file();
    let script = "touch begun; until test -e go; do sleep 0.05; done; grep SigIgn /proc/self/status";
    let mut wrapped = std::process::Command::new("/bin/sh");
    wrapped.args(["-c", "trap '' HUP; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_longshore")]);
    wrapped.args(["run", "--lock", "/notes", "--", "/bin/sh", "-c", script]);
    for (name, value) in server.command().get_envs() {
        wrapped.env(name, value.unwrap_or_default());
    }
    wrapped.current_dir(server.path("")).stdin(Stdio::null()).stdout(Stdio::piped());
    let child = wrapped.spawn().unwrap();
    until(&server, "begun");
    signal(&child, "HUP");
    fs::write(server.path("go"), "").unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    let shown = String::from_utf8(ended.stdout).unwrap();
    let mask = u64::from_str_radix(shown.trim().trim_start_matches("SigIgn:").trim(), 16).unwrap();
    assert_eq!(mask & 1, 1, "{shown}");
}

#[test]
fn a_command_ends_with_all_that_it_has_started_when_longshore_is_killed() {
    let server = with_file();
    let script = format!("trap '' TERM; {LOOP} wait; sleep 60");
    let mut child = start_loop(&server, &["--lock", "/notes", "--ttl", "5s"], &script);
    signal(&child, "KILL");
    assert_eq!(wait(&mut child, PATIENCE), -1);
    last_alive(&server);
}

#[test]
fn a_command_ends_with_all_that_it_has_started_when_its_supervisor_is_killed() {
    let server = with_file();
    let script = format!("{LOOP} echo $PPID > supervisor.new; mv supervisor.new supervisor; wait; sleep 60");
    let mut child = start_loop(&server, &["--lock", "/notes"], &script);
    until(&server, "supervisor");
    let supervisor = fs::read_to_string(server.path("supervisor")).unwrap();
    let sent = std::process::Command::new("kill").args(["-KILL", supervisor.trim()]).status().unwrap();
    assert!(sent.success());
    assert_eq!(wait(&mut child, PATIENCE), 137);
    last_alive(&server);
    assert_eq!(server.ok(&["locks"]), "");
}

/// A terminal that somebody sits at.
pub(crate) struct Terminal {
    pub(crate) ours: fs::File,
    theirs: fs::File,
}

impl Terminal {
    pub(crate) fn open() -> Self {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let theirs = fs::File::options().read(true).write(true).open(name).unwrap();
        Self { ours: ours.into(), theirs }
    }

    pub(crate) fn side(&self) -> fs::File {
        self.theirs.try_clone().unwrap()
    }

    /// Starts a verb here, as the one in the foreground.
    pub(crate) fn start(&self, server: &Server, arguments: &[&str]) -> Child {
        let mut command = std::process::Command::new("setsid");
        command.args(["--ctty", "--wait", env!("CARGO_BIN_EXE_longshore")]).args(arguments);
        for (name, value) in server.command().get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        command.current_dir(server.path("")).stdin(self.side()).stdout(self.side()).stderr(self.side());
        command.spawn().unwrap()
    }
}

/// Starts `longshore run` at a terminal, and waits until the command has begun.
fn start_at(terminal: &Terminal, server: &Server, options: &[&str], script: &str) -> Child {
    let script = format!("touch begun; {script}");
    let command = ["--", "/bin/sh", "-c", &script];
    let mut child = terminal.start(server, &[&["run"], options, &command].concat());
    let start = Instant::now();
    while !server.path("begun").exists() {
        assert!(start.elapsed() < PATIENCE && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

#[test]
fn at_a_terminal_all_that_a_command_has_started_ends_too() {
    let server = with_file();
    let terminal = Terminal::open();
    let script = format!("{LOOP} wait");
    let mut child = start_at(&terminal, &server, &["--lock", "/notes", "--ttl", "5s"], &script);
    until(&server, "alive");
    break_lock(&server);
    assert_eq!(wait(&mut child, PATIENCE), 5);
    last_alive(&server);
}

#[test]
fn at_a_terminal_the_command_reads_it_and_gets_its_keys_once() {
    let server = with_file();
    let mut terminal = Terminal::open();
    let script = "read word; echo $word > word; trap 'echo again >> ints' INT; touch ready; \
        until test -e go; do sleep 0.05; done; exit 9";
    let mut child = start_at(&terminal, &server, &["--lock", "/notes"], script);
    terminal.ours.write_all(b"hello\n").unwrap();
    until(&server, "ready");
    assert_eq!(fs::read_to_string(server.path("word")).unwrap(), "hello\n");
    terminal.ours.write_all(b"\x03").unwrap();
    until(&server, "ints");
    fs::write(server.path("go"), "").unwrap();
    assert_eq!(wait(&mut child, PATIENCE), 9);
    assert_eq!(fs::read_to_string(server.path("ints")).unwrap(), "again\n");
    assert_eq!(server.ok(&["locks"]), "");
}
