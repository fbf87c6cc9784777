//! Whole workspaces from server to server, and a server that is killed while one comes in.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use crate::run::{Server, end, write};

fn names(server: &Server) -> Vec<String> {
    let listed = server.json(&["workspaces", "list"]);
    let names =
        listed["items"].as_array().unwrap().iter().map(|found| found["name"].as_str().unwrap().to_owned());
    names.collect()
}

#[test]
fn export_and_import() {
    let server = Server::start();
    write(server.path("in/a.txt"), "first");
    write(server.path("in/d/ü.bin"), vec![7; 300_000]);
    write(server.path("in/empty"), "");
    server.ok(&["up", "in", "/"]);
    write(server.path("in/a.txt"), "second");
    server.ok(&["up", "in/a.txt", "/a.txt"]);
    server.ok(&["notes", "add", "/a.txt", "a word on it"]);
    let done = server.json(&["workspaces", "export", "default"]);
    assert_eq!(done["file"], "default.tar");
    let bytes = fs::read(server.path("default.tar")).unwrap();
    assert_eq!(done["bytes"], bytes.len());
    // What is there is left alone, and nothing else is left behind.
    server.run(&["workspaces", "export", "default"]).exits(5);
    server.ok(&["workspaces", "export", "default", "--force", "-o", "default.tar"]);
    let left = fs::read_dir(server.path("")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!left.into_iter().any(|name| name.to_string_lossy().ends_with(".part")));
    assert_eq!(
        server.run(&["workspaces", "export", "default", "-o", "-"]).exits(0).stdout.len(),
        bytes.len()
    );

    let other = Server::start();
    fs::write(other.path("there.tar"), &bytes).unwrap();
    let made = other.json(&["workspaces", "import", "there.tar", "--name", "there"]);
    assert_eq!((&made["name"], &made["usage"]["files"]), (&"there".into(), &3.into()));
    let content = |path: &str| other.run(&["--workspace", "there", "cat", path]).exits(0).stdout;
    assert_eq!(content("/a.txt"), b"second");
    assert_eq!(content("/d/ü.bin"), vec![7; 300_000]);
    assert_eq!(content("/empty"), b"");
    assert!(other.ok(&["--workspace", "there", "notes", "list", "/a.txt"]).contains("a word on it"));
    let versions = other.json(&["--workspace", "there", "versions", "list", "/a.txt"]);
    assert_eq!(versions["items"].as_array().unwrap().len(), 2);
    // From standard input, and what is refused.
    let mut command = other.command();
    command.args(["workspaces", "import", "-", "--name", "again", "--match-members", "--keep-quota"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
    fs::write(other.path("half.tar"), &bytes[..bytes.len() / 2]).unwrap();
    let ended = other.run(&["--json", "workspaces", "import", "half.tar", "--name", "half"]);
    assert_eq!(ended.error()["code"], "export_malformed");
    assert_eq!(
        other.run(&["--json", "workspaces", "import", "there.tar", "--name", "there"]).error()["code"],
        "workspace_exists"
    );
    assert_eq!(names(&other), ["default", "there", "again"]);
}

/// A server is killed while an archive comes: nothing of it is seen when it is back, and the same archive goes in.
#[test]
fn a_server_killed_while_it_imports_has_nothing_of_it() {
    let source = Server::start();
    write(source.path("in/a"), vec![1; 3_000_000]);
    write(source.path("in/b"), vec![2; 3_000_000]);
    source.ok(&["up", "in", "/"]);
    source.ok(&["workspaces", "export", "default", "-o", "out.tar"]);
    let bytes = fs::read(source.path("out.tar")).unwrap();
    let mut server = Server::start();
    let mut command = server.command();
    command.args(["workspaces", "import", "-", "--name", "there"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // The first content has come whole, and the second has begun.
    input.write_all(&bytes[..bytes.len() - 1_000_000]).unwrap();
    let blobs = server.path("data/store/blobs");
    let has_come = || walk(&blobs).into_iter().any(|size| size == 3_000_000);
    let start = std::time::Instant::now();
    while !has_come() {
        assert!(start.elapsed() < std::time::Duration::from_secs(30), "the content does not come");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    server.kill_and_restart();
    drop(input);
    end(&mut child);
    assert_eq!(names(&server), ["default"]);
    assert_eq!(
        server.json(&["principals", "list"])["items"].as_array().unwrap().len(),
        1,
        "no stand-in either"
    );
    fs::write(server.path("out.tar"), &bytes).unwrap();
    server.ok(&["workspaces", "import", "out.tar", "--name", "there"]);
    assert_eq!(server.run(&["--workspace", "there", "cat", "/b"]).exits(0).stdout, vec![2; 3_000_000]);
}

/// Returns the sizes of all files below a folder.
fn walk(folder: &std::path::Path) -> Vec<u64> {
    let mut sizes = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(found) if found.is_dir() => folders.push(entry.path()),
                Ok(found) => sizes.push(found.len()),
                Err(_) => {}
            }
        }
    }
    sizes
}
