//! What is said of files, old versions, and what is removed for good.

use std::io::Write;

use crate::run::{Server, run, write};
use crate::supervised::Terminal;

fn with_file() -> Server {
    let server = Server::start();
    write(server.path("a"), "one\n");
    server.ok(&["up", "a", "/a.txt"]);
    write(server.path("a"), "two\n");
    server.ok(&["up", "a", "/a.txt"]);
    server
}

#[test]
fn versions_are_named_compared_and_removed() {
    let server = with_file();
    assert!(
        server
            .ok(&["versions", "label", "/a.txt", "1", "sent to the client"])
            .ends_with("  sent to the client\n")
    );
    assert_eq!(server.json(&["versions", "list", "/a.txt"])["items"][1]["label"], "sent to the client");
    let told = server.ok(&["versions", "diff", "/a.txt", "1"]);
    assert!(told.ends_with("@@ -1 +1 @@\n-one\n+two\n"), "{told}");
    assert_eq!(server.json(&["versions", "diff", "/a.txt", "1", "2"])["text"]["added"], 1);
    assert_eq!(server.ok(&["versions", "diff", "/a.txt", "2", "2"]), "the contents are the same\n");
    server.run(&["versions", "label", "/a.txt", "1"]).exits(2);
    assert_eq!(server.json(&["versions", "show", "/a.txt", "1"])["label"], "sent to the client");
    server.ok(&["versions", "label", "/a.txt", "1", "--remove"]);
    let shown = server.ok(&["versions", "show", "/a.txt", "1"]);
    assert!(shown.starts_with("version    1\n") && shown.contains("size       4 bytes"), "{shown}");
    assert!(!shown.contains("label"), "{shown}");
    server.run(&["versions", "show", "/a.txt", "3"]).exits(4);
    server.run(&["versions", "rm", "/a.txt", "2", "--yes"]).exits(5);
    server.ok(&["versions", "rm", "/a.txt", "1", "--yes"]);
    assert_eq!(server.ok(&["versions", "list", "/a.txt"]).lines().count(), 1);
    server.run(&["versions", "label", "/a.txt", "2", ""]).exits(8);
}

#[test]
fn the_trash_is_purged_and_emptied() {
    let server = with_file();
    server.ok(&["mkdir", "/d"]);
    server.ok(&["rm", "/a.txt", "/d"]);
    assert_eq!(server.ok(&["trash", "list"]).lines().count(), 2);
    server.run(&["trash", "purge", "/never", "--yes"]).exits(4);
    assert_eq!(
        server.ok(&["trash", "purge", "/a.txt", "--yes"]),
        "/a.txt: 1 files and folders, 2 versions, 8 B are gone\n"
    );
    let ended = server.run(&["trash", "empty"]).exits(2);
    assert!(ended.stderr.contains("hint: say --yes"), "{}", ended.stderr);
    assert_eq!(server.json(&["trash", "empty", "--yes"])["nodes"], 1);
    assert_eq!(server.ok(&["trash"]), "");
}

#[test]
fn metadata_and_labels_are_set_and_found() {
    let server = with_file();
    assert_eq!(server.ok(&["meta", "set", "/a.txt", "stage=draft", "sum=1=1"]), "stage=draft\nsum=1=1\n");
    assert_eq!(server.ok(&["meta", "get", "/a.txt", "sum"]), "1=1\n");
    assert_eq!(server.ok(&["meta", "find", "stage=draft", "--under", "/"]), "/a.txt\n");
    server.ok(&["meta", "rm", "/a.txt", "sum"]);
    assert_eq!(server.json(&["meta", "get", "/a.txt"]), serde_json::json!({ "stage": "draft" }));
    server.run(&["meta", "get", "/a.txt", "sum"]).exits(4);
    assert_eq!(server.ok(&["meta", "replace", "/a.txt", "by=me", "stage=draft"]), "by=me\nstage=draft\n");
    assert_eq!(server.ok(&["meta", "replace", "/a.txt", "stage=draft"]), "stage=draft\n");
    server.run(&["meta", "set", "/a.txt", "nonsense"]).exits(8);
    assert_eq!(server.ok(&["label", "/a.txt", "urgent", "q1"]), "q1\nurgent\n");
    assert_eq!(server.json(&["label", "/a.txt", "--rm", "q1"]), serde_json::json!(["urgent"]));
    assert_eq!(
        server.json(&["meta", "find", "--label", "urgent", "--name", "A."])["items"][0]["path"],
        "/a.txt"
    );
    assert_eq!(server.ok(&["meta", "find", "--label", "q1"]), "");
    assert!(server.ok(&["stat", "/a.txt"]).ends_with("metadata   stage=draft\nlabel      urgent\n"));
}

#[test]
fn notes_are_written_and_removed() {
    let server = with_file();
    let note = server.json(&["notes", "add", "/a.txt", "which two?", "--range", "0..3"]);
    assert_eq!(note["range"], serde_json::json!({ "start": 0, "end": 3 }));
    let id = note["id"].as_str().unwrap();
    assert!(server.ok(&["notes", "edit", id, "that two"]).ends_with(" 0..3: that two\n"));
    assert_eq!(server.json(&["notes", "list", "/a.txt"])["items"][0]["text"], "that two");
    server.ok(&["notes", "rm", id]);
    assert_eq!(server.ok(&["notes", "list", "/a.txt"]), "");
    server.run(&["notes", "rm", id]).exits(4);
    let old = server.json(&["versions", "show", "/a.txt", "1"])["id"].as_str().unwrap().to_owned();
    let note = server.json(&["notes", "add", "/a.txt", "which one?", "--version", "1", "--range", "0..3"]);
    assert_eq!(note["version_id"], *old);
    server.ok(&["notes", "add", "/a.txt", "of the file"]);
    let listed = server.ok(&["notes", "list", "/a.txt"]);
    let lines: Vec<_> = listed.lines().collect();
    assert!(lines[0].ends_with(&format!(" on {old} 0..3: which one?")), "{listed}");
    assert!(lines[1].ends_with(": of the file") && !lines[1].contains(" on "), "{listed}");
    server.run(&["notes", "add", "/a.txt", "x", "--range", "0..99"]).exits(8);
    server.run(&["notes", "add", "/a.txt", "x", "--range", "0-9"]).exits(8);
}

#[test]
fn rules_are_shown_and_set() {
    let server = Server::start();
    assert_eq!(
        server.ok(&["workspaces", "settings"]),
        "require-preconditions  off\nversions-kept          all\nversions-days          all\ntrash-days             30\nevents-days            30\n"
    );
    let set = [
        "workspaces",
        "settings",
        "--versions-kept",
        "5",
        "--trash-days",
        "all",
        "--require-preconditions",
        "on",
    ];
    let rules = server.json(&set);
    assert_eq!((&rules["versions_kept"], &rules["trash_days"]), (&5.into(), &serde_json::Value::Null));
    assert_eq!(server.json(&["workspaces", "settings"]), rules);
    server.run(&["workspaces", "settings", "--versions-kept", "0"]).exits(8);
    server.run(&["workspaces", "settings", "--trash-days", "soon"]).exits(8);
    server.run(&["workspaces", "settings", "--events-days", "0"]).exits(8);
}

#[test]
fn what_cannot_be_taken_back_is_asked_for() {
    let server = with_file();
    server.ok(&["mkdir", "/d"]);
    server.ok(&["rm", "/d"]);
    for asked in [
        &["trash", "purge", "/d"][..],
        &["trash", "empty"],
        &["versions", "rm", "/a.txt", "1"],
        &["undo", "--mine", "--since", "1h"],
    ] {
        let ended = server.run(asked).exits(2);
        assert!(ended.stderr.contains("nobody is there to be asked"), "{asked:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("hint: say --yes"), "{asked:?}: {}", ended.stderr);
        let all: Vec<_> = ["--json"].iter().chain(asked).copied().collect();
        assert_eq!(server.run(&all).exits(2).error()["code"], "local_unconfirmed", "{asked:?}");
    }
    assert_eq!(server.ok(&["trash"]).lines().count(), 1);
    assert_eq!(server.ok(&["versions", "list", "/a.txt"]).lines().count(), 2);
    for (done, told) in [
        (&["versions", "rm", "/a.txt", "1", "--yes"][..], "items"),
        (&["trash", "purge", "/d", "--yes"], "items"),
        (&["trash", "empty", "--yes"], "nodes"),
    ] {
        assert!(!server.json(done)[told].is_null(), "{done:?}");
    }
}

#[test]
fn a_file_goes_up_with_what_is_said_of_it() {
    let server = with_file();
    let media =
        ["up", "a", "/b", "--media-type", "text/x-log", "--metadata", "stage=draft", "--metadata", "by=me"];
    server.ok(&media);
    let node = server.json(&["stat", "/b"]);
    assert_eq!(server.json(&["versions", "show", "/b", "1"])["stated_media_type"], "text/x-log");
    assert_eq!(node["metadata"], serde_json::json!({ "stage": "draft", "by": "me" }));
    server.run(&["up", "a", "/c", "--metadata", "nonsense"]).exits(8);
    server.run(&["stat", "/c"]).exits(4);
}

#[test]
fn who_is_there_is_asked_and_heard() {
    let server = with_file();
    server.ok(&["rm", "/a.txt"]);
    let answer = |answer: &[u8]| {
        let mut terminal = Terminal::open();
        terminal.ours.write_all(answer).unwrap();
        let mut command = server.command();
        command.stdin(terminal.side());
        run(command, &["trash", "empty"]).exits(0)
    };
    for no in [&b"n\n"[..], b"\n", b"yesterday\n", b"\x04"] {
        let ended = answer(no);
        assert!(ended.stderr.starts_with("remove all that is in the trash of default for good? [y/N] "));
        assert!(ended.stderr.ends_with("note: nothing was done\n"), "{}", ended.stderr);
    }
    assert_eq!(server.ok(&["trash"]).lines().count(), 1);
    answer(b"y\n");
    assert_eq!(server.ok(&["trash"]), "");
}

#[test]
fn a_place_that_the_log_lacks_comes_with_a_way_on() {
    let server = with_file();
    for lost in [&["events", "--after", "999999"][..], &["events", "--follow", "--after", "999999"]] {
        let ended = server.run(lost).exits(4);
        assert!(ended.stderr.contains("go on with --after that seq"), "{}", ended.stderr);
    }
}
