//! Jobs as people steer them, and real processes that are killed while they work.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use longshore_core::{ManualClock, Timestamp, VersionId};
use longshore_engine::store::{LocalOptions, Store};
use longshore_engine::{Database, Engine, Settings};
use serde_json::Value;

use crate::postgres;
use crate::run::{Ended, end, longshore, run, signal, spawn, wait};

/// More than a sweep removes in the time that the test takes to look.
const ORPHANS: usize = 4_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// A server of a configuration, and what speaks to it.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    server: Option<Child>,
    url: String,
    key: String,
}

impl Place {
    pub(crate) fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut place = Self { folder, server: None, url: String::new(), key: String::new() };
        place.serve(config);
        place
    }

    /// Starts the server, perhaps once more and with another configuration.
    pub(crate) fn serve(&mut self, config: &str) {
        let data = self.folder.path().join("data");
        fs::create_dir_all(&data).unwrap();
        fs::write(data.join("longshore.toml"), config).unwrap();
        let (server, ready) = spawn(self.folder.path(), &["--ready-json"]);
        let ready: Value = serde_json::from_str(&ready).unwrap();
        ready["url"].as_str().unwrap().clone_into(&mut self.url);
        if let Some(key) = ready["key"].as_str() {
            key.clone_into(&mut self.key);
        }
        self.server = Some(server);
    }

    pub(crate) fn kill(&mut self) {
        end(self.server.as_mut().unwrap());
        self.server = None;
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = longshore(&self.folder.path().join("config"));
        command.env("LONGSHORE_URL", &self.url).env("LONGSHORE_API_KEY", &self.key);
        run(command, arguments)
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let all: Vec<_> = ["--json"].iter().chain(arguments).copied().collect();
        self.run(&all).exits(0).json()
    }

    /// Returns the newest sweep once it is as it should be.
    fn sweep(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let listed = self.json(&["jobs", "list", "--kind", "sweep.blobs", "-n", "1"]);
            if let Some(job) = listed["items"].get(0).filter(|job| is_so(job)) {
                return job.clone();
            }
            assert!(start.elapsed() < PATIENCE, "no sweep {what}: {listed}");
        }
    }

    fn sweep_underway(&self) -> Value {
        self.sweep("is under way", |job| job["state"] == "running" && job["progress"]["done"] != Value::Null)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            end(server);
        }
    }
}

/// A worker, ended with the value.
struct Worker(Child);

impl Worker {
    fn start(folder: &Path, config: &Path) -> Self {
        let mut child = longshore(&folder.join("config"))
            .args(["worker", "--config"])
            .arg(config)
            .stdout(Stdio::piped())
            .stderr(File::create(folder.join("worker.log")).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let log = || fs::read_to_string(folder.join("worker.log")).unwrap();
        assert!(line.contains("works on the jobs of a postgresql database"), "{line}{}", log());
        Self(child)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}

/// Has the orphans of a store noted by a sweep of long ago, as nobody here waits for their grace.
fn note_long_ago(database: &Database, store: &Path) {
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(0)));
    let store = Store::local(store, LocalOptions::default()).unwrap();
    let swept = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let engine = Engine::open(Settings::default(), database, store, clock).await.unwrap();
        let swept = engine.sweep().await.unwrap();
        engine.close().await;
        swept
    });
    assert_eq!((swept.seen, swept.removed), (ORPHANS as u64 + 1, 0));
}

/// Puts blobs that no version names into a store.
fn leave_orphans(store: &Path) -> Vec<PathBuf> {
    let mut orphans = Vec::new();
    for number in 0..ORPHANS {
        // Named as the store names blobs: a time, and what is random.
        let id = VersionId::new(Timestamp::from_micros(number as i64 * 1_000)).to_string();
        let name = &id["ver_".len()..];
        let path = store.join("blobs").join(&name[..6]).join(format!("blob_{name}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        File::create(&path).unwrap();
        orphans.push(path);
    }
    orphans
}

/// Writes a file whose bytes are a blob.
fn keep_a_file(place: &Place) -> Vec<u8> {
    let content: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    let file = place.folder.path().join("kept");
    fs::write(&file, &content).unwrap();
    place.run(&["up", file.to_str().unwrap(), "/kept"]).exits(0);
    content
}

fn is_swept(orphans: &[PathBuf]) -> bool {
    orphans.iter().all(|orphan| !orphan.exists())
}

#[test]
fn jobs_are_listed_shown_and_awaited() {
    let place = Place::start("");
    let job = place.sweep("has succeeded", |job| job["state"] == "succeeded");
    let id = job["id"].as_str().unwrap();
    let line = place.run(&["jobs", "list", "--state", "succeeded"]).exits(0).text();
    assert!(line.lines().any(|line| line.contains(id) && line.contains("sweep.blobs")), "{line}");
    let shown = place.run(&["jobs", "show", id]).exits(0).text();
    assert!(shown.contains("attempts  1 of 5") && shown.contains(r#"result    {"bytes":0"#), "{shown}");
    assert_eq!(place.json(&["jobs", "wait", id, "--timeout", "10s"])["state"], "succeeded");
    place.run(&["jobs", "cancel", id]).exits(5);
    let ended = place.run(&["--json", "jobs", "retry", id]).exits(5);
    assert_eq!(ended.error()["code"], "job_not_failed");
    place.run(&["jobs", "show", "job_00000000000000000000000000"]).exits(4);
    place.run(&["jobs", "wait", "nonsense"]).exits(8);
    place.run(&["jobs", "wait", id, "--timeout", "soon"]).exits(2);
    // The server's own jobs are its admins' business.
    let secret = place.run(&["keys", "create", "eyes", "--role", "viewer"]).exits(0).text();
    let seen = place.run(&["--key", secret.trim(), "jobs", "list"]).exits(0).text();
    assert!(!seen.contains(id) && !seen.contains("sweep.blobs"), "{seen}");
    place.run(&["--key", secret.trim(), "jobs", "show", id]).exits(4);
}

/// An address that stays while the server behind it comes and goes.
#[derive(Default)]
struct Door {
    server: Mutex<Option<String>>,
    /// How many connections came while there was no server.
    refused: AtomicUsize,
    /// Whether a request has come that waits.
    was_waited: AtomicBool,
}

impl Door {
    fn open(self: &Arc<Self>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let door = Arc::clone(self);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = door.server.lock().unwrap().clone();
                match server.and_then(|server| TcpStream::connect(server).ok()) {
                    Some(server) => door.join(client, server),
                    None => {
                        door.refused.fetch_add(1, Relaxed);
                    }
                }
            }
        });
        format!("http://{address}")
    }

    fn join(self: &Arc<Self>, client: TcpStream, server: TcpStream) {
        let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
        for (mut from, mut to) in [(client, server), back] {
            let door = Arc::clone(self);
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = from.read(&mut buffer) {
                    if buffer[..count].windows(6).any(|window| window == b"?wait=") {
                        door.was_waited.store(true, Relaxed);
                    }
                    if to.write_all(&buffer[..count]).is_err() {
                        break;
                    }
                }
                let _gone_before = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
            });
        }
    }
}

#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_wait_outlasts_a_server_that_is_gone_for_a_while() {
    let mut place = Place::start(
        "[egress]\nallow_http = true\nports = \"1-65535\"\nnetworks = \"127.0.0.0/8\"\n[jobs]\nenabled = false\n",
    );
    let door = Arc::new(Door::default());
    let url = door.open();
    let open = |place: &Place| {
        *door.server.lock().unwrap() = Some(place.url.strip_prefix("http://").unwrap().to_owned());
    };
    open(&place);
    // A job that nobody works at, until a server comes back that does.
    let hook = place.json(&["hooks", "add", "http://127.0.0.1:1/", "--type", "hook.test"]);
    let hook = hook["hook"]["id"].as_str().unwrap();
    let id = place.run(&["hooks", "redeliver", hook, "--since-seq", "0"]).exits(0).text().trim().to_owned();
    let mut command = longshore(&place.folder.path().join("config"));
    command.env("LONGSHORE_URL", &url).env("LONGSHORE_API_KEY", &place.key);
    let mut waiting = command.args(["jobs", "wait", &id]).stdout(Stdio::null()).spawn().unwrap();
    until("it waits", || door.was_waited.load(Relaxed));
    *door.server.lock().unwrap() = None;
    place.kill();
    until("it tries more often than people have patience for", || door.refused.load(Relaxed) > 3);
    assert!(waiting.try_wait().unwrap().is_none(), "it has given up");
    place.serve("[jobs]\nlease_seconds = 5\n");
    open(&place);
    assert_eq!(wait(&mut waiting, PATIENCE), 0);
}

#[test]
fn on_sqlite_a_server_that_was_killed_goes_on_where_it_was() {
    let mut place = Place::start("[jobs]\nenabled = false\n");
    let store = place.folder.path().join("data/store");
    let content = keep_a_file(&place);
    place.kill();
    let orphans = leave_orphans(&store);
    note_long_ago(&Database::Sqlite(place.folder.path().join("data/longshore.db")), &store);
    place.serve("[jobs]\nlease_seconds = 5\n");
    let id = place.sweep_underway()["id"].clone();
    place.kill();
    assert!(!is_swept(&orphans), "the kill came too late to show anything");
    place.serve("[jobs]\nlease_seconds = 5\n");
    // While a server runs, no worker joins it.
    let data = place.folder.path().join("data");
    let refused = place.run(&["worker", "--data", data.to_str().unwrap()]).exits(1);
    assert!(refused.stderr.contains("that needs PostgreSQL"), "{}", refused.stderr);
    let job = place.json(&["jobs", "wait", id.as_str().unwrap(), "--timeout", "60s"]);
    assert_eq!((&job["state"], &job["attempts"]), (&"succeeded".into(), &2.into()), "{job}");
    assert!(is_swept(&orphans));
    assert_eq!(place.run(&["cat", "/kept"]).exits(0).stdout, content);
}

#[test]
fn on_postgres_another_worker_takes_over_and_people_steer() {
    let Some(server) = postgres::Server::start() else { return };
    let (store, url) = (tempfile::tempdir().unwrap(), server.database());
    let shared =
        format!("[database]\nurl = {url:?}\n[store]\ndir = {:?}\n[jobs]\nlease_seconds = 5\n", store.path());
    let place = Place::start(&format!("{shared}enabled = false\n"));
    let content = keep_a_file(&place);
    let orphans = leave_orphans(store.path());
    note_long_ago(&Database::Postgres { url, connections: 2 }, store.path());
    let config = place.folder.path().join("worker.toml");
    fs::write(&config, &shared).unwrap();
    let start = || Worker::start(place.folder.path(), &config);

    let doomed = start();
    let id = place.sweep_underway()["id"].as_str().unwrap().to_owned();
    drop(doomed);
    // Its worker is gone, and nobody else is there: asked for, its end comes with the next worker.
    let asked = place.json(&["jobs", "cancel", &id]);
    assert_eq!((&asked["state"], asked["cancel_requested_at"].is_string()), (&"running".into(), true));
    let mut second = start();
    place.run(&["jobs", "wait", &id, "--timeout", "60s"]).exits(3);
    assert_eq!(place.json(&["jobs", "show", &id])["state"], "cancelled");
    assert!(!is_swept(&orphans), "the cancellation came too late to show anything");
    place.run(&["jobs", "retry", &id]).exits(0);
    place.sweep("is under way again", |job| job["state"] == "running");
    // A worker that is told to stop finishes, or gives back and the next one begins anew.
    signal(&second.0, "TERM");
    assert_eq!(wait(&mut second.0, Duration::from_secs(20)), 0);
    let third = start();
    let job = place.json(&["jobs", "wait", &id, "--timeout", "60s"]);
    assert_eq!((&job["state"], &job["attempts"]), (&"succeeded".into(), &1.into()), "{job}");
    assert!(is_swept(&orphans));
    assert_eq!(place.run(&["cat", "/kept"]).exits(0).stdout, content);
    drop(third);
}
