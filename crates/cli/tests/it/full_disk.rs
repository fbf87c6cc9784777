//! A truly full disk, under the server's blobs and under a download's destination: said, nothing half-done, gone on with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use serde_json::Value;

use crate::run::{end, longshore, run, spawn, write};
use crate::wire::{Answer, Connection, Fate, Request};

const MIB: usize = 1024 * 1024;

/// A file system of so many megabytes, gone with the value; nothing where mounting is not allowed.
struct TinyDisk(PathBuf);

impl TinyDisk {
    fn mount(place: PathBuf, megabytes: usize) -> Option<Self> {
        fs::create_dir_all(&place).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(&place)
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self(place))
    }

    fn grow(&self, megabytes: usize) {
        let options = format!("remount,size={megabytes}m");
        let grown = Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap();
        assert!(grown.success());
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}

/// A server whose blobs lie on a disk of four megabytes.
struct Server {
    child: Child,
    url: String,
    key: String,
    disk: TinyDisk,
    folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let disk = TinyDisk::mount(folder.path().join("disk"), 4)?;
        let blobs = disk.0.join("blobs");
        write(folder.path().join("data/longshore.toml"), format!("[store]\ndir = {blobs:?}\n"));
        let (child, ready) = spawn(folder.path(), &["--ready-json"]);
        let ready: Value = serde_json::from_str(&ready).unwrap();
        let text = |name: &str| ready[name].as_str().unwrap().to_owned();
        Some(Self { child, url: text("url"), key: text("key"), disk, folder })
    }

    fn ask(&self, request: &Request<'_>) -> Answer {
        let address = self.url.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
        Connection::open(address).unwrap().ask(&self.key, request, Fate::Arrives).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> crate::run::Ended {
        let mut command = longshore(&self.folder.path().join("config"));
        command.env("LONGSHORE_URL", &self.url).env("LONGSHORE_API_KEY", &self.key);
        run(command, arguments)
    }

    /// How many files lie on the disk: what was given up is to leave none.
    fn files(&self) -> usize {
        let found = Command::new("find").arg(&self.disk.0).args(["-type", "f"]).output().unwrap().stdout;
        String::from_utf8_lossy(&found).lines().count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn full(answer: &Answer) {
    assert_eq!((answer.status, answer.code().as_str()), (507, "storage_full"), "{answer:?}");
}

#[test]
fn a_full_disk_under_a_server_is_507_and_an_upload_goes_on_when_there_is_room_again() {
    let Some(server) = Server::start() else {
        println!("skipped: a tmpfs cannot be mounted here; the engine's tests inject the fault");
        return;
    };
    let content = "0123456789abcdef".repeat(3 * MIB / 16);
    let tus = |method, url: &str| Request::new(method, url.to_owned()).header("Tus-Resumable", "1.0.0");
    let begun = tus("POST", "/v1/uploads")
        .header("Upload-Length", content.len().to_string())
        .header("Upload-Metadata", "path L2ZpbGU=");
    let url = server.ask(&begun).header("location").unwrap().to_owned();
    let send = |offset: usize, end: usize| {
        let request = tus("PATCH", &url)
            .header("Upload-Offset", offset.to_string())
            .header("Content-Type", "application/offset+octet-stream");
        server.ask(&Request { body: content[offset..end].to_owned(), ..request })
    };
    assert_eq!(send(0, MIB).header("upload-offset"), Some("1048576"));
    let filler = server.disk.0.join("filler");
    fs::write(&filler, vec![1; 2 * MIB]).unwrap();
    let before = server.files();
    full(&send(MIB, content.len()));
    let workspace = server.ask(&Request::new("GET", "/v1/workspaces/current".to_owned())).json();
    let workspace = workspace["id"].as_str().unwrap();
    let put = Request::new("PUT", format!("/v1/workspaces/{workspace}/files/other"));
    full(&server.ask(&put.content(content.clone())));
    assert_eq!(server.files(), before, "what had come takes no room");
    let tree = server.ask(&Request::new("GET", format!("/v1/workspaces/{workspace}/tree"))).json();
    assert_eq!(tree["items"].as_array().unwrap().len(), 0, "{tree}");
    let staged = server.ask(&tus("GET", &url)).json();
    assert_eq!((staged["state"].as_str(), staged["offset"].as_u64()), (Some("receiving"), Some(MIB as u64)));
    fs::remove_file(&filler).unwrap();
    let done = send(MIB, content.len());
    assert_eq!(done.status, 204, "{done:?}");
    let file = format!("/v1/files/{}/content", done.header("longshore-node").unwrap());
    assert!(server.ask(&Request::new("GET", file)).body == content.as_bytes());
}

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    entries.map(|name| name.to_string_lossy().into_owned()).collect()
}

#[test]
fn a_full_disk_under_a_download_is_said_and_the_next_run_ends_whole() {
    let Some(server) = Server::start() else {
        println!("skipped: a tmpfs cannot be mounted here");
        return;
    };
    server.disk.grow(64);
    let disk = TinyDisk::mount(server.folder.path().join("to"), 8).unwrap();
    // One that comes over one answer, and one that comes in parts.
    for (name, length) in [("one", 12 * MIB), ("many", 40 * MIB)] {
        let from = server.folder.path().join(name);
        let content: Vec<u8> = (0..length).map(|place| (place * 7919 / 13) as u8).collect();
        write(&from, &content);
        server.run(&["up", from.to_str().unwrap(), &format!("/{name}")]).exits(0);
        let to = disk.0.join(name);
        let arguments = ["--json", "down", &format!("/{name}"), to.to_str().unwrap()];
        let failed = server.run(&arguments);
        assert!(failed.code != 0, "{}", failed.text());
        let told = format!("{}{}", failed.text(), failed.stderr);
        assert!(told.to_lowercase().contains("no space left"), "{told}");
        assert!(!names(&disk.0).contains(&name.to_owned()), "{:?}", names(&disk.0));
        disk.grow(64);
        server.run(&arguments).exits(0);
        assert!(fs::read(&to).unwrap() == content, "{name}");
        assert_eq!(names(&disk.0), [name], "nothing is left over");
        fs::remove_file(&to).unwrap();
        disk.grow(8);
    }
}
