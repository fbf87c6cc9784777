//! A PostgreSQL server of the test's own: in a temporary folder, reached by a socket there, gone with the test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub(crate) struct Server {
    pub(crate) bin: PathBuf,
    pub(crate) folder: tempfile::TempDir,
    process: Child,
    databases: AtomicU32,
}

#[expect(clippy::disallowed_methods, reason = "a test asks where it runs")]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Finds the newest server's programs: where the environment says, or where Debian puts them.
fn find_programs() -> Option<PathBuf> {
    if let Some(stated) = environment("LONGSHORE_TEST_PG_BIN") {
        return Some(stated.into());
    }
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("initdb").exists() && bin.join("postgres").exists())
        .collect();
    found.sort();
    found.pop()
}

/// Makes a command that root runs as `postgres`: the server refuses to be root.
pub(crate) fn command(program: &Path) -> Command {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    if !is_root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command.current_dir("/");
    command
}

pub(crate) fn run(mut command: Command) {
    let output = command.output().expect("the program starts");
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

impl Server {
    /// Starts a server; nothing where PostgreSQL is not installed, which in CI is a failure.
    pub(crate) fn start() -> Option<Self> {
        let Some(bin) = find_programs() else {
            assert!(environment("CI").is_none(), "PostgreSQL is needed: apt-get install postgresql");
            println!("skipped: PostgreSQL is not installed (apt-get install postgresql)");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("longshore-pg-").tempdir().expect("a folder");
        if command(&bin).get_program() == "setpriv" {
            run({
                let mut chown = Command::new("chown");
                chown.arg("postgres:postgres").arg(folder.path());
                chown
            });
        }
        let data = folder.path().join("data");
        let mut initdb = command(&bin.join("initdb"));
        initdb.args([
            "--username=longshore",
            "--auth=trust",
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
        ]);
        initdb.arg("--pgdata").arg(&data);
        run(initdb);
        let mut postgres = command(&bin.join("postgres"));
        postgres
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=60"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = postgres.spawn().expect("postgres starts");
        let server = Self { bin, folder, process, databases: AtomicU32::new(0) };
        server.wait_until_ready();
        Some(server)
    }

    fn psql(&self, sql: &str) -> Command {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.arg("-h").arg(self.folder.path()).args(["-U", "longshore", "-d", "postgres", "-q", "-c", sql]);
        psql
    }

    fn wait_until_ready(&self) {
        let end = Instant::now() + Duration::from_secs(30);
        while !self.psql("SELECT 1").output().is_ok_and(|output| output.status.success()) {
            assert!(Instant::now() < end, "postgres did not come up within 30 s");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Makes an empty database and returns its address.
    pub(crate) fn database(&self) -> String {
        let name = format!("case_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        run(self.psql(&format!("CREATE DATABASE {name}")));
        format!("postgres://longshore@/{name}?host={}", self.folder.path().display())
    }

    /// Breaks every connection to the server's databases.
    pub(crate) fn break_connections(&self) {
        run(self.psql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL",
        ));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGQUIT is PostgreSQL's immediate shutdown: it leaves no child behind, and does not first write what is
        // thrown away a moment later.
        let pid = self.process.id().to_string();
        let asked = Command::new("kill").args(["-QUIT", &pid]).status();
        let deadline = Instant::now() + Duration::from_secs(10);
        while asked.as_ref().is_ok_and(std::process::ExitStatus::success) && Instant::now() < deadline {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
