//! Quotas on the command line.

use crate::run::{Server, run, write};

#[test]
fn a_quota_is_set_shown_and_met() {
    let server = Server::start();
    write(server.path("small"), vec![b'x'; 1_000]);
    write(server.path("large"), vec![b'x'; 40_000]);
    server.ok(&["up", "small", "/small"]);
    let shown = server.ok(&["workspaces", "show"]);
    assert!(shown.contains("bytes         1000 B, no limit\n"), "{shown}");
    let set =
        ["workspaces", "quota", "default", "--bytes", "30KiB", "--files", "1000", "--largest-file", "1GiB"];
    let set = server.ok(&set);
    assert!(set.contains("bytes         1000 B, at most 30.0 KiB\n"), "{set}");
    assert!(set.contains("files         1, at most 1,000\nlargest file  at most 1.0 GiB\n"), "{set}");
    let told = server.json(&["workspaces", "show", "default"]);
    assert_eq!((&told["quota"]["bytes"], &told["usage"]["bytes"]), (&30_720.into(), &1_000.into()));
    let status = server.ok(&["status"]);
    assert!(status.contains("usage      1000 B of 30.0 KiB in 1 of 1,000 files"), "{status}");
    let ended = server.run(&["up", "large", "/large"]).exits(3);
    assert!(ended.stderr.contains("may keep 30720 bytes, has 1000, and 40000 more"), "{}", ended.stderr);
    assert!(ended.stderr.contains("hint: `longshore workspaces show`"), "{}", ended.stderr);
    // What is not named stays.
    let told = server.json(&["workspaces", "quota", "default", "--bytes", "none"]);
    assert_eq!((&told["quota"]["bytes"], &told["quota"]["files"]), (&serde_json::Value::Null, &1_000.into()));
    server.ok(&["up", "large", "/large"]);
    let told = server.json(&["workspaces", "quota", "default", "--none"]);
    assert_eq!(told["quota"], serde_json::json!({ "bytes": null, "files": null, "largest_file": null }));
    server.run(&["workspaces", "quota", "default", "--bytes", "10MB"]).exits(8);
    server.run(&["workspaces", "quota", "default", "--none", "--files", "1"]).exits(2);
    let secret = server.ok(&["keys", "create", "narrow", "--only", "default", "--role", "admin"]);
    let mut command = server.command();
    command.env("LONGSHORE_API_KEY", secret.trim());
    run(command, &["workspaces", "quota", "default", "--none"]).exits(6);
}

#[test]
fn what_is_sent_in_parts_is_measured_once() {
    let server = Server::start();
    let large = std::fs::File::create(server.path("large")).unwrap();
    large.set_len(33 << 20).unwrap();
    let secret = server.ok(&["keys", "create", "narrow", "--only", "default", "--role", "editor"]);
    let with = |arguments: &[&str]| {
        let mut command = server.command();
        command.env("LONGSHORE_API_KEY", secret.trim());
        run(command, arguments)
    };
    // Not a byte too few, and none too many.
    server.ok(&["workspaces", "quota", "default", "--bytes", "34603007"]);
    let ended = with(&["up", "large", "/large"]).exits(3);
    assert!(ended.stderr.contains("may keep 34603007 bytes"), "{}", ended.stderr);
    server.ok(&["workspaces", "quota", "default", "--bytes", "33MiB", "--largest-file", "34603007"]);
    let ended = with(&["up", "large", "/large"]).exits(3);
    assert!(ended.stderr.contains("a file of this workspace has at most"), "{}", ended.stderr);
    server.ok(&["workspaces", "quota", "default", "--largest-file", "33MiB"]);
    with(&["up", "large", "/large"]).exits(0);
    let told = server.json(&["workspaces", "show"]);
    assert_eq!(told["usage"], serde_json::json!({ "bytes": 33 << 20, "files": 1, "staged_bytes": 0 }));
}
