//! Share links: made, shown, changed and revoked, and what they give.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::people::fed;
use crate::run::{Server, write};

/// Asks without a key, as who has a link does; returns the status and the body.
fn ask(method: &str, url: &str, grant: &str, body: &str) -> (u16, String) {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let length = body.len();
    let head = format!(
        "{method} /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n"
    );
    let grant = if grant.is_empty() { String::new() } else { format!("share-grant: {grant}\r\n") };
    write!(stream, "{head}{grant}\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Opens a link, and returns the grant.
fn opened(url: &str, password: &str) -> String {
    let (status, body) = ask("POST", &format!("{url}/open"), "", &format!(r#"{{"password":"{password}"}}"#));
    assert_eq!(status, 200, "{body}");
    let opened: Value = serde_json::from_str(&body).unwrap();
    opened["grant"].as_str().unwrap().to_owned()
}

#[test]
fn a_folder_is_shared_until_it_is_no_more() {
    let server = Server::start();
    write(server.path("a"), "one\n");
    server.ok(&["up", "a", "/d/a.txt"]);
    let made =
        server.ok(&["share", "create", "/d", "--note", "for Ada", "--expires-in", "1d", "--downloads", "2"]);
    let url = made.trim_end();
    assert!(url.starts_with(&format!("{}/v1/shares/lsh_", server.url)), "{url}");
    let grant = opened(url, "");
    assert_eq!(ask("GET", &format!("{url}/content?path=/a.txt"), &grant, ""), (200, "one\n".to_owned()));
    let listed = server.json(&["share", "list"]);
    let share = &listed["items"][0];
    let id = share["id"].as_str().unwrap();
    assert_eq!((share["downloads"].clone(), share["state"].clone()), (1.into(), "open".into()));
    let listed = server.ok(&["share", "list"]);
    assert!(listed.contains(id) && listed.contains("1 of 2") && listed.contains("for Ada"), "{listed}");
    assert!(!listed.contains("lsh_"), "{listed}");
    let shown = server.ok(&["share", "show", id]);
    assert!(shown.contains("downloads 1 of 2") && shown.contains("password  no"), "{shown}");
    let changed = server.json(&["share", "change", id, "--any-downloads", "--no-end", "--note", ""]);
    for gone in ["most_downloads", "expires_at", "note"] {
        assert!(changed[gone].is_null(), "{changed}");
    }
    assert_eq!(server.json(&["share", "revoke", id])["items"][0], id);
    assert_eq!(ask("GET", &format!("{url}/content?path=/a.txt"), &grant, "").0, 404);
    assert!(server.ok(&["share", "show", id]).contains("state     revoked"));
    let refused = server.run(&["share", "change", id, "--no-end"]).exits(5);
    assert!(refused.stderr.contains("share create"), "{}", refused.stderr);
    let log = std::fs::read_to_string(server.path("log")).unwrap();
    assert!(
        log.contains("/v1/shares/{token}/content") && !log.contains("lsh_") && !log.contains("lsg_"),
        "{log}"
    );
}

#[test]
fn a_drop_box_takes_a_password_that_is_no_argument() {
    let server = Server::start();
    server.ok(&["mkdir", "/box"]);
    let create = ["--json", "share", "create", "/box", "--drop", "--password"];
    let short = fed(server.command(), &create, "short\n").exits(8);
    assert_eq!(short.error()["code"], "invalid_password");
    let made = fed(server.command(), &create, "correct horse\n").exits(0).json();
    let url = format!("{}/v1/shares/{}", server.url, made["token"].as_str().unwrap());
    assert_eq!((made["mode"].clone(), made["has_password"].clone()), ("drop".into(), true.into()));
    assert_eq!(ask("POST", &format!("{url}/open"), "", "{}").0, 403);
    let grant = opened(&url, "correct horse");
    assert_eq!(ask("POST", &format!("{url}/files?name=new.txt"), &grant, "dropped").0, 201);
    assert_eq!(ask("GET", &format!("{url}/tree"), &grant, "").0, 409);
    assert_eq!(server.ok(&["cat", "/box/new.txt"]), "dropped");
    let id = made["id"].as_str().unwrap();
    let change = ["--json", "share", "change", id, "--password"];
    assert_eq!(fed(server.command(), &change, "battery staple\n").exits(0).json()["has_password"], true);
    assert_eq!(
        ask("POST", &format!("{url}/files?name=late.txt"), &grant, "x").0,
        401,
        "another password ends visits"
    );
    assert_eq!(server.json(&["share", "change", id, "--no-password"])["has_password"], false);
    opened(&url, "");
}

#[test]
fn what_is_no_share_link_is_said_to_be_none() {
    let server = Server::start();
    write(server.path("a"), "one\n");
    server.ok(&["up", "a", "/a.txt"]);
    server.run(&["share", "create", "/never"]).exits(4);
    server.run(&["share", "create", "/a.txt", "--drop"]).exits(5);
    server.run(&["share", "create", "/a.txt", "--expires-in", "3651d"]).exits(8);
    server.run(&["share", "create", "/a.txt", "--drop", "--downloads", "1"]).exits(2);
    server.run(&["share", "show", "nonsense"]).exits(8);
    let none = server.run(&["share", "show", "shr_00000000000000000000000000"]).exits(4);
    assert!(none.stderr.contains("share list"), "{}", none.stderr);
    // A change says what is to change.
    server.run(&["share", "change", "shr_00000000000000000000000000"]).exits(2);
}
