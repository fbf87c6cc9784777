//! `enrich`: rows through an API that fails now and then.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::run::{Ended, end, longshore, run, write};
use crate::web_server::{Reply, WebServer, answer};

const JSON: &str = "content-type: application/json";

fn command(folder: &Path) -> Command {
    let mut command = longshore(&folder.join("config"));
    command.current_dir(folder).args(["enrich", "rows.csv", "-o", "out.jsonl"]);
    command
}

fn enrich(folder: &TempDir, arguments: &[&str]) -> Ended {
    run(command(folder.path()), arguments)
}

#[track_caller]
fn summary(folder: &TempDir, code: i32, arguments: &[&str]) -> Value {
    let mut command = command(folder.path());
    command.arg("--json");
    run(command, arguments).exits(code).json()
}

fn lines(folder: &TempDir, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is torn");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns the lines by their keys, each of which is there once.
#[track_caller]
fn by_key(folder: &TempDir, name: &str) -> BTreeMap<String, Value> {
    let all = lines(folder, name);
    let count = all.len();
    let keyed: BTreeMap<_, _> =
        all.into_iter().map(|line| (line["key"].as_str().unwrap().to_owned(), line)).collect();
    assert_eq!(keyed.len(), count, "a key is there twice");
    keyed
}

/// Writes a table of so many rows.
fn table(folder: &TempDir, count: usize) {
    let rows: String = (1..=count).map(|number| format!("{number},name {number}\n")).collect();
    write(folder.path().join("rows.csv"), format!("id,name\n{rows}"));
}

#[test]
fn each_row_becomes_a_line() {
    let server = WebServer::start(|_, seen| {
        Reply::Send(match seen.target.as_str() {
            target if target.ends_with("id=2") => answer(200, &["content-type: text/plain"], "just\ntext"),
            target => answer(200, &[JSON], format!("{{\"asked\":\n \"{target}\", \"n\": 1.10}}")),
        })
    });
    let folder = tempfile::tempdir().unwrap();
    let rows = "\u{feff}id,name\r\n1,\"O'Neil, \"\"x\"\"\nand/more?\"\r\n2,日本\r\n3,\r\n";
    write(folder.path().join("rows.csv"), rows);
    let url = server.url("/{name}?id={id}");
    let done = summary(&folder, 0, &["--url", &url, "-c", "3"]);
    assert_eq!((&done["rows"], &done["answered"], &done["failed"]), (&3.into(), &3.into(), &0.into()));
    let found = by_key(&folder, "out.jsonl");
    assert_eq!(found["1"]["row"], json!({"id": "1", "name": "O'Neil, \"x\"\nand/more?"}));
    assert_eq!(found["1"]["response"]["asked"], "/O%27Neil%2C%20%22x%22%0Aand%2Fmore%3F?id=1");
    assert_eq!(found["2"]["response"], "just\ntext");
    assert_eq!(found["3"]["status"], 200);
    let text = fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
    assert!(text.contains("\"n\": 1.10}"), "{text}");
    assert_eq!(lines(&folder, "out.jsonl.failures.jsonl").len(), 0);
}

#[test]
fn rows_as_json_and_bodies() {
    let server = WebServer::start(|_, seen| Reply::Send(answer(201, &[JSON], &seen.body)));
    let folder = tempfile::tempdir().unwrap();
    let rows = "{\"id\": 12345678901234567890123, \"q\": \"a \\\"b\\\"\"}\n\n{\"q\": \"x\"}\nnonsense\n";
    write(folder.path().join("rows.jsonl"), rows);
    let go = |out: &str, more: &[&str], code: i32| {
        let mut command = longshore(&folder.path().join("config"));
        command.current_dir(folder.path()).env("TOKEN", "hush").args(["enrich", "rows.jsonl", "-o", out]);
        command.args(["--url", &server.url("/"), "--bearer-env", "TOKEN"]);
        run(command, more).exits(code)
    };
    go("body", &["--body", r#"{"id": {id}, "q": "{q}", "o": {}}"#, "--key", "id"], 3);
    let found = fs::read_to_string(folder.path().join("body")).unwrap();
    assert!(
        found.contains(r#""response":{"id": 12345678901234567890123, "q": "a \"b\"", "o": {}}"#),
        "{found}"
    );
    let failed = lines(&folder, "body.failures.jsonl");
    assert_eq!(failed.len(), 2);
    assert!(failed.iter().all(|line| line["code"] == "local_row" && line["status"].is_null()), "{failed:?}");
    go("whole", &["--json-body", "--ordered"], 3);
    let keys: Vec<_> = lines(&folder, "whole").iter().map(|line| line["key"].clone()).collect();
    assert_eq!(keys, ["1", "2"]);
    assert_eq!(lines(&folder, "whole")[1]["response"], json!({"q": "x"}));
    for seen in server.seen() {
        assert_eq!((seen.method.as_str(), seen.header("content-type")), ("POST", Some("application/json")));
        assert_eq!(seen.header("authorization"), Some("Bearer hush"));
    }
}

#[test]
fn a_wrong_question_is_told_before_anything_is_sent() {
    let server = WebServer::start(|_, _| Reply::Send(answer(200, &[JSON], "1")));
    let folder = tempfile::tempdir().unwrap();
    table(&folder, 3);
    let ended = enrich(&folder, &["--url", &server.url("/{idd}")]).exits(8);
    assert_eq!(ended.stderr, "error: there is no column \"idd\"\nhint: the columns are: id, name\n");
    for wrong in [
        &["--url", "http://{name}/x"][..],
        &["--url", "ftp://host/{id}"],
        &["--url", &server.url("/"), "--body", "{\"a\": {id}"],
        &["--url", &server.url("/"), "--body", "{\"a\": {other}}"],
        &["--url", &server.url("/"), "--key", "other"],
        &["--url", &server.url("/"), "--method", "GET", "--json-body"],
        &["--url", &server.url("/"), "--bearer-env", "NONE"],
    ] {
        enrich(&folder, wrong).exits(8);
    }
    enrich(&folder, &["--url", &server.url("/"), "--rate", "0/s"]).exits(2);
    enrich(&folder, &[]).exits(2);
    assert!(server.seen().is_empty() && !folder.path().join("out.jsonl").exists());
}

#[test]
fn a_row_that_fails_goes_aside_and_is_tried_again_by_the_next_run() {
    let server = WebServer::start(|place, seen| {
        Reply::Send(match (place, seen.target.as_str()) {
            (_, "/3") => answer(404, &[], "x".repeat(5_000)),
            (_, "/5") => answer(500, &[], "broken"),
            (0, _) => answer(503, &["retry-after: 1"], ""),
            (_, "/8") => answer(200, &[], vec![b'x'; 8 * 1_024 * 1_024 + 1]),
            _ => answer(200, &[JSON], "{}"),
        })
    });
    let folder = tempfile::tempdir().unwrap();
    table(&folder, 20);
    let url = server.url("/{id}");
    let arguments = ["--url", &url, "--key", "id", "--retries", "1", "-c", "2"];
    let done = summary(&folder, 3, &arguments);
    assert_eq!((&done["answered"], &done["failed"]), (&17.into(), &3.into()));
    let failed = by_key(&folder, "out.jsonl.failures.jsonl");
    assert_eq!(failed.keys().collect::<Vec<_>>(), ["3", "5", "8"]);
    assert_eq!((&failed["3"]["status"], &failed["3"]["code"]), (&404.into(), &"web_refused".into()));
    assert_eq!(failed["3"]["body"].as_str().unwrap().len(), 2_048);
    assert_eq!(failed["3"]["attempts"], 1);
    assert_eq!(failed["3"]["row"], json!({"id": "3", "name": "name 3"}));
    assert_eq!((&failed["5"]["attempts"], &failed["5"]["body"]), (&2.into(), &"broken".into()));
    assert_eq!(failed["8"]["code"], "web_too_large");

    let before = server.seen().len();
    let done = summary(&folder, 3, &arguments);
    assert_eq!((&done["skipped"], &done["failed"]), (&17.into(), &3.into()));
    let asked: HashSet<_> = server.targets().split_off(before).into_iter().collect();
    assert_eq!(
        asked,
        HashSet::from(["/3", "/5", "/8"].map(str::to_owned)),
        "an answered row was asked again"
    );
}

#[test]
fn a_kill_in_the_middle_loses_and_repeats_nothing() {
    const ROWS: usize = 120;
    let server = WebServer::start(|_, seen| {
        // Slow enough to be in the middle of it.
        std::thread::sleep(Duration::from_millis(5));
        Reply::Send(answer(200, &[JSON], format!("\"{}\"", seen.target)))
    });
    let folder = tempfile::tempdir().unwrap();
    table(&folder, ROWS);
    let url = server.url("/{id}");
    for round in 1..=3 {
        let mut child = command(folder.path())
            .args(["--url", &url, "-c", "3"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        server.wait_for(round * 25);
        child.kill().unwrap();
        child.wait().unwrap();
        // A kill seldom tears a line; this one is torn.
        let out = folder.path().join("out.jsonl");
        let torn = [fs::read(&out).unwrap(), b"{\"key\":\"77\",\"row\":{\"id".to_vec()].concat();
        fs::write(&out, torn).unwrap();
    }
    let done = summary(&folder, 0, &["--url", &url, "-c", "3"]);
    assert_eq!(done["rows"], ROWS);
    let found = by_key(&folder, "out.jsonl");
    assert_eq!(found.len(), ROWS);
    for (key, line) in &found {
        assert_eq!(
            (&line["response"], &line["row"]["id"]),
            (&format!("/{key}").into(), &key.as_str().into())
        );
    }
    // Only what was on its way at a kill, or answered and not yet written, is asked twice.
    let twice = server.seen().len() - ROWS;
    assert!(twice <= 3 * 8, "{twice} were asked twice");
}

#[test]
fn two_programs_do_not_write_one_file() {
    let server = WebServer::start(|_, _| Reply::Stall(Vec::new()));
    let folder = tempfile::tempdir().unwrap();
    table(&folder, 3);
    let url = server.url("/{id}");
    let mut first = command(folder.path())
        .args(["--url", &url])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    server.wait_for(3);
    let second = enrich(&folder, &["--url", &url]).exits(5);
    end(&mut first);
    assert!(second.stderr.contains("another program writes out.jsonl"), "{}", second.stderr);
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn a_post_is_not_redirected() {
    let server = WebServer::start(|_, _| Reply::Send(answer(307, &["location: /other"], "")));
    let folder = tempfile::tempdir().unwrap();
    table(&folder, 1);
    summary(&folder, 3, &["--url", &server.url("/"), "--json-body"]);
    assert_eq!(lines(&folder, "out.jsonl.failures.jsonl")[0]["code"], "web_redirect");
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn answers_to_two_questions_are_not_mixed() {
    let server = WebServer::start(|_, _| Reply::Send(answer(200, &[JSON], "1")));
    let folder = tempfile::tempdir().unwrap();
    table(&folder, 3);
    summary(&folder, 0, &["--url", &server.url("/a/{id}")]);
    let ended = enrich(&folder, &["--url", &server.url("/b/{id}")]).exits(5);
    assert!(
        ended.stderr.contains("out.jsonl has the answers to another question\nhint: "),
        "{}",
        ended.stderr
    );
    assert_eq!(server.seen().len(), 3);
    write(folder.path().join("mine.jsonl"), "{\"mine\": 1}\n");
    enrich(&folder, &["--url", &server.url("/a/{id}"), "-o", "mine.jsonl"]).exits(2);
    let mut command = longshore(&folder.path().join("config"));
    command.current_dir(folder.path());
    let ended =
        run(command, &["enrich", "rows.csv", "--url", &server.url("/{id}"), "-o", "mine.jsonl"]).exits(5);
    assert!(ended.stderr.contains("line 1 of mine.jsonl"), "{}", ended.stderr);
    assert_eq!(fs::read_to_string(folder.path().join("mine.jsonl")).unwrap(), "{\"mine\": 1}\n");
}

#[test]
fn a_key_that_two_rows_have_is_asked_once() {
    let server = WebServer::start(|_, _| Reply::Send(answer(200, &[JSON], "1")));
    let folder = tempfile::tempdir().unwrap();
    write(folder.path().join("rows.csv"), "id\na\nb\na\n\"\"\n..\n");
    let url = server.url("/{id}");
    let done = summary(&folder, 3, &["--url", &url, "--key", "id"]);
    assert_eq!((&done["answered"], &done["failed"]), (&2.into(), &3.into()));
    let mut asked = server.targets();
    asked.sort();
    assert_eq!(asked, ["/a", "/b"]);
}

#[test]
fn a_pause_and_a_rate_are_kept() {
    let server = WebServer::start(|place, _| {
        Reply::Send(match place {
            0 => answer(429, &["retry-after: 2"], ""),
            _ => answer(200, &[JSON], "1"),
        })
    });
    let folder = tempfile::tempdir().unwrap();
    table(&folder, 20);
    let start = Instant::now();
    summary(&folder, 0, &["--url", &server.url("/{id}"), "-c", "1", "--rate", "20/s"]);
    let seen = server.seen();
    assert!(seen[1].at - seen[0].at >= Duration::from_secs(2), "a request came inside the window");
    // Twenty more requests at twenty a second take a second, but for the first.
    assert!(start.elapsed() >= Duration::from_millis(2_900));
    assert_eq!(by_key(&folder, "out.jsonl").len(), 20);
}

#[test]
fn a_token_that_is_not_taken_ends_it_early() {
    let server = WebServer::start(|_, _| Reply::Send(answer(401, &[], "who?")));
    let folder = tempfile::tempdir().unwrap();
    table(&folder, 500);
    let ended = enrich(&folder, &["--url", &server.url("/{id}"), "-c", "2", "--json"]).exits(6);
    assert_eq!(ended.json()["incomplete"], true);
    assert!(server.seen().len() < 200, "{} rows were asked for nothing", server.seen().len());
}

#[test]
fn a_file_of_somebody_else_is_not_emptied() {
    let server = WebServer::start(|_, _| Reply::Send(answer(200, &[JSON], "1")));
    let folder = tempfile::tempdir().unwrap();
    table(&folder, 3);
    let url = server.url("/{id}");
    let go = |out: &str, failures: Option<&str>, code: i32| {
        let mut command = longshore(&folder.path().join("config"));
        command.current_dir(folder.path()).args(["enrich", "rows.csv", "--url", &url, "-o", out]);
        command.args(failures.map(|file| ["--failures", file]).into_iter().flatten());
        run::<&str>(command, &[]).exits(code).stderr
    };
    fs::hard_link(folder.path().join("rows.csv"), folder.path().join("linked.csv")).unwrap();
    std::os::unix::fs::symlink("rows.csv", folder.path().join("named")).unwrap();
    let contents = [
        ("note", "a note without a line's end"),
        ("json", "{\"key\":\"mine\"}\nno line of theirs"),
        ("begins", "{\"key\":\"as theirs do"),
        ("mixed", "{\"key\":\"1\",\"mine\":2}\n"),
        ("blocked.checkpoint", "mine"),
    ];
    for (name, text) in contents {
        write(folder.path().join(name), text);
    }
    let rows = fs::read(folder.path().join("rows.csv")).unwrap();
    for out in ["note", "json", "begins", "blocked"] {
        assert!(go(out, None, 5).contains("hint: choose another -o"), "{out}");
    }
    for failures in ["note", "json", "mixed"] {
        assert!(go("out", Some(failures), 5).contains("hint: choose another --failures"), "{failures}");
    }
    for (out, failures) in [
        ("rows.csv", None),
        ("linked.csv", None),
        ("named", None),
        ("out", Some("./rows.csv")),
        ("out", Some("named")),
        ("out", Some("./out")),
    ] {
        assert!(go(out, failures, 8).contains(" are one file\n"), "{out} {failures:?}");
    }
    assert!(server.seen().is_empty());
    for (name, text) in contents {
        assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), text, "{name}");
    }
    assert_eq!(fs::read(folder.path().join("rows.csv")).unwrap(), rows);
    // What is torn and ours is cut, also where it is all there is.
    go("out", Some("/dev/null"), 0);
    let whole = fs::read(folder.path().join("out")).unwrap();
    write(folder.path().join("out"), &whole[..12]);
    go("out", None, 0);
    assert_eq!(lines(&folder, "out").len(), 3);
}

#[test]
fn a_row_that_is_too_long_is_passed_over_and_a_table_that_breaks_off_is_told() {
    let server = WebServer::start(|_, _| Reply::Send(answer(200, &[JSON], "1")));
    let folder = tempfile::tempdir().unwrap();
    let long = "x".repeat(17 * 1_024 * 1_024);
    write(
        folder.path().join("rows.jsonl"),
        format!("{{\"id\": 1}}\n{{\"id\": \"{long}\"}}\n{{\"id\": 3}}\n"),
    );
    write(folder.path().join("rows.csv"), format!("id\n1\n\"{long}\n3\n"));
    let go = |rows: &str| {
        let mut command = longshore(&folder.path().join("config"));
        command.current_dir(folder.path()).args(["enrich", rows, "--url", &server.url("/{id}"), "--json"]);
        run(command, &["-o", &format!("{rows}.out")]).exits(3)
    };
    let done = go("rows.jsonl").json();
    assert_eq!(
        (&done["answered"], &done["failed"], &done["incomplete"]),
        (&2.into(), &1.into(), &false.into())
    );
    let broken = go("rows.csv");
    let done = broken.json();
    assert_eq!(
        (&done["answered"], &done["failed"], &done["incomplete"]),
        (&1.into(), &1.into(), &true.into())
    );
    assert!(broken.stderr.contains("the table ends at row 2, which cannot be read: "), "{}", broken.stderr);
    let mut asked = server.targets();
    asked.sort();
    assert_eq!(asked, ["/1", "/1", "/3"]);
}
