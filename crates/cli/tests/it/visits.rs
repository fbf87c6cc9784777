//! Share links as who was given one meets them: no key, no profile, and a secret for an address.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::thread;

use crate::people::fed;
use crate::run::{Ended, Server, longshore, run, write};

const PASSWORD: &str = "correct horse";

/// A machine of somebody who has nothing but a link.
struct Guest(tempfile::TempDir);

impl Guest {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn command(&self) -> Command {
        let mut command = longshore(&self.0.path().join("config"));
        command.current_dir(self.0.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        run(self.command(), arguments)
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        self.run(arguments).exits(0).text()
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn names(&self, folder: &str) -> Vec<String> {
        names(&self.path(folder))
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn shared(server: &Server, arguments: &[&str]) -> String {
    let all: Vec<_> = ["share", "create"].iter().chain(arguments).copied().collect();
    server.ok(&all).trim_end().to_owned()
}

#[test]
fn who_has_a_link_reads_what_it_leads_to() {
    let server = Server::start();
    write(server.path("d/документ.txt"), "words");
    write(server.path("d/deep/empty"), "");
    server.ok(&["up", "d", "/d"]);
    let url = shared(&server, &["/d"]);
    let guest = Guest::new();
    let looked = guest.ok(&["visit", "look", &url]);
    assert!(looked.contains("mode      read") && looked.contains("name      d/"), "{looked}");
    assert_eq!(guest.ok(&["visit", "ls", &url]), "deep/\nдокумент.txt\n");
    assert_eq!(guest.ok(&["visit", "ls", &url, "-R", "/deep"]), "/deep/empty\n");
    let listed = guest.run(&["--json", "visit", "ls", &url, "-R"]).exits(0).json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 3);
    guest.ok(&["visit", "get", &url]);
    assert_eq!(fs::read(guest.path("d/документ.txt")).unwrap(), b"words");
    assert_eq!(fs::read(guest.path("d/deep/empty")).unwrap(), b"");
    let again = guest.run(&["--json", "visit", "get", &url]).exits(0).json();
    assert_eq!((again["files"].clone(), again["same"].clone()), (0.into(), 2.into()));
    guest.ok(&["visit", "get", &url, "/документ.txt"]);
    fs::create_dir(guest.path("other")).unwrap();
    let got = guest.run(&["--json", "visit", "get", &url, "/документ.txt", "-o", "other"]).exits(0).json();
    assert_eq!(got["bytes"], 5);
    assert_eq!(guest.names("other"), ["документ.txt"]);
    // What else stands there is replaced only where that is asked for.
    write(guest.path("other/документ.txt"), "other words");
    let get = ["visit", "get", &url, "/документ.txt", "-o", "other"];
    assert!(guest.run(&get).exits(5).stderr.contains("--force"));
    guest.ok(&[&get[..], &["--force"]].concat());
    assert_eq!(fs::read(guest.path("other/документ.txt")).unwrap(), b"words");
    guest.ok(&["visit", "zip", &url, "-o", "all.zip"]);
    assert!(fs::read(guest.path("all.zip")).unwrap().starts_with(b"PK"));
    assert_eq!(guest.names("."), ["all.zip", "d", "other", "документ.txt"]);
    let missing = guest.run(&["visit", "get", &url, "/never"]).exits(4);
    assert!(missing.stderr.contains("visit ls"), "{}", missing.stderr);
    guest.run(&["visit", "get", &url, "/../d"]).exits(8);
    guest.run(&["visit", "put", &url, "all.zip"]).exits(5);
}

#[test]
fn a_link_takes_its_password_unseen_and_ends() {
    let server = Server::start();
    write(server.path("f.txt"), "words");
    server.ok(&["up", "f.txt", "/f.txt"]);
    let create = ["--json", "share", "create", "/f.txt", "--password", "--downloads", "1"];
    let made = fed(server.command(), &create, &format!("{PASSWORD}\n")).exits(0).json();
    let (id, token) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    let url = format!("{}/v1/shares/{token}", server.url);
    let guest = Guest::new();
    let looked = guest.run(&["--json", "visit", "look", &url]).exits(0).json();
    assert_eq!((looked["has_password"].clone(), looked["name"].is_null()), (true.into(), true));
    let none = guest.run(&["--json", "visit", "get", &url]).exits(6).error();
    assert_eq!(none["code"], "share_password_wrong");
    assert!(none["hint"].as_str().unwrap().contains("--password"));
    let get = ["--json", "visit", "get", &url, "--password"];
    assert_eq!(
        fed(guest.command(), &get, "a wrong horse\n").exits(6).error()["code"],
        "share_password_wrong"
    );
    assert!(!guest.path("f.txt").exists());
    // The address may come on standard input too, before the password.
    let unseen = ["--json", "visit", "get", "-", "--password"];
    let got = fed(guest.command(), &unseen, &format!("{url}\n{PASSWORD}\n")).exits(0).json();
    assert_eq!((got["file"].clone(), got["bytes"].clone()), ("./f.txt".into(), 5.into()));
    assert_eq!(fs::read(guest.path("f.txt")).unwrap(), b"words");
    let used_up = fed(guest.command(), &get, &format!("{PASSWORD}\n")).exits(4).error();
    assert_eq!(used_up["code"], "share_not_found");
    assert!(used_up["hint"].as_str().unwrap().contains("ask whoever"), "{used_up}");
    server.ok(&["share", "revoke", id]);
    assert_eq!(guest.run(&["--json", "visit", "look", &url]).exits(4).error()["code"], "share_not_found");
}

#[test]
fn a_file_is_put_into_a_drop_box() {
    let server = Server::start();
    server.ok(&["mkdir", "/box"]);
    let url = shared(&server, &["/box", "--drop"]);
    let guest = Guest::new();
    write(guest.path("записка.txt"), "words");
    write(guest.path("empty"), "");
    let put = guest.run(&["--json", "visit", "put", &url, "записка.txt"]).exits(0).json();
    assert_eq!(put["size"], 5);
    assert!(put["digest"].is_string() && put["stored_at"].is_string());
    guest.ok(&["visit", "put", &url, "empty", "--name", "other"]);
    assert_eq!(server.ok(&["ls", "/box"]), "other\nзаписка.txt\n");
    assert_eq!(server.ok(&["cat", "/box/записка.txt"]), "words");
    for bad in ["../up", "a/b", ".."] {
        guest.run(&["visit", "put", &url, "empty", "--name", bad]).exits(8);
    }
    guest.run(&["visit", "put", &url, "never"]).exits(4);
    let refused = guest.run(&["visit", "ls", &url]).exits(5);
    assert!(refused.stderr.contains("visit look"), "{}", refused.stderr);
    assert_eq!(server.ok(&["ls", "/box"]), "other\nзаписка.txt\n");
}

/// Answers what was asked with what `answer` makes of the target, a request to a connection.
fn hostile(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // It ends with the test's process.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut target, mut line, mut length) = (String::new(), String::new(), 0);
            while reader.read_line(&mut line).unwrap() > 2 {
                if target.is_empty() {
                    target = line.split(' ').nth(1).unwrap().to_owned();
                }
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            reader.take(length).read_to_end(&mut Vec::new()).unwrap();
            let body = answer(&target);
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json";
            write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        }
    });
    format!("http://{address}")
}

#[test]
fn a_server_that_names_other_places_writes_nothing_there() {
    let token = shared_token();
    let node = |path: &str| {
        format!(
            r#"{{"name":"x","path":"{path}","kind":"file","size":1,"updated_at":"2026-01-01T00:00:00Z"}}"#
        )
    };
    let opened = |name: &str, kind: &str| {
        format!(
            r#"{{"grant":"lsg_x","expires_at":"2036-01-01T00:00:00Z","mode":"read","name":"{name}","kind":"{kind}","size":1}}"#
        )
    };
    let guest = Guest::new();
    fs::create_dir(guest.path("here")).unwrap();
    for name in ["../evil", "/evil", "..", "a/evil", ""] {
        for kind in ["file", "folder"] {
            let opened = opened(name, kind);
            let url =
                hostile(move |target| if target.ends_with("/open") { opened.clone() } else { "x".into() });
            let mut command = guest.command();
            command.current_dir(guest.path("here"));
            let ended = run(command, &["visit", "get", &format!("{url}/v1/shares/{token}")]);
            assert_eq!(ended.code, 8, "{name}: {}", ended.stderr);
        }
    }
    for path in ["/../evil", "../evil", "/a/../../evil", "/"] {
        let (opened, listed) = (opened("d", "folder"), format!(r#"{{"items":[{}]}}"#, node(path)));
        let url = hostile(move |target| match target {
            _ if target.ends_with("/open") => opened.clone(),
            _ if target.contains("/tree") => listed.clone(),
            _ => "x".to_owned(),
        });
        let mut command = guest.command();
        command.current_dir(guest.path("here"));
        let ended = run(command, &["visit", "get", &format!("{url}/v1/shares/{token}"), "-o", "into"]);
        assert_eq!(ended.code, 3, "{path}: {}", ended.stderr);
    }
    // A link that stands in the folder is not gone through.
    let (opened, listed) = (opened("d", "folder"), format!(r#"{{"items":[{}]}}"#, node("/out/evil")));
    let url = hostile(move |target| match target {
        _ if target.ends_with("/open") => opened.clone(),
        _ if target.contains("/tree") => listed.clone(),
        _ => "x".to_owned(),
    });
    std::os::unix::fs::symlink(guest.path("."), guest.path("here/into/out")).unwrap();
    let mut command = guest.command();
    command.current_dir(guest.path("here"));
    run(command, &["visit", "get", &format!("{url}/v1/shares/{token}"), "-o", "into"]).exits(3);
    assert_eq!(guest.names("here"), ["into"]);
    assert_eq!(guest.names("here/into"), ["out"]);
    assert!(!guest.names(".").iter().any(|name| name.contains("evil")), "{:?}", guest.names("."));
}

/// A token that is well formed, of no server.
fn shared_token() -> String {
    longshore_core::ShareToken::generate(longshore_core::Timestamp::from_micros(0)).reveal().to_owned()
}

#[test]
fn what_is_no_address_is_refused_and_not_repeated() {
    let (guest, token) = (Guest::new(), shared_token());
    let another = if token.ends_with('x') { 'y' } else { 'x' };
    let typo = format!("{}{another}", &token[..token.len() - 1]);
    let [url, wrong] = [&token, &typo].map(|token| format!("http://127.0.0.1:1/v1/shares/{token}"));
    let option = format!("--{url}");
    let cases: [(i32, &[&str]); 8] = [
        (8, &["visit", "look", "nonsense"]),
        (8, &["visit", "look", &token]),
        (8, &["visit", "look", &wrong]),
        (2, &["visit", &url]),
        (2, &["visit", "look", "x", &url]),
        (2, &["--json", "visit", "ls", &option]),
        (7, &["visit", "look", &url]),
        (7, &["--json", "visit", "get", &url]),
    ];
    for (code, arguments) in cases {
        let ended = guest.run(arguments);
        assert!(!ended.stderr.contains(&token[30..60]), "{}", ended.stderr);
        assert_eq!(ended.code, code, "{}", ended.stderr);
    }
}
