//! A server: started once, ready before it is used, ended with this program.

use std::fs::File;
use std::io::{Error, Result};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Every server that was started, so that they can be ended though they stand in statics.
static STARTED: Mutex<Vec<Arc<Server>>> = Mutex::new(Vec::new());

/// Ends its argument with this shell's standard input: whatever happens to the program that holds the other end, the server
/// does not outlive it.
const KEEPER: &str = r#""$@" </dev/null & pid=$!; cat >/dev/null; kill -KILL $pid; wait $pid 2>/dev/null"#;

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where it listens on loopback.
    pub(crate) port: u16,
    /// A folder of its own, gone with it.
    folder: TempDir,
    keeper: Mutex<Option<Child>>,
}

impl Server {
    /// Starts what `command` makes of a free port and an empty folder, and waits until `is_ready`.
    pub(crate) fn start(
        name: &str,
        command: impl FnOnce(u16, &Path) -> Result<Command>,
        is_ready: impl Fn(u16) -> bool,
    ) -> Result<Arc<Self>> {
        let folder = tempfile::Builder::new().prefix(&format!("longshore-{name}-")).tempdir()?;
        let port = free_port()?;
        let asked = command(port, folder.path())?;
        let log = folder.path().join("server.log");
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "sh"]).arg(asked.get_program()).args(asked.get_args());
        for (key, value) in asked.get_envs() {
            match value {
                Some(value) => keeper.env(key, value),
                None => keeper.env_remove(key),
            };
        }
        keeper.current_dir(asked.get_current_dir().unwrap_or(folder.path()));
        keeper
            .stdin(Stdio::piped())
            .stdout(File::create(&log)?)
            .stderr(File::options().append(true).open(&log)?);
        let keeper = Mutex::new(Some(keeper.spawn()?));
        let server = Arc::new(Self { port, folder, keeper });
        let begun = Instant::now();
        while !is_ready(port) {
            if begun.elapsed() > Duration::from_secs(90) {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                server.stop();
                return Err(Error::other(format!("{name} is not ready after 90 s; it said: {said}")));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        STARTED.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&server));
        Ok(server)
    }

    /// Returns the server's folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Ends the server at once, as a loss of power would, and waits until it is gone.
    pub(crate) fn stop(&self) {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut keeper) = keeper {
            drop(keeper.stdin.take());
            keeper.wait().ok();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Ends every server.
pub(crate) fn stop_all() {
    STARTED.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// Returns whether somebody takes connections.
pub(crate) fn accepts(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Returns a port that nobody listens on just now.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
