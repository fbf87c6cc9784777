//! Changes that rest on a version: stated, or that which was looked up.

use crate::run::{Server, write};

fn with_file() -> Server {
    let server = Server::start();
    write(server.path("a"), "one\n");
    server.ok(&["up", "a", "/f/a.txt"]);
    write(server.path("a"), "two\n");
    server
}

#[test]
fn all_goes_on_where_every_change_takes_a_premise() {
    let server = with_file();
    server.ok(&["workspaces", "settings", "--require-preconditions", "on"]);
    server.ok(&["up", "a", "/f/a.txt"]);
    write(server.path("f/a.txt"), "three\n");
    write(server.path("f/new.txt"), "new\n");
    server.ok(&["up", "f", "/f"]);
    server.ok(&["up", "a", "/f/a.txt", "--metadata", "by=me"]);
    for changed in [
        &["mv", "/f/a.txt", "/f/b.txt"][..],
        &["meta", "set", "/f/b.txt", "stage=draft"],
        &["meta", "replace", "/f/b.txt", "stage=final"],
        &["meta", "rm", "/f/b.txt", "stage"],
        &["label", "/f/b.txt", "urgent"],
        &["versions", "restore", "/f/b.txt", "1"],
        &["versions", "label", "/f/b.txt", "1", "the first"],
        &["versions", "label", "/f/b.txt", "1", "--remove"],
        &["versions", "rm", "/f/b.txt", "2", "--yes"],
        &["notes", "add", "/f/b.txt", "a note"],
        &["cp", "/f/b.txt", "/f/c.txt"],
        &["rm", "/f/b.txt"],
        &["restore", "/f/b.txt"],
        &["rm", "/f/b.txt"],
        &["trash", "restore", "/f/b.txt", "--to", "/back"],
        &["rm", "/back", "/f/c.txt"],
        &["trash", "purge", "/back", "--yes"],
        &["trash", "empty", "--yes"],
        &["rm", "/f"],
        &["restore", "/f"],
        &["undo", "--mine", "--since", "1h", "--preview"],
    ] {
        let ended = server.run(changed);
        assert!(ended.code == 0 || changed[0] == "undo", "{changed:?}: {}", ended.stderr);
        assert!(!ended.stderr.contains("If-Match"), "{changed:?}: {}", ended.stderr);
    }
    assert_eq!(server.ok(&["cat", "/f/new.txt"]), "new\n");
}

#[test]
fn a_stated_version_must_be_the_current_one() {
    let server = with_file();
    let version = |path: &str| server.json(&["stat", path])["version_id"].as_str().unwrap().to_owned();
    let old = version("/f/a.txt");
    server.ok(&["up", "a", "/f/a.txt", "--if-match", &old]);
    for refused in [
        &["mv", "/f/a.txt", "/f/b.txt"][..],
        &["rm", "/f/a.txt"],
        &["meta", "set", "/f/a.txt", "a=b"],
        &["meta", "replace", "/f/a.txt", "a=b"],
        &["meta", "rm", "/f/a.txt", "a"],
        &["label", "/f/a.txt", "urgent"],
        &["versions", "restore", "/f/a.txt", "1"],
        &["versions", "label", "/f/a.txt", "1", "x"],
        &["versions", "rm", "/f/a.txt", "1", "--yes"],
    ] {
        let mut all = refused.to_vec();
        all.extend(["--if-match", &old]);
        let ended = server.run(&all).exits(5);
        assert!(ended.stderr.contains("hint: somebody else has changed it"), "{all:?}: {}", ended.stderr);
    }
    let told = server.run(&["up", "a", "/f/a.txt", "--if-match", &old]).exits(3).stderr;
    assert!(told.contains("hint: somebody else has changed it"), "{told}");
    server.run(&["up", "a", "/f/new", "--if-match", "*"]).exits(3);
    server.run(&["stat", "/f/new"]).exits(4);
    server.ok(&["up", "a", "/f/a.txt", "--if-match", "*"]);
    server.run(&["rm", "/f/a.txt", "--if-match", "nonsense"]).exits(2);
    server.run(&["rm", "/f/a.txt", "/f", "--if-match", &version("/f/a.txt")]).exits(8);
    server.ok(&["rm", "/f/a.txt", "--if-match", &version("/f/a.txt")]);
    let trashed = server.json(&["trash"])["items"][0]["version_id"].as_str().unwrap().to_owned();
    server.run(&["restore", "/f/a.txt", "--if-match", &old]).exits(5);
    server.run(&["trash", "purge", "/f/a.txt", "--yes", "--if-match", &old]).exits(5);
    server.ok(&["restore", "/f/a.txt", "--if-match", &trashed]);
}
