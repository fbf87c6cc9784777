//! Jobs as people steer them, and real processes that are killed while they work.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime};

use longshore_core::{Timestamp, VersionId};
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

/// A time before any grace.
fn long_ago() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(24)
}

/// Puts blobs that no version names into a store, older than their grace.
fn leave_orphans(store: &Path) -> Vec<PathBuf> {
    let mut orphans = Vec::new();
    for number in 0..ORPHANS {
        // Named as the store names blobs: a time, and what is random.
        let id = VersionId::new(Timestamp::from_micros(number as i64 * 1_000)).to_string();
        let name = &id["ver_".len()..];
        let path = store.join("blobs").join(&name[..6]).join(format!("blob_{name}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = File::create(&path).unwrap();
        file.set_modified(long_ago()).unwrap();
        orphans.push(path);
    }
    orphans
}

/// Writes a file whose blob is as old as the orphans, and is none.
fn keep_a_file(place: &Place, store: &Path) -> Vec<u8> {
    let content: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    let file = place.folder.path().join("kept");
    fs::write(&file, &content).unwrap();
    place.run(&["up", file.to_str().unwrap(), "/kept"]).exits(0);
    let mut folders = vec![store.join("blobs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                File::options().write(true).open(path).unwrap().set_modified(long_ago()).unwrap();
            }
        }
    }
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

#[test]
fn on_sqlite_a_server_that_was_killed_goes_on_where_it_was() {
    let mut place = Place::start("[jobs]\nenabled = false\n");
    let store = place.folder.path().join("data/store");
    let content = keep_a_file(&place, &store);
    place.kill();
    let orphans = leave_orphans(&store);
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
    let store = tempfile::tempdir().unwrap();
    let shared = format!(
        "[database]\nurl = {:?}\n[store]\ndir = {:?}\n[jobs]\nlease_seconds = 5\n",
        server.database(),
        store.path()
    );
    let place = Place::start(&format!("{shared}enabled = false\n"));
    let content = keep_a_file(&place, store.path());
    let orphans = leave_orphans(store.path());
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
