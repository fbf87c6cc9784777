//! The verbs on single files and folders.

use crate::run::{Server, write};

fn with_notes() -> Server {
    let server = Server::start();
    write(server.path("source/notes/a.txt"), "first\n");
    write(server.path("source/notes/b.txt"), "b\n");
    server.ok(&["up", "source"]);
    server
}

#[test]
fn ls_and_stat() {
    let server = with_notes();
    assert_eq!(server.ok(&["ls"]), "notes/\n");
    assert_eq!(server.ok(&["ls", "/notes"]), "a.txt\nb.txt\n");
    assert_eq!(server.ok(&["ls", "-R"]), "/notes/\n/notes/a.txt\n/notes/b.txt\n");
    assert_eq!(server.ok(&["ls", "/notes/a.txt"]), "/notes/a.txt\n");
    let long = server.ok(&["ls", "-l", "/notes"]);
    assert!(long.starts_with("             6        6 B  20"), "{long}");
    let node = server.json(&["stat", "/notes/a.txt"]);
    assert_eq!((&node["kind"], &node["size"]), (&"file".into(), &6.into()));
    let by_id = server.json(&["stat", node["id"].as_str().unwrap()]);
    assert_eq!(by_id, node);
    let told = server.ok(&["stat", "/notes/a.txt"]);
    assert!(told.contains("size       6 bytes (6 B)\n"), "{told}");
    assert_eq!(server.json(&["ls"])["items"][0]["path"], "/notes");
    assert_eq!(server.json(&["stat", "/"])["path"], "/");
}

#[test]
fn cat_prints_bytes_as_they_are() {
    let server = with_notes();
    assert_eq!(server.ok(&["cat", "/notes/a.txt", "/notes/b.txt"]), "first\nb\n");
    let ended = server.run(&["cat", "/notes"]).exits(5);
    assert!(ended.stderr.contains("/notes is a folder"), "{}", ended.stderr);
}

#[test]
fn mkdir_mv_and_cp() {
    let server = with_notes();
    assert_eq!(server.ok(&["mkdir", "/x/y", "/x/y"]), "/x/y\n/x/y\n");
    assert_eq!(server.ok(&["mv", "/notes/a.txt", "/x"]), "/notes/a.txt -> /x/a.txt\n");
    assert_eq!(server.ok(&["mv", "/x/a.txt", "/x/c.txt"]), "/x/a.txt -> /x/c.txt\n");
    assert_eq!(server.ok(&["cp", "/x", "/copy"]), "/x -> /copy\n");
    assert_eq!(server.ok(&["cp", "/x/c.txt", "/notes"]), "/x/c.txt -> /notes/c.txt\n");
    assert_eq!(server.ok(&["ls", "-R", "/copy"]), "/copy/c.txt\n/copy/y/\n");
    assert_eq!(server.ok(&["cat", "/copy/c.txt"]), "first\n");
    let ended = server.run(&["mv", "/x/c.txt", "/nowhere/c.txt"]).exits(4);
    assert!(ended.stderr.contains("hint: make it with `longshore mkdir /nowhere`"), "{}", ended.stderr);
    server.run(&["mv", "/notes/b.txt", "/notes/c.txt"]).exits(5);
    server.run(&["mv", "/x", "/x/y"]).exits(5);
    server.run(&["mv", "/", "/x"]).exits(5);
}

#[test]
fn rm_trash_and_restore() {
    let server = with_notes();
    server.ok(&["rm", "/notes"]);
    assert_eq!(server.ok(&["ls"]), "");
    server.run(&["cat", "/notes/a.txt"]).exits(4);
    let trash = server.json(&["trash"]);
    assert_eq!(trash["items"][0]["path"], "/notes");
    assert!(server.ok(&["trash"]).contains("  /notes/\n"));
    assert_eq!(server.ok(&["restore", "/notes"]), "/notes\n");
    assert_eq!(server.ok(&["cat", "/notes/a.txt"]), "first\n");
    let ended = server.run(&["restore", "/notes"]).exits(4);
    assert!(ended.stderr.contains("/notes is not in the trash\nhint: "), "{}", ended.stderr);

    let removed = server.json(&["rm", "/notes/a.txt"]);
    write(server.path("new"), "new");
    server.ok(&["up", "new", "/notes/a.txt"]);
    let ended = server.run(&["restore", "/notes/a.txt"]).exits(5);
    assert!(ended.stderr.contains("--to PATH"), "{}", ended.stderr);
    let id = removed["items"][0]["id"].as_str().unwrap();
    assert_eq!(server.ok(&["restore", "--to", "/old.txt", id]), "/old.txt\n");
    assert_eq!(server.ok(&["cat", "/old.txt"]), "first\n");
}

#[test]
fn versions_are_listed_read_and_brought_back() {
    let server = with_notes();
    write(server.path("a"), "second\n");
    server.ok(&["up", "a", "/notes/a.txt"]);
    let versions = server.json(&["versions", "list", "/notes/a.txt"]);
    let first = &versions["items"][1];
    assert_eq!(first["number"], 1);
    assert_eq!(server.ok(&["versions", "get", "/notes/a.txt", "1"]), "first\n");
    server.ok(&["versions", "get", "/notes/a.txt", first["id"].as_str().unwrap(), "-o", "old"]);
    assert_eq!(std::fs::read(server.path("old")).unwrap(), b"first\n");
    server.run(&["versions", "get", "/notes/a.txt", "1", "-o", "old"]).exits(5);
    server.ok(&["versions", "restore", "/notes/a.txt", "1"]);
    assert_eq!(server.ok(&["cat", "/notes/a.txt"]), "first\n");
    assert_eq!(server.ok(&["versions", "list", "/notes/a.txt"]).lines().count(), 3);
    server.run(&["versions", "get", "/notes/a.txt", "9"]).exits(4);
    server.run(&["versions", "get", "/notes/a.txt", "x"]).exits(8);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let server = Server::start();
    for number in 0..300 {
        write(server.path(&format!("source/a long name to fill the pipe with {number:090}")), "");
    }
    server.ok(&["up", "source"]);
    let script = format!("'{}' ls -R | head -1; echo ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_longshore"));
    let mut shell = std::process::Command::new("bash");
    shell.env("LONGSHORE_URL", &server.url).env("LONGSHORE_API_KEY", &server.key).args(["-c", &script]);
    let shown = shell.output().unwrap();
    assert!(String::from_utf8_lossy(&shown.stdout).ends_with("\n0\n"), "{shown:?}");
    assert!(shown.stderr.is_empty(), "{shown:?}");
}
