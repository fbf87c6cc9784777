//! Keys, workspaces and the status.

use crate::run::{Server, run, write};

#[test]
fn a_revoked_key_is_refused() {
    let server = Server::start();
    let made =
        server.json(&["keys", "create", "robot", "--role", "editor", "--agent", "Robbie", "--expires", "1d"]);
    let secret = made["secret"].as_str().unwrap();
    let with = |arguments: &[&str]| {
        let mut command = server.command();
        command.env("LONGSHORE_API_KEY", secret);
        run(command, arguments)
    };
    write(server.path("f"), "f");
    with(&["up", "f", "/f"]).exits(0);
    with(&["keys", "list"]).exits(6);
    let listed = server.ok(&["keys", "list"]);
    assert!(listed.lines().any(|line| line.contains("robot") && line.ends_with("valid")), "{listed}");
    let id = made["id"].as_str().unwrap();
    server.ok(&["keys", "revoke", id]);
    let ended = with(&["ls"]).exits(6);
    assert!(ended.stderr.starts_with("error: the key was revoked"), "{}", ended.stderr);
    assert_eq!(with(&["--json", "ls"]).exits(6).error()["code"], "key_revoked");
    // A folder of files is not tried one by one with a key that is good for none of them.
    with(&["up", "f", "/f"]).exits(6);
    let listed = server.ok(&["keys", "list"]);
    assert!(listed.lines().any(|line| line.contains(id) && line.ends_with("revoked")), "{listed}");
    server.run(&["keys", "revoke", "nonsense"]).exits(8);
}

#[test]
fn a_viewer_may_not_write() {
    let server = Server::start();
    let secret = server.ok(&["keys", "create", "eyes", "--role", "viewer"]);
    let mut command = server.command();
    command.env("LONGSHORE_API_KEY", secret.trim());
    let ended = run(command, &["mkdir", "/x"]).exits(6);
    assert!(ended.stderr.contains("hint: ask an admin"), "{}", ended.stderr);
}

#[test]
fn a_key_is_narrowed_and_rotated() {
    let server = Server::start();
    write(server.path("f"), "f");
    server.ok(&["up", "f", "/drop/f"]);
    server.ok(&["up", "f", "/other"]);
    let narrow =
        ["--verbs", "read,create", "--under", "/drop", "--address", "127.0.0.0/8", "--address", "::1"];
    let made = server.json(&[&["keys", "create", "narrow"][..], &narrow].concat());
    assert_eq!(made["verbs"], serde_json::json!(["read", "create"]));
    assert_eq!(made["addresses"], serde_json::json!(["127.0.0.0/8", "::1/128"]));
    let folder = made["folder_id"].as_str().unwrap();
    let with = |secret: &str, arguments: &[&str]| {
        let mut command = server.command();
        command.env("LONGSHORE_API_KEY", secret);
        run(command, arguments)
    };
    let secret = made["secret"].as_str().unwrap();
    with(secret, &["up", "f", "/drop/g"]).exits(0);
    assert_eq!(with(secret, &["ls", "/drop"]).exits(0).text(), "f\ng\n");
    with(secret, &["ls", "/other"]).exits(4);
    with(secret, &["rm", "/drop/f"]).exits(6);
    let listed = server.ok(&["keys", "list"]);
    let line = listed.lines().find(|line| line.contains("narrow ")).unwrap();
    assert!(line.contains(&format!("read,create under {folder} from 127.0.0.0/8,::1/128")), "{listed}");

    let id = made["id"].as_str().unwrap();
    let rotated = server.json(&["keys", "rotate", id, "--grace", "1h"]);
    assert_eq!(rotated["folder_id"], folder);
    let new = rotated["secret"].as_str().unwrap();
    for secret in [secret, new] {
        with(secret, &["ls", "/drop"]).exits(0);
    }
    let last = server.ok(&["keys", "rotate", rotated["id"].as_str().unwrap()]);
    with(new, &["ls", "/drop"]).exits(6);
    with(last.trim(), &["ls", "/drop"]).exits(0);
    server.run(&["keys", "rotate", rotated["id"].as_str().unwrap()]).exits(5);
    server.run(&["keys", "rotate", id, "--grace", "8d"]).exits(8);

    let elsewhere = server.ok(&["keys", "create", "elsewhere", "--address", "192.0.2.0/24"]);
    assert_eq!(with(elsewhere.trim(), &["--json", "ls"]).exits(6).error()["code"], "key_address_refused");
    let agent = server.json(&["keys", "create", "first", "--agent", "Robbie"]);
    let agent = agent["principal"]["id"].as_str().unwrap();
    let second = server.json(&["keys", "create", "second", "--agent-id", agent]);
    assert_eq!(second["principal"]["id"], agent);
}

#[test]
fn workspaces_are_made_and_chosen() {
    let server = Server::start();
    server.ok(&["workspaces", "create", "second"]);
    let listed = server.json(&["workspaces", "list"]);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert!(server.ok(&["workspaces", "list"]).starts_with("NAME"));
    server.ok(&["--workspace", "second", "mkdir", "/only here"]);
    assert_eq!(server.ok(&["--workspace", "default", "ls"]), "");
    assert_eq!(server.json(&["--workspace", "second", "workspaces", "current"])["name"], "second");
    server.ok(&["workspaces", "rename", "second", "2nd"]);
    server.run(&["--workspace", "second", "ls"]).exits(4);
    server.run(&["workspaces", "create", "2nd"]).exits(5);
    // A key for one workspace needs no choice.
    let secret = server.ok(&["keys", "create", "narrow", "--only", "2nd"]);
    let mut command = server.command();
    command.env("LONGSHORE_API_KEY", secret.trim());
    assert_eq!(run(command, &["ls"]).exits(0).text(), "only here/\n");
}

#[test]
fn status_tells_what_is_in_use() {
    let server = Server::start();
    let told = server.json(&["status"]);
    assert_eq!(told["url"], server.url);
    assert_eq!(told["server"]["database"], "sqlite");
    assert_eq!(told["workspace"]["name"], "default");
    assert!(!told.to_string().contains(&server.key), "a status is shown to others");
    assert!(server.ok(&["status"]).contains("workspace  default (ws_"));
}

#[test]
fn events_are_shown_and_followed() {
    let server = Server::start();
    server.ok(&["mkdir", "/a"]);
    write(server.path("f"), "f");
    server.ok(&["up", "f", "/a/f"]);
    server.ok(&["mv", "/a/f", "/a/g"]);
    let shown = server.ok(&["events"]);
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines.len(), 4, "{shown}");
    assert!(lines[0].starts_with("       1  20") && lines[0].contains("workspace.created"), "{shown}");
    assert!(lines[3].contains("  node.renamed  ") && lines[3].ends_with("  /a/f -> /a/g"), "{shown}");
    let chosen = server.json(&[
        "events",
        "--after",
        "1",
        "--type",
        "file.*",
        "--type",
        "node.renamed",
        "--path",
        "/a/f",
    ]);
    let seqs: Vec<_> = chosen["items"].as_array().unwrap().iter().map(|event| &event["seq"]).collect();
    assert_eq!(seqs, [3, 4]);
    assert_eq!(server.json(&["events", "--after", "now"])["items"], serde_json::json!([]));
    server.run(&["events", "--after", "soon"]).exits(2);
    server.run(&["events", "--type", "file"]).exits(8);
    let gone = server.run(&["--json", "events", "--after", "99"]).exits(4);
    assert_eq!(gone.error()["code"], "events_gone");

    // What was there, and what comes while it runs; a line each.
    let mut command = server.command();
    command.args(["--json", "events", "--follow", "--after", "3"]).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let mut next = || serde_json::from_str::<serde_json::Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["type"], "node.renamed");
    server.ok(&["rm", "/a/g"]);
    assert_eq!(next()["type"], "node.trashed");
    crate::run::end(&mut child);
}

#[test]
fn members_are_set_listed_and_removed() {
    let server = Server::start();
    let made = server.json(&["principals", "create", "Ada"]);
    let id = made["id"].as_str().unwrap();
    assert_eq!(server.json(&["members", "set", id, "editor"])["role"], "editor");
    let listed = server.ok(&["members", "list"]);
    assert!(listed.starts_with("ID"), "{listed}");
    assert!(listed.lines().any(|line| line.contains("Ada") && line.contains("editor")), "{listed}");
    assert_eq!(server.json(&["members", "list"])["items"].as_array().unwrap().len(), 2);
    server.run(&["members", "set", id, "owner"]).exits(5);
    server.run(&["members", "set", "nobody", "viewer"]).exits(8);
    server.ok(&["members", "rm", id]);
    let ended = server.run(&["members", "rm", id]).exits(4);
    assert!(ended.stderr.contains("hint: `longshore members list`"), "{}", ended.stderr);
    server.ok(&["principals", "rename", id, "Eve"]);
    assert!(server.ok(&["principals", "show", id]).contains("Eve"));
}

#[test]
fn who_is_deactivated_is_refused() {
    let server = Server::start();
    let made = server.json(&["keys", "create", "robot", "--agent", "Robbie", "--only", "default"]);
    let secret = made["secret"].as_str().unwrap();
    let list = || {
        let mut command = server.command();
        command.env("LONGSHORE_API_KEY", secret);
        run(command, &["--json", "members", "list"])
    };
    list().exits(0);
    let id = made["principal"]["id"].as_str().unwrap();
    assert!(server.ok(&["principals", "deactivate", id]).contains("deactivated"));
    assert_eq!(list().exits(6).error()["code"], "principal_deactivated");
    assert!(server.ok(&["principals", "list"]).contains("deactivated"));
    server.ok(&["principals", "reactivate", id]);
    list().exits(0);
}
