//! `fetch`: files of servers that need not be friends.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::run::{Ended, end, longshore, run, write};
use crate::web_server::{Reply, WebServer, answer};

pub(crate) fn command(folder: &Path) -> Command {
    let mut command = longshore(&folder.join("config"));
    command.current_dir(folder).arg("fetch");
    command
}

fn fetch(folder: &TempDir, arguments: &[&str]) -> Ended {
    run(command(folder.path()), arguments)
}

/// Runs it for its summary.
#[track_caller]
pub(crate) fn summary(folder: &TempDir, code: i32, arguments: &[&str]) -> Value {
    let mut command = command(folder.path());
    command.arg("--json");
    run(command, arguments).exits(code).json()
}

/// Returns the files of a folder that a user sees, with what is in them.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let all = fs::read_dir(folder).into_iter().flatten().map(Result::unwrap);
    all.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .filter(|(name, path)| !name.starts_with('.') && path.is_file())
        .map(|(name, path)| (name, fs::read(path).unwrap()))
        .collect()
}

pub(crate) fn parts(folder: &Path) -> usize {
    let all = fs::read_dir(folder).into_iter().flatten().map(Result::unwrap);
    all.filter(|entry| entry.file_name().to_string_lossy().ends_with(".part")).count()
}

#[test]
fn many_at_once_and_only_once() {
    let server =
        WebServer::start(|_, seen| Reply::Send(answer(200, &[], format!("content of {}", seen.target))));
    let folder = tempfile::tempdir().unwrap();
    let list: String = (0..100).map(|number| server.url(&format!("/dir{number}/file.txt\n"))).collect();
    write(folder.path().join("list"), format!("# a comment\n\n{list}"));
    let named = [server.url("/a%20b"), server.url("/a%20b"), server.url("/a%20b?x=1#part")];
    let arguments = [&named[0], &named[1], &named[2], "--from", "list", "-o", "out", "-c", "16"];
    let done = summary(&folder, 0, &arguments);
    assert_eq!((&done["files"], &done["skipped"], &done["failed"]), (&102.into(), &1.into(), &0.into()));
    let found = files(&folder.path().join("out"));
    assert_eq!(found.len(), 102);
    assert!(found.contains_key("a b") && found.contains_key("a b (2)"));
    let mut contents: Vec<_> =
        found.values().map(|content| String::from_utf8(content.clone()).unwrap()).collect();
    contents.sort();
    contents.dedup();
    assert_eq!(contents.len(), 102, "two URLs gave one file, or one was lost");
    assert_eq!(parts(&folder.path().join("out")), 0);

    let again = summary(&folder, 0, &arguments);
    assert_eq!((&again["files"], &again["skipped"]), (&0.into(), &103.into()));
    assert_eq!(server.seen().len(), 102, "what is there was asked for again");

    // One that is gone comes back, and under its own name.
    fs::remove_file(folder.path().join("out/a b (2)")).unwrap();
    assert_eq!(summary(&folder, 0, &arguments)["files"], 1);
    assert_eq!(files(&folder.path().join("out")), found);
}

#[test]
fn a_second_run_does_what_failed() {
    let server = WebServer::start(|place, seen| match (place, seen.target.as_str()) {
        (0..4, "/bad") => Reply::Send(answer(404, &[], "no")),
        _ => Reply::Send(answer(200, &[], "yes")),
    });
    let folder = tempfile::tempdir().unwrap();
    let urls = [server.url("/bad"), server.url("/good1"), server.url("/good2"), server.url("/good3")];
    let arguments: Vec<_> = urls.iter().map(String::as_str).collect();
    let done = summary(&folder, 3, &arguments);
    assert_eq!((&done["files"], &done["failed"]), (&3.into(), &1.into()));
    assert_eq!(done["failures"][0]["code"], "web_refused");
    assert_eq!(done["failures"][0]["path"], server.url("/bad"));
    assert_eq!(server.seen().len(), 4, "a 404 was asked for again");
    assert_eq!(summary(&folder, 0, &arguments)["files"], 1);
    assert_eq!(server.targets()[4..], ["/bad"]);
}

#[test]
fn one_name_for_all_is_numbered_in_both_runs() {
    let server = WebServer::start(|_, seen| {
        Reply::Send(answer(200, &["content-disposition: attachment; filename=\"item.csv\""], &seen.target))
    });
    let folder = tempfile::tempdir().unwrap();
    let list = |range: std::ops::Range<usize>| {
        let urls: String = range.map(|number| server.url(&format!("/get?id={number}\n"))).collect();
        write(folder.path().join("list"), urls);
    };
    list(0..40);
    assert_eq!(summary(&folder, 0, &["--from", "list", "-o", "out"])["files"], 40);
    let before = files(&folder.path().join("out"));
    assert!(before.contains_key("item.csv") && before.contains_key("item (40).csv"));
    list(0..60);
    let done = summary(&folder, 0, &["--from", "list", "-o", "out"]);
    assert_eq!((&done["files"], &done["skipped"]), (&20.into(), &40.into()));
    let after = files(&folder.path().join("out"));
    assert!(
        before.iter().all(|(name, content)| after.get(name) == Some(content)),
        "a file of before was touched"
    );
    let mut contents: Vec<_> = after.values().collect();
    contents.sort();
    contents.dedup();
    assert_eq!(contents.len(), 60);
}

#[test]
fn hostile_names_stay_in_the_folder() {
    const NAMES: [(&str, &str); 9] = [
        ("attachment; filename=\"../../etc/passwd\"", "passwd"),
        ("attachment; filename=\"..\\\\..\\\\x\"", "x"),
        ("attachment; filename*=UTF-8''a%00b%0A%1b", "ab"),
        ("attachment; filename=\"CON\"", "_CON"),
        ("attachment; filename=\"..\"", "4.bin"),
        ("attachment; filename=\".bashrc\"", "_bashrc"),
        ("attachment; filename*=UTF-8''%E6%97%A5%E6%9C%AC%20%D1%84.txt", "日本 ф.txt"),
        ("attachment; filename=\"/abs/olute\"", "olute"),
        ("inline", "8.bin"),
    ];
    let long = format!("attachment; filename=\"{}.tar\"", "n".repeat(300));
    let server = WebServer::start(move |_, seen| {
        let number: usize = seen.target[1..].split('.').next().unwrap().parse().unwrap();
        let field = NAMES.get(number).map_or(long.as_str(), |(field, _)| field);
        Reply::Send(answer(200, &[&format!("content-disposition: {field}")], seen.target.as_bytes()))
    });
    let folder = tempfile::tempdir().unwrap();
    let urls: Vec<_> = (0..10).map(|number| server.url(&format!("/{number}.bin"))).collect();
    let mut arguments: Vec<_> = urls.iter().map(String::as_str).collect();
    arguments.extend(["-o", "in/out"]);
    assert_eq!(summary(&folder, 0, &arguments)["files"], 10);
    let found = files(&folder.path().join("in/out"));
    for (number, (_, name)) in NAMES.iter().enumerate() {
        assert_eq!(found[*name], format!("/{number}.bin").as_bytes(), "{name}");
    }
    let longest = found.keys().find(|name| name.len() > 200).unwrap();
    assert!(longest.len() <= 255 && longest.ends_with("n.tar"), "{longest}");
    assert_eq!(found.len(), 10);
    let beside: Vec<_> = fs::read_dir(folder.path().join("in")).unwrap().collect();
    assert_eq!(beside.len(), 1, "something landed outside");
}

#[test]
fn a_secret_goes_to_the_host_that_was_named() {
    let other = WebServer::start(|_, _| Reply::Send(answer(200, &[], "theirs")));
    let there = other.url("/there");
    let server = WebServer::start(move |_, seen| {
        Reply::Send(match seen.target.as_str() {
            "/here" => answer(302, &["location: /moved"], ""),
            "/away" => answer(307, &[&format!("location: {there}")], ""),
            "/loop" => answer(301, &["location: /loop"], ""),
            "/file" => answer(302, &["location: file:///etc/passwd"], ""),
            "/nowhere" => answer(302, &[], ""),
            _ => answer(200, &[], "ours"),
        })
    });
    let folder = tempfile::tempdir().unwrap();
    let go = |target: &str, code: i32| {
        let mut command = command(folder.path());
        command.env("TOKEN", "hush-token").args(["--json", "-o", "out", "--bearer-env", "TOKEN"]);
        run(command, &["-H", "X-Mine: hush-header", &server.url(target)]).exits(code)
    };
    assert_eq!(go("/here", 0).json()["files"], 1);
    assert_eq!(go("/away", 0).json()["files"], 1);
    for seen in server.seen() {
        assert_eq!(seen.header("authorization"), Some("Bearer hush-token"), "{}", seen.target);
        assert_eq!(seen.header("x-mine"), Some("hush-header"), "{}", seen.target);
    }
    let away = other.seen();
    assert_eq!(away.len(), 1);
    assert_eq!((away[0].header("authorization"), away[0].header("x-mine")), (None, None));
    assert_eq!(files(&folder.path().join("out")).keys().collect::<Vec<_>>(), ["moved", "there"]);
    for target in ["/loop", "/file", "/nowhere"] {
        let ended = go(target, 3);
        assert_eq!(ended.json()["failures"][0]["code"], "web_redirect", "{target}");
        assert!(!ended.text().contains("hush") && !ended.stderr.contains("hush"));
    }
    let loops = server.targets().iter().filter(|target| *target == "/loop").count();
    assert_eq!(loops, 11, "the request and ten redirects");
    assert_eq!(run(command(folder.path()), &["--bearer-env", "NONE", "http://host/"]).exits(8).text(), "");
}

#[test]
fn a_pause_is_kept_by_all_requests_together() {
    const PAUSE: Duration = Duration::from_secs(3);
    let (met, answered) = (Barrier::new(4), Arc::new(std::sync::Mutex::new(None)));
    let told = Arc::clone(&answered);
    let server = WebServer::start(move |place, _| {
        if place >= 4 {
            return Reply::Send(answer(200, &[], "now"));
        }
        // All four are on their way when the first of them is refused.
        met.wait();
        *told.lock().unwrap() = Some(Instant::now());
        Reply::Send(answer(429, &["retry-after: 3"], "later"))
    });
    let folder = tempfile::tempdir().unwrap();
    let urls: Vec<_> = (0..30).map(|number| server.url(&format!("/{number}"))).collect();
    let mut arguments: Vec<_> = urls.iter().map(String::as_str).collect();
    arguments.extend(["-c", "4", "-o", "out"]);
    let done = summary(&folder, 0, &arguments);
    assert_eq!((&done["files"], &done["failed"]), (&30.into(), &0.into()));
    let opens = answered.lock().unwrap().unwrap() + PAUSE;
    // The four answers leave within a moment of each other; the window is counted from the last to be made.
    let early = server.seen()[4..].iter().filter(|seen| seen.at + Duration::from_millis(100) < opens).count();
    assert_eq!(early, 0, "requests came inside the window");
    assert_eq!(files(&folder.path().join("out")).len(), 30);
}

#[test]
fn what_stands_in_the_way_is_not_replaced() {
    let server = WebServer::start(|_, _| Reply::Send(answer(200, &[], "theirs")));
    let folder = tempfile::tempdir().unwrap();
    write(folder.path().join("mine"), "mine");
    fs::create_dir(folder.path().join("dir")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link")).unwrap();
    let urls = [server.url("/mine"), server.url("/dir"), server.url("/link")];
    let arguments: Vec<_> = urls.iter().map(String::as_str).collect();
    let done = summary(&folder, 3, &arguments);
    assert_eq!(done["failed"], 3);
    assert_eq!(done["failures"][0]["code"], "local_exists");
    assert_eq!(fs::read(folder.path().join("mine")).unwrap(), b"mine");
    let mut forced = vec!["--force"];
    forced.extend(&arguments);
    assert_eq!(summary(&folder, 3, &forced)["files"], 2);
    assert_eq!(fs::read(folder.path().join("mine")).unwrap(), b"theirs");
    assert!(fs::symlink_metadata(folder.path().join("link")).unwrap().is_file(), "it was written through");
    assert_eq!(parts(folder.path()), 0);
}

#[test]
fn a_digest_in_the_url_is_verified() {
    let server = WebServer::start(|_, _| Reply::Send(answer(200, &[], "abc")));
    let folder = tempfile::tempdir().unwrap();
    let right = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    summary(&folder, 0, &[&server.url(&format!("/right#sha256={right}"))]);
    let wrong = right.replace("ba", "bb");
    let done = summary(&folder, 3, &[&server.url(&format!("/wrong#sha256={wrong}"))]);
    assert_eq!(done["failures"][0]["code"], "web_digest");
    assert_eq!(files(folder.path()).keys().collect::<Vec<_>>(), ["right"]);
    fetch(&folder, &[&server.url("/x#sha256=12")]).exits(8);
    assert_eq!(server.targets(), ["/right", "/wrong"]);
}

#[test]
fn a_rehearsal_and_a_wrong_command_send_nothing() {
    let server = WebServer::start(|_, _| Reply::Send(answer(200, &[], "")));
    let folder = tempfile::tempdir().unwrap();
    let said = fetch(&folder, &["--dry-run", "-o", "out", &server.url("/a%20b?token=hush")]).exits(0).text();
    assert_eq!(said, format!("{} -> out/a b\n", server.url("/a%20b?token=***")));
    let planned =
        fetch(&folder, &["--json", "--dry-run", &server.url("/a"), &server.url("/b")]).exits(0).text();
    let lines: Vec<Value> = planned.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[1]["url"], &lines[1]["file"]), (&server.url("/b").into(), &"./b".into()));
    assert_eq!((&lines[2]["files"], lines.len()), (&2.into(), 3));
    fetch(&folder, &[]).exits(2);
    for wrong in [
        &["ftp://host/x"][..],
        &["no url"],
        &["-H", "no colon", "http://host/"],
        &["-H", "Range: x", "http://host/"],
    ] {
        let mut arguments = vec![server.url("/first")];
        arguments.extend(wrong.iter().map(|word| (*word).to_owned()));
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let ended = fetch(&folder, &arguments).exits(8);
        assert!(!ended.stderr.contains("hush"), "{}", ended.stderr);
    }
    fetch(&folder, &["--from", "nowhere"]).exits(4);
    assert!(server.seen().is_empty() && !folder.path().join("out").exists());
    // What a list has that is wrong fails alone.
    write(folder.path().join("list"), format!("nonsense\n{}\n", server.url("/good")));
    let done = summary(&folder, 3, &["--from", "list", "-o", "out"]);
    assert_eq!((&done["files"], &done["failures"][0]["path"]), (&1.into(), &"line 1".into()));
}

/// A server with TLS; it prints its port.
const WITH_TLS: &str = "
import http.server, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'' if self.path == '/down' else b'over TLS'
        self.send_response(200 if body else 302)
        if not body:
            self.send_header('Location', 'http://127.0.0.1:1/x')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1] + '/server.pem', sys.argv[1] + '/server.key')
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
";

#[test]
fn tls_trusts_whom_it_should_and_is_not_left() {
    // For 127.0.0.1, for a hundred years; they protect nothing.
    let certificates = concat!(env!("CARGO_MANIFEST_DIR"), "/../client/tests/it/tls");
    let mut server = Command::new("python3")
        .args(["-c", WITH_TLS, certificates])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut port = String::new();
    BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut port).unwrap();
    let url = |target: &str| format!("https://127.0.0.1:{}{target}", port.trim());
    let folder = tempfile::tempdir().unwrap();
    let authority = format!("{certificates}/ca.pem");
    let stranger = summary(&folder, 3, &["--retries", "0", &url("/a")]);
    let trusted = summary(&folder, 3, &["--ca-file", &authority, &url("/a"), &url("/down")]);
    let wrong = fetch(&folder, &["--ca-file", "/dev/null", &url("/a")]);
    end(&mut server);
    assert_eq!(stranger["files"], 0);
    assert_eq!((&trusted["files"], &trusted["failures"][0]["code"]), (&1.into(), &"web_redirect".into()));
    assert_eq!(files(folder.path())["a"], b"over TLS");
    wrong.exits(8);
}

#[test]
fn the_commands_of_the_page_are_commands() {
    let page = include_str!("../../../../docs/fetch.md");
    let mut commands = 0;
    for block in page.split("```sh\n").skip(1) {
        let block = block.split("```").next().unwrap();
        commands += block.matches("longshore ").count();
        // With --help behind it a command line is only looked at.
        let script = format!("set -e; longshore() {{ \"$LONGSHORE\" \"$@\" --help >/dev/null; }}\n{block}");
        let ended = Command::new("sh")
            .arg("-c")
            .arg(script)
            .env("LONGSHORE", env!("CARGO_BIN_EXE_longshore"))
            .output();
        let ended = ended.unwrap();
        assert!(ended.status.success(), "{block}{}", String::from_utf8_lossy(&ended.stderr));
    }
    assert_eq!(commands, 10);
}
