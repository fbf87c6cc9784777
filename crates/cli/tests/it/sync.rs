//! `sync`, both ways.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::folders::{Contents, contents, fill};
use crate::run::{Server, run, write};
use crate::web_server::{Reply, WebServer, answer};

/// How far the events of the workspace have come: whatever is done to it moves them.
fn seq(server: &Server) -> Value {
    server.json(&["workspaces", "current"])["seq"].clone()
}

/// What the workspace holds below a folder, as `down` brings it to an empty folder.
fn remote(server: &Server, path: &str) -> Contents {
    let aside = server.path("aside");
    let _absent = fs::remove_dir_all(&aside);
    server.ok(&["down", path, "aside"]);
    contents(&aside)
}

/// The numbers of a summary that are not nothing.
fn numbers(summary: &Value) -> Vec<(&str, u64)> {
    let names = ["files", "same", "folders", "deleted", "skipped", "failed"];
    let number = |name| (name, summary[name].as_u64().unwrap_or(0));
    names.into_iter().map(number).filter(|(_, number)| *number > 0).collect()
}

#[test]
fn up_makes_the_workspace_as_the_folder_is() {
    let server = Server::start();
    fill(&server.path("source"));
    let local = contents(&server.path("source"));
    let files = local.values().flatten().count() as u64;
    let folders = local.len() as u64 - files;
    let first = server.json(&["sync", "up", "source", "/to"]);
    assert_eq!(numbers(&first), [("files", files), ("folders", folders)]);
    assert!(remote(&server, "/to") == local);

    let before = seq(&server);
    assert_eq!(numbers(&server.json(&["sync", "up", "--delete", "source", "/to"])), [("same", files)]);
    assert_eq!(seq(&server), before, "a second run does nothing");

    write(server.path("source/names/plain.txt"), "other..!!");
    write(server.path("source/names/ไทย"), "longer than before");
    fs::remove_file(server.path("source/names/日本語.txt")).unwrap();
    fs::remove_dir_all(server.path("source/日本")).unwrap();
    fs::create_dir_all(server.path("source/new/empty")).unwrap();
    let kept = server.json(&["sync", "up", "source", "/to"]);
    assert_eq!(numbers(&kept), [("files", 2), ("same", files - 4), ("folders", 2)]);
    assert!(remote(&server, "/to").contains_key("/日本"), "only --delete removes");
    let said = server.ok(&["sync", "up", "--delete", "--dry-run", "source", "/to"]);
    assert!(said.starts_with("- /to/names/日本語.txt\n- /to/日本/\n"), "{said}");
    let removed = server.json(&["sync", "up", "--delete", "source", "/to"]);
    assert_eq!(numbers(&removed), [("same", files - 2), ("deleted", 2)]);
    assert!(remote(&server, "/to") == contents(&server.path("source")));
    let trash = server.ok(&["trash"]);
    assert!(trash.contains("/to/日本/\n") && trash.contains("/to/names/日本語.txt\n"), "{trash}");
}

#[test]
fn down_makes_the_folder_as_the_workspace_is() {
    let server = Server::start();
    fill(&server.path("source"));
    server.ok(&["up", "source", "/from"]);
    let wanted = contents(&server.path("source"));
    let files = wanted.values().flatten().count() as u64;
    let first = server.json(&["sync", "down", "/from", "to"]);
    assert_eq!(numbers(&first), [("files", files), ("folders", wanted.len() as u64 - files)]);
    assert!(contents(&server.path("to")) == wanted);
    assert_eq!(numbers(&server.json(&["sync", "down", "--delete", "/from", "to"])), [("same", files)]);

    write(server.path("to/names/plain.txt"), "PLAIN.TXT");
    fs::remove_file(server.path("to/large.bin")).unwrap();
    write(server.path("to/extra/deep/x"), "x");
    write(server.path("to/extra2"), "x");
    write(server.path("to/.large.bin.0123456789abcdef.part"), "what a download goes on with");
    let said =
        server.run(&["--json", "sync", "down", "--delete", "--dry-run", "/from", "to"]).exits(0).text();
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told =
        |change: &str, path: &str| lines.iter().any(|line| line["change"] == change && line["path"] == path);
    assert!(told("add", "/from/large.bin") && told("change", "/from/names/plain.txt"), "{said}");
    assert!(told("delete", "/from/extra/deep/x") && told("delete", "/from/extra"), "{said}");
    assert!(server.path("to/extra2").exists() && !server.path("to/large.bin").exists());
    let second = server.json(&["sync", "down", "--delete", "/from", "to"]);
    let expected = [("files", 2), ("same", files - 2), ("deleted", 4), ("skipped", 1)];
    assert_eq!(numbers(&second), expected);
    let mut left = contents(&server.path("to"));
    assert!(left.remove("/.large.bin.0123456789abcdef.part").is_some());
    assert!(left == wanted);
}

#[test]
fn what_has_another_kind_goes_only_with_delete() {
    let server = Server::start();
    write(server.path("one/was file/x"), "x");
    write(server.path("one/was folder"), "y");
    write(server.path("one/z"), "z");
    write(server.path("other/was file"), "1");
    write(server.path("other/was folder/in/a"), "2");
    write(server.path("other/was folder/b"), "3");
    server.ok(&["sync", "up", "other", "/to"]);
    let refused = server.run(&["--json", "sync", "up", "one", "/to"]).exits(3).json();
    assert_eq!(numbers(&refused), [("files", 1), ("failed", 2)]);
    let message = refused["failures"][0]["message"].as_str().unwrap();
    assert_eq!(message, "/to/was file is a file, and a folder is to stand there");
    assert_eq!(server.ok(&["cat", "/to/was folder/b"]), "3");
    server.ok(&["sync", "up", "--delete", "one", "/to"]);
    assert!(remote(&server, "/to") == contents(&server.path("one")));

    let refused = server.run(&["--json", "sync", "down", "/to", "other"]).exits(3).json();
    assert_eq!(numbers(&refused), [("files", 1), ("failed", 2)]);
    assert!(server.path("other/was folder/in/a").exists());
    server.ok(&["sync", "down", "--delete", "/to", "other"]);
    assert!(contents(&server.path("other")) == contents(&server.path("one")));
}

#[test]
fn links_are_left_alone_and_nothing_outside_is_touched() {
    let server = Server::start();
    write(server.path("source/f/x"), "theirs");
    write(server.path("source/g"), "theirs");
    server.ok(&["sync", "up", "source", "/to"]);
    write(server.path("outside/x"), "mine");
    fs::create_dir(server.path("back")).unwrap();
    symlink(server.path("outside"), server.path("back/f")).unwrap();
    symlink(server.path("outside/x"), server.path("back/g")).unwrap();
    fs::create_dir(server.path("back/extra")).unwrap();
    symlink(server.path("outside"), server.path("back/extra/link")).unwrap();
    let summary = server.run(&["--json", "sync", "down", "--delete", "/to", "back"]).exits(3).json();
    assert_eq!(numbers(&summary), [("skipped", 1), ("failed", 2)]);
    assert!(server.path("back/extra/link").is_symlink() && server.path("back/g").is_symlink());
    assert_eq!(fs::read(server.path("outside/x")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(server.path("outside")).unwrap().count(), 1);

    // A link where the workspace has something is no reason to remove that.
    fs::remove_dir_all(server.path("source/f")).unwrap();
    symlink(server.path("outside"), server.path("source/f")).unwrap();
    let summary = server.json(&["sync", "up", "--delete", "source", "/to"]);
    assert_eq!(numbers(&summary), [("same", 1), ("skipped", 1)]);
    assert_eq!(server.ok(&["cat", "/to/f/x"]), "theirs");
}

#[test]
fn an_empty_source_removes_all_only_where_that_is_said() {
    let server = Server::start();
    write(server.path("full/a"), "a");
    server.ok(&["sync", "up", "full", "/full"]);
    server.ok(&["mkdir", "/empty"]);
    fs::create_dir(server.path("empty")).unwrap();
    for arguments in [["up", "empty", "/full"], ["down", "/empty", "full"]] {
        let mut all = vec!["--json", "sync"];
        all.extend(arguments);
        all.push("--delete");
        let ended = server.run(&all).exits(2);
        assert_eq!(ended.error()["code"], "local_unconfirmed", "{}", ended.stderr);
        all.pop();
        server.run(&all).exits(0);
        assert!(server.path("full/a").exists() && server.run(&["stat", "/full/a"]).code == 0);
    }
    assert_eq!(
        numbers(&server.json(&["sync", "up", "empty", "/full", "--delete", "--yes"])),
        [("deleted", 1)]
    );
    assert_eq!(
        numbers(&server.json(&["sync", "down", "/full", "full", "--delete", "--yes"])),
        [("deleted", 1)]
    );
    assert_eq!(fs::read_dir(server.path("full")).unwrap().count(), 0);
    for wrong in [&["up", "nowhere", "/x"][..], &["down", "/nowhere", "x"]] {
        server.run(&[&["sync"], wrong, &["--delete", "--yes"]].concat()).exits(4);
    }
    server.run(&["sync", "up", "full/a", "/x"]).exits(4);
}

#[test]
fn a_folder_of_many_goes_with_all_below_it() {
    let server = Server::start();
    for number in 0..1_100 {
        write(server.path(&format!("source/b/{number}")), "");
    }
    for name in ["a", "b!", "c/d", "c.txt"] {
        write(server.path(&format!("source/{name}")), name);
    }
    server.ok(&["up", "source", "/to"]);
    fs::remove_dir_all(server.path("source/b")).unwrap();
    let summary = server.json(&["sync", "up", "--delete", "source", "/to"]);
    assert_eq!(numbers(&summary), [("same", 4), ("deleted", 1)]);
    assert!(remote(&server, "/to") == contents(&server.path("source")));
}

#[test]
fn what_is_missing_among_many_is_moved() {
    let server = Server::start();
    for number in 0..1_500 {
        write(server.path(&format!("source/{:02}/{number}", number % 50)), number.to_string());
    }
    server.ok(&["up", "source", "/to"]);
    write(server.path("source/07/7"), "!");
    write(server.path("source/new"), "new");
    assert_eq!(numbers(&server.json(&["up", "source", "/to"])), [("files", 2), ("same", 1_499)]);
    // Most of the workspace is something else: what is there is looked up instead.
    write(server.path("few/y"), "y");
    write(server.path("few/z/z"), "z");
    server.ok(&["sync", "up", "source", "/also"]);
    assert_eq!(numbers(&server.json(&["up", "few", "/"])), [("files", 2)]);
    assert_eq!(numbers(&server.json(&["up", "few", "/"])), [("same", 2)]);
    let fetched = server.json(&["down", "/to", "back"]);
    assert_eq!(numbers(&fetched), [("files", 1_501), ("folders", 50)]);
    fs::remove_file(server.path("back/new")).unwrap();
    let again = server.json(&["down", "/to", "back"]);
    assert_eq!(numbers(&again), [("files", 1), ("same", 1_500), ("folders", 50)]);
    assert!(contents(&server.path("back")) == contents(&server.path("source")));
}

#[test]
fn rules_about_versions_are_kept() {
    let server = Server::start();
    server.ok(&["workspaces", "settings", "--require-preconditions", "on"]);
    for number in 0..5 {
        write(server.path(&format!("source/{number}")), "one");
    }
    server.ok(&["sync", "up", "source", "/to"]);
    write(server.path("source/3"), "two");
    write(server.path("source/new"), "new");
    fs::remove_file(server.path("source/4")).unwrap();
    let summary = server.json(&["sync", "up", "--delete", "source", "/to"]);
    assert_eq!(numbers(&summary), [("files", 2), ("same", 3), ("deleted", 1)]);
    assert!(remote(&server, "/to") == contents(&server.path("source")));
}

#[test]
fn ten_thousand_files_are_sent_once() {
    let server = Server::start();
    for number in 0..10_000 {
        write(server.path(&format!("source/{:02}/{number}", number % 50)), [b'a' + (number % 26) as u8]);
    }
    let sent = server.json(&["up", "source", "/to"]);
    assert_eq!(numbers(&sent), [("files", 10_000)]);
    let before = seq(&server);
    let again = server.json(&["up", "source", "/to"]);
    assert_eq!(numbers(&again), [("same", 10_000)]);
    assert_eq!(numbers(&server.json(&["sync", "up", "source", "/to"])), [("same", 10_000)]);
    assert_eq!(seq(&server), before, "nothing was written");
}

#[test]
fn a_listing_that_ends_in_not_found_removes_nothing() {
    let server = Server::start();
    // More than one page of a listing.
    for number in 0..1_200 {
        write(server.path(&format!("source/{number:04}")), "");
    }
    server.ok(&["up", "source", "/from"]);
    write(server.path("source/9999"), "mine alone");
    let before = contents(&server.path("source"));
    let address = server.url.trim_start_matches("http://").parse().unwrap();
    for broken in ["cursor=", "depth="] {
        let between = WebServer::start(move |_, seen| {
            if seen.target.contains(broken) {
                let problem = json!({
                    "type": "about:blank", "title": "not found", "status": 404, "detail": "it is gone",
                    "code": "node_not_found", "request_id": "",
                });
                return Reply::Send(answer(
                    404,
                    &["content-type: application/problem+json"],
                    problem.to_string(),
                ));
            }
            Reply::Cut(seen.passed_on(address))
        });
        let mut command = server.command();
        command.env("LONGSHORE_URL", between.url(""));
        let ended = run(command, &["--json", "sync", "down", "--delete", "--yes", "/from", "source"]);
        assert!(ended.code != 0 && (ended.text() + &ended.stderr).contains("it is gone"), "{}", ended.stderr);
        assert!(between.targets().iter().any(|target| target.contains(broken)), "{:?}", between.targets());
        assert!(contents(&server.path("source")) == before, "{broken}: something was removed");
    }
    assert_eq!(
        numbers(&server.json(&["sync", "down", "--delete", "/from", "source"])),
        [("same", 1_200), ("deleted", 1)]
    );
}
