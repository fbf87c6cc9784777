//! `down` that dies, or has no room, and is run again.

use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use longshore_link::{Conditions, Counts, Link};

use crate::run::{Server, end, run, spawn, wait};

const MIB: usize = 1024 * 1024;
/// A file that is ended in its middle.
const LARGE: usize = 200 * MIB;
/// What may move twice: what was under way on four connections, each of which has some megabytes in the buffers of two
/// sockets here and two there, when the next run took over. Whoever begins anew moves more than three quarters twice.
const MARGIN: usize = 80 * MIB;

fn bytes(length: usize) -> Vec<u8> {
    let mut bytes = (0..=250).collect::<Vec<u8>>().repeat(length / 251 + 1);
    bytes.truncate(length);
    bytes
}

fn left(server: &Server, ending: &str) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(server.path("to")).into_iter().flatten();
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect()
}

/// How many cells the state of the download says have come.
fn cells(server: &Server) -> usize {
    let state = left(server, ".state").pop().and_then(|path| fs::read_to_string(path).ok());
    state.map_or(0, |state| state.lines().count().saturating_sub(1))
}

/// A file of 40 MiB that comes over a slow line, and takes two seconds for it.
struct Slow {
    server: Server,
    content: Vec<u8>,
    runtime: tokio::runtime::Runtime,
    link: Link,
}

impl Slow {
    fn start() -> Self {
        let server = Server::start();
        let content = bytes(40 * MIB);
        fs::write(server.path("f"), &content).unwrap();
        server.ok(&["up", "f", "/f"]);
        fs::create_dir(server.path("to")).unwrap();
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
        let conditions = Conditions { rate: Some(20 * MIB as u64), ..Conditions::default() };
        let link = runtime.block_on(Link::start(address(&server.url), conditions)).unwrap();
        Self { server, content, runtime, link }
    }

    fn down(&self) -> Command {
        let mut command = self.server.command();
        command.env("LONGSHORE_URL", format!("http://{}", self.link.address())).args(["down", "/f", "to/f"]);
        command
    }

    /// Starts a download and waits until some cells have come.
    fn begin(&self) -> Child {
        let down = self.down().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let patience = Instant::now() + Duration::from_secs(30);
        while cells(&self.server) < 10 {
            assert!(Instant::now() < patience, "no state came");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(cells(&self.server) < 40 && !self.server.path("to/f").exists());
        down
    }

    #[track_caller]
    fn is_whole(&self) {
        assert!(fs::read(self.server.path("to/f")).unwrap() == self.content);
        assert_eq!(left(&self.server, "").len(), 1);
    }
}

fn address(url: &str) -> SocketAddr {
    url.trim_start_matches("http://").parse().unwrap()
}

#[test]
fn a_download_that_is_killed_goes_on_where_it_was() {
    let slow = Slow::start();
    let mut down = slow.begin();
    end(&mut down);
    let had = cells(&slow.server);
    let before = slow.link.counts().down;
    run::<&str>(slow.down(), &[]).exits(0);
    slow.is_whole();
    // What the first answer brought before it was dropped, and heads, come on top.
    let fetched = slow.link.counts().down - before;
    assert!(fetched <= ((40 - had) * MIB + 3 * MIB) as u64, "{fetched} bytes, and {had} MiB were there");
}

/// Ends a transfer by a signal when it has moved some of a file, runs it again, and returns how much both have moved over the
/// network that way, in bytes.
fn ended_and_run_again(server: &Server, signal: &str, arguments: &[&str], way: fn(Counts) -> u64) -> u64 {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let target: SocketAddr = server.url.trim_start_matches("http://").parse().unwrap();
    let slow = Conditions { rate: Some(50 * MIB as u64), ..Conditions::default() };
    let link = runtime.block_on(Link::start(target, slow)).unwrap();
    let command = || {
        let mut command = server.command();
        command.env("LONGSHORE_URL", format!("http://{}", link.address())).args(arguments);
        command.stdout(Stdio::null()).stderr(fs::File::create(server.path("told")).unwrap());
        command
    };
    let mut first = command().spawn().unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    while way(link.counts()) < LARGE as u64 * 3 / 4 {
        assert!(Instant::now() < patience, "it does not move");
        std::thread::sleep(Duration::from_millis(5));
    }
    crate::run::signal(&first, signal);
    let code = crate::run::wait(&mut first, Duration::from_secs(20));
    if signal == "INT" {
        let told = fs::read_to_string(server.path("told")).unwrap();
        assert!(code == 130 && told.contains("the same command goes on from there"), "{code}: {told}");
    }
    assert!(command().status().unwrap().success(), "{}", fs::read_to_string(server.path("told")).unwrap());
    way(link.counts())
}

#[test]
fn an_upload_that_ends_in_the_middle_goes_on_where_it_was() {
    let server = Server::start();
    for (signal, path) in [("KILL", "/killed"), ("INT", "/interrupted")] {
        let content = crate::folders::bytes(LARGE);
        fs::write(server.path("f"), &content).unwrap();
        let moved = ended_and_run_again(&server, signal, &["up", "f", path], |counts| counts.up);
        assert!(moved <= (LARGE + MARGIN) as u64, "{signal}: {moved} bytes");
        server.ok(&["down", "--force", path, "back"]);
        assert!(fs::read(server.path("back")).unwrap() == content);
        assert_eq!(server.json(&["versions", "list", path])["items"].as_array().unwrap().len(), 1);
    }
    let state = server.path("config/.local/state/longshore/uploads");
    assert_eq!(fs::read_dir(state).unwrap().count(), 0, "what is done needs no state");
}

#[test]
fn a_download_that_is_interrupted_goes_on_where_it_was() {
    let server = Server::start();
    let content = bytes(LARGE);
    fs::write(server.path("f"), &content).unwrap();
    server.ok(&["up", "f", "/f"]);
    fs::create_dir(server.path("to")).unwrap();
    let moved = ended_and_run_again(&server, "INT", &["down", "/f", "to/f"], |counts| counts.down);
    assert!(moved <= (LARGE + MARGIN) as u64, "{moved} bytes");
    assert!(fs::read(server.path("to/f")).unwrap() == content);
    assert_eq!(left(&server, "").len(), 1);
}

#[test]
fn a_server_that_is_killed_and_started_again_goes_on_where_it_was() {
    let slow = Slow::start();
    let mut down = slow.begin();
    slow.link.stall(true);
    slow.server.signal("KILL");
    let (mut again, ready) = spawn(&slow.server.path(""), &["--ready-json"]);
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
    slow.link.retarget(address(ready["url"].as_str().unwrap()));
    slow.link.stall(false);
    let code = wait(&mut down, Duration::from_secs(60));
    end(&mut again);
    assert_eq!(code, 0);
    slow.is_whole();
    let crossed = slow.link.counts().down;
    assert!(crossed <= 44 * MIB as u64 + 3 * MIB as u64, "{crossed} bytes");
    drop(slow.runtime);
}

#[test]
fn a_disk_without_room_is_told_and_the_rest_goes_on() {
    let server = Server::start();
    for (name, length) in [("small", 10), ("medium", 3 * MIB), ("large", 40 * MIB)] {
        fs::create_dir_all(server.path("from")).unwrap();
        fs::write(server.path("from").join(name), bytes(length)).unwrap();
    }
    server.ok(&["up", "from", "/from"]);
    // Files of more than 1 MiB cannot be written; the signal that says so is not to end the program.
    let limited = format!(
        "trap '' XFSZ; ulimit -f 2048; exec {} --json down /from to",
        env!("CARGO_BIN_EXE_longshore")
    );
    let mut shell = Command::new("sh");
    let plain = server.command();
    shell.args(["-c", &limited]).current_dir(server.path("."));
    for (name, value) in plain.get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    let ended = run::<&str>(shell, &[]).exits(3);
    let text = ended.text() + &ended.stderr;
    assert!(text.contains("/from/large") && text.contains("/from/medium"), "{text}");
    assert!(text.contains("too_large") || text.contains("File too large"), "{text}");
    let names = left(&server, "");
    assert_eq!(names, [server.path("to/small")], "{names:?}");
}
