//! The servers of a history, over one database, and what befalls them.

use std::fs;
use std::net::SocketAddr;
use std::process::Child;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::postgres;
use crate::run::{end, signal, spawn};
use crate::wire::{Answer, Connection, Fate, Request};

struct Server {
    folder: tempfile::TempDir,
    child: Mutex<Child>,
    address: Mutex<SocketAddr>,
}

impl Server {
    /// Starts a server with such a configuration, and returns the key it shows, if it does.
    fn start(config: &str) -> (Self, Option<String>) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        fs::write(folder.path().join("data/longshore.toml"), config).unwrap();
        let (child, ready) = spawn(folder.path(), &["--ready-json"]);
        let ready: Value = serde_json::from_str(&ready).unwrap();
        let server = Self { folder, child: Mutex::new(child), address: Mutex::new(address(&ready)) };
        (server, ready["key"].as_str().map(str::to_owned))
    }

    fn signal(&self, name: &str) {
        signal(&self.child.lock().unwrap(), name);
    }

    fn kill_and_restart(&self) {
        end(&mut self.child.lock().unwrap());
        let (child, ready) = spawn(self.folder.path(), &["--ready-json"]);
        *self.address.lock().unwrap() = address(&serde_json::from_str(&ready).unwrap());
        *self.child.lock().unwrap() = child;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child.lock().unwrap());
    }
}

fn address(ready: &Value) -> SocketAddr {
    ready["url"].as_str().unwrap().trim_start_matches("http://").trim_end_matches('/').parse().unwrap()
}

/// One server over SQLite, or three over PostgreSQL.
pub(crate) struct Cluster {
    servers: Vec<Server>,
    pub(crate) key: String,
    postgres: Option<postgres::Server>,
    _store: tempfile::TempDir,
}

impl Cluster {
    pub(crate) fn on_sqlite() -> Self {
        let store = tempfile::tempdir().unwrap();
        let (server, key) = Server::start("");
        Self { servers: vec![server], key: key.unwrap(), postgres: None, _store: store }
    }

    /// Nothing where PostgreSQL is not installed.
    pub(crate) fn on_postgres() -> Option<Self> {
        let postgres = postgres::Server::start()?;
        let store = tempfile::tempdir().unwrap();
        let config = format!(
            "[database]\nurl = {:?}\nconnections = 12\n[store]\ndir = {:?}\n",
            postgres.database(),
            store.path()
        );
        let (first, key) = Server::start(&config);
        let servers = vec![first, Server::start(&config).0, Server::start(&config).0];
        Some(Self { servers, key: key.unwrap(), postgres: Some(postgres), _store: store })
    }

    /// The address of any of the servers.
    pub(crate) fn any(&self, dice: &mut Dice) -> SocketAddr {
        *self.servers[dice.below(self.servers.len())].address.lock().unwrap()
    }

    /// How many servers there are.
    pub(crate) const fn len(&self) -> usize {
        self.servers.len()
    }

    /// Connects to a server.
    #[track_caller]
    pub(crate) fn connect(&self, server: usize) -> Connection {
        Connection::open(*self.servers[server].address.lock().unwrap()).unwrap()
    }

    /// Asks the first server, which must be well.
    #[track_caller]
    pub(crate) fn ask(&self, request: &Request<'_>) -> Answer {
        self.ask_of(0, request)
    }

    /// Asks a server, which must be well.
    #[track_caller]
    pub(crate) fn ask_of(&self, server: usize, request: &Request<'_>) -> Answer {
        self.connect(server).ask(&self.key, request, Fate::Arrives).unwrap()
    }

    /// Sends a server a signal.
    pub(crate) fn signal(&self, server: usize, name: &str) {
        self.servers[server].signal(name);
    }

    /// Kills a server and starts it again.
    pub(crate) fn kill_and_restart(&self, server: usize) {
        self.servers[server].kill_and_restart();
    }

    /// Makes a file in a workspace of its own; returns its id.
    pub(crate) fn new_file(&self, workspace: &str, content: &str) -> String {
        let request = Request::new("POST", "/v1/workspaces".to_owned());
        let workspace = self.ask(&request.json(&json!({"name": workspace}))).json();
        let workspace = workspace["id"].as_str().unwrap();
        let request = Request::new("PUT", format!("/v1/workspaces/{workspace}/files/file"));
        let file = self.ask(&request.content(content.to_owned())).json();
        file["id"].as_str().unwrap().to_owned()
    }

    /// Does one bad thing to the servers, and undoes it; says what it was.
    pub(crate) fn befall(&self, dice: &mut Dice) -> &'static str {
        let server = &self.servers[dice.below(self.servers.len())];
        match dice.below(10) {
            0..3 => {
                server.kill_and_restart();
                "killed"
            }
            3..6 if self.postgres.is_some() => {
                self.postgres.as_ref().unwrap().break_connections();
                "disconnected from the database"
            }
            6 => {
                // Longer than a lease.
                server.signal("STOP");
                std::thread::sleep(Duration::from_millis(5_300));
                server.signal("CONT");
                "paused for long"
            }
            _ => {
                server.signal("STOP");
                std::thread::sleep(Duration::from_millis(dice.below(1_200) as u64));
                server.signal("CONT");
                "paused"
            }
        }
    }
}
