//! Links that need no key, and zips.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use crate::run::{Server, write};

/// Asks without a key, as a browser does.
fn open(url: &str) -> String {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_link_is_printed_whole_and_not_logged() {
    let server = Server::start();
    write(server.path("a"), "one\n");
    server.ok(&["up", "a", "/a b.txt"]);
    write(server.path("a"), "two\n");
    server.ok(&["up", "a", "/a b.txt"]);
    let link = server.ok(&["link", "/a b.txt"]);
    let link = link.trim_end();
    assert!(link.starts_with(&format!("{}/v1/links/lsl_", server.url)), "{link}");
    assert!(link.ends_with("/a%20b.txt"), "{link}");
    let answer = open(link);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\ntwo\n"), "{answer}");
    let old = server.json(&["link", "/a b.txt", "--version", "1", "--inline", "--expires", "7d"]);
    let answer = open(old["url"].as_str().unwrap());
    assert!(answer.contains("inline; filename=\"a b.txt\"") && answer.ends_with("\r\n\r\none\n"), "{answer}");
    server.run(&["link", "/a b.txt", "--expires", "8d"]).exits(8);
    server.run(&["link", "/never"]).exits(4);
    let log = std::fs::read_to_string(server.path("log")).unwrap();
    assert!(log.contains("/v1/links/{token}/{name}") && !log.contains("lsl_"), "{log}");
}

#[test]
fn folders_and_files_come_as_one_zip() {
    let server = Server::start();
    write(server.path("a"), "one\n");
    server.ok(&["up", "a", "/d/第/a.txt"]);
    server.ok(&["up", "a", "/b.txt"]);
    let told = server.ok(&["zip", "/d", "/b.txt", "-o", "out.zip"]);
    assert!(told.starts_with("out.zip: "), "{told}");
    let names = "import sys,zipfile; z=zipfile.ZipFile(sys.argv[1]); z.testzip() and sys.exit(1); print(*z.namelist())";
    let mut python = Command::new("python3");
    let listed = python.args(["-X", "utf8", "-c", names]).arg(server.path("out.zip")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&listed.stdout), "d/ d/第/ d/第/a.txt b.txt\n", "{listed:?}");
    // What stands there stays.
    server.run(&["zip", "/b.txt", "-o", "out.zip"]).exits(5);
    let zipped = server.json(&["zip", "/b.txt", "-o", "out.zip", "--force"]);
    assert_eq!(zipped["bytes"], std::fs::metadata(server.path("out.zip")).unwrap().len());
    server.run(&["zip", "/never", "-o", "never.zip"]).exits(4);
    assert!(!server.path("never.zip").exists());
}
