//! Runs the binary: alone, or against a server of its own that ends with the test.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A command without anything of the user's: no environment of ours, a config folder of its own.
pub(crate) fn longshore(config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longshore"));
    command.env_clear().env("LONGSHORE_CONFIG_DIR", config).env("HOME", config).stdin(Stdio::null());
    command
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ended {
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}{}", self.text(), self.stderr);
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The error that `--json` puts on standard error.
    #[track_caller]
    pub(crate) fn error(&self) -> Value {
        let body: Value = serde_json::from_str(&self.stderr).unwrap_or_else(|_| panic!("{}", self.stderr));
        body["error"].clone()
    }
}

/// Runs a command to its end.
pub(crate) fn run<A: AsRef<std::ffi::OsStr>>(mut command: Command, arguments: &[A]) -> Ended {
    command.args(arguments).output().unwrap().into()
}

/// Runs a command with an empty config folder.
pub(crate) fn run_alone(arguments: &[&str]) -> Ended {
    let config = tempfile::tempdir().unwrap();
    run(longshore(config.path()), arguments)
}

/// A server with a folder to work in; both end with it.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    child: Child,
    pub(crate) url: String,
    pub(crate) key: String,
}

impl Server {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (child, ready) = spawn(folder.path(), &["--ready-json"]);
        let ready: Value = serde_json::from_str(&ready).unwrap();
        let text = |name: &str| ready[name].as_str().unwrap_or_default().to_owned();
        Self { child, url: text("url"), key: text("key"), folder }
    }

    /// A path in the folder to work in.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = longshore(&self.path("config"));
        command
            .env("LONGSHORE_URL", &self.url)
            .env("LONGSHORE_API_KEY", &self.key)
            .current_dir(self.folder.path());
        command
    }

    /// Sends a signal to the server.
    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Kills the server as a power cut would, and starts it again over what it left.
    pub(crate) fn kill_and_restart(&mut self) {
        end(&mut self.child);
        let (child, ready) = spawn(self.folder.path(), &["--ready-json"]);
        let ready: Value = serde_json::from_str(&ready).unwrap();
        (self.child, self.url) = (child, ready["url"].as_str().unwrap().to_owned());
    }

    /// Runs a verb in the folder to work in.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        run(self.command(), arguments)
    }

    /// Runs a verb that must go well, and gives its output.
    #[track_caller]
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        self.run(arguments).exits(0).text()
    }

    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let all: Vec<_> = ["--json"].iter().chain(arguments).copied().collect();
        self.run(&all).exits(0).json()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Starts a server over `folder`/data and waits for the first line it prints.
pub(crate) fn spawn(folder: &Path, more: &[&str]) -> (Child, String) {
    let log = fs::File::create(folder.join("log")).unwrap();
    let mut child = longshore(&folder.join("config"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(folder.join("data"))
        .args(more)
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut line = String::new();
    let read = BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line);
    if read.unwrap() == 0 {
        end(&mut child);
        panic!("no server: {}", fs::read_to_string(folder.join("log")).unwrap());
    }
    (child, line)
}

/// Ends a child that may have ended already.
pub(crate) fn end(child: &mut Child) {
    // By its handle, so that no other process is ever meant.
    let _ended_before = child.kill();
    let _reaped = child.wait();
}

/// Sends a signal to a child by its id.
pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Waits for a child's end.
#[track_caller]
pub(crate) fn wait(child: &mut Child, limit: Duration) -> i32 {
    let start = Instant::now();
    while start.elapsed() < limit {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().unwrap_or(-1);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    end(child);
    panic!("it did not end within {limit:?}");
}

/// Writes a file, and the folders above it.
pub(crate) fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
    let path = path.as_ref();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::File::create(path).unwrap().write_all(bytes.as_ref()).unwrap();
}
